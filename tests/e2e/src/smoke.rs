//! The journey that every deployment must pass: locally in `make test`, and over a deployed HTTP API in `make rehearse`.

use crate::{Reply, Seen, Target, TestApp, Workflow, http_get, http_post, manual, step, text, webhook};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What HTTP steps of the journey talk to.
pub fn replies(seen: &Seen, before: usize) -> Reply {
    match seen.path.split('?').next().unwrap_or_default() {
        // In trouble once, then well.
        "/leads" if before == 0 => Reply::status(503, &json!({"error": "busy"})),
        "/gone" => Reply::status(404, &json!({"error": "no such thing"})),
        "/orders" => Reply::json(&orders(if before == 0 { 2 } else { 3 })),
        "/large" => Reply::json(&large_answer()),
        "/slow" => Reply::After(Duration::from_secs(1), Box::new(Reply::json(&json!({"ok": true})))),
        _ => Reply::json(&json!({"ok": true})),
    }
}

/// Goes through everything that a deployment does, as its owner and as a sender of webhooks. Panics where something is wrong.
///
/// Needs an empty or an earlier journey's organisation; `target` answers by [`replies`] and was not asked before.
pub async fn journey(app: &TestApp, target: &Target) {
    let health = app.get("/v1/health").await.expect(200);
    assert_eq!(health["status"], "ok");
    said("health, and signed in");

    programs_people_and_the_ledger(app).await;
    said(
        "an API key of a service account, an invitation that is withdrawn, a repeated request, and the ledger that tells of it",
    );
    variables_are_read_and_secrets_only_sent(app, target).await;
    said("variables, and a secret one that is sent and shown nowhere");
    an_app_is_polled(app, target).await;
    said("a connector of one's own, and a poll whose app has a new record");
    let clock = a_schedule(app).await;
    a_webhook_runs_a_workflow(app, target).await;
    said("webhook → map → branch → http.request, tried again after a 503");
    a_workflow_answers_its_caller(app, target).await;
    said("a webhook that its workflow answers");
    a_repeated_webhook_starts_one_run(app).await;
    said("one run of a webhook that came twice");
    an_event_starts_a_run_and_a_failure_another(app, target).await;
    said("event → bus → rule → run, the failure of a run → bus → run, and three events → one run");
    a_waiting_run_is_cancelled(app).await;
    said("a wait, a run that is cancelled while it waits, and one that took its slot");
    an_expression_without_a_bound_costs_its_step_only(app).await;
    said("an expression that only the guarded process may compute");
    versions_and_lists(app).await;
    said("versions, lists, a disabled workflow");
    strands_and_a_called_workflow(app, target).await;
    said("a loop with two at a time, parallel arms, a called workflow, a failure that is caught");
    what_is_large_is_kept_beside_the_history(app, target).await;
    said("an output that is too large for the history, and a bulk run that takes it over");
    a_step_waits_for_an_answer(app, target).await;
    said("a step that waits for a call: a page for browsers, an answer that counts, one that is too late");
    let run = app.runs_of(&clock.id, 1).await;
    app.wait_until(text(&run[0]["id"]), "succeeded").await;
    // It stays on: its first runs were started when it was switched on, the later ones are the timer's.
    said("a schedule that started its run");
}

/// Goes on by itself while the rest of the journey is made, and after it.
async fn a_schedule(app: &TestApp) -> Workflow {
    app.publish(&json!({"name": "clock", "triggers": [{"id": "minute", "type": "schedule", "schedule": "rate(1 minute)"}],
        "steps": [{"id": "at", "type": "map", "output": "{{ trigger.scheduled_at }}"}]}))
        .await
}

