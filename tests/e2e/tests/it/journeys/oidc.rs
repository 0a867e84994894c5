//! Signing in by an OpenID provider: the certified one from npm, on this machine.

use e2e::{Browser, EMAIL, PASSWORD, Page, SETUP_TOKEN, TestApp, text};
use reqwest::Method;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

const CLIENT_SECRET: &str = "a secret of the client: /?&";

/// It ends with the test: its standard input is closed then.
struct Idp {
    child: Child,
    /// Kept open: a provider that cannot say what it wants to ends.
    _said: BufReader<ChildStdout>,
    issuer: String,
}

impl Drop for Idp {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Idp {
    fn start(app: &TestApp) -> Self {
        let tool = e2e::root().join("infra/tools/node");
        let installed = Command::new(tool).arg(e2e::root().join("tests/oidc")).output().expect("it installs");
        assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
        let home = String::from_utf8(installed.stdout).unwrap();
        let mut child = Command::new("node")
            .arg(format!("{}/provider.mjs", home.trim()))
            .arg(format!("{}/v1/auth/oidc/callback", app.base))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("there is Node");
        let mut issuer = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut issuer).unwrap();
        Self { child, _said: said, issuer: issuer.trim().to_owned() }
    }

    async fn set(&self, app: &TestApp, accounts: &Value) {
        let request = app.fork().with_token("").request(Method::PUT, &format!("{}/_accounts", self.issuer));
        assert_eq!(app.send(request.body(accounts.to_string())).await.status, 204);
    }

    fn settings(&self, rules: &Value) -> Value {
        json!({
            "token": SETUP_TOKEN, "name": "Example Login", "issuer": self.issuer, "client_id": "patchbay",
            "client_secret": CLIENT_SECRET, "scopes": ["groups"], "rules": rules,
        })
    }

    /// Goes from the start through the provider's forms up to the answer's address, without opening that.
    async fn come_back(&self, browser: &mut Browser, start: &str, login: &str, app: &TestApp) -> String {
        let callback = format!("{}/v1/auth/oidc/callback", app.base);
        let mut page = browser.follow(start, &callback).await;
        for _ in 0..5 {
            if let Some(to) = &page.location {
                assert!(to.starts_with(&callback), "{page:?}");
                return to.clone();
            }
            assert_eq!(page.status, 200, "{page:?}");
            let form = if page.text.contains("name=\"login\"") {
                format!("prompt=login&login={login}&password=any")
            } else {
                "prompt=consent".to_owned()
            };
            let sent = browser.ask(Method::POST, &page.url.clone(), Some(&form)).await;
            page = match sent.location {
                Some(to) if !to.starts_with(&callback) => browser.follow(&to, &callback).await,
                _ => sent,
            };
        }
        panic!("the provider asks without end: {page:?}");
    }

    async fn sign_in(&self, browser: &mut Browser, login: &str, app: &TestApp) -> Page {
        let start = format!("{}/v1/auth/oidc/start?return_to=/v1/health", app.base);
        let back = self.come_back(browser, &start, login, app).await;
        browser.ask(Method::GET, &back, None).await
    }
}

async fn put_provider(app: &TestApp, body: &Value) -> e2e::Answer {
    let request =
        app.request(Method::PUT, "/v1/identity-provider").header("content-type", "application/json");
    app.send(request.body(body.to_string())).await
}

/// What a program in the browser does next.
async fn refreshed(browser: &Browser, app: &TestApp) -> TestApp {
    let cookie = format!("pb_refresh={}", browser.cookie(&app.base, "pb_refresh").expect("one is signed in"));
    let answer =
        app.fork().with_token("").post_with("/v1/auth/refresh", &[("cookie", &cookie)], &json!({})).await;
    app.fork().with_token(text(&answer.expect(200)["access_token"]))
}

fn refusal(page: &Page) -> (u16, String) {
    let problem: Value = serde_json::from_str(&page.text).unwrap_or_else(|e| panic!("{e}: {page:?}"));
    let code = text(&problem["code"]).to_owned();
    e2e::has_page(&code);
    (page.status, code)
}

