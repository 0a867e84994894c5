//! HTTP/2, which most servers on the internet choose.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Method, Request, Response, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;

use super::get;
use super::tls::{identity, trusting};
use crate::{Egress, HttpPort, HttpRequest, Sent};

const NAME: &str = "shop.localhost";

struct Http2 {
    client: Egress,
    url: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
}

async fn http2() -> Http2 {
    let (acceptor, roots) = identity(NAME, &["h2"]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{NAME}:{}", listener.local_addr().unwrap().port());
    let (connections, requests) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (connected, requested) = (Arc::clone(&connections), Arc::clone(&requests));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            connected.fetch_add(1, Ordering::SeqCst);
            let stream = TokioIo::new(acceptor.accept(stream).await.unwrap());
            let requested = Arc::clone(&requested);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    requested.fetch_add(1, Ordering::SeqCst);
                    answer(request)
                });
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(stream, service)
                    .await;
            });
        }
    });
    Http2 { client: trusting(roots), url, connections, requests }
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, std::io::Error> {
    assert_eq!(request.version(), Version::HTTP_2);
    match request.uri().path() {
        // hyper resets the stream.
        "/reset" => Err(std::io::Error::other("reset")),
        "/large" => Ok(Response::new(Bytes::from(vec![b'x'; 100_000]).into())),
        _ => Ok(Response::new(
            request.into_body().collect().await.map_err(std::io::Error::other)?.to_bytes().into(),
        )),
    }
}

#[tokio::test]
async fn requests_share_one_connection() {
    let server = http2().await;
    for body in ["first", "second"] {
        let request = server.client.request(Method::POST, format!("{}/echo", server.url));
        let response = server.client.send(HttpRequest { body: body.into(), ..request }).await.unwrap();
        assert_eq!(response.body, body);
    }
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_reset_stream_may_have_acted_and_is_not_repeated() {
    let server = http2().await;
    let request = server.client.request(Method::POST, format!("{}/reset", server.url));
    let error = server.client.send(request).await.unwrap_err();
    assert_eq!((error.code(), error.sent()), ("connection_lost", Sent::MaybeSent), "{error:?}");
    assert_eq!(server.requests.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_size_limit_ends_a_stream_and_not_the_connection() {
    let server = http2().await;
    let request = server.client.request(Method::GET, format!("{}/large", server.url));
    let error = server.client.send(HttpRequest { max_response_bytes: 50_000, ..request }).await.unwrap_err();
    assert_eq!(error.code(), "response_too_large");
    assert!(get(&server.client, &format!("{}/echo", server.url)).await.is_ok());
    assert_eq!(server.connections.load(Ordering::SeqCst), 1);
}
