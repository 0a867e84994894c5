//! What a webhook request gives the workflow.

use domain::secrecy::{REDACTED, is_secret_header};
use domain::workflow::verify::{Place, Scheme, Token};
use domain::{Problem, limits};
use lambda_http::request::RequestContext;
use lambda_http::{Request, RequestExt};
use serde_json::{Map, Value, json};

/// A request that can start a run.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The scope's `trigger`: `body`, `headers`, `query`, `method`.
    pub(crate) trigger: Value,
    /// API Gateway's id of the request.
    pub(crate) request_id: String,
    /// How many runs led to the request, as an HTTP step of ours says; 0 from anybody else.
    pub(crate) depth: u16,
}

impl Incoming {
    pub(crate) fn read(request: &Request) -> Result<Self, Problem> {
        not_too_large(request)?;
        let bytes = request.body().as_ref();
        let content_type =
            request.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let body = read_body(bytes, content_type)?;
        let mut headers = Map::new();
        for name in request.headers().keys() {
            let values =
                request.headers().get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()));
            let shown = if is_secret_header(name.as_str()) {
                REDACTED.to_owned()
            } else {
                values.collect::<Vec<_>>().join(", ")
            };
            headers.insert(name.as_str().to_owned(), shown.into());
        }
        let mut query = Map::new();
        for (name, value) in request.query_string_parameters().iter() {
            // A name that is given twice becomes a list.
            match query.get_mut(name) {
                None => {
                    query.insert(name.to_owned(), value.into());
                }
                Some(Value::Array(values)) => values.push(value.into()),
                Some(one) => *one = json!([one.take(), value]),
            }
        }
        let request_id = match request.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.request_id.clone(),
            _ => None,
        };
        let mut trigger = Map::new();
        trigger.insert("body".to_owned(), body);
        trigger.insert("headers".to_owned(), headers.into());
        trigger.insert("query".to_owned(), query.into());
        trigger.insert("method".to_owned(), request.method().as_str().into());
        let depth = request
            .headers()
            .get(limits::DEPTH_HEADER)
            .and_then(|v| v.to_str().ok()?.parse().ok())
            .unwrap_or(0);
        Ok(Self {
            depth,
            trigger: trigger.into(),
            request_id: request_id.ok_or_else(|| {
                Problem::new(500, "internal", "the request came without an id; send it again")
            })?,
        })
    }

    /// A secret that came as it is does not get into the run, whatever the place is called where it came.
    pub(crate) fn hide_token(&mut self, scheme: &Scheme) {
        let (of, name) = match scheme {
            Scheme::Token(Token { place: Place::Header(name), .. }) => ("headers", name),
            Scheme::Token(Token { place: Place::Query(name), .. }) => ("query", name),
            _ => return,
        };
        if let Some(value) = self.trigger[of].get_mut(name.as_str()) {
            *value = REDACTED.into();
        }
    }
}

/// Looked at before anything else: what is too large is not even verified.
pub(crate) fn not_too_large(request: &Request) -> Result<(), Problem> {
    let bytes = request.body().as_ref().len();
    if bytes <= limits::MAX_BODY_BYTES {
        return Ok(());
    }
    let detail = format!("the body has {bytes} bytes; at most {} are taken", limits::MAX_BODY_BYTES);
    Err(Problem::new(413, "body_too_large", detail))
}

/// The whole address that was asked, as the sender wrote it.
pub(crate) fn address(request: &Request) -> String {
    request.uri().to_string()
}

/// The id in `/hooks/{id}`.
pub(crate) fn hook_id(path: &str) -> Option<&str> {
    path.strip_prefix("/hooks/")
        .map(|rest| rest.strip_suffix('/').unwrap_or(rest))
        .filter(|id| !id.contains('/'))
}

/// JSON, a form, or text, as the content type says.
fn read_body(bytes: &[u8], content_type: &str) -> Result<Value, Problem> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "application/json" || media.ends_with("+json") {
        let body = serde_json::from_slice(bytes).map_err(|e| {
            Problem::new(
                400,
                "body_malformed",
                format!("the body is not JSON, as its content type says: {e}"),
            )
        })?;
        if domain::nests_too_deep(&body) {
            return Err(Problem::new(400, "body_malformed", "the body nests deeper than 100 levels"));
        }
        return Ok(body);
    }
    if media == "application/x-www-form-urlencoded" {
        let mut form = Map::new();
        for (name, value) in form_pairs(bytes) {
            match form.get_mut(&name) {
                None => {
                    form.insert(name, value.into());
                }
                Some(Value::Array(values)) => values.push(value.into()),
                Some(one) => *one = json!([one.take(), value]),
            }
        }
        return Ok(Value::Object(form));
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        Ok(text.into())
    } else {
        use base64::Engine;
        Ok(json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)}))
    }
}

fn form_pairs(bytes: &[u8]) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(bytes).map(|(name, value)| (name.into_owned(), value.into_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_the_last_part_of_the_path() {
        assert_eq!(hook_id("/hooks/hk_1"), Some("hk_1"));
        assert_eq!(hook_id("/hooks/hk_1/"), Some("hk_1"));
        assert_eq!(hook_id("/hooks/a/b"), None);
        assert_eq!(hook_id("/other"), None);
    }

    #[test]
    fn bodies_are_read_as_their_type_says() {
        assert_eq!(read_body(b"{\"a\":1}", "application/json; charset=utf-8").unwrap(), json!({"a": 1}));
        assert_eq!(
            read_body(b"a=1&b=x+y&a=2", "application/x-www-form-urlencoded").unwrap(),
            json!({"a": ["1", "2"], "b": "x y"})
        );
        assert_eq!(read_body(b"hello", "text/plain").unwrap(), json!("hello"));
        assert_eq!(read_body(b"", "application/json").unwrap(), Value::Null);
        assert_eq!(read_body(&[0xff], "").unwrap(), json!({"base64": "/w=="}));
        assert_eq!(read_body(b"{", "application/json").unwrap_err().code, "body_malformed");
    }
}
