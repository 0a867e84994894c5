//! Every route of the OpenAPI document, asked by everybody: each role, a program with one scope, an owner elsewhere, nobody, and
//! with tokens that do not count. Nobody sees, changes or learns of what is not theirs.

use e2e::{EMAIL, PASSWORD, SETUP_TOKEN, TestApp, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ROLES: [&str; 5] = ["owner", "admin", "editor", "operator", "viewer"];
/// These end the membership or all tokens of whoever asks; they have journeys of their own.
const ENDS_THE_CALLER: [&str; 2] = ["/v1/organization/leave", "/v1/auth/logout-everywhere"];

struct Operation {
    method: Method,
    path: String,
    name: String,
}

async fn operations(app: &TestApp) -> Vec<Operation> {
    let document = app.get("/v1/openapi.json").await.expect(200);
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let secured = operation["security"].as_array().is_some_and(|s| !s.is_empty());
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            if secured && !ENDS_THE_CALLER.contains(&path.as_str()) {
                let name = format!("{method} {path}");
                all.push(Operation { method, path: path.clone(), name });
            }
        }
    }
    assert!(all.len() > 45, "{}", all.len());
    all
}

/// Real things of the first organisation, for each place in a path.
async fn things(app: &mut TestApp) -> BTreeMap<&'static str, String> {
    let workflow =
        app.publish(&e2e::manual("canary", json!([{"id": "w", "type": "wait", "for": "PT1H"}]))).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    let account = app.post("/v1/service-accounts", &json!({"name": "s", "role": "viewer"})).await.expect(201);
    let key = app.post("/v1/api-keys", &json!({"name": "k", "scopes": ["runs.read"]})).await.expect(201);
    let invited =
        app.post("/v1/invitations", &json!({"email": "x@example.com", "role": "viewer"})).await.expect(201);
    let me = app.get("/v1/me").await.expect(200);
    app.put("/v1/variables/of_ada", &json!({"value": "canary"})).await.expect(200);
    let connection = json!({"name": "canary", "connector": "slack", "auth": "bot", "credentials": {"token": "canary-xoxb-1"}});
    let connection = app.post("/v1/connections", &connection).await.expect(201);
    let of = |value: &Value| text(value).to_owned();
    BTreeMap::from([
        ("/v1/workflows/", workflow.id),
        ("/v1/runs/", run),
        ("/v1/service-accounts/", of(&account["id"])),
        ("/v1/api-keys/", of(&key["id"])),
        ("/v1/invitations/", of(&invited["id"])),
        ("/v1/members/", of(&me["id"])),
        ("/v1/auth/sessions/", of(&me["session"])),
        ("/v1/variables/", "of_ada".to_owned()),
        ("/v1/connections/", of(&connection["id"])),
        // Everybody's; this one is nobody's.
        ("/v1/connectors/", "x".to_owned()),
        ("/v1/organizations/", of(&app.get("/v1/organization").await.expect(200)["id"])),
    ])
}

impl Operation {
    fn needs_thing(&self) -> bool {
        self.path.contains('{')
    }

    fn with(&self, things: &BTreeMap<&str, String>) -> String {
        if !self.needs_thing() {
            return self.path.clone();
        }
        let id = things.iter().find(|(prefix, _)| self.path.starts_with(**prefix));
        let id = id.unwrap_or_else(|| panic!("the test knows no thing for `{}`", self.path)).1;
        self.path
            .replace("{id}", id)
            .replace("{version}", "1")
            .replace("{other}", "1")
            .replace("{name}", if self.path.starts_with("/v1/variables/") { id } else { "x" })
    }

    async fn ask(&self, app: &TestApp, path: &str) -> e2e::Answer {
        // What none of them takes: it is refused after who asks was looked at, so nothing is changed.
        let body = json!({"no such field": true}).to_string();
        let request = app.request(self.method.clone(), path).header("content-type", "application/json");
        app.send(request.body(body)).await
    }
}

/// The permission that an operation asks for, told to a key that has a scope which no operation asks for.
async fn permission(operation: &Operation, powerless: &TestApp, things: &BTreeMap<&str, String>) -> String {
    let answer = operation.ask(powerless, &operation.with(things)).await;
    assert_eq!(answer.status, 403, "{answer}");
    let challenge = answer.header("www-authenticate").to_owned();
    let scope = challenge.split("scope=\"").nth(1).and_then(|rest| rest.split('"').next());
    scope.unwrap_or_else(|| panic!("no scope in `{challenge}`: {answer}")).to_owned()
}

/// The permission of each route as docs/api.md has it, written by hand: the routes themselves are not asked what is right.
fn documented() -> BTreeMap<String, String> {
    let page = std::fs::read_to_string(e2e::root().join("docs/api.md")).expect("the page is there");
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| `")?.split(" | ");
        let route = cells.next()?.strip_suffix('`')?.to_owned();
        let permission = cells.next()?.split('`').nth(1)?.to_owned();
        Some((route, permission))
    });
    rows.collect()
}

