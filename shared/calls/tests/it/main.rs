//! Calls whose requests are signed, or have a secret in their path: what is sent, and that nothing else has the secret.

mod s3;

use calls::http_request::{self, Prepared};
use calls::{Secrets, Sender, carry};
use connectors::{Access, Call, built_in};
use domain::Millis;
use domain::run::StepError;
use http::StatusCode;
use runtime::Clock;
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use vault::Secret;

const KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

/// A minute later each time somebody looks.
struct Minutes(AtomicI64);

impl Clock for Minutes {
    fn now(&self) -> Millis {
        Millis(self.0.fetch_add(60_000, Ordering::Relaxed))
    }
}

/// Answers what it was given, one after the other, and keeps what was sent.
struct Scripted {
    answers: Mutex<Vec<(u16, &'static str, String)>>,
    sent: Mutex<Vec<Prepared>>,
}

impl Scripted {
    fn new(answers: Vec<(u16, &'static str, String)>) -> Self {
        Self { answers: Mutex::new(answers), sent: Mutex::new(Vec::new()) }
    }
}

impl Sender for Scripted {
    type Broken = Infallible;

    async fn send(
        &self,
        request: Prepared,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, Infallible> {
        let (status, media, body) = self.answers.lock().unwrap().remove(0);
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::CONTENT_TYPE, media.parse().unwrap());
        let response = egress::HttpResponse {
            status: StatusCode::from_u16(status).unwrap(),
            headers,
            body: body.into(),
            file: None,
            url: request.request.url.clone(),
            redirects: 0,
        };
        self.sent.lock().unwrap().push(request);
        Ok(http_request::outcome(Ok(response), true, Millis(0), secrets))
    }
}

async fn call(
    uses: (&str, &str),
    (auth, fields): (&str, Value),
    secret: &[(&str, &str)],
    input: Value,
    sender: &Scripted,
) -> Result<Value, StepError> {
    let mut secrets = Secrets::default();
    let mut credentials: Map<String, Value> = fields.as_object().cloned().unwrap_or_default();
    for (i, (name, value)) in secret.iter().enumerate() {
        secrets.add(name, &format!("drawn{i}"), Secret::new((*value).to_owned()));
        credentials.insert((*name).to_owned(), secrets.stand_in(name).into());
    }
    let access = Access { auth: Some(auth.to_owned()), credentials, fields };
    let mut call =
        Call::begin(built_in(uses.0, None).expect("it is in the catalogue"), uses.1, input, &access, 0)?;
    let clock = Minutes(AtomicI64::new(1_440_938_160_000));
    let Ok(came) = carry(&mut call, sender, "key", &secrets, &clock, Duration::from_hours(1)).await;
    assert!(!format!("{call:?}").contains(secret[0].1));
    came
}

fn header<'p>(prepared: &'p Prepared, name: &str) -> &'p str {
    prepared.request.headers[name].to_str().unwrap()
}

#[tokio::test]
async fn each_page_is_signed_when_it_is_sent() {
    let page = |topic: &str, next: &str| {
        format!(
            "<ListTopicsResponse><ListTopicsResult><Topics><member><TopicArn>a:b:c:d:e:{topic}</TopicArn></member></Topics>{next}</ListTopicsResult></ListTopicsResponse>"
        )
    };
    let sender = Scripted::new(vec![
        (200, "text/xml", page("one", "<NextToken>n</NextToken>")),
        (200, "text/xml", page("two", "")),
    ]);
    let fields = json!({"region": "eu-central-1", "access_key_id": "AKIDEXAMPLE"});
    let secret = [("secret_access_key", KEY), ("session_token", "")];
    let output = call(("aws_sns", "list_topics"), ("access_key", fields), &secret, json!({}), &sender).await;
    let names: Vec<_> =
        output.unwrap()["items"].as_array().unwrap().iter().map(|t| t["name"].clone()).collect();
    assert_eq!(names, ["one", "two"]);
    let sent = sender.sent.lock().unwrap();
    let times: Vec<_> = sent.iter().map(|sent| header(sent, "x-amz-date").to_owned()).collect();
    assert!(times[0].as_str() > "20150830T123600Z" && times[1] > times[0], "{times:?}");
    for one in sent.iter() {
        let authorization = header(one, "authorization");
        assert!(
            authorization.starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/sns/aws4_request, SignedHeaders=content-type;host;x-amz-date, Signature="),
            "{authorization}"
        );
        // None was given.
        assert!(!one.request.headers.contains_key("x-amz-security-token"));
        assert!(!one.request.follow_redirects);
        assert!(!format!("{:?}{:?}", one.request.headers, one.request.body).contains(KEY));
    }
    assert_ne!(header(&sent[0], "authorization"), header(&sent[1], "authorization"));
}

