//! What the workflows' HTTP steps call: answers at once with about half a kilobyte of JSON.

use crate::client::read_message;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;

pub(crate) struct Target {
    pub(crate) addr: SocketAddr,
    answered: Arc<AtomicUsize>,
}

impl Target {
    pub(crate) async fn start() -> Self {
        Self::start_on("127.0.0.1").await
    }

    pub(crate) async fn start_on(ip: &str) -> Self {
        let listener = TcpListener::bind((ip, 0)).await.expect("a port is free");
        let answered = Arc::new(AtomicUsize::new(0));
        let count = answered.clone();
        let addr = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move {
            loop {
                let Ok((mut stream, _)) = listener.accept().await else { return };
                let _unimportant = stream.set_nodelay(true);
                let count = count.clone();
                tokio::spawn(async move {
                    let mut buffer = Vec::new();
                    let mut n: u64 = 1;
                    while read_message(&mut stream, &mut buffer, |_| Some(())).await.is_some() {
                        count.fetch_add(1, Ordering::Relaxed);
                        n = n.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(99);
                        let body = answer(n);
                        let head = format!(
                            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                            body.len()
                        );
                        if stream.write_all(head.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { addr, answered }
    }

    /// How many requests came.
    pub(crate) fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }
}

/// About half a kilobyte, different each time, as an API would answer.
fn answer(n: u64) -> String {
    serde_json::json!({
        "id": format!("obj_{n:016x}"), "object": "contact", "created_at": "2026-03-14T15:09:26Z", "updated_at": "2026-03-14T15:09:27Z",
        "status": "active", "owner": {"id": format!("usr_{:012x}", n >> 8), "name": "Katherine Johnson", "email": "katherine@example.com"},
        "tags": ["customer", "newsletter", "emea"], "amount": n % 100_000, "currency": "eur",
        "links": {"self": format!("https://api.example.com/v2/contacts/{n:x}"), "activity": format!("https://api.example.com/v2/contacts/{n:x}/activity")},
        "notes": "asked for a call back on Tuesday", "score": n % 100
    })
    .to_string()
}
