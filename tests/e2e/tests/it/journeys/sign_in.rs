//! The first owner, and signing in.

use e2e::{EMAIL, Options, PASSWORD, SETUP_TOKEN, TestApp};
use serde_json::json;

#[tokio::test]
async fn the_owner_is_made_once_and_signs_in() {
    let mut app = TestApp::start_fresh(Options::default());
    assert!(
        app.said().iter().any(|line| line.contains("/v1/setup") && line.contains(SETUP_TOKEN)),
        "{:?}",
        app.said()
    );
    assert_eq!(app.get("/v1/health").await.expect(200)["status"], "ok");

    let setup = |token: &str, email: &str, password: &str, organization: &str| json!({"token": token, "email": email, "password": password, "organization": organization});
    app.post("/v1/setup", &setup("guess", EMAIL, PASSWORD, "Engines"))
        .await
        .refused(403, "setup_token_wrong");
    app.post("/v1/setup", &setup(SETUP_TOKEN, "ada", PASSWORD, "Engines"))
        .await
        .refused(422, "email_invalid");
    app.post("/v1/setup", &setup(SETUP_TOKEN, EMAIL, "short", "Engines"))
        .await
        .refused(422, "password_too_short");
    app.post("/v1/setup", &setup(SETUP_TOKEN, EMAIL, PASSWORD, " ")).await.refused(422, "invalid_name");

    let done = app.set_up().await;
    assert_eq!((&done["token_type"], &done["expires_in"]), (&json!("Bearer"), &json!(900)), "{done}");
    app.get("/v1/workflows").await.expect(200);
    app.post("/v1/setup", &setup(SETUP_TOKEN, "eve@example.com", PASSWORD, "Mine"))
        .await
        .refused(409, "already_set_up");

    for (email, password) in
        [(EMAIL, "wrong wrong wrong"), ("eve@example.com", PASSWORD), ("not an address", PASSWORD)]
    {
        let answer = app.post("/v1/auth/login", &json!({"email": email, "password": password})).await;
        answer.refused(401, "sign_in_failed");
    }
    let mut another = app.fork().with_token("");
    another.sign_in().await;
    another.get("/v1/runs").await.expect(200);
}