#[tokio::test]
async fn people_sign_in_by_the_provider_and_are_what_their_groups_say() {
    let mut app = TestApp::start().await;
    let idp = Idp::start(&app);
    app.get("/v1/auth/oidc").await.refused(404, "no_identity_provider");
    app.get("/v1/auth/oidc/start").await.refused(404, "no_identity_provider");
    let rules = json!([{"value": "editors", "role": "editor"}, {"value": "admins", "role": "admin"}]);
    let mut settings = idp.settings(&rules);
    settings["token"] = json!("guessed");
    put_provider(&app, &settings).await.refused(403, "setup_token_wrong");
    for (name, value, code) in [
        ("issuer", json!("http://login.example.com"), "invalid_provider"),
        ("issuer", json!("http://127.0.0.1:1"), "provider_unusable"),
        ("issuer", json!(format!("{}/", idp.issuer)), "provider_unusable"),
        ("rules", json!([{"value": "x", "role": "king"}]), "invalid_role"),
        (
            "rules",
            json!([{"value": "x", "role": "owner", "organization": "org_00000000000000000000000000"}]),
            "invalid_organization",
        ),
    ] {
        let mut settings = idp.settings(&rules);
        settings[name] = value;
        put_provider(&app, &settings).await.refused(422, code);
    }
    let set = put_provider(&app, &idp.settings(&rules)).await.expect(200);
    assert_eq!(set["redirect_uri"], format!("{}/v1/auth/oidc/callback", app.base));
    assert_eq!(app.get("/v1/auth/oidc").await.expect(200)["name"], "Example Login");
    app.get("/v1/auth/oidc/start?return_to=//evil.example.com").await.refused(422, "invalid_return_to");

    // Somebody new, whose groups make an editor.
    let grace = |groups: Value| json!({"grace": {"email": "Grace@Example.com", "email_verified": true, "groups": groups}});
    idp.set(&app, &grace(json!(["staff", "editors"]))).await;
    let mut browser = Browser::default();
    let page = idp.sign_in(&mut browser, "grace", &app).await;
    assert_eq!((page.status, page.location), (303, Some(format!("{}/v1/health", app.base))));
    assert_eq!(browser.cookie(&app.base, "pb_sign_in"), None, "it is over");
    let there = refreshed(&browser, &app).await;
    let me = there.get("/v1/me").await.expect(200);
    assert_eq!((&me["name"], &me["role"]), (&json!("grace@example.com"), &json!("editor")));
    let sessions = there.get("/v1/auth/sessions").await.expect(200);
    let session = &sessions["items"][0];
    let lasts = |name: &str| text(&session[name]).parse::<jiff::Timestamp>().unwrap();
    assert_eq!(lasts("expires_at").as_second() - lasts("created_at").as_second(), 12 * 3600);
    let found = app.get("/v1/members").await.expect(200);
    let member = found["items"].as_array().unwrap().iter().find(|m| m["id"] == me["id"]).unwrap().clone();
    assert_eq!((&member["managed"], &member["role"]), (&json!(true), &json!("editor")));
    app.log_in("grace@example.com", PASSWORD).await.refused(401, "sign_in_failed");

    // The role follows the groups; of two, the one that may do more.
    idp.set(&app, &grace(json!(["editors", "admins"]))).await;
    assert_eq!(idp.sign_in(&mut Browser::default(), "grace", &app).await.status, 303);
    assert_eq!(there.get("/v1/me").await.expect(200)["role"], "admin");
    // Who is in none of the groups any more is out, also of where it is signed in.
    idp.set(&app, &grace(json!([]))).await;
    let page = idp.sign_in(&mut Browser::default(), "grace", &app).await;
    assert_eq!(refusal(&page), (403, "not_a_member".to_owned()));
    there.get("/v1/me").await.refused(401, "token_invalid");

    let told = app.get("/v1/audit?limit=100").await.text();
    for action in ["identity_provider.changed", "member.added", "member.changed", "member.removed"] {
        assert!(told.contains(action), "{action} in {told}");
    }
    let shown = app.get("/v1/identity-provider").await.text()
        + &told
        + &std::fs::read_to_string(app.data().with_extension("log")).unwrap();
    assert!(!shown.contains("a secret of the client"), "{shown}");

    // It is kept, and can be taken away.
    app.interrupt();
    app.restart();
    assert_eq!(app.get("/v1/auth/oidc").await.expect(200)["name"], "Example Login");
    let request =
        app.request(Method::DELETE, "/v1/identity-provider").header("content-type", "application/json");
    assert_eq!(app.send(request.body(json!({"token": SETUP_TOKEN}).to_string())).await.status, 204);
    app.get("/v1/auth/oidc").await.refused(404, "no_identity_provider");
}

#[tokio::test]
async fn accounts_are_tied_to_the_person_and_not_to_the_address_alone() {
    let mut app = TestApp::start().await;
    let idp = Idp::start(&app);
    put_provider(&app, &idp.settings(&json!([]))).await.expect(200);
    let bob = app.invite("bob@example.com", "operator").await;
    let accounts = json!({
        "ada": {"email": EMAIL, "email_verified": true},
        "bob": {"email": "bob@example.com", "email_verified": true},
        "liar": {"email": EMAIL, "email_verified": false},
        "successor": {"email": EMAIL, "email_verified": true},
        "stranger": {"email": "stranger@example.com", "email_verified": true},
    });
    idp.set(&app, &accounts).await;

    // An address that the provider does not vouch for is nobody's.
    let page = idp.sign_in(&mut Browser::default(), "liar", &app).await;
    assert_eq!(refusal(&page), (403, "email_not_verified".to_owned()));
    let page = idp.sign_in(&mut Browser::default(), "stranger", &app).await;
    assert_eq!(refusal(&page), (403, "not_a_member".to_owned()));

    // The owner's account was made by whoever deployed it: both ways lead to it.
    let mut browser = Browser::default();
    assert_eq!(idp.sign_in(&mut browser, "ada", &app).await.status, 303);
    let me = app.get("/v1/me").await.expect(200);
    assert_eq!(refreshed(&browser, &app).await.get("/v1/me").await.expect(200)["id"], me["id"]);
    assert_eq!(app.log_in(EMAIL, PASSWORD).await.status, 200);
    // Somebody else who was given the address later is somebody else.
    let page = idp.sign_in(&mut Browser::default(), "successor", &app).await;
    assert_eq!(refusal(&page), (403, "identity_changed".to_owned()));

    // Nobody knows who chose the password of an account whose address was never proved: it goes, and so do its sessions.
    let mut browser = Browser::default();
    assert_eq!(idp.sign_in(&mut browser, "bob", &app).await.status, 303);
    assert_eq!(bob.get("/v1/me").await.status, 401);
    app.log_in("bob@example.com", PASSWORD).await.refused(401, "sign_in_failed");
    assert!(app.get("/v1/audit?action=identity.linked").await.text().contains("bob@example.com"));
}

