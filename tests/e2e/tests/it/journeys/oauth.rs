//! Connections that a user agrees to at the app, and their tokens.

use e2e::{
    Answer, Browser, Options, Reply, Seen, Target, TestApp, assert_failed, files_besides_secrets_with,
    manual, step, text,
};
use fakes::Fakes;
use reqwest::Method;
use serde_json::{Value, json};
use std::net::SocketAddr;

const SECRET: &str = "client-secret-canary-51c0";
const AIRTABLE: &str = "https://airtable.com";

/// A stack, and the fake of Airtable in Airtable's place, which gives each refresh token once.
struct Airtable {
    app: TestApp,
    fakes: Fakes,
}

impl Airtable {
    async fn start() -> Self {
        let fakes = Fakes::start(SocketAddr::from(([127, 0, 0, 1], 0)), &["airtable".to_owned()], None).await;
        let fakes = fakes.expect("a port is free");
        let url = fakes.url("airtable").expect("it runs");
        let instead = format!("{AIRTABLE}={url},https://api.airtable.com={url}");
        let app = TestApp::start_with(Options { instead, ..Options::default() }).await;
        let this = Self { app, fakes };
        let scopes = [
            "data.records:read",
            "data.records:write",
            "data.recordComments:read",
            "data.recordComments:write",
            "schema.bases:read",
            "schema.bases:write",
            "user.email:read",
        ];
        let client = json!({"client_id": "patchbay", "client_secret": SECRET,
            "redirect_uris": ["http://127.0.0.1/"], "scopes": scopes});
        this.admin("clients", &client).await;
        this.admin("limits", &json!({"calls_per_second": 10_000})).await;
        this
    }

    fn url(&self) -> &str {
        self.fakes.url("airtable").expect("it runs")
    }

    async fn admin(&self, what: &str, body: &Value) {
        let url = format!("{}/_admin/{what}", self.url());
        let sent = Browser::default().ask(Method::POST, &url, Some(&body.to_string())).await;
        assert_eq!(sent.status, 200, "{what}: {}", sent.text);
    }

    async fn lifetimes(&self, access: i64, refresh: i64) {
        self.admin("oauth-rules", &json!({"access_seconds": access, "refresh_seconds": refresh})).await;
    }

    async fn told(&self, what: &str) -> Value {
        let url = format!("{}/_admin/{what}", self.url());
        let text = Browser::default().ask(Method::GET, &url, None).await.text;
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{what}: {text}"))
    }

    async fn counts(&self) -> Value {
        self.told("counts").await
    }

    /// A connection that nobody has agreed to yet.
    async fn pending(&self) -> String {
        let client = json!({"client_id": "patchbay", "client_secret": SECRET});
        self.app.put("/v1/connectors/airtable/oauth-client", &client).await.expect(200);
        let body = json!({"name": "Bases", "connector": "airtable", "auth": "oauth"});
        let made = self.app.post("/v1/connections", &body).await.expect(201);
        assert_eq!(made["status"], "pending");
        text(&made["id"]).to_owned()
    }

    /// Begins a consent: the browser that knows of it, and where the app asks.
    async fn begin(&self, connection: &str) -> (Browser, String) {
        let path = format!("/v1/connections/{connection}/authorize");
        let begun = self.app.post(&path, &json!({"return_to": "/v1/docs?connected"})).await;
        let url = text(&begun.expect(200)["url"]).to_owned();
        let mut browser = Browser::default();
        browser.set_cookie(&self.app.base, "pb_consent", &consent_of(&begun));
        (browser, url)
    }

    /// Has the user agree: where the app sends the browser then.
    async fn agree(&self, browser: &mut Browser, url: &str) -> String {
        assert!(url.starts_with(AIRTABLE), "{url}");
        let asked = browser.ask(Method::GET, &url.replace(AIRTABLE, self.url()), None).await;
        asked.location.unwrap_or_else(|| panic!("{}: {}", asked.status, asked.text))
    }

    async fn connect(&self) -> String {
        let connection = self.pending().await;
        self.reconnect(&connection).await;
        connection
    }

    async fn reconnect(&self, connection: &str) {
        let (mut browser, url) = self.begin(connection).await;
        let back = self.agree(&mut browser, &url).await;
        let done = browser.ask(Method::GET, &back, None).await;
        assert_eq!(done.status, 303, "{}", done.text);
        assert_eq!(done.location, Some(format!("{}/v1/docs?connected", self.app.base)));
    }

