//! Tables and secrets that a worker can no longer reach from some call on: it has died there, before the call took place or after.

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use emulators::{Cloud, REGION};
use harness::{CREDENTIALS, World};
use runtime::{SignedHttp, SystemClock};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use store::Store;
use vault::{SecretFolder, SecretsManager};

#[derive(Debug, Clone)]
struct Dying {
    cloud: Cloud,
    calls: Arc<AtomicUsize>,
    /// Dies at this one.
    at: usize,
    takes_place: bool,
}

impl HttpConnector for Dying {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call < self.at {
            return self.cloud.call(request);
        }
        let last = (call == self.at && self.takes_place).then(|| self.cloud.call(request));
        HttpConnectorFuture::new(async move {
            if let Some(last) = last {
                drop(last.await);
            }
            // Whoever waits is dropped meanwhile.
            std::future::pending().await
        })
    }
}

impl HttpClient for Dying {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

/// The tables and the secrets of a worker that dies at its `at`-th call of them.
pub(crate) fn both(world: &World, at: usize, takes_place: bool) -> (Arc<Store>, SecretFolder) {
    let dying = Dying { cloud: world.cloud.clone(), calls: Arc::default(), at, takes_place };
    let http = SharedHttpClient::new(dying.clone());
    let sdk = world.cloud.sdk_config().into_builder().http_client(http).build();
    let http = SignedHttp {
        connector: SharedHttpConnector::new(dying),
        credentials: Cloud::credentials(),
        region: REGION.into(),
        endpoint: None,
        clock: Arc::new(SystemClock),
    };
    let secrets = SecretFolder::new(Arc::new(SecretsManager::new(http)), CREDENTIALS);
    (Arc::new(Store::new(aws_sdk_dynamodb::Client::new(&sdk), world.tables.clone())), secrets)
}
