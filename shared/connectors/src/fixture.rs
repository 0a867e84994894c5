//! Examples out of the vendors' documentation, by which a connector is checked: what it would send, and what it makes of the answer.

use crate::completes::{Asks, Progress};
use crate::{Access, Answered, Call, Manifest, Response, basic};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use url::Url;

/// When examples take place.
const NOW: i64 = 1_767_225_600_000;

/// Replays an example; gives what is not as it says.
///
/// `{"action", "source", "auth"?, "credentials"?, "connection"?, "input", "calls": [{"request", "response"}], "output" | "error"}`. With
/// `started`, which is what the action gave, it is of how that goes on: `asks`, `cancels`?, and `status` with what follows from it, which is
/// nothing where there is neither `output` nor `error`.
pub fn replay(manifest: &Arc<Manifest>, fixture: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    if !fixture["source"].as_str().is_some_and(|source| source.starts_with("https://")) {
        wrong.push("it does not say where it is documented: `source`".to_owned());
    }
    if fixture.get("started").is_some() {
        goes_on(manifest, fixture, &mut wrong);
        return wrong;
    }
    let mut credentials = fixture["credentials"].as_object().cloned().unwrap_or_default();
    if let (Some(name), Some(password)) = (text(&credentials, "username"), text(&credentials, "password")) {
        credentials.insert("basic".into(), basic(&name, &password).into());
    }
    let access = Access {
        auth: fixture["auth"].as_str().map(str::to_owned),
        credentials,
        fields: fixture.get("connection").cloned().unwrap_or_else(|| json!({})),
    };
    let action = fixture["action"].as_str().unwrap_or_default();
    let begun = Call::begin(manifest.clone(), action, fixture["input"].clone(), &access, NOW);
    let mut call = match begun {
        Ok(call) => call,
        Err(error) => {
            compare_error(fixture, &error, &mut wrong);
            return wrong;
        }
    };
    for (i, pair) in fixture["calls"].as_array().into_iter().flatten().enumerate() {
        match call.request() {
            Ok(request) => compare_request(i, &request, &pair["request"], &mut wrong),
            Err(error) => {
                compare_error(fixture, &error, &mut wrong);
                return wrong;
            }
        }
        let answer = &pair["response"];
        let response = Response {
            status: answer["status"].as_u64().unwrap_or(200) as u16,
            headers: answer.get("headers").cloned().unwrap_or_else(|| json!({})),
            body: answer["body"].clone(),
        };
        match call.answered(&response) {
            Ok(Answered::More) => {}
            Ok(Answered::Output(output)) => {
                if i + 1 < fixture["calls"].as_array().map_or(0, Vec::len) {
                    wrong.push(format!("it is content after {} requests", i + 1));
                } else if fixture["error"].is_object() {
                    wrong.push("it takes the answer for a success".to_owned());
                } else if output != fixture["output"] {
                    wrong.push(format!("it gives {output}, not {}", fixture["output"]));
                }
                return wrong;
            }
            Err(error) => {
                compare_error(fixture, &error, &mut wrong);
                return wrong;
            }
        }
    }
    wrong.push("it asks for more than there is here".to_owned());
    wrong
}

/// How it is told that what an action started is over.
fn goes_on(manifest: &Manifest, fixture: &Value, wrong: &mut Vec<String>) {
    let action = manifest.actions.get(fixture["action"].as_str().unwrap_or_default());
    let Some(completes) = action.and_then(|action| action.completes.as_ref()) else {
        wrong.push("it is over with its answer".to_owned());
        return;
    };
    let (input, started) = (&fixture["input"], &fixture["started"]);
    let mut compare = |of: Option<&Asks>, wanted: &str| {
        let Some(expected) = fixture.get(wanted) else { return };
        let asked = of.map(|of| of.question(input, started, NOW));
        match asked {
            Some(Ok(asked)) if asked == *expected => {}
            other => wrong.push(format!("`{wanted}` is {other:?}, not {expected}")),
        }
    };
    compare(Some(&completes.asks), "asks");
    compare(completes.cancel.as_ref(), "cancels");
    match completes.progress(&manifest.title, fixture["status"].clone(), started, NOW) {
        Ok(Progress::GoesOn) if fixture.get("output").is_none() && fixture.get("error").is_none() => {}
        Ok(Progress::Done(output)) if fixture.get("output") == Some(&output) => {}
        Ok(Progress::Failed(error)) | Err(error) => compare_error(fixture, &error, wrong),
        Ok(other) => wrong.push(format!("it comes to {other:?}")),
    }
}

