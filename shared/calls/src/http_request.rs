//! The built-in action `http.request`.

use crate::secrets::Secrets;
use bytes::Bytes;
use domain::run::StepError;
use domain::secrecy::{REDACTED, is_secret_header};
use domain::{Millis, limits};
use egress::{EgressError, HttpRequest, HttpResponse, Spooled};
use http::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use http::{Method, StatusCode};
use serde_json::{Map, Value, json};
use std::os::unix::fs::FileExt;
use std::time::Duration;
use url::Url;

/// How much of an error's answer is kept in the history.
const EXCERPT: usize = 2000;

/// By what the other side of an `http.request` knows a repeat (draft-ietf-httpapi-idempotency-key-header).
pub const KEY_HEADER: &str = "idempotency-key";

/// A request that is ready to be sent.
#[derive(Debug)]
pub struct Prepared {
    pub request: HttpRequest,
    /// Any status is a success: the workflow looks at it itself.
    pub any_status: bool,
}

/// Whether a repeat of the method has no further effect (RFC 9110, section 9.2.2).
pub fn is_idempotent(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE)
}

/// Makes a request of a step's evaluated input. `key`, a header's name and value, tells the other side of repeats; it is sent unless the
/// input has that header.
pub fn prepare(input: &Value, key: Option<(&str, &str)>, timeout: Duration) -> Result<Prepared, StepError> {
    let method = match input.get("method") {
        None | Some(Value::Null) => Method::GET,
        Some(Value::String(m)) => Method::from_bytes(m.to_ascii_uppercase().as_bytes())
            .map_err(|_| invalid(format!("`{m}` is not an HTTP method")))?,
        Some(other) => return Err(invalid(format!("`method` gave {other}, not a text"))),
    };
    let url = match input.get("url") {
        Some(Value::String(url)) => with_query(url, object(input, "query")?)?,
        other => return Err(invalid(format!("`url` gave {}, not a text", other.unwrap_or(&Value::Null)))),
    };
    let mut request = HttpRequest::new(method, url);
    request.timeout = timeout;
    request.max_response_bytes = limits::MAX_FILE_BYTES;
    request.max_bytes_in_memory = limits::MAX_INLINE_BYTES;
    request.follow_redirects = flag(input, "follow_redirects").unwrap_or(true);
    for (name, value) in object(input, "headers")?.into_iter().flatten() {
        let Some(value) = scalar(value) else { continue };
        let added = if is_secret_header(name) {
            request.secret_header(name, &value)
        } else {
            request.header(name, &value)
        };
        request = added.map_err(|e| egress_error(&e))?;
    }
    if let Some((body, content_type)) = body(input)? {
        if !request.headers.contains_key(CONTENT_TYPE) {
            request = request.header("content-type", content_type).map_err(|e| egress_error(&e))?;
        }
        request.body = body;
    }
    if let Some((name, key)) = key
        && !request.headers.contains_key(name)
    {
        request = request.header(name, key).map_err(|e| egress_error(&e))?;
    }
    Ok(Prepared { request, any_status: flag(input, "accept_any_status").unwrap_or(false) })
}

/// Keeps secrets where they are sent to: a header that has one does not follow a redirect to another origin, and where address or body
/// have one, no redirect is followed.
pub fn guard(request: &mut HttpRequest, secrets: &Secrets) {
    if secrets.is_empty() {
        return;
    }
    for value in request.headers.values_mut() {
        if secrets.are_in(value.as_bytes()) {
            value.set_sensitive(true);
        }
    }
    if secrets.are_in(request.url.as_bytes()) || secrets.are_in(&request.body) {
        request.follow_redirects = false;
    }
}

