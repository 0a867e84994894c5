//! Making, completing and reading keyrings.

use auth::{OrgId, Role, Subject, UserId};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::service::{ID, Service};
use crate::{Keyring, KeyringError};

const NOW: i64 = 1_800_000_000;

fn subject() -> Subject {
    Subject {
        user: UserId::from_bytes([1; 16]),
        org: OrgId::from_bytes([2; 16]),
        role: Role::Owner,
        session: None,
    }
}

async fn load(service: &Service) -> Result<Keyring, KeyringError> {
    Keyring::load(&service.client, ID, NOW).await
}

#[tokio::test]
async fn a_secret_with_a_setup_token_only_is_completed_once() {
    let service = Service::with_secret(r#"{"setup_token": "from-the-template"}"#).await;
    let keyring = load(&service).await.unwrap();
    assert!(keyring.opens_setup("from-the-template"));
    let stored = service.stored().await;
    assert_eq!((&stored["version"], &stored["setup_token"]), (&json!(1), &json!("from-the-template")));
    assert_eq!(stored["jwt"][0]["created"], "2027-01-15T08:00:00Z");
    assert_eq!(stored["jwt"].as_array().unwrap().len(), 1);
    assert_eq!(
        STANDARD.decode(stored["cursor_key"].as_str().unwrap()).unwrap(),
        keyring.cursor_key().expose()
    );
    // From then on it is only read.
    let again = load(&service).await.unwrap();
    assert_eq!(again.signer().public_key(), keyring.signer().public_key());
    assert_eq!(service.calls("PutSecretValue"), 1);
    assert_eq!(service.stored().await, stored);
}

#[tokio::test]
async fn tokens_of_one_function_are_verified_by_another() {
    let service = Service::with_secret(r#"{"setup_token": "x"}"#).await;
    let (one, other) = (load(&service).await.unwrap(), load(&service).await.unwrap());
    let token = one.signer().sign(subject(), NOW).unwrap().token;
    assert_eq!(other.verifier().verify(&token, NOW).unwrap().sub, subject().user);
}

#[tokio::test]
async fn what_is_there_is_kept_and_what_is_unknown_too() {
    let service = Service::with_secret(r#"{"setup_token": "x"}"#).await;
    load(&service).await.unwrap();
    let whole = service.stored().await;
    let mut partial = whole.clone();
    partial.as_object_mut().unwrap().remove("cursor_key");
    partial["from_the_future"] = json!({"a": 1});
    service.put(&partial).await;
    load(&service).await.unwrap();
    let stored = service.stored().await;
    assert_eq!((&stored["jwt"], &stored["from_the_future"]), (&whole["jwt"], &json!({"a": 1})));
    assert_ne!(stored["cursor_key"], whole["cursor_key"]);
}

#[tokio::test]
async fn the_first_key_signs_and_all_verify() {
    let service = Service::with_secret(r#"{"setup_token": "x"}"#).await;
    let old = load(&service).await.unwrap();
    let other = Service::with_secret(r#"{"setup_token": "y"}"#).await;
    let new = load(&other).await.unwrap();

    let mut stored = service.stored().await;
    let added = other.stored().await["jwt"][0].clone();
    stored["jwt"].as_array_mut().unwrap().insert(0, added);
    service.put(&stored).await;
    let rotated = load(&service).await.unwrap();
    assert_eq!(rotated.signer().public_key(), new.signer().public_key());
    for signer in [old.signer(), new.signer()] {
        let token = signer.sign(subject(), NOW).unwrap().token;
        assert!(rotated.verifier().verify(&token, NOW).is_ok());
    }
}

#[tokio::test]
async fn keys_rotate_by_themselves_and_every_token_is_verified_while_it_lives() {
    const DAY: i64 = 24 * 3600;
    let service = Service::with_secret(r#"{"setup_token": "x"}"#).await;
    let mut signers = std::collections::BTreeSet::new();
    let mut tokens: Vec<(i64, String)> = Vec::new();
    // Half a year, read every five hours, by caches that are up to ten minutes behind.
    let mut behind = load(&service).await.unwrap();
    for now in (NOW..NOW + 200 * DAY).step_by(5 * 3600) {
        let keyring = Keyring::load(&service.client, ID, now).await.unwrap();
        signers.insert(keyring.signer().public_key().kid.clone());
        for from in [&keyring, &behind] {
            tokens.push((now, from.signer().sign(subject(), now).unwrap().token));
        }
        tokens.retain(|(at, _)| at + 900 > now);
        for (_, token) in &tokens {
            assert!(keyring.verifier().verify(token, now).is_ok(), "day {}", (now - NOW) / DAY);
            assert!(behind.verifier().verify(token, now).is_ok(), "day {}", (now - NOW) / DAY);
        }
        let keys = keyring.jwks()["keys"].as_array().unwrap().len();
        assert!((1..=2).contains(&keys));
        behind = keyring;
    }
    assert_eq!(signers.len(), 3, "at the start, after 90 days and after 180");
    assert_eq!(service.stored().await["jwt"].as_array().unwrap().len(), 1, "the old ones are gone");
}

/// Nothing that is sealed at any time stops opening, wherever the keyring was read up to ten minutes ago.
#[tokio::test]
async fn keys_that_seal_rotate_and_what_they_sealed_stays_open() {
    const DAY: i64 = 24 * 3600;
    let org = domain::OrgKey::verified(OrgId::from_bytes([2; 16]), domain::Provenance::Token);
    let service = Service::with_secret(r#"{"setup_token": "x"}"#).await;
    let mut behind = load(&service).await.unwrap();
    let (mut sealed, mut keys): (Vec<String>, std::collections::BTreeSet<String>) = Default::default();
    for now in (NOW..NOW + 3 * 366 * DAY).step_by(23 * 3600) {
        let keyring = Keyring::load(&service.client, ID, now).await.unwrap();
        for from in [&keyring, &behind] {
            let text = from.sealer().seal(&org, "connection/1", "canary").unwrap();
            keys.extend(text.split('.').nth(1).map(str::to_owned));
            for by in [&keyring, &behind] {
                assert_eq!(by.sealer().open(&org, "connection/1", &text).unwrap().expose(), "canary");
            }
            if sealed.len() < keys.len() {
                sealed.push(text);
            }
        }
        for old in &sealed {
            assert_eq!(keyring.sealer().open(&org, "connection/1", old).unwrap().expose(), "canary");
        }
        behind = keyring;
    }
    assert_eq!(keys.len(), 4, "at the start, and after each year");
    assert_eq!(service.stored().await["seal"].as_array().unwrap().len(), 4, "all of them stay");
}

#[tokio::test]
async fn of_many_who_rotate_at_once_one_does() {
    let service = Service::with_secret(r#"{"setup_token": "x"}"#).await;
    load(&service).await.unwrap();
    service.hold_reads(4);
    let late = NOW + 91 * 24 * 3600;
    let all: Vec<_> = (0..4)
        .map(|_| {
            let service = service.clone();
            tokio::spawn(async move { Keyring::load(&service.client, ID, late).await.unwrap() })
        })
        .collect();
    for one in all {
        assert_eq!(
            one.await.unwrap().jwks()["keys"].as_array().unwrap().len(),
            1,
            "the new one counts later"
        );
    }
    assert_eq!(service.stored().await["jwt"].as_array().unwrap().len(), 2);
    assert_eq!(service.calls("PutSecretValue"), 1 + 4, "the race did not happen");
}

#[tokio::test]
async fn codes_are_of_one_purpose_and_one_deployment() {
    let make = async || Keyring::create_if_missing(&Service::new().client, ID, None, NOW).await.unwrap();
    let (one, other) = (make().await, make().await);
    let code = one.codes().mac("cursor", "text");
    assert!(one.codes().is_mac("cursor", "text", &code));
    for (purpose, text) in [("device", "text"), ("cursor", "texts"), ("cursort", "ext"), ("", "cursortext")] {
        assert!(!one.codes().is_mac(purpose, text, &code), "{purpose} {text}");
    }
    assert!(!other.codes().is_mac("cursor", "text", &code) && !one.codes().is_mac("cursor", "text", ""));
}

#[tokio::test]
async fn the_local_stack_makes_its_own() {
    let service = Service::new();
    assert!(matches!(load(&service).await, Err(KeyringError::Missing { .. })));
    let make = async |token| Keyring::create_if_missing(&service.client, ID, token, NOW).await.unwrap();
    let first = make(None).await;
    assert!(first.setup_token().expose().len() >= 43, "the token has 256 random bits");
    let again = make(None).await;
    assert_eq!(again.signer().public_key(), first.signer().public_key());
    assert_eq!(again.setup_token().expose(), first.setup_token().expose());
    // A fixed token takes the place of the drawn one; the keys stay.
    let fixed = make(Some("fixed")).await;
    assert!(fixed.opens_setup("fixed") && !fixed.opens_setup(first.setup_token().expose()));
    assert_eq!(fixed.signer().public_key(), first.signer().public_key());
    let back = make(Some("other")).await;
    assert!(back.opens_setup("other"));
    assert!(make(Some("fixed")).await.opens_setup("fixed"), "an earlier token can come back");
    assert!(make(Some("")).await.opens_setup("fixed"), "an empty one is none");
}

#[tokio::test]
async fn two_keyrings_share_nothing() {
    let make = async || Keyring::create_if_missing(&Service::new().client, ID, None, NOW).await.unwrap();
    let (a, b) = (make().await, make().await);
    assert_ne!(a.setup_token().expose(), b.setup_token().expose());
    assert_ne!(a.cursor_key().expose(), b.cursor_key().expose());
    assert_ne!(a.signer().public_key().kid, b.signer().public_key().kid);
    assert_ne!(a.signer().public_key().bytes, b.signer().public_key().bytes);
}

#[tokio::test]
async fn the_setup_token_must_be_the_whole_token() {
    let service = Service::with_secret(r#"{"setup_token": "from-the-template"}"#).await;
    let keyring = load(&service).await.unwrap();
    for wrong in ["", "from-the-templat", "from-the-templates", "From-the-template", "from-the-template "] {
        assert!(!keyring.opens_setup(wrong), "{wrong:?}");
    }
}

#[tokio::test]
async fn what_is_no_keyring_is_refused_without_quoting_it() {
    let service = Service::with_secret(r#"{"setup_token": "hush"}"#).await;
    load(&service).await.unwrap();
    let whole = service.stored().await;
    let changed = |path: &str, value: Value| {
        let mut changed = whole.clone();
        *changed.pointer_mut(path).unwrap() = value;
        changed
    };
    for (what, stored, code) in [
        ("text", json!("hush"), "keyring_malformed"),
        ("an array", json!(["hush"]), "keyring_malformed"),
        ("no setup token", json!({"version": 1}), "keyring_malformed"),
        ("an empty setup token", changed("/setup_token", json!("")), "keyring_malformed"),
        ("a setup token that is no text", changed("/setup_token", json!(7)), "keyring_malformed"),
        ("a later version", changed("/version", json!(2)), "keyring_version"),
        ("a version that is no number", changed("/version", json!("hush")), "keyring_malformed"),
        ("no keys", changed("/jwt", json!([])), "keyring_malformed"),
        ("keys that are none", changed("/jwt", json!("hush")), "keyring_malformed"),
        ("a key without its id", changed("/jwt/0", json!({"pkcs8": "hush"})), "keyring_malformed"),
        ("a key that is not base64", changed("/jwt/0/pkcs8", json!("hush!")), "keyring_malformed"),
        ("a key that is no key", changed("/jwt/0/pkcs8", json!("aHVzaA==")), "keyring_malformed"),
        ("a cursor key too short", changed("/cursor_key", json!("aHVzaA==")), "keyring_malformed"),
        ("a cursor key that is not base64", changed("/cursor_key", json!("hush!")), "keyring_malformed"),
    ] {
        service.put(&stored).await;
        let error = load(&service).await.unwrap_err();
        assert_eq!(error.code(), code, "{what}: {error}");
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hush") && !shown.contains("aHVzaA"), "{what}: {shown}");
        assert!(!error.retryable());
    }
}

#[tokio::test]
async fn debug_output_has_no_secrets() {
    let service = Service::with_secret(r#"{"setup_token": "from-the-template"}"#).await;
    let keyring = load(&service).await.unwrap();
    let stored = service.stored().await;
    let shown = format!("{keyring:?} {:?} {:?}", keyring.setup_token(), keyring.cursor_key());
    assert!(!shown.contains("from-the-template") && shown.ends_with("Secret(…) Secret(…)"), "{shown}");
    let pkcs8 = STANDARD.decode(stored["jwt"][0]["pkcs8"].as_str().unwrap()).unwrap();
    for secret in [&pkcs8[16..48], keyring.cursor_key().expose()] {
        assert!(!shown.contains(&format!("{secret:?}")), "{shown}");
    }
}

#[tokio::test]
async fn an_outage_can_be_tried_again() {
    let service = Service::with_secret(r#"{"setup_token": "x"}"#).await;
    service.set_down(true);
    let error = load(&service).await.unwrap_err();
    assert_eq!((error.code(), error.retryable()), ("keyring_unavailable", true), "{error}");
}
