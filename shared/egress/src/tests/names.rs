//! Names: every address must be public, and what was judged is what is connected to.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::io::AsyncWriteExt;

use super::get;
use super::server::{Server, ok, read_request};
use crate::{Egress, EgressConfig, Lookup, Sent};

/// Gives a name's answers one after the other, the last one for ever.
#[derive(Default)]
struct Zone {
    answers: Mutex<HashMap<String, Vec<Vec<IpAddr>>>>,
    asked: AtomicUsize,
}

impl Zone {
    fn with(name: &str, answers: &[&[&str]]) -> Arc<Self> {
        let answers = answers.iter().map(|set| set.iter().map(|a| a.parse().unwrap()).collect()).collect();
        Arc::new(Self {
            answers: Mutex::new(HashMap::from([(name.to_owned(), answers)])),
            asked: AtomicUsize::new(0),
        })
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Lookup for Zone {
    async fn addresses(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let mut answers = self.answers.lock().unwrap();
        let left = answers.get_mut(host).ok_or_else(|| io::Error::other("no such name"))?;
        Ok(if left.len() > 1 { left.remove(0) } else { left[0].clone() })
    }
}

fn client(zone: &Arc<Zone>, allow_loopback: bool) -> Egress {
    let config = EgressConfig { allow_loopback, ..EgressConfig::default() };
    Egress::with_lookup(config, Arc::clone(zone) as Arc<dyn Lookup>).unwrap()
}

#[tokio::test]
async fn one_private_address_refuses_the_name() {
    for answer in [
        &["93.184.215.14", "10.0.0.1"][..],
        &["10.0.0.1", "93.184.215.14"],
        &["2606:4700::1111", "::1"],
        &["93.184.215.14", "169.254.169.254"],
        &["::ffff:192.168.0.1"],
        &["64:ff9b::a00:1"],
        &["127.0.0.1"],
        &["fe80::1"],
    ] {
        let zone = Zone::with("mixed.example", &[answer]);
        let error = get(&client(&zone, false), "http://mixed.example/").await.unwrap_err();
        assert_eq!((error.code(), error.sent()), ("egress_blocked", Sent::NotSent), "{answer:?}: {error}");
        assert_eq!(zone.asked(), 1);
        // Who probes learns nothing of the addresses inside.
        assert!(answer.iter().all(|address| !error.to_string().contains(address)), "{error}");
    }
}

#[tokio::test]
async fn loopback_beside_private_is_refused_in_local_development_too() {
    let zone = Zone::with("mixed.example", &[&["127.0.0.1", "10.0.0.1"]]);
    assert_eq!(
        get(&client(&zone, true), "http://mixed.example/").await.unwrap_err().code(),
        "egress_blocked"
    );
}

/// The name changes its answer after the first question. The connection still goes to the judged address, no
/// second question is asked for it, and the next connection is judged anew.
#[tokio::test]
async fn a_rebinding_name_is_asked_once_a_connection() {
    let server = Server::answering(ok("hello")).await;
    let zone = Zone::with("rebind.example", &[&["127.0.0.1"], &["10.0.0.1"]]);
    let client = client(&zone, true);
    let url = format!("http://rebind.example:{}/", server.address.port());

    assert_eq!(get(&client, &url).await.unwrap().body, "hello");
    assert_eq!(zone.asked(), 1);
    assert_eq!(server.seen()[0].header("host").unwrap(), format!("rebind.example:{}", server.address.port()));

    // The server closed the connection, so this is a new one.
    let error = get(&client, &url).await.unwrap_err();
    assert_eq!((error.code(), zone.asked()), ("egress_blocked", 2), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_kept_connection_stays_at_the_judged_address() {
    let server = Server::scripted(|_, mut stream| async move {
        loop {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
            if read_request(&mut stream).await.is_none() {
                break;
            }
        }
    })
    .await;
    let zone = Zone::with("rebind.example", &[&["127.0.0.1"], &["10.0.0.1"]]);
    let client = client(&zone, true);
    let url = format!("http://rebind.example:{}/", server.address.port());
    assert_eq!(get(&client, &url).await.unwrap().body, "hello");
    assert_eq!(get(&client, &url).await.unwrap().body, "hello");
    // The pool checks out the idle connection at once or starts a new one beside it, which the guard refuses
    // unseen.
    assert_eq!(server.seen().len(), 1, "one connection was made");
}

#[tokio::test]
async fn a_redirect_to_a_name_with_a_private_address_is_refused() {
    let zone = Zone::with("inside.example", &[&["10.0.0.1"]]);
    let server = Server::redirecting(302, "http://inside.example/").await;
    let error = get(&client(&zone, true), &server.url("/")).await.unwrap_err();
    assert_eq!((error.code(), error.sent()), ("redirect_blocked", Sent::MaybeSent), "{error}");
}

#[tokio::test]
async fn unknown_names_and_empty_answers_can_be_tried_again() {
    let zone = Zone::with("empty.example", &[&[]]);
    let client = client(&zone, false);
    for url in ["http://unknown.example/", "http://empty.example/"] {
        let error = get(&client, url).await.unwrap_err();
        assert_eq!(
            (error.code(), error.sent(), error.retryable()),
            ("dns_failed", Sent::NotSent, true),
            "{url}"
        );
    }
}

#[tokio::test]
async fn localhost_is_never_asked_for() {
    let server = Server::answering(ok("hello")).await;
    let SocketAddr::V4(address) = server.address else { unreachable!("the server binds IPv4") };
    let zone = Zone::with("localhost", &[&["10.0.0.1"]]);
    let client = client(&zone, true);
    for name in ["localhost", "app.localhost", "LOCALHOST."] {
        let response = get(&client, &format!("http://{name}:{}/", address.port())).await.unwrap();
        assert_eq!(response.body, "hello", "{name}");
    }
    assert_eq!(zone.asked(), 0);
}