/// Decides about a body that is in a file: what expressions can read is taken into memory, as is the beginning of an error's;
/// all else stays a file, which is given with its media type.
pub fn take_file(
    response: &mut HttpResponse,
    any_status: bool,
    secrets: &Secrets,
) -> std::io::Result<Option<(Spooled, String)>> {
    let Some(file) = response.file.take() else { return Ok(None) };
    let read = |bytes: u64| {
        let mut body = vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)];
        file.file.read_exact_at(&mut body, 0).map(|()| Bytes::from(body))
    };
    if !any_status && response.status.as_u16() >= 400 {
        let mut text = read(file.bytes.min(4 * EXCERPT as u64))?;
        if (text.len() as u64) < file.bytes {
            // A secret that the cut went through could not be told from other text.
            text.truncate(text.len().saturating_sub(secrets.longest()));
        }
        response.body = String::from_utf8_lossy(&text).into_owned().into();
        return Ok(None);
    }
    if file.bytes <= limits::MAX_OUTPUT_BYTES as u64 {
        let body = read(file.bytes)?;
        if std::str::from_utf8(&body).is_ok() {
            response.body = body;
            return Ok(None);
        }
    }
    let media = media_type(response);
    Ok(Some((file, if media.is_empty() { "application/octet-stream".to_owned() } else { media })))
}

/// What the sending came to: the step's output, or why it failed. Secrets are taken out of it before anything of it is cut.
pub fn outcome(
    sent: Result<HttpResponse, EgressError>,
    any_status: bool,
    now: Millis,
    secrets: &Secrets,
) -> Result<Value, StepError> {
    let response = sent.map_err(|e| secrets.hide_error(egress_error(&e)))?;
    let status = response.status;
    let retry_after_ms = retry_after(&response.headers, now);
    let mut output = Map::new();
    output.insert("status".to_owned(), status.as_u16().into());
    output.insert("headers".to_owned(), headers(&response.headers));
    output.insert("body".to_owned(), read_body(&response));
    let mut output = Value::Object(output);
    secrets.hide(&mut output);
    if any_status || status.as_u16() < 400 {
        return Ok(output);
    }
    let message = format!("the other side answered {}", reason(status));
    let error = if is_passing(status) {
        StepError { retry_after_ms, ..StepError::passing("http_status", message) }
    } else {
        StepError::fatal("http_status", message)
    };
    Err(error.with_details(json!({"status": status.as_u16(), "body": excerpt(&output["body"])})))
}

/// An error with no more of an answer in it than the history keeps.
pub fn shortened(mut error: StepError) -> StepError {
    if let Some(body) = error.details.as_mut().and_then(|details| details.get_mut("body")) {
        *body = excerpt(body);
    }
    error.message = error.message.chars().take(EXCERPT).collect();
    error
}

/// The input as a run's history shows it.
pub fn redacted(mut input: Value) -> Value {
    if let Some(headers) = input.get_mut("headers").and_then(Value::as_object_mut) {
        for (_, value) in headers.iter_mut().filter(|(name, _)| is_secret_header(name)) {
            *value = REDACTED.into();
        }
    }
    input
}

fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500 | 502 | 503 | 504)
}

fn reason(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

fn egress_error(error: &EgressError) -> StepError {
    let message = error.to_string();
    if error.retryable() {
        StepError::passing(error.code(), message)
    } else {
        StepError::fatal(error.code(), message)
    }
}

fn invalid(message: String) -> StepError {
    StepError::fatal("invalid_input", message)
}

fn flag(input: &Value, name: &str) -> Option<bool> {
    input.get(name).and_then(Value::as_bool)
}

fn object<'a>(input: &'a Value, name: &str) -> Result<Option<&'a Map<String, Value>>, StepError> {
    match input.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(o)) => Ok(Some(o)),
        Some(other) => Err(invalid(format!("`{name}` gave {other}, not an object"))),
    }
}

/// A text, number or truth value as text; nothing for null.
fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

fn with_query(url: &str, query: Option<&Map<String, Value>>) -> Result<String, StepError> {
    let Some(query) = query.filter(|q| !q.is_empty()) else { return Ok(url.to_owned()) };
    let mut parsed = Url::parse(url).map_err(|e| invalid(format!("`url` is not an address: {e}")))?;
    append_pairs(&mut parsed.query_pairs_mut(), query);
    Ok(parsed.into())
}

