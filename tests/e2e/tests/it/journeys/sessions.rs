//! Staying signed in, signing out, and setting another password.

use e2e::{EMAIL, PASSWORD, TestApp, secret_of, text};
use serde_json::{Value, json};

const NEW: &str = "another horse battery staple";

async fn refresh(app: &TestApp, cookie: &str) -> e2e::Answer {
    app.fork().with_token("").post_with("/v1/auth/refresh", &[("cookie", cookie)], &json!({})).await
}

#[tokio::test]
async fn a_refresh_cookie_counts_once_and_a_stolen_one_ends_the_session() {
    let app = TestApp::start().await;
    let signed_in = app.log_in(EMAIL, PASSWORD).await;
    let set = signed_in.headers.get_all("set-cookie").iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>();
    assert!(
        set.iter()
            .all(|c| c.contains("HttpOnly") && c.contains("SameSite=Strict") && c.contains("Path=/v1/auth")),
        "{set:?}"
    );
    assert!(!signed_in.text().contains("pbr_"), "the refresh token is for the browser only");
    let first = signed_in.cookie("pb_refresh");

    let second = refresh(&app, &first).await;
    let token = second.expect(200)["access_token"].clone();
    app.fork().with_token(text(&token)).get("/v1/me").await.expect(200);
    // The answer may have been lost: at once it may be asked for again, and then the lost one is void.
    let third = refresh(&app, &first).await;
    third.expect(200);
    let stolen = refresh(&app, &second.cookie("pb_refresh")).await;
    stolen.refused(401, "session_ended");
    assert!(stolen.cookie("pb_refresh").ends_with('='), "the browser forgets it");
    refresh(&app, &third.cookie("pb_refresh")).await.refused(401, "session_ended");
    let told = app.get("/v1/audit?action=session.reused").await.expect(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 1, "{told}");

    for bad in ["pb_refresh=", "pb_refresh=a.b.c", "pb_refresh=a.b.c.d", "other=1"] {
        refresh(&app, bad).await.refused(401, "session_ended");
    }
    // Whoever knows whose session it is, but never had its cookie, ends nothing.
    let cookie = app.log_in(EMAIL, PASSWORD).await.cookie("pb_refresh");
    let mut parts: Vec<&str> = cookie.split('.').collect();
    parts[2] = "pbr_00000000000000000000000000000000000000000000000000000000";
    let made_up = parts.join(".");
    refresh(&app, &made_up).await.refused(401, "session_ended");
    let out =
        app.fork().with_token("").post_with("/v1/auth/logout", &[("cookie", &made_up)], &json!({})).await;
    assert_eq!(out.status, 204);
    refresh(&app, &cookie).await.expect(200);
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let app = TestApp::start().await;
    let phone = app.log_in(EMAIL, PASSWORD).await;
    let on_phone = app.fork().with_token(text(&phone.json()["access_token"]));
    let list = on_phone.get("/v1/auth/sessions").await.expect(200);
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 2, "{list}");
    let current = |current: bool| items.iter().find(|s| s["current"] == current).unwrap();
    assert_eq!(current(true)["ip"], "127.0.0.1");
    let other = format!("/v1/auth/sessions/{}", text(&current(false)["id"]));
    assert_eq!(on_phone.delete(&other).await.status, 204);
    on_phone.delete(&other).await.refused(404, "session_not_found");

    let cookie = phone.cookie("pb_refresh");
    let out =
        app.fork().with_token("").post_with("/v1/auth/logout", &[("cookie", &cookie)], &json!({})).await;
    assert_eq!(out.status, 204);
    refresh(&app, &cookie).await.refused(401, "session_ended");

    let again = app.log_in(EMAIL, PASSWORD).await;
    assert_eq!(app.post("/v1/auth/logout-everywhere", &json!({})).await.status, 204);
    refresh(&app, &again.cookie("pb_refresh")).await.refused(401, "session_ended");
    app.get("/v1/me").await.refused(401, "token_invalid");
    app.fork()
        .with_token(text(&again.json()["access_token"]))
        .get("/v1/me")
        .await
        .refused(401, "token_invalid");
    // The second in which all tokens ended is over soon.
    app.wait_for("a token that counts", || async {
        let token = app.log_in(EMAIL, PASSWORD).await.expect(200)["access_token"].clone();
        let me = app.fork().with_token(text(&token)).get("/v1/me").await;
        (me.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_password_is_changed_with_the_present_one() {
    let app = TestApp::start().await;
    let elsewhere = app.log_in(EMAIL, PASSWORD).await.cookie("pb_refresh");
    let change = async |current: &str, new: &str| {
        app.post("/v1/auth/password", &json!({"current": current, "new": new})).await
    };
    change("wrong wrong wrong", NEW).await.refused(401, "sign_in_failed");
    change(PASSWORD, "short").await.refused(422, "password_too_short");
    assert_eq!(change(PASSWORD, NEW).await.status, 204);
    app.get("/v1/me").await.expect(200);
    refresh(&app, &elsewhere).await.refused(401, "session_ended");
    app.log_in(EMAIL, PASSWORD).await.refused(401, "sign_in_failed");
    app.log_in(EMAIL, NEW).await.expect(200);
}

#[tokio::test]
async fn a_forgotten_password_is_replaced_with_a_mailed_link() {
    let mut app = TestApp::start().await;
    let nobody = app.fork().with_token("");
    let ask =
        async |email: &str| nobody.post("/v1/auth/password-reset", &json!({"email": email})).await.status;
    assert_eq!(ask("nobody@example.com").await, 202);
    assert_eq!(ask(EMAIL).await, 202);
    let mails = app.mails();
    assert_eq!(mails.len(), 1, "{mails:?}");
    let token = secret_of(&mails[0]);
    let confirm = async |token: &str, password: &str| {
        nobody.post("/v1/auth/password-reset/confirm", &json!({"token": token, "password": password})).await
    };
    confirm("pbp_guess", NEW).await.refused(404, "reset_not_found");
    confirm(&token, "short").await.refused(422, "password_too_short");
    assert_eq!(confirm(&token, NEW).await.status, 204);
    confirm(&token, NEW).await.refused(404, "reset_not_found");
    app.get("/v1/me").await.refused(401, "token_invalid");
    app.log_in(EMAIL, PASSWORD).await.refused(401, "sign_in_failed");
    app.log_in(EMAIL, NEW).await.expect(200);
    // Three an hour for one address, however often somebody asks.
    for _ in 0..4 {
        assert_eq!(ask(EMAIL).await, 202);
    }
    assert_eq!(app.mails().len(), 3);
}

#[tokio::test]
async fn guessing_locks_out_the_guesser_and_not_the_owner() {
    let app = TestApp::start().await;
    let known = app.log_in(EMAIL, PASSWORD).await.cookie("pb_device");
    let body = |password: &str| json!({"email": EMAIL, "password": password});
    let nobody = app.fork().with_token("");
    for _ in 0..10 {
        nobody.post("/v1/auth/login", &body("a guess a guess")).await.refused(401, "sign_in_failed");
    }
    let locked = nobody.post("/v1/auth/login", &body(PASSWORD)).await;
    locked.refused(429, "too_many_attempts");
    assert!(locked.header("retry-after").parse::<u32>().unwrap() <= 900);
    // Whether there is such an account is not told by this either.
    for n in 0..11 {
        let other = json!({"email": "nobody@example.com", "password": "a guess a guess"});
        let answer = nobody.post("/v1/auth/login", &other).await;
        if n < 10 {
            answer.refused(401, "sign_in_failed")
        } else {
            answer.refused(429, "too_many_attempts")
        };
    }
    // Fifty at the same moment are fifty, not one.
    let burst = json!({"email": "burst@example.com", "password": "a guess a guess"});
    let all = futures::future::join_all((0..50).map(|_| nobody.post("/v1/auth/login", &burst))).await;
    assert_eq!(all.iter().filter(|answer| answer.status == 401).count(), 10);
    assert!(all.iter().all(|answer| matches!(answer.status, 401 | 429)));
    // From a browser that the account knows, its owner gets in.
    let cookies: &[(&str, &str)] = &[("cookie", &known)];
    nobody.post_with("/v1/auth/login", cookies, &body(PASSWORD)).await.expect(200);
    // That browser is not known to other accounts, and a made-up one is known to none.
    for (cookie, email) in [(known.as_str(), "nobody@example.com"), ("pb_device=x.y", EMAIL)] {
        let body = json!({"email": email, "password": PASSWORD});
        nobody
            .post_with("/v1/auth/login", &[("cookie", cookie)], &body)
            .await
            .refused(429, "too_many_attempts");
    }
    for _ in 0..10 {
        nobody
            .post_with("/v1/auth/login", cookies, &body("a guess a guess"))
            .await
            .refused(401, "sign_in_failed");
    }
    nobody.post_with("/v1/auth/login", cookies, &body(PASSWORD)).await.refused(429, "too_many_attempts");
    let told = app.get("/v1/audit?action=sign_in.failed&limit=100").await.expect(200);
    assert_eq!(told["items"].as_array().unwrap().len(), 20, "each wrong password of the account is told");
}

#[tokio::test]
async fn the_keys_of_access_tokens_are_published() {
    let app = TestApp::shared().await;
    let keys = app.fork().with_token("").get("/v1/auth/jwks.json").await.expect(200);
    let header = app.token().split('.').next().unwrap();
    let header: Value = serde_json::from_slice(&base64_url(header)).unwrap();
    let key = keys["keys"].as_array().unwrap().iter().find(|key| key["kid"] == header["kid"]).unwrap();
    assert_eq!((&key["kty"], &key["crv"], &key["alg"]), (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA")));
    assert!(key.get("d").is_none(), "the public half only");
}

fn base64_url(text: &str) -> Vec<u8> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).unwrap()
}
