//! Stops and starts on the same data.

use auth::Role;
use auth::token::Subject;
use domain::{OrgId, UserId};
use e2e::{Reply, Target, TestApp, http_get, http_post, manual, step, text, webhook};
use emulators::Cloud;
use serde_json::json;

#[tokio::test]
async fn waiting_retrying_and_running_runs_survive_kill_9() {
    let mut app = TestApp::start().await;
    let target = Target::start(|seen, before| match (seen.path.as_str(), before) {
        ("/busy", 0) => Reply::status(503, &json!(null)).header("retry-after", "2"),
        ("/slow", 0) => Reply::Silence,
        _ => Reply::json(&json!({"ok": true})),
    })
    .await;
    let waiting = app
        .publish(&manual(
            "waits",
            json!([
            {"id": "before", "type": "map", "output": {"kept": "{{ trigger.input }}"}},
            {"id": "pause", "type": "wait", "for": "PT3S"},
            {"id": "after", "type": "map", "output": "{{ steps.before.kept }} {{ steps.pause.until }}"}]),
        ))
        .await;
    let mut busy = http_post("send", &target.url("/busy"), json!({"n": "{{ trigger.input }}"}));
    busy["retry"] = json!({"max_attempts": 3, "initial": "PT0S"});
    let retrying = app.publish(&manual("is tried again", json!([busy]))).await;
    let mut slow = http_post("send", &target.url("/slow"), json!({"n": "{{ trigger.input }}"}));
    slow["timeout"] = json!("PT3S");
    let running = app.publish(&manual("is under way", json!([slow]))).await;

    let waiting = app.start_run(&waiting.id, &json!("kept")).await;
    let retrying = app.start_run(&retrying.id, &json!(1)).await;
    let running = app.start_run(&running.id, &json!(2)).await;
    app.wait_until(&waiting, "waiting").await;
    app.wait_for("the retry to be planned and the slow effect to begin", || async {
        let planned = app.run(&retrying).await["steps"]
            .as_array()
            .unwrap()
            .first()
            .is_some_and(|s| s["status"] == "retrying");
        (planned && target.seen_at("/slow").len() == 1).then_some(())
    })
    .await;
    app.kill();
    app.restart();

    let run = app.wait_until(&waiting, "succeeded").await;
    let until = text(&step(&run, "pause")["output"]["until"]);
    assert_eq!(step(&run, "after")["output"], format!("kept {until}"));
    assert!(text(&run["finished_at"]) >= until, "it went on before its time: {run:#}");

    let run = app.wait_until(&retrying, "succeeded").await;
    assert_eq!(step(&run, "send")["attempts"], 2, "{run:#}");
    let seen = target.seen_at("/busy");
    assert_eq!((seen.len(), seen[0].key()), (2, seen[1].key()));

    let run = app.wait_until(&running, "succeeded").await;
    assert_eq!(
        step(&run, "send")["attempts"],
        1,
        "the attempt that the crash cut off was taken over: {run:#}"
    );
    let seen = target.seen_at("/slow");
    assert_eq!((seen.len(), seen[0].key()), (2, seen[1].key()));
}

#[tokio::test]
async fn an_effect_that_may_happen_once_only_is_not_repeated_after_a_crash() {
    let mut app = TestApp::start().await;
    let target = Target::start(|_, _| Reply::Silence).await;
    let mut pay = http_post("pay", &target.url("/pay"), json!({}));
    pay["at_most_once"] = json!(true);
    pay["timeout"] = json!("PT3S");
    let workflow = app.publish(&manual("once", json!([pay]))).await;
    let run = app.start_run(&workflow.id, &json!(null)).await;
    app.wait_for("the effect to begin", || async { (target.count() == 1).then_some(()) }).await;
    app.kill();
    app.restart();
    let run = app.wait_until(&run, "failed").await;
    e2e::assert_failed(&run, "pay", "outcome_unknown");
    assert_eq!(target.count(), 1);
}

#[tokio::test]
async fn users_workflows_and_history_are_kept_and_ctrl_c_is_clean() {
    let mut app = TestApp::start().await;
    let target = Target::start(|_, _| Reply::Silence).await;
    let workflow = app
        .publish(&webhook("kept", json!([{"id": "one", "type": "map", "output": "{{ trigger.body }}"}])))
        .await;
    let done = app.hook_run(&workflow.hook, &json!({"n": 1})).await;
    let done = app.wait_until(&done, "succeeded").await;
    let mut silent = http_get("ask", &target.url("/"));
    silent["timeout"] = json!("PT1M40S");
    let stuck = app.publish(&manual("under way", json!([silent]))).await;
    let stuck = app.start_run(&stuck.id, &json!(null)).await;
    app.wait_for("the effect to begin", || async { (target.count() == 1).then_some(()) }).await;

    // With an effect under way and connections open.
    let status = app.interrupt();
    assert_eq!(status.code(), Some(0), "{status:?}");
    app.restart();

    assert!(app.said().is_empty(), "the owner exists: nothing to set up: {:?}", app.said());
    assert_eq!(app.run(text(&done["id"])).await, done);
    app.sign_in().await;
    let again = app.hook_run(&workflow.hook, &json!({"n": 2})).await;
    app.wait_until(&again, "succeeded").await;
    app.wait_for("the effect to begin again", || async { (target.count() == 2).then_some(()) }).await;
    app.cancel(&stuck).await.expect(200);
}

