use super::at_start;
use super::server::{Rules, Server};
use crate::call::Call;
use bytes::Bytes;
use http::header::LOCATION;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use url::{Url, form_urlencoded};

// The pair of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const BACK: &str = "http://127.0.0.1:9999/back";

struct Asking {
    server: Server,
    now: Timestamp,
}

impl Asking {
    fn new() -> Self {
        Self { server: at_start(), now: Timestamp::UNIX_EPOCH }
    }

    fn pass(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    fn authorize(&mut self, change: &[(&str, &str)]) -> Result<Url, u16> {
        let mut query = vec![
            ("response_type", "code"),
            ("client_id", "public"),
            ("redirect_uri", BACK),
            ("scope", "read"),
            ("state", "a b"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        for (name, value) in change {
            query.retain(|(other, _)| other != name);
            if !value.is_empty() {
                query.push((name, value));
            }
        }
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let request = http::Request::get(format!("/authorize?{query}")).body(()).unwrap();
        let response = self.server.authorize(&Call::new(&request.into_parts().0, Bytes::new(), self.now));
        match response.headers().get(LOCATION) {
            Some(location) => Ok(Url::parse(location.to_str().unwrap()).unwrap()),
            None => Err(response.status().as_u16()),
        }
    }

    fn code(&mut self) -> String {
        parameter(&self.authorize(&[]).unwrap(), "code").unwrap()
    }

    fn token(&mut self, header: Option<&str>, form: &[(&str, &str)]) -> Result<Value, &'static str> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let mut request =
            http::Request::post("/token").header("content-type", "application/x-www-form-urlencoded");
        if let Some(header) = header {
            request = request.header("authorization", header);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        self.server.grant(&Call::new(&parts, body.into(), self.now)).map_err(|refused| refused.error)
    }

    fn exchange(&mut self, code: &str) -> Result<Value, &'static str> {
        self.token(
            None,
            &[
                ("grant_type", "authorization_code"),
                ("client_id", "public"),
                ("code", code),
                ("redirect_uri", BACK),
                ("code_verifier", VERIFIER),
            ],
        )
    }

    fn refresh(&mut self, token: &str) -> Result<Value, &'static str> {
        self.token(
            None,
            &[("grant_type", "refresh_token"), ("client_id", "public"), ("refresh_token", token)],
        )
    }

    fn is_valid(&self, token: &Value) -> bool {
        self.server.access(token["access_token"].as_str().unwrap(), self.now).is_some()
    }
}

fn parameter(url: &Url, name: &str) -> Option<String> {
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

fn refresh_token(tokens: &Value) -> String {
    tokens["refresh_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_code_is_exchanged_once_and_with_its_verifier() {
    let mut asking = Asking::new();
    let back = asking.authorize(&[]).unwrap();
    assert_eq!(parameter(&back, "state").as_deref(), Some("a b"));
    let code = parameter(&back, "code").unwrap();
    let wrong = asking.token(
        None,
        &[
            ("grant_type", "authorization_code"),
            ("client_id", "public"),
            ("code", &code),
            ("redirect_uri", BACK),
            ("code_verifier", &"x".repeat(43)),
        ],
    );
    assert_eq!(wrong, Err("invalid_grant"));
    let tokens = asking.exchange(&code).unwrap();
    assert_eq!(tokens["scope"], "read");
    assert!(asking.is_valid(&tokens));
    assert_eq!(asking.exchange(&code), Err("invalid_grant"), "a code works once");
    assert!(!asking.is_valid(&tokens), "and what came from it is revoked when it is presented again");
}

#[test]
fn without_a_challenge_of_sha256_there_is_no_code() {
    let mut asking = Asking::new();
    for change in [
        [("code_challenge", "")].as_slice(),
        &[("code_challenge_method", "plain")],
        &[("code_challenge_method", "")],
        &[("code_challenge", "short")],
    ] {
        let back = asking.authorize(change).unwrap();
        assert_eq!(parameter(&back, "error").as_deref(), Some("invalid_request"), "{change:?}");
        assert_eq!(parameter(&back, "code"), None);
    }
    assert_eq!(
        parameter(&asking.authorize(&[("scope", "admin")]).unwrap(), "error").unwrap(),
        "invalid_scope"
    );
    let other = asking.authorize(&[("response_type", "token")]).unwrap();
    assert_eq!(parameter(&other, "error").unwrap(), "unsupported_response_type");
}

#[test]
fn nobody_is_sent_to_an_address_that_is_not_the_clients() {
    let mut asking = Asking::new();
    for change in [
        ("redirect_uri", "https://evil.example/"),
        ("redirect_uri", "http://127.0.0.1.evil.example/"),
        ("redirect_uri", "http://127.0.0.1@evil.example/"),
        ("client_id", "nobody"),
    ] {
        assert_eq!(asking.authorize(&[change]), Err(400), "{change:?}");
    }
}

#[test]
fn a_refresh_token_rotates_and_its_reuse_ends_the_family() {
    let mut asking = Asking::new();
    let code = asking.code();
    let first = asking.exchange(&code).unwrap();
    let second = asking.refresh(&refresh_token(&first)).unwrap();
    assert_ne!(refresh_token(&first), refresh_token(&second));
    let third = asking.refresh(&refresh_token(&second)).unwrap();
    assert!(asking.is_valid(&third));
    assert_eq!(asking.refresh(&refresh_token(&second)), Err("invalid_grant"));
    assert_eq!(asking.refresh(&refresh_token(&third)), Err("invalid_grant"), "the family is revoked");
    assert!(!asking.is_valid(&third));
    let counts = &asking.server.counts;
    assert_eq!(
        (counts.refreshes_asked, counts.refreshes_granted, counts.refreshes_reused, counts.families_revoked),
        (4, 2, 1, 1)
    );
}

#[test]
fn without_rotation_the_token_stays() {
    let mut asking = Asking::new();
    asking.server.rules = Rules { rotates: false, ..Rules::default() };
    let code = asking.code();
    let token = refresh_token(&asking.exchange(&code).unwrap());
    for _ in 0..3 {
        assert_eq!(asking.refresh(&token).unwrap().get("refresh_token"), None);
    }
}

#[test]
fn codes_and_tokens_expire() {
    let mut asking = Asking::new();
    let code = asking.code();
    asking.pass(60);
    assert_eq!(asking.exchange(&code), Err("invalid_grant"));
    let code = asking.code();
    let tokens = asking.exchange(&code).unwrap();
    asking.pass(3599);
    assert!(asking.is_valid(&tokens));
    asking.pass(1);
    assert!(!asking.is_valid(&tokens));
    asking.pass(60 * 24 * 3600);
    assert_eq!(asking.refresh(&refresh_token(&tokens)), Err("invalid_grant"));
}

#[test]
fn a_client_proves_who_it_is_in_one_way() {
    let mut asking = Asking::new();
    let grant = ("grant_type", "client_credentials");
    // confidential:confidential-secret
    let right = "Basic Y29uZmlkZW50aWFsOmNvbmZpZGVudGlhbC1zZWNyZXQ=";
    let (id, secret) = (("client_id", "confidential"), ("client_secret", "confidential-secret"));
    assert!(asking.token(Some(right), &[grant]).is_ok());
    assert!(asking.token(None, &[grant, id, secret]).is_ok());
    assert_eq!(asking.token(Some(right), &[grant, id, secret]), Err("invalid_request"));
    assert_eq!(asking.token(None, &[grant, id]), Err("invalid_client"));
    assert_eq!(asking.token(None, &[grant, id, ("client_secret", "other")]), Err("invalid_client"));
    assert_eq!(asking.token(Some("Basic eDp5"), &[grant]), Err("invalid_client"));
    assert_eq!(asking.token(None, &[grant]), Err("invalid_client"));
    assert_eq!(asking.token(None, &[grant, ("client_id", "public")]), Err("unauthorized_client"));
    assert_eq!(asking.token(None, &[grant, grant, id, secret]), Err("invalid_request"));
    assert_eq!(asking.token(None, &[("grant_type", "password"), id, secret]), Err("unsupported_grant_type"));
}

#[test]
fn a_clients_secret_may_hold_any_character() {
    let mut asking = Asking::new();
    asking.server.register(super::Client {
        id: "a:b".into(),
        secret: Some("c+d=%&".into()),
        redirect_uris: vec![],
        scopes: vec![],
    });
    // a%3Ab:c%2Bd%3D%25%26
    let header = "Basic YSUzQWI6YyUyQmQlM0QlMjUlMjY=";
    assert!(asking.token(Some(header), &[("grant_type", "client_credentials")]).is_ok());
}
