//! Outputs that the journal does not hold, and answers that no memory should.

use crate::limits::noise;
use domain::limits;
use domain::run::{BlobName, Mark, RunStatus};
use executor::ChainBudget;
use harness::workflows::{GET, LARGE, POST, each, get, map, post, prepare, wait, with, workflow};
use harness::{Reply, RunView, World};
use serde_json::{Value, json};
use std::time::Duration;

/// About 400 KB as JSON: more than the journal holds.
fn rows() -> Value {
    json!((0..4000).map(|n| json!({"n": n, "text": "x".repeat(80)})).collect::<Vec<_>>())
}

async fn run(world: &World, steps: Value) -> RunView {
    let id = world.start_run(&workflow(steps), json!({})).await;
    world.settle(std::slice::from_ref(&id)).await;
    world.run(&id).await
}

fn spilled(view: &RunView, path: &str) -> bool {
    matches!(view.outcome(path), Some(Mark::Spilled(_)))
}

fn code(view: &RunView) -> &str {
    view.head.error.as_ref().map_or("", |error| &error.code)
}

#[tokio::test]
async fn what_the_journal_does_not_hold_is_read_all_the_same() {
    for steps in [1, 100] {
        let world = World::with_budget(ChainBudget { steps, ..ChainBudget::default() }).await;
        world.http.script(GET, [Reply::ok(rows())]);
        let view = run(
            &world,
            json!([
                get("ask", GET),
                map("copy", json!({"rows": "{{ steps.ask.body }}", "ok": true})),
                post("send", POST, json!("{{ steps.copy.rows }}")),
                wait("pause", "PT2H"),
                map("last", json!(["{{ steps.ask.body[3999].n }}", "{{ steps.copy.rows[3999].n }}"])),
            ]),
        )
        .await;
        assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
        assert!(spilled(&view, "ask") && spilled(&view, "copy"));
        assert_eq!(view.output("last"), json!([3999, 3999]));
        let sent: Value = serde_json::from_slice(&world.http.sent_to(POST)[0].body).unwrap();
        assert_eq!(sent, rows());
    }
}

#[tokio::test]
async fn what_no_expression_could_read_becomes_a_file() {
    let world = World::new().await;
    // 20 MB of it.
    let large = noise(20_000_000);
    world.http.script(GET, [Reply::ok(json!(large))]);
    let view =
        run(&world, json!([get("ask", GET), map("size", json!("{{ steps.ask.body.'$file'.bytes }}"))])).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    let file = view.output("ask")["body"]["$file"].clone();
    assert_eq!((&file["type"], &file["run"]), (&json!("application/json"), &json!(view.head.id.as_str())));
    assert_eq!(view.output("size"), json!(large.len() + 2));
    let name = BlobName::parse(file["name"].as_str().unwrap()).unwrap();
    let kept = world.blobs.get(&name.key(world.org.org(), &view.head.id), 30_000_000).await.unwrap();
    assert_eq!(kept, format!("\"{large}\""));
}

#[tokio::test]
async fn the_beginning_of_a_large_refusal_is_told() {
    let world = World::new().await;
    world.http.script(GET, [Reply::Json(404, json!(noise(1_000_000)))]);
    let view = run(&world, json!([get("ask", GET)])).await;
    assert_eq!(code(&view), "http_status");
    let details = view.journal.entries[0].error().unwrap().details.clone().unwrap();
    assert!(details["body"].as_str().is_some_and(|text| text.len() == 2000), "{details}");
}

#[tokio::test]
async fn results_of_a_loop_are_collected_whatever_their_size() {
    let world = World::new().await;
    world.http.script(GET, [Reply::ok(rows())]);
    // Each result is large by itself; all together stay below the limit.
    let loops = each("each", json!([1, 2, 3]), 2, json!([get("ask", GET)]));
    let sum = map("sum", json!("{{ $sum(steps.each.body.n) }}"));
    let view = run(&world, json!([loops, sum])).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    assert!(spilled(&view, "each[1].ask") && spilled(&view, "each"));
    assert_eq!(view.output("sum"), json!(3 * 3999 * 2000));

    let many: Vec<u32> = (0..14).collect();
    let view = run(&world, json!([each("each", json!(many), 5, json!([get("ask", GET)]))])).await;
    assert_eq!(code(&view), "output_too_large");
}

