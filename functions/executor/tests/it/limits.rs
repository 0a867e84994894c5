//! The largest and the deepest that a run takes.

use harness::workflows::{GET, POST, get, map, prepare, with, workflow};
use harness::{Reply, World};
use serde_json::{Value, json};

/// Text that deflate cannot make much smaller.
pub(crate) fn noise(bytes: usize) -> String {
    let draw = harness::SeededDraw::new(3);
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    (0..bytes).map(|_| char::from(letters[(runtime::Draw::draw(&draw) % 64) as usize])).collect()
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!(1), |inner, _| json!([inner]))
}

#[tokio::test]
async fn the_largest_input_and_the_largest_output_fit_into_the_history_together() {
    let world = World::new().await;
    let large = noise(250_000);
    world.http.script(POST, [Reply::ok(json!(noise(300_000)))]);
    let steps = json!([{"id": "a", "type": "action", "use": "http.request", "input": {"method": "POST", "url": POST, "body": ["{{ trigger.t }}", "{{ trigger.t }}"]}}]);
    let id = world.start_run(&workflow(steps), json!({"t": large})).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
    assert_eq!(world.http.sent().len(), 1);
}

#[tokio::test]
async fn an_answer_that_nests_too_deep_to_be_read_again_fails_its_step() {
    for (levels, outcome) in [(90, "succeeded"), (120, "failed")] {
        let world = World::new().await;
        world.http.script(GET, [Reply::ok(nested(levels))]);
        let id = world
            .start_run(&workflow(json!([with(get("a", GET), json!({})), map("b", json!(1))])), json!({}))
            .await;
        world.deliver_all().await;
        let view = world.run(&id).await;
        assert_eq!(view.head.status.as_str(), outcome, "{levels} levels");
        assert_eq!(world.http.sent().len(), 1);
    }
}

#[tokio::test]
async fn many_large_pure_outcomes_are_kept() {
    let world = World::new().await;
    prepare(&world.http);
    let steps: Vec<Value> = (0..8).map(|n| map(&format!("m{n}"), json!("{{ trigger.t }}"))).collect();
    let id = world.start_run(&workflow(json!(steps)), json!({"t": noise(150_000)})).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status.as_str(), "succeeded");
    assert_eq!(view.history().len(), 8);
}
