//! Connections and the actions of apps: credentials go to the app and nowhere else.

use e2e::{Options, Reply, Seen, Target, TestApp, files_besides_secrets_with, manual, step};
use serde_json::{Value, json};

const TOKEN: &str = "xoxb-canary-7f3a91c2e5";

/// Answers as Slack does.
fn slack(seen: &Seen, _: usize) -> Reply {
    if seen.header("authorization") != format!("Bearer {TOKEN}") {
        return Reply::json(&json!({"ok": false, "error": "invalid_auth"}));
    }
    match seen.path.as_str() {
        "/api/auth.test" => Reply::json(&json!({"ok": true, "team": "Acme", "user": "bot"})),
        "/api/chat.postMessage" if seen.json()["channel"] == "nowhere" => {
            Reply::json(&json!({"ok": false, "error": "channel_not_found"}))
        }
        // What it was sent comes back, as careless apps do.
        "/api/chat.postMessage" => {
            Reply::json(&json!({"ok": true, "ts": "1503435956.000247", "message": seen.json(),
                "echo": seen.header("authorization")}))
        }
        path if path.starts_with("/api/conversations.list") => {
            let last = path.contains("cursor=two");
            let (names, next) = if last { (["c", "d"], "") } else { (["a", "b"], "two") };
            let channels: Vec<_> = names.iter().map(|name| json!({"id": name})).collect();
            Reply::json(
                &json!({"ok": true, "channels": channels, "response_metadata": {"next_cursor": next}}),
            )
        }
        _ => Reply::status(404, &json!({})),
    }
}

async fn with_slack() -> (TestApp, Target) {
    let target = Target::start(slack).await;
    let instead = format!("https://slack.com={}", target.base);
    let app = TestApp::start_with(Options { instead, ..Options::default() }).await;
    (app, target)
}

async fn connect(app: &TestApp, token: &str) -> String {
    let body = json!({"name": "Sales", "connector": "slack", "auth": "bot", "credentials": {"token": token}});
    let made = app.post("/v1/connections", &body).await.expect(201);
    made["id"].as_str().expect("it has an id").to_owned()
}

fn post(connection: &str, input: Value) -> Value {
    json!({"id": "tell", "type": "action", "use": "slack.post_message", "connection": connection, "input": input})
}

#[tokio::test]
async fn a_step_calls_an_app_and_its_credentials_are_seen_nowhere() {
    let (mut app, target) = with_slack().await;
    let connection = connect(&app, TOKEN).await;
    let tested = app.post(&format!("/v1/connections/{connection}/test"), &json!({})).await.expect(200);
    assert_eq!((&tested["ok"], &tested["output"]["team"]), (&json!(true), &json!("Acme")));
    let steps = json!([
        post(&connection, json!({"channel": "C1", "text": "{{ 'Hello, ' & trigger.input.name }}"})),
        {"id": "all", "type": "action", "use": "slack.list_channels", "connection": connection, "input": {"max_items": 3}},
    ]);
    let run = app.run_steps(steps, &json!({"name": "Ada"}), "succeeded").await;
    assert_eq!(step(&run, "tell")["output"]["message"], json!({"channel": "C1", "text": "Hello, Ada"}));
    assert_eq!(step(&run, "tell")["output"]["echo"], "Bearer [secret connection.token]");
    let listed = &step(&run, "all")["output"];
    assert_eq!(*listed, json!({"items": [{"id": "a"}, {"id": "b"}, {"id": "c"}], "more": true}));
    let pages = target.seen().iter().filter(|seen| seen.path.contains("conversations")).count();
    assert_eq!(pages, 2);
    let shown = app.get(&format!("/v1/connections/{connection}")).await.expect(200);
    assert!(!shown.to_string().contains("canary"));
    let ledger = app.get("/v1/audit").await.expect(200);
    assert!(ledger.to_string().contains("connection.created"), "{}", ledger);
    assert!(!ledger.to_string().contains("canary"));
    // Neither in the tables nor in the log, once the program has written all.
    app.interrupt();
    let data = app.data();
    let holding = files_besides_secrets_with(data.parent().unwrap(), "canary-7f3a91c2e5");
    assert!(holding.is_empty(), "{holding:?}");
}

#[tokio::test]
async fn what_an_app_refuses_is_told_in_its_words() {
    let (app, _target) = with_slack().await;
    let connection = connect(&app, TOKEN).await;
    let run =
        app.run_steps(json!([post(&connection, json!({"channel": "nowhere"}))]), &json!({}), "failed").await;
    let error = &step(&run, "tell")["error"];
    assert_eq!(error["code"], "app_error");
    assert_eq!(error["details"]["app_code"], "channel_not_found");
    let refused = connect(&app, "xoxb-another").await;
    let run = app.run_steps(json!([post(&refused, json!({"channel": "C1"}))]), &json!({}), "failed").await;
    assert_eq!(step(&run, "tell")["error"]["code"], "credentials_refused");
    let tested = app.post(&format!("/v1/connections/{refused}/test"), &json!({})).await.expect(200);
    assert_eq!((&tested["ok"], &tested["error"]["code"]), (&json!(false), &json!("credentials_refused")));
    // New credentials count with the next call.
    let change = json!({"credentials": {"token": TOKEN}});
    app.patch(&format!("/v1/connections/{refused}"), &change).await.expect(200);
    app.run_steps(json!([post(&refused, json!({"channel": "C1"}))]), &json!({}), "succeeded").await;
    assert_eq!(app.delete(&format!("/v1/connections/{refused}")).await.status, 204);
    app.get(&format!("/v1/connections/{refused}")).await.refused(404, "connection_not_found");
}

