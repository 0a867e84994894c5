//! Our own connectors against the fakes that the vendors' own clients can talk to.

mod actions;
mod examples;
mod faults;

use e2e::{Options, TestApp, text};
use fakes::Fakes;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// A connector, the way to sign in that needs a token only, and the fake of its app.
const TOKENS: [(&str, &str, &str); 6] = [
    ("slack", "bot", "slack"),
    ("notion", "token", "notion"),
    ("openai", "key", "openai"),
    ("oz", "key", "oz"),
    ("airtable", "token", "airtable"),
    ("google_sheets", "access_token", "google"),
];
const NO_FAKES: &[String] = &[];

/// Prints a line in the log of a test that passes, too.
macro_rules! tell {
    ($($what:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), $($what)*);
    }};
}
use tell;

/// A stack whose calls of apps go to fakes.
struct Apps {
    app: TestApp,
    fakes: Fakes,
}

impl Apps {
    async fn start() -> Self {
        let fakes = Fakes::start(SocketAddr::from(([127, 0, 0, 1], 0)), NO_FAKES, None).await.unwrap();
        for fake in fakes.running() {
            // Tests are quicker than the vendors allow; what a limit does to a step is asked for as a fault.
            fake.desk.rates.enable(false);
        }
        let app = TestApp::start_with(Options { instead: fakes.instead(), ..Options::default() }).await;
        Self { app, fakes }
    }

    /// What a fake says of itself.
    fn about(&self, fake: &str) -> Value {
        self.fakes.described()[fake]["about"].clone()
    }

    /// Asks a fake something below `/_admin`.
    async fn admin(&self, fake: &str, path: &str) -> Value {
        let url = format!("{}/_admin/{path}", self.fakes.url(fake).unwrap());
        self.app.fork().with_token("").get(&url).await.expect(200)
    }

    /// Wants something of a fake.
    async fn ask(&self, fake: &str, path: &str, what: &Value) -> Value {
        let url = format!("{}/_admin/{path}", self.fakes.url(fake).unwrap());
        self.app.fork().with_token("").post(&url, what).await.expect(200)
    }

    /// What a fake was asked at this path, with what it answered.
    async fn asked(&self, fake: &str, path: &str) -> Vec<Value> {
        let all = self.admin(fake, "requests").await["requests"].take();
        let of_path = |request: &Value| text(&request["path"]).contains(path);
        all.as_array().unwrap().iter().filter(|request| of_path(request)).cloned().collect()
    }

    /// A token that a fake takes.
    async fn token(&self, fake: &str) -> String {
        let about = self.about(fake);
        let token = match fake {
            "airtable" => &about["tokens"][0],
            "google" => return self.google_token().await,
            "slack" | "notion" => &about["token"],
            _ => &about["api_key"],
        };
        text(token).to_owned()
    }

    /// An access token, as a person gets one who consents.
    async fn google_token(&self) -> String {
        let client = &self.about("google")["clients"][0];
        let (id, secret) = (text(&client["client_id"]), text(&client["client_secret"]));
        let scopes =
            "https://www.googleapis.com/auth/spreadsheets+https://www.googleapis.com/auth/drive.file";
        let url = self.fakes.url("google").unwrap();
        let mut asks = e2e::Browser::default();
        let back = "redirect_uri=http://127.0.0.1/";
        let consent =
            format!("{url}/o/oauth2/v2/auth?response_type=code&client_id={id}&{back}&scope={scopes}");
        let location = asks.ask(reqwest::Method::GET, &consent, None).await.location.unwrap();
        let code = location.split_once("code=").unwrap().1;
        let form =
            format!("grant_type=authorization_code&code={code}&{back}&client_id={id}&client_secret={secret}");
        let given = asks.ask(reqwest::Method::POST, &format!("{url}/token"), Some(&form)).await;
        let given: Value = serde_json::from_str(&given.text).unwrap();
        text(&given["access_token"]).to_owned()
    }

    /// A connection with this token.
    async fn connect_with(&self, connector: &str, token: &str) -> String {
        let (_, auth, _) = TOKENS.into_iter().find(|(name, ..)| *name == connector).unwrap();
        let body =
            json!({"name": connector, "connector": connector, "auth": auth, "credentials": {"token": token}});
        text(&self.app.post("/v1/connections", &body).await.expect(201)["id"]).to_owned()
    }

    /// A connection that the fake takes.
    async fn connect(&self, connector: &str) -> String {
        let (.., fake) = TOKENS.into_iter().find(|(name, ..)| *name == connector).unwrap();
        self.connect_with(connector, &self.token(fake).await).await
    }
}
