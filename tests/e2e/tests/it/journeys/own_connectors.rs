//! Connectors that an organisation makes itself: from the manifest, or an OpenAPI document, to a run.

use e2e::{Options, Reply, Seen, Target, TestApp, manual, step};
use serde_json::{Value, json};

const KEY: &str = "own-canary-77a0e3";

async fn shop() -> Target {
    Target::start(|seen: &Seen, _| {
        if seen.header("x-api-key") != KEY {
            return Reply::status(401, &json!({"message": "who are you?"}));
        }
        match (seen.method.as_str(), seen.path.as_str()) {
            ("GET", path) if path.starts_with("/v1/orders/") => {
                Reply::json(&json!({"id": path.trim_start_matches("/v1/orders/"), "total": 12}))
            }
            ("POST", "/v1/orders") => Reply::json(&json!({"id": "new", "total": seen.json()["total"]})),
            _ => Reply::status(404, &json!({"message": "no such thing"})),
        }
    })
    .await
}

fn manifest(version: u32, actions: &str) -> Value {
    let text = format!(
        "name: my_shop\ntitle: My shop\nversion: {version}\nbase_url: https://shop.example.com/v1\n\
         auth:\n  - id: key\n    type: api_key\n    title: Key\n    header: x-api-key\n\
         actions:\n{actions}"
    );
    json!({"text": text})
}

const GET_ORDER: &str = "  get_order:\n    title: Get an order\n    input: {type: object, required: [id], properties: {id: {type: string}}}\n    \
     output: {type: object, properties: {id: {type: string}, total: {type: number}}}\n    request: {method: GET, path: '/orders/{id}'}\n";
const READ_ORDER: &str =
    "  read_order:\n    title: Read an order\n    request: {method: GET, path: /orders/1}\n";

async fn with_shop() -> (TestApp, Target) {
    let target = shop().await;
    let instead = format!("https://shop.example.com={}", target.base);
    (TestApp::start_with(Options { instead, ..Options::default() }).await, target)
}

async fn connect(app: &TestApp, connector: &str) -> String {
    let body = json!({"name": "Shop", "connector": connector, "auth": "key", "credentials": {"key": KEY}});
    app.post("/v1/connections", &body).await.expect(201)["id"].as_str().unwrap().to_owned()
}

fn order(connection: &str) -> Value {
    json!([{"id": "order", "type": "action", "use": "my_shop.get_order", "connection": connection, "input": {"id": "{{ trigger.input.id }}"}}])
}

#[tokio::test]
async fn a_connector_of_ones_own_is_used_as_any_other_and_a_workflow_keeps_its_version() {
    let (app, _shop) = with_shop().await;
    let kept = app.put("/v1/connectors/my_shop", &manifest(1, GET_ORDER)).await.expect(200);
    assert_eq!((&kept["own"], &kept["version"], &kept["actions"]), (&json!(true), &json!(1), &json!(1)));
    let listed = app.get("/v1/connectors").await.expect(200);
    let names: Vec<_> =
        listed["items"].as_array().unwrap().iter().map(|of| of["name"].as_str().unwrap()).collect();
    assert!(names.contains(&"my_shop") && names.is_sorted(), "{names:?}");
    let connection = connect(&app, "my_shop").await;
    let made = app.post("/v1/workflows", &manual("orders", order(&connection))).await.expect(201);
    assert_eq!(made["definition"]["connectors"], json!({"my_shop": 1}));
    let id = made["id"].as_str().unwrap().to_owned();
    app.enable(&id).await;
    let run = app.start_run(&id, &json!({"id": "o1"})).await;
    let run = app.wait_until(&run, "succeeded").await;
    assert_eq!(step(&run, "order")["output"], json!({"id": "o1", "total": 12}));
    assert!(!run.to_string().contains("canary"));

    // What breaks nothing changes the version; what does needs another one.
    app.put("/v1/connectors/my_shop", &manifest(1, &format!("{GET_ORDER}{READ_ORDER}"))).await.expect(200);
    let refused =
        app.put("/v1/connectors/my_shop", &manifest(1, READ_ORDER)).await.refused(409, "connector_breaking");
    assert!(refused.to_string().contains("action_gone"), "{refused}");
    app.put("/v1/connectors/my_shop", &manifest(2, READ_ORDER)).await.expect(200);
    app.put("/v1/connectors/my_shop", &manifest(2, READ_ORDER)).await.expect(200);
    let run = app.start_run(&id, &json!({"id": "o2"})).await;
    let run = app.wait_until(&run, "succeeded").await;
    assert_eq!(step(&run, "order")["output"]["id"], "o2", "it keeps version 1");
    let refused = app.post("/v1/workflows/validate", &manual("new", order(&connection))).await.expect(200);
    assert!(refused.to_string().contains("action_unknown"), "new ones get version 2: {refused}");
    for version in [1, 2] {
        let got = app.get(&format!("/v1/connectors/my_shop?version={version}")).await.expect(200);
        assert_eq!(got["manifest"]["version"], version);
    }

    // Credentials go where they were given to go, and nowhere else.
    let text =
        manifest(3, READ_ORDER)["text"].as_str().unwrap().replace("shop.example.com", "evil.example.org");
    app.put("/v1/connectors/my_shop", &json!({"text": text})).await.refused(409, "connector_hosts_changed");
    app.delete("/v1/connectors/my_shop").await.refused(409, "connector_in_use");
    assert_eq!(app.delete("/v1/connectors/my_shop?version=1").await.status, 204);
    assert_eq!(app.delete(&format!("/v1/connections/{connection}")).await.status, 204);
    assert_eq!(app.delete("/v1/connectors/my_shop").await.status, 204);
    app.get("/v1/connectors/my_shop").await.refused(404, "connector_unknown");
    app.delete("/v1/connectors/my_shop").await.refused(404, "connector_unknown");
    // Nor after it was deleted: somebody may be about to give it credentials.
    app.put("/v1/connectors/my_shop", &json!({"text": text})).await.refused(409, "connector_hosts_changed");
    app.put("/v1/connectors/my_shop", &manifest(1, READ_ORDER)).await.expect(200);
    let other_way = manifest(1, READ_ORDER)["text"].as_str().unwrap().replace("x-api-key", "x-text");
    app.put("/v1/connectors/my_shop", &json!({"text": other_way}))
        .await
        .refused(409, "connector_hosts_changed");
    let ledger = app.get("/v1/audit").await.expect(200).to_string();
    assert!(ledger.contains("connector.saved") && ledger.contains("connector.deleted"));
}

