//! Webhooks whose sender is verified: what is believed, what is not, and what happens where nothing can be told.

use crate::{body, hook_of, runs};
use async_trait::async_trait;
use domain::workflow::verify::Scheme;
use domain::{HookId, Millis, RunId};
use harness::World;
use hooks::{App, handle};
use lambda_http::{Body, Request, Response};
use runtime::Clock;
use serde_json::{Value, json};
use signatures::{Message, sign};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use store::RunStore;
use vault::{KeyringError, Sealer, Sealers};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

fn definition(verify: &Value, more: &Value) -> Value {
    let mut trigger = json!({"id": "form", "type": "webhook", "verify": verify});
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"name": "test", "triggers": [trigger], "steps": [{"id": "a", "type": "map", "output": "{{ trigger.body }}"}]})
}

fn standard() -> Value {
    json!({"scheme": "standard", "secret": "KEY"})
}

/// What API Gateway hands over: what is no text is in base64.
struct Sent<'a> {
    hook: &'a HookId,
    headers: Vec<(String, String)>,
    body: &'a [u8],
    query: &'a str,
    base64: bool,
}

impl Sent<'_> {
    fn request(&self) -> Request {
        use base64::Engine as _;
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let mut headers: serde_json::Map<String, Value> =
            self.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        headers.entry("content-type").or_insert(json!("application/json"));
        headers.insert("host".to_owned(), json!("patchbay.example"));
        let body = if self.base64 {
            base64::engine::general_purpose::STANDARD.encode(self.body)
        } else {
            String::from_utf8(self.body.to_vec()).unwrap()
        };
        let path = format!("/hooks/{}", self.hook);
        let event = json!({
            "version": "2.0", "routeKey": "POST /hooks/{id}", "rawPath": path, "rawQueryString": self.query,
            "headers": headers, "body": body, "isBase64Encoded": self.base64,
            "requestContext": {"requestId": format!("r{}", COUNT.fetch_add(1, Ordering::SeqCst)), "stage": "$default", "http": {
                "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "t"}},
        });
        lambda_http::request::from_str(&event.to_string()).unwrap()
    }

    async fn to(&self, app: &App) -> Response<Body> {
        handle(app, self.request()).await
    }
}

fn signed<'a>(hook: &'a HookId, secret: &str, id: &str, at: Millis, body: &'a [u8]) -> Sent<'a> {
    let message = Message { id, at, url: "", form: false, body };
    let headers = sign(&Scheme::Standard, secret, &message).unwrap();
    Sent { hook, headers, body, query: "", base64: false }
}

fn code(response: &Response<Body>) -> (u16, String) {
    let code = body(response)["code"].as_str().unwrap_or_default().to_owned();
    (response.status().as_u16(), code)
}

fn refused() -> (u16, String) {
    (401, "signature_invalid".to_owned())
}

#[tokio::test]
async fn only_what_the_sender_signed_starts_a_run_and_once() {
    let world = World::new().await;
    world.set_secrets("production", 0, &[("KEY", SECRET)]).await;
    let hook = hook_of(&world.save(&definition(&standard(), &json!({}))).await);
    let (app, now) = (world.hooks(), world.clock.now());
    let good = signed(&hook, SECRET, "msg_1", now, b"{\"n\": 1}");
    let first = good.to(&app).await;
    assert_eq!(first.status(), 202);
    // The sender repeats, or somebody who has seen it.
    let again = good.to(&app).await;
    assert_eq!((again.status().as_u16(), body(&again)["id"].clone()), (202, body(&first)["id"].clone()));

    let mut tampered = signed(&hook, SECRET, "msg_2", now, b"{\"n\": 1}");
    tampered.body = b"{\"n\": 2}";
    let mut unsigned = signed(&hook, SECRET, "msg_2", now, b"{}");
    unsigned.headers.clear();
    // What cannot be read is refused for its signature: nothing is read before that is right.
    let mut malformed = signed(&hook, OTHER, "msg_2", now, b"{");
    malformed.headers.push(("patchbay-depth".to_owned(), "99".to_owned()));
    let by_another = signed(&hook, OTHER, "msg_2", now, b"{}");
    let stale = signed(&hook, SECRET, "msg_2", Millis(now.0 - 301_000), b"{}");
    let early = signed(&hook, SECRET, "msg_2", Millis(now.0 + 301_000), b"{}");
    let mut told = Vec::new();
    for sent in [tampered, unsigned, malformed, by_another, stale, early] {
        let response = sent.to(&app).await;
        assert_eq!(code(&response), refused());
        told.push(body(&response));
    }
    assert!(told.iter().all(|one| *one == told[0]), "nobody is told what was wrong: {told:?}");
    assert_eq!(runs(&world).await, 1);
    // Clocks are not quite the same everywhere.
    for skew in [-299_000, 299_000] {
        let sent = signed(&hook, SECRET, &format!("skew{skew}"), Millis(now.0 + skew), b"{}");
        assert_eq!(sent.to(&app).await.status(), 202);
    }
    assert_eq!(
        code(&signed(&hook, SECRET, "m", now, b"{").to(&app).await),
        (400, "body_malformed".to_owned())
    );
}

#[tokio::test]
async fn bodies_of_all_kinds_are_verified_as_they_came() {
    let world = World::new().await;
    world.set_secrets("production", 0, &[("KEY", SECRET)]).await;
    let hook = hook_of(&world.save(&definition(&standard(), &json!({}))).await);
    let (app, now) = (world.hooks(), world.clock.now());
    let binary: Vec<u8> = (0..=255).collect();
    let large = vec![b' '; domain::limits::MAX_BODY_BYTES];
    let over = vec![b' '; domain::limits::MAX_BODY_BYTES + 1];
    for (n, (body, base64, status)) in [
        (&b"{ \"a\" :1 }\n"[..], false, 202),
        (b"{ \"a\" :1 }\n", true, 202),
        ("{\"a\": \"\u{e9}\u{1f511}\"}".as_bytes(), false, 202),
        (b"", false, 202),
        (&binary, true, 202),
        (&large, false, 202),
        (&over, false, 413),
    ]
    .into_iter()
    .enumerate()
    {
        let mut sent = signed(&hook, SECRET, &format!("m{n}"), now, body);
        sent.base64 = base64;
        if body == binary || body.len() > 1000 {
            sent.headers.push(("content-type".to_owned(), "application/octet-stream".to_owned()));
        }
        assert_eq!(sent.to(&app).await.status(), status, "{n}");
        if status == 202 && !body.is_empty() {
            let mut changed = body.to_vec();
            changed[body.len() / 2] ^= 1;
            sent.body = &changed;
            assert_eq!(code(&sent.to(&app).await), refused(), "{n}");
        }
    }
}

/// Sealers that count, and fail when they are told to.
struct Watched {
    sealers: Arc<dyn Sealers>,
    asked: AtomicU32,
    broken: bool,
}

#[async_trait]
impl Sealers for Watched {
    async fn sealer(&self, now: i64) -> Result<Arc<Sealer>, KeyringError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.broken {
            let id = "keyring".to_owned();
            let reason = "down".to_owned();
            return Err(KeyringError::Service {
                id,
                operation: "GetSecretValue",
                source: "down".into(),
                reason,
            });
        }
        self.sealers.sealer(now).await
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_believed_and_the_sender_may_come_again() {
    let world = World::new().await;
    let hook = hook_of(&world.save(&definition(&standard(), &json!({}))).await);
    let app = world.hooks();
    let unavailable = (503, "verification_unavailable".to_owned());
    let sent = signed(&hook, SECRET, "msg_1", world.clock.now(), b"{}");
    assert_eq!(code(&sent.to(&app).await), unavailable, "there is no such variable");
    // It is there now: nobody waits for a minute.
    world.set_secrets("production", 0, &[("KEY", SECRET)]).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(sent.to(&app).await.status(), 202);

    // One of another environment, and one that cannot be a key.
    let mut elsewhere = definition(&standard(), &json!({}));
    elsewhere["environment"] = json!("staging");
    let hook = hook_of(&world.save(&elsewhere).await);
    let sent = signed(&hook, SECRET, "msg_1", world.clock.now(), b"{}");
    assert_eq!(code(&sent.to(&app).await), unavailable);
    world.set_secrets("staging", 0, &[("KEY", "not base64, and so no key")]).await;
    assert_eq!(code(&sent.to(&world.hooks()).await), unavailable);

    // The keyring is out of reach.
    let mut app = world.hooks();
    app.sealers = Arc::new(Watched { sealers: app.sealers.clone(), asked: AtomicU32::new(0), broken: true });
    let hook = hook_of(&world.save(&definition(&standard(), &json!({}))).await);
    let sent = signed(&hook, SECRET, "msg_2", world.clock.now(), b"{}");
    assert_eq!(code(&sent.to(&app).await), unavailable);
    assert_eq!(runs(&world).await, 1);
}

#[tokio::test]
async fn secrets_are_opened_once_and_replaced_without_a_gap() {
    let world = World::new().await;
    world.set_secrets("production", 0, &[("KEY", SECRET)]).await;
    let verify = json!({"scheme": "standard", "secret": ["KEY", "NEXT"]});
    let hook = hook_of(&world.save(&definition(&verify, &json!({}))).await);
    let mut app = world.hooks();
    let watched = Arc::new(Watched { sealers: app.sealers.clone(), asked: AtomicU32::new(0), broken: false });
    app.sealers = watched.clone();
    let ask = async |secret: &str, id: &str| {
        signed(&hook, secret, id, world.clock.now(), b"{}").to(&app).await.status().as_u16()
    };
    for n in 0..5 {
        assert_eq!(ask(SECRET, &format!("a{n}")).await, 202);
        assert_eq!(ask(OTHER, &format!("b{n}")).await, 401);
    }
    assert_eq!(watched.asked.load(Ordering::SeqCst), 1, "for a minute nobody asks again");

    // Both count, then the new one alone.
    world.set_secrets("production", 1, &[("KEY", SECRET), ("NEXT", OTHER)]).await;
    world.clock.advance(Duration::from_secs(5));
    assert_eq!(ask(OTHER, "c").await, 202, "what is not believed is looked at again with newer secrets");
    assert_eq!(ask(SECRET, "d").await, 202);
    world.set_secrets("production", 2, &[("NEXT", OTHER)]).await;
    assert_eq!(ask(SECRET, "e").await, 202, "not a minute old");
    world.clock.advance(Duration::from_mins(1));
    assert_eq!(ask(SECRET, "f").await, 401);
    assert_eq!(ask(OTHER, "g").await, 202);
}

#[tokio::test]
async fn a_triggers_own_key_comes_before_the_senders() {
    let world = World::new().await;
    world.set_secrets("production", 0, &[("KEY", SECRET)]).await;
    let own = definition(&standard(), &json!({"dedupe": "{{ trigger.body.order }}"}));
    let hook = hook_of(&world.save(&own).await);
    let (app, now) = (world.hooks(), world.clock.now());
    let ask = async |id: &str, text: &[u8]| {
        let response = signed(&hook, SECRET, id, now, text).to(&app).await;
        body(&response)["id"].clone()
    };
    let first = ask("m1", b"{\"order\": 7}").await;
    assert_eq!(ask("m2", b"{\"order\": 7}").await, first);
    assert_ne!(ask("m1", b"{\"order\": 8}").await, first);

    // What is gathered is gathered once.
    let mut gathering = definition(&standard(), &json!({"batch": {"for": "PT10S"}}));
    gathering["steps"] = json!([{"id": "end", "type": "stop", "status": "succeeded", "output": "{{ $count(trigger.items) }}"}]);
    let hook = hook_of(&world.save(&gathering).await);
    let mut run = Value::Null;
    for id in ["m1", "m1", "m2"] {
        let taken = signed(&hook, SECRET, id, now, b"{}").to(&app).await;
        assert_eq!(taken.status(), 202);
        run = body(&taken)["id"].clone();
    }
    world.clock.advance(Duration::from_secs(11));
    world.deliver_all().await;
    assert_eq!(output(&world, &run).await, json!(2));
}

async fn output(world: &World, run: &Value) -> Value {
    let run = RunId::parse(run.as_str().unwrap()).unwrap();
    world.store.head(&world.org, &run, true).await.unwrap().unwrap().output.unwrap()
}

#[tokio::test]
async fn a_token_is_not_in_the_run() {
    let world = World::new().await;
    world.set_secrets("production", 0, &[("KEY", "canary token")]).await;
    let verify = json!({"scheme": "token", "secret": "KEY", "query": "key"});
    let mut shown = definition(&verify, &json!({}));
    shown["steps"] = json!([{"id": "all", "type": "map", "output": "{{ trigger }}"},
        {"id": "end", "type": "stop", "status": "succeeded", "output": "{{ trigger.query }}"}]);
    let hook = hook_of(&world.save(&shown).await);
    let ask = async |query: &str| {
        Sent { hook: &hook, headers: Vec::new(), body: b"{}", query, base64: false }.to(&world.hooks()).await
    };
    assert_eq!(code(&ask("key=canary").await), refused());
    assert_eq!(code(&ask("").await), refused());
    let taken = ask("a=1&k%65y=canary%20token").await;
    assert_eq!(taken.status(), 202);
    world.deliver_all().await;
    assert_eq!(output(&world, &body(&taken)["id"]).await, json!({"a": "1", "key": "[redacted]"}));
}
