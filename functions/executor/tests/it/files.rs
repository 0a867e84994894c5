//! Files that steps make, read and send.

use blobs::Content;
use domain::OrgId;
use domain::run::{BlobName, FileRef, RunStatus};
use harness::workflows::{GET, POST, get, map, post, with, workflow};
use harness::{Delivery, Reply, RunView, START, World};
use serde_json::{Value, json};

fn file(id: &str, action: &str, input: Value) -> Value {
    json!({"id": id, "type": "action", "use": format!("file.{action}"), "input": input})
}

fn write(id: &str) -> Value {
    file(
        id,
        "write_csv",
        json!({"rows": [{"id": 1, "name": "Ann"}, {"id": 2, "name": "=B"}], "filename": "people.csv"}),
    )
}

async fn run(world: &World, steps: Value, input: Value) -> RunView {
    let id = world.start_run(&workflow(steps), json!({"input": input})).await;
    world.settle(std::slice::from_ref(&id)).await;
    world.run(&id).await
}

fn code(view: &RunView) -> &str {
    view.head.error.as_ref().map_or("", |error| &error.code)
}

const CSV: &str = "id,name\r\n1,Ann\r\n2,'=B\r\n";

#[tokio::test]
async fn what_one_step_writes_another_reads_and_a_third_sends() {
    let world = World::new().await;
    let steps = json!([
        write("write"),
        file(
            "more",
            "write_csv",
            json!({"rows": [{"id": 3, "name": "C"}], "after": "{{ steps.write.file }}"})
        ),
        file("read", "read_csv", json!({"file": "{{ steps.more.file }}", "types": true, "offset": 1})),
        post("send", POST, json!("{{ steps.write.file }}")),
        file(
            "zip",
            "zip",
            json!({"files": [{"file": "{{ steps.write.file }}"}, {"file": "a text", "name": "in/a.txt"}]})
        ),
        file("unzip", "unzip", json!({"file": "{{ steps.zip.file }}"})),
        file("text", "read_text", json!({"file": "{{ steps.unzip.files[1].file }}"})),
        file("book", "write_xlsx", json!({"rows": "{{ steps.read.rows }}"})),
        file("again", "read_xlsx", json!({"file": "{{ steps.book.file }}"})),
        file("lines", "write_json_lines", json!({"rows": "{{ steps.again.rows }}"})),
        file("last", "read_json_lines", json!({"file": "{{ steps.lines.file }}"})),
    ]);
    let view = run(&world, steps, Value::Null).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    let written = view.output("write")["file"]["$file"].clone();
    assert_eq!(
        (&written["filename"], &written["type"], &written["bytes"]),
        (&json!("people.csv"), &json!("text/csv"), &json!(CSV.len()))
    );
    assert_eq!(written["run"], view.head.id.as_str());
    let rows = json!([{"id": 2, "name": "'=B"}, {"id": 3, "name": "C"}]);
    for (step, field) in [("read", "rows"), ("again", "rows"), ("last", "rows")] {
        assert_eq!(view.output(step)[field], rows, "{step}");
    }
    assert_eq!(world.http.sent_to(POST)[0].body, CSV);
    assert_eq!(view.output("unzip")["files"][0]["name"], "people.csv");
    assert_eq!(view.output("text"), json!({"text": "a text"}));
}

#[tokio::test]
async fn whoever_finds_the_disk_taken_is_put_back_and_burns_no_attempt() {
    let world = World::new().await;
    world.http.script(POST, [Reply::ok(json!("taken"))]);
    let held = world.executor.memory.disk(u64::MAX).await;
    let steps = json!([write("write"), post("send", POST, json!("{{ steps.write.file }}"))]);
    let id = world.start_run(&workflow(steps), json!({"input": null})).await;
    world.deliver_until(Some(START), Delivery::Once).await;
    let view = world.run(&id).await;
    assert!(!view.head.status.is_terminal(), "{:?}", view.head.error);
    assert_eq!(view.entries("write").count(), 0, "nothing was tried");
    drop(held);
    world.settle(std::slice::from_ref(&id)).await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    for step in ["write", "send"] {
        assert_eq!(view.entries(step).last().map(|entry| entry.attempt), Some(1), "{step}");
    }
}

#[tokio::test]
async fn a_body_is_read_in_whatever_form_it_came_and_kept_as_a_file_where_asked() {
    let world = World::new().await;
    world.http.script(GET, [Reply::ok(json!("a,b\n1,2\n"))]);
    let kept = with(get("kept", GET), json!({"input": {"url": GET, "as_file": true}}));
    let steps = json!([
        get("got", GET),
        kept,
        file("inline", "read_csv", json!({"file": "{{ steps.got.body }}"})),
        file("bytes", "read_csv", json!({"file": {"base64": "YSxiCjEsMgo="}})),
        file("text", "read_text", json!({"file": "{{ steps.kept.body }}"})),
    ]);
    let view = run(&world, steps, Value::Null).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    for step in ["inline", "bytes"] {
        assert_eq!(view.output(step)["rows"], json!([{"a": "1", "b": "2"}]), "{step}");
    }
    assert_eq!(view.output("kept")["body"]["$file"]["filename"], "get");
    assert_eq!(view.output("text")["text"], json!("a,b\n1,2\n").to_string());
}

