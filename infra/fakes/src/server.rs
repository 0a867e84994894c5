//! HTTP on this machine: every request passes here before the vendor's own routes see it.

use crate::admin;
use crate::call::Call;
use crate::desk::Desk;
use crate::faults::Fault;
use crate::reply;
use crate::vendor::Vendor;
use axum::Router;
use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures::stream;
use http::header::CONTENT_LENGTH;
use http::{HeaderValue, Request, StatusCode};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tower::ServiceExt;

/// The largest body that is taken. Vendors have limits of their own below it.
const LARGEST: usize = 64 * 1024 * 1024;

/// A fake with its routes.
#[derive(Debug)]
pub(crate) struct Server {
    vendor: Arc<dyn Vendor>,
    desk: Arc<Desk>,
    api: Router,
    admin: Router,
}

/// The connection is closed without an answer.
#[derive(Debug)]
struct Closed;

impl std::fmt::Display for Closed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("closed, as was asked for")
    }
}

impl std::error::Error for Closed {}

impl Server {
    pub(crate) fn new(vendor: Arc<dyn Vendor>, desk: Arc<Desk>) -> Self {
        let unknown = {
            let vendor = vendor.clone();
            move |call: Call| {
                let vendor = vendor.clone();
                async move { vendor.not_modelled(call.method.as_str(), &call.path) }
            }
        };
        let api = vendor.clone().router().fallback(unknown.clone()).method_not_allowed_fallback(unknown);
        let admin = admin::router(vendor.clone(), desk.clone());
        Self { vendor, desk, api, admin }
    }

    /// Accepts connections until the task is dropped.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _unimportant = stream.set_nodelay(true);
            let server = self.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| server.clone().answer(request));
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(30))
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection ended badly");
                }
            });
        }
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Result<Response, Closed> {
        let (parts, mut body) = request.into_parts();
        let body = match Limited::new(&mut body, LARGEST).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => {
                return Ok(self.vendor.refusal(StatusCode::PAYLOAD_TOO_LARGE));
            }
            Err(_) => return Err(Closed),
        };
        let call = Call::new(&parts, body.clone(), self.desk.clock.now());
        let request = Request::from_parts(parts, Body::from(body));
        let path = &call.path;
        if path == "/_admin" || path.starts_with("/_admin/") {
            return Ok(routed(&self.admin, request, call).await);
        }
        let fault = self.desk.faults.next(&call);
        let number = self.desk.received.arrived(&call, fault.as_ref().map(|fault| format!("{fault:?}")));
        let answer = self.met(fault, request, call).await;
        if let Ok(response) = &answer {
            self.desk.received.answered(number, response.status().as_u16());
        }
        answer
    }

    /// The answer, or what a fault makes of it.
    async fn met(
        &self,
        fault: Option<Fault>,
        request: Request<Body>,
        call: Call,
    ) -> Result<Response, Closed> {
        let api = &self.api;
        Ok(match fault {
            None => routed(api, request, call).await,
            Some(Fault::Own(own)) => routed(api, request, call.with_fault(own)).await,
            Some(Fault::Status(status, retry_after)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let response = self.vendor.refusal(status);
                match retry_after {
                    Some(seconds) => reply::with_header(response, "retry-after", seconds),
                    None => response,
                }
            }
            Some(Fault::Timeout(time)) => {
                tokio::time::sleep(time).await;
                return Err(Closed);
            }
            Some(Fault::TimeoutAfterCommit(time)) => {
                routed(api, request, call).await;
                tokio::time::sleep(time).await;
                return Err(Closed);
            }
            Some(Fault::Reset) => return Err(Closed),
            Some(Fault::ResetAfterCommit) => {
                routed(api, request, call).await;
                return Err(Closed);
            }
            Some(Fault::Html) => reply::typed(
                StatusCode::BAD_GATEWAY,
                "text/html",
                "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>",
            ),
            Some(Fault::Empty) => {
                let done = routed(api, request, call).await;
                let (mut parts, _) = done.into_parts();
                parts.headers.remove(CONTENT_LENGTH);
                Response::from_parts(parts, Body::empty())
            }
            Some(Fault::Truncated) => truncated(routed(api, request, call).await).await,
            Some(Fault::Slow(time)) => {
                tokio::time::sleep(time).await;
                routed(api, request, call).await
            }
        })
    }
}

async fn routed(router: &Router, mut request: Request<Body>, call: Call) -> Response {
    request.extensions_mut().insert(call);
    // The router answers whatever comes: its error has no values.
    router.clone().oneshot(request).await.unwrap_or_else(|never| match never {})
}

/// Half of an answer that says it is whole; then the connection is closed.
async fn truncated(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let whole = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half: Result<Bytes, io::Error> = Ok(whole.slice(..whole.len() / 2));
    let cut = Err(io::Error::other("cut, as was asked for"));
    Response::from_parts(parts, Body::from_stream(stream::iter([half, cut])))
}
