//! Answers in XML, and those that are kept as files.

use connectors::{Access, Answered, Call, Response, read};
use domain::run::StepError;
use serde_json::{Value, json};
use std::sync::Arc;

fn answered(request: Value, status: u16, media: &str, body: Value) -> Result<Value, StepError> {
    let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example/v1",
        "errors": [{"when": "{{ response.status >= 400 and $exists(response.body.Error) }}", "code": "{{ response.body.Error.Code }}"}],
        "actions": {"go": {"title": "Go", "request": request}}});
    let manifest = Arc::new(read(&document).unwrap_or_else(|faults| panic!("{faults:?}")));
    let mut call = Call::begin(manifest, "go", json!({}), &Access::default(), 0).unwrap();
    call.request().unwrap();
    match call.answered(&Response { status, headers: json!({"content-type": media}), body })? {
        Answered::Output(output) => Ok(output),
        Answered::More => panic!("there is no more"),
    }
}

fn get() -> Value {
    json!({"method": "GET", "path": "/"})
}

#[test]
fn xml_is_json_for_templates() {
    let body = || json!("<a><b>1</b></a>");
    for media in ["application/xml", "text/xml; charset=utf-8", "application/rss+xml", "Application/Atom+XML"]
    {
        assert_eq!(answered(get(), 200, media, body()).unwrap(), json!({"a": {"b": "1"}}), "{media}");
    }
    assert_eq!(answered(get(), 200, "text/plain", body()).unwrap(), body());
    let always = json!({"method": "GET", "path": "/", "answer": "xml"});
    assert_eq!(answered(always.clone(), 200, "text/plain", body()).unwrap(), json!({"a": {"b": "1"}}));
    assert_eq!(answered(always, 200, "text/html", json!("<html>")).unwrap_err().code, "app_response_invalid");
    // In another encoding it comes in base64.
    let latin = json!({"base64": "PGE+5DwvYT4="});
    assert_eq!(answered(get(), 200, "text/xml; charset=iso-8859-1", latin).unwrap(), json!({"a": "ä"}));
    assert_eq!(answered(get(), 204, "application/xml", Value::Null).unwrap(), Value::Null);
}

#[test]
fn xml_that_cannot_be_read_is_no_success_and_hides_no_refusal() {
    let error = answered(get(), 200, "application/xml", json!("<a>")).unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("app_response_invalid", false));
    assert!(error.message.contains("Acme answered XML that cannot be read"), "{}", error.message);
    let error = answered(get(), 503, "application/xml", json!("<a>")).unwrap_err();
    assert_eq!((error.code.as_str(), error.retryable), ("app_error", true));
    assert_eq!(error.details.unwrap()["body"], "<a>");
    let refused = json!("<Error><Code>NoSuchKey</Code></Error>");
    let error = answered(get(), 404, "application/xml", refused).unwrap_err();
    assert!(error.message.contains("NoSuchKey"), "{}", error.message);
}

#[test]
fn an_answer_that_is_kept_as_a_file_is_not_looked_into() {
    let file = json!({"method": "GET", "path": "/", "answer": "file"});
    let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example/v1",
        "actions": {"go": {"title": "Go", "request": file}}});
    let manifest = Arc::new(read(&document).unwrap());
    let mut call = Call::begin(manifest, "go", json!({}), &Access::default(), 0).unwrap();
    assert_eq!(call.request().unwrap()["as_file"], true);
    assert_eq!(answered(file.clone(), 200, "application/xml", json!("<a/>")).unwrap(), "<a/>");
    let error =
        answered(file, 404, "application/xml", json!("<Error><Code>NoSuchKey</Code></Error>")).unwrap_err();
    assert!(error.message.contains("NoSuchKey"));
    let other = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example/v1",
        "actions": {"go": {"title": "Go", "request": {"method": "GET", "path": "/", "answer": "json"}}}});
    assert_eq!(read(&other).unwrap_err()[0].pointer, "/actions/go/request/answer");
}

#[test]
fn a_large_feed_is_read() {
    let item = |i: usize| {
        format!(
            "<item><title>Entry {i}</title><link>https://feeds.example/{i}</link><guid isPermaLink='false'>{i}</guid>\
             <pubDate>Mon, 22 Jul 2024 12:15:30 GMT</pubDate><description>{}</description></item>",
            "&lt;p&gt;words and words&lt;/p&gt; ".repeat(70)
        )
    };
    let items: String = (0..1000).map(item).collect();
    let feed = format!("<rss version='2.0'><channel><title>Large</title>{items}</channel></rss>");
    assert!(feed.len() > 2_000_000);
    let manifest = connectors::built_in("rss", None).unwrap();
    let input = json!({"url": "https://feeds.example/", "limit": 1000});
    let mut call = Call::begin(manifest, "read_feed", input, &Access::default(), 0).unwrap();
    call.request().unwrap();
    let headers = json!({"content-type": "application/rss+xml"});
    let Answered::Output(output) =
        call.answered(&Response { status: 200, headers, body: feed.into() }).unwrap()
    else {
        panic!("there is no more")
    };
    let items = output["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[999]["id"]), (1000, &json!("999")));
}

#[test]
fn a_full_page_of_a_list_in_xml_is_read() {
    let object = |i: usize| {
        format!(
            "<Contents><Key>{}/{i}</Key><LastModified>2014-11-21T19:40:05.000Z</LastModified>\
             <ETag>&quot;70ee1738b6b21e2c8a43f3a5ab0eee71&quot;</ETag><Size>{i}</Size><StorageClass>STANDARD</StorageClass></Contents>",
            "folder/".repeat(100)
        )
    };
    let objects: String = (0..1000).map(object).collect();
    let body = format!(
        "<ListBucketResult xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Name>b</Name>{objects}</ListBucketResult>"
    );
    let access = Access {
        auth: Some("access_key".to_owned()),
        credentials: json!({"access_key_id": "a", "secret_access_key": "s"}).as_object().unwrap().clone(),
        fields: json!({"region": "eu-central-1"}),
    };
    let manifest = connectors::built_in("aws_s3", None).unwrap();
    let input = json!({"bucket": "b", "max_items": 1000});
    let mut call = Call::begin(manifest, "list_objects", input, &access, 0).unwrap();
    call.request().unwrap();
    let headers = json!({"content-type": "application/xml"});
    let Answered::Output(output) =
        call.answered(&Response { status: 200, headers, body: body.into() }).unwrap()
    else {
        panic!("there is no more")
    };
    assert_eq!(output["items"][999]["size"], 999);
}
