//! Several functions complete one secret.

use std::time::{Duration, Instant};

use serde_json::json;

use super::service::{ID, Service};
use crate::Keyring;
use crate::storage::{Storage, Written};

const NOW: i64 = 1_800_000_000;

/// The Lambdas all read the incomplete version before any of them writes.
#[tokio::test]
async fn all_end_with_the_same_keys() {
    for lambdas in [2, 8] {
        let service = Service::with_secret(r#"{"setup_token": "from-the-template"}"#).await;
        service.hold_reads(lambdas);
        let loading: Vec<_> = (0..lambdas)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move { Keyring::load(&service.client, ID, NOW).await.unwrap() })
            })
            .collect();
        let mut keyrings = Vec::new();
        for one in loading {
            keyrings.push(one.await.unwrap());
        }
        assert_eq!(service.calls("PutSecretValue"), lambdas, "the race did not happen");
        let later = Keyring::load(&service.client, ID, NOW).await.unwrap();
        for keyring in &keyrings {
            assert_eq!(keyring.signer().public_key(), later.signer().public_key());
            assert_eq!(keyring.cursor_key().expose(), later.cursor_key().expose());
            assert!(keyring.opens_setup("from-the-template"));
        }
        assert_eq!(service.stored().await["version"], json!(1));
    }
}

/// One that read the incomplete version long ago writes when the keyring has been complete, and changed, for
/// a while.
#[tokio::test]
async fn a_late_writer_changes_nothing() {
    let service = Service::with_secret(r#"{"setup_token": "from-the-template"}"#).await;
    let storage = Storage { client: &service.client, id: ID };
    let incomplete = storage.current().await.unwrap();
    let late = incomplete.document.clone().completed(NOW).unwrap();

    let keyring = Keyring::load(&service.client, ID, NOW).await.unwrap();
    for _ in 0..2 {
        let before = service.stored().await;
        assert_eq!(storage.put_after(&incomplete.version_id, &late).await.unwrap(), Written::Existed);
        assert_eq!(service.stored().await, before);
        // Then once more after an operator's change.
        let mut changed = before;
        changed["setup_token"] = json!("changed");
        service.put(&changed).await;
    }
    let now = Keyring::load(&service.client, ID, NOW).await.unwrap();
    assert_eq!(now.signer().public_key(), keyring.signer().public_key());
    assert!(now.opens_setup("changed"));
}

/// The current version is shown late: the writer waits for it instead of writing again.
#[tokio::test]
async fn a_version_that_is_shown_late_is_waited_for() {
    let service = Service::with_secret(r#"{"setup_token": "from-the-template"}"#).await;
    service.show_late(3);
    let started = Instant::now();
    let keyring = Keyring::load(&service.client, ID, NOW).await.unwrap();
    assert!(started.elapsed() > Duration::from_millis(150), "it asked without a pause");
    assert_eq!(service.calls("PutSecretValue"), 1);
    let later = Keyring::load(&service.client, ID, NOW).await.unwrap();
    assert_eq!(later.signer().public_key(), keyring.signer().public_key());
}

#[tokio::test]
async fn a_version_that_is_never_shown_is_an_error() {
    let service = Service::with_secret(r#"{"setup_token": "from-the-template"}"#).await;
    service.show_late(100);
    let error = Keyring::load(&service.client, ID, NOW).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("keyring_unsettled", true));
}
