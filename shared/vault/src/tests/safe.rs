//! One suite for both drivers: sealed, and in Secrets Manager.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;
use domain::{OrgId, OrgKey, Provenance};
use emulators::{Cloud, REGION};
use runtime::{SignedHttp, SystemClock};
use serde_json::{Value, json};

use crate::{
    CACHED_FOR, Keyring, KeyringError, Safe, SafeError, Sealer, Sealers, SecretFolder, SecretsManager,
    Storage,
};

const NOW: i64 = 1_800_000_000;
const PREFIX: &str = "stack/credentials";
const PURPOSE: &str = "connection/conn_1";
const CANARY: &str = "canary-7f3a91c2e5";
const BOTH: [Storage; 2] = [Storage::SecretsManager, Storage::Sealed];

fn org(n: u8) -> OrgKey {
    OrgKey::verified(OrgId::from_bytes([n; 16]), Provenance::Token)
}

/// How Secrets Manager behaves.
#[derive(Debug, Default)]
struct Behaviour {
    calls: Mutex<HashMap<String, usize>>,
    /// It answers with this instead.
    refuses: Mutex<Option<(u16, &'static str)>>,
    /// So many calls take place, and their answers are lost.
    loses: AtomicUsize,
    /// Reads find nothing so many times.
    late: AtomicUsize,
    /// It cannot be reached.
    away: AtomicBool,
}

#[derive(Debug, Clone)]
struct Account {
    cloud: Cloud,
    behaviour: Arc<Behaviour>,
}

fn answer(status: u16, code: &str) -> HttpResponse {
    let status = StatusCode::try_from(status).unwrap();
    HttpResponse::new(status, SdkBody::from(json!({"__type": code}).to_string()))
}

fn taken(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl HttpConnector for Account {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let operation = request.headers().get("x-amz-target").unwrap().rsplit('.').next().unwrap().to_owned();
        assert!(request.headers().get("authorization").is_some_and(|by| by.contains("/secretsmanager/")));
        let asked: Value = serde_json::from_slice(request.body().bytes().unwrap()).unwrap();
        if operation == "CreateSecret" {
            let token = asked["ClientRequestToken"].as_str().unwrap();
            assert!((32..=64).contains(&token.len()), "AWS takes tokens of 32 to 64 characters");
        }
        *self.behaviour.calls.lock().unwrap().entry(operation.clone()).or_default() += 1;
        let away = || ConnectorError::io("no route".into());
        if self.behaviour.away.load(Ordering::SeqCst) {
            return HttpConnectorFuture::ready(Err(away()));
        }
        if let Some((status, code)) = *self.behaviour.refuses.lock().unwrap() {
            return HttpConnectorFuture::ready(Ok(answer(status, code)));
        }
        if operation == "GetSecretValue" && taken(&self.behaviour.late) {
            return HttpConnectorFuture::ready(Ok(answer(400, "ResourceNotFoundException")));
        }
        let answered = self.cloud.connector().call(request);
        if taken(&self.behaviour.loses) {
            return HttpConnectorFuture::new(async move {
                drop(answered.await);
                Err(away())
            });
        }
        answered
    }
}

impl Account {
    fn new() -> Self {
        Self { cloud: Cloud::memory().unwrap(), behaviour: Arc::default() }
    }

    fn folder(&self) -> SecretFolder {
        let http = SignedHttp {
            connector: SharedHttpConnector::new(self.clone()),
            credentials: Cloud::credentials(),
            region: REGION.into(),
            endpoint: None,
            clock: Arc::new(SystemClock),
        };
        SecretFolder::new(Arc::new(SecretsManager::new(http)), PREFIX)
    }

    fn safe(&self, storage: Storage) -> Safe {
        let sealers = Arc::new(OneKey(Arc::new(Sealer::with_key([7; 32]))));
        Safe::new(sealers, self.folder()).keeping(storage)
    }

    fn client(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.cloud.sdk_config())
    }

    async fn put(&self, name: &str, text: &str) {
        self.client().create_secret().name(name).secret_string(text).send().await.unwrap();
    }

    /// The names of all secrets of the account.
    async fn names(&self) -> Vec<String> {
        let pages = self.client().list_secrets().into_paginator().send();
        let pages = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
        let all = pages.iter().flat_map(ListSecretsOutput::secret_list);
        all.map(|secret| secret.name().unwrap().to_owned()).collect()
    }

    fn calls(&self, operation: &str) -> usize {
        self.behaviour.calls.lock().unwrap().get(operation).copied().unwrap_or_default()
    }

