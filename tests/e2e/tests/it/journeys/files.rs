//! A table on its way from one server to another.

use e2e::{Reply, Target, TestApp, manual, step, text};
use serde_json::{Value, json};

/// What the one server has: a table of an older program.
const CSV: &[u8] = b"\xef\xbb\xbfid;name;total\r\n1;\"Gr\xc3\xbc\xc3\x9fe; GmbH\";12.50\r\n2;=1+1;7\r\n";

fn action(id: &str, uses: &str, input: Value) -> Value {
    json!({"id": id, "type": "action", "use": uses, "input": input})
}

#[tokio::test]
async fn a_table_is_downloaded_mapped_packed_and_uploaded() {
    let app = TestApp::shared().await;
    let target = Target::start(|seen, _| {
        if seen.path == "/orders.csv" {
            let headers = vec![("content-type".to_owned(), "text/csv".to_owned())];
            return Reply::Answer { status: 200, headers, body: CSV.to_vec() };
        }
        Reply::json(&json!({"ok": true}))
    })
    .await;
    let steps = json!([
        action("get", "http.request", json!({"url": target.url("/orders.csv"), "as_file": true})),
        action("read", "file.read_csv", json!({"file": "{{ steps.get.body }}", "delimiter": ";", "types": true})),
        {"id": "each", "type": "map", "output": "{{ [steps.read.rows.{'order': id, 'customer': name, 'cents': total * 100}] }}"},
        action("book", "file.write_xlsx", json!({"rows": "{{ steps.each }}", "sheet": "Orders", "filename": "orders.xlsx"})),
        action("zip", "file.zip", json!({"filename": "orders.zip",
            "files": [{"file": "{{ steps.book.file }}"}, {"file": "{{ steps.get.body }}", "name": "source/orders.csv"}]})),
        action("send", "http.request", json!({"method": "POST", "url": target.url("/upload"),
            "multipart": {"title": "Orders of {{ steps.read.rows[0].name }}", "rows": "{{ $count(steps.each) }}", "archive": "{{ steps.zip.file }}"}})),
        action("put", "http.request", json!({"method": "PUT", "url": target.url("/raw"), "body": "{{ steps.book.file }}"})),
    ]);
    let workflow = app.publish(&manual("tables", steps)).await;
    let run = app.start_run(&workflow.id, &json!({})).await;
    let run = app.wait_until(&run, "succeeded").await;
    let got = &step(&run, "get")["output"]["body"]["$file"];
    assert_eq!(
        (&got["filename"], &got["type"], &got["bytes"]),
        (&json!("orders.csv"), &json!("text/csv"), &json!(CSV.len()))
    );
    assert_eq!(
        step(&run, "each")["output"],
        json!([{"order": 1, "customer": "Grüße; GmbH", "cents": 1250}, {"order": 2, "customer": "=1+1", "cents": 700}])
    );

    let upload = &target.seen_at("/upload")[0];
    let parts = parts(upload.header("content-type"), &upload.body);
    let named = |name: &str| {
        let found = parts.iter().find(|(head, _)| head.contains(&format!("name=\"{name}\"")));
        found.unwrap_or_else(|| panic!("no part `{name}`")).clone()
    };
    assert_eq!(parts.len(), 3);
    assert_eq!(named("title").1, "Orders of Grüße; GmbH".as_bytes());
    assert_eq!(named("rows").1, b"2");
    let (head, archive) = named("archive");
    assert!(
        head.contains("filename=\"orders.zip\"") && head.contains("content-type: application/zip"),
        "{head}"
    );
    let kept = &step(&run, "zip")["output"]["file"]["$file"];
    assert_eq!(archive.len(), kept["bytes"]);
    assert!(archive.starts_with(b"PK\x03\x04"));
    assert!(archive.windows(17).any(|window| window == b"source/orders.csv"));
    // It is the file that the history names.
    let found =
        app.get(&format!("/v1/runs/{}/files/{}", text(&kept["run"]), text(&kept["name"]))).await.expect(200);
    assert_eq!(app.fork().with_token("").get(text(&found["url"])).await.body, archive);

    let put = &target.seen_at("/raw")[0];
    assert_eq!(put.header("content-type"), step(&run, "book")["output"]["file"]["$file"]["type"]);
    assert_eq!(put.header("content-length"), put.body.len().to_string());
    assert!(put.body.starts_with(b"PK\x03\x04"));
}

/// The parts of a form: what stands above each, and what is in it.
fn parts(content_type: &str, body: &[u8]) -> Vec<(String, Vec<u8>)> {
    let boundary = format!("\r\n--{}", content_type.split_once("boundary=").expect("a boundary").1);
    let body = [b"\r\n", body].concat();
    let mut starts = Vec::new();
    for at in 0..body.len() {
        if body[at..].starts_with(boundary.as_bytes()) {
            starts.push(at);
        }
    }
    let between = starts.windows(2).map(|pair| &body[pair[0] + boundary.len() + 2..pair[1]]);
    let parts = between.map(|part| {
        let head = part.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        (String::from_utf8_lossy(&part[..head]).into_owned(), part[head + 4..].to_vec())
    });
    assert!(body.ends_with(format!("{boundary}--\r\n").as_bytes()));
    parts.collect()
}

#[tokio::test]
async fn what_an_action_on_files_is_given_is_checked_when_it_is_saved() {
    let app = TestApp::shared().await;
    let codes = async |steps: Value| {
        let told = app.post("/v1/workflows/validate", &manual("wrong", steps)).await.expect(200);
        let errors = told["errors"].as_array().cloned().unwrap_or_default();
        errors.iter().map(|e| format!("{} {}", text(&e["code"]), text(&e["pointer"]))).collect::<Vec<_>>()
    };
    let unknown = codes(json!([action("d", "file.read_pdf", json!({}))])).await;
    assert_eq!(unknown, ["action_unknown /steps/0/use"]);
    let read = json!([
        action("b", "file.write_csv", json!({"rows": []})),
        {"id": "e", "type": "map", "output": "{{ steps.b.lines }}"},
    ]);
    assert_eq!(codes(read).await, ["unknown_member /steps/1/output"]);
    let wrong = json!([
        action("a", "file.read_csv", json!({"delimeter": ";"})),
        action("b", "file.write_csv", json!({"rows": "{{ [] }}", "header": "{{ true }}"})),
        action("c", "file.write_xlsx", json!({"sheets": [{"rows": 7}]})),
    ]);
    let mut found = codes(wrong).await;
    found.sort();
    assert_eq!(
        found,
        [
            "missing_field /steps/0/input",
            "type_mismatch /steps/2/input/sheets/0/rows",
            "unknown_field /steps/0/input/delimeter",
        ]
    );
}
