//! What becomes of the parts of a document.

use crate::imported;
use serde_json::{Value, json};

fn document(version: &str, operation: Value) -> Value {
    json!({"openapi": version, "info": {"title": "Acme"}, "servers": [{"url": "https://api.acme.example"}],
        "paths": {"/things/{id}": {"post": operation}},
        "components": {"schemas": {
            "Thing": {"type": "object", "required": ["id", "name"], "properties": {
                "id": {"type": "string", "readOnly": true}, "name": {"type": "string"},
                "secret": {"type": "string", "writeOnly": true}, "parent": {"$ref": "#/components/schemas/Thing"}}}}}})
}

fn sending(media: &str, schema: Value) -> Value {
    json!({"operationId": "doIt", "requestBody": {"required": true, "content": {media: {"schema": schema}}}})
}

fn action(operation: Value) -> Value {
    imported(&document("3.1.0", operation)).manifest["actions"]["do_it"].take()
}

#[test]
fn fields_of_a_body_are_fields_of_the_action() {
    let refers = || json!({"$ref": "#/components/schemas/Thing"});
    let mut operation = sending(
        "application/json",
        json!({"allOf": [{"type": "object", "required": ["at"], "properties": {"at": {"type": "string"}}},
        {"type": "object", "properties": {"thing": refers()}}]}),
    );
    operation["responses"] =
        json!({"201": {"content": {"application/json": {"schema": refers()}}}, "default": {}});
    let imported = imported(&document("3.1.0", operation));
    let action = &imported.manifest["actions"]["do_it"];
    let fields: Vec<_> = action["input"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["id", "at", "thing"]);
    assert_eq!(action["input"]["required"], json!(["at", "id"]));
    assert_eq!(action["request"]["encoding"], "json");
    // What only one side has makes two schemas of it.
    let schemas = &imported.manifest["schemas"];
    assert_eq!(action["input"]["properties"]["thing"]["$ref"], "#/schemas/Thing_request");
    assert_eq!(action["output"]["$ref"], "#/schemas/Thing");
    let names =
        |schema: &Value| schema["properties"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&schemas["Thing_request"]), ["name", "secret", "parent"]);
    assert_eq!(schemas["Thing_request"]["required"], json!(["name"]));
    assert_eq!(schemas["Thing_request"]["properties"]["parent"]["$ref"], "#/schemas/Thing_request");
    assert_eq!(names(&schemas["Thing"]), ["id", "name", "parent"]);
}

#[test]
fn a_body_that_is_no_plain_object_is_one_field() {
    for schema in [
        json!({"type": "array", "items": {}}),
        json!({"oneOf": [{"type": "object", "properties": {"a": {}}}, {"type": "object", "properties": {"b": {}}}]}),
        json!({"type": "object"}),
        // Its field has the name of one in the path.
        json!({"type": "object", "properties": {"id": {"type": "string"}}}),
    ] {
        let action = action(sending("application/json", schema));
        assert_eq!(action["request"]["body"], "body");
        assert_eq!(action["input"]["required"], json!(["body", "id"]));
    }
    let text = action(sending("text/csv", json!({"type": "string"})));
    assert_eq!(
        (&text["request"]["encoding"], &text["request"]["headers"]),
        (&json!("text"), &json!({"content-type": "text/csv"}))
    );
    let json =
        action(sending("application/merge-patch+json; charset=utf-8", json!({"properties": {"a": {}}})));
    assert_eq!(json["request"]["headers"]["content-type"], "application/merge-patch+json");
}

#[test]
fn forms_say_how_their_lists_are_written() {
    let schema = || {
        json!({"type": "object", "properties": {"tags": {"type": "array"}, "file": {"type": "string", "format": "binary"},
        "deep": {"type": "object"}}})
    };
    let mut form = sending("application/x-www-form-urlencoded", schema());
    form["requestBody"]["content"]["application/x-www-form-urlencoded"]["encoding"] =
        json!({"deep": {"style": "deepObject"}});
    let form = action(form);
    assert_eq!(form["request"]["encoding"], "form");
    assert_eq!(form["request"]["styles"], json!({"tags": "repeat", "deep": "brackets"}));
    let parts = action(sending("multipart/form-data", schema()));
    assert_eq!((&parts["request"]["encoding"], parts["request"].get("styles")), (&json!("multipart"), None));
    assert_eq!(parts["input"]["properties"]["file"]["format"], "binary");
}

