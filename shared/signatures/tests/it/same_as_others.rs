//! What senders and other programs sign is what this crate takes, and signs itself.

use crate::{scheme, vectors};
use domain::workflow::verify::Scheme;
use serde_json::json;
use signatures::{Message, Refusal, Request, sign, verify};

#[test]
fn what_others_signed_is_believed_and_named() {
    let vectors = vectors();
    assert!(vectors.len() > 30);
    for name in Scheme::NAMES {
        assert!(vectors.iter().any(|case| case.scheme.name() == name), "a vector of {name}");
    }
    for case in vectors {
        let verified = case.verify().unwrap_or_else(|refusal| panic!("{}: {refusal}", case.name));
        assert_eq!(verified.delivery, case.delivery, "{}", case.name);
        let with_others = case.verify_at(&["another secret", &case.secret, "\u{0}"], case.now);
        assert!(with_others.is_ok(), "{}: one of several", case.name);
        let refused = case.verify_at(&["YW5vdGhlciBzZWNyZXQ="], case.now).unwrap_err();
        let expected = if case.name.contains("hex") || case.name.contains("all parts") {
            Refusal::NoKey
        } else {
            Refusal::Mismatch
        };
        assert_eq!(refused, expected, "{}", case.name);
    }
}

#[test]
fn what_is_signed_here_is_what_others_sign() {
    for case in vectors() {
        // What only others do: several signatures, a different order, capital letters.
        let compared = match case.scheme.name() {
            "github" | "shopify" | "airtable" | "notion" | "typeform" | "slack" | "linear" => true,
            "standard" | "twilio" => case.name.contains("published") && !case.name.contains("JSON"),
            _ => false,
        };
        if !compared {
            continue;
        }
        let id = case.delivery.clone().unwrap_or_default();
        let form = case.scheme.name() == "twilio";
        let message = Message { id: &id, at: case.now, url: &case.url, form, body: &case.body };
        for (name, value) in sign(&case.scheme, &case.secret, &message).unwrap() {
            assert_eq!(value.as_bytes(), case.clone().header(&name).as_slice(), "{}: {name}", case.name);
        }
    }
}

#[test]
fn what_is_signed_here_is_believed_here() {
    let hmac = json!({"scheme": "hmac", "header": "x-s", "signed": ["timestamp", ".", "id", ".", "body"], "timestamp": "x-t", "id": "x-i"});
    let body = br#"{"webhookTimestamp": 1760000000000}"#;
    let now = domain::Millis(1_760_000_000_000);
    let private = "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let public = "whpk_A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
    let token = json!({"scheme": "token", "header": "x-token", "prefix": "Bearer "});
    for (of, signing, verifying) in [
        (json!({"scheme": "standard"}), private, public),
        (json!({"scheme": "standard"}), "whsec_AAECAwQF", "whsec_AAECAwQF"),
        (json!({"scheme": "github"}), "secret", "secret"),
        (json!({"scheme": "stripe"}), "whsec_x", "whsec_x"),
        (json!({"scheme": "linear"}), "secret", "secret"),
        (json!({"scheme": "twilio"}), "secret", "secret"),
        (hmac, "secret", "secret"),
        (token, "secret", "secret"),
    ] {
        let scheme = scheme(of);
        let message = Message { id: "m1", at: now, url: "https://a.example/h", form: true, body };
        let mut headers = sign(&scheme, signing, &message).unwrap();
        headers.push(("content-type".to_owned(), "application/x-www-form-urlencoded".to_owned()));
        let headers = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let verified = verify(&scheme, &[verifying], &Request::new(headers, message.url, body), now);
        assert!(verified.is_ok(), "{}: {verified:?}", scheme.name());
        assert_eq!(sign(&scheme, "", &message), None);
    }
    let message = Message { id: "m1", at: now, url: "https://a.example/h", form: false, body };
    assert_eq!(
        sign(&scheme(json!({"scheme": "standard"})), public, &message),
        None,
        "a public key signs nothing"
    );
    assert_eq!(sign(&scheme(json!({"scheme": "airtable"})), "no base64!", &message), None);
    assert_eq!(sign(&scheme(json!({"scheme": "token", "query": "k"})), "secret", &message), None);
}
