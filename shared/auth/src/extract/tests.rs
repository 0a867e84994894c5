//! Requests through a router whose handler needs a permission.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::permission::permit;
use crate::token::{Realm, Signer, Subject, generate_pkcs8};

const NOW: i64 = 1_800_000_000;

#[derive(Clone)]
struct App {
    signer: Signer,
    now: i64,
    keys: Result<Arc<Verifier>, KeysUnavailable>,
}

impl AuthState for App {
    async fn verifier(&self) -> Result<Arc<Verifier>, KeysUnavailable> {
        self.keys.clone()
    }

    fn now(&self) -> i64 {
        self.now
    }
}

struct Answer {
    status: u16,
    challenge: Option<String>,
    kind: String,
    body: Value,
}

impl App {
    fn new() -> Self {
        let signer = Signer::from_pkcs8("k1", &generate_pkcs8().unwrap(), Realm::default()).unwrap();
        let verifier = Verifier::new([signer.public_key().clone()], Realm::default());
        Self { signer, now: NOW, keys: Ok(Arc::new(verifier)) }
    }

    fn token(&self, role: Role) -> String {
        let subject = Subject { user: UserId::from_bytes([1; 16]), org: OrgId::from_bytes([2; 16]), role };
        self.signer.sign(subject, NOW).unwrap().token
    }

    async fn call(&self, authorization: &[&str]) -> Answer {
        async fn handler(caller: Can<permit::WorkflowsWrite>) -> axum::Json<Value> {
            axum::Json(json!({"user": caller.user(), "org": caller.org_key().org(), "role": caller.role()}))
        }
        let mut request = Request::get("/");
        for value in authorization {
            request = request.header(AUTHORIZATION, *value);
        }
        let router = Router::new().route("/", get(handler)).with_state(self.clone());
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let header =
            |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
        let (challenge, kind) = (header("www-authenticate"), header("content-type").unwrap());
        let status = response.status().as_u16();
        let body = serde_json::from_slice(&to_bytes(response.into_body(), 10_000).await.unwrap()).unwrap();
        Answer { status, challenge, kind, body }
    }

    async fn refused(&self, authorization: &[&str]) -> (u16, String) {
        let answer = self.call(authorization).await;
        assert_eq!(answer.kind, "application/problem+json");
        assert_eq!(answer.body["status"], answer.status);
        (answer.status, answer.body["code"].as_str().unwrap().to_owned())
    }
}

#[tokio::test]
async fn who_may_is_let_in_and_known() {
    let app = App::new();
    for role in [Role::Owner, Role::Admin, Role::Editor] {
        for scheme in ["Bearer", "bearer", "BEARER"] {
            let answer = app.call(&[&format!("{scheme} {}", app.token(role))]).await;
            assert_eq!(answer.status, 200, "{role}");
            let subject =
                json!({"user": UserId::from_bytes([1; 16]), "org": OrgId::from_bytes([2; 16]), "role": role});
            assert_eq!(answer.body, subject);
        }
    }
}

#[tokio::test]
async fn who_may_not_is_told_what_is_missing() {
    let app = App::new();
    for role in [Role::Operator, Role::Viewer] {
        let answer = app.call(&[&format!("Bearer {}", app.token(role))]).await;
        assert_eq!((answer.status, &answer.body["code"]), (403, &json!("permission_denied")));
        let challenge = "Bearer realm=\"patchbay\", error=\"insufficient_scope\", scope=\"workflows.write\"";
        assert_eq!(answer.challenge.as_deref(), Some(challenge));
        let detail =
            format!("this needs the permission `workflows.write`, which the role `{role}` does not have");
        assert_eq!(answer.body["detail"], detail);
    }
}

#[tokio::test]
async fn requests_without_a_token_are_challenged() {
    let app = App::new();
    let token = app.token(Role::Owner);
    for authorization in [vec![], vec!["Basic YTpi"], vec![token.as_str()], vec![""], vec!["Bearer"]] {
        let answer = app.call(&authorization).await;
        assert_eq!(
            (answer.status, &answer.body["code"]),
            (401, &json!("token_missing")),
            "{authorization:?}"
        );
        assert_eq!(answer.challenge.as_deref(), Some("Bearer realm=\"patchbay\""));
    }
}

#[tokio::test]
async fn tokens_that_are_not_believed_are_refused_without_a_reason() {
    let app = App::new();
    let token = format!("Bearer {}", app.token(Role::Owner));
    let stranger = format!("Bearer {}", App::new().token(Role::Owner));
    for authorization in
        [vec![stranger.as_str()], vec!["Bearer x"], vec!["Bearer "], vec![&token, &token], vec!["Bearer a b"]]
    {
        assert_eq!(app.refused(&authorization).await, (401, "token_invalid".into()), "{authorization:?}");
    }
    let answer = app.call(&[&stranger]).await;
    assert_eq!(answer.challenge.as_deref(), Some("Bearer realm=\"patchbay\", error=\"invalid_token\""));
    assert_eq!(answer.body["detail"], "the access token is not valid; sign in again");
}

#[tokio::test]
async fn expired_tokens_have_a_code_of_their_own() {
    let app = App::new();
    let token = format!("Bearer {}", app.token(Role::Owner));
    let later = App { now: NOW + 1000, ..app };
    assert_eq!(later.refused(&[&token]).await, (401, "token_expired".into()));
}

#[tokio::test]
async fn without_keys_nobody_is_let_in() {
    let app = App { keys: Err(KeysUnavailable), ..App::new() };
    let token = format!("Bearer {}", app.token(Role::Owner));
    let answer = app.call(&[&token]).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("auth_unavailable")));
    assert_eq!(answer.challenge, None);
}