#[test]
fn parameters_keep_their_place_and_style() {
    let operation = json!({"operationId": "doIt", "parameters": [
        {"name": "id", "in": "path", "required": true, "schema": {"type": "integer"}},
        {"name": "id", "in": "query", "schema": {"type": "array"}, "style": "form", "explode": false},
        {"name": "where", "in": "query", "style": "deepObject", "schema": {"type": "object"}, "example": {"a": 1}},
        {"name": "filter", "in": "query", "content": {"application/json": {"schema": {"type": "object"}}}},
        {"name": "pipe", "in": "query", "style": "pipeDelimited", "schema": {"type": "array"}},
        {"name": "X-Trace", "in": "header", "required": true, "schema": {"type": "string"}, "description": "Which."},
        {"name": "Authorization", "in": "header", "schema": {"type": "string"}},
        {"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}},
        {"name": "session", "in": "cookie", "schema": {"type": "string"}}]});
    let imported = imported(&document("3.0.3", operation));
    let action = &imported.manifest["actions"]["do_it"];
    assert_eq!(
        action["request"]["parameters"],
        json!([
        {"field": "id_query", "in": "query", "name": "id", "style": "comma"},
        {"field": "where", "in": "query", "style": "brackets"},
        {"field": "filter", "in": "query", "style": "json"},
        {"field": "pipe", "in": "query", "style": "pipe"},
        {"field": "X-Trace", "in": "header"},
        {"field": "session", "in": "cookie"}])
    );
    assert_eq!(action["input"]["required"], json!(["X-Trace", "id"]));
    assert_eq!(action["input"]["properties"]["X-Trace"]["description"], "Which.");
    assert_eq!(action["input"]["properties"]["where"]["examples"], json!([{"a": 1}]));
    assert_eq!(action["request"]["encoding"], "none");
    assert_eq!(imported.manifest["idempotency_header"], "Idempotency-Key");
}

#[test]
fn words_of_older_schemas_are_said_in_new_ones() {
    let schema = json!({"type": "object", "properties": {
        "a": {"type": "string", "nullable": true, "example": "x"},
        "b": {"nullable": true, "allOf": [{"$ref": "#/components/schemas/Thing"}]},
        "c": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
        "d": {"type": "string", "enum": ["x"], "nullable": true},
        "e": {"$ref": "#/components/schemas/Thing", "description": "Which."},
        "f": {"$ref": "#/components/schemas/Thing", "required": ["secret"]},
        "g": {"type": "object", "additionalProperties": false, "patternProperties": {"^x": {}}}}});
    let operation = json!({"operationId": "doIt", "responses": {"2XX": {"content": {"application/json": {"schema": schema}}}}});
    let manifest = imported(&document("3.0.0", operation)).manifest;
    assert_eq!(
        manifest["actions"]["do_it"]["output"]["properties"],
        json!({
        "a": {"type": ["string", "null"], "examples": ["x"]},
        "b": {"anyOf": [{"allOf": [{"$ref": "#/schemas/Thing"}]}, {"type": "null"}]},
        "c": {"type": "number", "exclusiveMinimum": 0},
        "d": {"type": ["string", "null"], "enum": ["x", null]},
        "e": {"$ref": "#/schemas/Thing", "description": "Which."},
        "f": {"required": ["secret"], "allOf": [{"$ref": "#/schemas/Thing"}]},
        "g": {"type": "object"}})
    );
}

#[test]
fn servers_are_what_connections_say() {
    let mut with = document("3.1.0", json!({}));
    with["servers"] = json!([{"url": "https://{tenant}.acme.example/{v}", "variables": {
        "tenant": {"default": "o'hara", "description": "Yours"}, "v": {"default": "v1", "enum": ["v1", "v2"]}}}]);
    let manifest = imported(&with).manifest;
    assert_eq!(
        manifest["base_url"],
        "https://{{ connection.tenant }}.acme.example/{{ connection.v ? connection.v : 'v1' }}"
    );
    assert_eq!(manifest["fields"]["required"], json!(["tenant"]));
    assert_eq!(manifest["fields"]["properties"]["v"]["enum"], json!(["v1", "v2"]));
    with["servers"] = json!([{"url": "https://eu.acme.example"}, {"url": "https://us.acme.example"}]);
    let manifest = imported(&with).manifest;
    assert_eq!(
        manifest["base_url"],
        "{{ connection.server ? connection.server : 'https://eu.acme.example' }}"
    );
    assert_eq!(manifest["fields"]["properties"]["server"]["enum"][1], "https://us.acme.example");
}

#[test]
fn ways_to_sign_in_are_those_that_are_asked_for() {
    let mut with = document("3.1.0", json!({"security": [{"a": [], "b": []}]}));
    with["security"] = json!([{"o": ["read"]}, {"q": []}, {"c": []}, {"basic": []}, {"odd": []}]);
    let flow = json!({"authorizationUrl": "/agree", "tokenUrl": "https://id.acme.example/token", "scopes": {"read": "", "write": ""}});
    with["components"]["securitySchemes"] = json!({
        "a": {"type": "apiKey", "in": "header", "name": "X-A"}, "b": {"type": "apiKey", "in": "query", "name": "b"},
        "o": {"type": "oauth2", "flows": {"authorizationCode": flow, "clientCredentials": flow, "password": flow}},
        "q": {"type": "apiKey", "in": "query", "name": "key"}, "c": {"type": "apiKey", "in": "cookie", "name": "sid"},
        "basic": {"type": "http", "scheme": "Basic"}, "odd": {"type": "mutualTLS"}, "unused": {"type": "http", "scheme": "bearer"}});
    let imported = imported(&with);
    let ways = imported.manifest["auth"].as_array().unwrap();
    let ids: Vec<_> =
        ways.iter().map(|way| (way["id"].as_str().unwrap(), way["type"].as_str().unwrap())).collect();
    assert_eq!(
        ids,
        [
            ("o", "oauth2"),
            ("o_2", "oauth2"),
            ("q", "api_key"),
            ("c", "api_key"),
            ("basic", "basic"),
            ("a_b", "api_key")
        ]
    );
    assert_eq!(ways[0]["authorize_url"], "https://api.acme.example/agree");
    assert_eq!((&ways[0]["scopes"], &ways[1]["grant"]), (&json!(["read"]), &json!("client_credentials")));
    assert_eq!((&ways[2]["query"], &ways[3]["prefix"]), (&json!("key"), &json!("sid=")));
    assert_eq!(ways[5]["more_headers"], json!({"X-A": "{{ auth.a }}"}));
    assert_eq!(ways[5]["more_query"], json!({"b": "{{ auth.b }}"}));
    let left_out: Vec<_> = imported.notes.iter().map(|note| note.pointer.as_str()).collect();
    assert_eq!(
        left_out[..2],
        ["/components/securitySchemes/o/flows/password", "/components/securitySchemes/odd"]
    );
}

#[test]
fn names_fit_and_differ() {
    let mut with = document("3.1.0", json!({"operationId": "do It"}));
    with["paths"]["/do-it"] = json!({"get": {"operationId": "do_it"}, "delete": {}, "put": {"operationId": "2fa", "summary": "Second"}});
    let manifest = imported(&with).manifest;
    let names: Vec<_> = manifest["actions"].as_object().unwrap().keys().collect();
    assert_eq!(names, ["do_it", "do_it_2", "op_2fa", "delete_do_it"]);
    assert_eq!(manifest["actions"]["op_2fa"]["title"], "Second");
    assert_eq!(manifest["actions"]["delete_do_it"]["title"], "DELETE /do-it");
}

#[test]
fn refusals_are_read_where_the_document_says_how() {
    let error = json!({"type": "object", "properties": {"error": {"type": "object", "properties": {"code": {"type": "string"},
        "message": {"type": "string"}}}}});
    let operation = json!({"responses": {"200": {"description": "ok"}, "default": {"content": {"application/json": {"schema": error}}}}});
    let manifest = imported(&document("3.1.0", operation)).manifest;
    assert_eq!(
        manifest["errors"][0],
        json!({"when": "{{ response.status = 401 }}", "message": "{{ response.body.error.message }}",
        "code": "{{ response.body.error.code }}", "reconnect": true})
    );
    // What every other status gives is no success.
    assert_eq!(manifest["actions"]["post_things_id"].get("output"), None);
}
