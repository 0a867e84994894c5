//! Signing in with whatever there is.

use e2e::{EMAIL, PASSWORD, TestApp};
use serde_json::json;

#[tokio::test]
async fn addresses_that_only_look_alike_are_others() {
    let app = TestApp::start().await;
    // Cyrillic а, a zero-width space, a full-width @, a dotless ı.
    for email in [
        "аda@example.com",
        "ada@example.com\u{200b}",
        "ada＠example.com",
        "ada@examp\u{131}e.com",
        "ada@EXAMPLE.com\0",
    ] {
        app.log_in(email, PASSWORD).await.refused(401, "sign_in_failed");
        let invited = app.post("/v1/invitations", &json!({"email": email, "role": "viewer"})).await;
        invited.refused(422, "email_invalid");
    }
    app.log_in(" ADA@Example.COM ", PASSWORD).await.expect(200);
}

#[tokio::test]
async fn tokens_of_every_wrong_kind_are_refused() {
    let app = TestApp::shared().await;
    let token = app.token().to_owned();
    let mut parts = token.split('.');
    let (header, claims, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
    let encode = |value: serde_json::Value| {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
    };
    let kid = json!("k");
    for (what, token) in [
        ("no signature", format!("{header}.{claims}.")),
        ("two parts", format!("{header}.{claims}")),
        ("alg none", format!("{}.{claims}.", encode(json!({"alg": "none", "typ": "at+jwt", "kid": kid})))),
        (
            "alg HS256",
            format!("{}.{claims}.{signature}", encode(json!({"alg": "HS256", "typ": "at+jwt", "kid": kid}))),
        ),
        (
            "unknown kid",
            format!("{}.{claims}.{signature}", encode(json!({"alg": "EdDSA", "typ": "at+jwt", "kid": kid}))),
        ),
        ("other claims", format!("{header}.{}.{signature}", encode(json!({"sub": "x"})))),
        ("long", "a".repeat(5000)),
        ("nothing but dots", "...".to_owned()),
    ] {
        let answer = app.fork().with_token(&token).get("/v1/me").await;
        assert_eq!(answer.status, 401, "{what}: {answer}");
        answer.refused(401, "token_invalid");
    }
}

#[tokio::test]
async fn huge_and_odd_headers_break_nothing() {
    let app = TestApp::shared().await;
    for (name, value) in [
        ("cookie", "x=".to_owned() + &"y".repeat(7000)),
        ("user-agent", "z".repeat(7000)),
        ("idempotency-key", "k".repeat(300)),
        ("if-match", "\"1\",".repeat(500)),
        ("x-forwarded-for", "1.2.3.4, ".repeat(500)),
    ] {
        let answer = app.post_with("/v1/workflows/validate", &[(name, &value)], &json!({})).await;
        assert!(answer.status < 500, "{name}: {answer}");
    }
    app.assert_undisturbed().await;
}

/// A thousand at once would take 19 GB if all were hashed at once.
#[tokio::test]
async fn a_thousand_sign_ins_at_once_are_all_answered_in_little_memory() {
    let mut app = TestApp::start().await;
    // Each of another account, or of none: the same one is locked after ten.
    let bodies: Vec<_> =
        (0..1000).map(|n| json!({"email": format!("nobody{n}@example.com"), "password": PASSWORD})).collect();
    let nobody = app.fork().with_token("");
    let all = futures::future::join_all(bodies.iter().map(|body| nobody.post("/v1/auth/login", body))).await;
    for answer in &all {
        answer.refused(401, "sign_in_failed");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", app.id())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(peak < 300 * 1024, "{peak} KB");
    app.log_in(EMAIL, PASSWORD).await.expect(200);
}