    async fn status(&self, connection: &str) -> Value {
        self.app.get(&format!("/v1/connections/{connection}")).await.expect(200)
    }
}

/// The cookie of a consent that has begun.
fn consent_of(begun: &Answer) -> String {
    begun.cookie("pb_consent").trim_start_matches("pb_consent=").to_owned()
}

fn whoami(connection: &str) -> Value {
    json!([{"id": "who", "type": "action", "use": "airtable.whoami", "connection": connection,
        "input": {}, "retry": {"max_attempts": 1}}])
}

#[tokio::test]
async fn a_user_agrees_and_steps_use_the_tokens() {
    let mut a = Airtable::start().await;
    let body = json!({"name": "Bases", "connector": "airtable", "auth": "oauth"});
    let without = a.app.post("/v1/connections", &body).await.expect(201);
    let authorize = format!("/v1/connections/{}/authorize", text(&without["id"]));
    a.app.post(&authorize, &json!({})).await.refused(409, "oauth_client_missing");
    let told = a.app.get("/v1/connectors/airtable/oauth-client").await.expect(200);
    assert_eq!(told["redirect_uri"], format!("{}/v1/oauth/callback", a.app.base));
    assert_eq!(told["client_id"], Value::Null);
    let connection = a.pending().await;
    let told = a.app.get("/v1/connectors/airtable/oauth-client").await.expect(200);
    assert_eq!((&told["client_id"], &told["has_secret"]), (&json!("patchbay"), &json!(true)));
    let run = a.app.run_steps(whoami(&connection), &json!({}), "failed").await;
    assert_failed(&run, "who", "connection_pending");
    let tested = a.app.post(&format!("/v1/connections/{connection}/test"), &json!({})).await.expect(200);
    assert_eq!(tested["error"]["code"], "connection_pending");
    let authorize = format!("/v1/connections/{connection}/authorize");
    let elsewhere = json!({"return_to": "//evil.example"});
    a.app.post(&authorize, &elsewhere).await.refused(422, "invalid_return_to");
    a.reconnect(&connection).await;
    let status = a.status(&connection).await;
    assert_eq!((&status["status"], &status["authorized_by"]), (&json!("ready"), &status["created_by"]));
    let run = a.app.run_steps(whoami(&connection), &json!({}), "succeeded").await;
    assert!(step(&run, "who")["output"]["id"].is_string(), "{run}");
    let counts = a.counts().await;
    assert_eq!((&counts["codes_exchanged"], &counts["refreshes_asked"]), (&json!(1), &json!(0)));
    // The client's secret is found nowhere; nor are tokens, which another test looks for.
    let data = a.app.data();
    assert_eq!(files_besides_secrets_with(&data, SECRET), Vec::<std::path::PathBuf>::new());
    for path in ["/v1/connections", "/v1/audit", "/v1/runs", "/v1/connectors/airtable/oauth-client"] {
        assert!(!a.app.get(path).await.text().contains(SECRET), "{path}");
    }
    let ledger = a.app.get("/v1/audit?action=connection.authorized").await.expect(200);
    assert_eq!(ledger["items"][0]["target"], connection);
    // An app that has no consents needs no client.
    a.app.get("/v1/connectors/stripe/oauth-client").await.refused(409, "no_consent_needed");
    assert_eq!(a.app.delete("/v1/connectors/airtable/oauth-client").await.status, 204);
    a.app.delete("/v1/connectors/airtable/oauth-client").await.refused(404, "oauth_client_missing");
}

#[tokio::test]
async fn a_consent_is_of_the_browser_that_began_it_and_counts_once() {
    let a = Airtable::start().await;
    let connection = a.pending().await;
    let (mut browser, url) = a.begin(&connection).await;
    let back = a.agree(&mut browser, &url).await;
    // Somebody else who was sent the address, and somebody whose browser began another one.
    let mut stranger = Browser::default();
    let refused = stranger.ask(Method::GET, &back, None).await;
    assert_eq!((refused.status, refused.text.contains("consent_expired")), (400, true));
    let (mut other, _) = a.begin(&connection).await;
    assert_eq!(other.ask(Method::GET, &back, None).await.status, 400);
    let cookie = browser.cookie(&a.app.base, "pb_consent").expect("it has one").to_owned();
    let forged = format!("{cookie}x");
    browser.set_cookie(&a.app.base, "pb_consent", &forged);
    assert_eq!(browser.ask(Method::GET, &back, None).await.status, 400);
    assert_eq!(a.status(&connection).await["status"], "pending");
    assert_eq!(a.counts().await["codes_exchanged"], 0);
    browser.set_cookie(&a.app.base, "pb_consent", &cookie);
    assert_eq!(browser.ask(Method::GET, &back, None).await.status, 303);
    browser.set_cookie(&a.app.base, "pb_consent", &cookie);
    let again = browser.ask(Method::GET, &back, None).await;
    assert_eq!((again.status, again.text.contains("consent_expired")), (400, true));
    assert_eq!(a.counts().await["codes_exchanged"], 1);
    assert_eq!(a.status(&connection).await["status"], "ready");
}

