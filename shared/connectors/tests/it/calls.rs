//! What a call sends and makes of answers, where no vendor is needed to tell.

use connectors::{Access, Answered, Call, Response, read};
use domain::run::StepError;
use serde_json::{Value, json};
use std::sync::Arc;

fn manifest(action: Value) -> Arc<connectors::Manifest> {
    let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example/v1",
        "actions": {"go": action}});
    Arc::new(read(&document).unwrap_or_else(|faults| panic!("{faults:?}")))
}

fn begin(action: Value, input: Value) -> Result<Call, StepError> {
    Call::begin(manifest(action), "go", input, &Access::default(), 0)
}

fn answer(status: u16, body: Value) -> Response {
    Response { status, headers: json!({}), body }
}

fn by_id() -> Value {
    json!({"title": "Go", "input": {"type": "object", "properties": {"id": {"type": "string"}}},
        "request": {"method": "GET", "path": "/things/{id}"}})
}

#[test]
fn a_field_cannot_lead_out_of_its_segment() {
    let url = |id: &str| begin(by_id(), json!({"id": id})).unwrap().request().map(|r| r["url"].clone());
    assert_eq!(url("a/../b").unwrap(), "https://api.acme.example/v1/things/a%2F..%2Fb");
    assert_eq!(url("?x#y").unwrap(), "https://api.acme.example/v1/things/%3Fx%23y");
    for id in ["", ".", ".."] {
        assert_eq!(url(id).unwrap_err().code, "invalid_input", "{id}");
    }
}

fn list(pages: Value) -> Value {
    json!({"title": "Go", "request": {"method": "GET", "path": "/things"}, "pages": pages})
}

#[test]
fn pages_have_one_size_and_come_to_an_end() {
    let pages = json!({"items": "{{ response.body.items }}", "by": "page", "query": "page",
        "size": {"query": "per_page", "max": 100}});
    let mut call = begin(list(pages), json!({"max_items": 150})).unwrap();
    let all = |n: usize| answer(200, json!({"items": vec![1; n]}));
    assert_eq!(call.request().unwrap()["query"], json!({"per_page": 100, "page": 1}));
    assert!(matches!(call.answered(&all(100)).unwrap(), Answered::More));
    assert_eq!(call.request().unwrap()["query"], json!({"per_page": 100, "page": 2}));
    let Answered::Output(output) = call.answered(&all(100)).unwrap() else { panic!("it goes on") };
    assert_eq!((output["items"].as_array().unwrap().len(), &output["more"]), (150, &json!(true)));
}

#[test]
fn an_app_whose_pages_lead_in_a_circle_is_left_alone() {
    let pages = json!({"items": "{{ response.body.items }}", "by": "cursor", "query": "after",
        "next": "{{ response.body.next }}"});
    let mut call = begin(list(pages), json!({"max_items": 10_000})).unwrap();
    let same = answer(200, json!({"items": [], "next": "again"}));
    let mut asked = 0;
    loop {
        call.request().unwrap();
        asked += 1;
        if let Answered::Output(output) = call.answered(&same).unwrap() {
            assert_eq!(output, json!({"items": [], "more": true}));
            break;
        }
    }
    assert_eq!(asked, 200);
}

#[test]
fn a_list_does_not_fill_the_memory() {
    let pages = json!({"items": "{{ response.body.items }}", "by": "cursor", "query": "after",
        "next": "{{ response.body.next }}"});
    let mut call = begin(list(pages), json!({"max_items": 10_000})).unwrap();
    let large = answer(200, json!({"items": ["x".repeat(1_000_000)], "next": "more"}));
    let outcome = (0..100).find_map(|_| {
        call.request().unwrap();
        call.answered(&large).err()
    });
    assert_eq!(outcome.unwrap().code, "output_too_large");
}

#[test]
fn a_key_is_for_what_changes_something_once() {
    let takes = |request: Value, pages: Value| {
        let mut action = json!({"title": "Go", "request": request});
        if !pages.is_null() {
            action["pages"] = pages;
        }
        begin(action, json!({})).unwrap().takes_key()
    };
    let post = json!({"method": "POST", "path": "/things"});
    assert!(takes(post.clone(), Value::Null));
    assert!(!takes(json!({"method": "GET", "path": "/things"}), Value::Null));
    assert!(!takes(post, json!({"items": "{{ response.body.items }}", "by": "link"})));
}

#[test]
fn a_list_does_not_go_on_elsewhere() {
    let pages =
        json!({"items": "{{ response.body.items }}", "by": "url", "next": "{{ response.body.next }}"});
    let mut call = begin(list(pages), json!({})).unwrap();
    call.request().unwrap();
    let elsewhere = json!({"items": [1], "next": "https://api.acme.example.evil.example/v1/things?p=2"});
    assert!(matches!(call.answered(&answer(200, elsewhere)).unwrap(), Answered::More));
    assert_eq!(call.request().unwrap_err().code, "app_response_invalid");
}

