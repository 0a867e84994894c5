//! Workflows that limit how many of their runs are under way.

use e2e::{Target, TestApp, http_post, manual, text};
use serde_json::{Value, json};

/// Runs tell the target their number, and then wait for an answer.
fn limited(target: &Target, concurrency: &Value) -> Value {
    let steps = json!([
        http_post("tell", &target.url("/"), json!({"n": "{{ trigger.input.n }}"})),
        {"id": "answer", "type": "wait", "callback": true}
    ]);
    let mut definition = manual("limited", steps);
    definition["concurrency"] = concurrency.clone();
    definition
}

#[tokio::test]
async fn runs_wait_for_their_turn_and_say_so() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let concurrency = json!({"limit": 1, "key": "{{ trigger.input.shop }}"});
    let workflow = app.publish(&limited(&target, &concurrency)).await;
    let start = async |n: u32, shop: &str| app.start_run(&workflow.id, &json!({"n": n, "shop": shop})).await;
    let first = start(1, "a").await;
    app.wait_until(&first, "waiting").await;
    let second = start(2, "a").await;
    let waits = async || app.run(&second).await["waits_for_slot"].as_bool().filter(|waits| *waits);
    app.wait_for("the second run waits", waits).await;
    let third = start(3, "a").await;
    let other = start(4, "b").await;
    let under_way = app.wait_until(&other, "waiting").await;
    assert_eq!(under_way["waits_for_slot"], json!(null), "{under_way:#}");
    assert_eq!(target.count(), 2, "the first and the other shop's");

    app.cancel(&first).await.expect(200);
    app.wait_until(&second, "waiting").await;
    assert_eq!(app.run(&third).await["status"], "queued");
    app.cancel(&second).await.expect(200);
    app.wait_until(&third, "waiting").await;
    assert_eq!(target.count(), 4);
    for run in [&third, &other] {
        app.cancel(run).await.expect(200);
    }
}

#[tokio::test]
async fn runs_are_dropped_or_take_the_place_of_the_oldest() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let codes = ["concurrency_full", "superseded"];
    for ((when_full, loser), code) in [("drop", 1), ("cancel_oldest", 0)].into_iter().zip(codes) {
        let concurrency = json!({"limit": 1, "when_full": when_full});
        let workflow = app.publish(&limited(&target, &concurrency)).await;
        let first = app.start_run(&workflow.id, &json!({"n": 1})).await;
        app.wait_until(&first, "waiting").await;
        let second = app.start_run(&workflow.id, &json!({"n": 2})).await;
        let runs = [&first, &second];
        let lost = app.wait_until(runs[loser], "cancelled").await;
        assert_eq!(text(&lost["error"]["code"]), code, "{lost:#}");
        e2e::has_page(code);
        app.wait_until(runs[1 - loser], "waiting").await;
        app.cancel(runs[1 - loser]).await.expect(200);
    }
}

#[tokio::test]
async fn faults_of_a_limit_are_all_told() {
    let app = TestApp::shared().await;
    let mut definition = manual("faulty", json!([{"id": "a", "type": "map", "output": 1}]));
    definition["concurrency"] = json!({"limit": 0, "key": "{{ steps.a }}", "when_full": "wait", "of": 1});
    let faults = app.post("/v1/workflows", &definition).await.refused(422, "invalid_definition");
    let told: Vec<_> = faults["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| (text(&f["pointer"]), text(&f["code"])))
        .collect();
    for fault in [
        ("/concurrency/limit", "type_mismatch"),
        ("/concurrency/when_full", "type_mismatch"),
        ("/concurrency/of", "unknown_field"),
    ] {
        assert!(told.contains(&fault), "{fault:?} is not among {told:?}");
    }
    definition["concurrency"] = json!({"limit": 1, "key": "{{ steps.a }}"});
    let faults = app.post("/v1/workflows", &definition).await.refused(422, "invalid_definition");
    assert_eq!(faults["errors"][0]["code"], "reference_not_ready", "{faults:#}");
}
