//! The emulators behind one HTTP client of the SDK.

use crate::bus::Bus;
use crate::dynamodb::DynamoDb;
use crate::meter::Meter;
use crate::s3::S3;
use crate::secrets::Secrets;
use crate::sqs::{self, Queue, QueueSettings};
use crate::stream::Stream;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_smithy_async::rt::sleep::{SharedAsyncSleep, TokioSleep};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use aws_types::SdkConfig;
use aws_types::region::Region;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// The account that emulated resources belong to.
pub const ACCOUNT: &str = "000000000000";
/// The region that emulated resources are in.
pub const REGION: &str = "us-east-1";

const TABLES: &str = "dynamodb.sqlite";

/// The emulators could not be started.
#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    #[error("the emulated tables cannot be opened: {0}")]
    Tables(String),
    #[error("the kept messages cannot be read or written: {0}")]
    Messages(String),
    #[error("the emulated bucket at `{path}` cannot be opened: {reason}")]
    Files { path: String, reason: String },
    #[error("the emulated secrets at `{path}` cannot be read or written: {reason}")]
    Secrets { path: String, reason: String },
}

/// AWS in this process.
#[derive(Clone)]
pub struct Cloud {
    inner: Arc<Inner>,
}

struct Inner {
    dynamodb: DynamoDb,
    secrets: Secrets,
    queues: Mutex<HashMap<String, Arc<Queue>>>,
    bus: Bus,
    s3: S3,
    meter: Meter,
    /// Where queues that are to outlive the process keep their messages.
    messages: Option<PathBuf>,
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cloud").finish_non_exhaustive()
    }
}

/// What an emulator answers.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn ok(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into() }
    }

    pub(crate) fn error(status: u16, code: &str, message: &str) -> Self {
        Self { status, body: serde_json::json!({"__type": code, "message": message}).to_string() }
    }
}

impl Cloud {
    /// Emulators that keep tables and secrets in `folder`.
    pub async fn open(folder: &Path) -> Result<Self, CloudError> {
        let dynamodb = DynamoDb::open(&folder.join(TABLES))?;
        let secrets = Secrets::open(folder.join("secrets.json")).await?;
        let s3 = S3::open(&folder.join("files"))?;
        Ok(Self::of(dynamodb, secrets, s3, Some(folder.join("messages"))))
    }

    /// Whether `folder` is what [`open`](Self::open) made, or empty.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(TABLES).is_file() || folder.read_dir().is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Emulators that forget everything.
    pub fn memory() -> Result<Self, CloudError> {
        Ok(Self::of(DynamoDb::memory()?, Secrets::memory(), S3::forgetful()?, None))
    }

