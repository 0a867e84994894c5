use super::state::{Account, SPREADSHEET, State};
use super::{drive, spreadsheets, token};
use crate::call::Call;
use crate::clock::Clock;
use crate::desk::Desk;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::FutureExt as _;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use url::form_urlencoded;

const EMAIL: &str = "robot@example.iam.gserviceaccount.com";
const SCOPE: &str =
    "https://www.googleapis.com/auth/spreadsheets https://www.googleapis.com/auth/drive.readonly";

struct Asking {
    state: State,
    desk: Desk,
    pair: KeyPair,
    token: String,
}

impl Asking {
    fn new() -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let mut state = State::at_start();
        state.accounts.push(Account {
            email: EMAIL.into(),
            key_id: Some("k1".into()),
            public_key: pair.public_key().as_ref().to_vec(),
        });
        let desk = Desk::new("http://127.0.0.1:1".into(), Clock::standing_at(start));
        desk.rates.enable(false);
        let mut asking = Self { state, desk, pair, token: String::new() };
        let (status, tokens) = asking.assert(&json!({}));
        assert_eq!(status, 200, "{tokens}");
        asking.token = tokens["access_token"].as_str().unwrap().into();
        asking
    }

    fn call(&self, method: &str, path: &str, body: Vec<u8>, kind: &str) -> Call {
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", kind)
            .body(())
            .unwrap();
        Call::new(&request.into_parts().0, body.into(), self.desk.clock.now())
    }

    /// Asks for a token with claims that differ in this way from good ones.
    fn assert(&mut self, change: &Value) -> (u16, Value) {
        let now = self.desk.clock.now().as_second();
        let mut claims = json!({
            "iss": EMAIL, "scope": SCOPE, "aud": "https://oauth2.googleapis.com/token", "iat": now, "exp": now + 3600,
        });
        for (name, value) in change.as_object().unwrap() {
            claims[name] = value.clone();
        }
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed =
            format!("{}.{}", part(&json!({"alg": "RS256", "typ": "JWT", "kid": "k1"})), part(&claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).unwrap();
        let assertion = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature));
        self.exchange(&assertion)
    }

    fn exchange(&mut self, assertion: &str) -> (u16, Value) {
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs([
                ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
                ("assertion", assertion),
            ])
            .finish();
        let call = self.call("POST", "/token", form.into_bytes(), "application/x-www-form-urlencoded");
        let response = token::answer(&mut self.state, &call);
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap())
    }

    fn ask(&mut self, method: &str, path: &str, body: Value) -> Result<Value, u16> {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let call = self.call(method, path, body, "application/json");
        let answered = if path.starts_with("/v4") {
            spreadsheets::answer(&mut self.state, &self.desk, &call)
        } else {
            drive::answer(&mut self.state, &self.desk, &call)
        };
        match answered {
            Ok(answer) => answer.ok_or(501),
            Err(refusal) => Err(refusal.into_response().status().as_u16()),
        }
    }
}

fn sheet(rest: &str) -> String {
    format!("/v4/spreadsheets/{SPREADSHEET}{rest}")
}

#[test]
fn an_assertion_must_be_signed_timely_and_for_google() {
    let mut asking = Asking::new();
    for change in [
        json!({"aud": "http://127.0.0.1/token"}),
        json!({"iss": "other@example.com"}),
        json!({"exp": 1}),
        json!({"iat": 4_000_000_000_i64, "exp": 4_000_003_600_i64}),
        json!({"exp": 4_000_000_000_i64}),
        json!({"scope": ""}),
        json!({"sub": "person@example.com"}),
    ] {
        let (status, refusal) = asking.assert(&change);
        assert_eq!((status, &refusal["error"]), (400, &json!("invalid_grant")), "{change}");
    }
    asking.pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let (status, refusal) = asking.assert(&json!({}));
    assert_eq!((status, &refusal["error_description"]), (400, &json!("Invalid JWT Signature.")));
    assert_eq!(asking.exchange("a.b").0, 400);
}

#[test]
fn values_are_written_appended_read_and_cleared() {
    let mut asking = Asking::new();
    let put = asking
        .ask(
            "PUT",
            &sheet("/values/My%20sheet%21A1%3AB2?valueInputOption=RAW"),
            json!({"values": [["a", 1], ["b", true]]}),
        )
        .unwrap();
    assert_eq!((&put["updatedRange"], &put["updatedCells"]), (&json!("'My sheet'!A1:B2"), &json!(4)));
    let added = asking
        .ask(
            "POST",
            &sheet("/values/'My%20sheet'!A:B:append?valueInputOption=USER_ENTERED"),
            json!({"values": [["c", "2"]]}),
        )
        .unwrap();
    assert_eq!(
        (&added["tableRange"], &added["updates"]["updatedRange"]),
        (&json!("'My sheet'!A1:B2"), &json!("'My sheet'!A3:B3"))
    );
    let read = asking
        .ask("GET", &sheet("/values/My%20sheet?valueRenderOption=UNFORMATTED_VALUE"), Value::Null)
        .unwrap();
    assert_eq!(read["range"], "'My sheet'!A1:Z1000");
    assert_eq!(read["values"], json!([["a", 1], ["b", true], ["c", 2]]));
    let cleared = asking.ask("POST", &sheet("/values/My%20sheet!A2:Z:clear"), json!({})).unwrap();
    assert_eq!(cleared["clearedRange"], "'My sheet'!A2:Z1000");
    let read =
        asking.ask("GET", &sheet("/values:batchGet?ranges=My%20sheet!A:A&ranges=A1"), Value::Null).unwrap();
    assert_eq!(read["valueRanges"][0]["values"], json!([["a"]]));
    assert_eq!(read["valueRanges"][1].get("values"), None);
    let batch = json!({"valueInputOption": "RAW", "data": [{"range": "A1", "values": [[1]]}, {"range": "Nope!A1", "values": [[1]]}]});
    assert_eq!(asking.ask("POST", &sheet("/values:batchUpdate"), batch), Err(400));
    let read = asking.ask("GET", &sheet("/values/A1"), Value::Null).unwrap();
    assert_eq!(read.get("values"), None, "all or nothing");
    for (method, path) in
        [("PUT", "/values/A1"), ("GET", "/values/A0:B"), ("GET", "/values/Nope!A1"), ("GET", "/values/A2000")]
    {
        assert_eq!(asking.ask(method, &sheet(path), Value::Null), Err(400), "{path}");
    }
}