#[tokio::test]
async fn a_definition_is_held_to_what_its_connectors_ask_for() {
    let app = TestApp::shared().await;
    let connection = connect(&app, TOKEN).await;
    let codes = async |step: Value| {
        let refused = app.post("/v1/workflows/validate", &manual("bad", json!([step]))).await.expect(200);
        let errors = refused["errors"].as_array().cloned().unwrap_or_default();
        let told = |e: &Value| format!("{} {}", e["code"].as_str().unwrap(), e["pointer"].as_str().unwrap());
        errors.iter().map(told).collect::<Vec<_>>()
    };
    assert_eq!(
        codes(post(&connection, json!({"channel": "C1", "text": "{{ trigger.input }}"}))).await,
        [""; 0]
    );
    assert_eq!(
        codes(post(&connection, json!({"text": 1}))).await,
        ["missing_field /steps/0/input", "type_mismatch /steps/0/input/text"]
    );
    assert_eq!(
        codes(post(&connection, json!({"channel": "C1", "colour": "red"}))).await,
        ["unknown_field /steps/0/input/colour"]
    );
    let mut step = post(&connection, json!({"channel": "C1"}));
    step["use"] = "slack.shout".into();
    assert_eq!(codes(step.clone()).await, ["action_unknown /steps/0/use"]);
    step["use"] = "slick.post_message".into();
    assert_eq!(codes(step.clone()).await, ["connector_unknown /steps/0/use"]);
    step["use"] = "slack.post_message".into();
    step["connection"] = "conn_01hv3kq7x0e8m2n4p6r8t0v2w4".into();
    assert_eq!(codes(step.clone()).await, ["connection_missing /steps/0/connection"]);
    let body = json!({"name": "G", "connector": "github", "auth": "token", "credentials": {"token": "ghp_0123456789"}});
    step["connection"] = app.post("/v1/connections", &body).await.expect(201)["id"].clone();
    assert_eq!(codes(step.clone()).await, ["connection_mismatch /steps/0/connection"]);
    app.post("/v1/workflows", &manual("astray", json!([step.clone()])))
        .await
        .refused(422, "invalid_definition");
    step.as_object_mut().unwrap().remove("connection");
    assert_eq!(codes(step).await, ["connection_missing /steps/0"]);
    // What is saved names the versions that it was saved with.
    let steps = json!([post(&connection, json!({"channel": "C1"}))]);
    let made = app.post("/v1/workflows", &manual("good", steps)).await.expect(201);
    let path = format!("/v1/workflows/{}/versions/1", made["id"].as_str().unwrap());
    let version = app.get(&path).await.expect(200);
    assert_eq!(version["definition"]["connectors"], json!({"slack": 1}), "{version}");
}