    fn of(dynamodb: DynamoDb, secrets: Secrets, s3: S3, messages: Option<PathBuf>) -> Self {
        let inner = Inner {
            dynamodb,
            secrets,
            queues: Mutex::default(),
            bus: Bus::default(),
            s3,
            meter: Meter::default(),
            messages,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a queue. Its messages are in memory; where its settings say so, and the emulators have a folder, on disk too.
    pub fn create_queue(&self, name: &str, settings: QueueSettings) -> Result<Arc<Queue>, CloudError> {
        let folder = self.inner.messages.as_deref().filter(|_| settings.kept);
        let queue = Queue::open(name, settings, folder).map_err(|e| CloudError::Messages(e.to_string()))?;
        let queue = Arc::new(queue);
        let mut queues = self.inner.queues.lock().unwrap_or_else(PoisonError::into_inner);
        queues.insert(queue.url().to_owned(), queue.clone());
        Ok(queue)
    }

    /// Reads the stream of a table, from the oldest record that is kept.
    pub fn stream(&self, table: &str) -> Result<Stream, CloudError> {
        self.inner.dynamodb.stream(table)
    }

    /// Lets every event of the bus go into `queue`, as the template's rule does.
    pub fn deliver_events_to(&self, queue: &Arc<Queue>) {
        self.inner.bus.deliver_to(queue.clone());
    }

    /// Gives the events of one source and kind that come from now on, as a rule does whose target is a function.
    pub fn events_of(&self, source: &str, detail_type: &str) -> UnboundedReceiver<Value> {
        let (target, events) = unbounded_channel();
        self.inner.bus.call(source, detail_type, target);
        events
    }

    /// Answers a request to S3, such as one to a signed address.
    pub async fn answer_s3(&self, request: http::Request<Bytes>) -> http::Response<Bytes> {
        self.inner.s3.answer(request, &self.inner.meter).await
    }

    /// Deletes an object, as a rule of the bucket does with old ones; whether there was one.
    pub fn forget_object(&self, key: &str) -> bool {
        self.inner.s3.forget(key)
    }

    /// Whom requests must be signed by.
    pub fn credentials() -> Credentials {
        Credentials::new("local", "local", None, None, "emulators")
    }

    /// A connector for clients of S3.
    pub fn connector(&self) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }

    pub fn meter(&self) -> &Meter {
        &self.inner.meter
    }

    /// A configuration whose clients talk to these emulators.
    pub fn sdk_config(&self) -> SdkConfig {
        let credentials = Self::credentials();
        SdkConfig::builder()
            .behavior_version(aws_sdk_dynamodb::config::BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .http_client(SharedHttpClient::new(self.clone()))
            .build()
    }
}

impl Cloud {
    /// Answers what arrives over HTTP on `listener`, for programs that run in a process of their own. Ends with the future.
    pub async fn serve(self, listener: TcpListener) {
        loop {
            let Ok((stream, _)) = listener.accept().await else { continue };
            let _unimportant = stream.set_nodelay(true);
            let inner = self.inner.clone();
            let service = service_fn(move |request: Request<Incoming>| {
                let inner = inner.clone();
                async move {
                    if !request.headers().contains_key("x-amz-target") {
                        let (parts, body) = request.into_parts();
                        let body = body.collect().await?.to_bytes();
                        let answer =
                            inner.s3.answer(http::Request::from_parts(parts, body), &inner.meter).await;
                        return Ok(answer.map(Full::new));
                    }
                    let target = request.headers().get("x-amz-target").and_then(|t| t.to_str().ok());
                    let (target, uri) = (target.unwrap_or_default().to_owned(), request.uri().to_string());
                    let body = request.into_body().collect().await?.to_bytes();
                    let answer = inner.answer(&target, uri, body).await;
                    let response = Response::builder()
                        .status(answer.status)
                        .header("content-type", "application/x-amz-json-1.0")
                        .body(Full::new(Bytes::from(answer.body)));
                    Ok::<_, hyper::Error>(response.expect("a status and a header"))
                }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    }
}

impl Inner {
    async fn answer(&self, target: &str, uri: String, body: Bytes) -> Answer {
        let (service, operation) = target.split_once('.').unwrap_or_default();
        match service {
            "DynamoDB_20120810" => self.dynamodb.answer(operation, &body, &self.meter),
            "AmazonSQS" => sqs::answer(&self.queues, operation, &body, &self.meter),
            "AWSEvents" => self.bus.answer(operation, &body, &self.meter),
            "secretsmanager" => self.secrets.answer(target, operation, uri, body, &self.meter).await,
            _ => Answer::error(400, "UnknownOperationException", &format!("`{target}` is not emulated")),
        }
    }
}

impl HttpConnector for Cloud {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let inner = self.inner.clone();
        if request.headers().get("x-amz-target").is_none() {
            return HttpConnectorFuture::new(async move { s3(&inner, request).await });
        }
        let target = request.headers().get("x-amz-target").unwrap_or_default().to_owned();
        let uri = request.uri().to_owned();
        let body = request.body().bytes().map(Bytes::copy_from_slice).unwrap_or_default();
        HttpConnectorFuture::new(async move {
            let answer = inner.answer(&target, uri, body).await;
            let status = StatusCode::try_from(answer.status)
                .unwrap_or_else(|_| StatusCode::try_from(500).expect("500 is a status"));
            let mut response = HttpResponse::new(status, SdkBody::from(answer.body));
            response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
            Ok(response)
        })
    }
}

async fn s3(inner: &Inner, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
    let request = request.try_into_http1x().map_err(|e| ConnectorError::user(e.into()))?;
    let (parts, body) = request.into_parts();
    let body = body.collect().await.map_err(ConnectorError::io)?.to_bytes();
    let answer = inner.s3.answer(http::Request::from_parts(parts, body), &inner.meter).await;
    HttpResponse::try_from(answer.map(SdkBody::from)).map_err(|e| ConnectorError::other(e.into(), None))
}

impl HttpClient for Cloud {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
