//! What apps tell that were asked to: from the question to the runs, whoever dies on the way.

use crate::{body, hook_of};
use async_trait::async_trait;
use bytes::Bytes;
use dispatch::{Asks, TriggerMessage};
use domain::workflow::verify::Scheme;
use domain::{ConnectionId, WorkflowId, limits};
use egress::{EgressError, HttpPort, HttpRequest, HttpResponse};
use harness::{Delivery, Fault, FaultyHttp, World};
use hooks::handle;
use lambda_http::{Body, Request, Response};
use runtime::Clock;
use serde_json::{Value, json};
use signatures::{Message, sign};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{DueEntry, DueStore, RunFilter, TriggerStore};

/// Typeform's webhooks, as far as they are made, listed and deleted.
#[derive(Default)]
struct Typeform {
    /// By form and tag.
    webhooks: Mutex<BTreeMap<(String, String), Value>>,
    refuses: Mutex<Option<u16>>,
    /// Whether it has one webhook at most.
    one_only: AtomicBool,
}

impl Typeform {
    fn webhooks(&self) -> Vec<(String, String)> {
        self.webhooks.lock().unwrap().keys().cloned().collect()
    }

    fn refuse(&self, status: Option<u16>) {
        *self.refuses.lock().unwrap() = status;
    }

    fn answer(&self, method: &str, path: &[&str], body: &[u8]) -> (u16, Value) {
        if let Some(status) = *self.refuses.lock().unwrap() {
            return (status, json!({"code": "NO", "description": "not now"}));
        }
        let mut webhooks = self.webhooks.lock().unwrap();
        match (method, path) {
            ("PUT", ["forms", ..]) if self.one_only.load(Ordering::SeqCst) && !webhooks.is_empty() => {
                (409, json!({"code": "CONFLICT", "description": "there is one already"}))
            }
            ("PUT", ["forms", form, "webhooks", tag]) => {
                let mut made: Value = serde_json::from_slice(body).unwrap();
                made["tag"] = json!(tag);
                webhooks.insert(((*form).to_owned(), (*tag).to_owned()), made.clone());
                (200, made)
            }
            ("GET", ["forms", form, "webhooks"]) => {
                let items: Vec<_> = webhooks.iter().filter(|((f, _), _)| f == form).map(|(_, w)| w).collect();
                (200, json!({"items": items}))
            }
            ("DELETE", ["forms", form, "webhooks", tag]) => {
                match webhooks.remove(&((*form).to_owned(), (*tag).to_owned())) {
                    Some(_) => (204, Value::Null),
                    None => (404, json!({"code": "NOT_FOUND", "description": "no such webhook"})),
                }
            }
            other => panic!("nothing like this is asked for: {other:?}"),
        }
    }
}

#[async_trait]
impl HttpPort for Typeform {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError> {
        let path = request.url.strip_prefix("https://api.typeform.com/").unwrap();
        let path: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
        let (status, body) = self.answer(request.method.as_str(), &path, &request.body);
        Ok(answered(status, &body, request.url))
    }
}

fn connection() -> ConnectionId {
    ConnectionId::from_bytes([4; 16])
}

fn definition(form: &str) -> Value {
    json!({"name": "answers", "connectors": {"typeform": 1},
        "triggers": [{"id": "form", "type": "app", "use": "typeform.response_sent",
            "connection": connection().as_str(), "input": {"form_id": form}}],
        "steps": [{"id": "a", "type": "map", "output": "{{ trigger.body.form_response }}"}]})
}

async fn world_with(app: Arc<dyn HttpPort>) -> World {
    let mut world = World::new().await;
    let http = Arc::new(FaultyHttp::new(app, world.faults.clone()));
    world.executor = Arc::new(executor::App { http, ..(*world.executor).clone() });
    world
}

fn answered(status: u16, body: &Value, url: String) -> HttpResponse {
    let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
    let json = http::HeaderValue::from_static("application/json");
    HttpResponse {
        status: http::StatusCode::from_u16(status).unwrap(),
        headers: http::HeaderMap::from_iter([(http::header::CONTENT_TYPE, json)]),
        body,
        url,
        file: None,
        redirects: 0,
    }
}

/// A world with the app, and a workflow that it is to tell.
struct Scene {
    world: World,
    app: Arc<Typeform>,
    workflow: WorkflowId,
}

impl Scene {
    async fn new() -> Self {
        let app = Arc::new(Typeform::default());
        let world = world_with(app.clone()).await;
        world.connect(&connection(), "typeform", "token", &json!({"token": "tfp_0123456789"})).await;
        let workflow = world.save(&definition("lR6F4j")).await;
        Self { world, app, workflow }
    }

