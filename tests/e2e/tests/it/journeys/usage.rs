//! What an organisation used is told by day, and quotas bound what it may.

use e2e::{PASSWORD, Reply, SETUP_TOKEN, Target, TestApp, http_get, manual, secret_of, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;

async fn usage(app: &TestApp) -> Value {
    app.get("/v1/usage").await.expect(200)
}

/// Waits until so many runs are counted, started and ended.
async fn counted(app: &TestApp, runs: u64) -> Value {
    app.wait_for(&format!("{runs} runs to be counted"), || async {
        let usage = usage(app).await;
        let of = |name: &str| usage["total"]["runs"][name].as_u64().unwrap();
        let ended = of("succeeded") + of("failed") + of("cancelled") + of("timed_out");
        assert!(of("started") <= runs, "more than there are: {usage}");
        (of("started") == runs && ended == runs).then_some(usage)
    })
    .await
}

async fn set_quotas(app: &TestApp, quotas: Value) -> Value {
    let org = text(&app.get("/v1/organization").await.expect(200)["id"]).to_owned();
    let mut body = json!({"token": SETUP_TOKEN});
    body.as_object_mut().unwrap().extend(quotas.as_object().unwrap().clone());
    app.put(&format!("/v1/organizations/{org}/quotas"), &body).await.expect(200)
}

/// Two maps, two calls of which one is tried twice, and a third that fails.
fn five_steps(target: &Target) -> Value {
    let mut again = http_get("again", &target.url("/again"));
    again["retry"] = json!({"max_attempts": 2, "initial": "PT0.01S"});
    let mut gone = http_get("gone", &target.url("/gone"));
    gone["on_error"] = json!("continue");
    json!({"name": "five", "triggers": [{"id": "in", "type": "webhook", "dedupe": "{{ trigger.body.id }}"}, {"id": "by_hand", "type": "manual"},
        {"id": "bus", "type": "event", "pattern": {"source": ["usage"]}}],
        "steps": [{"id": "one", "type": "map", "output": 1}, again, http_get("ok", &target.url("/ok")), gone,
            {"id": "two", "type": "map", "output": 2}]})
}

fn replies(seen: &e2e::Seen, before: usize) -> Reply {
    match seen.path.as_str() {
        "/again" if before.is_multiple_of(2) => Reply::status(503, &json!({"error": "busy"})),
        "/gone" => Reply::status(404, &json!({"error": "no such thing"})),
        _ => Reply::json(&json!({"ok": true})),
    }
}

#[tokio::test]
async fn what_was_used_is_told_to_the_last_step() {
    let mut app = TestApp::start().await;
    let target = Target::start(replies).await;
    let none = usage(&app).await;
    assert_eq!((&none["days"], &none["total"]["runs"]["started"]), (&json!([]), &json!(0)));
    assert_eq!(none["quotas"]["runs_per_day"], json!({"limit": null, "used": 0}));

    let workflow = app.publish(&five_steps(&target)).await;
    for id in ["a", "b"] {
        let run = app.hook_run(&workflow.hook, &json!({"id": id})).await;
        app.wait_until(&run, "succeeded").await;
        assert_eq!(app.hook_run(&workflow.hook, &json!({"id": id})).await, run, "a repeat is no other run");
    }
    let failing = app.publish(&manual("fails", json!([http_get("gone", &target.url("/gone"))]))).await;
    let failed = app.start_run(&failing.id, &json!({})).await;
    app.wait_until(&failed, "failed").await;
    let waiting = app.publish(&manual("waits", json!([{"id": "w", "type": "wait", "for": "PT1H"}]))).await;
    let cancelled = app.start_run(&waiting.id, &json!({})).await;
    app.wait_until(&cancelled, "waiting").await;
    app.cancel(&cancelled).await.expect(200);

    let told = counted(&app, 4).await;
    let total = &told["total"];
    assert_eq!(
        total["runs"],
        json!({"started": 4, "succeeded": 2, "failed": 1, "cancelled": 1, "timed_out": 0}),
        "{told:#}"
    );
    // Five steps twice, one more call, and the wait.
    assert_eq!((&total["steps"], &total["attempts"]), (&json!(12), &json!(14)), "{told:#}");
    assert_eq!(total["connector_calls"], 2 * 4 + 1);
    assert_eq!(target.seen().len(), 9, "as the other side counts");
    for figure in ["duration_ms", "table_bytes"] {
        assert!(total[figure].as_u64().unwrap() > 0, "{figure}: {told:#}");
    }
    let dollars = total["estimated_dollars"].as_f64().unwrap();
    assert!((0.000_03..0.000_1).contains(&dollars), "{dollars}");
    let days = told["days"].as_array().unwrap();
    assert!((1..=2).contains(&days.len()), "today, unless it is midnight");
    assert_eq!(told["quotas"]["workflows"], json!({"limit": null, "used": 3}));

    // It stays what it was when the program is killed and reads its stream again.
    app.kill();
    app.restart();
    let run = app.hook_run(&workflow.hook, &json!({"id": "c"})).await;
    app.wait_until(&run, "succeeded").await;
    let total = counted(&app, 5).await["total"].clone();
    assert_eq!((&total["steps"], &total["connector_calls"]), (&json!(17), &json!(13)));

    // What a redriven run takes over is not counted again; what it does is.
    app.post(&format!("/v1/runs/{failed}/redrive"), &json!({})).await.expect(202);
    let total = counted(&app, 6).await["total"].clone();
    assert_eq!(
        (&total["steps"], &total["connector_calls"], &total["runs"]["failed"]),
        (&json!(18), &json!(14), &json!(2))
    );
}

#[tokio::test]
async fn days_that_cannot_be_are_refused() {
    let app = TestApp::shared().await;
    let told = app.get("/v1/usage?from=2026-01-01&to=2026-04-03").await.expect(200);
    assert_eq!((&told["from"], &told["to"]), (&json!("2026-01-01"), &json!("2026-04-03")));
    for query in [
        "from=2026-01-01&to=2026-04-04",
        "from=2026-01-02&to=2026-01-01",
        "from=yesterday",
        "to=2026-02-30",
        "from=2026-01-01T00:00:00Z",
        "day=2026-01-01",
    ] {
        app.get(&format!("/v1/usage?{query}")).await.refused(422, "invalid_query");
    }
}

#[tokio::test]
async fn a_quota_of_runs_refuses_the_next_start_and_no_repeat() {
    let app = TestApp::start().await;
    let target = Target::start(replies).await;
    let workflow = app.publish(&five_steps(&target)).await;
    let runs = format!("/v1/workflows/{}/runs", workflow.id);
    let by_key =
        async |key: &str| app.post_with(&runs, &[("idempotency-key", key)], &json!({"input": 1})).await;
    let first = app.hook_run(&workflow.hook, &json!({"id": "a"})).await;
    let second = text(&by_key("k").await.expect(202)["id"]).to_owned();
    let failing = app.publish(&manual("fails", json!([http_get("gone", &target.url("/gone"))]))).await;
    let failed = app.start_run(&failing.id, &json!({})).await;
    app.wait_until(&failed, "failed").await;
    counted(&app, 3).await;
    assert_eq!(set_quotas(&app, json!({"runs_per_day": 3})).await["runs_per_day"], 3);
    // It is believed for a second that there is none.
    tokio::time::sleep(Duration::from_millis(1200)).await;

    let refused = app.hook(&workflow.hook, &json!({"id": "b"})).await;
    let problem = refused.refused(429, "quota_exceeded");
    assert!(text(&problem["detail"]).contains("3 runs a day"), "{problem}");
    assert!((1..=86_400).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{refused}");
    let refused = by_key("other").await;
    refused.refused(429, "quota_exceeded");
    assert!((1..=86_400).contains(&refused.header("retry-after").parse::<u32>().unwrap()), "{refused}");
    for act in ["redrive", "replay"] {
        app.post(&format!("/v1/runs/{failed}/{act}"), &json!({})).await.refused(429, "quota_exceeded");
    }
    // What was started is found again.
    assert_eq!(app.hook_run(&workflow.hook, &json!({"id": "a"})).await, first);
    assert_eq!(by_key("k").await.expect(202)["id"], second.as_str());

    // Nobody waits for an event: that it started nothing is told, once.
    for _ in 0..3 {
        app.put_event("usage", "Asked", &json!({})).await;
    }
    let told = app
        .wait_for("the ledger to tell", || async {
            let told = app.get("/v1/audit?action=org.quota_reached").await.expect(200);
            (told["items"] != json!([])).then_some(told)
        })
        .await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let items = app.get("/v1/audit?action=org.quota_reached").await.expect(200)["items"].clone();
    assert_eq!(items.as_array().unwrap().len(), 1, "{items:#}");
    assert_eq!(
        (&told["items"][0]["actor"], &told["items"][0]["target"]),
        (&json!("patchbay"), &json!(workflow.id))
    );
    assert_eq!(app.runs("").await.len(), 3, "nothing else was started");
    let quotas = usage(&app).await["quotas"].clone();
    assert_eq!(quotas["runs_per_day"], json!({"limit": 3, "used": 3}));

    // A refused start is in no ledger, the change of the quota is.
    let started =
        app.get("/v1/audit?action=run.started").await.expect(200)["items"].as_array().unwrap().len();
    assert_eq!(started, 2, "one by key, which was repeated, and the one that failed");
    let changed = app.get("/v1/audit?action=org.quotas_changed").await.expect(200)["items"][0].clone();
    assert_eq!(changed["after"], json!({"runs_per_day": 3, "workflows": null, "members": null}));

    set_quotas(&app, json!({"runs_per_day": null})).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    app.hook_run(&workflow.hook, &json!({"id": "b"})).await;
}

#[tokio::test]
async fn quotas_of_workflows_and_members_refuse_one_more() {
    let mut app = TestApp::start().await;
    set_quotas(&app, json!({"workflows": 1, "members": 2})).await;
    app.create_workflow(&manual("first", json!([]))).await;
    let refused = app.post("/v1/workflows", &manual("second", json!([]))).await;
    assert!(text(&refused.refused(409, "quota_exceeded")["detail"]).contains("1 workflows"));

    let invite = async |app: &TestApp, email: &str| {
        app.post("/v1/invitations", &json!({"email": email, "role": "viewer"})).await
    };
    let sent = invite(&app, "grace@example.com").await.expect(201);
    invite(&app, "third@example.com").await.refused(409, "quota_exceeded");
    app.delete(&format!("/v1/invitations/{}", text(&sent["id"]))).await;
    // An invitation that is taken when there is no room any more.
    set_quotas(&app, json!({"members": 3})).await;
    invite(&app, "one@example.com").await.expect(201);
    let first = secret_of(app.mails().last().unwrap());
    invite(&app, "two@example.com").await.expect(201);
    let second = secret_of(app.mails().last().unwrap());
    set_quotas(&app, json!({"members": 2})).await;
    let accept = async |token: &str| {
        let nobody = app.fork().with_token("");
        nobody.post("/v1/invitations/accept", &json!({"token": token, "password": PASSWORD})).await
    };
    accept(&first).await.expect(200);
    accept(&second).await.refused(409, "quota_exceeded");
    let quotas = usage(&app).await["quotas"].clone();
    assert_eq!(quotas["members"], json!({"limit": 2, "used": 2}));
    assert_eq!(quotas["workflows"], json!({"limit": null, "used": 1}), "all of them were set at once");
}

#[tokio::test]
async fn quotas_are_set_by_whoever_holds_the_set_up_token() {
    let app = TestApp::start().await;
    let org = text(&app.get("/v1/organization").await.expect(200)["id"]).to_owned();
    let path = format!("/v1/organizations/{org}/quotas");
    let body = json!({"token": "guessed", "runs_per_day": 1});
    app.put(&path, &body).await.refused(403, "setup_token_wrong");
    let nowhere = "/v1/organizations/org_00000000000000000000000000/quotas";
    app.put(nowhere, &json!({"token": SETUP_TOKEN})).await.refused(404, "organization_not_found");
    for wrong in
        [json!({"token": SETUP_TOKEN, "runs_per_day": -1}), json!({"token": SETUP_TOKEN, "connectors": 1})]
    {
        app.put(&path, &wrong).await.refused(422, "invalid_body");
    }
    let key = app.post("/v1/api-keys", &json!({"name": "k", "scopes": ["account.own"]})).await.expect(201);
    let program = app.fork().with_token(text(&key["key"]));
    let request = program.request(Method::PUT, &path).header("content-type", "application/json");
    let allowed = program.send(request.body(json!({"token": SETUP_TOKEN}).to_string())).await;
    allowed.refused(403, "person_needed");
    assert_eq!(usage(&app).await["quotas"]["runs_per_day"]["limit"], Value::Null, "nothing was set");
}
