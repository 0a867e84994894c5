//! What leaves: methods, headers, bodies.

use bytes::Bytes;
use http::Method;

use super::server::{Server, ok};
use super::{get, local};
use crate::{EgressError, HttpPort, HttpRequest, Piece, Sent};

#[tokio::test]
async fn a_request_arrives_as_it_was_meant() {
    let server = Server::answering(ok("hello")).await;
    let client = local();
    let mut request = client
        .request(Method::POST, server.url("/things?a=%20b"))
        .header("x-custom", "value")
        .and_then(|r| r.secret_header("authorization", "Bearer token"))
        .unwrap();
    request.body = Bytes::from_static(b"{\"a\":1}");
    let response = client.send(request).await.unwrap();
    assert_eq!((response.status.as_u16(), response.body, response.redirects), (200, Bytes::from("hello"), 0));
    assert_eq!(response.url, server.url("/things?a=%20b"));
    let seen = server.seen().remove(0);
    assert_eq!(seen.line, "POST /things?a=%20b HTTP/1.1");
    assert_eq!(seen.body, b"{\"a\":1}");
    assert_eq!(seen.header("authorization"), Some("Bearer token"));
    assert_eq!(seen.header("x-custom"), Some("value"));
    assert_eq!(seen.header("content-length"), Some("7"));
    assert_eq!(seen.header("host"), Some(server.address.to_string().as_str()));
    assert!(seen.header("user-agent").unwrap().starts_with("Patchbay/"));
}

#[tokio::test]
async fn the_callers_user_agent_wins() {
    let server = Server::answering(ok("")).await;
    let client = local();
    let request = client.request(Method::GET, server.url("/")).header("user-agent", "mine").unwrap();
    client.send(request).await.unwrap();
    assert_eq!(server.seen()[0].header("user-agent"), Some("mine"));
    assert_eq!(server.seen()[0].header("content-length"), None);
}

#[tokio::test]
async fn any_status_is_a_response() {
    for status in [200, 204, 400, 401, 404, 429, 500, 503] {
        let server = Server::answering(format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n")).await;
        assert_eq!(get(&local(), &server.url("/")).await.unwrap().status.as_u16(), status);
    }
}

#[tokio::test]
async fn headers_of_the_connection_are_refused() {
    let server = Server::answering(ok("")).await;
    let client = local();
    for name in [
        "Host",
        "content-length",
        "Transfer-Encoding",
        "connection",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "keep-alive",
        "Proxy-Authorization",
        "proxy-connection",
        "http2-settings",
    ] {
        let request = client.request(Method::GET, server.url("/")).header(name, "1").unwrap();
        let error = client.send(request).await.unwrap_err();
        assert_eq!((error.code(), error.sent()), ("invalid_header", Sent::NotSent), "{name}");
    }
    assert!(server.seen().is_empty());
}

#[test]
fn line_breaks_cannot_get_into_headers() {
    let request = || HttpRequest::new(Method::GET, "https://example.com/");
    for (name, value) in [
        ("x-a", "b\r\nx-injected: 1"),
        ("x-a", "b\nx"),
        ("x-a", "b\0"),
        ("x-a\r\nx-injected", "1"),
        ("x a", "1"),
        ("x-a:", "1"),
        ("", "1"),
        (":authority", "other"),
    ] {
        let error = request().header(name, value).unwrap_err();
        assert!(matches!(error, EgressError::InvalidHeader { .. }), "{name:?}: {value:?}");
        let message = error.to_string();
        assert!(!message.contains(['\r', '\n', '\0']), "{message:?}");
    }
}

#[tokio::test]
async fn methods_for_tunnels_and_traces_are_refused() {
    let server = Server::answering(ok("")).await;
    let client = local();
    for method in ["CONNECT", "TRACE", "TRACK", "trace"] {
        let request = client.request(Method::from_bytes(method.as_bytes()).unwrap(), server.url("/"));
        assert_eq!(client.send(request).await.unwrap_err().code(), "invalid_method", "{method}");
    }
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn debug_output_has_no_secrets() {
    let request = HttpRequest::new(Method::POST, "https://hooks.example.com/services/secret?key=secret")
        .header("authorization", "Bearer secret")
        .unwrap();
    let request = HttpRequest { body: Bytes::from_static(b"secret"), ..request };
    let shown = format!("{request:?}");
    assert!(shown.contains("https://hooks.example.com") && !shown.contains("secret"), "{shown}");

    let server = Server::answering("HTTP/1.1 200 OK\r\nset-cookie: secret\r\n\r\nsecret").await;
    let shown = format!("{:?}", get(&local(), &server.url("/secret")).await.unwrap());
    assert!(shown.contains("body_bytes: 6") && !shown.contains("secret"), "{shown}");
}

/// Runs another of these tests in a process whose environment names a proxy.
#[tokio::test]
async fn a_proxy_in_the_environment_is_not_used() {
    let proxy = Server::answering(ok("from the proxy")).await;
    let mut child = tokio::process::Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "tests::requests::a_request_arrives_as_it_was_meant"]);
    for variable in ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"] {
        child.env(variable, proxy.url(""));
    }
    let output = child.env_remove("no_proxy").env_remove("NO_PROXY").output().await.unwrap();
    let shown = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && shown.contains("1 passed"), "{shown}");
    assert!(proxy.seen().is_empty());
}

#[tokio::test]
async fn files_are_sent_with_their_length_and_once_more_after_a_redirect() {
    let mut file = tempfile::tempfile().unwrap();
    let content: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    std::io::Write::write_all(&mut file, &content).unwrap();
    let file = std::sync::Arc::new(file);
    let target = Server::answering(ok("kept")).await;
    let server = Server::redirecting(307, target.url("/there")).await;
    let client = local();
    let mut request = client.request(Method::POST, server.url("/"));
    request.body = Bytes::from_static(b"<");
    request.attached = vec![
        Piece::File(file.clone(), content.len() as u64),
        Piece::Bytes(Bytes::new()),
        Piece::Bytes(Bytes::from_static(b"|")),
        // A part of a file, and nothing of one.
        Piece::File(file.clone(), 3),
        Piece::File(file, 0),
        Piece::Bytes(Bytes::from_static(b">")),
    ];
    let response = client.send(request).await.unwrap();
    assert_eq!((response.body, response.redirects), (Bytes::from("kept"), 1));
    let expected = [b"<", content.as_slice(), b"|", &content[..3], b">"].concat();
    for seen in [&server.seen()[0], &target.seen()[0]] {
        assert_eq!(seen.header("content-length"), Some(expected.len().to_string().as_str()));
        assert_eq!(seen.header("transfer-encoding"), None);
        assert!(seen.body == expected, "{} bytes", seen.body.len());
    }
}