    async fn look_after(&self, asks: Asks) {
        self.look_after_as(asks, Delivery::Once).await;
    }

    async fn look_after_as(&self, asks: Asks, delivery: Delivery) {
        let message = TriggerMessage::of(asks, self.world.org.org(), &self.workflow, "form");
        self.world.queue.put(message.encode(), Duration::ZERO);
        self.world.deliver_all_as(delivery).await;
    }

    /// Sends word as the API does: the entry first, then the message; and goes on until the subscription is as it is wanted.
    async fn settle(&self, enabled: bool) {
        let world = &self.world;
        let at = world.clock.now().plus(DueEntry::SOONEST);
        world.store.put_due(&DueEntry::subscription(&world.org, &self.workflow, "form", at)).await.unwrap();
        self.look_after(Asks::Subscription).await;
        for _ in 0..16 {
            let state = self.state().await;
            let is_over = state.pending.is_none() && state.leaving.is_empty() && state.failing.is_none();
            if is_over && state.current.is_some() == enabled {
                return;
            }
            world.pass(Duration::from_mins(5));
            world.tick().await;
            world.deliver_all().await;
        }
    }

    async fn state(&self) -> domain::subscription::SubscriptionState {
        let Self { world, workflow, .. } = self;
        world.store.subscription(&world.org, workflow, "form").await.unwrap().unwrap_or_default().state
    }

    /// What the app signs and sends.
    fn delivery(&self, event: &Value) -> Request {
        let secret = self.app.webhooks.lock().unwrap().values().next().unwrap()["secret"].clone();
        self.signed(secret.as_str().unwrap(), event)
    }

    fn signed(&self, secret: &str, event: &Value) -> Request {
        self.signed_as(&Scheme::Typeform, secret, event)
    }

