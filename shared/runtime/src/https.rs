//! The HTTPS client under the clients of AWS services.
//!
//! The SDK's own reads and parses the system's root certificates whenever a service's client is made, several milliseconds each, before
//! the function can ask for its first event. This one has Mozilla's roots compiled in, needs no parsing, and connects when it is first
//! used. Errors are classed as in `aws-smithy-http-client`, since the SDK decides by their kind what it tries again.

use aws_smithy_runtime_api::client::connection::{CaptureSmithyConnection, ConnectionMetadata};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::retry::ErrorKind;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::{
    CaptureConnection, HttpConnector as Tcp, HttpInfo, capture_connection,
};
use hyper_util::client::legacy::{Client, Error};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::sync::OnceLock;
use std::time::Duration;

/// A client that all services of a function share, and with it their connections.
pub(crate) fn client() -> SharedHttpClient {
    SharedHttpClient::new(Https::default())
}

/// A connector for objects, which are large and take their time. It connects when it is first used: most invocations need none.
pub fn object_connector() -> SharedHttpConnector {
    SharedHttpConnector::new(Objects::default())
}

#[derive(Debug, Default)]
struct Objects {
    client: OnceLock<Client<HttpsConnector<Tcp>, SdkBody>>,
}

impl HttpConnector for Objects {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.client.get_or_init(|| connect(Some(Duration::from_secs(3)))).clone();
        Caller { client, patience: Some(Duration::from_secs(30)) }.call(request)
    }
}

#[derive(Debug, Default)]
struct Https {
    client: OnceLock<Client<HttpsConnector<Tcp>, SdkBody>>,
}

impl HttpClient for Https {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        let client = self.client.get_or_init(|| connect(settings.connect_timeout())).clone();
        SharedHttpConnector::new(Caller { client, patience: settings.read_timeout() })
    }
}

fn connect(timeout: Option<Duration>) -> Client<HttpsConnector<Tcp>, SdkBody> {
    let mut tcp = Tcp::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(timeout);
    let https = HttpsConnectorBuilder::new()
        .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())
        .expect("the provider knows the protocol versions that are compiled in")
        // Plain HTTP serves rehearsals and tests; AWS's own endpoints are all HTTPS.
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    Client::builder(TokioExecutor::new())
        // A function that was frozen for longer finds its connections dead.
        .pool_idle_timeout(Duration::from_secs(15))
        .pool_timer(TokioTimer::new())
        .build(https)
}

/// One call at a time, each as patient as the SDK's settings say.
#[derive(Debug)]
struct Caller {
    client: Client<HttpsConnector<Tcp>, SdkBody>,
    patience: Option<Duration>,
}

