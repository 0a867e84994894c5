//! Requests to the API that cannot be served.

use e2e::{TestApp, manual};
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn bodies_that_are_no_json_or_not_the_right_one() {
    let app = TestApp::shared().await;
    for malformed in ["{", "", "  ", "nul", "{\"name\": \"x\",}", "{'a': 1}", "\u{feff}{}", "[1, 2"] {
        let answer = app.post_raw("/v1/workflows", "application/json", malformed).await;
        if malformed.trim().is_empty() {
            // Nothing is an empty object, which lacks everything.
            answer.refused(422, "invalid_definition");
        } else {
            answer.refused(400, "body_malformed");
        }
    }
    app.post_raw("/v1/workflows", "application/json", [0xff, 0xfe, b'{', b'}'])
        .await
        .refused(400, "body_malformed");
    app.post_raw("/v1/workflows", "application/json", "[".repeat(100_000))
        .await
        .refused(400, "body_malformed");

    let evaluate = "/v1/expressions/evaluate";
    app.post(evaluate, &json!({"expression": 1})).await.refused(422, "invalid_body");
    app.post(evaluate, &json!({"input": {}})).await.refused(422, "invalid_body");
    app.post(evaluate, &json!([])).await.refused(422, "invalid_body");
    app.post(evaluate, &json!({"expression": "1", "unknown": true})).await.refused(422, "invalid_body");
    let login = app
        .post("/v1/auth/login", &json!({"email": "a@example.com", "password": "x", "remember": true}))
        .await;
    login.refused(422, "invalid_body");
    let workflow = app.publish(&manual("x", json!([]))).await;
    let start = format!("/v1/workflows/{}/runs", workflow.id);
    app.post(&start, &json!({"input": 1, "inputs": 2})).await.refused(422, "invalid_body");
}

#[tokio::test]
async fn bodies_that_are_too_large() {
    let app = TestApp::shared().await;
    let long = json!({"expression": "1", "input": {"long": "x".repeat(1024 * 1024)}});
    app.post("/v1/expressions/evaluate", &long).await.refused(413, "body_too_large");
    let mut large = manual("large", json!([]));
    large["description"] = json!("x".repeat(300 * 1024));
    app.post("/v1/workflows", &large).await.refused(413, "definition_too_large");
    let workflow = app.publish(&manual("input", json!([]))).await;
    let input = json!({"input": "x".repeat(300 * 1024)});
    app.post(&format!("/v1/workflows/{}/runs", workflow.id), &input).await.refused(413, "body_too_large");
    // Past API Gateway's own limit its own answer comes.
    let answer = app.post_raw("/v1/workflows", "application/json", vec![b' '; 11 * 1024 * 1024]).await;
    assert_eq!(answer.expect(413)["message"], "Request Entity Too Large");
    app.assert_undisturbed().await;
}

#[tokio::test]
async fn other_content_types() {
    let app = TestApp::shared().await;
    for other in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "application/xml",
        "multipart/form-data; boundary=x",
        "json",
    ] {
        app.post_raw("/v1/expressions/evaluate", other, "{\"expression\": \"1\"}")
            .await
            .refused(415, "content_type_unsupported");
    }
    for json in ["application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.api+json"] {
        app.post_raw("/v1/expressions/evaluate", json, "{\"expression\": \"1\"}").await.expect(200);
    }
}

#[tokio::test]
async fn tokens_that_are_none() {
    let app = TestApp::shared().await;
    let bare = app.fork().with_token("");
    bare.get("/v1/runs").await.refused(401, "token_missing");
    let with =
        |value: &'static str| app.send(bare.request(Method::GET, "/v1/runs").header("authorization", value));
    with("Basic YWRhOnBhc3N3b3Jk").await.refused(401, "token_missing");
    with("Bearer").await.refused(401, "token_missing");
    with("Bearer garbage").await.refused(401, "token_invalid");
    with("Bearer a.b.c").await.refused(401, "token_invalid");
    // {"alg":"none"} and a subject; {"alg":"HS256"} with an empty signature.
    with("Bearer eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJzdWIiOiJ1c3JfMSIsImV4cCI6OTk5OTk5OTk5OX0.")
        .await
        .refused(401, "token_invalid");
    with("Bearer eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiJ1c3JfMSIsImV4cCI6OTk5OTk5OTk5OX0.AAAA")
        .await
        .refused(401, "token_invalid");
    let long = format!("Bearer {}", "x".repeat(8000));
    app.send(bare.request(Method::GET, "/v1/runs").header("authorization", long))
        .await
        .refused(401, "token_invalid");
    // The token of another deployment, signed with another key.
    let other = TestApp::start().await;
    let foreign = other.request(Method::GET, "/v1/runs").build().unwrap();
    let foreign = foreign.headers()["authorization"].clone();
    app.send(bare.request(Method::GET, "/v1/runs").header("authorization", foreign))
        .await
        .refused(401, "token_invalid");
}

