//! Files to and from a bucket: what is sent is what was signed, and the key is seen nowhere.

use base64::Engine;
use e2e::{Reply, Target, TestApp, files_besides_secrets_with, step};
use serde_json::{Value, json};

const KEY: &str = "canary-wJalrXUtnFEMI-K7MDENG";
/// No text, and large enough to be a file wherever it comes from.
const LARGE: usize = 700_000;

fn content() -> Vec<u8> {
    (0..LARGE).map(|i| (i % 251) as u8).collect()
}

fn action(id: &str, uses: &str, connection: &str, input: Value) -> Value {
    json!({"id": id, "type": "action", "use": uses, "connection": connection, "input": input})
}

#[tokio::test]
async fn a_file_goes_from_one_bucket_to_another_and_the_key_is_seen_nowhere() {
    let mut app = TestApp::start().await;
    let bucket = Target::start(|seen, _| match (seen.method.as_str(), seen.path.as_str()) {
        ("GET", "/from/in/a%20b.bin") => {
            let headers = vec![
                ("content-type".to_owned(), "application/x-thing".to_owned()),
                ("last-modified".to_owned(), "Mon, 12 Oct 2009 17:50:30 GMT".to_owned()),
            ];
            Reply::Answer { status: 200, headers, body: content() }
        }
        ("PUT", "/to/c.bin") => Reply::Answer {
            status: 200,
            headers: vec![("etag".to_owned(), "\"1\"".to_owned())],
            body: Vec::new(),
        },
        ("GET", path) if path.starts_with("/?") => xml(200, "<ListAllMyBucketsResult><Buckets><Bucket><Name>from</Name></Bucket></Buckets></ListAllMyBucketsResult>"),
        // A redirect, which would take the signature with it.
        ("GET", "/from/moved") => Reply::Answer {
            status: 307,
            headers: vec![("location".to_owned(), "/elsewhere".to_owned())],
            body: Vec::new(),
        },
        _ => xml(404, "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>"),
    })
    .await;
    let made = json!({"name": "Bucket", "connector": "aws_s3", "auth": "access_key",
        "fields": {"region": "eu-central-1", "endpoint": bucket.base, "access_key_id": "AKIDEXAMPLE"},
        "credentials": {"secret_access_key": KEY}});
    let made = app.post("/v1/connections", &made).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let tested = app.post(&format!("/v1/connections/{id}/test"), &json!({})).await.expect(200);
    assert_eq!(tested["output"]["items"], json!([{"name": "from"}]), "{tested}");
    let steps = json!([
        action("get", "aws_s3.get_object", id, json!({"bucket": "from", "key": "in/a b.bin"})),
        action("put", "aws_s3.put_object", id, json!({"bucket": "to", "key": "c.bin", "content": "{{ steps.get.file }}"})),
        {"id": "careful", "type": "try",
            "steps": [action("none", "aws_s3.get_object", id, json!({"bucket": "from", "key": "none"}))],
            "catch": [{"id": "told", "type": "map", "output": "{{ error.message }}"}]},
        {"id": "moved", "type": "try",
            "steps": [action("gone", "aws_s3.get_object", id, json!({"bucket": "from", "key": "moved"}))],
            "catch": [{"id": "said", "type": "map", "output": "{{ error.code }}"}]},
    ]);
    let run = app.run_steps(steps, &json!({}), "succeeded").await;
    let got = &step(&run, "get")["output"];
    assert_eq!(
        (&got["file"]["$file"]["bytes"], &got["last_modified"]),
        (&json!(LARGE), &json!("2009-10-12T17:50:30.000Z"))
    );
    assert_eq!(step(&run, "put")["output"]["etag"], "\"1\"");
    assert_eq!(
        step(&run, "careful.told")["output"],
        "Amazon S3 refused: The specified key does not exist. (NoSuchKey)"
    );
    assert_eq!(step(&run, "moved.said")["output"], "app_error");
    assert!(bucket.seen_at("/elsewhere").is_empty());

    let put = &bucket.seen_at("/to/c.bin")[0];
    assert_eq!(put.body, content());
    assert_eq!(put.header("x-amz-content-sha256"), got["file"]["$file"]["sha256"]);
    assert_eq!(put.header("content-type"), "application/x-thing");
    assert!(put.header("authorization").contains("/eu-central-1/s3/aws4_request, SignedHeaders=content-type;host;x-amz-content-sha256;x-amz-date, Signature="));

    // Neither in the tables nor in the log, once the program has written all.
    app.interrupt();
    let data = app.data();
    for shape in [KEY.to_owned(), base64::engine::general_purpose::STANDARD.encode(KEY)] {
        let holding = files_besides_secrets_with(data.parent().unwrap(), &shape);
        assert!(holding.is_empty(), "{holding:?}");
    }
}

fn xml(status: u16, body: &str) -> Reply {
    let headers = vec![("content-type".to_owned(), "application/xml".to_owned())];
    Reply::Answer { status, headers, body: body.as_bytes().to_vec() }
}