fn compare_error(fixture: &Value, error: &domain::run::StepError, wrong: &mut Vec<String>) {
    let expected = &fixture["error"];
    if !expected.is_object() {
        wrong.push(format!("it fails: {}: {}", error.code, error.message));
        return;
    }
    let got = json!({"code": error.code, "retryable": error.retryable, "retry_after_ms": error.retry_after_ms,
        "app_code": error.details.as_ref().map(|details| details["app_code"].clone()), "message": error.message});
    for (name, value) in expected.as_object().into_iter().flatten() {
        if &got[name] != value {
            wrong.push(format!("the error's `{name}` is {}, not {value}", got[name]));
        }
    }
}

fn compare_request(i: usize, made: &Value, wanted: &Value, wrong: &mut Vec<String>) {
    let mut differ = |what: &str, made: &Value, wanted: &Value| {
        if made != wanted {
            wrong.push(format!("request {}: {what} is {made}, not {wanted}", i + 1));
        }
    };
    differ("`method`", &made["method"], &wanted["method"]);
    let (made_url, made_query) = address(made);
    let (wanted_url, wanted_query) = address(wanted);
    differ("`url`", &made_url.into(), &wanted_url.into());
    differ("the query", &json!(made_query), &json!(wanted_query));
    for (name, value) in wanted["headers"].as_object().into_iter().flatten() {
        let found = made["headers"].as_object().into_iter().flatten();
        let mut found = found.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value);
        differ(&format!("the header `{name}`"), &found.next_back().cloned().unwrap_or_default(), value);
    }
    if wanted["multipart"].is_object() {
        differ("the form with files", &made["multipart"], &wanted["multipart"]);
    } else if wanted["form"].is_object() {
        let form = |of: &Value| -> Map<String, Value> {
            let fields = of["form"].as_object().into_iter().flatten();
            fields.map(|(name, value)| (name.clone(), shown(value).into())).collect()
        };
        differ("the form", &Value::Object(form(made)), &Value::Object(form(wanted)));
    } else {
        let body = match &made["body"] {
            Value::String(text) if !wanted["body"].is_string() => {
                serde_json::from_str(text).unwrap_or_else(|_| text.clone().into())
            }
            body => body.clone(),
        };
        differ("the body", &body, &wanted["body"]);
    }
}

/// The address without its query, and the query's names and texts, sorted.
fn address(request: &Value) -> (String, Vec<(String, String)>) {
    let written = request["url"].as_str().unwrap_or_default();
    let Ok(mut url) = Url::parse(written) else { return (written.to_owned(), Vec::new()) };
    let mut query: Vec<_> = url.query_pairs().map(|(n, v)| (n.into_owned(), v.into_owned())).collect();
    url.set_query(None);
    for (name, value) in request["query"].as_object().into_iter().flatten() {
        match value {
            Value::Array(items) => query.extend(items.iter().map(|item| (name.clone(), shown(item)))),
            Value::Null => {}
            value => query.push((name.clone(), shown(value))),
        }
    }
    query.sort();
    (url.into(), query)
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn text(of: &Map<String, Value>, name: &str) -> Option<String> {
    of.get(name).and_then(Value::as_str).map(str::to_owned)
}