fn append_pairs<T: url::form_urlencoded::Target>(
    to: &mut url::form_urlencoded::Serializer<'_, T>,
    pairs: &Map<String, Value>,
) {
    for (name, value) in pairs {
        let values = match value {
            Value::Array(items) => items.iter().filter_map(scalar).collect(),
            one => scalar(one).into_iter().collect::<Vec<_>>(),
        };
        for value in values {
            to.append_pair(name, &value);
        }
    }
}

fn body(input: &Value) -> Result<Option<(Bytes, &'static str)>, StepError> {
    if let Some(form) = object(input, "form")? {
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        append_pairs(&mut pairs, form);
        return Ok(Some((Bytes::from(pairs.finish()), "application/x-www-form-urlencoded")));
    }
    Ok(match input.get("body") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) => Some((Bytes::from(text.clone()), "text/plain; charset=utf-8")),
        Some(json) => Some((Bytes::from(json.to_string()), "application/json")),
    })
}

fn headers(from: &HeaderMap) -> Value {
    let mut out = Map::new();
    for name in from.keys() {
        let values = from.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
        let shown = if is_secret_header(name.as_str()) {
            REDACTED.to_owned()
        } else {
            values.collect::<Vec<_>>().join(", ")
        };
        out.insert(name.as_str().to_owned(), shown.into());
    }
    Value::Object(out)
}

/// JSON where the other side says so and it is; else text; else, for bytes that are no text, base64.
fn read_body(response: &HttpResponse) -> Value {
    if response.body.is_empty() {
        return Value::Null;
    }
    let media = media_type(response);
    if (media == "application/json" || media.ends_with("+json"))
        && let Ok(value) = serde_json::from_slice(&response.body)
    {
        return value;
    }
    if let Ok(text) = std::str::from_utf8(&response.body) {
        text.into()
    } else {
        use base64::Engine;
        json!({"base64": base64::engine::general_purpose::STANDARD.encode(&response.body)})
    }
}