/// Whatever the first function may do in the tables of people, the ledger and what is counted.
async fn programs_people_and_the_ledger(app: &TestApp) {
    let account =
        app.post("/v1/service-accounts", &json!({"name": "smoke", "role": "viewer"})).await.expect(201);
    let path = format!("/v1/service-accounts/{}", text(&account["id"]));
    let body = json!({"name": "smoke", "scopes": ["account.own"], "service_account": account["id"]});
    let made = app.post("/v1/api-keys", &body).await.expect(201);
    let program = app.fork().with_token(text(&made["key"]));
    assert_eq!(program.get("/v1/me").await.expect(200)["name"], "smoke");
    app.put(&path, &json!({"name": "smoke, again", "role": "operator"})).await.expect(200);
    assert_eq!(program.get("/v1/me").await.expect(200)["role"], "operator");
    let invited = app
        .post("/v1/invitations", &json!({"email": "smoke@example.com", "role": "viewer"}))
        .await
        .expect(201);
    assert_eq!(app.delete(&format!("/v1/invitations/{}", text(&invited["id"]))).await.status, 204);
    let once = async || {
        let headers = [("idempotency-key", text(&account["id"]))];
        app.post_with("/v1/workflows/validate", &headers, &manual("smoke", json!([]))).await
    };
    let (first, again) = (once().await, once().await);
    assert_eq!((first.expect(200), again.header("idempotency-replayed")), (again.json(), "true"));
    app.log_in("nobody@example.com", "not a password").await.refused(401, "sign_in_failed");
    assert_eq!(app.delete(&path).await.status, 204);
    program.get("/v1/me").await.refused(401, "api_key_invalid");
    let told = app.get("/v1/audit?action=service_account.&limit=3").await.expect(200);
    let told: Vec<_> =
        told["items"].as_array().into_iter().flatten().map(|record| text(&record["action"])).collect();
    assert_eq!(told, ["service_account.deleted", "service_account.changed", "service_account.created"]);
}

async fn variables_are_read_and_secrets_only_sent(app: &TestApp, target: &Target) {
    app.put("/v1/variables/smoke_text", &json!({"value": "plain"})).await.expect(200);
    app.put("/v1/variables/smoke_key", &json!({"value": "a secret of smoke", "secret": true}))
        .await
        .expect(200);
    let mut call = http_get("call", &target.url("/secrets"));
    call["input"]["headers"] = json!({"x-key": "{{ vars.smoke_key }}", "x-text": "{{ vars.smoke_text }}"});
    let run = app.run_steps(json!([call]), &json!({}), "succeeded").await;
    let seen = target.seen_at("/secrets").pop().expect("it was called");
    assert_eq!((seen.header("x-key"), seen.header("x-text")), ("a secret of smoke", "plain"));
    assert_eq!(step(&run, "call")["input"]["headers"]["x-key"], "[secret smoke_key]", "{run:#}");
}

/// The newest first.
fn orders(count: u32) -> Value {
    (1..=count).rev().map(|n| json!({"id": n, "made": format!("2026-01-0{n}T00:00:00Z")})).collect()
}

async fn an_app_is_polled(app: &TestApp, target: &Target) {
    // A connector leads to the same place for ever, and each journey has a target of its own.
    let place: String =
        target.url("").chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let name = format!("my_{}", place.to_ascii_lowercase());
    let manifest = json!({"name": name, "title": "Orders", "base_url": target.url(""), "auth": [{"id": "none", "type": "none", "title": "Open"}],
        "actions": {"list_orders": {"title": "List orders", "request": {"method": "GET", "path": "/orders"}}},
        "triggers": {"new_order": {"title": "New order", "poll": {"action": "list_orders", "items": "{{ output }}", "order": "newest_first",
            "key": "{{ item.id }}", "cursor": "{{ item.made }}"}}}});
    app.put(&format!("/v1/connectors/{name}"), &json!({"text": manifest.to_string()})).await.expect(200);
    let definition = json!({"name": "polled", "triggers": [{"id": "new", "type": "poll", "use": format!("{name}.new_order")}],
        "steps": [{"id": "order", "type": "map", "output": "{{ trigger.record.id }}"}]});
    let workflow = app.publish(&definition).await;
    let poll = format!("/v1/workflows/{}/triggers/new/poll", workflow.id);
    app.wait_for("the first answer", async || {
        (app.get(&poll).await.expect(200)["begun"] == true).then_some(())
    })
    .await;
    app.post(&poll, &json!({})).await.expect(202);
    let runs = app.runs_of(&workflow.id, 1).await;
    let run = app.wait_until(text(&runs[0]["id"]), "succeeded").await;
    assert_eq!((runs.len(), &step(&run, "order")["output"]), (1, &json!(3)), "{run:#}");
    app.disable(&workflow.id).await;
}

