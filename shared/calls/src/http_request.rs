//! The built-in action `http.request`.

use crate::attached::{self, Attached};
use crate::multipart::{self, Multipart};
use crate::secrets::Secrets;
use bytes::Bytes;
use domain::run::{FileRef, StepError, filename};
use domain::secrecy::{REDACTED, is_secret_header};
use domain::{Millis, limits};
use egress::{EgressError, HttpRequest, HttpResponse, Spooled};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
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
    /// What is sent behind the request's own body: to be fetched, where it is a file.
    pub attached: Vec<Attached>,
    /// How the answer is read.
    pub reading: Reading,
}

/// How an answer is read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reading {
    /// Any status is a success: the workflow looks at it itself.
    pub any_status: bool,
    /// The body is kept as a file, whatever it is.
    pub as_file: bool,
}

/// A body that is kept as a file.
#[derive(Debug)]
pub enum Whole {
    File(Spooled),
    Bytes(Bytes),
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
    let mut attached = Vec::new();
    if let Some((body, content_type)) = body(input)? {
        // Where its parts end is ours to say.
        if input.get("multipart").is_some_and(|form| !form.is_null()) {
            request.headers.remove(CONTENT_TYPE);
        }
        if !request.headers.contains_key(CONTENT_TYPE) {
            request = request.header("content-type", &content_type).map_err(|e| egress_error(&e))?;
        }
        attached = body;
        attached::check(&attached)?;
        // What is no file is what it always was: a body in memory.
        if let [Attached::Bytes(bytes)] = attached.as_slice() {
            request.body = bytes.clone();
            attached.clear();
        }
    }
    if let Some((name, key)) = key
        && !request.headers.contains_key(name)
    {
        request = request.header(name, key).map_err(|e| egress_error(&e))?;
    }
    let reading = Reading {
        any_status: flag(input, "accept_any_status").unwrap_or(false),
        as_file: flag(input, "as_file").unwrap_or(false),
    };
    Ok(Prepared { request, attached, reading })
}

/// Keeps secrets where they are sent to: a header that has one does not follow a redirect to another origin, and where address or body
/// have one, no redirect is followed.
pub fn guard(prepared: &mut Prepared, secrets: &Secrets) {
    let Prepared { request, attached, .. } = prepared;
    if secrets.is_empty() {
        return;
    }
    for value in request.headers.values_mut() {
        if secrets.are_in(value.as_bytes()) {
            value.set_sensitive(true);
        }
    }
    let attached =
        attached.iter().any(|piece| matches!(piece, Attached::Bytes(bytes) if secrets.are_in(bytes)));
    if attached || secrets.are_in(request.url.as_bytes()) || secrets.are_in(&request.body) {
        request.follow_redirects = false;
    }
}

/// Decides about a body that is in a file: what expressions can read is taken into memory, as is the beginning of an error's;
/// all else stays a file, which is given with its media type. So is any body of a success that is to be a file.
pub fn take_file(
    response: &mut HttpResponse,
    reading: Reading,
    secrets: &Secrets,
) -> std::io::Result<Option<(Whole, String)>> {
    let Reading { any_status, as_file } = reading;
    let as_file = as_file && response.status.as_u16() < 400;
    let Some(file) = response.file.take() else {
        let media = media_or_any(response);
        // Secrets can be taken out of values, not out of files.
        let as_file = as_file && !secrets.are_in(&response.body);
        return Ok(as_file.then(|| (Whole::Bytes(std::mem::take(&mut response.body)), media)));
    };
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
    if file.bytes <= limits::MAX_OUTPUT_BYTES as u64 && !(as_file && secrets.is_empty()) {
        let body = read(file.bytes)?;
        if std::str::from_utf8(&body).is_ok() && (!as_file || secrets.are_in(&body)) {
            response.body = body;
            return Ok(None);
        }
    }
    secrets.mask_file(&file.file, file.bytes)?;
    Ok(Some((Whole::File(file), media_or_any(response))))
}

fn media_or_any(response: &HttpResponse) -> String {
    let media = media_type(response);
    if media.is_empty() { "application/octet-stream".to_owned() } else { media }
}

/// What a body that is kept as a file is called: by the other side, or by the last part of the address where no secret can be in that.
pub fn name_of(response: &HttpResponse, secrets: &Secrets) -> Option<String> {
    let told = response.headers.get(CONTENT_DISPOSITION).and_then(|value| value.to_str().ok());
    let told = told.and_then(|told| {
        let parameter = |name: &str| {
            told.split(';').skip(1).find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('='))
        };
        let encoded = parameter("filename*").and_then(|value| value.rsplit('\'').next());
        let encoded = encoded.map(|value| percent_decoded(value.trim()));
        encoded.or_else(|| parameter("filename").map(|value| value.trim().trim_matches('"').to_owned()))
    });
    let told = told.filter(|told| !secrets.are_in(told.as_bytes()));
    told.as_deref().and_then(filename).or_else(|| {
        if !secrets.is_empty() {
            return None;
        }
        let url = Url::parse(&response.url).ok()?;
        filename(&percent_decoded(url.path_segments()?.next_back()?))
    })
}

/// `%20` and the like, as UTF-8.
fn percent_decoded(text: &str) -> String {
    // As a form's value it would have `+` for spaces.
    let pair = format!("x={}", text.replace('+', "%2B").replace('&', "%26"));
    let found = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned());
    found.unwrap_or_default()
}