#[test]
fn what_is_no_answer_is_told_and_not_taken() {
    let pages = json!({"items": "{{ response.body.items }}", "by": "link"});
    let mut call = begin(list(pages), json!({})).unwrap();
    call.request().unwrap();
    for (media, body) in [("text/html; charset=utf-8", "<html>"), ("application/json", "{\"items\": [1,")] {
        let response = Response { status: 200, headers: json!({"content-type": media}), body: body.into() };
        assert_eq!(call.answered(&response).unwrap_err().code, "app_response_invalid", "{media}");
    }
    assert_eq!(call.answered(&answer(200, json!({"items": 7}))).unwrap_err().code, "app_response_invalid");
    let down = call.answered(&answer(503, json!("<html>"))).unwrap_err();
    assert_eq!((down.code.as_str(), down.retryable), ("app_error", true));
    let refused = call.answered(&answer(401, Value::Null)).unwrap_err();
    assert_eq!((refused.code.as_str(), refused.retryable), ("credentials_refused", false));
}

#[test]
fn an_input_is_held_against_its_schema() {
    let action = json!({"title": "Go", "request": {"method": "POST", "path": "/things"}, "input": {"type": "object",
        "required": ["name"], "additionalProperties": false, "properties": {"name": {"type": "string", "maxLength": 3},
        "kind": {"enum": ["a", "b"]}, "tags": {"type": "array", "items": {"type": "integer"}}}}});
    let fault = |input: Value| begin(action.clone(), input).map(|_| ()).unwrap_err().message;
    assert!(fault(json!({})).contains("`name` is missing"));
    assert!(fault(json!({"name": null})).contains("`name` is missing"));
    assert!(fault(json!({"name": "long"})).contains('3'));
    assert!(fault(json!({"name": "a", "kind": "c"})).contains("`a`"));
    assert!(fault(json!({"name": "a", "tags": [1, "x"]})).contains("whole number"));
    assert!(fault(json!({"name": "a", "x": 1})).contains("`x` is not a field"));
    assert!(begin(action, json!({"name": "a", "kind": null})).is_ok());
}

#[test]
fn files_are_sent_as_parts_or_as_the_whole_body() {
    let file = json!({"$file": {"run": domain::RunId::from_bytes([2; 16]).as_str(), "name": "32-00000000000000000000000000",
        "bytes": 7, "type": "text/csv", "sha256": "0a".repeat(32)}});
    let request = |more: Value, input: Value| {
        let mut request = json!({"method": "POST", "path": "/files"});
        request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        begin(json!({"title": "Go", "request": request}), input).unwrap().request().unwrap()
    };
    let input = json!({"title": "x", "document": file});
    // What is used nowhere else, and what a template gives.
    let sent = request(json!({"encoding": "multipart"}), input.clone());
    assert_eq!((&sent["multipart"], &sent["body"]), (&input, &Value::Null));
    let sent =
        request(json!({"multipart": {"file": "{{ input.document }}", "kind": "report"}}), input.clone());
    assert_eq!(sent["multipart"], json!({"file": file, "kind": "report"}));
    assert_eq!(sent["headers"], json!({}));
    for encoding in ["json", "text"] {
        let sent = request(json!({encoding: "{{ input.document }}"}), input.clone());
        assert_eq!((&sent["body"], &sent["headers"]), (&file, &json!({})), "{encoding}");
    }
    // Among other fields it is a value like any other.
    let sent = request(json!({"encoding": "json"}), input.clone());
    assert_eq!(serde_json::from_str::<Value>(sent["body"].as_str().unwrap()).unwrap(), input);
}

