//! What holds for all operations, so that no handler has to say it: ids, the refusals that may come from around a handler, the
//! headers of answers, and examples.

use super::example;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// A refusal that many operations share.
type Refusal = (u16, &'static str, &'static str);

const OF_TOKENS: [Refusal; 4] = [
    (
        401,
        "token_missing",
        "no token, or none that counts (`token_invalid`, `token_expired`, `api_key_invalid`, `api_key_expired`)",
    ),
    (403, "permission_denied", "the role or the API key's scopes do not have the permission"),
    (429, "rate_limited", "too many requests in this minute"),
    (503, "unavailable", "it may pass; send the request again"),
];
const OF_BODIES: [Refusal; 4] = [
    (400, "body_malformed", "the body is not JSON"),
    (413, "body_too_large", "the body is larger than 1 MB"),
    (415, "content_type_unsupported", "the body is not said to be JSON"),
    (422, "invalid_body", "a field that the body must or must not have"),
];
const OF_QUERIES: [Refusal; 1] =
    [(422, "invalid_query", "a parameter that there is not, or of a wrong kind")];
const OF_REPEATS: [Refusal; 3] = [
    (409, "idempotency_in_progress", "the first request with this `idempotency-key` is being carried out"),
    (409, "answer_shown_once", "the answer held a secret, and was given before"),
    (422, "idempotency_key_reused", "another request had this `idempotency-key`"),
];

/// Answered without asking a table or the keyring.
const ASKS_NOTHING: [&str; 3] = ["/v1/health", "/v1/openapi.json", "/v1/schema/workflow.json"];

pub(super) fn complete(document: &mut Value) {
    let followers = followers(&document["paths"]);
    let components = document["components"].clone();
    let paths = document["paths"].as_object_mut().into_iter().flatten();
    for (path, item) in paths {
        for (method, operation) in item.as_object_mut().into_iter().flatten() {
            complete_operation(path, method, operation, &components);
            add_links(path, method, operation, &followers);
        }
    }
}

fn complete_operation(path: &str, method: &str, operation: &mut Value, components: &Value) {
    operation["operationId"] = operation_id(method, path).into();
    let secured = operation["security"].as_array().is_some_and(|security| !security.is_empty());
    complete_parameters(path, method, secured, operation);

    let has_query = operation["parameters"].as_array().into_iter().flatten().any(|p| p["in"] == "query");
    let mut refusals: Vec<Refusal> = Vec::new();
    if secured {
        refusals.extend(OF_TOKENS);
    } else if !ASKS_NOTHING.contains(&path) {
        refusals.extend(OF_TOKENS.iter().filter(|(status, ..)| *status == 503));
    }
    if operation.get("requestBody").is_some() {
        refusals.extend(OF_BODIES);
    }
    if has_query {
        refusals.extend(OF_QUERIES);
    }
    if secured && method == "post" {
        refusals.extend(OF_REPEATS);
        // The layer of repeats reads the body before the handler does.
        refusals.push(OF_BODIES[1]);
    }
    let responses = operation["responses"].as_object_mut();
    if let Some(responses) = responses {
        add_refusals(responses, &refusals);
        for (status, response) in responses.iter_mut() {
            complete_response(status, response, secured, components);
        }
    }
    complete_request(path, operation, components);
}

/// By the beginning of a path, the operations on one thing of it, and whether they name more than the thing.
type Followers = BTreeMap<String, Vec<(String, bool)>>;

fn followers(paths: &Value) -> Followers {
    let mut all = Followers::new();
    for (path, item) in paths.as_object().into_iter().flatten() {
        let Some((collection, rest)) = path.split_once("/{id}") else { continue };
        for method in item.as_object().into_iter().flat_map(Map::keys) {
            let follower = (operation_id(method, path), rest.contains('{'));
            all.entry(collection.to_owned()).or_default().push(follower);
        }
    }
    all
}

/// What was made here is what is named there (OpenAPI's links): a program that explores the API finds its way.
fn add_links(path: &str, method: &str, operation: &mut Value, followers: &Followers) {
    let collection = match path {
        "/v1/workflows/{id}/runs" | "/v1/runs/{id}/redrive" | "/v1/runs/{id}/replay" => "/v1/runs",
        _ => path,
    };
    let Some(followers) = followers.get(collection).filter(|_| method == "post") else { return };
    for status in ["201", "202"] {
        let Some(response) = operation["responses"].get_mut(status) else { continue };
        let links = followers.iter().filter(|(_, more)| !more).map(|(id, _)| {
            let link = json!({"operationId": id, "parameters": {"id": "$response.body#/id"}});
            (id.clone(), link)
        });
        response["links"] = links.collect::<Map<_, _>>().into();
    }
}

fn operation_id(method: &str, path: &str) -> String {
    let parts = path.trim_start_matches("/v1/").split(['/', '-', '.']);
    let parts: Vec<&str> = parts.map(|part| part.trim_matches(['{', '}'])).collect();
    format!("{method}_{}", parts.join("_"))
}