#[tokio::test]
async fn a_manifest_is_told_every_fault_with_its_line() {
    let app = TestApp::shared().await;
    let text =
        "name: Acme\ntitle: Acme\nactions:\n  go:\n    title: Go\n    request: {method: FETCH, path: go}\n";
    let told = app.post("/v1/connectors/validate", &json!({"text": text})).await.expect(200);
    let lines: Vec<_> = told["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| (error["line"].as_u64().unwrap(), error["code"].as_str().unwrap()))
        .collect();
    assert!(lines.contains(&(1, "invalid_id")), "{told}");
    assert!(lines.contains(&(6, "type_mismatch")) && lines.contains(&(6, "invalid_path")), "{told}");
    let bomb = "a: &a [1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f]\n";
    let told = app.post("/v1/connectors/validate", &json!({"text": bomb})).await.expect(200);
    assert_eq!(told["errors"][0]["code"], "yaml_malformed", "{told}");
}

#[tokio::test]
async fn the_choices_of_a_field_are_asked_of_the_app() {
    let (app, _target) = with_slack().await;
    let options = format!("/v1/connections/{}/options", connect(&app, TOKEN).await);
    let asked = json!({"action": "post_message", "field": "channel"});
    let found = app.post(&options, &asked).await.expect(200);
    let channels: Vec<_> = ["a", "b", "c", "d"].iter().map(|id| json!({"value": id, "label": id})).collect();
    assert_eq!((&found["items"], &found["more"]), (&json!(channels), &json!(false)));
    for (action, field) in
        [("post_message", "text"), ("no_such_action", "channel"), ("list_users", "channel")]
    {
        app.post(&options, &json!({"action": action, "field": field})).await.refused(404, "no_options");
    }
    let wrong = format!("/v1/connections/{}/options", connect(&app, "xoxb-wrong").await);
    let found = app.post(&wrong, &asked).await.expect(200);
    assert_eq!((&found["items"], &found["error"]["code"]), (&json!([]), &json!("credentials_refused")));
}

/// A base with one table, as Airtable describes it.
fn airtable(seen: &Seen, _: usize) -> Reply {
    if seen.header("authorization") != format!("Bearer {TOKEN}") {
        let error = json!({"type": "AUTHENTICATION_REQUIRED", "message": "Authentication required"});
        return Reply::status(401, &json!({"error": error}));
    }
    match seen.path.as_str() {
        "/v0/meta/bases/appLkNDICXNqxSDhG/tables" => Reply::json(&json!({"tables": [
            {"id": "tbltp8DGLhqbUmjK1", "name": "Apartments", "fields": [
                {"id": "fld1VnoyuotSTyxW1", "name": "Name", "type": "singleLineText", "description": "Name of the apartment"},
                {"id": "fldumZe00w09RYTW6", "name": "Status", "type": "singleSelect",
                    "options": {"choices": [{"id": "sel1", "name": "Seen"}, {"id": "sel2", "name": "Rented"}]}},
                {"id": "fldCount000000000", "name": "Visits", "type": "count", "options": {"isValid": true}}]}]})),
        _ => Reply::status(404, &json!({"error": "NOT_FOUND"})),
    }
}

async fn connect_to_airtable(app: &TestApp, token: &str) -> String {
    let body =
        json!({"name": "Flats", "connector": "airtable", "auth": "token", "credentials": {"token": token}});
    let made = app.post("/v1/connections", &body).await.expect(201);
    format!("/v1/connections/{}/schema", made["id"].as_str().expect("it has an id"))
}

#[tokio::test]
async fn the_columns_of_a_table_are_part_of_what_an_action_takes_and_gives() {
    let target = Target::start(airtable).await;
    let instead = format!("https://api.airtable.com={}", target.base);
    let app = TestApp::start_with(Options { instead, ..Options::default() }).await;
    let schema = connect_to_airtable(&app, TOKEN).await;
    let filled = json!({"base_id": "appLkNDICXNqxSDhG", "table": "tbltp8DGLhqbUmjK1"});
    let asked = json!({"action": "create_record", "input": filled});
    let found = app.post(&schema, &asked).await.expect(200);
    let columns = json!({"Name": {"type": "string", "title": "Name", "description": "Name of the apartment"},
        "Status": {"type": "string", "enum": ["Seen", "Rented"], "title": "Status"}});
    assert_eq!(
        found["input"]["properties"]["fields"]["properties"], columns,
        "what is computed is not written"
    );
    assert_eq!(found["input"]["properties"]["table"]["$ref"], "#/schemas/table");
    assert_eq!(found["input"]["schemas"]["table"]["title"], "Table");
    let visits = &found["output"]["properties"]["fields"]["properties"]["Visits"];
    assert_eq!(*visits, json!({"type": "number", "title": "Visits", "readOnly": true}));
    assert_eq!((&found["more"], &found["error"]), (&json!(false), &Value::Null));
    // A trigger's record has them, too.
    let found =
        app.post(&schema, &json!({"trigger": "new_record", "version": 1, "input": filled})).await.expect(200);
    assert_eq!(found["output"]["properties"]["fields"]["properties"]["Visits"]["readOnly"], true);
    // What depends on no table is what the connector says; nobody is asked for that.
    let before = target.seen().len();
    let found = app.post(&schema, &json!({"action": "list_bases"})).await.expect(200);
    assert_eq!(found["output"]["properties"]["items"]["type"], "array");
    assert_eq!(found["input"]["properties"]["max_items"]["type"], "integer");
    // Nor before it is known which table.
    for table in [Value::Null, json!(""), json!("{{ trigger.input.table }}")] {
        let input = json!({"base_id": "appLkNDICXNqxSDhG", "table": table});
        let refused = app.post(&schema, &json!({"action": "create_record", "input": input})).await;
        let refused = refused.refused(422, "fields_needed");
        assert_eq!(refused["errors"][0]["pointer"], "/input/table", "{refused}");
    }
    assert_eq!(target.seen().len(), before);
    // Where the app tells no columns, what the connector says stays.
    for (schema, table, code) in [
        (schema.clone(), "Houses", "no_columns"),
        (connect_to_airtable(&app, "pat-wrong").await, "Apartments", "credentials_refused"),
    ] {
        let input = json!({"base_id": "appLkNDICXNqxSDhG", "table": table});
        let found = app.post(&schema, &json!({"action": "create_record", "input": input})).await.expect(200);
        assert_eq!(found["error"]["code"], code, "{found}");
        assert_eq!(found["input"]["properties"]["fields"]["$ref"], "#/schemas/cells");
    }
    for (body, status, code) in [
        (json!({"action": "post_message"}), 404, "action_unknown"),
        (json!({"trigger": "create_record"}), 404, "trigger_unknown"),
        (json!({"action": "create_record", "version": 99}), 404, "connector_unknown"),
        (json!({"action": "create_record", "trigger": "new_record"}), 422, "invalid_body"),
        (json!({}), 422, "invalid_body"),
    ] {
        app.post(&schema, &body).await.refused(status, code);
    }
}