    fn signed_as(&self, scheme: &Scheme, secret: &str, event: &Value) -> Request {
        let text = event.to_string();
        let at = self.world.clock.now();
        let message = Message { id: "", at, url: "", form: false, body: text.as_bytes() };
        let mut headers: serde_json::Map<String, Value> = sign(scheme, secret, &message)
            .unwrap()
            .into_iter()
            .map(|(name, value)| (name, json!(value)))
            .collect();
        headers.insert("content-type".to_owned(), json!("application/json"));
        let path = format!("/hooks/{}", hook_of(&self.workflow));
        let event = json!({
            "version": "2.0", "routeKey": "POST /hooks/{id}", "rawPath": path, "rawQueryString": "", "headers": headers,
            "body": text, "isBase64Encoded": false,
            "requestContext": {"requestId": "r", "stage": "$default", "http": {
                "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"}},
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    async fn tell(&self, event: &Value) -> Response<Body> {
        handle(&self.world.hooks(), self.delivery(event)).await
    }

    async fn runs(&self) -> usize {
        let Self { world, .. } = self;
        let until = world.clock.now().plus(Duration::from_hours(1));
        let page = world.store.list_runs(&world.org, &RunFilter::default(), None, 100, until).await;
        page.unwrap().unwrap().heads.len()
    }
}

fn event(id: &str) -> Value {
    json!({"event_id": id, "event_type": "form_response", "form_response": {"token": "a"}})
}

fn code(response: &Response<Body>) -> (u16, String) {
    (response.status().as_u16(), body(response)["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn an_app_is_asked_and_what_it_tells_starts_one_run_each() {
    let scene = Scene::new().await;
    assert_eq!(
        code(&handle(&scene.world.hooks(), scene.signed("x", &event("1"))).await),
        (503, "not_subscribed".into())
    );
    scene.look_after(Asks::Subscription).await;
    let webhooks = scene.app.webhooks();
    assert_eq!(webhooks.len(), 1);
    let made = scene.app.webhooks.lock().unwrap().values().next().unwrap().clone();
    let address =
        format!("{}/hooks/{}?n=patchbay-", scene.world.executor.public_url, hook_of(&scene.workflow));
    assert!(made["url"].as_str().unwrap().starts_with(&address), "{made}");
    assert_eq!(made["secret"].as_str().unwrap().len(), 64);
    let kept = serde_json::to_string(&scene.state().await).unwrap();
    assert!(!kept.contains(made["secret"].as_str().unwrap()), "the secret stands nowhere as it is");

    let first = scene.tell(&event("1")).await;
    assert_eq!(first.status(), 202);
    assert_eq!(body(&scene.tell(&event("1")).await)["id"], body(&first)["id"], "the app repeats it");
    assert_eq!(scene.tell(&event("2")).await.status(), 202);
    let other = scene.tell(&json!({"event_id": "3", "event_type": "form_response_partial"})).await;
    assert_eq!((other.status().as_u16(), body(&other)), (200, json!({"started": false})));
    let forged = handle(&scene.world.hooks(), scene.signed("another", &event("4"))).await;
    assert_eq!(code(&forged), (401, "signature_invalid".into()));
    assert_eq!(scene.runs().await, 2);

    // It is asked once, however often that is looked after.
    for _ in 0..3 {
        scene.look_after(Asks::Subscription).await;
    }
    assert_eq!(scene.app.webhooks(), webhooks);
    // Unless somebody says that it is gone. What the app could not deliver before it delivers again, signed as it was.
    let late = scene.delivery(&event("5"));
    scene.look_after(Asks::NewSubscription).await;
    assert!(scene.app.webhooks().len() == 1 && scene.app.webhooks() != webhooks);
    assert_eq!(scene.tell(&event("6")).await.status(), 202);
    assert_eq!(handle(&scene.world.hooks(), late).await.status(), 202);
    let late = scene.signed(made["secret"].as_str().unwrap(), &event("7"));
    scene.world.pass(Duration::from_mins(16));
    assert_eq!(code(&handle(&scene.world.hooks(), late).await), (401, "signature_invalid".into()));
}

#[tokio::test]
async fn an_app_stops_telling_when_the_workflow_ends_or_asks_for_another_thing() {
    let scene = Scene::new().await;
    scene.look_after(Asks::Subscription).await;
    scene.world.publish(&scene.workflow, &definition("another"), true).await;
    scene.look_after(Asks::Subscription).await;
    let forms: Vec<_> = scene.app.webhooks().into_iter().map(|(form, _)| form).collect();
    assert_eq!(forms, ["another"]);
    scene.world.publish(&scene.workflow, &definition("another"), false).await;
    scene.look_after(Asks::Subscription).await;
    assert!(scene.app.webhooks().is_empty());
    let state = scene.state().await;
    assert!(state.current.is_none() && state.leaving.is_empty() && state.failing.is_none());
}

#[tokio::test]
async fn one_that_somebody_deleted_at_the_app_is_missed_after_a_day() {
    let scene = Scene::new().await;
    scene.settle(true).await;
    scene.app.webhooks.lock().unwrap().clear();
    scene.look_after(Asks::Subscription).await;
    assert!(scene.app.webhooks().is_empty(), "it is not asked each time");
    scene.world.pass(Duration::from_hours(21));
    scene.look_after(Asks::Subscription).await;
    assert_eq!(scene.app.webhooks().len(), 1);
    assert_eq!(scene.tell(&event("1")).await.status(), 202);
    let at = domain::subscription::next_look(&format!("{}/form", scene.workflow), scene.world.clock.now());
    assert!(at.0 - scene.world.clock.now().0 <= 86_400_000);
    let there = scene.world.store.all_due().await.unwrap();
    assert!(there.iter().any(|entry| entry.at == at), "the next look is put down: {there:?}");
}

/// New before old: but an app may take no other beside the one that is wanted no more.
#[tokio::test]
async fn an_app_that_takes_one_only_is_asked_to_end_the_old_one_first() {
    let scene = Scene::new().await;
    scene.app.one_only.store(true, Ordering::SeqCst);
    scene.look_after(Asks::Subscription).await;
    scene.world.publish(&scene.workflow, &definition("another"), true).await;
    scene.settle(true).await;
    let forms: Vec<_> = scene.app.webhooks().into_iter().map(|(form, _)| form).collect();
    assert_eq!(forms, ["another"]);
    assert!(scene.state().await.failing.is_none());
    // One that is as it is wanted stays where another is refused.
    scene.look_after(Asks::NewSubscription).await;
    assert_eq!((scene.app.webhooks().len(), scene.state().await.failing.is_some()), (1, true));
    assert_eq!(scene.tell(&event("1")).await.status(), 202);
}

#[tokio::test]
async fn two_that_look_after_it_at_once_leave_one() {
    for delivery in [Delivery::TwiceInTurn, Delivery::TwiceAtOnce] {
        let scene = Scene::new().await;
        scene.look_after_as(Asks::Subscription, delivery).await;
        scene.settle(true).await;
        let tag = scene.state().await.current.unwrap().kept["tag"].as_str().unwrap().to_owned();
        assert_eq!(scene.app.webhooks(), [("lR6F4j".to_owned(), tag)], "{delivery:?}");
        assert_eq!(scene.tell(&event("1")).await.status(), 202);
    }
}

/// The app has one webhook in the end, whose secret we know, and none after the workflow was disabled.
#[tokio::test]
async fn whoever_dies_leaves_one_subscription_and_none_in_the_end() {
    let go = async |scene: &Scene| {
        scene.settle(true).await;
        let kept = scene.state().await.current.expect("it is there").kept;
        let tag = kept["tag"].as_str().unwrap().to_owned();
        assert_eq!(scene.app.webhooks(), [("lR6F4j".to_owned(), tag)], "{:?}", scene.world.faults.struck());
        assert_eq!(scene.tell(&event("1")).await.status(), 202, "{:?}", scene.world.faults.struck());
    };
    let calls = {
        let scene = Scene::new().await;
        scene.settle(true).await;
        scene.world.faults.calls()
    };
    for wanted in ["subscription", "keep_subscription", "put_due", "http"] {
        assert!(calls.contains(&wanted), "{wanted}: {calls:?}");
    }
    for n in 0..calls.len() {
        for fault in Fault::ALL {
            let scene = Scene::new().await;
            scene.world.faults.plan(n, fault);
            go(&scene).await;
            scene.world.publish(&scene.workflow, &definition("lR6F4j"), false).await;
            scene.world.faults.plan_next(n, fault);
            scene.settle(false).await;
            assert_eq!(scene.app.webhooks(), [], "{fault:?} at call {n}: {:?}", scene.world.faults.struck());

            // Also when it is disabled before anybody knows what the app answered.
            let scene = Scene::new().await;
            scene.world.faults.plan(n, fault);
            scene.look_after(Asks::Subscription).await;
            scene.world.publish(&scene.workflow, &definition("lR6F4j"), false).await;
            scene.settle(false).await;
            assert_eq!(scene.app.webhooks(), [], "{fault:?} at call {n}: {:?}", scene.world.faults.struck());
        }
    }
}

#[tokio::test]
async fn what_fails_is_told_and_tried_again() {
    let scene = Scene::new().await;
    scene.app.refuse(Some(403));
    scene.look_after(Asks::Subscription).await;
    let failing = scene.state().await.failing.unwrap();
    assert_eq!(failing.code, "app_error", "{failing:?}");
    scene.app.refuse(Some(503));
    scene.world.pass(Duration::from_mins(61));
    scene.world.tick().await;
    scene.world.deliver_all().await;
    assert_eq!(scene.state().await.failing, Some(failing), "since it began to fail");
    scene.app.refuse(None);
    scene.world.pass(Duration::from_mins(6));
    scene.world.tick().await;
    scene.world.deliver_all().await;
    assert_eq!((scene.state().await.failing, scene.app.webhooks().len()), (None, 1));
    // One that cannot be ended just now is ended later; one that is gone, is.
    scene.world.publish(&scene.workflow, &definition("lR6F4j"), false).await;
    scene.app.refuse(Some(503));
    scene.look_after(Asks::Subscription).await;
    assert_eq!(scene.state().await.leaving.len(), 1);
    scene.app.refuse(None);
    scene.app.webhooks.lock().unwrap().clear();
    scene.world.pass(Duration::from_mins(6));
    scene.world.tick().await;
    scene.world.deliver_all().await;
    let state = scene.state().await;
    assert!(state.leaving.is_empty() && state.failing.is_none(), "{state:?}");
}

#[tokio::test]
async fn what_is_too_large_is_not_even_verified() {
    let scene = Scene::new().await;
    scene.look_after(Asks::Subscription).await;
    let large = json!({"event_id": "x", "text": "x".repeat(limits::MAX_BODY_BYTES)});
    assert_eq!(code(&scene.tell(&large).await), (413, "body_too_large".into()));
}

/// An app that makes the secret up itself, and tells for an hour.
struct Forge {
    clock: Arc<harness::ManualClock>,
    webhooks: Mutex<BTreeMap<u64, Value>>,
    made: AtomicU64,
    renewed: AtomicU64,
}

impl Forge {
    fn ends(&self) -> String {
        self.clock.now().plus(Duration::from_hours(1)).rfc3339()
    }

    fn webhook(&self) -> (u64, Value) {
        let webhooks = self.webhooks.lock().unwrap();
        assert_eq!(webhooks.len(), 1, "{webhooks:?}");
        webhooks.iter().next().map(|(id, webhook)| (*id, webhook.clone())).unwrap()
    }
}

#[async_trait]
impl HttpPort for Forge {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError> {
        let mut webhooks = self.webhooks.lock().unwrap();
        let id = request.url.rsplit('/').next().and_then(|id| id.parse::<u64>().ok());
        let (status, body) = match (request.method.as_str(), id) {
            ("POST", None) => {
                let id = self.made.fetch_add(1, Ordering::SeqCst);
                let made: Value = serde_json::from_slice(&request.body).unwrap();
                let made = json!({"id": id, "url": made["url"], "secret": format!("forged-{id}-0123456789"), "ends": self.ends()});
                webhooks.insert(id, made.clone());
                (201, made)
            }
            ("PATCH", Some(id)) if webhooks.contains_key(&id) => {
                self.renewed.fetch_add(1, Ordering::SeqCst);
                (200, json!({"id": id, "ends": self.ends()}))
            }
            ("DELETE", Some(id)) if webhooks.remove(&id).is_some() => (204, Value::Null),
            _ => (404, json!({"message": "no such webhook"})),
        };
        Ok(answered(status, &body, request.url))
    }
}

fn forge() -> Value {
    let of_one = |method: &str| {
        json!({"title": method, "input": {"type": "object", "properties": {"id": {"type": "integer"}}},
        "request": {"method": method, "path": "/webhooks/{id}"}})
    };
    json!({"name": "my_forge", "title": "Forge", "version": 1, "base_url": "https://forge.example.com", "auth": [],
        "actions": {"make": {"title": "Make", "input": {"type": "object", "properties": {"url": {"type": "string"}}},
            "request": {"method": "POST", "path": "/webhooks"}}, "renew": of_one("PATCH"), "delete": of_one("DELETE")},
        "triggers": {"pushed": {"title": "Pushed", "hook": {
            "subscribe": {"action": "make", "input": {"url": "{{ hook.url }}"}},
            "renew": {"action": "renew", "input": {"id": "{{ kept.id }}"}},
            "unsubscribe": {"action": "delete", "input": {"id": "{{ kept.id }}"}},
            "kept": {"id": "{{ output.id }}"}, "secret": "{{ output.secret }}", "expires": "{{ output.ends }}",
            "verify": {"scheme": "github"}, "key": "{{ trigger.body.id }}"}}}})
}

#[tokio::test]
async fn what_ends_is_renewed_and_a_secret_that_the_app_makes_up_counts() {
    let mut world = World::new().await;
    let app = Arc::new(Forge {
        clock: world.clock.clone(),
        webhooks: Mutex::default(),
        made: AtomicU64::new(1),
        renewed: AtomicU64::new(0),
    });
    world.executor = Arc::new(executor::App { http: app.clone(), ..(*world.executor).clone() });
    world.own_connector(&forge()).await;
    let definition = json!({"name": "pushes", "connectors": {"my_forge": 1},
        "triggers": [{"id": "form", "type": "app", "use": "my_forge.pushed"}],
        "steps": [{"id": "a", "type": "map", "output": "{{ trigger.body.id }}"}]});
    let workflow = world.save(&definition).await;
    let scene = Scene { world, app: Arc::default(), workflow };
    let tell = async |id: u64| {
        let (_, webhook) = app.webhook();
        let sent = scene.signed_as(&Scheme::GitHub, webhook["secret"].as_str().unwrap(), &json!({"id": id}));
        handle(&scene.world.hooks(), sent).await.status().as_u16()
    };
    let later = async |time: Duration| {
        scene.world.pass(time);
        scene.world.tick().await;
        scene.world.deliver_all().await;
    };
    scene.look_after(Asks::Subscription).await;
    assert_eq!((app.webhook().0, tell(1).await), (1, 202));
    later(Duration::from_mins(35)).await;
    assert_eq!(app.renewed.load(Ordering::SeqCst), 0, "a third of its time is left for what goes wrong");
    for n in 1..=3 {
        later(Duration::from_mins(if n == 1 { 7 } else { 42 })).await;
        assert_eq!((app.renewed.load(Ordering::SeqCst), app.webhook().0, tell(10 + n).await), (n, 1, 202));
    }
    // The app has forgotten it: it is asked for another one.
    app.webhooks.lock().unwrap().clear();
    later(Duration::from_mins(42)).await;
    assert_eq!((app.renewed.load(Ordering::SeqCst), app.webhook().0, tell(20).await), (3, 2, 202));
    assert_eq!(scene.state().await.failing, None);
    scene.world.publish(&scene.workflow, &definition, false).await;
    scene.settle(false).await;
    assert!(app.webhooks.lock().unwrap().is_empty());
}
