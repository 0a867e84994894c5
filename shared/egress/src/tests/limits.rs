//! What a response may cost: size, unpacked size, time.

use std::io::Write;
use std::time::{Duration, Instant};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::Method;
use tokio::io::AsyncWriteExt;

use super::server::{Server, redirect};
use super::{get, local};
use crate::{Egress, EgressConfig, EgressError, HttpPort, HttpRequest, HttpResponse, Sent};

const LIMIT: usize = 100_000;

async fn limited(url: &str) -> Result<HttpResponse, EgressError> {
    let client = local();
    let request = HttpRequest {
        max_response_bytes: LIMIT,
        timeout: Duration::from_secs(10),
        ..client.request(Method::GET, url)
    };
    client.send(request).await
}

fn too_large(outcome: Result<HttpResponse, EgressError>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error, EgressError::ResponseTooLarge { limit: LIMIT, .. }), "{error:?}");
    assert_eq!(
        (error.code(), error.sent(), error.retryable()),
        ("response_too_large", Sent::MaybeSent, false)
    );
}

#[tokio::test]
async fn an_endless_body_stops_at_the_limit() {
    for head in ["", "transfer-encoding: chunked\r\n"] {
        let server = Server::scripted(move |_, mut stream| async move {
            let chunk = if head.is_empty() {
                vec![b'x'; 1024]
            } else {
                [&b"400\r\n"[..], &[b'x'; 1024], b"\r\n"].concat()
            };
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{head}\r\n").as_bytes()).await.unwrap();
            while stream.write_all(&chunk).await.is_ok() {}
        })
        .await;
        too_large(limited(&server.url("/")).await);
    }
}

#[tokio::test]
async fn a_huge_declared_length_is_refused_unread() {
    let server = Server::scripted(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await.unwrap();
        tokio::time::sleep(Duration::from_mins(1)).await;
    })
    .await;
    let started = Instant::now();
    too_large(limited(&server.url("/")).await);
    assert!(started.elapsed() < Duration::from_secs(5), "it waited for the body");
}

#[tokio::test]
async fn exactly_the_limit_is_allowed_and_one_more_is_not() {
    for (size, fits) in [(LIMIT, true), (LIMIT + 1, false)] {
        let server = Server::answering(format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(size))).await;
        let outcome = limited(&server.url("/")).await;
        if fits {
            assert_eq!(outcome.unwrap().body.len(), size);
        } else {
            too_large(outcome);
        }
    }
}

#[tokio::test]
async fn a_length_declared_for_a_head_request_is_not_a_body() {
    let server = Server::answering("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n").await;
    let client = local();
    let response = client.send(client.request(Method::HEAD, server.url("/"))).await.unwrap();
    assert_eq!(response.headers["content-length"], "99999999999");
    assert!(response.body.is_empty());
}

#[tokio::test]
async fn the_clients_limit_stands_above_the_requests() {
    let server = Server::answering("HTTP/1.1 200 OK\r\n\r\n0123456789X").await;
    let config = EgressConfig { allow_loopback: true, max_response_bytes: 10, ..EgressConfig::default() };
    let client = Egress::new(config).unwrap();
    let request =
        HttpRequest { max_response_bytes: usize::MAX, ..HttpRequest::new(Method::GET, server.url("/")) };
    let error = client.send(request).await.unwrap_err();
    assert!(matches!(error, EgressError::ResponseTooLarge { limit: 10, .. }), "{error:?}");
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

fn packed(body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

#[tokio::test]
async fn a_gzip_bomb_stops_at_the_limit() {
    let bomb = gzip(&vec![0; 50_000_000]);
    assert!(bomb.len() < LIMIT, "the bomb must pass the limit for received bytes");
    too_large(limited(&Server::answering(packed(&bomb)).await.url("/")).await);
}

#[tokio::test]
async fn a_gzip_stream_of_nothing_stops_at_the_limit() {
    let nothing: Vec<u8> = std::iter::repeat_n(gzip(b""), LIMIT / 10).flatten().collect();
    let body = [b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\n\r\n", &nothing[..]].concat();
    too_large(limited(&Server::answering(body).await.url("/")).await);
}

#[tokio::test]
async fn gzip_is_unpacked_and_its_headers_removed() {
    let members = [gzip(b"hello "), gzip(b"world")].concat();
    for (body, plain) in [(gzip(b"hello world"), "hello world"), (members, "hello world"), (gzip(b""), "")] {
        let server = Server::answering(packed(&body)).await;
        let response = get(&local(), &server.url("/")).await.unwrap();
        assert_eq!(response.body, plain);
        assert!(!response.headers.contains_key("content-encoding"));
        assert!(!response.headers.contains_key("content-length"));
        assert_eq!(server.seen()[0].header("accept-encoding"), Some("gzip"));
    }
}

#[tokio::test]
async fn who_asks_for_an_encoding_gets_the_bytes_as_they_came() {
    let body = gzip(b"hello");
    let server = Server::answering(packed(&body)).await;
    let client = local();
    let request = client.request(Method::GET, server.url("/")).header("accept-encoding", "gzip, br").unwrap();
    let response = client.send(request).await.unwrap();
    assert_eq!(response.body, body);
    assert_eq!(response.headers["content-encoding"], "gzip");
}

#[tokio::test]
async fn damaged_gzip_is_an_invalid_response() {
    let whole = gzip(b"hello world, hello world");
    let mut wrong_checksum = whole.clone();
    let at = wrong_checksum.len() - 8;
    wrong_checksum[at] ^= 1;
    for body in
        [whole[..whole.len() - 9].to_vec(), whole[..5].to_vec(), b"not gzip at all".to_vec(), wrong_checksum]
    {
        let server = Server::answering(packed(&body)).await;
        let error = get(&local(), &server.url("/")).await.unwrap_err();
        assert_eq!((error.code(), error.sent()), ("invalid_response", Sent::MaybeSent), "{error}");
    }
}

#[tokio::test]
async fn an_empty_body_is_not_unpacked() {
    let server = Server::answering("HTTP/1.1 204 No Content\r\ncontent-encoding: gzip\r\n\r\n").await;
    assert_eq!(get(&local(), &server.url("/")).await.unwrap().body, Bytes::new());
}

async fn timed(url: String, timeout: Duration) -> EgressError {
    let client = local();
    let started = Instant::now();
    let error = client.send(HttpRequest { timeout, ..client.request(Method::GET, url) }).await.unwrap_err();
    assert!(started.elapsed() >= timeout && started.elapsed() < timeout + Duration::from_secs(3), "{error}");
    assert_eq!((error.code(), error.sent(), error.retryable()), ("request_timeout", Sent::MaybeSent, true));
    error
}

#[tokio::test]
async fn the_deadline_covers_silence_slow_drips_and_slow_redirects() {
    let timeout = Duration::from_millis(400);
    let silent = Server::scripted(|_, stream| async move {
        tokio::time::sleep(Duration::from_mins(1)).await;
        drop(stream);
    })
    .await;
    timed(silent.url("/"), timeout).await;

    let drip = Server::scripted(|_, mut stream| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    timed(drip.url("/"), timeout).await;

    // Each hop is quick enough, all of them are not.
    let slow_hops = Server::scripted(|_, mut stream| async move {
        tokio::time::sleep(Duration::from_millis(150)).await;
        let _ = stream.write_all(redirect(302, "/next").as_bytes()).await;
    })
    .await;
    timed(slow_hops.url("/"), timeout).await;
}