#[tokio::test]
async fn runs_are_handed_over_after_every_step_when_the_budget_is_one() {
    let options = e2e::Options { chain_steps: Some(1), ..e2e::Options::default() };
    let app = TestApp::start_with(options).await;
    let target = Target::kind().await;
    let steps = json!([
        {"id": "a", "type": "map", "output": "{{ trigger.input.n + 1 }}"},
        http_get("b", &target.url("/")),
        {"id": "c", "type": "branch", "arms": [{"when": "{{ steps.a = 2 }}", "steps": [
            http_post("d", &target.url("/"), json!("{{ steps.a & $string(steps.b.body.ok) }}")),
            {"id": "e", "type": "wait", "for": "PT1S"}]}]},
        {"id": "f", "type": "stop", "output": "{{ steps.a + steps.d.status }}"}
    ]);
    let run = app.run_steps(steps, &json!({"n": 1}), "succeeded").await;
    assert_eq!(
        (&run["output"], run["steps"].as_array().unwrap().len(), target.count()),
        (&json!(202), 6, 2),
        "{run:#}"
    );
}

#[tokio::test]
async fn a_token_that_has_expired_is_refused() {
    let mut app = TestApp::start_fresh(e2e::Options::default());
    let done = app.set_up().await;
    let data = app.data();
    app.kill();
    // Signed with the deployment's own key, an hour ago: nobody waits fifteen minutes for a test.
    let cloud = Cloud::open(&data).await.unwrap();
    let secrets = aws_sdk_secretsmanager::Client::new(&cloud.sdk_config());
    let now = now();
    let keyring = vault::Keyrings::new(secrets, "patchbay/keyring").get(now).await.unwrap();
    let subject = |role| Subject {
        user: UserId::parse(text(&done["user"])).unwrap(),
        org: OrgId::parse(text(&done["organization"])).unwrap(),
        role,
        session: None,
    };
    let sign = |role, at| keyring.signer().sign(subject(role), at).unwrap().token;
    let (old, early, new) =
        (sign(Role::Owner, now - 3600), sign(Role::Owner, now + 7200), sign(Role::Owner, now));
    let viewer = sign(Role::Viewer, now);
    drop(cloud);
    app.restart();

    app.fork().with_token(&old).get("/v1/runs").await.refused(401, "token_expired");
    app.fork().with_token(&early).get("/v1/runs").await.refused(401, "token_invalid");
    app.fork().with_token(&new).get("/v1/runs").await.expect(200);
    let viewer = app.fork().with_token(&viewer);
    viewer.get("/v1/runs").await.expect(200);
    // What somebody is says the table, not the token: a role may have been given or taken since.
    viewer.post("/v1/workflows", &manual("allowed", json!([]))).await.expect(201);
}

#[expect(clippy::disallowed_methods, reason = "the program under test has the real clock, too")]
fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[tokio::test]
async fn nothing_is_left_running_after_a_kill() {
    let mut app = TestApp::start().await;
    // Makes the guard start a child.
    let slow = json!({"expression": "($f := function($n){$n = 0 ? 1 : $f($n - 1)}; $f(10))", "input": {}});
    assert_eq!(app.post("/v1/expressions/evaluate", &slow).await.expect(200), json!({"result": 1}));
    let children = children(app.id());
    assert!(!children.is_empty(), "the guard works in a child process");
    app.kill();
    app.wait_for("the guard's children to end", || async {
        children.iter().all(|pid| !alive(*pid)).then_some(())
    })
    .await;
}

fn children(of: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{of}/task")).unwrap();
    let lists = tasks.filter_map(|t| std::fs::read_to_string(t.unwrap().path().join("children")).ok());
    lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// A zombie that nobody has waited for yet is dead, too.
fn alive(pid: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/status")).is_ok_and(|s| !s.contains("State:\tZ"))
}

#[tokio::test]
async fn events_that_were_taken_start_their_runs_after_kill_9() {
    let mut app = TestApp::start().await;
    let workflow = app
        .publish(&json!({"name": "listens", "triggers": [{"id": "bus", "type": "event", "pattern": {"source": ["shop"]}}],
                         "steps": [{"id": "note", "type": "map", "output": "{{ trigger.event.detail.n }}"}]}))
        .await;
    for n in 0..100 {
        app.put_event("shop", "Order placed", &json!({"n": n})).await;
    }
    app.kill();
    app.restart();
    let runs = app.runs_of(&workflow.id, 100).await;
    let mut seen = Vec::new();
    for run in runs {
        let run = app.wait_until(text(&run["id"]), "succeeded").await;
        seen.push(step(&run, "note")["output"].as_u64().expect("the event's number"));
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..100).collect::<Vec<u64>>(), "each event starts one run");
}