#[tokio::test]
async fn a_faulty_manifest_is_refused_with_its_lines() {
    let app = TestApp::shared().await;
    let put = async |name: &str, text: &str| {
        app.put(&format!("/v1/connectors/{name}"), &json!({"text": text})).await
    };
    let refused = put("my_a", "name: my_a\ntitle: A\nactions: {}\n").await.refused(422, "invalid_manifest");
    assert!(refused.to_string().contains("`base_url` is missing"), "{refused}");
    for (name, text) in [
        ("slack", "name: slack\ntitle: S\nbase_url: https://a.example\nactions: {}\n"),
        ("my_a", "name: my_b\ntitle: S\nbase_url: https://a.example\nactions: {}\n"),
        ("my_", "name: my_\ntitle: S\nbase_url: https://a.example\nactions: {}\n"),
        ("my_a", "name: [\n"),
        ("my_a", ""),
    ] {
        put(name, text).await.refused(422, "invalid_manifest");
    }
    app.delete("/v1/connectors/slack").await.refused(404, "connector_unknown");
}

#[tokio::test]
async fn an_openapi_document_becomes_a_connector_that_works() {
    let (app, target) = with_shop().await;
    let document = json!({"openapi": "3.0.3", "info": {"title": "The shop", "version": "7"}, "servers": [{"url": "https://shop.example.com/v1"}],
        "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"}}},
        "security": [{"key": []}],
        "webhooks": {"x": {}},
        "paths": {
            "/orders/{id}": {"get": {"operationId": "getOrder", "parameters": [{"name": "id", "in": "path", "required": true, "schema": {"type": "string"}}],
                "responses": {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object", "properties": {"id": {"type": "string"}, "total": {"type": "number"}}}}}}}}},
            "/orders": {"post": {"operationId": "createOrder", "requestBody": {"required": true, "content": {"application/json": {"schema":
                {"type": "object", "required": ["total"], "properties": {"total": {"type": "number"}}}}}}, "responses": {"200": {"description": "ok"}}}}}});
    let made = app.post("/v1/connectors/import?name=my_shop", &document).await.expect(201);
    assert_eq!(
        (&made["connector"]["title"], &made["connector"]["actions"]),
        (&json!("The shop"), &json!(2)),
        "{made}"
    );
    let detail = app.get("/v1/connectors/my_shop").await.expect(200);
    let auth = detail["manifest"]["auth"][0]["id"].as_str().unwrap().to_owned();
    let names: Vec<_> = detail["manifest"]["actions"].as_object().unwrap().keys().cloned().collect();
    assert!(
        names.contains(&"get_order".to_owned()) && names.contains(&"create_order".to_owned()),
        "{names:?}"
    );
    let body = json!({"name": "Shop", "connector": "my_shop", "auth": auth, "credentials": {"key": KEY}});
    let connection = app.post("/v1/connections", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
    let steps = json!([
        {"id": "new", "type": "action", "use": "my_shop.create_order", "connection": connection, "input": {"total": 7}},
        {"id": "one", "type": "action", "use": "my_shop.get_order", "connection": connection, "input": {"id": "{{ steps.new.id }}"}}]);
    let run = app.run_steps(steps, &json!({}), "succeeded").await;
    assert_eq!(step(&run, "new")["output"], json!({"id": "new", "total": 7}));
    assert_eq!(step(&run, "one")["output"]["id"], "new");
    assert!(target.seen().iter().all(|seen| seen.header("x-api-key") == KEY));

    // Again: the same version. What would break workflows makes another.
    let again = app.post("/v1/connectors/import?name=my_shop", &document).await.expect(201);
    assert_eq!(again["connector"]["version"], 1);
    let mut less = document.clone();
    less["paths"].as_object_mut().unwrap().remove("/orders");
    assert_eq!(
        app.post("/v1/connectors/import?name=my_shop", &less).await.expect(201)["connector"]["version"],
        2
    );

    app.post("/v1/connectors/import?name=shop", &document).await.refused(422, "invalid_manifest");
    app.post("/v1/connectors/import?name=my_x", &json!({"swagger": "2.0"}))
        .await
        .refused(422, "invalid_openapi");
    app.post_raw("/v1/connectors/import?name=my_x", "application/yaml", vec![0xff, 0xfe])
        .await
        .refused(400, "body_malformed");
    app.post_raw("/v1/connectors/import?name=my_x", "application/yaml", vec![b' '; 4 * 1024 * 1024 + 1])
        .await
        .refused(413, "body_too_large");
    app.post("/v1/connectors/import", &document).await.refused(422, "invalid_query");
}