#[tokio::test]
async fn who_says_no_or_is_signed_out_gives_no_consent() {
    let mut a = Airtable::start().await;
    let connection = a.pending().await;
    let (mut browser, _) = a.begin(&connection).await;
    let state = |browser: &Browser| {
        use base64::Engine as _;
        let cookie = browser.cookie(&a.app.base, "pb_consent").expect("it has one");
        let body = cookie.rsplit_once('.').expect("it is signed").0;
        let body = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).expect("it is base64");
        let body: Value = serde_json::from_slice(&body).expect("it is JSON");
        text(&body["s"]).to_owned()
    };
    let said = state(&browser);
    let back = format!("{}/v1/oauth/callback?error=access_denied&state={said}", a.app.base);
    let refused = browser.ask(Method::GET, &back, None).await;
    assert_eq!((refused.status, refused.text.contains("consent_refused")), (403, true));
    let (mut browser, url) = a.begin(&connection).await;
    let back = a.agree(&mut browser, &url).await;
    assert_eq!(a.app.post("/v1/auth/logout-everywhere", &json!({})).await.status, 204);
    let refused = browser.ask(Method::GET, &back, None).await;
    assert_eq!((refused.status, refused.text.contains("permission_denied")), (403, true), "{}", refused.text);
    // Tokens are dated to the second, and those of this one ended, too.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    a.app.sign_in().await;
    assert_eq!(a.status(&connection).await["status"], "pending");
}

#[tokio::test]
async fn fifty_steps_at_once_ask_for_new_tokens_once() {
    let a = Airtable::start().await;
    // Tokens are got anew when half of a short life is over.
    a.lifetimes(4, 3600).await;
    let connection = a.connect().await;
    a.lifetimes(3600, 3600).await;
    tokio::time::sleep(std::time::Duration::from_millis(2200)).await;
    let workflow = a.app.publish(&manual("fifty", whoami(&connection))).await;
    let starts = (0..50).map(|_| a.app.start_run(&workflow.id, &Value::Null));
    for run in futures::future::join_all(starts).await {
        let run = a.app.wait_until(&run, "succeeded").await;
        assert_eq!(step(&run, "who")["attempts"], 1, "{run}");
    }
    let counts = a.counts().await;
    assert_eq!(
        (&counts["refreshes_asked"], &counts["refreshes_granted"]),
        (&json!(1), &json!(1)),
        "{counts}"
    );
    assert_eq!(counts["refreshes_reused"], 0);
}

#[tokio::test]
async fn a_token_that_the_app_refuses_is_got_anew_at_once() {
    let a = Airtable::start().await;
    let connection = a.connect().await;
    a.admin("faults", &json!({"fault": "401", "next": 1, "path": "whoami"})).await;
    let run = a.app.run_steps(whoami(&connection), &json!({}), "succeeded").await;
    assert_eq!(step(&run, "who")["attempts"], 1, "{run}");
    assert_eq!(a.counts().await["refreshes_granted"], 1);
    // What it refuses even so is told; nobody asks again and again.
    a.admin("faults", &json!({"fault": "401", "next": 5, "path": "whoami"})).await;
    let run = a.app.run_steps(whoami(&connection), &json!({}), "failed").await;
    assert_failed(&run, "who", "credentials_refused");
    assert_eq!(a.counts().await["refreshes_granted"], 2);
    assert_eq!(a.status(&connection).await["status"], "ready");
}

