//! The served OpenAPI document against the API that serves it.

use e2e::{TestApp, text};
use reqwest::Method;
use serde_json::Value;

const PUBLIC: [&str; 15] = [
    "GET /v1/auth/jwks.json",
    "GET /v1/auth/oidc",
    "GET /v1/auth/oidc/callback",
    "GET /v1/auth/oidc/start",
    "GET /v1/health",
    "GET /v1/oauth/callback",
    "GET /v1/openapi.json",
    "GET /v1/schema/workflow.json",
    "POST /v1/auth/login",
    "POST /v1/auth/logout",
    "POST /v1/auth/password-reset",
    "POST /v1/auth/password-reset/confirm",
    "POST /v1/auth/refresh",
    "POST /v1/invitations/accept",
    "POST /v1/setup",
];

#[tokio::test]
async fn every_operation_is_there_and_asks_for_a_token_unless_it_is_public() {
    let app = TestApp::shared().await.with_token("");
    let document = app.get("/v1/openapi.json").await.expect(200);
    assert!(text(&document["openapi"]).starts_with("3.1"), "{}", document["openapi"]);
    assert_eq!(document["info"]["title"], "Patchbay");
    let mut public = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = format!("{} {path}", method.to_uppercase());
            assert!(operation["summary"].as_str().is_some_and(|s| !s.is_empty()), "{name} has no summary");
            assert!(!operation["responses"].as_object().unwrap().is_empty(), "{name} has no responses");
            let url = path.replace("{id}", "wf_00000000000000000000000000");
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            let answer = app
                .send(app.request(method, &url).header("content-type", "application/json").body("{}"))
                .await;
            if secured(operation) {
                answer.refused(401, "token_missing");
            } else {
                let code = if answer.body.is_empty() { Value::Null } else { answer.json()["code"].clone() };
                assert!(code != "route_not_found" && code != "method_not_allowed", "{name}: {answer}");
                public.push(name);
            }
        }
    }
    public.sort();
    assert_eq!(public, PUBLIC);
}

fn secured(operation: &Value) -> bool {
    operation["security"].as_array().is_some_and(|s| !s.is_empty())
}

#[tokio::test]
async fn every_reference_of_the_document_leads_somewhere() {
    let app = TestApp::shared().await;
    let document = app.get("/v1/openapi.json").await.expect(200);
    let mut found = 0;
    let mut rest = vec![&document];
    while let Some(value) = rest.pop() {
        match value {
            Value::Object(o) => {
                if let Some(Value::String(to)) = o.get("$ref") {
                    found += 1;
                    assert!(document.pointer(to.trim_start_matches('#')).is_some(), "`{to}` leads nowhere");
                }
                rest.extend(o.values());
            }
            Value::Array(items) => rest.extend(items),
            _ => {}
        }
    }
    assert!(found > 10, "only {found} references");
}

#[tokio::test]
async fn every_transform_is_listed_and_its_examples_evaluate() {
    let app = TestApp::shared().await;
    let listed = app.get("/v1/transforms").await.expect(200);
    let items = listed["items"].as_array().unwrap();
    assert!(items.len() >= 60, "{}", items.len());
    // One of each tenth, through the API.
    for transform in items.iter().step_by(10) {
        let example = &transform["examples"][0];
        let input: Value = serde_json::from_str(text(&example["input"])).unwrap();
        let body = serde_json::json!({"expression": example["expression"], "input": input});
        let result = app.post("/v1/expressions/evaluate", &body).await.expect(200);
        let output: Value = serde_json::from_str(text(&example["output"])).unwrap_or_default();
        assert_eq!(result["result"], output, "{transform}");
    }
}
