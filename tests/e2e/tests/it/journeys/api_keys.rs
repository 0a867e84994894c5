//! Programs: API keys and service accounts.

use e2e::{TestApp, text};
use serde_json::{Value, json};

async fn key(app: &TestApp, body: Value) -> (TestApp, String) {
    let made = app.post("/v1/api-keys", &body).await.expect(201);
    (app.fork().with_token(text(&made["key"])), format!("/v1/api-keys/{}", text(&made["id"])))
}

#[tokio::test]
async fn a_key_may_what_its_scopes_say_until_it_is_deleted() {
    let app = TestApp::start().await;
    let workflow = app.publish(&e2e::manual("some", json!([]))).await;
    let (program, path) =
        key(&app, json!({"name": "starter", "scopes": ["workflows.run", "runs.read"]})).await;
    let run = program.start_run(&workflow.id, &json!({})).await;
    program.wait_until(&run, "succeeded").await;
    program.get("/v1/workflows").await.refused(403, "permission_denied");
    program
        .post("/v1/api-keys", &json!({"name": "x", "scopes": ["runs.read"]}))
        .await
        .refused(403, "permission_denied");

    let list = app.get("/v1/api-keys").await.expect(200);
    let listed = &list["items"][0];
    assert_eq!((&listed["name"], &listed["used_from"]), (&json!("starter"), &json!("127.0.0.1")), "{list}");
    assert!(listed["used_at"].is_string() && listed.get("key").is_none(), "{list}");
    assert!(program.token().starts_with(text(&listed["prefix"])));
    let told = app.get("/v1/audit?action=api_key.").await.expect(200);
    let actions: Vec<_> = told["items"].as_array().unwrap().iter().map(|r| text(&r["action"])).collect();
    assert_eq!(actions, ["api_key.used_from_new_address", "api_key.created"], "a known address is told once");
    assert!(!told.to_string().contains(&program.token()[12..]), "the key itself is nowhere");

    assert_eq!(app.delete(&path).await.status, 204);
    app.delete(&path).await.refused(404, "api_key_not_found");
    program.get("/v1/runs").await.refused(401, "api_key_invalid");
    let last = app.token().to_owned();
    app.fork().with_token("pb_guess").get("/v1/runs").await.refused(401, "api_key_invalid");
    app.fork().with_token(&last).get("/v1/runs").await.expect(200);
}

#[tokio::test]
async fn nobody_makes_a_key_that_may_more_than_oneself() {
    let mut app = TestApp::start().await;
    let viewer = app.invite("grace@example.com", "viewer").await;
    let refused = viewer
        .post("/v1/api-keys", &json!({"name": "x", "scopes": ["runs.read", "workflows.write", "king"]}))
        .await
        .refused(422, "invalid_scopes");
    let pointers: Vec<_> =
        refused["errors"].as_array().unwrap().iter().map(|f| text(&f["pointer"])).collect();
    assert_eq!(pointers, ["/scopes/1", "/scopes/2"]);
    for (body, code) in [
        (json!({"name": "x", "scopes": []}), "invalid_scopes"),
        (json!({"name": " ", "scopes": ["runs.read"]}), "invalid_name"),
        (json!({"name": "x", "scopes": ["runs.read"], "expires_in_days": 0}), "invalid_expiry"),
    ] {
        viewer.post("/v1/api-keys", &body).await.refused(422, code);
    }
    // One sees one's own, those who manage see all; others' are not there.
    let (_, hers) = key(&viewer, json!({"name": "hers", "scopes": ["runs.read"]})).await;
    let (_, his) = key(&app, json!({"name": "his", "scopes": ["runs.read"]})).await;
    let names = |list: Value| {
        list["items"].as_array().unwrap().iter().map(|k| text(&k["name"]).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(viewer.get("/v1/api-keys").await.expect(200)), ["hers"]);
    assert_eq!(names(app.get("/v1/api-keys").await.expect(200)).len(), 2);
    viewer.delete(&his).await.refused(404, "api_key_not_found");
    assert_eq!(app.delete(&hers).await.status, 204);
}

#[tokio::test]
async fn keys_follow_the_role_of_their_holder_and_end_with_it() {
    let mut app = TestApp::start().await;
    let editor = app.invite("grace@example.com", "editor").await;
    let (program, _) =
        key(&editor, json!({"name": "hers", "scopes": ["workflows.write", "workflows.read"]})).await;
    program.create_workflow(&e2e::manual("hers", json!([]))).await;
    let id = text(&editor.get("/v1/me").await.expect(200)["id"]).to_owned();
    app.patch(&format!("/v1/members/{id}"), &json!({"role": "viewer"})).await.expect(200);
    program.post("/v1/workflows", &e2e::manual("no", json!([]))).await.refused(403, "permission_denied");
    program.get("/v1/workflows").await.expect(200);
    assert_eq!(app.delete(&format!("/v1/members/{id}")).await.status, 204);
    program.get("/v1/workflows").await.refused(401, "api_key_invalid");
}

#[tokio::test]
async fn a_service_account_acts_by_keys_of_its_own() {
    let mut app = TestApp::start().await;
    let editor = app.invite("grace@example.com", "editor").await;
    let wanted = json!({"name": "pipeline", "role": "operator"});
    editor.post("/v1/service-accounts", &wanted).await.refused(403, "permission_denied");
    let owner = json!({"name": "x", "role": "owner"});
    app.post("/v1/service-accounts", &owner).await.refused(422, "invalid_role");
    let made = app.post("/v1/service-accounts", &wanted).await;
    let id = text(&made.expect(201)["id"]).to_owned();
    let body = json!({"name": "k", "scopes": ["workflows.run", "account.own"], "service_account": id});
    editor.post("/v1/api-keys", &body).await.refused(403, "permission_denied");
    let (program, _) = key(&app, body).await;
    let me = program.get("/v1/me").await.expect(200);
    assert_eq!((&me["id"], &me["name"], &me["role"]), (&json!(id), &json!("pipeline"), &json!("operator")));
    program.get("/v1/auth/sessions").await.refused(403, "person_needed");
    program.post("/v1/organization/leave", &json!({})).await.refused(403, "person_needed");
    let too_much = json!({"name": "k", "scopes": ["workflows.write"], "service_account": id});
    app.post("/v1/api-keys", &too_much).await.refused(422, "invalid_scopes");

    let path = format!("/v1/service-accounts/{id}");
    let workflow = app.publish(&e2e::manual("some", json!([]))).await;
    program.start_run(&workflow.id, &json!({})).await;
    let viewer = json!({"name": "pipeline", "role": "viewer"});
    assert_eq!(app.put(&path, &viewer).await.expect(200)["role"], "viewer");
    let start = format!("/v1/workflows/{}/runs", workflow.id);
    program.post(&start, &json!({})).await.refused(403, "permission_denied");
    assert_eq!(app.delete(&path).await.status, 204);
    app.get(&path).await.refused(404, "service_account_not_found");
    program.get("/v1/me").await.refused(401, "api_key_invalid");
}
