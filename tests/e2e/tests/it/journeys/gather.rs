//! Webhooks that are gathered: in batches, or until it is quiet.

use e2e::{TestApp, step, text, webhook};
use serde_json::{Value, json};
use std::collections::BTreeSet;

async fn gathering(app: &TestApp, field: &str, how: Value) -> (String, String) {
    let mut definition =
        webhook("gathering", json!([{"id": "got", "type": "map", "output": "{{ trigger }}"}]));
    definition["triggers"][0][field] = how;
    let workflow = app.publish(&definition).await;
    (workflow.id, workflow.hook)
}

#[tokio::test]
async fn webhooks_of_a_batch_are_one_run_that_shows_until_when_it_gathers() {
    let app = TestApp::shared().await;
    let how = json!({"for": "PT10M", "size": 3, "key": "{{ trigger.body.shop }}"});
    let (id, hook) = gathering(&app, "batch", how).await;
    let first = app.hook_run(&hook, &json!({"shop": "a", "n": 1})).await;
    let shown = app.run(&first).await;
    assert_eq!(shown["status"], "queued", "{shown:#}");
    assert!(text(&shown["gathers_until"]) > text(&shown["started_at"]), "{shown:#}");
    let other = app.hook_run(&hook, &json!({"shop": "b", "n": 2})).await;
    assert_ne!(first, other, "another key, another run");
    for n in [3, 4] {
        assert_eq!(app.hook_run(&hook, &json!({"shop": "a", "n": n})).await, first);
    }
    let run = app.wait_until(&first, "succeeded").await;
    let items = run["input"]["items"].as_array().unwrap();
    let numbers: Vec<_> = items.iter().map(|item| item["body"]["n"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [1, 3, 4], "{run:#}");
    assert_eq!(step(&run, "got")["output"], run["input"]);
    assert_eq!(run["gathers_until"], json!(null));
    assert_ne!(
        app.hook_run(&hook, &json!({"shop": "a", "n": 5})).await,
        first,
        "the next batch is another run"
    );
    let runs: BTreeSet<_> =
        app.runs(&format!("workflow={id}")).await.iter().map(|run| text(&run["id"]).to_owned()).collect();
    assert_eq!(runs.len(), 3);
    for run in runs.iter().filter(|run| **run != first) {
        app.cancel(run).await.expect(200);
    }
}

#[tokio::test]
async fn of_webhooks_in_a_hurry_the_newest_counts_once_it_is_quiet() {
    let app = TestApp::shared().await;
    let (id, hook) = gathering(&app, "debounce", json!({"for": "PT2S"})).await;
    let first = app.hook_run(&hook, &json!({"n": 1})).await;
    for n in 2..=5 {
        assert_eq!(app.hook_run(&hook, &json!({"n": n})).await, first);
    }
    let run = app.wait_until(&first, "succeeded").await;
    assert_eq!((&run["input"]["body"], &run["input"]["count"]), (&json!({"n": 5}), &json!(5)), "{run:#}");
    assert_eq!(app.runs(&format!("workflow={id}")).await.len(), 1);
}

#[tokio::test]
async fn a_hundred_webhooks_at_the_same_time_are_all_gathered() {
    let app = TestApp::shared().await;
    let (id, hook) = gathering(&app, "batch", json!({"for": "PT2S", "size": 30})).await;
    let all: Vec<u64> = (0..100).collect();
    let bodies: Vec<_> = all.iter().map(|n| json!({"n": n})).collect();
    futures::future::join_all(bodies.iter().map(|body| app.hook_run(&hook, body))).await;
    let mut numbers = Vec::new();
    for run in app.runs(&format!("workflow={id}")).await {
        let run = app.wait_until(text(&run["id"]), "succeeded").await;
        let items = run["input"]["items"].as_array().unwrap().clone();
        assert!(items.len() <= 30);
        numbers.extend(items.iter().map(|item| item["body"]["n"].as_u64().unwrap()));
    }
    numbers.sort_unstable();
    assert_eq!(numbers, all);
}

#[tokio::test]
async fn faults_of_gathering_are_told() {
    let app = TestApp::shared().await;
    let definition = |field: &str, how: Value| {
        let mut definition = webhook("faulty", json!([]));
        definition["triggers"][0][field] = how;
        definition
    };
    let mut both = definition("batch", json!({"for": "PT1M"}));
    both["triggers"][0]["debounce"] = json!({"for": "PT1M"});
    for (definition, pointer, code) in [
        (both, "/triggers/0/debounce", "batch_or_debounce"),
        (definition("batch", json!({})), "/triggers/0/batch", "missing_field"),
        (definition("batch", json!({"for": "PT1H"})), "/triggers/0/batch/for", "type_mismatch"),
        (definition("batch", json!({"for": "PT1M", "size": 101})), "/triggers/0/batch/size", "type_mismatch"),
        (
            definition(
                "debounce",
                json!({"for": "PT1M", "key": "{{ ($f := function($n) { $f($n) }; $f(1)) }}"}),
            ),
            "/triggers/0/debounce/key",
            "expression_not_simple",
        ),
        (
            definition("batch", json!({"for": "PT1M", "key": "{{ trigger.bdy }}"})),
            "/triggers/0/batch/key",
            "unknown_member",
        ),
    ] {
        let told = app.post("/v1/workflows", &definition).await.refused(422, "invalid_definition");
        let fault = &told["errors"][0];
        assert_eq!((text(&fault["pointer"]), text(&fault["code"])), (pointer, code), "{told:#}");
        e2e::has_page(code);
    }
}