#[tokio::test]
async fn an_answer_that_repeats_credentials_is_shown_without_them() {
    let body = format!(
        "<Error><Code>SignatureDoesNotMatch</Code><Message>token-of-a-session {KEY}</Message></Error>"
    );
    let sender = Scripted::new(vec![(403, "application/xml", body)]);
    let fields = json!({"region": "eu-central-1", "access_key_id": "AKIDEXAMPLE"});
    let secret = [("secret_access_key", KEY), ("session_token", "token-of-a-session")];
    let input = json!({"bucket": "b", "key": "k"});
    let error =
        call(("aws_s3", "delete_object"), ("access_key", fields), &secret, input, &sender).await.unwrap_err();
    assert_eq!(error.code, "credentials_refused");
    let shown = format!("{error:?}");
    assert!(!shown.contains(KEY) && !shown.contains("token-of-a-session"), "{shown}");
    let sent = sender.sent.lock().unwrap();
    assert_eq!(header(&sent[0], "x-amz-security-token"), "token-of-a-session");
    assert!(sent[0].request.headers["x-amz-security-token"].is_sensitive());
}

/// As XML writes it, a secret is another text; it is one again when that was read.
#[tokio::test]
async fn a_secret_that_xml_writes_otherwise_is_not_shown() {
    let body = "<Error><Code>AccessDenied</Code><Message>p&amp;ss&lt;word-1 &#112;&#38;ss&lt;word-1</Message></Error>";
    let sender = Scripted::new(vec![(403, "application/xml", body.to_owned())]);
    let fields = json!({"region": "eu-central-1", "access_key_id": "AKIDEXAMPLE"});
    let secret = [("secret_access_key", KEY), ("session_token", "p&ss<word-1")];
    let input = json!({"bucket": "b", "key": "k"});
    let error =
        call(("aws_s3", "delete_object"), ("access_key", fields), &secret, input, &sender).await.unwrap_err();
    let shown = format!("{error:?}");
    assert!(!shown.contains("ss<word-1") && shown.contains("[secret session_token]"), "{shown}");
}

#[tokio::test]
async fn a_secret_in_the_path_is_in_no_error_and_follows_no_redirect() {
    const TOKEN: &str = "123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11";
    let json = "application/json";
    let sender = Scripted::new(vec![
        (200, json, format!(r#"{{"ok": true, "result": {{"id": 1, "echo": "/bot{TOKEN}/getMe"}}}}"#)),
        (400, json, format!(r#"{{"ok": false, "error_code": 400, "description": "no {TOKEN}"}}"#)),
    ]);
    let bot = || ("bot", json!({}));
    let output = call(("telegram", "get_me"), bot(), &[("token", TOKEN)], json!({}), &sender).await.unwrap();
    assert_eq!(output["echo"], "/bot[secret token]/getMe");
    let input = json!({"chat_id": 1, "text": "Hello"});
    let error =
        call(("telegram", "send_message"), bot(), &[("token", TOKEN)], input, &sender).await.unwrap_err();
    assert!(!format!("{error:?}").contains("ABC-DEF"), "{error:?}");
    let sent = sender.sent.lock().unwrap();
    assert_eq!(sent[0].request.url, format!("https://api.telegram.org/bot{TOKEN}/getMe"));
    for one in sent.iter() {
        assert!(!one.request.follow_redirects);
        assert!(!format!("{one:?}").contains("ABC-DEF"), "{one:?}");
    }
}
