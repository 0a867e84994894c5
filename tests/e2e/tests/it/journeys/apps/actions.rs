//! Every action of the connectors whose apps have a fake: what it comes to.

use super::{Apps, TOKENS, tell};
use e2e::text;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What the fakes do not model: known, and told in the table. Whatever else is answered so fails the test.
const NOT_MODELLED: [(&str, &[&str]); 6] = [
    (
        "slack",
        &[
            "archive_channel",
            "delete_scheduled_message",
            "get_permalink",
            "leave_channel",
            "list_pins",
            "list_scheduled_messages",
            "pin_message",
            "remove_from_channel",
            "remove_reaction",
            "rename_channel",
            "schedule_message",
            "search_messages",
            "set_purpose",
            "set_status",
            "set_topic",
            "unpin_message",
        ],
    ),
    (
        "notion",
        &[
            "append_markdown",
            "create_comment",
            "create_database",
            "get_page_markdown",
            "get_page_property",
            "list_comments",
            "move_page",
            "update_block",
        ],
    ),
    (
        "openai",
        &[
            "create_webhook_endpoint",
            "delete_webhook_endpoint",
            "generate_image",
            "list_webhook_endpoints",
            "moderate",
        ],
    ),
    ("oz", &["get_conversation"]),
    ("airtable", &["create_comment", "list_comments"]),
    ("google_sheets", &[]),
];

/// The actions of an app in an order in which each finds what it needs, with their inputs.
fn script(connector: &str, about: &Value) -> Vec<(&'static str, Value)> {
    match connector {
        "slack" => slack(),
        "notion" => notion(about),
        "openai" => openai(about),
        "oz" => oz(about),
        "airtable" => airtable(about),
        _ => google_sheets(about),
    }
}

fn slack() -> Vec<(&'static str, Value)> {
    let (general, ada) = ("C0FAKE00001", "U0FAKE00001");
    let (made, sent) = ("{{ steps.create_channel.id }}", "{{ steps.post_message.ts }}");
    vec![
        ("auth_test", json!({})),
        ("list_channels", json!({"max_items": 5})),
        ("create_channel", json!({"name": "launch"})),
        ("get_channel", json!({"channel": made})),
        ("join_channel", json!({"channel": "C0FAKE00002"})),
        ("invite_to_channel", json!({"channel": made, "users": "U0FAKE00001,U0FAKE00002"})),
        ("list_members", json!({"channel": made})),
        ("open_conversation", json!({"users": ada})),
        ("post_message", json!({"channel": general, "text": "Printer on fire"})),
        ("post_ephemeral", json!({"channel": general, "user": ada, "text": "Only for you"})),
        ("update_message", json!({"channel": general, "ts": sent, "text": "Printer is fine"})),
        ("get_message", json!({"channel": general, "ts": sent})),
        ("channel_history", json!({"channel": general})),
        ("thread_replies", json!({"channel": general, "ts": sent})),
        ("add_reaction", json!({"channel": general, "timestamp": sent, "name": "thumbsup"})),
        ("list_users", json!({"max_items": 3})),
        ("get_user", json!({"user": ada})),
        ("find_user_by_email", json!({"email": "ada@example.com"})),
        ("schedule_message", json!({"channel": general, "post_at": 1_900_000_000, "text": "Later"})),
        ("list_scheduled_messages", json!({})),
        ("delete_scheduled_message", json!({"channel": general, "scheduled_message_id": "Q1"})),
        ("get_permalink", json!({"channel": general, "message_ts": sent})),
        ("search_messages", json!({"query": "printer"})),
        ("rename_channel", json!({"channel": made, "name": "landing"})),
        ("set_topic", json!({"channel": made, "topic": "Landing"})),
        ("set_purpose", json!({"channel": made, "purpose": "Landing"})),
        ("archive_channel", json!({"channel": made})),
        ("leave_channel", json!({"channel": made})),
        ("remove_from_channel", json!({"channel": made, "user": ada})),
        ("set_status", json!({"status_text": "Away"})),
        ("remove_reaction", json!({"channel": general, "timestamp": sent, "name": "thumbsup"})),
        ("pin_message", json!({"channel": general, "timestamp": sent})),
        ("unpin_message", json!({"channel": general, "timestamp": sent})),
        ("list_pins", json!({"channel": general})),
        ("delete_message", json!({"channel": general, "ts": sent})),
    ]
}