    fn refuse(&self, with: Option<(u16, &'static str)>) {
        *self.behaviour.refuses.lock().unwrap() = with;
    }
}

#[derive(Debug)]
struct OneKey(Arc<Sealer>);

#[async_trait]
impl Sealers for OneKey {
    async fn sealer(&self, _: i64) -> Result<Arc<Sealer>, KeyringError> {
        Ok(self.0.clone())
    }
}

#[tokio::test]
async fn what_is_kept_shows_nothing_and_opens_for_its_organisation_and_purpose_only() {
    for storage in BOTH {
        let account = Account::new();
        let safe = account.safe(storage);
        for text in ["", CANARY, "ü € 🔑 \n \"quoted\" \\ \u{1}", &"x".repeat(48 * 1024)] {
            let kept = safe.keep(&org(1), PURPOSE, text, NOW).await.unwrap();
            assert!(text.is_empty() || !kept.contains(text), "{storage:?}");
            assert!(storage == Storage::Sealed || kept.len() < 200, "an item keeps a name: {kept}");
            assert_ne!(kept, safe.keep(&org(1), PURPOSE, text, NOW).await.unwrap(), "never twice the same");
            // Also by a function that has never seen it, and by one that holds it.
            for reader in [&safe, &safe, &account.safe(storage)] {
                assert_eq!(reader.open(&org(1), PURPOSE, &kept, NOW).await.unwrap().expose(), text);
                for (org, purpose) in [(org(2), PURPOSE), (org(1), "connection/conn_2"), (org(1), "")] {
                    let refused = reader.open(&org, purpose, &kept, NOW).await.unwrap_err();
                    assert!(!refused.retryable(), "{storage:?}: {refused}");
                }
            }
        }
    }
}

#[tokio::test]
async fn what_is_forgotten_is_gone_and_may_be_forgotten_again() {
    for storage in BOTH {
        let account = Account::new();
        let safe = account.safe(storage);
        let stays = safe.keep(&org(1), PURPOSE, "stays", NOW).await.unwrap();
        let goes = safe.keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
        assert_eq!(safe.open(&org(1), PURPOSE, &goes, NOW).await.unwrap().expose(), CANARY);
        for _ in 0..2 {
            safe.forget(&org(1), &goes).await.unwrap();
        }
        // What is sealed goes with its item.
        if storage == Storage::SecretsManager {
            assert_eq!(account.names().await.len(), 1);
            let gone = safe.open(&org(1), PURPOSE, &goes, NOW).await.unwrap_err();
            assert!(matches!(gone, SafeError::Missing) && !gone.retryable());
        }
        assert_eq!(safe.open(&org(1), PURPOSE, &stays, NOW).await.unwrap().expose(), "stays");
        assert!(safe.forget(&org(2), &stays).await.is_err() || storage == Storage::Sealed);
        assert_eq!(safe.open(&org(1), PURPOSE, &stays, NOW).await.unwrap().expose(), "stays");
    }
}

#[tokio::test]
async fn whatever_was_kept_before_opens_when_the_driver_is_switched() {
    for (before, after) in [(BOTH[0], BOTH[1]), (BOTH[1], BOTH[0])] {
        let account = Account::new();
        let kept = account.safe(before).keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
        let switched = account.safe(after);
        assert_eq!(switched.open(&org(1), PURPOSE, &kept, NOW).await.unwrap().expose(), CANARY);
        let new = switched.keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
        assert_ne!(kept.starts_with("sm:"), new.starts_with("sm:"));
        switched.forget(&org(1), &kept).await.unwrap();
        assert_eq!(account.names().await.len(), usize::from(after == Storage::SecretsManager));
    }
}

#[tokio::test]
async fn a_text_that_somebody_changed_leads_nowhere() {
    for storage in BOTH {
        let account = Account::new();
        let keyring =
            Keyring::create_if_missing(&account.client(), "stack/keyring", None, NOW).await.unwrap();
        let safe = account.safe(storage);
        let theirs = safe.keep(&org(2), PURPOSE, CANARY, NOW).await.unwrap();
        let mine = safe.keep(&org(1), PURPOSE, "mine", NOW).await.unwrap();
        // A secret that somebody put where one of ours could be.
        let (own, other) = (format!("{PREFIX}/{}", org(1).org()), format!("{PREFIX}/{}", org(2).org()));
        let planted = format!("{own}/{}", "a".repeat(32));
        account
            .put(&planted, r#"{"organization": "org_x", "purpose": "connection/conn_1", "value": "canary"}"#)
            .await;
        let malformed = format!("{own}/{}", "b".repeat(32));
        account.put(&malformed, r#"{"canary": "canary"}"#).await;
        let reads = account.calls("GetSecretValue");
        let deep = theirs.trim_start_matches("sm:").replace(&other, &format!("{own}/../{}", org(2).org()));
        let names = [
            "stack/keyring".to_owned(),
            "arn:aws:secretsmanager:us-east-1:000000000000:secret:stack/keyring-abcdef".to_owned(),
            format!("{own}/"),
            format!("{own}/{}", "A".repeat(32)),
            format!("{own}/{}", "a".repeat(31)),
            format!("{own}x/{}", "a".repeat(32)),
            format!("another/credentials/{}/{}", org(1).org(), "a".repeat(32)),
            deep,
            String::new(),
        ];
        let texts =
            names.iter().map(|name| format!("sm:{name}")).chain([theirs.clone(), mine[..20].to_owned()]);
        for text in texts.chain(["", "sm", "v1.", "v2.test.AAAA", "SM:x"].map(str::to_owned)) {
            let refused = safe.open(&org(1), PURPOSE, &text, NOW).await.unwrap_err();
            assert!(!refused.retryable(), "{text}: {refused}");
            let _ = safe.forget(&org(1), &text).await;
        }
        assert_eq!(account.calls("GetSecretValue"), reads, "nothing was even asked for");
        assert_eq!(account.calls("DeleteSecret"), 0);
        let planted = safe.open(&org(1), PURPOSE, &format!("sm:{planted}"), NOW).await.unwrap_err();
        assert!(matches!(planted, SafeError::Refused), "{planted:?}");
        let malformed = safe.open(&org(1), PURPOSE, &format!("sm:{malformed}"), NOW).await.unwrap_err();
        assert!(matches!(malformed, SafeError::Malformed), "{malformed:?}");
        assert!(!format!("{malformed:?} {malformed}").contains("canary"));
        assert_eq!(safe.open(&org(2), PURPOSE, &theirs, NOW).await.unwrap().expose(), CANARY);
        assert!(keyring.opens_setup(keyring.setup_token().expose()));
    }
}

#[tokio::test]
async fn an_outage_passes() {
    for storage in BOTH {
        let account = Account::new();
        let safe = account.safe(storage);
        let kept = safe.keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
        let is_sealed = storage == Storage::Sealed;
        for refusal in
            [(500, "InternalServiceError"), (400, "ThrottlingException"), (400, "AccessDeniedException")]
        {
            account.refuse(Some(refusal));
            // What is sealed needs nobody.
            for failed in [
                safe.open(&org(1), PURPOSE, &kept, NOW).await.map(|_| ()),
                safe.keep(&org(1), PURPOSE, CANARY, NOW).await.map(|_| ()),
                safe.forget(&org(1), &kept).await,
            ] {
                assert!(failed.is_ok() == is_sealed, "{storage:?} {refusal:?}");
                assert!(failed.err().is_none_or(|error| error.retryable()));
            }
        }
        account.refuse(None);
        account.behaviour.away.store(true, Ordering::SeqCst);
        let away = safe.open(&org(1), PURPOSE, &kept, NOW).await;
        assert!(away.is_ok() || away.unwrap_err().retryable());
        account.behaviour.away.store(false, Ordering::SeqCst);
        assert_eq!(safe.open(&org(1), PURPOSE, &kept, NOW).await.unwrap().expose(), CANARY);
    }
}

#[tokio::test]
async fn a_lost_answer_loses_nothing() {
    for storage in BOTH {
        let account = Account::new();
        let safe = account.safe(storage);
        account.behaviour.loses.store(2, Ordering::SeqCst);
        let kept = safe.keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
        assert_eq!(safe.open(&org(1), PURPOSE, &kept, NOW).await.unwrap().expose(), CANARY);
        account.behaviour.loses.store(1, Ordering::SeqCst);
        safe.forget(&org(1), &kept).await.unwrap();
        assert!(account.names().await.is_empty());
    }
}

#[tokio::test]
async fn nothing_of_it_is_in_debug_output_or_errors() {
    for storage in BOTH {
        let account = Account::new();
        let safe = account.safe(storage);
        let kept = safe.keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
        let opened = safe.open(&org(1), PURPOSE, &kept, NOW).await.unwrap();
        let long = CANARY.repeat(10_000);
        let errors = [
            safe.open(&org(2), PURPOSE, &kept, NOW).await.map(|_| ()),
            safe.keep(&org(1), PURPOSE, &long, NOW).await.map(|_| ()),
        ];
        let told = format!("{safe:?} {:?} {opened:?} {kept:?} {errors:?}", account.folder());
        assert!(!told.contains("canary"), "{told}");
        assert!(format!("{safe:?}").contains(PREFIX));
    }
}

// What only the driver of Secrets Manager has.

#[tokio::test]
async fn a_secret_that_is_seen_late_is_looked_for_again() {
    let account = Account::new();
    let kept = account.safe(Storage::SecretsManager).keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
    account.behaviour.late.store(2, Ordering::SeqCst);
    let opened = account.safe(Storage::Sealed).open(&org(1), PURPOSE, &kept, NOW).await.unwrap();
    assert_eq!(opened.expose(), CANARY);
}

#[tokio::test]
async fn what_is_too_long_for_a_secret_is_refused() {
    let account = Account::new();
    let safe = account.safe(Storage::SecretsManager);
    let refused = safe.keep(&org(1), PURPOSE, &"\u{1}".repeat(16 * 1024), NOW).await.unwrap_err();
    assert!(matches!(refused, SafeError::TooLarge));
    assert_eq!(account.calls("CreateSecret"), 0);
}

#[tokio::test]
async fn opened_secrets_are_held_for_minutes_and_not_too_many_of_them() {
    let account = Account::new();
    let safe = account.safe(Storage::SecretsManager);
    let kept = safe.keep(&org(1), PURPOSE, CANARY, NOW).await.unwrap();
    let reads = async |now: i64| {
        let before = account.calls("GetSecretValue");
        safe.open(&org(1), PURPOSE, &kept, now).await.unwrap();
        account.calls("GetSecretValue") - before
    };
    assert_eq!(reads(NOW).await, 1);
    assert_eq!(reads(NOW + CACHED_FOR - 1).await, 0);
    assert_eq!(reads(NOW + CACHED_FOR).await, 1);
    assert_eq!(reads(NOW + CACHED_FOR - 1).await, 1, "a clock that was set back reads anew");
    for n in 0..300 {
        let other = safe.keep(&org(1), PURPOSE, &format!("{n}"), NOW).await.unwrap();
        safe.open(&org(1), PURPOSE, &other, NOW + 1).await.unwrap();
        assert!(safe.holds() <= 256);
    }
    assert_eq!(safe.holds(), 256);
    let last = safe.keep(&org(1), PURPOSE, "last", NOW).await.unwrap();
    safe.open(&org(1), PURPOSE, &last, NOW + 2 * CACHED_FOR).await.unwrap();
    assert_eq!(safe.holds(), 1, "what is older is not held on to");
}

#[tokio::test]
async fn an_organisation_is_erased_with_what_nothing_refers_to_and_no_other_is_touched() {
    let account = Account::new();
    let safe = account.safe(Storage::SecretsManager);
    for n in 0..130 {
        safe.keep(&org(1), PURPOSE, &format!("{n}"), NOW).await.unwrap();
    }
    let theirs = safe.keep(&org(2), PURPOSE, CANARY, NOW).await.unwrap();
    // What the list's filter might let through.
    let strange = [
        format!("{PREFIX}/{}", org(1).org()),
        format!("{PREFIX}/{}/by-hand", org(1).org()),
        format!("{PREFIX}/{}x/{}", org(1).org(), "a".repeat(32)),
        "stack/keyring".to_owned(),
    ];
    for name in &strange {
        account.put(name, "{}").await;
    }
    let folder = account.folder();
    for wanted in [[100, 30].as_slice(), &[0]] {
        let (mut named, mut from) = (Vec::new(), None);
        loop {
            let page = folder.erase_page(&org(1), from.as_deref()).await.unwrap();
            named.push(page.named);
            from = page.next;
            if from.is_none() {
                break;
            }
        }
        assert_eq!(named.iter().sum::<usize>(), wanted.iter().sum::<usize>(), "{named:?}");
        let mut left = account.names().await;
        left.sort();
        let mut wanted = strange.to_vec();
        wanted.push(theirs.trim_start_matches("sm:").to_owned());
        wanted.sort();
        assert_eq!(left, wanted);
    }
    assert_eq!(account.calls("DeleteSecret"), 130);
    account.refuse(Some((400, "ThrottlingException")));
    assert!(folder.erase_page(&org(1), None).await.is_err());
}
