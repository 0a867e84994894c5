//! A provider made of answers, whose tokens are right but for one thing.

use crate::{Client, OidcError, Pending, Provider};
use async_trait::async_trait;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use egress::{EgressError, HttpPort, HttpRequest, HttpResponse};
use http::{HeaderMap, StatusCode};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Map, Value, json};
use std::sync::{Arc, Mutex};

const ISSUER: &str = "https://login.example.com";
const NOW: i64 = 1_790_000_000;
const BACK: &str = "https://patchbay.example.com/v1/auth/oidc/callback";

/// What the provider answers, and what it was asked.
struct Fake {
    key: Vec<u8>,
    jwks: Mutex<Value>,
    metadata: Mutex<Value>,
    token: Mutex<Value>,
    userinfo: Value,
    asked: Mutex<Vec<HttpRequest>>,
}

fn pair() -> (Vec<u8>, Value) {
    let pkcs8 = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap();
    let key = Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
    let x = URL_SAFE_NO_PAD.encode(key.public_key().as_ref());
    (pkcs8.as_ref().to_vec(), json!({"kty": "OKP", "crv": "Ed25519", "kid": "k1", "use": "sig", "x": x}))
}

impl Fake {
    fn new() -> Arc<Self> {
        let (key, public) = pair();
        Arc::new(Self {
            key,
            jwks: Mutex::new(json!({"keys": [{"kty": "new", "kid": "strange"}, public]})),
            metadata: Mutex::new(json!({
                "issuer": ISSUER, "authorization_endpoint": "https://login.example.com/auth?tenant=1",
                "token_endpoint": "https://login.example.com/token", "jwks_uri": "https://login.example.com/keys",
                "userinfo_endpoint": "https://login.example.com/me",
            })),
            token: Mutex::new(json!({})),
            userinfo: json!({"sub": "ada", "email": "ada@example.com", "email_verified": true, "groups": ["a"]}),
            asked: Mutex::new(Vec::new()),
        })
    }

    fn sign(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &EncodingKey::from_ed_der(&self.key)).unwrap()
    }

    fn times_asked(&self, path: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|request| request.url.ends_with(path)).count()
    }
}

#[async_trait]
impl HttpPort for Fake {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, EgressError> {
        let url = request.url.clone();
        let (status, body) = match url.strip_prefix(ISSUER) {
            Some("/.well-known/openid-configuration") => (200, self.metadata.lock().unwrap().clone()),
            Some("/keys") => (200, self.jwks.lock().unwrap().clone()),
            Some("/me") => (200, self.userinfo.clone()),
            Some("/token") => {
                let token = self.token.lock().unwrap().clone();
                (if token.get("error").is_some() { 400 } else { 200 }, token)
            }
            _ => (404, Value::Null),
        };
        self.asked.lock().unwrap().push(request);
        Ok(HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            body: Bytes::from(body.to_string()),
            file: None,
            url,
            redirects: 0,
        })
    }
}

fn provider() -> Provider {
    serde_json::from_value(
        json!({"name": "Example", "issuer": ISSUER, "client_id": "pb", "client_secret": "s:/?"}),
    )
    .unwrap()
}

fn header() -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some("k1".to_owned());
    header
}

fn claims(pending: &Pending) -> Value {
    json!({
        "iss": ISSUER, "aud": "pb", "sub": "ada", "iat": NOW - 1, "exp": NOW + 300, "nonce": pending.nonce,
        "email": "ada@example.com", "email_verified": true, "groups": ["staff", "patchbay"],
    })
}

async fn identify(fake: &Arc<Fake>, pending: &Pending, token: &str) -> Result<crate::Identity, OidcError> {
    *fake.token.lock().unwrap() = json!({"id_token": token, "access_token": "at"});
    Client::new(fake.clone()).identify(&provider(), pending, "code", None, BACK, NOW).await
}

#[tokio::test]
async fn a_browser_is_sent_with_pkce_and_what_it_brings_back_tells_who_it_is() {
    let fake = Fake::new();
    let client = Client::new(fake.clone());
    let pending = Pending::begin("/".to_owned(), None, NOW).unwrap();
    let url = client.authorization_url(&provider(), &pending, BACK, NOW).await.unwrap();
    let url = url::Url::parse(&url).unwrap();
    let query: std::collections::HashMap<_, _> = url.query_pairs().into_owned().collect();
    assert_eq!(query["tenant"], "1", "what the provider's own address says stays");
    assert_eq!((&*query["scope"], &*query["redirect_uri"]), ("openid email profile", BACK));
    assert_eq!(query["code_challenge_method"], "S256");
    assert_ne!(query["code_challenge"], pending.proof().verifier());
    assert!(pending.is_answered_by(&query["state"], NOW + 599));
    assert!(!pending.is_answered_by(&query["state"], NOW + 600) && !pending.is_answered_by("other", NOW));

    *fake.token.lock().unwrap() =
        json!({"id_token": fake.sign(&header(), &claims(&pending)), "access_token": "at"});
    let identity = client.identify(&provider(), &pending, "the code", None, BACK, NOW).await.unwrap();
    assert_eq!((&*identity.subject, identity.email.as_deref()), ("ada", Some("ada@example.com")));
    assert!(identity.email_verified);
    let asked = fake.asked.lock().unwrap();
    let exchange = asked.iter().find(|request| request.url.ends_with("/token")).unwrap();
    let body = String::from_utf8(exchange.body.to_vec()).unwrap();
    assert!(
        body.contains("code=the+code")
            && body.contains(&format!("code_verifier={}", pending.proof().verifier()))
    );
    // `pb` and `s:/?`, each form-encoded.
    assert_eq!(exchange.headers["authorization"], "Basic cGI6cyUzQSUyRiUzRg==");
    assert!(!exchange.follow_redirects && exchange.headers["authorization"].is_sensitive());
    drop(asked);
    assert_eq!(fake.times_asked("/.well-known/openid-configuration"), 1, "it is remembered");
    assert_eq!(fake.times_asked("/me"), 0, "the token said all");
}