#[tokio::test]
async fn nobody_finishes_a_sign_in_that_another_began() {
    let app = TestApp::start().await;
    let idp = Idp::start(&app);
    put_provider(&app, &idp.settings(&json!([]))).await.expect(200);
    idp.set(&app, &json!({"ada": {"email": EMAIL, "email_verified": true}})).await;
    let start = format!("{}/v1/auth/oidc/start", app.base);
    let mut victim = Browser::default();
    let mut attacker = Browser::default();

    // The answer of an attacker's sign-in, opened in a browser that began none, and in one that began its own.
    let back = idp.come_back(&mut attacker, &start, "ada", &app).await;
    let expired = (400, "sign_in_expired".to_owned());
    assert_eq!(refusal(&victim.ask(Method::GET, &back, None).await), expired);
    let own = idp.come_back(&mut victim, &start, "ada", &app).await;
    let pending = victim.cookie(&app.base, "pb_sign_in").unwrap().to_owned();
    assert_eq!(refusal(&victim.ask(Method::GET, &back, None).await), expired);
    assert_eq!(victim.cookie(&app.base, "pb_refresh"), None);

    // A cookie that was changed is none.
    let (text, mac) = pending.rsplit_once('.').unwrap();
    victim.set_cookie(&app.base, "pb_sign_in", &format!("{}x.{mac}", &text[..text.len() - 1]));
    assert_eq!(refusal(&victim.ask(Method::GET, &own, None).await), expired);
    // The same answer counts once, even where the cookie was kept.
    victim.set_cookie(&app.base, "pb_sign_in", &pending);
    assert_eq!(victim.ask(Method::GET, &own, None).await.status, 303);
    victim.set_cookie(&app.base, "pb_sign_in", &pending);
    let again = victim.ask(Method::GET, &own, None).await;
    assert_eq!(refusal(&again), (403, "provider_refused".to_owned()));

    // The provider let nobody in.
    let mut browser = Browser::default();
    let page = browser.ask(Method::GET, &start, None).await;
    let to = page.location.unwrap();
    let state = to.split("state=").nth(1).unwrap().split('&').next().unwrap();
    let no = format!("{}/v1/auth/oidc/callback?error=access_denied&state={state}", app.base);
    let page = browser.ask(Method::GET, &no, None).await;
    assert_eq!(refusal(&page), (403, "provider_refused".to_owned()));
    assert!(page.text.contains("access_denied"));
}

#[tokio::test]
async fn a_provider_that_is_away_is_told_apart() {
    let app = TestApp::start().await;
    let idp = Idp::start(&app);
    put_provider(&app, &idp.settings(&json!([]))).await.expect(200);
    idp.set(&app, &json!({"ada": {"email": EMAIL, "email_verified": true}})).await;
    let mut browser = Browser::default();
    let start = format!("{}/v1/auth/oidc/start", app.base);
    let back = idp.come_back(&mut browser, &start, "ada", &app).await;
    drop(idp);
    let page = browser.ask(Method::GET, &back, None).await;
    assert_eq!(refusal(&page), (502, "provider_unavailable".to_owned()));
    assert_eq!(browser.cookie(&app.base, "pb_refresh"), None);
}

#[tokio::test]
async fn an_owner_without_a_password_erases_the_organisation_by_having_signed_in_lately() {
    let app = TestApp::start().await;
    let idp = Idp::start(&app);
    put_provider(&app, &idp.settings(&json!([{"value": "owners", "role": "owner"}]))).await.expect(200);
    let account = json!({"email": "grace@example.com", "email_verified": true, "groups": ["owners"]});
    idp.set(&app, &json!({"grace": account})).await;
    let mut browser = Browser::default();
    assert_eq!(idp.sign_in(&mut browser, "grace", &app).await.status, 303);
    let there = refreshed(&browser, &app).await;
    let name = app.get("/v1/organization").await.expect(200)["name"].clone();
    let erase = async |app: &TestApp| {
        let request =
            app.request(Method::DELETE, "/v1/organization").header("content-type", "application/json");
        app.send(request.body(json!({"name": name}).to_string())).await
    };
    // Whoever has a password says it.
    erase(&app).await.refused(403, "password_wrong");
    erase(&there).await.expect(202);
    app.get("/v1/me").await.refused(403, "organization_erased");
}