#[tokio::test]
async fn a_consent_that_ended_is_told_and_given_anew() {
    let a = Airtable::start().await;
    a.lifetimes(2, 1).await;
    let connection = a.connect().await;
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    for _ in 0..2 {
        let run = a.app.run_steps(whoami(&connection), &json!({}), "failed").await;
        assert_failed(&run, "who", "credentials_refused");
    }
    // The second step knew, and did not ask.
    assert_eq!(a.counts().await["refreshes_asked"], 1);
    let status = a.status(&connection).await;
    assert_eq!(status["status"], "needs_reconnect");
    assert!(status["reason"].is_string(), "{status}");
    a.lifetimes(3600, 3600).await;
    a.reconnect(&connection).await;
    let status = a.status(&connection).await;
    assert_eq!((&status["status"], &status["reason"]), (&json!("ready"), &Value::Null));
    a.app.run_steps(whoami(&connection), &json!({}), "succeeded").await;
    // Other fields may lead elsewhere: the tokens do not go along.
    let changed =
        a.app.patch(&format!("/v1/connections/{connection}"), &json!({"name": "Renamed"})).await.expect(200);
    assert_eq!(changed["status"], "ready");
    a.app.run_steps(whoami(&connection), &json!({}), "succeeded").await;
}

/// Answers as Shopify does.
fn shopify(seen: &Seen, _: usize) -> Reply {
    match seen.path.as_str() {
        "/admin/oauth/access_token" if seen.text().contains(SECRET) => {
            Reply::json(&json!({"access_token": "shpat_canary_of_a_token", "expires_in": 86_399}))
        }
        "/admin/oauth/access_token" if seen.text().contains("busy") => Reply::status(503, &json!({})),
        // It repeats what it was given, as careless servers do.
        "/admin/oauth/access_token" => {
            Reply::status(400, &json!({"error": "invalid_client", "error_description": seen.text()}))
        }
        _ if seen.header("x-shopify-access-token") != "shpat_canary_of_a_token" => {
            Reply::status(401, &json!({"errors": "Invalid API key or access token"}))
        }
        _ => Reply::json(&json!({"shop": {"id": 1, "name": "My shop"}})),
    }
}

#[tokio::test]
async fn a_program_gets_tokens_by_its_own_id_and_secret() {
    let target = Target::start(shopify).await;
    let instead = format!("https://my-shop.myshopify.com={}", target.base);
    let mut app = TestApp::start_with(Options { instead, ..Options::default() }).await;
    let connect = async |app: &TestApp, secret: &str| {
        let body = json!({"name": "Shop", "connector": "shopify", "auth": "app",
            "fields": {"shop": "my-shop", "client_id": "id"}, "credentials": {"client_secret": secret}});
        let made = app.post("/v1/connections", &body).await.expect(201);
        assert_eq!(made["status"], "ready");
        text(&made["id"]).to_owned()
    };
    let get_shop = |connection: &str| json!([{"id": "shop", "type": "action", "use": "shopify.get_shop", "connection": connection, "input": {}}]);
    let connection = connect(&app, SECRET).await;
    for _ in 0..2 {
        app.run_steps(get_shop(&connection), &json!({}), "succeeded").await;
    }
    let asked = target.seen().iter().filter(|seen| seen.path.ends_with("access_token")).count();
    assert_eq!(asked, 1, "tokens are kept");
    // That its server is busy is an attempt, as it is with the app itself.
    let busy = connect(&app, "a secret for when it is busy").await;
    let mut steps = get_shop(&busy);
    steps[0]["retry"] = json!({"max_attempts": 2, "initial": "PT1S"});
    let run = app.run_steps(steps, &json!({}), "failed").await;
    assert_failed(&run, "shop", "app_unavailable");
    assert_eq!(step(&run, "shop")["attempts"], 2);
    let wrong = connect(&app, "a-secret-that-is-wrong").await;
    let run = app.run_steps(get_shop(&wrong), &json!({}), "failed").await;
    assert_failed(&run, "shop", "credentials_refused");
    assert!(!run.to_string().contains("that-is-wrong"), "{run}");
    let data = app.data();
    for secret in [SECRET, "shpat_canary_of_a_token"] {
        assert_eq!(files_besides_secrets_with(&data, secret), Vec::<std::path::PathBuf>::new());
    }
}

