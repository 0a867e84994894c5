//! Webhooks over a whole deployment.

mod told;
mod verify;

use domain::id::digest16;
use domain::{HookId, WorkflowId};
use harness::World;
use hooks::handle;
use lambda_http::{Body, Request, Response};
use runtime::Clock;
use serde_json::{Value, json};
use store::RunFilter;

fn definition(dedupe: Option<&str>) -> Value {
    let mut trigger = json!({"id": "form", "type": "webhook"});
    if let Some(dedupe) = dedupe {
        trigger["dedupe"] = dedupe.into();
    }
    json!({"name": "test", "triggers": [trigger], "steps": [{"id": "a", "type": "map", "output": "{{ trigger.body }}"}]})
}

fn hook_of(workflow: &WorkflowId) -> HookId {
    HookId::from_bytes(digest16(&[workflow.as_str(), "form"]))
}

/// A request as API Gateway hands it over.
fn request(hook: &HookId, id: &str, body: &str) -> Request {
    let event = json!({
        "version": "2.0", "routeKey": "POST /hooks/{id}", "rawPath": format!("/hooks/{hook}"), "rawQueryString": "",
        "headers": {"content-type": "application/json"}, "body": body, "isBase64Encoded": false,
        "requestContext": {"requestId": id, "stage": "$default", "http": {
            "method": "POST", "path": format!("/hooks/{hook}"), "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"}},
    });
    lambda_http::request::from_str(&event.to_string()).unwrap()
}

fn body(response: &Response<Body>) -> Value {
    serde_json::from_slice(response.body()).unwrap()
}

async fn runs(world: &World) -> usize {
    let page = world
        .store
        .list_runs(&world.org, &RunFilter::default(), None, 100, world.clock.now())
        .await
        .unwrap()
        .unwrap();
    page.heads.len()
}

#[tokio::test]
async fn the_same_request_starts_one_run_and_another_starts_another() {
    let world = World::new().await;
    let hook = hook_of(&world.save(&definition(None)).await);
    let mut ids = Vec::new();
    for id in ["r1", "r1", "r2"] {
        let response = handle(&world.hooks(), request(&hook, id, "{\"n\": 1}")).await;
        assert_eq!(response.status(), 202);
        ids.push(body(&response)["id"].clone());
    }
    assert!(ids[0] == ids[1] && ids[1] != ids[2]);
    world.deliver_all().await;
    assert_eq!(runs(&world).await, 2);
}

#[tokio::test]
async fn equal_dedupes_start_one_run() {
    let world = World::new().await;
    let hook = hook_of(&world.save(&definition(Some("{{ trigger.body.order }}"))).await);
    for (id, order) in [("r1", "\"7\""), ("r2", "\"7\""), ("r3", "7"), ("r4", "null"), ("r5", "null")] {
        let sent = format!("{{\"order\": {order}}}");
        assert_eq!(handle(&world.hooks(), request(&hook, id, &sent)).await.status(), 202);
    }
    assert_eq!(runs(&world).await, 4, "the text and the number are two; nothing is no key");
}

#[tokio::test]
async fn what_could_not_be_read_again_is_refused() {
    let world = World::new().await;
    let hook = hook_of(&world.save(&definition(None)).await);
    for (levels, status) in [(80, 202), (120, 400)] {
        let deep = "[".repeat(levels) + &"]".repeat(levels);
        let response = handle(&world.hooks(), request(&hook, "r1", &deep)).await;
        assert_eq!(response.status(), status, "{levels} levels");
    }
    assert_eq!(runs(&world).await, 1);
    world.deliver_all().await;
    assert!(world.queue.dead().is_empty());
}

#[tokio::test]
async fn a_start_that_could_not_be_stored_promises_nothing() {
    for n in 0..3 {
        let world = World::new().await;
        let hook = hook_of(&world.save(&definition(None)).await);
        world.faults.plan_next(n, harness::Fault::After);
        assert_eq!(handle(&world.hooks(), request(&hook, "r1", "{}")).await.status(), 503);
        assert_eq!(handle(&world.hooks(), request(&hook, "r1", "{}")).await.status(), 202);
        assert_eq!(runs(&world).await, 1);
    }
}

#[tokio::test]
async fn an_address_that_leads_nowhere_is_not_found() {
    let world = World::new().await;
    let nowhere = HookId::from_bytes([9; 16]);
    let response = handle(&world.hooks(), request(&nowhere, "r1", "{}")).await;
    assert_eq!((response.status().as_u16(), body(&response)["code"].clone()), (404, json!("hook_not_found")));
}

#[tokio::test]
async fn a_request_that_comes_again_is_gathered_once() {
    let world = World::new().await;
    let mut gathering = definition(Some("{{ trigger.body.id }}"));
    gathering["triggers"][0]["batch"] = json!({"for": "PT10S"});
    let hook = hook_of(&world.save(&gathering).await);
    let ask = async |request_id: &str, id: u32| {
        let asked = request(&hook, request_id, &json!({"id": id}).to_string());
        let response = handle(&world.hooks(), asked).await;
        assert_eq!(response.status(), 202);
        body(&response)["id"].clone()
    };
    let first = ask("r1", 7).await;
    assert_eq!(ask("r2", 7).await, first);
    world.deliver_all().await;
    assert_eq!(ask("r3", 7).await, first, "also when the run has begun");
    assert_ne!(ask("r4", 8).await, first);
    assert_eq!(ask("r5", 7).await, first, "also when the next one gathers");
    assert_eq!(runs(&world).await, 2);
}
