//! Webhooks that are believed only with a signature of their sender.

use domain::Millis;
use domain::workflow::verify::Scheme;
use e2e::{Answer, TestApp};
use reqwest::Method;
use serde_json::{Value, json};
use signatures::{Message, sign};

const KEY: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEXT: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

async fn hook(app: &TestApp, trigger: Value) -> (String, String) {
    let mut whole = json!({"id": "in", "type": "webhook"});
    whole.as_object_mut().unwrap().extend(trigger.as_object().unwrap().clone());
    let steps = json!([{"id": "seen", "type": "map", "output": "{{ trigger }}"}]);
    let workflow = app.publish(&json!({"name": "signed", "triggers": [whole], "steps": steps})).await;
    (workflow.id, workflow.hook)
}

async fn secret(app: &TestApp, name: &str, value: &str) {
    app.put(&format!("/v1/variables/{name}"), &json!({"value": value, "secret": true})).await.expect(200);
}

#[expect(clippy::disallowed_methods, reason = "senders have clocks of their own")]
fn now() -> Millis {
    Millis(jiff::Timestamp::now().as_millisecond())
}

/// What a stranger sends: these headers, this body.
async fn send(app: &TestApp, hook: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
    let stranger = app.fork().with_token("");
    let mut request = stranger.request(Method::POST, hook).body(body.to_vec());
    if !headers.iter().any(|(name, _)| name == "content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(name, value);
    }
    stranger.send(request).await
}

fn signed(scheme: &Scheme, key: &str, id: &str, at: Millis, body: &[u8]) -> Vec<(String, String)> {
    sign(scheme, key, &Message { id, at, url: "", form: false, body }).unwrap()
}

#[tokio::test]
async fn a_signed_webhook_starts_one_run_and_no_other_does() {
    let app = TestApp::start().await;
    let verify = json!({"verify": {"scheme": "standard", "secret": ["WEBHOOK_KEY", "WEBHOOK_KEY_NEXT"]}});
    let (id, hook) = hook(&app, verify).await;
    let by = |key: &str, id: &str, at: Millis| signed(&Scheme::Standard, key, id, at, b"{\"n\": 1}");
    let body = b"{\"n\": 1}";

    // Nobody has said the secret yet: nothing is believed, and a sender who repeats loses nothing.
    let first = by(KEY, "msg_1", now());
    send(&app, &hook, &first, body).await.refused(503, "verification_unavailable");
    secret(&app, "WEBHOOK_KEY", KEY).await;
    let taken = app
        .wait_for("the secret to count", || async {
            let answer = send(&app, &hook, &by(KEY, "msg_1", now()), body).await;
            (answer.status == 202).then(|| answer.json()["id"].clone())
        })
        .await;
    // Repeated by the sender, or by whoever saw it.
    let again = by(KEY, "msg_1", now());
    assert_eq!(send(&app, &hook, &again, body).await.expect(202)["id"], taken);
    assert_eq!(send(&app, &hook, &again, body).await.expect(202)["id"], taken);

    let good = by(KEY, "msg_2", now());
    let mut told = Vec::new();
    let mut refused = async |headers: &[(String, String)], body: &[u8]| {
        told.push(send(&app, &hook, headers, body).await.refused(401, "signature_invalid"));
    };
    refused(&[], body).await;
    refused(&good, b"{\"n\": 2}").await;
    refused(&good[..2], body).await;
    refused(&by(KEY, "msg_2", Millis(now().0 - 600_000)), body).await;
    refused(&by(KEY, "msg_2", Millis(now().0 + 600_000)), body).await;
    refused(&by(NEXT, "msg_2", now()), body).await;
    // The other delivery's name: it is signed, too.
    let mut renamed = good.clone();
    renamed[0].1 = "msg_3".to_owned();
    refused(&renamed, body).await;
    assert!(told.iter().all(|one| one["detail"] == told[0]["detail"]), "{told:?}");
    assert_eq!(app.runs(&format!("workflow={id}")).await.len(), 1);

    // The secret is replaced: first both count, then the new one alone.
    secret(&app, "WEBHOOK_KEY_NEXT", NEXT).await;
    app.wait_for("the new secret to count", || async {
        let answer = send(&app, &hook, &by(NEXT, "msg_4", now()), body).await;
        (answer.status == 202).then_some(())
    })
    .await;
    send(&app, &hook, &by(KEY, "msg_5", now()), body).await.expect(202);
    secret(&app, "WEBHOOK_KEY", NEXT).await;
    // As soon as anything is looked at anew; at the latest after a minute.
    app.wait_for("the old secret to count no more", || async {
        send(&app, &hook, &by("whsec_AAAAAAAA", "msg_6", now()), body)
            .await
            .refused(401, "signature_invalid");
        let answer = send(&app, &hook, &by(KEY, "msg_6", now()), body).await;
        (answer.status == 401).then_some(())
    })
    .await;
    send(&app, &hook, &by(NEXT, "msg_7", now()), body).await.expect(202);
}

