//! winterbaume's Secrets Manager, with what it leaves out: a version id takes one content only. Also counts
//! calls, fails and holds them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use aws_sdk_secretsmanager::Client;
use aws_sdk_secretsmanager::config::retry::RetryConfig;
use aws_sdk_secretsmanager::config::{BehaviorVersion, Config, Region, SharedHttpClient};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use tokio::sync::Barrier;
use winterbaume_core::MockAws;
use winterbaume_secretsmanager::SecretsManagerService;

pub(super) const ID: &str = "patchbay/keyring";

#[derive(Clone)]
pub(super) struct Service {
    pub(super) client: Client,
    behaviour: Arc<Behaviour>,
}

#[derive(Debug, Default)]
struct Behaviour {
    versions: Mutex<HashMap<String, String>>,
    calls: Mutex<HashMap<String, usize>>,
    down: AtomicBool,
    /// The first reads wait for each other.
    held_reads: AtomicUsize,
    barrier: Mutex<Option<Arc<Barrier>>>,
    /// So many reads after the first are answered with what the first one saw.
    late_reads: AtomicUsize,
    first_read: Mutex<Option<Vec<u8>>>,
}

impl Service {
    pub(super) fn new() -> Self {
        let aws = MockAws::builder().with_service(SecretsManagerService::new()).build();
        let behaviour = Arc::new(Behaviour::default());
        let http = Strict { inner: aws.http_client(), behaviour: Arc::clone(&behaviour) };
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(aws.credentials_provider())
            .sleep_impl(TokioSleep::new())
            .retry_config(RetryConfig::disabled())
            .http_client(http)
            .build();
        Self { client: Client::from_conf(config), behaviour }
    }

    /// What the template makes.
    pub(super) async fn with_secret(text: &str) -> Self {
        let service = Self::new();
        service.client.create_secret().name(ID).secret_string(text).send().await.unwrap();
        service
    }

    pub(super) async fn stored(&self) -> Value {
        let output = self.client.get_secret_value().secret_id(ID).send().await.unwrap();
        serde_json::from_str(output.secret_string().unwrap()).unwrap()
    }

    pub(super) async fn put(&self, value: &Value) {
        self.client.put_secret_value().secret_id(ID).secret_string(value.to_string()).send().await.unwrap();
    }

    pub(super) fn calls(&self, operation: &str) -> usize {
        self.behaviour.calls.lock().unwrap().get(operation).copied().unwrap_or_default()
    }

    /// Answers every call with a server error.
    pub(super) fn set_down(&self, down: bool) {
        self.behaviour.down.store(down, Ordering::SeqCst);
    }

    /// Lets the next `count` reads be answered only when all of them are there: all read the same version.
    pub(super) fn hold_reads(&self, count: usize) {
        self.behaviour.held_reads.store(count, Ordering::SeqCst);
        *self.behaviour.barrier.lock().unwrap() = Some(Arc::new(Barrier::new(count)));
    }

    /// Lets `count` reads after the next one see what that one saw.
    pub(super) fn show_late(&self, count: usize) {
        self.behaviour.late_reads.store(count + 1, Ordering::SeqCst);
    }
}

#[derive(Debug)]
struct Strict {
    inner: SharedHttpClient,
    behaviour: Arc<Behaviour>,
}

#[derive(Debug)]
struct StrictConnector {
    inner: SharedHttpConnector,
    behaviour: Arc<Behaviour>,
}

impl HttpClient for Strict {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(StrictConnector {
            inner: self.inner.http_connector(settings, components),
            behaviour: Arc::clone(&self.behaviour),
        })
    }
}

impl HttpConnector for StrictConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        *self.behaviour.calls.lock().unwrap().entry(operation.clone()).or_default() += 1;
        if self.behaviour.down.load(Ordering::SeqCst) {
            return HttpConnectorFuture::ready(Ok(answer(500, &json!({"__type": "InternalServiceError"}))));
        }
        if operation == "PutSecretValue"
            && let Some(refusal) = self.behaviour.repeated(request.body().bytes().unwrap())
        {
            return HttpConnectorFuture::ready(Ok(refusal));
        }
        let response = self.inner.call(request);
        if operation != "GetSecretValue" {
            return response;
        }
        let behaviour = Arc::clone(&self.behaviour);
        HttpConnectorFuture::new(async move {
            let response = response.await;
            let one_less = |held: usize| held.checked_sub(1);
            if behaviour.held_reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                let barrier = behaviour.barrier.lock().unwrap().clone().unwrap();
                barrier.wait().await;
            }
            if behaviour.late_reads.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
                let mut first = behaviour.first_read.lock().unwrap();
                let seen =
                    first.get_or_insert_with(|| response.as_ref().unwrap().body().bytes().unwrap().to_vec());
                return Ok(HttpResponse::new(
                    StatusCode::try_from(200).unwrap(),
                    SdkBody::from(seen.clone()),
                ));
            }
            response
        })
    }
}

impl Behaviour {
    /// The answer to a write under an id that is taken, as AWS documents `ClientRequestToken`.
    fn repeated(&self, body: &[u8]) -> Option<HttpResponse> {
        let body: Value = serde_json::from_slice(body).unwrap();
        let (token, text) = (body["ClientRequestToken"].as_str()?, body["SecretString"].as_str()?);
        assert!((32..=64).contains(&token.len()), "AWS takes tokens of 32 to 64 characters");
        let mut versions = self.versions.lock().unwrap();
        match versions.get(token) {
            None => {
                versions.insert(token.to_owned(), text.to_owned());
                None
            }
            Some(same) if same == text => Some(answer(200, &json!({"Name": ID, "VersionId": token}))),
            Some(_) => {
                Some(answer(400, &json!({"__type": "ResourceExistsException", "message": "it exists"})))
            }
        }
    }
}

fn answer(status: u16, body: &Value) -> HttpResponse {
    HttpResponse::new(StatusCode::try_from(status).unwrap(), SdkBody::from(body.to_string()))
}
