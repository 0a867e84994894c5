//! API Gateway: HTTP requests become the JSON of an HTTP API event (payload 2.0), and a function's JSON becomes the response.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use emulators::{ACCOUNT, BUCKET, Cloud};
use http::request::Parts;
use http::{Response, StatusCode};
use http_body_util::Full;
use lambda_http::request::LambdaRequest;
use lambda_http::tower::util::BoxCloneSyncService;
use lambda_http::tower::{Service, ServiceExt, service_fn};
use lambda_http::{Adapter, Context, LambdaEvent, Request};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use uuid::Uuid;

/// HTTP APIs take no larger payload.
pub(crate) const MAX_PAYLOAD: usize = 10 * 1024 * 1024;

pub(crate) struct Gateway {
    api: Function,
    hooks: Function,
    cloud: Cloud,
    /// Whether it tells what AWS would bill.
    meter: bool,
}

type LambdaRequestEvent = LambdaEvent<LambdaRequest>;
type Function = BoxCloneSyncService<LambdaRequestEvent, Value, String>;

impl Gateway {
    pub(crate) fn new(api: axum::Router, hooks: Arc<hooks::App>, cloud: Cloud, meter: bool) -> Self {
        let hooks = service_fn(move |request: Request| {
            let app = hooks.clone();
            async move { Ok::<_, Infallible>(hooks::handle(&app, request).await) }
        });
        Self { api: function(api), hooks: function(hooks), cloud, meter }
    }

    /// Answers one request, through the function whose route it has.
    pub(crate) async fn answer(&self, parts: Parts, body: Bytes, peer: SocketAddr) -> Response<Full<Bytes>> {
        let path = parts.uri.path();
        let function = if path.starts_with("/v1/") {
            &self.api
        } else if path.starts_with("/hooks/") {
            &self.hooks
        } else if path == "/_local/meter" && self.meter {
            return meter(&self.cloud);
        } else if path.strip_prefix('/').and_then(|path| path.strip_prefix(BUCKET)).is_some() {
            return self.cloud.answer_s3(http::Request::from_parts(parts, body)).await.map(Full::new);
        } else {
            return plain(StatusCode::NOT_FOUND, r#"{"message":"Not Found"}"#);
        };
        if body.len() > MAX_PAYLOAD {
            return plain(StatusCode::PAYLOAD_TOO_LARGE, r#"{"message":"Request Entity Too Large"}"#);
        }
        match invoke(function.clone(), event(&parts, &body, peer)).await {
            Ok(answer) => response(&answer),
            Err(error) => {
                tracing::error!(%error, http.path = path, "the function failed");
                plain(StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"Internal Server Error"}"#)
            }
        }
    }
}

/// A handler as Lambda runs it: event in, JSON out.
fn function<S, R>(service: S) -> Function
where
    S: Service<Request, Response = R> + Clone + Send + Sync + 'static,
    S::Error: std::fmt::Debug,
    S::Future: Send + 'static,
    R: lambda_http::IntoResponse + 'static,
{
    let called = service_fn(move |event: LambdaRequestEvent| {
        // Both handlers are always ready, so `call` may follow at once.
        let answer = Adapter::from(service.clone()).call(event);
        async move {
            let answer = answer.await.map_err(|e| format!("{e:?}"))?;
            serde_json::to_value(answer).map_err(|e| e.to_string())
        }
    });
    Function::new(called)
}

async fn invoke(function: Function, event: Value) -> Result<Value, String> {
    // Through text, as Lambda hands it over.
    let payload: LambdaRequest = serde_json::from_str(&event.to_string()).map_err(|e| e.to_string())?;
    // In a task of its own: a panic fails this invocation only, as in Lambda.
    tokio::spawn(function.oneshot(LambdaEvent::new(payload, Context::default())))
        .await
        .map_err(|_| "the function panicked".to_owned())?
}

/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html>, format 2.0.
#[expect(clippy::disallowed_methods, reason = "API Gateway has a clock of its own")]
fn event(parts: &Parts, body: &Bytes, peer: SocketAddr) -> Value {
    let mut headers: BTreeMap<String, String> = BTreeMap::new();
    let mut cookies: Vec<String> = Vec::new();
    for (name, value) in &parts.headers {
        let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
        if name == http::header::COOKIE {
            cookies.extend(text.split("; ").map(str::to_owned));
            continue;
        }
        headers
            .entry(name.as_str().to_owned())
            .and_modify(|all| {
                all.push(',');
                all.push_str(&text);
            })
            .or_insert(text);
    }
    let query = parts.uri.query().unwrap_or_default();
    let mut parameters = Map::new();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        match parameters.get_mut(name.as_ref()) {
            Some(Value::String(all)) => {
                all.push(',');
                all.push_str(&value);
            }
            _ => {
                parameters.insert(name.into_owned(), value.into());
            }
        }
    }
    let now = jiff::Zoned::now();
    let method = parts.method.as_str();
    let path = parts.uri.path();
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": "local",
            "domainName": parts.headers.get("host").and_then(|h| h.to_str().ok()).unwrap_or("localhost"),
            "domainPrefix": "local",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": peer.ip().to_string(),
                "userAgent": parts.headers.get("user-agent").and_then(|h| h.to_str().ok()).unwrap_or_default(),
            },
            "requestId": Uuid::new_v4().to_string(),
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S %z").to_string(),
            "timeEpoch": now.timestamp().as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    if !cookies.is_empty() {
        event["cookies"] = json!(cookies);
    }
    if !parameters.is_empty() {
        event["queryStringParameters"] = parameters.into();
    }
    if !body.is_empty() {
        if let Ok(text) = std::str::from_utf8(body) {
            event["body"] = text.into();
        } else {
            event["body"] = STANDARD.encode(body).into();
            event["isBase64Encoded"] = true.into();
        }
    }
    event
}