#[test]
fn parameters_go_where_the_manifest_says() {
    let action = json!({"title": "Go", "input": {"type": "object", "properties": {"id": {"type": "array"},
            "header_id": {"type": "string"}, "tags": {"type": "array"}, "where": {"type": "object"}, "seen": {"type": "boolean"},
            "id_body": {"type": "object"}}},
        "request": {"method": "POST", "path": "/things/{id}", "headers": {"x-id": "none"}, "body": "id_body", "parameters": [
            {"field": "header_id", "in": "header", "name": "X-Id"},
            {"field": "tags", "in": "query", "style": "comma"},
            {"field": "where", "in": "query", "name": "filter", "style": "brackets"},
            {"field": "seen", "in": "cookie"}]}});
    let input = json!({"id": [1, "a/b"], "header_id": "h", "tags": ["x", "y"], "where": {"age": {"gt": 5}}, "seen": true,
        "id_body": {"id": 7}});
    let request = begin(action.clone(), input).unwrap().request().unwrap();
    assert_eq!(request["url"], "https://api.acme.example/v1/things/1%2Ca%2Fb");
    assert_eq!(request["query"], json!({"tags": "x,y", "filter[age][gt]": 5}));
    let headers = json!({"X-Id": "h", "cookie": "seen=true", "content-type": "application/json"});
    assert_eq!(request["headers"], headers);
    assert_eq!(request["body"], "{\"id\":7}");
    let bare = begin(action, json!({"id": ["only"]})).unwrap().request().unwrap();
    assert_eq!((bare.get("body"), &bare["headers"]), (None, &json!({"x-id": "none"})));
}

#[test]
fn a_form_is_written_as_its_styles_say() {
    let action = |encoding: &str| {
        json!({"title": "Go", "request": {"method": "POST", "path": "/things", "encoding": encoding,
            "styles": {"tags": "repeat"}}})
    };
    let input = || json!({"tags": ["x", "y"], "who": {"name": "Ada"}});
    let form = begin(action("form"), input()).unwrap().request().unwrap();
    assert_eq!(form["form"], json!({"tags": ["x", "y"], "who[name]": "Ada"}));
    let parts = begin(action("multipart"), input()).unwrap().request().unwrap();
    assert_eq!(parts["multipart"], input());
}

#[test]
fn a_manifest_says_where_its_parameters_lead_nowhere() {
    let request = json!({"method": "GET", "path": "/", "body": "gone", "styles": {"a": "loud"},
        "parameters": [{"field": "gone", "in": "query"}, {"field": "a", "in": "air"}, {"field": "a", "in": "query", "style": "loud"}]});
    let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example/v1",
        "schemas": {"a": {"$ref": "#/schemas/b"}}, "actions": {"go": {"title": "Go", "request": request}}});
    let faults = read(&document).unwrap_err();
    let at: Vec<_> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
    let wanted = [
        "/actions/go/request/parameters/1/in",
        "/actions/go/request/parameters/2/style",
        "/actions/go/request/styles",
        "/schemas/a/$ref",
        "/actions/go/request/parameters/0/field",
        "/actions/go/request/parameters/1/field",
        "/actions/go/request/body",
    ];
    assert_eq!(at, wanted, "{faults:?}");
}

#[test]
fn schemas_that_lead_in_circles_cost_no_time() {
    let bomb = json!({"anyOf": [{"$ref": "#/schemas/a"}, {"$ref": "#/schemas/a"}, {"$ref": "#/schemas/a"}],
        "properties": {"x": {"$ref": "#/schemas/a"}}});
    let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example/v1", "schemas": {"a": bomb},
        "actions": {"go": {"title": "Go", "input": {"$ref": "#/schemas/a"}, "request": {"method": "GET", "path": "/{x}"}}}});
    let manifest = Arc::new(read(&document).unwrap());
    assert!(Call::begin(manifest, "go", json!({"x": 1}), &Access::default(), 0).is_ok());
}

#[test]
fn a_connections_fields_lead_to_no_other_host_than_the_apps() {
    let document = json!({"name": "acme", "title": "Acme", "base_url": "https://{{ connection.shop }}.acme.example/v1",
        "fields": {"type": "object", "properties": {"shop": {"type": "string"}}},
        "actions": {"go": {"title": "Go", "request": {"method": "GET", "path": "/things"}}}});
    let manifest = Arc::new(read(&document).unwrap());
    let url = |shop: &str| {
        let access = Access { fields: json!({"shop": shop}), ..Access::default() };
        Call::begin(manifest.clone(), "go", json!({}), &access, 0)?
            .request()
            .map(|request| request["url"].clone())
    };
    assert_eq!(url("one").unwrap(), "https://one.acme.example/v1/things");
    for shop in ["evil.org/", "evil.org/?", "evil.org#", "evil.org\\", "a:b@evil.org/", "x@y"] {
        assert_eq!(url(shop).unwrap_err().code, "invalid_input", "{shop}");
    }
}

#[test]
fn an_answer_that_is_no_text_is_no_feed_without_entries() {
    let feed = json!({"title": "Go", "request": {"method": "GET", "path": "/feed", "answer": "feed"}});
    for nothing in [Value::Null, json!({"$file": {"key": "k"}})] {
        let mut call = begin(feed.clone(), json!({})).unwrap();
        call.request().unwrap();
        assert_eq!(call.answered(&answer(200, nothing)).unwrap_err().code, "app_response_invalid");
    }
}
