//! Waits.

use e2e::{TestApp, step, text};
use serde_json::json;

#[tokio::test]
async fn a_wait_is_shown_as_waiting_and_then_over() {
    let app = TestApp::shared().await;
    let workflow = app
        .publish(&e2e::manual(
            "a wait",
            json!([
                {"id": "before", "type": "map", "output": {"kept": [1, 2, 3]}},
                {"id": "pause", "type": "wait", "for": "PT1S"},
                {"id": "after", "type": "map", "output": {"until": "{{ steps.pause.until }}", "kept": "{{ steps.before.kept[1] }}"}}
            ]),
        ))
        .await;
    let run = app.start_run(&workflow.id, &json!(null)).await;
    let waiting = app.wait_until(&run, "waiting").await;
    let pause = step(&waiting, "pause");
    assert_eq!((&pause["status"], &pause["finished_at"]), (&json!("waiting"), &json!(null)), "{waiting:#}");
    let until = text(&pause["output"]["until"]).to_owned();
    assert_eq!(app.runs(&format!("workflow={}&status=waiting", workflow.id)).await.len(), 1);

    let run = app.wait_until(&run, "succeeded").await;
    let pause = step(&run, "pause");
    assert_eq!((&pause["status"], &pause["finished_at"]), (&json!("succeeded"), &json!(until)), "{run:#}");
    assert_eq!(step(&run, "after")["output"], json!({"until": until, "kept": 2}));
    assert!(text(&run["finished_at"]) >= until.as_str(), "it went on before its time: {run:#}");
}

#[tokio::test]
async fn a_wait_as_the_last_step_and_a_wait_that_is_over_already() {
    let app = TestApp::shared().await;
    let steps = json!([
        {"id": "past", "type": "wait", "until": "2020-01-01T00:00:00Z"},
        {"id": "none", "type": "wait", "for": "{{ trigger.input.length }}"},
        {"id": "last", "type": "wait", "until": "{{ $fromMillis($millis() + 1000) }}"}
    ]);
    let run = app.run_steps(steps, &json!({"length": "PT0S"}), "succeeded").await;
    assert_eq!(run["steps"].as_array().unwrap().len(), 3, "{run:#}");
    assert!(text(&run["finished_at"]) >= text(&step(&run, "last")["output"]["until"]), "{run:#}");
}

#[tokio::test]
async fn a_run_that_takes_longer_than_its_limit_is_timed_out() {
    let app = TestApp::shared().await;
    let mut definition = e2e::manual(
        "limited",
        json!([
        {"id": "pause", "type": "wait", "for": "PT2S"}, {"id": "after", "type": "map", "output": 1}]),
    );
    definition["timeout"] = json!("PT1S");
    let workflow = app.publish(&definition).await;
    let run = app.start_run(&workflow.id, &json!(null)).await;
    let run = app.wait_until(&run, "timed_out").await;
    assert_eq!(run["error"]["code"], "run_timeout", "{run:#}");
    assert_eq!(run["steps"].as_array().unwrap().len(), 1, "{run:#}");
    e2e::has_page("run_timeout");
}