fn response(answer: &Value) -> Response<Full<Bytes>> {
    let status = answer["statusCode"].as_u64().and_then(|n| u16::try_from(n).ok()).unwrap_or(500);
    let mut builder = Response::builder().status(status);
    for (name, value) in answer["headers"].as_object().into_iter().flatten() {
        builder = builder.header(name, value.as_str().unwrap_or_default());
    }
    for (name, values) in answer["multiValueHeaders"].as_object().into_iter().flatten() {
        if answer["headers"].get(name).is_none() {
            for value in values.as_array().into_iter().flatten() {
                builder = builder.header(name, value.as_str().unwrap_or_default());
            }
        }
    }
    for cookie in answer["cookies"].as_array().into_iter().flatten() {
        builder = builder.header("set-cookie", cookie.as_str().unwrap_or_default());
    }
    let text = answer["body"].as_str().unwrap_or_default();
    let body = if answer["isBase64Encoded"].as_bool() == Some(true) {
        STANDARD.decode(text).map_or_else(|_| Bytes::new(), Bytes::from)
    } else {
        Bytes::copy_from_slice(text.as_bytes())
    };
    builder.body(Full::new(body)).unwrap_or_else(|_| {
        plain(StatusCode::INTERNAL_SERVER_ERROR, r#"{"message":"Internal Server Error"}"#)
    })
}

fn meter(cloud: &Cloud) -> Response<Full<Bytes>> {
    let counts: Map<String, Value> = cloud
        .meter()
        .take()
        .into_iter()
        .map(|(name, m)| (name, json!({"calls": m.calls, "units": m.units})))
        .collect();
    plain(StatusCode::OK, &Value::Object(counts).to_string())
}

pub(crate) fn plain(status: StatusCode, json: &str) -> Response<Full<Bytes>> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Full::new(Bytes::copy_from_slice(json.as_bytes())))
        .expect("status and header are valid")
}
