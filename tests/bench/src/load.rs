//! Many webhooks.

use crate::client::Client;
use crate::stack::Hook;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Sends `count` webhooks over `connections` connections; gives how long it took until all were accepted.
pub(crate) async fn fire(hook: &Hook, body: &str, count: usize, connections: usize) -> Duration {
    let began = Instant::now();
    let left = Arc::new(AtomicUsize::new(count));
    let mut senders = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (left, hook, body) = (left.clone(), hook.clone(), body.to_owned());
        senders.spawn(async move {
            let mut client = Client::connect(hook.addr).await;
            while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok() {
                let (status, answer) = client.send("POST", &hook.path, None, &body).await;
                assert_eq!(status, 202, "{}", String::from_utf8_lossy(&answer));
            }
        });
    }
    senders.join_all().await;
    began.elapsed()
}