#[tokio::test]
async fn ten_thousand_items_of_a_large_output_are_gone_through_in_order() {
    let world = World::new().await;
    let list: Vec<Value> = (0..limits::MAX_ITEMS).map(|n| json!({"n": n, "text": "y".repeat(40)})).collect();
    world.http.script(GET, [Reply::ok(json!(list))]);
    let tell = map("tell", json!({"is": "{{ item.n }}", "at": "{{ index }}"}));
    let steps = json!([
        get("ask", GET),
        each("each", json!("{{ steps.ask.body }}"), 100, json!([tell])),
        map("last", json!("{{ steps.each[9999].is }}")),
    ]);
    let view = run(&world, steps).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    assert_eq!(view.output("last"), json!(9_999));
    let results = kept(&world, &view, "each").await;
    let results = results.as_array().unwrap();
    assert_eq!(results.len(), limits::MAX_ITEMS);
    assert!((0..).zip(results).all(|(n, result)| *result == json!({"is": n, "at": n})));
}

/// An output that is kept as an object.
async fn kept(world: &World, view: &RunView, path: &str) -> Value {
    let Some(Mark::Spilled(blob)) = view.outcome(path) else { panic!("`{path}` is not kept as an object") };
    let bytes = world.blobs.get(&blob.key(world.org.org()), blob.bytes).await.unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[tokio::test]
async fn what_is_too_much_to_be_read_at_once_says_so() {
    let world = World::new().await;
    world.http.script(GET, [Reply::ok(json!(noise(4_500_000)))]);
    let all =
        map("all", json!("{{ $length(steps.a.body) + $length(steps.b.body) + $length(steps.c.body) }}"));
    let view = run(&world, json!([get("a", GET), get("b", GET), get("c", GET), all])).await;
    assert_eq!(code(&view), "outputs_too_large");
}

#[tokio::test]
async fn an_output_that_is_gone_is_a_failure_that_can_be_dealt_with() {
    let world = World::keeping(ChainBudget::default(), 1000).await;
    prepare(&world.http);
    let steps = json!([
        get("ask", LARGE),
        wait("pause", "PT1H"),
        with(map("read", json!("{{ $count(steps.ask.body) }}")), json!({"on_error": "continue"})),
        map("said", json!("{{ steps.read.error.code }}")),
    ]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    world.deliver_until(Some(harness::START), harness::Delivery::Once).await;
    let Some(Mark::Spilled(blob)) = world.run(&id).await.outcome("ask").cloned() else {
        panic!("it is kept")
    };
    // As after the bucket's rule has deleted it: another object stands for nothing.
    let gone = world.cloud.forget_object(&blob.key(world.org.org()));
    assert!(gone);
    world.settle(std::slice::from_ref(&id)).await;
    assert_eq!(world.run(&id).await.output("said"), json!("output_gone"));
}

#[tokio::test]
async fn while_objects_cannot_be_kept_runs_wait() {
    let world = World::keeping(ChainBudget::default(), 1000).await;
    prepare(&world.http);
    world.faults.outage(Some("put_blob"));
    let steps = json!([get("ask", LARGE), map("count", json!("{{ $count(steps.ask.body) }}"))]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    world
        .deliver_until(
            Some(world.executor.clock.now().plus(Duration::from_secs(30))),
            harness::Delivery::Once,
        )
        .await;
    assert!(!world.run(&id).await.head.status.is_terminal());
    world.faults.outage(None);
    world.settle(std::slice::from_ref(&id)).await;
    let view = world.run(&id).await;
    assert_eq!(view.output("count"), json!(100));
    let keys: std::collections::BTreeSet<String> =
        world.http.sent_to(LARGE).into_iter().map(|r| r.key).collect();
    assert_eq!(keys.len(), 1, "however often it was asked");
}
