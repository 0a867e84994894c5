//! Steps whose expressions fail, loop or build a gigabyte.

use e2e::{TestApp, assert_failed, manual, text};
use futures::future::join_all;
use serde_json::{Value, json};

const GIGABYTE: &str = "{{ $reduce([1..30], function($a, $b){$a & $a}, 'xxxxxxxx') }}";
const LOOP: &str = "{{ ($f := function($n){$f($n)}; $f(1)) }}";

fn map(id: &str, output: Value) -> Value {
    json!({"id": id, "type": "map", "output": output})
}

#[tokio::test]
async fn each_fails_its_own_step_with_its_code() {
    let app = TestApp::shared().await;
    let many_inputs = "x".repeat(200_000);
    let bounds = ["expression_timeout", "expression_too_deep", "expression_too_large", "expression_memory"];
    for (steps, at, codes) in [
        (json!([map("m", json!("{{ $error('no') }}"))]), "m", &["expression_failed"][..]),
        (json!([map("m", json!({"deep": ["{{ 1 }}", "{{ $number('x') }}"]}))]), "m", &["expression_failed"]),
        (json!([map("m", json!(LOOP))]), "m", &bounds),
        (json!([map("m", json!(GIGABYTE))]), "m", &bounds),
        (json!([map("m", json!("{{ $pad('x', 1e9) }}"))]), "m", &bounds),
        (json!([map("m", json!("{{ [1..1e7] }}"))]), "m", &bounds),
        (
            json!([{"id": "s", "type": "stop", "output": "{{ $pad('x', 400000) }}"}]),
            "s",
            &["output_too_large"],
        ),
        (json!([{"id": "b", "type": "branch", "arms": [{"when": LOOP, "steps": []}]}]), "b", &bounds),
        (json!([{"id": "w", "type": "wait", "for": GIGABYTE}]), "w", &bounds),
        (json!([{"id": "w", "type": "wait", "for": "{{ 'soon' }}"}]), "w", &["invalid_duration"]),
        (json!([{"id": "w", "type": "wait", "until": "{{ 'soon' }}"}]), "w", &["invalid_time"]),
        (json!([{"id": "s", "type": "stop", "message": LOOP}]), "s", &bounds),
        (json!([e2e::http_get("h", "http://127.0.0.1:9/{{ $error('no') }}")]), "h", &["expression_failed"]),
        (json!([e2e::http_get("h", "{{ trigger.input.nothing }}")]), "h", &["invalid_input"]),
        (json!([e2e::http_get("h", "{{ $abs(1) }}")]), "h", &["invalid_input"]),
        (json!([e2e::http_get("h", "not an address")]), "h", &["egress_invalid_url"]),
        (json!([e2e::http_get("h", "ftp://example.com/")]), "h", &["egress_scheme"]),
        (json!([e2e::http_get("h", "file:///etc/passwd")]), "h", &["egress_scheme"]),
    ] {
        let run = app.run_steps(steps.clone(), &json!({"long": many_inputs}), "failed").await;
        let code = text(&run["error"]["code"]);
        assert!(codes.contains(&code), "{steps}: {code}");
        assert_failed(&run, at, code);
    }
}

#[tokio::test]
async fn bombs_of_one_workflow_disturb_no_other() {
    let app = TestApp::shared().await;
    let bombs = app
        .publish(&manual(
            "bombs",
            json!([map(
                "boom",
                json!("{{ trigger.input = 0 ? $pad('x', 1e9) : ($f := function($n){$f($n)}; $f(1)) }}")
            )]),
        ))
        .await;
    let counting = "{{ ($f := function($n) { $n < 2 ? 1 : $n + $f($n - 1) }; $f(trigger.input)) }}";
    let good = app
        .publish(&manual(
            "good",
            json!([map("count", json!(counting)), map("plain", json!("{{ steps.count + 1 }}"))]),
        ))
        .await;
    let mut started = Vec::new();
    for n in 0..12 {
        started.push(app.start_run(&bombs.id, &json!(n % 2)).await);
        started.push(app.start_run(&good.id, &json!(20)).await);
    }
    let ended = join_all(started.iter().enumerate().map(|(i, run)| {
        let app = &app;
        async move { app.wait_until(run, if i % 2 == 0 { "failed" } else { "succeeded" }).await }
    }))
    .await;
    for (i, run) in ended.iter().enumerate() {
        if i % 2 == 0 {
            let code = text(&run["error"]["code"]);
            let known =
                ["expression_timeout", "expression_too_deep", "expression_too_large", "expression_memory"];
            assert!(known.contains(&code), "{run:#}");
        } else {
            assert_eq!(run["steps"][1]["output"], 211, "{run:#}");
        }
    }
    app.assert_undisturbed().await;
}