#[tokio::test]
async fn forms_with_files_are_sent_by_requests() {
    let world = World::new().await;
    let steps = json!([
        write("write"),
        json!({"id": "send", "type": "action", "use": "http.request", "input": {"method": "POST", "url": POST,
            "multipart": {"title": "People", "document": "{{ steps.write.file }}"}}}),
        json!({"id": "again", "type": "action", "use": "http.request", "input": {"method": "POST", "url": POST,
            "multipart": {"title": "People", "document": "{{ steps.write.file }}"}}}),
    ]);
    let view = run(&world, steps, Value::Null).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    let sent = world.http.sent_to(POST);
    let body = String::from_utf8(sent[0].body.to_vec()).unwrap();
    let part = format!("filename=\"people.csv\"\r\ncontent-type: text/csv\r\n\r\n{CSV}\r\n--");
    assert!(body.contains("name=\"title\"\r\n\r\nPeople\r\n--") && body.contains(&part), "{body}");
    assert_eq!(sent[0].body, sent[1].body, "the same form has the same bytes");
}

#[tokio::test]
async fn what_is_no_file_of_this_organisation_is_refused() {
    let world = World::new().await;
    let view = run(&world, json!([write("write")]), Value::Null).await;
    let mine = view.output("write")["file"].clone();
    let reads = || {
        json!([
            file("read", "read_csv", json!({"file": "{{ trigger.input }}"})),
            map("rows", json!("{{ $count(steps.read.rows) }}")),
        ])
    };
    // A file of another run of the organisation: that is how called workflows are given files.
    let view = run(&world, reads(), mine.clone()).await;
    assert_eq!(
        (view.head.status, view.output("rows")),
        (RunStatus::Succeeded, json!(2)),
        "{:?}",
        view.head.error
    );

    // The very same object, kept by somebody else only.
    let reference = FileRef::read(&mine).unwrap().unwrap();
    let other = FileRef {
        blob: domain::run::BlobRef {
            name: BlobName::of(std::time::Duration::from_hours(1), "x", 1, "y"),
            ..reference.blob.clone()
        },
        ..reference.clone()
    };
    let content = Content::Bytes(CSV.into());
    world.blobs.put(&other.key(&OrgId::from_bytes([9; 16])), content, "text/csv").await.unwrap();
    let forged = |field: &str, value: Value| {
        let mut forged = mine.clone();
        forged["$file"][field] = value;
        forged
    };
    let cases = [
        ("file_not_found", other.value()),
        ("file_not_found", forged("run", json!(domain::RunId::from_bytes([7; 16]).as_str()))),
        ("file_not_found", forged("sha256", json!("0a".repeat(32)))),
        ("file_not_found", forged("bytes", json!(CSV.len() - 1))),
        ("file_not_found", forged("bytes", json!(CSV.len() + 1))),
        ("file_too_large", forged("bytes", json!(1_u64 << 50))),
        ("invalid_input", forged("name", json!("62-../../../../../../../../aa"))),
        ("invalid_input", json!({"$file": "x"})),
        ("invalid_input", json!({"rows": []})),
        ("invalid_input", Value::Null),
    ];
    let sends = json!([post("send", POST, json!("{{ trigger.input }}"))]);
    for (expected, reference) in cases {
        let view = run(&world, reads(), reference.clone()).await;
        assert_eq!(
            (view.head.status, code(&view)),
            (RunStatus::Failed, expected),
            "{reference}: {:?}",
            view.head.error
        );
        if FileRef::read(&reference).is_some() {
            let view = run(&world, sends.clone(), reference.clone()).await;
            assert_eq!(code(&view), expected, "{reference}: {:?}", view.head.error);
        }
    }
    assert_eq!(world.http.sent_to(POST).len(), 0, "nothing of it was sent");
}

#[tokio::test]
async fn inputs_that_are_not_as_the_action_wants_them_fail_the_step() {
    let world = World::new().await;
    for (action, input) in [
        ("read_csv", json!({"file": "a", "limit": 0})),
        ("read_csv", json!({"file": "a", "delimeter": ";"})),
        ("write_csv", json!({"rows": {"a": 1}})),
        ("read_text", json!({"file": "a", "encoding": "klingon"})),
        ("zip", json!({"files": [{"name": "x"}]})),
    ] {
        let view = run(&world, json!([file("step", action, input.clone())]), Value::Null).await;
        assert_eq!(code(&view), "invalid_input", "{input}: {:?}", view.head.error);
    }
    let view =
        run(&world, json!([file("step", "read_xlsx", json!({"file": "no workbook"}))]), Value::Null).await;
    assert_eq!(code(&view), "file_unreadable");
}