async fn strands_and_a_called_workflow(app: &TestApp, target: &Target) {
    let child = app
        .publish(&manual(
            "child",
            json!([http_post("tell", &target.url("/child"), json!({"n": "{{ trigger.input.n }}"})),
                {"id": "end", "type": "stop", "output": {"n": "{{ trigger.input.n * 10 }}"}}]),
        ))
        .await;
    let steps = json!([
        {"id": "each", "type": "for_each", "items": [1, 2, 3], "concurrency": 2, "steps": [
            {"id": "call", "type": "workflow", "workflow": child.id, "input": {"n": "{{ item }}"}},
            {"id": "gives", "type": "map", "output": "{{ steps.call.output.n }}"}]},
        {"id": "both", "type": "parallel", "arms": [
            {"id": "left", "steps": [http_get("look", &target.url("/left")), {"id": "l", "type": "map", "output": "{{ steps.look.body.ok }}"}]},
            {"id": "right", "steps": [{"id": "r", "type": "map", "output": 2}]}]},
        {"id": "careful", "type": "try", "steps": [http_get("bad", &target.url("/gone"))],
            "catch": [{"id": "caught", "type": "map", "output": "{{ error.code }}"}]},
        {"id": "end", "type": "map", "output": "{{ [$sum(steps.each), steps.both.left, steps.caught] }}"}]);
    let run = app.run_steps(steps, &json!({}), "succeeded").await;
    assert_eq!(step(&run, "end")["output"], json!([60, true, "http_status"]), "{run:#}");
    assert_eq!(target.seen_at("/child").len() % 3, 0);
    app.disable(&child.id).await;
}

async fn what_is_large_is_kept_beside_the_history(app: &TestApp, target: &Target) {
    let steps = json!([
        http_get("fetch", &target.url("/large")),
        {"id": "pause", "type": "wait", "for": "PT1S"},
        {"id": "last", "type": "map", "output": "{{ steps.fetch.body[3999].n }}"}]);
    let mut definition = manual("large", steps);
    definition["priority"] = json!("bulk");
    let workflow = app.publish(&definition).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    let first = app.wait_until(&run, "succeeded").await;
    assert_eq!(step(&first, "last")["output"], 3999, "{first:#}");
    let large = &step(&first, "fetch")["large"];
    assert!(large["bytes"].as_u64().is_some_and(|bytes| bytes > 300_000), "{first:#}");
    let path = format!("/v1/runs/{}/files/{}", text(&large["run"]), text(&large["name"]));
    let found = app.get(&path).await.expect(200);
    let kept = app.fork().with_token("").get(text(&found["url"])).await.expect(200);
    assert_eq!(kept["body"], large_answer());
    // What the new run takes over, it keeps for itself.
    let again = app.post(&format!("/v1/runs/{run}/replay"), &json!({"from": "last"})).await.expect(202);
    let again = app.wait_until(text(&again["id"]), "succeeded").await;
    assert_eq!(step(&again, "last")["output"], 3999);
    assert_eq!(step(&again, "fetch")["large"]["run"], again["id"], "{again:#}");
    app.disable(&workflow.id).await;
}

/// About 400 KB.
fn large_answer() -> Value {
    (0..4000).map(|n| json!({"n": n, "text": "some eighty letters of text that nobody reads, again and again, and again"})).collect()
}