fn notion(about: &Value) -> Vec<(&'static str, Value)> {
    let (source, root) = (&about["data_source_id"], &about["page_id"]);
    let (made, written) = ("{{ steps.create_page.id }}", "{{ steps.append_blocks.results[0].id }}");
    let block = json!({"object": "block", "type": "paragraph", "paragraph": {"rich_text": [{"text": {"content": "A line"}}]}});
    vec![
        ("get_self", json!({})),
        ("search", json!({"query": "Task", "max_items": 2})),
        (
            "query_data_source",
            json!({"data_source_id": source, "filter": {"property": "Status", "select": {"equals": "Done"}}}),
        ),
        ("get_data_source", json!({"data_source_id": source})),
        ("get_database", json!({"database_id": about["database_id"]})),
        (
            "create_page",
            json!({"parent": {"data_source_id": source}, "properties": {"Name": {"title": [{"text": {"content": "Task 6"}}]}}}),
        ),
        ("get_page", json!({"page_id": made})),
        ("update_page", json!({"page_id": made, "properties": {"Status": {"select": {"name": "Done"}}}})),
        ("append_blocks", json!({"block_id": made, "children": [block]})),
        ("append_text", json!({"block_id": made, "text": "One more"})),
        ("get_block", json!({"block_id": written})),
        ("list_blocks", json!({"block_id": made})),
        (
            "update_block",
            json!({"block_id": written, "block": {"paragraph": {"rich_text": [{"text": {"content": "Other"}}]}}}),
        ),
        ("delete_block", json!({"block_id": written})),
        ("list_users", json!({})),
        ("get_user", json!({"user_id": "55555555-5555-4555-8555-555555555501"})),
        ("create_database", json!({"page_id": root, "title": "More", "properties": {"Name": {"title": {}}}})),
        ("move_page", json!({"page_id": made, "parent": {"page_id": root}})),
        ("get_page_property", json!({"page_id": made, "property_id": "title"})),
        ("get_page_markdown", json!({"page_id": made})),
        ("append_markdown", json!({"page_id": made, "content": "## More"})),
        ("create_comment", json!({"page_id": made, "text": "Hello"})),
        ("list_comments", json!({"block_id": made})),
        ("archive_page", json!({"page_id": made})),
    ]
}

fn openai(about: &Value) -> Vec<(&'static str, Value)> {
    let model = &about["chat_models"][0];
    let schema = json!({"type": "object", "properties": {"city": {"type": "string"}, "warm": {"type": "boolean"}},
        "required": ["city", "warm"], "additionalProperties": false});
    vec![
        ("list_models", json!({})),
        ("get_model", json!({"model": model})),
        ("ask", json!({"model": model, "prompt": "Hello!", "system": "Be brief."})),
        ("extract", json!({"model": model, "prompt": "Rome is warm", "schema": schema})),
        ("chat", json!({"model": model, "messages": [{"role": "user", "content": "Hello!"}]})),
        ("respond", json!({"model": model, "input": "Hello!", "instructions": "Be brief."})),
        (
            "create_embeddings",
            json!({"model": about["embedding_model"], "input": ["one", "two"], "dimensions": 8}),
        ),
        ("moderate", json!({"input": "Hello!"})),
        ("generate_image", json!({"prompt": "A printer"})),
        (
            "create_webhook_endpoint",
            json!({"name": "Answers", "url": "https://example.com/answers", "event_types": ["response.completed"]}),
        ),
        ("list_webhook_endpoints", json!({})),
        ("delete_webhook_endpoint", json!({"webhook_endpoint_id": "whe_1"})),
    ]
}

