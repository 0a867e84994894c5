//! What goes wrong with apps, and what steps make of it.

use super::{Apps, TOKENS, tell};
use e2e::{step, text};
use futures::future::join_all;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// An action that only reads, a part of its path, and what it takes.
fn reading(connector: &str, about: &Value) -> (&'static str, &'static str, Value) {
    match connector {
        "slack" => ("auth_test", "/auth.test", json!({})),
        "notion" => ("get_self", "/users/me", json!({})),
        "openai" => ("list_models", "/models", json!({})),
        "oz" => ("list_environments", "/environments", json!({})),
        "airtable" => ("whoami", "/whoami", json!({})),
        _ => ("get_spreadsheet", "/spreadsheets", json!({"spreadsheet_id": about["spreadsheets"][0]["id"]})),
    }
}

/// What is planned at the fake, and how the step that meets it ends, and after how many attempts.
fn plans() -> Vec<(&'static str, Value, &'static str, u64)> {
    vec![
        ("429, come in 1 s", json!({"fault": "429", "seconds": 1}), "succeeded", 2),
        ("503", json!({"fault": "503"}), "succeeded", 2),
        ("500", json!({"fault": "500"}), "succeeded", 2),
        ("a proxy's page", json!({"fault": "html"}), "succeeded", 2),
        ("half an answer", json!({"fault": "truncated"}), "succeeded", 2),
        // A body without a byte is an answer of nothing: some apps say yes in this way.
        ("200 and nothing", json!({"fault": "empty"}), "succeeded", 1),
        ("closed at once", json!({"fault": "reset"}), "succeeded", 2),
        ("too slow", json!({"fault": "timeout", "seconds": 5}), "succeeded", 2),
        ("503, always", json!({"fault": "503", "next": 3}), "failed", 3),
        ("a proxy's page, always", json!({"fault": "html", "next": 3}), "failed", 3),
    ]
}

fn once(connector: &str, connection: &str, action: &str, input: &Value) -> Value {
    json!([{"id": "it", "type": "action", "use": format!("{connector}.{action}"), "connection": connection, "input": input,
        "timeout": "PT1S", "retry": {"max_attempts": 3, "initial": "PT0.1S", "jitter": "none"}}])
}

/// Meets an app with each plan; gives a line for each, and what is not as expected.
async fn meet(apps: &Apps, connector: &str, fake: &str) -> (Vec<String>, Vec<String>) {
    let (mut lines, mut wrong) = (Vec::new(), Vec::new());
    let connection = apps.connect(connector).await;
    let (action, path, input) = reading(connector, &apps.about(fake));
    let steps = once(connector, &connection, action, &input);
    let workflow = apps.app.publish(&e2e::manual(connector, steps)).await;
    for (name, mut plan, status, attempts) in plans() {
        plan["path"] = path.into();
        apps.ask(fake, "faults", &plan).await;
        let since = Instant::now();
        let started = apps.app.start_run(&workflow.id, &json!({})).await;
        let run = apps.app.wait_for("the end", || async {
            let run = apps.app.run(&started).await;
            (run["status"] == "succeeded" || run["status"] == "failed").then_some(run)
        });
        let run = run.await;
        let it = step(&run, "it");
        let code = it["error"]["code"].as_str().unwrap_or_default();
        let line =
            format!("{connector:<14} {name:<24} {} after {} {code}", text(&run["status"]), it["attempts"]);
        if run["status"] != status || it["attempts"] != attempts {
            wrong.push(format!("{line}: {it:#}"));
        }
        if plan["fault"] == "429" && since.elapsed() < Duration::from_secs(1) {
            wrong.push(format!("{line}: came again too early"));
        }
        let left = apps.admin(fake, "faults").await["faults"].take();
        if left != json!([]) {
            wrong.push(format!("{line}: not met: {left}"));
            apps.app
                .fork()
                .with_token("")
                .delete(&format!("{}/_admin/faults", apps.fakes.url(fake).unwrap()))
                .await;
        }
        lines.push(format!("  {line}"));
    }
    (lines, wrong)
}

#[tokio::test]
async fn what_passes_is_tried_again_and_what_stays_is_told() {
    let apps = Apps::start().await;
    let met = join_all(TOKENS.map(|(connector, _, fake)| meet(&apps, connector, fake))).await;
    let (lines, wrong): (Vec<_>, Vec<_>) = met.into_iter().unzip();
    tell!("connector × fault: a step with three attempts\n{}", lines.concat().join("\n"));
    assert!(wrong.concat().is_empty(), "{}", wrong.concat().join("\n"));
}