impl HttpConnector for Caller {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let mut request = match request.try_into_http1x() {
            Ok(request) => request,
            Err(error) => return HttpConnectorFuture::ready(Err(ConnectorError::user(error.into()))),
        };
        let connection = capture_connection(&mut request);
        if let Some(capture) = request.extensions().get::<CaptureSmithyConnection>() {
            // The SDK gives up a connection over which an answer said that the server is in trouble.
            capture.set_connection_retriever(move || metadata(&connection));
        }
        let (answer, patience) = (self.client.request(request), self.patience);
        HttpConnectorFuture::new(async move {
            let answer = match patience {
                Some(patience) => tokio::time::timeout(patience, answer)
                    .await
                    .map_err(|elapsed| ConnectorError::timeout(elapsed.into()))?,
                None => answer.await,
            };
            HttpResponse::try_from(answer.map_err(classed)?.map(SdkBody::from_body_1_x))
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

fn metadata(connection: &CaptureConnection) -> Option<ConnectionMetadata> {
    let held = connection.clone();
    let connected = connection.connection_metadata();
    let mut extensions = http::Extensions::new();
    connected.as_ref()?.get_extras(&mut extensions);
    let info = extensions.get::<HttpInfo>();
    let mut builder = ConnectionMetadata::builder().proxied(false).poison_fn(move || {
        if let Some(connected) = held.connection_metadata().as_ref() {
            connected.poison();
        }
    });
    builder.set_local_addr(info.map(HttpInfo::local_addr)).set_remote_addr(info.map(HttpInfo::remote_addr));
    Some(builder.build())
}

fn classed(error: Error) -> ConnectorError {
    let hyper = source::<hyper::Error>(&error);
    if hyper.is_some_and(hyper::Error::is_timeout) {
        ConnectorError::timeout(error.into())
    } else if hyper.is_some_and(hyper::Error::is_user) {
        ConnectorError::user(error.into())
    } else if hyper.is_some_and(hyper::Error::is_incomplete_message) {
        // The server hung up halfway, or a connection had died while the function was frozen.
        ConnectorError::other(error.into(), Some(ErrorKind::TransientError))
    } else if error.is_connect()
        || hyper.is_some_and(|e| e.is_closed() || e.is_canceled())
        || source::<std::io::Error>(&error).is_some()
    {
        ConnectorError::io(error.into())
    } else {
        ConnectorError::other(error.into(), None)
    }
}

/// The first error of this kind in the chain.
fn source<'a, E: std::error::Error + 'static>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a E> {
    std::iter::successors(Some(error), |error| error.source()).find_map(|error| error.downcast_ref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_dynamodb::error::DisplayErrorContext;
    use std::net::SocketAddr;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    /// Serves each connection with the next of these: bytes to answer with, or a hang-up.
    async fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let addr = listener.local_addr().expect("it is bound");
        tokio::spawn(async move {
            for answer in answers {
                let (mut stream, _) = listener.accept().await.expect("a caller");
                let mut asked = [0; 4096];
                let _asked = stream.read(&mut asked).await;
                if *answer == "silence" {
                    tokio::time::sleep(Duration::from_mins(1)).await;
                }
                let _sent = stream.write_all(answer.as_bytes()).await;
            }
        });
        addr
    }

    async fn call(addr: SocketAddr, patience: Option<Duration>) -> Result<HttpResponse, ConnectorError> {
        let caller = Caller { client: connect(Some(Duration::from_secs(2))), patience };
        caller.call(HttpRequest::get(format!("http://{addr}/")).expect("a request")).await
    }

    #[tokio::test]
    async fn answers_arrive_with_their_bodies() {
        let addr = server(&["HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"]).await;
        let answer = call(addr, None).await.expect("an answer");
        assert_eq!(answer.status().as_u16(), 200);
        let body = http_body_util::BodyExt::collect(answer.into_body()).await.expect("a body").to_bytes();
        assert_eq!(&body[..], b"hello");
    }

    #[tokio::test]
    async fn errors_are_of_the_kind_that_decides_whether_it_is_tried_again() {
        let hung_up = call(server(&[""]).await, None).await.expect_err("a hang-up");
        assert_eq!(hung_up.as_other(), Some(ErrorKind::TransientError), "{}", DisplayErrorContext(&hung_up));
        let silent = call(server(&["silence"]).await, Some(Duration::from_millis(50))).await;
        assert!(silent.expect_err("silence").is_timeout());
        let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("bound");
        assert!(call(nobody, None).await.expect_err("nobody listens").is_io());
    }

    #[tokio::test]
    async fn a_server_whose_certificate_nobody_vouches_for_is_refused() {
        let key = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let private =
            rustls::pki_types::PrivateKeyDer::try_from(key.signing_key.serialize_der()).expect("a key");
        let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("known versions")
            .with_no_client_auth()
            .with_single_cert(vec![key.cert.der().clone()], private)
            .expect("a server's configuration");
        let acceptor = tokio_rustls::TlsAcceptor::from(std::sync::Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.expect("a caller");
            let _refused = acceptor.accept(stream).await;
        });
        let caller = Caller { client: connect(None), patience: None };
        let answer =
            caller.call(HttpRequest::get(format!("https://localhost:{port}/")).expect("a request")).await;
        let error = format!("{}", DisplayErrorContext(&answer.expect_err("it is refused")));
        assert!(error.contains("UnknownIssuer"), "{error}");
    }
}