fn oz(about: &Value) -> Vec<(&'static str, Value)> {
    let (run, other) = ("{{ steps.create_run.run_id }}", "{{ steps.create_schedule.id }}");
    let agent = "{{ steps.create_agent.uid }}";
    vec![
        ("list_environments", json!({})),
        ("create_run", json!({"prompt": "Fix the bug", "title": "Fix", "metadata": {"ticket": "7"}})),
        ("run_agent", json!({"prompt": "Fix another bug"})),
        ("list_runs", json!({"metadata": {"ticket": "7"}, "max_items": 5})),
        ("get_run", json!({"run_id": run})),
        ("follow_up_run", json!({"run_id": run, "message": "And test it"})),
        ("cancel_run", json!({"run_id": run})),
        ("get_conversation", json!({"run_id": run})),
        ("get_artifact", json!({"artifact_uid": about["artifacts"][0]})),
        ("list_skills", json!({})),
        ("list_models", json!({})),
        (
            "create_schedule",
            json!({"name": "Daily", "cron_schedule": "0 9 * * *", "prompt": "Review", "enabled": true}),
        ),
        ("list_schedules", json!({})),
        ("get_schedule", json!({"schedule_id": other})),
        (
            "update_schedule",
            json!({"schedule_id": other, "name": "Later", "cron_schedule": "0 10 * * *", "prompt": "Review", "enabled": true}),
        ),
        ("pause_schedule", json!({"schedule_id": other})),
        ("resume_schedule", json!({"schedule_id": other})),
        ("delete_schedule", json!({"schedule_id": other})),
        ("create_agent", json!({"name": "Reviewer", "prompt": "Be strict"})),
        ("list_agents", json!({})),
        ("get_agent", json!({"uid": agent})),
        ("update_agent", json!({"uid": agent, "name": "Kind reviewer"})),
        ("delete_agent", json!({"uid": agent})),
    ]
}

fn airtable(about: &Value) -> Vec<(&'static str, Value)> {
    let base = &about["bases"][0]["id"];
    let in_table = |more: Value| {
        let mut input = json!({"base_id": base, "table": "Contacts"});
        input.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        input
    };
    let (one, two) = ("{{ steps.create_record.id }}", "{{ steps.create_records.records[0].id }}");
    let field = json!({"name": "Name", "type": "singleLineText"});
    vec![
        ("whoami", json!({})),
        ("list_bases", json!({})),
        ("list_tables", json!({"base_id": base})),
        ("create_record", in_table(json!({"fields": {"Name": "Ada", "Email": "ada@example.com"}}))),
        ("create_records", in_table(json!({"records": [{"fields": {"Name": "Grace"}}]}))),
        ("get_record", in_table(json!({"record_id": one}))),
        ("list_records", in_table(json!({"filterByFormula": "{Name} = 'Ada'", "max_items": 5}))),
        ("update_record", in_table(json!({"record_id": one, "fields": {"Age": 36}}))),
        ("update_records", in_table(json!({"records": [{"id": two, "fields": {"Age": 85}}]}))),
        (
            "upsert_records",
            in_table(
                json!({"key_fields": ["Name"], "records": [{"fields": {"Name": "Alan"}}, {"fields": {"Name": "Ada", "Age": 37}}]}),
            ),
        ),
        (
            "upload_attachment",
            json!({"base_id": base, "record_id": one, "field": "Files", "contentType": "text/plain", "filename": "a.txt", "file": "aGVsbG8="}),
        ),
        ("list_comments", in_table(json!({"record_id": one}))),
        ("create_comment", in_table(json!({"record_id": one, "text": "Hello"}))),
        ("delete_record", in_table(json!({"record_id": one}))),
        ("delete_records", in_table(json!({"record_ids": [two]}))),
        ("create_table", json!({"base_id": base, "name": "Visits", "fields": [field]})),
        (
            "create_field",
            json!({"base_id": base, "table_id": "{{ steps.create_table.id }}", "name": "Note", "type": "multilineText"}),
        ),
        (
            "update_field",
            json!({"base_id": base, "table_id": "{{ steps.create_table.id }}", "field_id": "{{ steps.create_field.id }}", "name": "Notes"}),
        ),
        (
            "create_base",
            json!({"name": "More", "workspaceId": "wspFake0000000001", "tables": [{"name": "One", "fields": [field]}]}),
        ),
    ]
}