async fn a_step_waits_for_an_answer(app: &TestApp, target: &Target) {
    let steps = json!([
        http_post("ask", &target.url("/ask"), json!({"url": "{{ callbacks.reply }}"})),
        {"id": "reply", "type": "wait", "callback": true, "timeout": "PT1H"},
        {"id": "end", "type": "map", "output": "{{ steps.reply.body.n }}"}]);
    let workflow = app.publish(&manual("asking", steps)).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    app.wait_until(&run, "waiting").await;
    let asked = target.seen_at("/ask").pop().expect("the address was told").json();
    let (_, token) = text(&asked["url"]).rsplit_once('/').expect("it is an address");
    let address = format!("/hooks/callbacks/{token}");
    let stranger = app.fork().with_token("");
    assert_eq!(stranger.get(&address).await.status, 200);
    let looked = app.run(&run).await;
    assert_eq!(looked["status"], "waiting", "whoever looks decides nothing");
    assert!(!looked.to_string().contains(token), "the address is a secret: {looked:#}");
    let forged = format!("{}~{}", token.rsplit_once('~').expect("it has parts").0, "another");
    assert_eq!(stranger.post(&format!("/hooks/callbacks/{forged}"), &json!({})).await.status, 404);
    stranger.post(&address, &json!({"n": 7})).await.expect(200);
    assert_eq!(step(&app.wait_until(&run, "succeeded").await, "end")["output"], 7);
    assert_eq!(stranger.post(&address, &json!({"n": 8})).await.status, 410);
}

async fn a_webhook_runs_a_workflow(app: &TestApp, target: &Target) {
    let retry = json!({"max_attempts": 3, "initial": "PT1S", "backoff": 1, "jitter": "none"});
    let mut tell = http_post("tell", &target.url("/leads"), json!({"text": "Hot: {{ steps.person.name }}"}));
    tell["retry"] = retry;
    let lead = app
        .publish(&webhook(
            "Lead to CRM",
            json!([
                {"id": "person", "type": "map", "output": {
                    "email": "{{ $lowercase(trigger.body.email) }}",
                    "name": "{{ trigger.body.first & ' ' & trigger.body.last }}",
                    "score": "{{ trigger.body.score }}"}},
                {"id": "hot", "type": "branch", "arms": [{"when": "{{ steps.person.score > 80 }}", "steps": [tell]}],
                 "else": [{"id": "cold", "type": "map", "output": "cold"}]},
                {"id": "said", "type": "map", "output": "{{ steps.tell.body.ok }}"}
            ]),
        ))
        .await;
    let body = json!({"email": "ADA@Example.com", "first": "Ada", "last": "Lovelace", "score": 91});
    let run = app.hook_run(&lead.hook, &body).await;
    let run = app.wait_until(&run, "succeeded").await;
    assert_eq!(step(&run, "person")["output"]["email"], "ada@example.com");
    assert_eq!(
        (&step(&run, "hot.tell")["attempts"], &step(&run, "said")["output"]),
        (&json!(2), &json!(true)),
        "{run:#}"
    );
    let seen = target.seen_at("/leads");
    assert_eq!(seen.len(), 2, "{seen:#?}");
    assert_eq!(seen[0].json(), json!({"text": "Hot: Ada Lovelace"}));
    assert!(
        !seen[0].key().is_empty() && seen[0].key() == seen[1].key(),
        "all attempts go under one key: {seen:#?}"
    );
}

async fn a_workflow_answers_its_caller(app: &TestApp, target: &Target) {
    let answering = app
        .publish(&webhook(
            "answering",
            json!([
                http_get("look", &target.url("/price")),
                {"id": "answer", "type": "respond", "status": 201,
                 "body": {"order": "{{ trigger.body.order }}", "ok": "{{ steps.look.body.ok }}"}}
            ]),
        ))
        .await;
    let answer = app.hook(&answering.hook, &json!({"order": 17})).await;
    assert_eq!(answer.expect(201), json!({"order": 17, "ok": true}));
}

