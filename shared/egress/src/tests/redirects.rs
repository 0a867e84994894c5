//! Redirects: each hop judged, methods and bodies as browsers treat them, credentials kept at home.

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use tokio::io::AsyncWriteExt;

use super::server::{Seen, Server, ok, redirect};
use super::{cloud, get, local};
use crate::{EgressError, HttpPort, HttpRequest, Sent};

#[tokio::test]
async fn a_redirect_leads_nowhere_that_a_request_may_not() {
    for location in [
        "http://10.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.0.0.1]/",
        "http://[fd00:ec2::254]/",
        "//192.168.0.1/",
        "http://2852039166/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "javascript:alert(1)",
        "http://user:password@example.com/",
        "http://example.com:25/",
        "http://[::1",
    ] {
        let server = Server::redirecting(302, location).await;
        let error = get(&local(), &server.url("/")).await.unwrap_err();
        assert!(matches!(error, EgressError::RedirectBlocked { .. }), "{location}: {error:?}");
        assert_eq!(
            (error.code(), error.sent(), error.retryable()),
            ("redirect_blocked", Sent::MaybeSent, false)
        );
        assert_eq!(server.seen().len(), 1);
    }
}

#[tokio::test]
async fn a_redirect_to_loopback_is_followed_in_local_development_only() {
    let target = Server::answering(ok("here")).await;
    let server = Server::redirecting(302, target.url("/there?x=1")).await;
    let response = get(&local(), &server.url("/")).await.unwrap();
    assert_eq!((response.body, response.redirects), (Bytes::from("here"), 1));
    assert_eq!(response.url, target.url("/there?x=1"));
    // The cloud's client judges a redirect by the same rule as a first address.
    let base = url::Url::parse("https://example.com/").unwrap();
    assert!(crate::target::join(&base, &target.url("/"), false).is_err());
    assert_eq!(get(&cloud(), &server.url("/")).await.unwrap_err().code(), "egress_blocked");
}