fn google_sheets(about: &Value) -> Vec<(&'static str, Value)> {
    let sheet = &about["spreadsheets"][0]["id"];
    let with = |more: Value| {
        let mut input = json!({"spreadsheet_id": sheet});
        input.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        input
    };
    vec![
        ("list_spreadsheets", json!({})),
        ("update_values", with(json!({"range": "Sheet1!A1:B2", "values": [["Name", "Age"], ["Ada", 36]]}))),
        ("append_row", with(json!({"range": "Sheet1!A1", "row": ["Grace", 85]}))),
        ("append_rows", with(json!({"range": "Sheet1!A1", "values": [["Alan", 41], ["Barbara", 86]]}))),
        ("get_values", with(json!({"range": "Sheet1!A1:B9", "valueRenderOption": "UNFORMATTED_VALUE"}))),
        (
            "batch_update_values",
            with(json!({"data": [{"range": "'My sheet'!A1", "values": [["x"]]}], "valueInputOption": "RAW"})),
        ),
        ("batch_get_values", with(json!({"ranges": ["Sheet1!A1:B1", "'My sheet'!A1"]}))),
        ("clear_values", with(json!({"range": "Sheet1!A5:B9"}))),
        ("batch_clear_values", with(json!({"ranges": ["'My sheet'!A1"]}))),
        ("get_spreadsheet", with(json!({}))),
        ("create_spreadsheet", json!({"title": "Deposits"})),
        ("add_sheet", with(json!({"title": "Archive"}))),
        ("delete_rows", with(json!({"sheet_id": 0, "start_index": 1, "end_index": 2}))),
        ("delete_sheet", with(json!({"sheet_id": "{{ steps.add_sheet.sheetId }}"}))),
        (
            "batch_update",
            with(
                json!({"requests": [{"updateSpreadsheetProperties": {"properties": {"title": "Leads of May"}, "fields": "title"}}]}),
            ),
        ),
    ]
}

/// The fields that a manifest says an action's output has.
fn promised(manifest: &Value, action: &str) -> Vec<String> {
    let mut schema = &manifest["actions"][action]["output"];
    if let Some(named) = schema["$ref"].as_str().and_then(|place| place.strip_prefix("#/schemas/")) {
        schema = &manifest["schemas"][named];
    }
    schema["properties"].as_object().into_iter().flat_map(|fields| fields.keys().cloned()).collect()
}

/// What a step came to, in a few words.
fn outcome(step: &Value, promised: &[String]) -> String {
    if step["output"]["error"].is_null() && step["status"] == "succeeded" {
        let gives = promised.iter().any(|field| step["output"].get(field).is_some());
        return if gives {
            "works".into()
        } else {
            format!("gives none of {promised:?}: {}", step["output"])
        };
    }
    let error = if step["error"].is_null() { &step["output"]["error"] } else { &step["error"] };
    if error["details"]["status"] == 501 || error["details"]["app_code"] == "not_modelled" {
        return "not modelled".into();
    }
    format!("fails: {error}")
}

/// Runs all actions of an app in one run; gives what each came to.
async fn run(apps: &Apps, connector: &str, fake: &str) -> BTreeMap<String, String> {
    let connection = apps.connect(connector).await;
    let script = script(connector, &apps.about(fake));
    let listed = apps.app.get(&format!("/v1/connectors/{connector}")).await.expect(200);
    let offered: BTreeSet<&str> =
        listed["manifest"]["actions"].as_object().unwrap().keys().map(String::as_str).collect();
    let scripted: BTreeSet<&str> = script.iter().map(|(name, _)| *name).collect();
    assert_eq!(offered, scripted, "{connector}: every action is run");
    let steps: Vec<Value> = script
        .iter()
        .map(|(name, input)| {
            json!({"id": name, "type": "action", "use": format!("{connector}.{name}"), "connection": connection,
                "input": input, "on_error": "continue", "retry": {"max_attempts": 1},
                // What apps take minutes for is not waited for here.
                "wait": false})
        })
        .collect();
    let done = apps.app.run_steps(steps.into(), &json!({}), "succeeded").await;
    let steps = done["steps"].as_array().unwrap();
    steps
        .iter()
        .map(|step| {
            let action = text(&step["path"]);
            (action.to_owned(), outcome(step, &promised(&listed["manifest"], action)))
        })
        .collect()
}

#[tokio::test]
async fn every_action_does_what_its_app_would_take() {
    let apps = Apps::start().await;
    let mut faults = Vec::new();
    let mut lines = Vec::new();
    for (connector, _, fake) in TOKENS {
        let found = run(&apps, connector, fake).await;
        let (_, known) = NOT_MODELLED.into_iter().find(|(name, _)| *name == connector).unwrap();
        for (action, outcome) in &found {
            let expected = if known.contains(&action.as_str()) { "not modelled" } else { "works" };
            if outcome != expected {
                faults.push(format!("{connector}.{action}: {outcome}"));
            }
            lines.push(format!("  {connector:<14} {action:<26} {outcome}"));
        }
        let works = found.values().filter(|outcome| *outcome == "works").count();
        lines.push(format!(
            "  {connector:<14} {works} of {} work, {} not modelled",
            found.len(),
            known.len()
        ));
    }
    tell!("connector × fake: each action in a run of the platform\n{}", lines.join("\n"));
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