/// Ids have their form, and every `POST` takes an idempotency key.
fn complete_parameters(path: &str, method: &str, secured: bool, operation: &mut Value) {
    let mut parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
    for parameter in &mut parameters {
        let (name, place) = (parameter["name"].clone(), parameter["in"].clone());
        if place == "path"
            && name == "id"
            && let Some(prefix) = id_prefix(path)
        {
            parameter["schema"] =
                json!({"type": "string", "pattern": format!("^{prefix}_[0-9a-hjkmnp-tv-z]{{26}}$")});
            parameter["example"] = format!("{prefix}_7zq2m4w8k1x5c9v3b6n0p2r4t8").into();
        }
        if place == "query" && name == "limit" {
            parameter["schema"] = json!({"type": "integer", "minimum": 1, "maximum": 100, "default": 50});
        }
        if place == "header" && name == "if-match" {
            parameter["description"] = "Changes that state only: an `etag`, or `*`.".into();
            parameter["schema"] = json!({"type": "string", "pattern": "^[!-~ ]+$"});
        }
    }
    if secured && method == "post" {
        parameters.retain(|parameter| parameter["name"] != "idempotency-key");
        parameters.push(json!({
            "name": "idempotency-key", "in": "header", "required": false, "example": "order-4711",
            "description": "The same request with the same key is carried out once, and answered alike for 24 hours.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
        }));
    }
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
}

fn id_prefix(path: &str) -> Option<&'static str> {
    let prefixes = [
        ("/v1/workflows/", "wf"),
        ("/v1/runs/", "run"),
        ("/v1/members/", "usr"),
        ("/v1/invitations/", "inv"),
        ("/v1/service-accounts/", "sa"),
        ("/v1/api-keys/", "key"),
        ("/v1/auth/sessions/", "ses"),
    ];
    prefixes.iter().find(|(start, _)| path.starts_with(start)).map(|(_, prefix)| *prefix)
}

fn add_refusals(responses: &mut Map<String, Value>, refusals: &[Refusal]) {
    let mut by_status: BTreeMap<u16, Vec<&Refusal>> = BTreeMap::new();
    for refusal in refusals {
        by_status.entry(refusal.0).or_default().push(refusal);
    }
    for (status, refusals) in by_status {
        let response = responses.entry(status.to_string()).or_insert_with(|| json!({"description": ""}));
        let mut text = response["description"].as_str().unwrap_or_default().to_owned();
        for (_, code, means) in refusals {
            if !text.contains(code) {
                text = format!("{text}{}`{code}`: {means}", if text.is_empty() { "" } else { "; " });
            }
        }
        response["description"] = text.into();
    }
}

fn complete_response(status: &str, response: &mut Value, secured: bool, components: &Value) {
    let mut headers = response["headers"].as_object().cloned().unwrap_or_default();
    headers.insert(
        "x-request-id".to_owned(),
        header("string", "The request's id, as the log and the ledger name it."),
    );
    if secured && status != "401" {
        headers.insert("ratelimit-limit".to_owned(), header("integer", "Requests a minute."));
        headers
            .insert("ratelimit-remaining".to_owned(), header("integer", "How many are left in this minute."));
        headers.insert("ratelimit-reset".to_owned(), header("integer", "Seconds until the minute is over."));
    }
    response["headers"] = headers.into();
    let number: u16 = status.parse().unwrap_or_default();
    if number >= 400 {
        let schema = json!({"$ref": "#/components/schemas/Problem"});
        let text = response["description"].as_str().unwrap_or_default();
        let problem = example::problem(number, text);
        response["content"] = json!({"application/problem+json": {"schema": schema, "example": problem}});
        return;
    }
    let contents = response.get_mut("content").and_then(Value::as_object_mut);
    for content in contents.into_iter().flat_map(Map::values_mut) {
        if content.get("example").is_none() && content.get("examples").is_none() {
            content["example"] = example::of(&content["schema"], components, "");
        }
    }
}

/// A header that an answer may have; none is promised, since API Gateway itself answers, too.
fn header(kind: &str, text: &str) -> Value {
    json!({"description": text, "schema": {"type": kind}})
}

fn complete_request(path: &str, operation: &mut Value, components: &Value) {
    let body = operation.get_mut("requestBody").and_then(|body| body.get_mut("content"));
    let contents = body.and_then(Value::as_object_mut);
    for content in contents.into_iter().flat_map(Map::values_mut) {
        if path == "/v1/workflows/validate" {
            content["schema"] =
                json!({"description": "Whatever it is: the answer tells what is wrong with it."});
        }
        let example = match path {
            "/v1/workflows" | "/v1/workflows/validate" | "/v1/workflows/{id}" => example::definition(),
            _ => example::of(&content["schema"], components, ""),
        };
        content["example"] = example;
    }
}
