//! Events over a whole deployment.

mod gather;

use dispatch::{ORG_RESOURCE, SOURCE};
use domain::run::RunStatus;
use domain::{OrgId, RunId};
use harness::{Fault, World};
use ingest::one;
use runtime::Clock;
use serde_json::{Value, json};
use store::RunFilter;

fn on(trigger: &str, pattern: &Value, url: &str) -> Value {
    json!({"name": "test", "triggers": [{"id": trigger, "type": "event", "pattern": pattern}], "steps": [
        {"id": "a", "type": "action", "use": "http.request", "retry": {"max_attempts": 1}, "input": {"url": url}}]})
}

fn event(world: &World, id: &str, source: &str, kind: &str, detail: &Value) -> String {
    json!({"version": "0", "id": id, "source": source, "detail-type": kind, "detail": detail,
        "resources": [format!("{ORG_RESOURCE}{}", world.org.org())]})
    .to_string()
}

async fn runs(world: &World) -> Vec<domain::run::Head> {
    let page = world
        .store
        .list_runs(&world.org, &RunFilter::default(), None, 100, world.clock.now())
        .await
        .unwrap()
        .unwrap();
    page.heads
}

const URL: &str = "https://example.com/";

#[tokio::test]
async fn the_same_event_starts_one_run_of_each_trigger() {
    let world = World::new().await;
    let both = json!({"name": "test", "triggers": [
        {"id": "one", "type": "event", "pattern": {"source": ["shop"]}},
        {"id": "two", "type": "event", "pattern": {"detail-type": ["Order Placed"]}},
        {"id": "not", "type": "event", "pattern": {"source": ["bank"]}}], "steps": []});
    world.save(&both).await;
    world.save(&on("placed", &json!({"source": ["shop"]}), URL)).await;
    let body = event(&world, "e1", "shop", "Order Placed", &json!({}));
    for _ in 0..3 {
        assert_eq!(one(&world.ingest(), &body).await.unwrap(), 3);
    }
    world.deliver_all().await;
    assert_eq!(one(&world.ingest(), &body).await.unwrap(), 3);
    assert!(world.queue.waiting().is_empty(), "an ended run is not sent again");
    let runs = runs(&world).await;
    assert_eq!(runs.len(), 3);
    assert!(runs.iter().all(|r| r.status == RunStatus::Succeeded && r.depth == 0));
    one(&world.ingest(), &event(&world, "e2", "shop", "Order Placed", &json!({}))).await.unwrap();
    assert_eq!(self::runs(&world).await.len(), 6, "another event is another three");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_event_at_the_same_time_starts_one_run() {
    let world = World::new().await;
    world.save(&on("placed", &json!({"source": ["shop"]}), URL)).await;
    for n in 0..10 {
        let body = event(&world, &format!("e{n}"), "shop", "x", &json!({}));
        let (a, b) = (world.ingest(), world.ingest());
        let (a, b) = tokio::join!(one(&a, &body), one(&b, &body));
        a.unwrap();
        b.unwrap();
    }
    assert_eq!(runs(&world).await.len(), 10);
}

#[tokio::test]
async fn patterns_take_exact_values_and_prefixes() {
    let world = World::new().await;
    world.save(&on("exact", &json!({"detail": {"kind": ["paid", "sent"]}}), URL)).await;
    world.save(&on("prefix", &json!({"detail": {"id": [{"prefix": "ord_"}]}}), URL)).await;
    for (detail, started) in [
        (json!({"kind": "paid", "id": "x"}), 1),
        (json!({"kind": "PAID", "id": "x"}), 0),
        (json!({"kind": "lost", "id": "ord_1"}), 1),
        (json!({"kind": "sent", "id": "ord_1"}), 2),
        (json!({}), 0),
    ] {
        let body = event(&world, &detail.to_string(), "shop", "x", &detail);
        assert_eq!(one(&world.ingest(), &body).await.unwrap(), started, "{detail}");
    }
}

#[tokio::test]
async fn the_failure_of_a_run_starts_what_waits_for_it_once_however_often_it_is_told() {
    let world = World::new().await;
    world.http.script("https://example.com/down", [harness::Reply::Json(404, json!("no"))]);
    let failing = on("start", &json!({"source": ["shop"]}), "https://example.com/down");
    world.save(&failing).await;
    world.save(&on("failed", &json!({"source": [SOURCE], "detail-type": ["Run failed"]}), URL)).await;
    one(&world.ingest(), &event(&world, "e1", "shop", "x", &json!({}))).await.unwrap();
    // The worker dies between the sending of the event and its clearing, so it is sent twice.
    world.faults.plan_next(5, Fault::CrashBefore);
    world.deliver_all().await;
    assert_eq!(world.bus.events().len(), 2);
    for n in 0..2 {
        one(&world.ingest(), &world.bus.delivered(n).to_string()).await.unwrap();
    }
    world.deliver_all().await;
    let runs = runs(&world).await;
    assert_eq!(runs.len(), 2);
    let handler = runs.iter().find(|r| r.trigger == "failed").unwrap();
    assert_eq!((handler.depth, handler.status), (1, RunStatus::Succeeded));
}

#[tokio::test]
async fn a_chain_of_failures_ends_at_its_limit_where_it_can_be_seen() {
    let world = World::new().await;
    world.http.script("https://example.com/down", [harness::Reply::Json(404, json!("no"))]);
    world.save(&on("again", &json!({"source": ["shop", SOURCE]}), "https://example.com/down")).await;
    one(&world.ingest(), &event(&world, "e1", "shop", "x", &json!({}))).await.unwrap();
    let mut hops = 0;
    world.deliver_all().await;
    while world.bus.events().len() > hops {
        one(&world.ingest(), &world.bus.delivered(hops).to_string()).await.unwrap();
        world.deliver_all().await;
        hops += 1;
        assert!(hops < 40, "the chain does not end");
    }
    let runs = runs(&world).await;
    assert_eq!((hops, runs.len()), (17, 18));
    let stopped: Vec<_> =
        runs.iter().filter(|r| r.error.as_ref().is_some_and(|e| e.code == "chain_too_deep")).collect();
    assert_eq!(stopped.len(), 1);
    assert_eq!((stopped[0].depth, stopped[0].status), (17, RunStatus::Failed));
    assert!(stopped[0].outbox.is_empty());
    assert_eq!(world.http.sent().len(), 17);
}

#[tokio::test]
async fn a_trigger_whose_workflow_is_broken_keeps_no_other_from_its_run() {
    let world = World::new().await;
    let mut ids = Vec::new();
    for n in 0..5 {
        let mut definition = on("placed", &json!({"source": ["shop"]}), URL);
        definition["description"] = json!(format!("number {n}"));
        ids.push(world.save(&definition).await);
    }
    ids.sort();
    // The version that comes second is lost.
    let client = aws_sdk_dynamodb::Client::new(&world.cloud.sdk_config());
    let text = |s: String| aws_sdk_dynamodb::types::AttributeValue::S(s);
    client
        .delete_item()
        .table_name(&world.tables.control)
        .key("pk", text(format!("{}#{}", world.org.org(), ids[1])))
        .key("sk", text("v#00000001".to_owned()))
        .send()
        .await
        .unwrap();
    assert!(
        one(&world.ingest(), &event(&world, "e1", "shop", "x", &json!({}))).await.is_err(),
        "the event comes again"
    );
    assert_eq!(runs(&world).await.len(), 4);
}

#[tokio::test]
async fn an_event_without_an_organisation_is_the_first_ones() {
    let world = World::new().await;
    world.save(&on("upload", &json!({"source": ["aws.s3"]}), URL)).await;
    let body =
        json!({"id": "e1", "source": "aws.s3", "detail-type": "Object Created", "detail": {}}).to_string();
    assert_eq!(one(&world.ingest(), &body).await.unwrap(), 0, "nobody is set up yet");
    world.set_up().await;
    assert_eq!(one(&world.ingest(), &body).await.unwrap(), 1);
    let other = json!({"id": "e2", "source": "aws.s3", "detail": {},
        "resources": [format!("{ORG_RESOURCE}{}", OrgId::from_bytes([9; 16]))]});
    assert_eq!(
        one(&world.ingest(), &other.to_string()).await.unwrap(),
        0,
        "another organisation's event starts nothing here"
    );
}

#[tokio::test]
async fn a_start_that_fails_anywhere_is_made_good_by_the_next_delivery() {
    let mut points = 0;
    for n in 0..3 {
        for fault in [Fault::Before, Fault::After] {
            let world = World::new().await;
            world.save(&on("placed", &json!({"source": ["shop"]}), URL)).await;
            let body = event(&world, "e1", "shop", "x", &json!({}));
            world.faults.plan_next(n, fault);
            assert!(one(&world.ingest(), &body).await.is_err());
            one(&world.ingest(), &body).await.unwrap();
            world.deliver_all().await;
            let runs: Vec<RunId> = runs(&world).await.into_iter().map(|r| r.id).collect();
            assert_eq!(runs.len(), 1);
            let view = world.run(&runs[0]).await;
            assert_eq!((view.head.status, view.entries("a").count()), (RunStatus::Succeeded, 1));
            points += 1;
        }
    }
    println!("{points} fault points of a start");
}

#[tokio::test]
async fn what_is_no_event_is_reported() {
    let world = World::new().await;
    assert!(one(&world.ingest(), "{").await.is_err());
    assert!(one(&world.ingest(), "{\"source\": \"shop\"}").await.is_err());
}