#[tokio::test]
async fn a_service_account_signs_for_its_tokens() {
    let fakes = Fakes::start(SocketAddr::from(([127, 0, 0, 1], 0)), &["google".to_owned()], None).await;
    let fakes = fakes.expect("a port is free");
    let url = fakes.url("google").expect("it runs");
    let instead = format!(
        "https://oauth2.googleapis.com={url},https://www.googleapis.com={url},https://sheets.googleapis.com={url}"
    );
    let mut app = TestApp::start_with(Options { instead, ..Options::default() }).await;
    let account = format!("{url}/_admin/service-account");
    let key_file = Browser::default().ask(Method::GET, &account, None).await.text;
    let connect = async |app: &TestApp, key_file: &str| {
        let body = json!({"name": "Sheets", "connector": "google_sheets", "auth": "service_account",
            "credentials": {"key_file": key_file}});
        let made = app.post("/v1/connections", &body).await.expect(201);
        text(&made["id"]).to_owned()
    };
    let steps = |connection: &str| json!([{"id": "list", "type": "action", "use": "google_sheets.list_spreadsheets", "connection": connection, "input": {}}]);
    let connection = connect(&app, &key_file).await;
    for _ in 0..2 {
        app.run_steps(steps(&connection), &json!({}), "succeeded").await;
    }
    let requests = Browser::default().ask(Method::GET, &format!("{url}/_admin/requests"), None).await.text;
    assert_eq!(requests.matches("/token\"").count(), 1, "tokens are kept: {requests}");
    let broken = connect(&app, "no key").await;
    let run = app.run_steps(steps(&broken), &json!({}), "failed").await;
    assert_failed(&run, "list", "credentials_refused");
    let key: Value = serde_json::from_str(&key_file).expect("it is JSON");
    let line = text(&key["private_key"]).lines().nth(1).expect("it has lines");
    assert_eq!(files_besides_secrets_with(&app.data(), line), Vec::<std::path::PathBuf>::new());
}

/// Answers as GitHub does, whose tokens have no end and no refresh token.
fn github(seen: &Seen, _: usize) -> Reply {
    match seen.path.as_str() {
        path if path.starts_with("/login/oauth/access_token") => {
            Reply::json(&json!({"access_token": "gho_canary_of_a_token", "token_type": "bearer"}))
        }
        "/user" => Reply::json(&json!({"login": "ada", "id": 1})),
        _ => Reply::status(401, &json!({"message": "Bad credentials"})),
    }
}

#[tokio::test]
async fn what_a_token_may_not_do_ends_no_consent() {
    let target = Target::start(github).await;
    let instead = format!("https://github.com={0},https://api.github.com={0}", target.base);
    let app = TestApp::start_with(Options { instead, ..Options::default() }).await;
    let client = json!({"client_id": "patchbay", "client_secret": SECRET});
    app.put("/v1/connectors/github/oauth-client", &client).await.expect(200);
    let body = json!({"name": "GitHub", "connector": "github", "auth": "oauth"});
    let made = app.post("/v1/connections", &body).await.expect(201);
    let connection = text(&made["id"]).to_owned();
    let path = format!("/v1/connections/{connection}");
    let begun = app.post(&format!("{path}/authorize"), &json!({})).await;
    let url = text(&begun.expect(200)["url"]).to_owned();
    let state = url.split("state=").nth(1).and_then(|rest| rest.split('&').next()).expect("it has one");
    let mut browser = Browser::default();
    browser.set_cookie(&app.base, "pb_consent", &consent_of(&begun));
    let back = format!("{}/v1/oauth/callback?code=c&state={state}", app.base);
    assert_eq!(browser.ask(Method::GET, &back, None).await.status, 303);
    let tested = app.post(&format!("{path}/test"), &json!({})).await.expect(200);
    assert_eq!(tested["ok"], true, "{tested}");
    let steps = json!([{"id": "repo", "type": "action", "use": "github.get_repository", "connection": connection,
        "input": {"owner": "ada", "repo": "engine"}, "retry": {"max_attempts": 1}}]);
    let run = app.run_steps(steps, &json!({}), "failed").await;
    assert_failed(&run, "repo", "credentials_refused");
    assert_eq!(app.get(&path).await.expect(200)["status"], "ready");
}

#[tokio::test]
async fn nobody_is_sent_elsewhere_to_agree_whatever_a_field_says() {
    let app = TestApp::start().await;
    let client = json!({"client_id": "patchbay", "client_secret": SECRET});
    app.put("/v1/connectors/salesforce/oauth-client", &client).await.expect(200);
    let authorize = async |login_host: &str| {
        let body = json!({"name": "CRM", "connector": "salesforce", "auth": "oauth", "fields": {"login_host": login_host}});
        let made = app.post("/v1/connections", &body).await.expect(201);
        app.post(&format!("/v1/connections/{}/authorize", text(&made["id"])), &json!({})).await
    };
    let own = authorize("acme.my").await.expect(200);
    assert!(text(&own["url"]).starts_with("https://acme.my.salesforce.com/"), "{own}");
    for elsewhere in ["evil.example/", "evil.example?", "evil.example#", "a@evil.example/", "evil.example\\"]
    {
        authorize(elsewhere).await.refused(422, "invalid_connection");
    }
}