/// What the sending came to: the step's output, or why it failed. Secrets are taken out of it before anything of it is cut.
pub fn outcome(
    sent: Result<HttpResponse, EgressError>,
    any_status: bool,
    now: Millis,
    secrets: &Secrets,
) -> Result<Value, StepError> {
    let mut response = sent.map_err(|e| secrets.hide_error(egress_error(&e)))?;
    let status = response.status;
    let retry_after_ms = retry_after(&response.headers, now);
    let mut output = Map::new();
    output.insert("status".to_owned(), status.as_u16().into());
    output.insert("headers".to_owned(), headers(&response.headers));
    // In base64 it could not be found any more.
    if std::str::from_utf8(&response.body).is_err() && secrets.are_in(&response.body) {
        let mut body = response.body.to_vec();
        secrets.mask(&mut body);
        response.body = body.into();
    }
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

fn body(input: &Value) -> Result<Option<(Vec<Attached>, String)>, StepError> {
    if let Some(form) = object(input, "multipart")? {
        let Multipart { content_type, body } = multipart::write(form)?;
        return Ok(Some((body, content_type)));
    }
    if let Some(file) = input.get("body").and_then(FileRef::read) {
        let file = file.map_err(|why| invalid(format!("`body`: {why}")))?;
        let media = file.media.clone();
        return Ok(Some((vec![Attached::File(Box::new(file))], media)));
    }
    let text = text_body(input)?;
    Ok(text.map(|(bytes, media)| (vec![Attached::Bytes(bytes)], media.to_owned())))
}

fn text_body(input: &Value) -> Result<Option<(Bytes, &'static str)>, StepError> {
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
    fn a_file_is_sent_as_a_body_or_as_a_part() {
        let file = json!({"$file": {"run": domain::RunId::from_bytes([2; 16]).as_str(), "name": "32-00000000000000000000000000",
            "bytes": 7, "type": "text/csv", "sha256": "0a".repeat(32)}});
        let Prepared { request, attached, .. } =
            prepared(json!({"method": "PUT", "url": "https://example.com", "body": file}));
        assert_eq!(request.headers["content-type"], "text/csv");
        assert!(request.body.is_empty() && matches!(attached.as_slice(), [Attached::File(_)]));
        let Prepared { request, attached, .. } =
            prepared(json!({"method": "POST", "url": "https://example.com",
            "headers": {"content-type": "multipart/form-data"}, "multipart": {"a": "x", "f": file}}));
        assert!(
            request.headers["content-type"].to_str().unwrap().starts_with("multipart/form-data; boundary=")
        );
        assert!(matches!(attached.as_slice(), [Attached::Bytes(_), Attached::File(_), Attached::Bytes(_)]));
        // A form without files is in memory as any other body.
        let Prepared { request, attached, .. } =
            prepared(json!({"method": "POST", "url": "https://example.com", "multipart": {"a": "x"}}));
        assert!(attached.is_empty() && !request.body.is_empty());

        let refused = |body: Value| {
            let input = json!({"url": "https://example.com", "body": body});
            prepare(&input, None, Duration::from_secs(5)).unwrap_err().code
        };
        let mut large = file.clone();
        large["$file"]["bytes"] = json!(limits::MAX_FILE_BYTES + 1);
        assert_eq!(refused(large), "file_too_large");
        let mut forged = file;
        forged["$file"]["name"] = json!("../other");
        assert_eq!(refused(forged), "invalid_input");
    }

    #[test]
    fn an_answer_is_kept_as_a_file_where_that_is_asked_for() {
        let reading = Reading { as_file: true, any_status: true };
        let mut small = response(200, "text/csv; charset=utf-8", "a,b");
        let kept = take_file(&mut small, reading, &Secrets::default()).unwrap();
        assert!(
            matches!(kept, Some((Whole::Bytes(bytes), media)) if &bytes[..] == b"a,b" && media == "text/csv")
        );
        // What repeats a secret can be cleaned only as a value.
        let mut secrets = Secrets::default();
        secrets.add("key", "0123", vault::Secret::new("s3cr/t value".to_owned()));
        let mut echo = response(200, "text/csv", "a,s3cr/t value");
        assert!(take_file(&mut echo, reading, &secrets).unwrap().is_none());
        assert_eq!(&echo.body[..], b"a,s3cr/t value");
        let mut plain = response(200, "text/csv", "a,b");
        assert!(take_file(&mut plain, reading, &secrets).unwrap().is_some());
        // A refusal is looked at, not kept.
        let mut refused = response(404, "text/plain", "no");
        assert!(take_file(&mut refused, reading, &Secrets::default()).unwrap().is_none());
        assert_eq!(&refused.body[..], b"no");
    }

    #[test]
    fn files_are_called_what_the_other_side_calls_them() {
        let named = |disposition: &str, url: &str| {
            let mut response = response(200, "text/plain", "");
            if !disposition.is_empty() {
                response.headers.insert(CONTENT_DISPOSITION, disposition.parse().unwrap());
            }
            response.url = url.to_owned();
            name_of(&response, &Secrets::default())
        };
        assert_eq!(named("attachment; filename=\"a b.csv\"", "").as_deref(), Some("a b.csv"));
        assert_eq!(
            named("attachment; filename=x; filename*=UTF-8''%c3%a4+.csv", "").as_deref(),
            Some("ä+.csv")
        );
        assert_eq!(named("attachment; filename=../../x", "").as_deref(), Some("x"));
        assert_eq!(
            named("", "https://example.com/a/rates%202026.csv?x=1").as_deref(),
            Some("rates 2026.csv")
        );
        assert_eq!(named("", "https://example.com/"), None);
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
        assert!(take_file(&mut spooled, Reading::default(), &secrets).unwrap().is_none());
        assert!(!String::from_utf8_lossy(&spooled.body).contains("canary"));
        assert!(spooled.body.len() > 3 * EXCERPT);
    }
}
