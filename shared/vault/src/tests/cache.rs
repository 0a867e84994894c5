//! The keyring in memory.

use std::sync::Arc;

use serde_json::json;

use super::service::{ID, Service};
use crate::{CACHED_FOR, Keyring, Keyrings};

const NOW: i64 = 1_800_000_000;

async fn setup() -> (Service, Keyrings) {
    let service = Service::new();
    Keyring::create_if_missing(&service.client, ID, Some("first"), NOW).await.unwrap();
    let keyrings = Keyrings::new(service.client.clone(), ID);
    (service, keyrings)
}

async fn change(service: &Service) {
    let mut stored = service.stored().await;
    stored["setup_token"] = json!("second");
    service.put(&stored).await;
}

#[tokio::test]
async fn it_is_read_again_after_five_minutes() {
    let (service, keyrings) = setup().await;
    let first = keyrings.get(NOW).await.unwrap();
    change(&service).await;
    let cached = keyrings.get(NOW + CACHED_FOR - 1).await.unwrap();
    assert!(Arc::ptr_eq(&first, &cached));
    assert!(keyrings.get(NOW + CACHED_FOR).await.unwrap().opens_setup("second"));
}

#[tokio::test]
async fn many_who_ask_at_once_cause_one_read() {
    let (service, keyrings) = setup().await;
    let before = service.calls("GetSecretValue");
    let keyrings = Arc::new(keyrings);
    let asking: Vec<_> = (0..50)
        .map(|_| {
            let keyrings = Arc::clone(&keyrings);
            tokio::spawn(async move { keyrings.get(NOW).await.unwrap() })
        })
        .collect();
    for one in asking {
        one.await.unwrap();
    }
    assert_eq!(service.calls("GetSecretValue") - before, 1);
}

#[tokio::test]
async fn an_outage_is_bridged_for_five_minutes_more() {
    let (service, keyrings) = setup().await;
    keyrings.get(NOW).await.unwrap();
    service.set_down(true);
    let before = service.calls("GetSecretValue");
    assert!(keyrings.get(NOW + CACHED_FOR).await.unwrap().opens_setup("first"));
    assert!(keyrings.get(NOW + CACHED_FOR + 1).await.is_ok());
    assert_eq!(service.calls("GetSecretValue") - before, 1, "each request would wait for the outage");
    assert!(keyrings.get(NOW + 2 * CACHED_FOR - 1).await.is_ok());
    assert_eq!(keyrings.get(NOW + 2 * CACHED_FOR).await.unwrap_err().code(), "keyring_unavailable");
    service.set_down(false);
    assert!(keyrings.get(NOW + 2 * CACHED_FOR).await.is_ok());
}

#[tokio::test]
async fn a_keyring_that_was_broken_or_removed_is_not_bridged() {
    let (service, keyrings) = setup().await;
    keyrings.get(NOW).await.unwrap();
    service.put(&json!({"version": 9})).await;
    assert_eq!(keyrings.get(NOW + CACHED_FOR).await.unwrap_err().code(), "keyring_version");
}

#[tokio::test]
async fn a_clock_that_was_set_back_reads_anew() {
    let (service, keyrings) = setup().await;
    keyrings.get(NOW).await.unwrap();
    change(&service).await;
    assert!(keyrings.get(NOW - 1).await.unwrap().opens_setup("second"));
}