#[tokio::test]
async fn credentials_that_are_refused_are_told_as_such() {
    let apps = Apps::start().await;
    let mut lines = Vec::new();
    for (connector, _, fake) in TOKENS {
        let token = if fake == "slack" {
            text(&apps.about(fake)["token_that_is_revoked"]).to_owned()
        } else {
            "a-token-that-nobody-knows".to_owned()
        };
        let connection = apps.connect_with(connector, &token).await;
        let (action, path, input) = reading(connector, &apps.about(fake));
        let run =
            apps.app.run_steps(once(connector, &connection, action, &input), &json!({}), "failed").await;
        let it = step(&run, "it");
        assert_eq!(it["error"]["code"], "credentials_refused", "{connector}: {it:#}");
        assert_eq!(it["attempts"], 1, "{connector}: it is not tried again");
        assert_eq!(apps.asked(fake, path).await.len(), 1, "{connector}");
        assert!(!run.to_string().contains(&token), "{connector}: {run:#}");
        let path = format!("/v1/connections/{connection}/test");
        let tested = apps.app.post(&path, &json!({})).await.expect(200);
        assert_eq!((&tested["ok"], &tested["error"]["code"]), (&json!(false), &json!("credentials_refused")));
        // A token that the app takes mends the connection.
        let change = json!({"credentials": {"token": apps.token(fake).await}});
        apps.app.patch(&format!("/v1/connections/{connection}"), &change).await.expect(200);
        let tested = apps.app.post(&path, &json!({})).await.expect(200);
        assert_eq!(tested["ok"], true, "{connector}: {tested}");
        lines.push(format!(
            "  {connector:<14} {} ({})",
            text(&it["error"]["code"]),
            it["error"]["details"]["app_code"]
        ));
    }
    tell!("connector × a token that is refused\n{}", lines.join("\n"));
}

#[tokio::test]
async fn refusals_of_slack_come_with_200_and_are_told_all_the_same() {
    let apps = Apps::start().await;
    let connection = apps.connect("slack").await;
    let post =
        |channel: &str| once("slack", &connection, "post_message", &json!({"channel": channel, "text": "x"}));
    for (channel, code) in [("C0FAKE00003", "is_archived"), ("C0NOBODY", "channel_not_found")] {
        let run = apps.app.run_steps(post(channel), &json!({}), "failed").await;
        let it = step(&run, "it");
        assert_eq!(
            (&it["error"]["code"], &it["error"]["details"]["app_code"], &it["attempts"]),
            (&json!("app_error"), &json!(code), &json!(1)),
            "{it:#}"
        );
    }
    for (fault, attempts, code) in [
        ("internal_error", 2, ""),
        ("token_revoked", 1, "credentials_refused"),
        ("token_expired", 1, "credentials_refused"),
    ] {
        apps.ask("slack", "faults", &json!({"fault": fault, "path": "chat.postMessage"})).await;
        let status = if code.is_empty() { "succeeded" } else { "failed" };
        let run = apps.app.run_steps(post("C0FAKE00001"), &json!({}), status).await;
        let it = step(&run, "it");
        assert_eq!(
            (it["error"]["code"].as_str().unwrap_or_default(), &it["attempts"]),
            (code, &json!(attempts)),
            "{it:#}"
        );
    }
    let few = text(&apps.about("slack")["token_with_few_scopes"]).to_owned();
    let narrow = apps.connect_with("slack", &few).await;
    let run =
        apps.app.run_steps(once("slack", &narrow, "list_users", &json!({})), &json!({}), "failed").await;
    let it = step(&run, "it");
    assert_eq!(it["error"]["details"]["app_code"], "missing_scope", "{it:#}");
    assert!(text(&it["error"]["message"]).contains("users:read"), "{it:#}");
}

#[tokio::test]
async fn an_answer_that_is_lost_repeats_a_message_unless_the_step_is_at_most_once() {
    let apps = Apps::start().await;
    let connection = apps.connect("slack").await;
    let mut steps =
        once("slack", &connection, "post_message", &json!({"channel": "C0FAKE00001", "text": "x"}));
    for (at_most_once, status, sent) in [(false, "succeeded", 2), (true, "failed", 1)] {
        let before = apps.asked("slack", "chat.postMessage").await.len();
        steps[0]["at_most_once"] = at_most_once.into();
        apps.ask("slack", "faults", &json!({"fault": "truncated", "path": "chat.postMessage"})).await;
        apps.app.run_steps(steps.clone(), &json!({}), status).await;
        assert_eq!(
            apps.asked("slack", "chat.postMessage").await.len() - before,
            sent,
            "at most once: {at_most_once}"
        );
    }
}