#[tokio::test]
async fn relative_redirects_are_followed_from_where_they_stand() {
    let server = Server::scripted(|seen: Seen, mut stream| async move {
        let answer = match seen.line.split(' ').nth(1).unwrap() {
            "/a/b" => redirect(301, "../c?d=1#ignored"),
            "/c?d=1" => ok("arrived"),
            other => panic!("unexpected {other}"),
        };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let response = get(&local(), &server.url("/a/b")).await.unwrap();
    assert_eq!(response.body, "arrived");
}

#[tokio::test]
async fn a_loop_ends() {
    let server = Server::redirecting(302, "/again").await;
    let error = get(&local(), &server.url("/")).await.unwrap_err();
    assert_eq!(error, EgressError::RedirectLimit { limit: 5 });
    assert_eq!((error.code(), error.sent(), error.retryable()), ("redirect_limit", Sent::MaybeSent, false));
    assert_eq!(server.seen().len(), 6);
}

#[tokio::test]
async fn the_redirect_itself_is_the_answer_if_the_caller_wants_it() {
    let server = Server::redirecting(302, "http://10.0.0.1/").await;
    let client = local();
    let request = HttpRequest { follow_redirects: false, ..client.request(Method::GET, server.url("/")) };
    let response = client.send(request).await.unwrap();
    assert_eq!((response.status.as_u16(), response.redirects), (302, 0));
    assert_eq!(response.headers["location"], "http://10.0.0.1/");
}

#[tokio::test]
async fn statuses_that_do_not_redirect_are_answers() {
    for answer in [
        "HTTP/1.1 304 Not Modified\r\nlocation: /x\r\n\r\n",
        "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n",
    ] {
        let server = Server::answering(answer).await;
        assert_eq!(get(&local(), &server.url("/")).await.unwrap().redirects, 0, "{answer}");
    }
}

#[tokio::test]
async fn methods_and_bodies_follow_as_in_browsers() {
    for (status, method, expected, body) in [
        (301, "POST", "GET", ""),
        (302, "POST", "GET", ""),
        (303, "POST", "GET", ""),
        (303, "PUT", "GET", ""),
        (303, "HEAD", "HEAD", ""),
        (301, "PUT", "PUT", "{}"),
        (302, "DELETE", "DELETE", "{}"),
        (307, "POST", "POST", "{}"),
        (308, "PATCH", "PATCH", "{}"),
    ] {
        let target = Server::answering("HTTP/1.1 204 No Content\r\n\r\n").await;
        let server = Server::redirecting(status, target.url("/")).await;
        let client = local();
        let mut request = client
            .request(Method::from_bytes(method.as_bytes()).unwrap(), server.url("/"))
            .header("content-type", "application/json")
            .unwrap();
        if method != "HEAD" {
            request.body = Bytes::from_static(b"{}");
        }
        client.send(request).await.unwrap();
        let seen = target.seen().remove(0);
        assert!(seen.line.starts_with(&format!("{expected} / ")), "{status} {method}: {}", seen.line);
        assert_eq!(seen.body, body.as_bytes(), "{status} {method}");
        let keeps_type = expected == method;
        assert_eq!(seen.header("content-type").is_some(), keeps_type, "{status} {method}");
    }
}

fn with_credentials(request: HttpRequest) -> HttpRequest {
    request
        .header("authorization", "Bearer secret")
        .and_then(|r| r.header("cookie", "session=secret"))
        .and_then(|r| r.header("x-api-key", "secret"))
        .and_then(|r| r.header("x-acme-token", "secret"))
        .and_then(|r| r.secret_header("accept-language", "secret"))
        .and_then(|r| r.header("accept", "application/json"))
        .and_then(|r| r.header("idempotency-key", "run-1"))
        .unwrap()
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    // Another port is another origin, as is another name for the same machine.
    let away = Server::answering(ok("")).await;
    let port = away.address.port();
    for target in [away.url("/"), format!("http://localhost:{port}/")] {
        let server = Server::redirecting(307, &target).await;
        let client = local();
        client.send(with_credentials(client.request(Method::POST, server.url("/")))).await.unwrap();
        let first = server.seen().remove(0);
        assert_eq!(first.header("authorization"), Some("Bearer secret"));
        let second = away.seen().pop().unwrap();
        assert!(!second.headers.iter().any(|(_, value)| value.contains("secret")), "{target}: {second:?}");
        assert_eq!(second.header("accept"), Some("application/json"));
        assert_eq!(second.header("idempotency-key"), Some("run-1"));
    }
}

#[tokio::test]
async fn credentials_follow_within_their_origin() {
    let server = Server::scripted(|seen: Seen, mut stream| async move {
        let answer = if seen.line.contains("/first") { redirect(302, "/second") } else { ok("") };
        stream.write_all(answer.as_bytes()).await.unwrap();
    })
    .await;
    let client = local();
    client.send(with_credentials(client.request(Method::GET, server.url("/first")))).await.unwrap();
    assert_eq!(server.seen()[1].header("authorization"), Some("Bearer secret"));
    assert_eq!(server.seen()[1].header("x-acme-token"), Some("secret"));
}

#[tokio::test]
async fn credentials_once_dropped_do_not_come_back() {
    let away = Server::scripted(|seen: Seen, mut stream| async move {
        let back = seen.line.split(' ').nth(1).unwrap().trim_start_matches("/to/").to_owned();
        stream.write_all(redirect(302, format!("http://{back}/end")).as_bytes()).await.unwrap();
    })
    .await;
    let away_url = away.url("/to/");
    let home = Server::scripted(move |seen: Seen, mut stream| {
        let away_url = away_url.clone();
        async move {
            let own = seen.header("host").unwrap().to_owned();
            let answer = if seen.line.contains("/end") {
                ok("end")
            } else {
                redirect(302, format!("{away_url}{own}"))
            };
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    })
    .await;
    let client = local();
    let response =
        client.send(with_credentials(client.request(Method::GET, home.url("/start")))).await.unwrap();
    assert_eq!((response.body, response.redirects), (Bytes::from("end"), 2));
    assert!(!home.seen()[1].headers.iter().any(|(_, value)| value.contains("secret")));
}

#[tokio::test]
async fn a_failure_after_a_redirect_says_that_the_request_was_sent() {
    let nobody = {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap()
    };
    let server = Server::redirecting(307, format!("http://{nobody}/")).await;
    let client = local();
    let request =
        HttpRequest { timeout: Duration::from_secs(5), ..client.request(Method::POST, server.url("/")) };
    let error = client.send(request).await.unwrap_err();
    assert_eq!(
        (error.code(), error.sent(), error.retryable()),
        ("connect_failed", Sent::MaybeSent, true),
        "{error}"
    );
}