#[tokio::test]
async fn addresses_and_methods_that_are_not_there() {
    let app = TestApp::shared().await;
    for path in [
        "/v1/",
        "/v1/nothing",
        "/v1/workflows/",
        "/v1/runs/x/y",
        "/v1/../etc/passwd",
        "/v1//runs",
        "/v1/RUNS",
    ] {
        assert_eq!(app.get(path).await.status, 404, "{path}");
    }
    for (method, path) in [
        (Method::DELETE, "/v1/workflows"),
        (Method::PATCH, "/v1/runs"),
        (Method::POST, "/v1/health"),
        (Method::PUT, "/v1/expressions/evaluate"),
        (Method::GET, "/v1/setup"),
        (Method::OPTIONS, "/v1/runs"),
    ] {
        let answer = app.send(app.request(method.clone(), path)).await;
        answer.refused(405, "method_not_allowed");
        assert!(!answer.header("allow").is_empty(), "{method} {path} does not say what is allowed");
    }
    let id = "wf_00000000000000000000000000";
    app.get(&format!("/v1/workflows/{id}")).await.refused(404, "workflow_not_found");
    app.get("/v1/workflows/nonsense").await.refused(404, "workflow_not_found");
    app.get("/v1/workflows/%00").await.refused(404, "workflow_not_found");
    app.put(&format!("/v1/workflows/{id}"), &manual("x", json!([]))).await.refused(404, "workflow_not_found");
    app.post(&format!("/v1/workflows/{id}/enable"), &json!({})).await.refused(404, "workflow_not_found");
    app.post(&format!("/v1/workflows/{id}/runs"), &json!({})).await.refused(404, "workflow_not_found");
    app.get("/v1/runs/run_00000000000000000000000000").await.refused(404, "run_not_found");
    app.get("/v1/runs/..%2f..%2fx").await.refused(404, "run_not_found");
    app.cancel("run_00000000000000000000000000").await.refused(404, "run_not_found");
    assert_eq!(app.get("/").await.status, 404);
    assert_eq!(app.get("/_local/meter").await.status, 404);
}

#[tokio::test]
async fn queries_that_cannot_be() {
    let app = TestApp::shared().await;
    for (query, code) in [
        ("limit=0", "invalid_limit"),
        ("limit=101", "invalid_limit"),
        ("limit=-1", "invalid_query"),
        ("limit=ten", "invalid_query"),
        ("limit=99999999999999999999", "invalid_query"),
        ("status=done", "invalid_status"),
        ("status=", "invalid_status"),
        ("status=SUCCEEDED", "invalid_status"),
        ("cursor=", "invalid_cursor"),
        ("cursor=nonsense", "invalid_cursor"),
        ("cursor=%FF%FE", "invalid_cursor"),
        ("cursor=AAAA", "invalid_cursor"),
        ("cursor=Li4vLi4vZXRjL3Bhc3N3ZA", "invalid_cursor"),
        ("workflow=x", "invalid_workflow"),
        ("workflow=wf_1%23", "invalid_workflow"),
        ("colour=red", "invalid_query"),
        ("limit=1&limit=2", "invalid_query"),
    ] {
        app.get(&format!("/v1/runs?{query}")).await.refused(422, code);
    }
    for (query, code) in
        [("limit=0", "invalid_limit"), ("cursor=AAAA", "invalid_cursor"), ("status=failed", "invalid_query")]
    {
        app.get(&format!("/v1/workflows?{query}")).await.refused(422, code);
    }
    // Cursors of one list are not those of another.
    for n in 0..2 {
        app.create_workflow(&manual(&format!("page {n}"), json!([]))).await;
    }
    let page = app.get("/v1/workflows?limit=1").await.expect(200);
    let Value::String(cursor) = &page["next_cursor"] else { panic!("{page}") };
    app.get(&format!("/v1/runs?cursor={cursor}")).await.refused(422, "invalid_cursor");
    let none = "workflow=wf_00000000000000000000000000";
    assert_eq!(app.get(&format!("/v1/runs?{none}")).await.expect(200)["items"], json!([]));
}