async fn a_repeated_webhook_starts_one_run(app: &TestApp) {
    let once = app
        .publish(&json!({"name": "once", "priority": "bulk", "triggers": [{"id": "in", "type": "webhook", "dedupe": "{{ trigger.body.order }}"}],
            "steps": [{"id": "note", "type": "map", "output": "{{ trigger.body.order }}"}]}))
        .await;
    let (first, second) = (json!({"order": 1, "try": 1}), json!({"order": 1, "try": 2}));
    let run = app.hook_run(&once.hook, &first).await;
    assert_eq!(run, app.hook_run(&once.hook, &second).await);
    app.wait_until(&run, "succeeded").await;
}

async fn an_event_starts_a_run_and_a_failure_another(app: &TestApp, target: &Target) {
    let on = |name: &str, pattern: Value, steps: Value| json!({"name": name, "priority": "bulk", "triggers": [{"id": "bus", "type": "event", "pattern": pattern}], "steps": steps});
    // A journey before this one may have left its listeners.
    let shop = format!("shop-{}", target.base);
    let failing = on("failing", json!({"source": [shop]}), json!([http_get("look", &target.url("/gone"))]));
    let failing = app.publish(&failing).await;
    let watching = app
        .publish(&on(
            "watching",
            json!({"source": ["patchbay"], "detail-type": ["Run failed"], "detail": {"workflow": [failing.id]}}),
            json!([{"id": "note", "type": "map", "output": "{{ trigger.event.detail.run }}"}]),
        ))
        .await;
    app.put_event(&shop, "Order placed", &json!({"order": "1007"})).await;
    let failed = app.runs_of(&failing.id, 1).await;
    let failed = app.wait_until(text(&failed[0]["id"]), "failed").await;
    let noticed = app.runs_of(&watching.id, 1).await;
    let noticed = app.wait_until(text(&noticed[0]["id"]), "succeeded").await;
    assert_eq!(step(&noticed, "note")["output"], failed["id"]);
    app.disable(&failing.id).await;
    app.disable(&watching.id).await;

    // Three events and one run, which does not wait for the end of the quarter of an hour.
    let mut batch = on(
        "batch",
        json!({"source": [shop]}),
        json!([{"id": "all", "type": "map", "output": "{{ trigger.items }}"}]),
    );
    batch["triggers"][0]["batch"] = json!({"for": "PT15M", "size": 3});
    let batch = app.publish(&batch).await;
    for n in 0..3 {
        app.put_event(&shop, "Order placed", &json!({"n": n})).await;
    }
    let gathered = app.runs_of(&batch.id, 1).await;
    let gathered = app.wait_until(text(&gathered[0]["id"]), "succeeded").await;
    assert_eq!(step(&gathered, "all")["output"].as_array().map(Vec::len), Some(3), "{gathered:#}");
    app.disable(&batch.id).await;
}

async fn a_waiting_run_is_cancelled(app: &TestApp) {
    let short =
        json!([{"id": "breath", "type": "wait", "for": "PT2S"}, {"id": "after", "type": "map", "output": 1}]);
    let run = app.run_steps(short, &json!({}), "succeeded").await;
    assert_eq!(step(&run, "after")["output"], 1);
    let long = app.publish(&manual("long", json!([{"id": "hour", "type": "wait", "for": "PT1H"}]))).await;
    let run = app.start_run(&long.id, &json!({})).await;
    app.wait_until(&run, "waiting").await;
    app.cancel(&run).await.expect(200);
    app.wait_until(&run, "cancelled").await;

    // One at a time: the second goes on when the first is cancelled, which frees its slot.
    let mut one = manual("one at a time", json!([{"id": "hour", "type": "wait", "for": "PT1H"}]));
    one["concurrency"] = json!({"limit": 1});
    let one = app.publish(&one).await;
    let first = app.start_run(&one.id, &json!({})).await;
    app.wait_until(&first, "waiting").await;
    let second = app.start_run(&one.id, &json!({})).await;
    let waits = async || app.run(&second).await["waits_for_slot"].as_bool().filter(|waits| *waits);
    app.wait_for("the second run waits for its slot", waits).await;
    app.cancel(&first).await.expect(200);
    app.wait_until(&second, "waiting").await;
    app.cancel(&second).await.expect(200);
}

