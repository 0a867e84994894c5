//! Ways to sign in that are more than a header: signatures, and secrets in the path.

use connectors::{Access, Call, Manifest, read};
use domain::run::StepError;
use serde_json::{Value, json};
use std::sync::Arc;

fn fault(pointer: &str, code: &str) -> [(String, String); 1] {
    [(pointer.to_owned(), code.to_owned())]
}

fn manifest(auth: Value, request: Value) -> Result<Arc<Manifest>, Vec<(String, String)>> {
    let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example/v1/", "auth": [auth],
        "actions": {"go": {"title": "Go", "request": request, "input": {"type": "object", "properties": {
            "key": {"type": "string"}, "url": {"type": "string"}}}}}});
    let codes = |faults: Vec<domain::fault::Fault>| {
        faults.into_iter().map(|fault| (fault.pointer, fault.code)).collect()
    };
    read(&document).map(Arc::new).map_err(codes)
}

fn begin(manifest: Arc<Manifest>, auth: &str, access: Value, input: Value) -> Result<Call, StepError> {
    let access = Access {
        auth: Some(auth.to_owned()),
        credentials: access["credentials"].as_object().cloned().unwrap_or_default(),
        fields: access["fields"].clone(),
    };
    Call::begin(manifest, "go", input, &access, 0)
}

fn keys() -> Value {
    json!({"id": "keys", "type": "aws_sigv4", "title": "Keys", "service": "s3"})
}

#[test]
fn a_call_says_how_it_is_signed_and_its_request_has_no_key() {
    let get = json!({"method": "GET", "path": "/{key+}"});
    let manifest = manifest(keys(), get).unwrap();
    let asked: Vec<_> = manifest.auth[0]
        .fields
        .iter()
        .map(|field| (field.name.as_str(), field.secret, field.optional))
        .collect();
    assert_eq!(
        asked,
        [("access_key_id", false, false), ("secret_access_key", true, false), ("session_token", true, true)]
    );
    let access = json!({"fields": {"region": "eu-central-1"},
        "credentials": {"access_key_id": "AKID", "secret_access_key": "stands-in"}});
    let mut call = begin(manifest.clone(), "keys", access.clone(), json!({"key": "a/b"})).unwrap();
    let signing = call.signing().unwrap().clone();
    assert_eq!((signing.service.as_str(), signing.region.as_str()), ("s3", "eu-central-1"));
    assert_eq!((signing.access_key_id.as_str(), signing.secret_access_key.as_str()), ("AKID", "stands-in"));
    assert_eq!(signing.session_token, None);
    let request = call.request().unwrap();
    assert!(!request.to_string().contains("AKID") && !request.to_string().contains("stands-in"), "{request}");
    assert!(!format!("{call:?}{signing:?}").contains("stands-in"));
    for missing in ["/fields/region", "/credentials/access_key_id", "/credentials/secret_access_key"] {
        let mut access = access.clone();
        *access.pointer_mut(missing).unwrap() = json!(" ");
        let error = begin(manifest.clone(), "keys", access, json!({"key": "a"})).unwrap_err();
        assert_eq!(error.code, "invalid_input", "{missing}");
    }
}

#[test]
fn a_signature_needs_to_know_the_service() {
    let mut unnamed = keys();
    unnamed.as_object_mut().unwrap().remove("service");
    let faults = manifest(unnamed, json!({"method": "GET", "path": "/"})).unwrap_err();
    assert_eq!(faults, fault("/auth/0", "missing_field"));
    let elsewhere = json!({"id": "keys", "type": "bearer", "title": "Keys", "service": "s3"});
    let faults = manifest(elsewhere, json!({"method": "GET", "path": "/"})).unwrap_err();
    assert_eq!(faults, fault("/auth/0/service", "unknown_field"));
}

#[test]
fn slashes_of_a_field_are_the_paths_where_it_says_so_and_no_part_leads_out() {
    let manifest = manifest(keys(), json!({"method": "GET", "path": "/in/{key+}"})).unwrap();
    let access =
        json!({"fields": {"region": "r"}, "credentials": {"access_key_id": "a", "secret_access_key": "s"}});
    let url = |key: &str| {
        let mut call = begin(manifest.clone(), "keys", access.clone(), json!({"key": key}))?;
        call.request().map(|request| request["url"].clone())
    };
    assert_eq!(url("a/b c/%2e?#.txt").unwrap(), "https://api.acme.example/v1/in/a/b%20c/%252e%3F%23.txt");
    assert_eq!(url("a//.b/...").unwrap(), "https://api.acme.example/v1/in/a//.b/...");
    for key in ["", ".", "..", "../x", "a/../b", "a/.", "./a"] {
        assert_eq!(url(key).unwrap_err().code, "invalid_input", "{key}");
    }
}

#[test]
fn a_secret_can_stand_in_the_path_and_nowhere_else() {
    let auth = json!({"id": "bot", "type": "api_key", "title": "Bot", "path": "/bot{{ auth.key }}"});
    let call = |request: Value| {
        let access = json!({"fields": {}, "credentials": {"key": "1:x"}});
        begin(manifest(auth.clone(), request).unwrap(), "bot", access, json!({})).unwrap().request().unwrap()
    };
    let request = call(json!({"method": "GET", "path": "/me"}));
    assert_eq!(request["url"], "https://api.acme.example/v1/bot1:x/me");
    assert_eq!((&request["headers"], &request["query"]), (&json!({}), &json!({})));
    let other = call(json!({"method": "GET", "path": "/me", "base_url": "https://files.acme.example/file"}));
    assert_eq!(other["url"], "https://files.acme.example/file/bot1:x/me");
    let relative = json!({"id": "bot", "type": "api_key", "title": "Bot", "path": "bot{{ auth.key }}"});
    let faults = manifest(relative, json!({"method": "GET", "path": "/me"})).unwrap_err();
    assert_eq!(faults, fault("/auth/0/path", "invalid_path"));
}

#[test]
fn an_input_says_where_to_only_where_nobody_signs_in() {
    let get = json!({"method": "GET", "path": "", "query": {}, "base_url": "{{ input.url }}"});
    let key = json!({"id": "key", "type": "api_key", "title": "Key"});
    let faults = manifest(key.clone(), get.clone()).unwrap_err();
    assert_eq!(faults, fault("/actions/go/request/base_url", "host_open"));
    // However it is read.
    let hidden = json!({"method": "GET", "path": "", "base_url": "{{ $.*.url }}"});
    if let Ok(manifest) = manifest(key, hidden) {
        let access = json!({"fields": {}, "credentials": {"key": "k"}});
        let url = json!({"url": "https://evil.example/"});
        assert!(begin(manifest, "key", access, url).unwrap().request().is_err());
    }
    let nobody = manifest(json!({"id": "none", "type": "none", "title": "Nobody"}), get).unwrap();
    let url = "https://feeds.example/a/?x=1";
    let mut call = begin(nobody, "none", json!({"fields": {}}), json!({"url": url})).unwrap();
    assert_eq!(call.request().unwrap()["url"], url);
}
