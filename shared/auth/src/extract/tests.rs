//! Requests through a router whose handler needs a permission.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::Request;
use axum::routing::get;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::opaque::Opaque;
use crate::permission::permit;
use crate::token::{Realm, Signer, Subject, generate_pkcs8};

const NOW: i64 = 1_800_000_000;

#[derive(Clone)]
struct App {
    signer: Signer,
    now: i64,
    keys: Result<Arc<Verifier>, AuthUnavailable>,
    /// What the store says of the one user; `None` of one who was removed.
    standing: Option<Standing>,
    key: Option<(String, KeyHolder)>,
}

impl AuthState for App {
    async fn verifier(&self) -> Result<Arc<Verifier>, AuthUnavailable> {
        self.keys.clone()
    }

    async fn standing(&self, org: &OrgKey, user: &UserId) -> Result<Option<Standing>, AuthUnavailable> {
        assert_eq!((org.org(), user), (&OrgId::from_bytes([2; 16]), &UserId::from_bytes([1; 16])));
        Ok(self.standing.clone())
    }

    async fn api_key(&self, hash: &str, _: &RequestOrigin) -> Result<Option<KeyHolder>, AuthUnavailable> {
        Ok(self.key.clone().filter(|(known, _)| known == hash).map(|(_, holder)| holder))
    }

    fn now(&self) -> i64 {
        self.now
    }
}

fn standing(role: Role) -> Standing {
    Standing { role, email: "ada@example.com".into(), not_before: 0, erased: false }
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
        let keys = Ok(Arc::new(verifier));
        Self { signer, now: NOW, keys, standing: Some(standing(Role::Owner)), key: None }
    }

    fn token(&self, role: Role) -> String {
        let subject = Subject {
            user: UserId::from_bytes([1; 16]),
            org: OrgId::from_bytes([2; 16]),
            role,
            session: None,
        };
        self.signer.sign(subject, NOW).unwrap().token
    }

    async fn call(&self, authorization: &[&str]) -> Answer {
        async fn handler(caller: Can<permit::WorkflowsWrite>) -> axum::Json<Value> {
            axum::Json(json!({"user": caller.actor(), "org": caller.org_key().org(), "role": caller.role()}))
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
        let app = App { standing: Some(standing(role)), ..app.clone() };
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
        // What the token says of the role was true when it was made.
        let app = App { standing: Some(standing(role)), ..app.clone() };
        let answer = app.call(&[&format!("Bearer {}", app.token(Role::Owner))]).await;
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
    let app = App { keys: Err(AuthUnavailable), ..App::new() };
    let token = format!("Bearer {}", app.token(Role::Owner));
    let answer = app.call(&[&token]).await;
    assert_eq!((answer.status, &answer.body["code"]), (503, &json!("auth_unavailable")));
    assert_eq!(answer.challenge, None);
}

#[tokio::test]
async fn who_was_removed_or_signed_out_everywhere_is_not_let_in() {
    let app = App::new();
    let token = format!("Bearer {}", app.token(Role::Owner));
    let removed = App { standing: None, ..app.clone() };
    assert_eq!(removed.refused(&[&token]).await, (401, "token_invalid".into()));
    let out =
        |not_before| App { standing: Some(Standing { not_before, ..standing(Role::Owner) }), ..app.clone() };
    assert_eq!(out(NOW + 1).refused(&[&token]).await, (401, "token_invalid".into()));
    assert_eq!(out(NOW).call(&[&token]).await.status, 200, "a token of the same second is a new one's");
    let erased = App { standing: Some(Standing { erased: true, ..standing(Role::Owner) }), ..app.clone() };
    assert_eq!(erased.refused(&[&token]).await, (403, "organization_erased".into()));
}

#[tokio::test]
async fn an_api_key_has_no_more_than_its_scopes_and_its_holders_role() {
    let drawn = Opaque::draw(OpaqueKind::ApiKey).unwrap();
    let bearer = format!("Bearer {}", drawn.token);
    let holder = |role, scopes: &[Permission], expires_at| KeyHolder {
        key: ApiKeyId::from_bytes([5; 16]),
        org: OrgKey::verified(OrgId::from_bytes([2; 16]), Provenance::ApiKey),
        holder: Actor::User(UserId::from_bytes([1; 16])),
        name: "ada@example.com".into(),
        role,
        scopes: scopes.to_vec(),
        expires_at,
        erased: false,
    };
    let app = |holder| App { key: Some((drawn.hash.clone(), holder)), ..App::new() };
    let write = [Permission::WorkflowsWrite];
    assert_eq!(app(holder(Role::Editor, &write, None)).call(&[&bearer]).await.status, 200);
    for (role, scopes) in
        [(Role::Owner, &[Permission::WorkflowsRead][..]), (Role::Owner, &[]), (Role::Viewer, &write)]
    {
        let app = app(holder(role, scopes, None));
        assert_eq!(app.refused(&[&bearer]).await, (403, "permission_denied".into()), "{role} {scopes:?}");
    }
    let erased = KeyHolder { erased: true, ..holder(Role::Owner, &write, None) };
    assert_eq!(app(erased).refused(&[&bearer]).await, (403, "organization_erased".into()));
    let ends = |at: i64| app(holder(Role::Owner, &write, Some(Millis(at * 1000))));
    assert_eq!(ends(NOW + 1).call(&[&bearer]).await.status, 200);
    assert_eq!(ends(NOW).refused(&[&bearer]).await, (401, "api_key_expired".into()));
    let another = format!("Bearer {}", Opaque::draw(OpaqueKind::ApiKey).unwrap().token);
    for bearer in [another.as_str(), "Bearer pb_", "Bearer pb_x", &bearer[..bearer.len() - 1]] {
        assert_eq!(ends(NOW + 1).refused(&[bearer]).await.1, "api_key_invalid");
    }
}