async fn an_expression_without_a_bound_costs_its_step_only(app: &TestApp) {
    let sum = "{{ ($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(trigger.input.n)) }}";
    let run = app
        .run_steps(json!([{"id": "f", "type": "map", "output": sum}]), &json!({"n": 10}), "succeeded")
        .await;
    assert_eq!(step(&run, "f")["output"], 3_628_800, "{run:#}");
    let bomb = json!([{"id": "bomb", "type": "map", "output": "{{ $pad('x', 1000000000) }}"}]);
    let run = app.run_steps(bomb, &json!({}), "failed").await;
    assert_eq!(run["error"]["step"], "bomb", "{run:#}");
}

async fn versions_and_lists(app: &TestApp) {
    let note = |n: u32| json!([{"id": "note", "type": "map", "output": n}]);
    let workflow = app.publish(&manual("changing", note(1))).await;
    let changed = app.change_workflow(&workflow.id, &manual("changing", note(2))).await;
    assert_eq!(changed.version, 2);
    let run = app.start_run(&workflow.id, &json!({})).await;
    let run = app.wait_until(&run, "succeeded").await;
    assert_eq!((&run["version"], &step(&run, "note")["output"]), (&json!(2), &json!(2)));
    assert_eq!(app.runs(&format!("workflow={}&status=succeeded", workflow.id)).await.len(), 1);
    assert_eq!(app.get(&format!("/v1/workflows/{}?version=1", workflow.id)).await.expect(200)["version"], 1);
    let listed = app.get("/v1/workflows?limit=100").await.expect(200);
    assert!(
        listed["items"].as_array().is_some_and(|all| all.iter().any(|w| w["id"] == workflow.id.as_str()))
    );
    app.disable(&workflow.id).await;
    let refused = app.post(&format!("/v1/workflows/{}/runs", workflow.id), &json!({"input": {}})).await;
    assert_eq!(refused.status, 409, "{refused}");
}

/// Starts a run each second until `landing` ends, and waits for all of them: meanwhile the deployment under them is replaced.
///
/// Each run has four HTTP calls of a second and a wait, so it is carried on by several messages.
pub async fn flight(app: &TestApp, target: &Target, landing: impl Future<Output = ()>) {
    let slow = |id: &str| http_post(id, &target.url("/slow"), json!({"run": "{{ run.id }}", "step": id}));
    let steps = json!([slow("a"), slow("b"), {"id": "w", "type": "wait", "for": "PT4S"}, slow("c"), slow("d"),
        {"id": "end", "type": "map", "output": "{{ steps.d.body.ok }}"}]);
    let workflow = app.publish(&webhook("in flight", steps)).await;
    let mut started = Vec::new();
    let mut landing = std::pin::pin!(landing);
    loop {
        started.push(app.hook_run(&workflow.hook, &json!({"n": started.len()})).await);
        if started.len() == 3 {
            println!("in flight");
        }
        tokio::select! {
            () = &mut landing => break,
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
    }
    // With connections of its own: what was deployed meanwhile knows nothing of the old ones.
    let app = app.fork();
    for run in &started {
        let run = app.wait_until(run, "succeeded").await;
        assert_eq!(run["steps"].as_array().map(Vec::len), Some(6), "{run:#}");
        assert_eq!(step(&run, "end")["output"], true);
    }
    let seen = target.seen_at("/slow");
    let mut effects: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    for request in &seen {
        let body = request.json();
        let keys = effects.entry((body["run"].to_string(), body["step"].to_string())).or_default();
        keys.insert(request.key().to_owned());
    }
    assert_eq!(effects.len(), started.len() * 4, "every effect took place");
    assert!(effects.values().all(|keys| keys.len() == 1), "an effect has one key: {effects:#?}");
    println!(
        "{} runs of 6 steps, started a second apart, ended well; {} effects, {} of them repeated",
        started.len(),
        effects.len(),
        seen.len() - effects.len()
    );
}

fn said(what: &str) {
    println!("  {what}");
}