#[test]
fn who_may_not_is_told_so() {
    let mut asking = Asking::new();
    assert_eq!(asking.ask("GET", "/v4/spreadsheets/nope", Value::Null), Err(404));
    asking.state.spreadsheets[0].readers = vec![EMAIL.into()];
    assert!(asking.ask("GET", &sheet(""), Value::Null).is_ok());
    assert_eq!(asking.ask("POST", &sheet("/values/A1:clear"), json!({})), Err(403));
    asking.state.spreadsheets[0].readers = vec!["other@example.com".into()];
    assert_eq!(asking.ask("GET", &sheet(""), Value::Null), Err(403));
    assert_eq!(asking.ask("GET", &format!("/drive/v3/files/{SPREADSHEET}"), Value::Null), Err(404));
    asking.desk.clock.advance(SignedDuration::from_secs(3599));
    assert_eq!(asking.ask("GET", &sheet(""), Value::Null), Err(401), "the token is too old");
}

#[test]
fn sixty_reads_a_minute() {
    let mut asking = Asking::new();
    asking.desk.rates.enable(true);
    for _ in 0..60 {
        asking.ask("GET", &sheet(""), Value::Null).unwrap();
    }
    assert_eq!(asking.ask("GET", &sheet(""), Value::Null), Err(429));
    asking.ask("POST", &sheet("/values/A1:clear"), json!({})).unwrap();
    asking.desk.clock.advance(SignedDuration::from_mins(1));
    asking.ask("GET", &sheet(""), Value::Null).unwrap();
}

#[test]
fn sheets_are_added_and_what_is_not_modelled_changes_nothing() {
    let mut asking = Asking::new();
    let added = asking
        .ask(
            "POST",
            &sheet(":batchUpdate"),
            json!({"requests": [{"addSheet": {"properties": {"title": "New"}}}]}),
        )
        .unwrap();
    assert_eq!(added["replies"][0]["addSheet"]["properties"]["title"], "New");
    let twice = json!({"requests": [{"addSheet": {"properties": {"title": "New"}}}]});
    assert_eq!(asking.ask("POST", &sheet(":batchUpdate"), twice), Err(400));
    let unknown = json!({"requests": [{"addSheet": {"properties": {"title": "Other"}}}, {"repeatCell": {}}]});
    assert_eq!(asking.ask("POST", &sheet(":batchUpdate"), unknown), Err(501));
    let whole = asking.ask("GET", &sheet(""), Value::Null).unwrap();
    assert_eq!(whole["sheets"].as_array().unwrap().len(), 3);
}

#[test]
fn changes_are_told_by_pings_and_read_by_pages() {
    let mut asking = Asking::new();
    let start = asking.ask("GET", "/drive/v3/changes/startPageToken", Value::Null).unwrap();
    let channel =
        json!({"id": "c1", "type": "web_hook", "address": "http://127.0.0.1:9/", "token": "secret"});
    let opened = asking.ask("POST", "/drive/v3/changes/watch?pageToken=1", channel).unwrap();
    asking.ask("POST", &sheet("/values/A1:clear"), json!({})).unwrap();
    let states: Vec<&str> = asking
        .state
        .pings
        .iter()
        .map(|ping| {
            ping.headers.iter().find(|(name, _)| *name == "x-goog-resource-state").unwrap().1.as_str()
        })
        .collect();
    assert_eq!(states, ["sync", "change"]);
    let token = start["startPageToken"].as_str().unwrap();
    let changes = asking.ask("GET", &format!("/drive/v3/changes?pageToken={token}"), Value::Null).unwrap();
    assert_eq!(
        (&changes["changes"][0]["fileId"], &changes["newStartPageToken"]),
        (&json!(SPREADSHEET), &json!("2"))
    );
    let stop = json!({"id": "c1", "resourceId": opened["resourceId"]});
    asking.ask("POST", "/drive/v3/channels/stop", stop.clone()).unwrap();
    assert_eq!(asking.ask("POST", "/drive/v3/channels/stop", stop), Err(404));
    let files = asking.ask(
        "GET",
        "/drive/v3/files?q=mimeType%3D'application/vnd.google-apps.spreadsheet'+and+name+contains+'lea'",
        Value::Null,
    );
    assert_eq!(files.unwrap()["files"][0]["name"], "Leads");
    assert_eq!(asking.ask("GET", "/drive/v3/files?q=starred%3Dtrue", Value::Null), Err(501));
}
