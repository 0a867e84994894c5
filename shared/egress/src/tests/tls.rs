//! TLS: the name's certificate or nothing.

use std::sync::Arc;

use http::Method;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::RootCertStore;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::server::{ok, read_request};
use super::{get, local};
use crate::{Egress, EgressConfig, HttpPort, Sent, SystemLookup};

struct Https {
    port: u16,
    roots: RootCertStore,
}

/// What a server needs to speak TLS as `name`, and what a client needs to trust it.
pub(super) fn identity(name: &str, protocols: &[&str]) -> (TlsAcceptor, RootCertStore) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed([name.to_owned()]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::Pkcs8(signing_key.serialize_der().into()))
        .unwrap();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    (TlsAcceptor::from(Arc::new(config)), roots)
}

/// A server whose certificate is for `name`.
async fn https(name: &str) -> Https {
    let (acceptor, roots) = identity(name, &["http/1.1"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            if let Some(seen) = read_request(&mut stream).await {
                let _ = stream.write_all(ok(seen.header("host").unwrap_or_default()).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    });
    Https { port, roots }
}

pub(super) fn trusting(roots: RootCertStore) -> Egress {
    let config = EgressConfig { allow_loopback: true, ..EgressConfig::default() };
    Egress::with_roots(config, Arc::new(SystemLookup), Some(roots)).unwrap()
}

#[tokio::test]
async fn a_trusted_certificate_for_the_name_is_accepted() {
    let server = https("shop.localhost").await;
    let client = trusting(server.roots);
    let response =
        client.send(client.request(Method::GET, format!("https://shop.localhost:{}/", server.port))).await;
    assert_eq!(response.unwrap().body, format!("shop.localhost:{}", server.port));
}

#[tokio::test]
async fn another_names_certificate_is_refused_before_anything_is_sent() {
    let server = https("other.localhost").await;
    let client = trusting(server.roots);
    for host in ["shop.localhost", "127.0.0.1"] {
        let error = get(&client, &format!("https://{host}:{}/", server.port)).await.unwrap_err();
        assert_eq!(
            (error.code(), error.sent(), error.retryable()),
            ("tls_failed", Sent::NotSent, false),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let server = https("shop.localhost").await;
    let error = get(&local(), &format!("https://shop.localhost:{}/", server.port)).await.unwrap_err();
    assert_eq!((error.code(), error.sent()), ("tls_failed", Sent::NotSent), "{error}");
}

#[tokio::test]
async fn a_server_without_tls_is_a_tls_failure() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.write_all(ok("plain").as_bytes()).await;
    });
    let error = get(&local(), &format!("https://{address}/")).await.unwrap_err();
    assert_eq!((error.code(), error.sent()), ("tls_failed", Sent::NotSent), "{error}");
}