#[tokio::test]
async fn every_route_lets_in_the_roles_that_have_its_permission_and_nobody_else() {
    let mut app = TestApp::start().await;
    let operations = operations(&app).await;
    let nowhere: BTreeMap<&str, String> = BTreeMap::from([
        ("/v1/workflows/", "wf_00000000000000000000000000".to_owned()),
        ("/v1/runs/", "run_00000000000000000000000000".to_owned()),
        ("/v1/service-accounts/", "sa_00000000000000000000000000".to_owned()),
        ("/v1/api-keys/", "key_00000000000000000000000000".to_owned()),
        ("/v1/invitations/", "inv_00000000000000000000000000".to_owned()),
        ("/v1/members/", "usr_00000000000000000000000000".to_owned()),
        ("/v1/auth/sessions/", "ses_00000000000000000000000000".to_owned()),
        ("/v1/variables/", "nothing".to_owned()),
        ("/v1/connections/", "conn_00000000000000000000000000".to_owned()),
        ("/v1/connectors/", "x".to_owned()),
        ("/v1/organizations/", "org_00000000000000000000000000".to_owned()),
    ]);
    let made =
        app.post("/v1/api-keys", &json!({"name": "powerless", "scopes": ["org.own"]})).await.expect(201);
    let powerless = app.fork().with_token(text(&made["key"]));
    let granted = app.get("/v1/roles").await.expect(200);
    let granted: BTreeMap<&str, &Value> =
        granted["items"].as_array().unwrap().iter().map(|p| (text(&p["name"]), &p["roles"])).collect();
    let mut callers = vec![("owner", app.fork())];
    for role in &ROLES[1..] {
        callers.push((role, app.invite(&format!("{role}@example.com"), role).await));
    }
    let documented = documented();
    println!("{:<52}{:<26}{}", "route", "permission", ROLES.join("  "));
    for operation in &operations {
        let permission = permission(operation, &powerless, &nowhere).await;
        assert_eq!(
            documented.get(&operation.name),
            Some(&permission),
            "{}, as docs/api.md has it",
            operation.name
        );
        let path = operation.with(&nowhere);
        let mut row = format!("{:<52}{permission:<26}", operation.name);
        for (role, caller) in &callers {
            let answer = operation.ask(caller, &path).await;
            let has = granted[permission.as_str()].as_array().unwrap().contains(&json!(role));
            if has {
                assert!(!matches!(answer.status, 401 | 403) && answer.status < 500, "{role}: {answer}");
            } else {
                answer.refused(403, "permission_denied");
            }
            row.push_str(if has { "yes" } else { "-  " });
            row.extend(std::iter::repeat_n(' ', role.len() - 1));
        }
        println!("{row}");
        let nobody = app.fork().with_token("");
        operation.ask(&nobody, &path).await.refused(401, "token_missing");
        for (token, code) in [("x.y.z", "token_invalid"), ("pb_nothing", "api_key_invalid")] {
            operation.ask(&app.fork().with_token(token), &path).await.refused(401, code);
        }
    }
}

#[tokio::test]
async fn an_owner_elsewhere_finds_nothing_and_changes_nothing() {
    let mut app = TestApp::start().await;
    let operations = operations(&app).await;
    let things = things(&mut app).await;
    // Another organisation, whose owner is somebody else.
    let further =
        app.post("/v1/organizations", &json!({"token": SETUP_TOKEN, "name": "Elsewhere"})).await.expect(201);
    let body = json!({"email": EMAIL, "password": PASSWORD, "organization": further["id"]});
    let there = app.post("/v1/auth/login", &body).await.expect(200);
    let mut there_app = app.fork().with_token(text(&there["access_token"]));
    let sent = there_app.post("/v1/invitations", &json!({"email": "eve@example.com", "role": "owner"})).await;
    sent.expect(201);
    let token = e2e::secret_of(app.mails().last().unwrap());
    let accepted =
        there_app.post("/v1/invitations/accept", &json!({"token": token, "password": PASSWORD})).await;
    there_app = app.fork().with_token(text(&accepted.expect(200)["access_token"]));
    assert_eq!(there_app.get("/v1/me").await.expect(200)["name"], "eve@example.com");

    let ada = format!("/v1/members/{}", things["/v1/members/"]);
    assert_eq!(there_app.delete(&ada).await.status, 204, "of Elsewhere, she is none any more");

    let before = state(&app, &things).await;
    let mut asked = 0;
    for operation in operations.iter().filter(|operation| operation.needs_thing()) {
        let path = operation.with(&things);
        // Bodies that would be taken, where nothing but the organisation stands in the way.
        for body in
            [json!({}), json!({"role": "viewer"}), json!({"version": 1}), e2e::manual("stolen", json!([]))]
        {
            let request = there_app.request(operation.method.clone(), &path);
            let request = request.header("content-type", "application/json").body(body.to_string());
            let answer = there_app.send(request).await;
            assert!(matches!(answer.status, 404 | 422 | 400), "{answer}");
            let told = answer.text();
            assert!(!told.contains("canary") && !told.contains(EMAIL), "{answer}");
            asked += 1;
        }
    }
    assert!(asked > 80, "{asked}");
    assert_eq!(state(&app, &things).await, before);
    // Lists are of one's own.
    for list in [
        "/v1/workflows",
        "/v1/runs",
        "/v1/service-accounts",
        "/v1/api-keys",
        "/v1/invitations",
        "/v1/connections",
    ] {
        assert_eq!(there_app.get(list).await.expect(200)["items"], json!([]), "{list}");
    }
    assert!(!there_app.get("/v1/audit?limit=100").await.text().contains(&things["/v1/workflows/"]));
}

/// All that could have been changed.
async fn state(app: &TestApp, things: &BTreeMap<&str, String>) -> Vec<Value> {
    let mut all = Vec::new();
    for path in [
        "/v1/members",
        "/v1/invitations",
        "/v1/service-accounts",
        "/v1/organization",
        "/v1/auth/sessions",
        "/v1/variables",
        "/v1/connections",
    ] {
        all.push(app.get(path).await.expect(200));
    }
    all.push(app.get(&format!("/v1/workflows/{}", things["/v1/workflows/"])).await.expect(200));
    all.push(app.get(&format!("/v1/runs/{}", things["/v1/runs/"])).await.expect(200)["status"].clone());
    all.push(app.get("/v1/audit?limit=100").await.expect(200)["items"].as_array().unwrap().len().into());
    all
}
