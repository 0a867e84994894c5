//! What goes wrong on the wire, and whether the request may have arrived.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

use super::server::{Server, read_request};
use super::{get, local};
use crate::{Egress, EgressConfig, EgressError, HttpPort, HttpRequest, Sent};

#[tokio::test]
async fn a_refused_connection_was_not_sent() {
    let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = get(&local(), &format!("http://{address}/hidden?key=hidden")).await.unwrap_err();
    assert_eq!((error.code(), error.sent(), error.retryable()), ("connect_failed", Sent::NotSent, true));
    assert_eq!(error.to_string(), "no connection to `127.0.0.1`: connection refused");
}

/// The handshake never ends: the connect timeout does, before the request's own.
#[tokio::test]
async fn a_connection_that_never_stands_was_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let config = EgressConfig {
        allow_loopback: true,
        connect_timeout: Duration::from_millis(200),
        ..EgressConfig::default()
    };
    let error = get(&Egress::new(config).unwrap(), &format!("https://{address}/")).await.unwrap_err();
    assert_eq!((error.code(), error.sent(), error.retryable()), ("connect_failed", Sent::NotSent, true));
    assert_eq!(error.to_string(), "no connection to `127.0.0.1`: it took too long");
}

#[tokio::test]
async fn a_server_that_hangs_up_may_have_acted() {
    for (what, answer) in [
        ("before a byte", ""),
        ("within the head", "HTTP/1.1 200 OK\r\ncontent-le"),
        ("within the body", "HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this"),
        ("within a chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\nonly this"),
        ("before the last chunk", "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nonly\r\n"),
    ] {
        let server = Server::answering(answer).await;
        let client = local();
        let request =
            HttpRequest { body: Bytes::from_static(b"{}"), ..client.request(Method::POST, server.url("/")) };
        let error = client.send(request).await.unwrap_err();
        assert!(matches!(error, EgressError::ConnectionLost { .. }), "{what}: {error:?}");
        assert_eq!(
            (error.code(), error.sent(), error.retryable()),
            ("connection_lost", Sent::MaybeSent, true)
        );
        assert_eq!(server.seen().len(), 1, "{what}: it was sent again");
    }
}

#[tokio::test]
async fn what_is_not_http_is_an_invalid_response() {
    for answer in [
        "SSH-2.0-OpenSSH_9.6\r\n",
        "HTTP/1.1 banana\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    ] {
        let server = Server::answering(answer).await;
        let error = get(&local(), &server.url("/")).await.unwrap_err();
        assert_eq!(
            (error.code(), error.sent()),
            ("invalid_response", Sent::MaybeSent),
            "{answer:?}: {error:?}"
        );
    }
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "x: y\r\n".repeat(1000));
    let error = get(&local(), &Server::answering(many).await.url("/")).await.unwrap_err();
    assert_eq!(error.code(), "invalid_response", "{error:?}");
}

/// Two requests over one connection, which the server closes as the second arrives.
#[tokio::test]
async fn a_kept_connection_that_dies_does_not_repeat_a_request() {
    let server = Server::scripted(|_, mut stream| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        // The second request is read whole, and never answered.
        assert!(read_request(&mut stream).await.is_some());
    })
    .await;
    let client = local();
    client.send(client.request(Method::POST, server.url("/"))).await.unwrap();
    let error = client.send(client.request(Method::POST, server.url("/"))).await.unwrap_err();
    assert_eq!((error.code(), error.sent()), ("connection_lost", Sent::MaybeSent), "{error:?}");
    // The log counts connections: a repeat would have opened one.
    assert_eq!(server.seen().len(), 1);
}
