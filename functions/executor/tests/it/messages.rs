//! How far a message carries a run, and what it carries.

use dispatch::StepMessage;
use domain::Millis;
use executor::ChainBudget;
use harness::workflows::{GET, cases, get, map, post, prepare, workflow};
use harness::{Reply, World};
use serde_json::json;
use std::time::Duration;

#[tokio::test]
async fn one_step_a_message_gives_the_same_history_as_a_hundred() {
    // How far a strand came when its neighbour failed is chance, and so is the secret in an address.
    let chance = [
        "an arm fails while another waits",
        "an item fails, and so does the loop",
        "a callback that does not come",
    ];
    for case in cases().into_iter().filter(|case| !chance.contains(&case.name)) {
        let mut histories = Vec::new();
        for steps in [1, 2, 100] {
            let world = World::with_budget(ChainBudget { steps, ..ChainBudget::default() }).await;
            prepare(&world.http);
            let id = world.start_run(&case.definition, json!({"n": 1})).await;
            world.settle(std::slice::from_ref(&id)).await;
            let view = world.run(&id).await;
            let marks: Vec<_> = view.history().into_keys().map(|path| (view.output(&path), path)).collect();
            let sent = world.http.sent().into_iter().map(|r| (r.method, r.url, r.key, r.body));
            let mut sent: Vec<_> = sent.collect();
            // Strands may take turns as they like.
            sent.sort();
            histories.push((view.head.status, marks, sent));
        }
        assert_eq!(histories[0], histories[2], "{}", case.name);
        assert_eq!(histories[1], histories[2], "{}", case.name);
    }
}

#[tokio::test]
async fn a_context_that_no_message_holds_is_read_from_the_journal() {
    let large = "0123456789".repeat(12_000);
    for steps in [1, 100] {
        let world = World::with_budget(ChainBudget { steps, ..ChainBudget::default() }).await;
        world.http.script(GET, [Reply::ok(json!(large))]);
        let steps = json!([
            get("a", GET),
            map("copy", json!("{{ steps.a.body }}")),
            get("b", GET),
            map(
                "all",
                json!({"copy": "{{ steps.copy }}", "input": "{{ trigger.t }}", "b": "{{ steps.b.status }}"})
            ),
        ]);
        let id = world.start_run(&workflow(steps), json!({"t": large})).await;
        world.deliver_all().await;
        let view = world.run(&id).await;
        assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
        assert_eq!(view.output("all"), json!({"copy": large, "input": large, "b": 200}));
        assert_eq!(world.http.sent().len(), 2);
        for message in world.queue.sent() {
            assert!(message.body.len() <= domain::limits::MAX_MESSAGE_BYTES);
        }
        assert!(StepMessage::decode(&world.queue.sent()[0].body).unwrap().again);
    }
}

#[tokio::test]
async fn what_may_not_start_in_time_is_left_to_another_message() {
    let world = World::new().await;
    prepare(&world.http);
    world.http.script(GET, [Reply::Slow(Duration::from_secs(20), Box::new(Reply::ok(json!(1))))]);
    let long = json!({"id": "b", "type": "action", "use": "http.request", "timeout": "PT100S", "input": {"url": "https://example.com/b"}});
    let id = world.start_run(&workflow(json!([get("a", GET), map("m", json!(1)), long])), json!({})).await;
    world.deliver(&world.queue.receive()[0]).await;
    assert!(
        world.http.sent_to("https://example.com/b").is_empty(),
        "100 of 120 seconds are left, 105 are needed"
    );
    let left = world.queue.waiting();
    assert!(StepMessage::decode(&left[0].body).unwrap().again);
    assert!(world.run(&id).await.outcome("m").is_some(), "what was computed on the way is kept");
    world.deliver_all().await;
    assert_eq!(world.http.sent_to("https://example.com/b").len(), 1);
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn a_message_sent_again_goes_to_the_frontier_and_repeats_no_effect() {
    let world = World::with_budget(ChainBudget { steps: 1, ..ChainBudget::default() }).await;
    prepare(&world.http);
    let steps = json!([
        get("a", GET),
        post("b", harness::workflows::POST, json!("{{ steps.a.body.n }}")),
        get("c", GET)
    ]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    for _ in 0..2 {
        world.deliver(&world.queue.receive()[0]).await;
    }
    world.queue.lose_all();
    world.queue.put(StepMessage::again(world.org.org(), &id).encode(), Duration::ZERO);
    world.deliver_all().await;
    let urls: Vec<_> = world.http.sent().iter().map(|r| r.method.clone()).collect();
    assert_eq!(urls, ["GET", "POST", "GET"]);
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn a_start_that_is_repeated_finds_its_run() {
    let world = World::new().await;
    prepare(&world.http);
    let definition = workflow(json!([get("a", GET)]));
    let first = world.try_start(&definition, json!({}), "k").await.unwrap();
    let again = world.try_start(&definition, json!({"other": 1}), "k").await.unwrap();
    assert_eq!(first.run(), again.run());
    world.deliver_all().await;
    assert_eq!(world.run(first.run()).await.head.status.as_str(), "succeeded");
    assert_eq!(world.run(first.run()).await.head.input, Some(json!({})));
    let late = world.try_start(&definition, json!({}), "k").await.unwrap();
    assert!(matches!(late, dispatch::Started::Existing(_, status) if status.as_str() == "succeeded"));
    assert!(world.queue.waiting().is_empty(), "an ended run gets no message");
}

#[tokio::test]
async fn a_start_over_a_dead_start_reads_the_input_that_is_stored() {
    let world = World::new().await;
    prepare(&world.http);
    let pad = crate::limits::noise(4000);
    let step = post("a", harness::workflows::POST, json!("{{ trigger.who }}"));
    let definition = workflow(json!([step, map("who", json!("{{ trigger.who }}"))]));
    // The first start dies between its input and its head; the sender repeats it with other headers.
    let first = world.input_without_head(&definition, json!({"who": "first", "pad": pad}), "k").await;
    let started = world.try_start(&definition, json!({"who": "second", "pad": pad}), "k").await.unwrap();
    assert_eq!(*started.run(), first);
    world.deliver_all().await;
    let view = world.run(&first).await;
    assert_eq!(view.head.input.as_ref().unwrap()["who"], "first");
    assert_eq!(view.output("who"), "first", "the steps read the input that the run shows");
    assert_eq!(world.http.sent()[0].body, "first");
}

#[tokio::test]
async fn the_logical_clock_moves_with_effects_only() {
    let world = World::with_budget(ChainBudget { steps: 1, ..ChainBudget::default() }).await;
    world.http.script(GET, [Reply::Slow(Duration::from_secs(3), Box::new(Reply::ok(json!(1))))]);
    let steps = json!([
        map("a", json!("{{ $millis() }}")),
        get("g", GET),
        map("b", json!("{{ $millis() }}")),
        get("h", GET)
    ]);
    let id = world.start_run(&workflow(steps), json!({})).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    let at = |path: &str| Millis(view.output(path).as_f64().unwrap() as i64);
    assert_eq!(at("a"), view.head.started_at);
    assert_eq!(at("b"), view.entries("g").next().unwrap().finished_at);
}
