//! An organisation is exported whole, and erased whole.

use e2e::{EMAIL, PASSWORD, Reply, SETUP_TOKEN, Target, TestApp, http_get, manual, text, webhook};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// All lines of an export, and how many pages it had.
async fn export(app: &TestApp) -> (Vec<Value>, usize) {
    let (mut lines, mut pages, mut cursor) = (Vec::new(), 0, String::new());
    loop {
        let page = app.get(&format!("/v1/organization/export{cursor}")).await;
        assert_eq!(page.status, 200, "{page}");
        assert_eq!(page.header("content-type"), "application/x-ndjson");
        assert!(page.body.len() < 3 * 1024 * 1024, "{}", page.body.len());
        pages += 1;
        let text = page.text();
        let read = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a line is JSON"));
        let mut read: Vec<Value> = read.collect();
        let last = read.pop().expect("there is a last line");
        assert_eq!(last["kind"], "page", "{last}");
        lines.extend(read);
        let Some(next) = last["next_cursor"].as_str() else {
            assert!(page.headers.get("next-cursor").is_none());
            return (lines, pages);
        };
        assert_eq!(page.header("next-cursor"), next);
        cursor = format!("?cursor={next}");
    }
}

fn of_kind<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a Value> {
    lines.iter().filter(|line| line["kind"] == kind).collect()
}

#[tokio::test]
async fn an_export_has_everything_and_no_secrets() {
    let mut app = TestApp::start().await;
    let rows = json!((0..5000).map(|n| json!({"n": n, "text": "x".repeat(90)})).collect::<Vec<_>>());
    let target = Target::start(move |_, _| Reply::json(&rows)).await;
    let editor = app.invite("editor@example.com", "editor").await;
    app.post("/v1/invitations", &json!({"email": "asked@example.com", "role": "viewer"})).await.expect(201);
    let account =
        app.post("/v1/service-accounts", &json!({"name": "robot", "role": "viewer"})).await.expect(201);
    let key = app.post("/v1/api-keys", &json!({"name": "k", "scopes": ["org.export"]})).await.expect(201);
    let connection =
        json!({"name": "c", "connector": "slack", "auth": "bot", "credentials": {"token": "xoxb-canary-1"}});
    let connection = app.post("/v1/connections", &connection).await.expect(201);
    let client = json!({"client_id": "registered", "client_secret": "canary of a client"});
    app.put("/v1/connectors/slack/oauth-client", &client).await.expect(200);
    for version in [1, 2] {
        let own = json!({"name": "my_app", "title": "My app", "version": version, "base_url": "https://app.example.com", "actions": {}});
        app.put("/v1/connectors/my_app", &json!({"text": own.to_string()})).await.expect(200);
    }
    // More than a page: eight versions of about 200 KB.
    let steps =
        |n: usize| json!([{"id": "a", "type": "map", "output": format!("{n}{}", "y".repeat(200_000))}]);
    let hooked = app.publish(&webhook("hooked", steps(0))).await;
    for n in 1..8 {
        app.change_workflow(&hooked.id, &webhook("hooked", steps(n))).await;
    }
    let large = app.publish(&manual("large", json!([http_get("ask", &target.url("/"))]))).await;
    let mut runs = vec![app.start_run(&large.id, &json!({})).await];
    app.wait_until(&runs[0], "succeeded").await;
    // A run whose steps alone are more than a page.
    let many = json!([{"id": "each", "type": "for_each", "items": "{{ [1..60] }}", "steps": [
        {"id": "big", "type": "map", "output": "z".repeat(30_000)}]}]);
    let many = app.publish(&manual("many", many)).await;
    for _ in 0..2 {
        runs.push(app.start_run(&many.id, &json!({"a": 1})).await);
    }
    for run in &runs {
        app.wait_until(run, "succeeded").await;
    }
    let (lines, pages) = export(&app).await;
    assert!((5..12).contains(&pages), "{pages}");
    let counts = lines.iter().fold(BTreeMap::<&str, usize>::new(), |mut counts, line| {
        *counts.entry(text(&line["kind"])).or_default() += 1;
        counts
    });
    assert_eq!(of_kind(&lines, "organization")[0]["name"], "Analytical Engines");
    assert_eq!((counts["member"], counts["invitation"], counts["service_account"]), (2, 1, 1), "{counts:?}");
    assert_eq!((counts["api_key"], counts["workflow"], counts["workflow_version"]), (1, 3, 10), "{counts:?}");
    // What the loops gave is large, too.
    assert_eq!((counts["run"], counts["file"]), (3, 3), "{counts:?}");
    assert_eq!(of_kind(&lines, "service_account")[0]["id"], account["id"]);
    assert_eq!(of_kind(&lines, "connection").len(), 1);
    assert_eq!(of_kind(&lines, "connection")[0]["id"], connection["id"]);
    assert_eq!(of_kind(&lines, "oauth_client")[0]["client_id"], "registered");
    let own: Vec<_> =
        of_kind(&lines, "connector").iter().map(|own| own["manifest"]["version"].clone()).collect();
    assert_eq!(own, [1, 2]);
    assert!(lines.iter().all(|line| !line.to_string().contains("xoxb-canary")));
    // Each version, run and step once, as they are shown elsewhere.
    let mut versions: Vec<u64> = of_kind(&lines, "workflow_version")
        .iter()
        .filter(|line| line["workflow"] == hooked.id.as_str())
        .map(|line| line["version"].as_u64().unwrap())
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3, 4, 5, 6, 7, 8]);
    for run in &runs {
        let mut shown = app.run(run).await;
        let steps = shown.as_object_mut().unwrap().remove("steps").unwrap();
        let without = |line: &&Value, field: &str| {
            let mut line = (*line).clone();
            line.as_object_mut().unwrap().retain(|name, _| name != "kind" && name != field);
            line
        };
        let told = of_kind(&lines, "run");
        let told: Vec<_> = told.iter().filter(|line| line["id"] == run.as_str()).collect();
        assert_eq!(told.iter().map(|line| without(line, "")).collect::<Vec<_>>(), [shown]);
        let told = of_kind(&lines, "step");
        let told = told.iter().filter(|line| line["run"] == run.as_str()).map(|line| without(line, "run"));
        assert_eq!(json!(told.collect::<Vec<_>>()), steps, "{run}");
    }
    let webhook =
        of_kind(&lines, "workflow").into_iter().find(|line| line["id"] == hooked.id.as_str()).unwrap();
    assert!(text(&webhook["triggers"][0]["url"]).ends_with(&hooked.hook), "{webhook}");
    let file = of_kind(&lines, "file")[0];
    let kept = app.fork().with_token("").get(text(&file["url"])).await;
    assert_eq!((kept.status, kept.body.len() as u64), (200, file["bytes"].as_u64().unwrap()));
    let told = of_kind(&lines, "audit_record").iter().filter(|r| r["action"] == "org.exported").count();
    assert_eq!(told, 1, "the export itself, once");
    let all = json!(lines).to_string();
    for secret in ["$argon2", text(&key["key"]), "hash", PASSWORD, "pb_refresh"] {
        assert!(!all.contains(secret), "`{secret}`");
    }
    // Owners only, and their keys that may.
    editor.get("/v1/organization/export").await.refused(403, "permission_denied");
    let by_key = app.fork().with_token(text(&key["key"]));
    assert_eq!(by_key.get("/v1/organization/export").await.status, 200);
    app.get("/v1/organization/export?cursor=x.y").await.refused(422, "invalid_cursor");
}