#[tokio::test]
async fn a_token_that_is_wrong_in_one_thing_is_not_believed() {
    let fake = Fake::new();
    let pending = Pending::begin("/".to_owned(), None, NOW).unwrap();
    let wrong: Vec<(&str, Value)> = vec![
        ("iss", json!("https://evil.example.com")),
        ("iss", json!("https://login.example.com/")),
        ("aud", json!("another")),
        ("aud", json!(["pb", "another"])),
        ("aud", Value::Null),
        ("azp", json!("another")),
        ("nonce", json!("another")),
        ("nonce", Value::Null),
        ("exp", json!(NOW - 61)),
        ("exp", json!("tomorrow")),
        ("exp", Value::Null),
        ("iat", json!(NOW + 120)),
        ("iat", json!(NOW - 601)),
        ("nbf", json!(NOW + 120)),
        ("sub", json!("")),
        ("sub", json!("x".repeat(256))),
    ];
    for (name, value) in wrong {
        let mut claims = claims(&pending);
        claims[name] = value.clone();
        let told = identify(&fake, &pending, &fake.sign(&header(), &claims)).await;
        assert!(matches!(told, Err(OidcError::NotBelieved(_))), "{name}: {value}: {told:?}");
    }
    let right = fake.sign(&header(), &claims(&pending));
    let parts: Vec<&str> = right.split('.').collect();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut richer = claims(&pending);
    richer["groups"] = json!(["owners"]);
    // HMAC with the public key, as if it were a shared secret.
    let public = fake.jwks.lock().unwrap()["keys"][1]["x"].as_str().unwrap().to_owned();
    let mut shared = Header::new(Algorithm::HS256);
    shared.kid = Some("k1".to_owned());
    let confused = encode(&shared, &claims(&pending), &EncodingKey::from_secret(public.as_bytes())).unwrap();
    let mut critical = header();
    critical.crit = Some(vec!["b64".to_owned()]);
    let forged = [
        format!("{}.{}.", part(&json!({"alg": "none"})), parts[1]),
        format!("{}.{}.{}", parts[0], part(&richer), parts[2]),
        format!("{}.{}.{}", part(&json!({"alg": "RS256", "kid": "k1"})), parts[1], parts[2]),
        encode(&header(), &claims(&pending), &EncodingKey::from_ed_der(&pair().0)).unwrap(),
        confused,
        fake.sign(&critical, &claims(&pending)),
        "x".repeat(70_000),
        String::new(),
    ];
    for token in forged {
        let told = identify(&fake, &pending, &token).await;
        assert!(matches!(told, Err(OidcError::NotBelieved(_))), "{told:?}");
    }
    assert!(identify(&fake, &pending, &right).await.is_ok());
}

#[tokio::test]
async fn a_new_key_of_the_provider_is_found_and_its_set_is_not_asked_for_by_every_token() {
    let fake = Fake::new();
    let client = Client::new(fake.clone());
    let pending = Pending::begin("/".to_owned(), None, NOW).unwrap();
    client.probe(&provider(), NOW - 100).await.unwrap();
    let mut unknown = header();
    unknown.kid = Some("k2".to_owned());
    *fake.token.lock().unwrap() = json!({"id_token": fake.sign(&unknown, &claims(&pending))});
    for _ in 0..3 {
        let told = client.identify(&provider(), &pending, "c", None, BACK, NOW).await;
        assert!(matches!(told, Err(OidcError::NotBelieved(_))), "{told:?}");
    }
    assert_eq!(fake.times_asked("/keys"), 2);
    fake.jwks.lock().unwrap()["keys"][1]["kid"] = json!("k2");
    let mut later = claims(&pending);
    later["iat"] = json!(NOW + 60);
    *fake.token.lock().unwrap() = json!({"id_token": fake.sign(&unknown, &later)});
    client.identify(&provider(), &pending, "c", None, BACK, NOW + 61).await.unwrap();
    assert_eq!(fake.times_asked("/keys"), 3);
}

