//! A batch: each record for itself.

use aws_lambda_events::sqs::{SqsEvent, SqsMessage};
use harness::workflows::{DOWN, GET, POST, get, post, prepare, workflow};
use harness::{Message, Reply, World};
use runtime::Clock;
use serde_json::json;
use std::time::Duration;

fn event(messages: &[Message]) -> SqsEvent {
    let record = |m: &Message| {
        let mut record = SqsMessage::default();
        record.message_id = Some(m.id.to_string());
        record.body = Some(m.body.clone());
        record.attributes.insert("ApproximateReceiveCount".to_owned(), m.receives.to_string());
        record
    };
    let mut event = SqsEvent::default();
    event.records = messages.iter().map(record).collect();
    event
}

async fn failed(world: &World, messages: &[Message]) -> Vec<String> {
    let deadline = world.clock.now().plus(Duration::from_mins(2));
    let response = executor::batch(&world.executor, event(messages), deadline).await;
    response.batch_item_failures.into_iter().map(|f| f.item_identifier).collect()
}

#[tokio::test]
async fn a_worker_that_dies_over_one_record_costs_no_other() {
    let world = World::new().await;
    prepare(&world.http);
    world.http.script(DOWN, [Reply::Panic]);
    let mut runs = Vec::new();
    for steps in [json!([get("a", GET)]), json!([get("a", DOWN)]), json!([post("a", POST, json!(1))])] {
        runs.push(world.start_run(&workflow(steps), json!({})).await);
    }
    let messages = world.queue.receive();
    assert_eq!(failed(&world, &messages).await, [messages[1].id.to_string()]);
    let mut statuses = Vec::new();
    for run in &runs {
        statuses.push(world.run(run).await.head.status.as_str());
    }
    assert_eq!(statuses, ["succeeded", "queued", "succeeded"]);
}

#[tokio::test]
async fn what_is_no_message_is_reported_and_what_names_no_run_is_dropped() {
    let world = World::new().await;
    world.queue.put("{".to_owned(), Duration::ZERO);
    world.queue.put("{\"v\": 99}".to_owned(), Duration::ZERO);
    let nobody = domain::RunId::from_bytes([9; 16]);
    world.queue.put(dispatch::StepMessage::again(world.org.org(), &nobody).encode(), Duration::ZERO);
    let messages = world.queue.receive();
    let mut reported = failed(&world, &messages).await;
    reported.sort();
    assert_eq!(reported, ["0", "1"]);
}

#[tokio::test]
async fn a_batch_of_one_runs_messages_runs_it_once() {
    let world = World::new().await;
    prepare(&world.http);
    let id = world
        .start_run(&workflow(json!([post("a", POST, json!(1)), post("b", POST, json!(2))])), json!({}))
        .await;
    let message = world.queue.receive()[0].clone();
    let copies: Vec<Message> = (0..5).map(|n| Message { id: 100 + n, ..message.clone() }).collect();
    assert!(failed(&world, &copies).await.is_empty());
    world.queue.delete(message.id);
    world.deliver_all().await;
    assert_eq!(world.http.sent().len(), 2);
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}