async fn erase(app: &TestApp, name: &str, password: &str) -> e2e::Answer {
    let body = json!({"name": name, "password": password}).to_string();
    let request = app.request(Method::DELETE, "/v1/organization").header("content-type", "application/json");
    app.send(request.body(body)).await
}

#[tokio::test]
async fn an_erased_organisation_is_shut_at_once_and_the_other_one_is_as_it_was() {
    let mut app = TestApp::start().await;
    let name = "Analytical Engines";
    let made =
        app.post("/v1/organizations", &json!({"token": SETUP_TOKEN, "name": "Elsewhere"})).await.expect(201);
    let body = json!({"email": EMAIL, "password": PASSWORD, "organization": made["id"]});
    let signed_in = app.fork().with_token("").post("/v1/auth/login", &body).await.expect(200);
    let elsewhere = app.fork().with_token(text(&signed_in["access_token"]));
    let there = elsewhere.publish(&webhook("there", json!([]))).await;

    let admin = app.invite("admin@example.com", "admin").await;
    app.post("/v1/invitations", &json!({"email": "asked@example.com", "role": "viewer"})).await.expect(201);
    let invited = e2e::secret_of(app.mails().last().unwrap());
    let key = app.post("/v1/api-keys", &json!({"name": "k", "scopes": ["org.erase"]})).await.expect(201);
    let program = app.fork().with_token(text(&key["key"]));
    let workflow = app.publish(&webhook("w", json!([{"id": "later", "type": "wait", "for": "PT1H"}]))).await;
    let run = app.hook_run(&workflow.hook, &json!({})).await;
    app.wait_until(&run, "waiting").await;

    erase(&admin, name, PASSWORD).await.refused(403, "permission_denied");
    erase(&program, name, PASSWORD).await.refused(403, "person_needed");
    erase(&app, "analytical engines", PASSWORD).await.refused(422, "organization_name_wrong");
    erase(&app, name, "not the password").await.refused(403, "password_wrong");
    assert_eq!(app.run(&run).await["status"], "waiting", "nothing has happened");

    let begun = erase(&app, name, PASSWORD).await.expect(202);
    assert_ne!(begun["organization"], made["id"]);
    for shut in [&app, &admin, &program] {
        shut.get("/v1/me").await.refused(403, "organization_erased");
        erase(shut, name, PASSWORD).await.refused(403, "organization_erased");
        shut.post("/v1/workflows", &webhook("late", json!([]))).await.refused(403, "organization_erased");
    }
    let answer = app.hook(&workflow.hook, &json!({})).await;
    assert_eq!(answer.status, 404, "{answer}");
    app.log_in("admin@example.com", PASSWORD).await.refused(403, "organization_erased");
    let accept = json!({"token": invited, "password": PASSWORD});
    let nobody = app.fork().with_token("");
    nobody.post("/v1/invitations/accept", &accept).await.refused(404, "invitation_not_found");
    let body = json!({"email": EMAIL, "password": PASSWORD, "organization": begun["organization"]});
    nobody.post("/v1/auth/login", &body).await.refused(403, "organization_erased");

    // Whoever belongs elsewhere, too, signs in there without saying so.
    let signed_in = app.log_in(EMAIL, PASSWORD).await.expect(200);
    assert_eq!(signed_in["organization"], made["id"]);
    assert_eq!(elsewhere.hook(&there.hook, &json!({})).await.status, 202);
    assert_eq!(elsewhere.get("/v1/members").await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert_eq!(elsewhere.get("/v1/organization").await.expect(200)["name"], "Elsewhere");
}