fn media_type(response: &HttpResponse) -> String {
    let content_type = response.headers.get(CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn excerpt(body: &Value) -> Value {
    let text = scalar(body).unwrap_or_default();
    if text.len() <= EXCERPT && !domain::nests_too_deep(body) {
        body.clone()
    } else {
        text.chars().take(EXCERPT).collect::<String>().into()
    }
}

/// `Retry-After` as seconds or as an HTTP date.
fn retry_after(headers: &HeaderMap, now: Millis) -> Option<u64> {
    wait_of(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// How many milliseconds a `Retry-After` asks to wait.
pub fn wait_of(text: &str, now: Millis) -> Option<u64> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(seconds.saturating_mul(1000));
    }
    let at = jiff::fmt::rfc2822::parse(text).ok()?.timestamp().as_millisecond();
    u64::try_from(at.saturating_sub(now.0)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, content_type: &str, body: &str) -> HttpResponse {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: Bytes::copy_from_slice(body.as_bytes()),
            url: String::new(),
            file: None,
            redirects: 0,
        }
    }

    fn prepared(input: Value) -> Prepared {
        prepare(&input, Some((KEY_HEADER, "pb_key")), Duration::from_secs(5)).unwrap()
    }

    #[test]
    fn a_json_body_a_query_and_the_key_are_sent() {
        let Prepared { request, .. } = prepared(json!({
            "method": "post", "url": "https://example.com/a?x=1", "query": {"q": "a b", "n": [1, 2], "none": null},
            "headers": {"X-N": 7}, "body": {"a": 1}
        }));
        assert_eq!(request.method, Method::POST);
        assert_eq!(request.url, "https://example.com/a?x=1&q=a+b&n=1&n=2");
        assert_eq!(request.headers["x-n"], "7");
        assert_eq!(request.headers["content-type"], "application/json");
        assert_eq!(request.headers["idempotency-key"], "pb_key");
        assert_eq!(&request.body[..], br#"{"a":1}"#);
    }

    #[test]
    fn a_key_of_the_users_own_stays() {
        let input = json!({"url": "https://example.com", "headers": {"Idempotency-Key": "mine"}});
        assert_eq!(prepared(input).request.headers["idempotency-key"], "mine");
    }

    #[test]
    fn secrets_do_not_get_into_the_history() {
        let shown =
            redacted(json!({"headers": {"Authorization": "Bearer x", "X-Auth-Token": "t", "Accept": "a"}}));
        assert_eq!(
            shown,
            json!({"headers": {"Authorization": "[redacted]", "X-Auth-Token": "[redacted]", "Accept": "a"}})
        );
    }

    #[test]
    fn a_status_says_whether_to_try_again() {
        let now = Millis(0);
        assert!(outcome(Ok(response(200, "text/plain", "ok")), false, now, &Secrets::default()).is_ok());
        assert!(
            !outcome(Ok(response(404, "text/plain", "no")), false, now, &Secrets::default())
                .unwrap_err()
                .retryable
        );
        assert!(outcome(Ok(response(404, "text/plain", "no")), true, now, &Secrets::default()).is_ok());
        let mut limited = response(429, "text/plain", "slow down");
        limited.headers.insert(RETRY_AFTER, "7".parse().unwrap());
        let error = outcome(Ok(limited), false, now, &Secrets::default()).unwrap_err();
        assert!(error.retryable);
        assert_eq!(error.retry_after_ms, Some(7000));
    }

    #[test]
    fn retry_after_may_be_a_date() {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, "Tue, 14 Nov 2023 22:13:30 GMT".parse().unwrap());
        assert_eq!(retry_after(&headers, Millis(1_700_000_000_000)), Some(10_000));
        headers.insert(RETRY_AFTER, "soon".parse().unwrap());
        assert_eq!(retry_after(&headers, Millis(0)), None);
    }

    #[test]
    fn bodies_are_read_as_what_they_are() {
        assert_eq!(
            read_body(&response(200, "application/json; charset=utf-8", "{\"a\":1}")),
            json!({"a": 1})
        );
        assert_eq!(read_body(&response(200, "application/json", "<html>")), json!("<html>"));
        assert_eq!(read_body(&response(200, "text/plain", "")), Value::Null);
        let mut binary = response(200, "image/png", "");
        binary.body = Bytes::from_static(&[0xff, 0xfe]);
        assert_eq!(read_body(&binary), json!({"base64": "//4="}));
    }

    #[test]
    fn a_secret_through_which_an_excerpt_is_cut_is_not_told_by_half() {
        let mut secrets = Secrets::default();
        let secret = "canary-secret-".repeat(20);
        secrets.add("key", "0123", vault::Secret::new(secret.clone()));
        let now = Millis(0);
        // It begins before the end of the excerpt, and ends behind it.
        let body = format!("{}{secret} and more", "x".repeat(EXCERPT - 40));
        let error = outcome(Ok(response(400, "text/plain", &body)), false, now, &secrets).unwrap_err();
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        let output = outcome(Ok(response(200, "text/plain", &body)), false, now, &secrets).unwrap();
        assert!(output["body"].as_str().is_some_and(|text| text.ends_with("[secret key] and more")));

        // The same of what is cut when it is read out of a file.
        let mut file = tempfile::tempfile().unwrap();
        let body = format!("{}{secret} and more", "x".repeat(4 * EXCERPT - 40));
        std::io::Write::write_all(&mut file, body.as_bytes()).unwrap();
        let mut spooled = response(400, "text/plain", "");
        spooled.file = Some(Spooled::of(file, body.len() as u64));
        assert!(take_file(&mut spooled, false, &secrets).unwrap().is_none());
        assert!(!String::from_utf8_lossy(&spooled.body).contains("canary"));
        assert!(spooled.body.len() > 3 * EXCERPT);
    }
}