#[tokio::test]
async fn each_sender_is_verified_as_it_signs() {
    let app = TestApp::start().await;
    secret(&app, "SHARED", "a shared secret").await;
    let of = |verify: Value| json!({"verify": verify});
    let said = |scheme: &str| of(json!({"scheme": scheme, "secret": "SHARED"}));
    let body = br#"{"id": "evt_1", "event_id": "Ev1"}"#;
    for (scheme, kind) in [
        (Scheme::GitHub, "github"),
        (Scheme::Slack, "slack"),
        (Scheme::Stripe, "stripe"),
        (Scheme::Shopify, "shopify"),
        (Scheme::Notion, "notion"),
        (Scheme::Typeform, "typeform"),
    ] {
        let (_, hook) = hook(&app, said(kind)).await;
        let headers = signed(&scheme, "a shared secret", "", now(), body);
        send(&app, &hook, &headers, body).await.expect(202);
        send(&app, &hook, &headers, br#"{"id": "evt_2", "event_id": "Ev2"}"#)
            .await
            .refused(401, "signature_invalid");
    }

    // Bytes that are no text.
    let (_, of_github) = hook(&app, said("github")).await;
    let binary: Vec<u8> = (0..=255).collect();
    let mut headers = signed(&Scheme::GitHub, "a shared secret", "", now(), &binary);
    headers.push(("content-type".to_owned(), "application/octet-stream".to_owned()));
    send(&app, &of_github, &headers, &binary).await.expect(202);
    send(&app, &of_github, &headers, &binary[..255]).await.refused(401, "signature_invalid");
    // GitHub's name of a delivery, which it repeats.
    headers.push(("x-github-delivery".to_owned(), "72d3162e".to_owned()));
    let first = send(&app, &of_github, &headers, &binary).await.expect(202);
    assert_eq!(send(&app, &of_github, &headers, &binary).await.expect(202), first);

    // Twilio signs the address as well.
    let (_, of_twilio) = hook(&app, said("twilio")).await;
    let form = b"From=%2B14158675309&Body=Hello+there";
    let url =
        if of_twilio.starts_with("http") { of_twilio.clone() } else { format!("{}{of_twilio}", app.base) };
    let message = Message { id: "", at: now(), url: &url, form: true, body: form };
    let mut headers = sign(&Scheme::Twilio, "a shared secret", &message).unwrap();
    headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
    headers.push(("x-forwarded-proto".to_owned(), "http".to_owned()));
    send(&app, &of_twilio, &headers, form).await.expect(202);
    send(&app, &format!("{of_twilio}?more=1"), &headers, form).await.refused(401, "signature_invalid");

    // Slack asks in its own name: whoever does not sign gets no answer either.
    let trigger = json!({"challenge": "slack", "verify": {"scheme": "slack", "secret": "SHARED"}});
    let (_, of_slack) = hook(&app, trigger).await;
    let question = br#"{"type": "url_verification", "challenge": "3eZbrw1a"}"#;
    send(&app, &of_slack, &[], question).await.refused(401, "signature_invalid");
    let headers = signed(&Scheme::Slack, "a shared secret", "", now(), question);
    assert_eq!(send(&app, &of_slack, &headers, question).await.expect(200), json!({"challenge": "3eZbrw1a"}));

    // A token, which the run does not show, wherever it stood.
    for verify in [
        json!({"scheme": "token", "secret": "SHARED", "header": "X-Partner-Key"}),
        json!({"scheme": "token", "secret": "SHARED", "query": "key"}),
    ] {
        let (_, hook) = hook(&app, of(verify)).await;
        send(&app, &hook, &[], body).await.refused(401, "signature_invalid");
        let header = [("x-partner-key".to_owned(), "a shared secret".to_owned())];
        let taken = send(&app, &format!("{hook}?key=a+shared+secret"), &header, body).await.expect(202);
        let run = app.wait_until(taken["id"].as_str().unwrap(), "succeeded").await;
        let seen = &e2e::step(&run, "seen")["output"];
        let shown = (&seen["headers"]["x-partner-key"], &seen["query"]["key"]);
        assert!(shown.0 == "[redacted]" || shown.1 == "[redacted]", "{shown:?}");
    }

    // What would say less than it seems to is not saved.
    let document = json!({"name": "n", "steps": [], "triggers": [{"id": "in", "type": "webhook",
        "verify": {"scheme": "github", "secret": "{{ vars.SHARED }}"}}]});
    let refused = app.post("/v1/workflows", &document).await.refused(422, "invalid_definition");
    assert_eq!(refused["errors"][0]["code"], "invalid_verify", "{refused}");
}