#[tokio::test]
async fn what_the_token_leaves_out_is_asked_for_and_must_be_about_the_same_person() {
    let fake = Fake::new();
    let pending = Pending::begin("/".to_owned(), None, NOW).unwrap();
    let mut bare = claims(&pending);
    for name in ["email", "email_verified", "groups"] {
        bare.as_object_mut().unwrap().remove(name);
    }
    let identity = identify(&fake, &pending, &fake.sign(&header(), &bare)).await.unwrap();
    assert_eq!(identity.email.as_deref(), Some("ada@example.com"));
    assert!(identity.email_verified);
    assert_eq!(identity.claims["groups"], json!(["a"]));
    bare["sub"] = json!("eve");
    let told = identify(&fake, &pending, &fake.sign(&header(), &bare)).await;
    assert!(matches!(told, Err(OidcError::NotBelieved(_))), "{told:?}");
}

#[tokio::test]
async fn a_provider_that_is_another_or_says_no_is_told_from_one_that_is_away() {
    let fake = Fake::new();
    let pending = Pending::begin("/".to_owned(), None, NOW).unwrap();
    *fake.token.lock().unwrap() = json!({"error": "invalid_grant", "error_description": "used\nbefore"});
    let client = Client::new(fake.clone());
    let told = client.identify(&provider(), &pending, "c", None, BACK, NOW).await;
    assert_eq!(told.unwrap_err().to_string(), "the provider refused: invalid_grant usedbefore");
    // RFC 9207: an answer that should say whose it is, and one that says it is another's.
    let told = client.identify(&provider(), &pending, "c", Some("https://evil.example.com"), BACK, NOW).await;
    assert!(matches!(told, Err(OidcError::NotBelieved(_))));
    fake.metadata.lock().unwrap()["authorization_response_iss_parameter_supported"] = json!(true);
    client.probe(&provider(), NOW).await.unwrap();
    let told = client.identify(&provider(), &pending, "c", None, BACK, NOW).await;
    assert!(matches!(told, Err(OidcError::NotBelieved(_))));
    for (name, value) in [
        ("issuer", json!("https://login.example.com/other")),
        ("token_endpoint", json!("http://login.example.com/token")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("jwks_uri", Value::Null),
    ] {
        let before = fake.metadata.lock().unwrap()[name].take();
        fake.metadata.lock().unwrap()[name] = value;
        let told = client.probe(&provider(), NOW).await;
        assert!(matches!(told, Err(OidcError::Unexpected { .. })), "{name}: {told:?}");
        fake.metadata.lock().unwrap()[name] = before;
    }
    client.probe(&provider(), NOW).await.unwrap();
    *fake.jwks.lock().unwrap() = json!({"keys": []});
    assert!(client.probe(&provider(), NOW).await.is_err());
}

#[test]
fn rules_fit_whoever_has_their_value() {
    let org = "org_7zq2m4w8k1x5c9v3b6n0p2r4t8";
    let mut provider = provider();
    let rule = |value: &str, role: &str| -> crate::Rule {
        serde_json::from_value(json!({"value": value, "organization": org, "role": role})).unwrap()
    };
    provider.rules = vec![rule("admins", "admin"), rule("*", "viewer"), rule("staff", "editor")];
    let roles = |claims: Value| -> Vec<String> {
        let claims: Map<String, Value> = claims.as_object().unwrap().clone();
        provider.matching(&claims).map(|rule| rule.role.clone()).collect()
    };
    assert_eq!(roles(json!({"groups": ["staff", 7, "admins"]})), ["admin", "viewer", "editor"]);
    assert_eq!(roles(json!({"groups": "staff"})), ["viewer", "editor"]);
    // Nobody becomes what a star stands for by being called so.
    assert_eq!(roles(json!({"groups": {"staff": true}})), ["viewer"]);
    assert_eq!(roles(json!({})), ["viewer"]);
}

#[test]
fn a_provider_that_cannot_be_is_refused_with_the_field() {
    let with = |name: &str, value: Value| {
        let mut all = json!({"name": "E", "issuer": ISSUER, "client_id": "pb"});
        all[name] = value;
        let provider: Provider = serde_json::from_value(all).unwrap();
        provider.check().map_err(|e| e.field)
    };
    assert_eq!(with("claim", json!("roles")), Ok(()));
    assert_eq!(with("issuer", json!("http://127.0.0.1:9/x")), Ok(()));
    for (field, value) in [
        ("name", json!("a\nb")),
        ("issuer", json!("http://login.example.com")),
        ("issuer", json!("https://u@login.example.com")),
        ("issuer", json!("https://login.example.com?x")),
        ("issuer", json!("login")),
        ("client_id", json!("")),
        ("client_secret", json!(" ")),
        ("scopes", json!(["a b"])),
        ("claim", json!("")),
    ] {
        assert_eq!(with(field, value.clone()), Err(field), "{value}");
    }
}

#[test]
fn what_a_browser_keeps_is_read_again() {
    let pending = Pending::begin("/x?y=1".to_owned(), Some("org".to_owned()), NOW).unwrap();
    let read = Pending::parse(&pending.to_text());
    assert!(read == Some(pending));
    assert!(Pending::parse("e30").is_none() && Pending::parse("%").is_none());
}
