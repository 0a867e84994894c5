//! What is not believed, and why.

use crate::{Case, scheme, vector, vectors};
use domain::Millis;
use serde_json::json;
use signatures::Refusal;

fn refused(case: &Case) -> Refusal {
    case.verify().expect_err(&case.name)
}

#[test]
fn every_header_that_is_needed_must_be_there_once_and_plain() {
    for case in vectors() {
        for (at, (name, _)) in case.headers.iter().enumerate() {
            let needed = ![
                "x-github-delivery",
                "x-shopify-webhook-id",
                "linear-delivery",
                "i-twilio-idempotency-token",
                "content-type",
            ]
            .contains(&name.to_ascii_lowercase().as_str());
            if !needed {
                continue;
            }
            let lower = name.to_ascii_lowercase();
            let mut without = case.clone();
            without.headers.remove(at);
            assert!(without.verify().is_err(), "{}: without {name}", case.name);
            let mut twice = case.clone();
            twice.headers.push(case.headers[at].clone());
            assert_eq!(refused(&twice), Refusal::Repeated(lower.clone()), "{}", case.name);
            // As API Gateway hands on a header that came twice.
            let mut joined = case.clone();
            let value = case.headers[at].1.clone();
            joined.headers[at].1 = [value.clone(), b",".to_vec(), value].concat();
            assert!(joined.verify().is_err(), "{}: {name} twice in one", case.name);
            for odd in [
                b"".to_vec(),
                vec![b'a'; 5000],
                b"\xff\xfe".to_vec(),
                "ü".as_bytes().to_vec(),
                b"a\0b".to_vec(),
                b"a\nb".to_vec(),
            ] {
                let mut changed = case.clone();
                changed.headers[at].1.clone_from(&odd);
                assert_eq!(
                    refused(&changed),
                    Refusal::Malformed(lower.clone()),
                    "{}: {name} {odd:?}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn secrets_that_are_none_open_nothing() {
    for case in vectors() {
        assert_eq!(case.verify_at(&[], case.now).unwrap_err(), Refusal::NoKey, "{}: none", case.name);
        assert_eq!(case.verify_at(&[""], case.now).unwrap_err(), Refusal::NoKey, "{}: empty", case.name);
        let many = vec!["c2VjcmV0"; 11];
        assert_eq!(case.verify_at(&many, case.now).unwrap_err(), Refusal::TooMany, "{}", case.name);
    }
    let case = vector("standard, text");
    for bad in ["whsec_", "whsec_%%%", "whpk_AAAA", "whsk_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="] {
        assert_eq!(case.verify_at(&[bad], case.now).unwrap_err(), Refusal::NoKey, "{bad}");
    }
    assert_eq!(vector("airtable, text").verify_at(&["not base64!"], Millis(0)).unwrap_err(), Refusal::NoKey);
}

/// An empty signature by an empty key is what a verifier that fails open takes.
#[test]
fn a_signature_by_an_empty_key_is_refused() {
    let mut case = vector("github, empty");
    *case.header("x-hub-signature-256") =
        b"sha256=b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad".to_vec();
    assert_eq!(case.verify_at(&[""], case.now).unwrap_err(), Refusal::NoKey);
}

#[test]
fn what_was_signed_long_ago_or_will_be_is_refused() {
    for (name, window) in [
        ("standard, text", 300),
        ("standard by ed25519", 300),
        ("svix", 300),
        ("slack, an event", 300),
        ("stripe, text", 300),
        ("hmac of all parts, text", 300),
        ("linear", 60),
    ] {
        let case = vector(name);
        for sign in [-1, 1] {
            let at = |seconds: i64| Millis(case.now.0 + sign * seconds * 1000);
            assert!(case.verify_at(&[&case.secret], at(window)).is_ok(), "{name}: {sign} at the edge");
            let stale = case.verify_at(&[&case.secret], at(window + 1)).unwrap_err();
            assert_eq!(stale, Refusal::Stale(sign * (window + 1)), "{name}");
        }
        for now in [Millis(i64::MIN), Millis(i64::MAX), Millis(0)] {
            assert!(matches!(case.verify_at(&[&case.secret], now).unwrap_err(), Refusal::Stale(_)), "{name}");
        }
    }
}

#[test]
fn times_are_digits() {
    for (name, header) in [
        ("standard, text", "webhook-timestamp"),
        ("slack, an event", "x-slack-request-timestamp"),
        ("hmac of all parts, text", "x-time"),
    ] {
        for odd in [
            "-1760000000",
            "+1760000000",
            " 1760000000",
            "1760000000.0",
            "1.76e9",
            "99999999999999999999",
            "x",
            "0x1",
        ] {
            let mut case = vector(name);
            *case.header(header) = odd.as_bytes().to_vec();
            assert_eq!(refused(&case), Refusal::Malformed(header.to_owned()), "{name}: {odd}");
        }
    }
}

#[test]
fn lists_of_signatures_are_short() {
    let mut case = vector("standard, text");
    let valid = case.header("webhook-signature").clone();
    let many = |n: usize| [&b"v1,AAAA ".repeat(n)[..], &valid].concat();
    *case.header("webhook-signature") = many(17);
    assert!(case.verify().is_ok());
    *case.header("webhook-signature") = many(18);
    assert_eq!(refused(&case), Refusal::TooMany);

    let mut case = vector("stripe, text");
    let valid = case.header("stripe-signature").clone();
    *case.header("stripe-signature") = [&valid[..], &b",v1=00".repeat(30)].concat();
    assert_eq!(refused(&case), Refusal::TooMany);
}

#[test]
fn stripes_header_is_read_strictly() {
    let case = vector("stripe, text");
    let valid = String::from_utf8(case.clone().header("stripe-signature").clone()).unwrap();
    let (time, rest) = valid.split_once(',').unwrap();
    for (odd, why) in [
        (rest.to_owned(), Refusal::Malformed("stripe-signature".to_owned())),
        (format!("{time},{valid}"), Refusal::Malformed("stripe-signature".to_owned())),
        (format!("{valid},junk"), Refusal::Malformed("stripe-signature".to_owned())),
        (time.to_owned(), Refusal::Mismatch),
        (valid.replace("v1=", "v0="), Refusal::Mismatch),
        (valid.replace("v1=", "V1="), Refusal::Mismatch),
    ] {
        let mut changed = case.clone();
        *changed.header("stripe-signature") = odd.clone().into_bytes();
        assert_eq!(refused(&changed), why, "{odd}");
    }
}

/// The time and the delivery's name are parted by full stops: what is signed must not be read in two ways.
#[test]
fn a_delivery_cannot_be_cut_at_another_place() {
    let mut case = vector("standard, text");
    case.body = b"rest".to_vec();
    *case.header("webhook-id") = b"msg.1760000000".to_vec();
    assert_eq!(refused(&case), Refusal::Malformed("webhook-id".to_owned()));
}

/// Only what one family of headers says is signed.
#[test]
fn headers_of_svix_and_of_the_standard_are_not_mixed() {
    let mut case = vector("svix");
    case.headers.push(("webhook-id".to_owned(), b"another".to_vec()));
    case.headers.push(("webhook-timestamp".to_owned(), b"1".to_vec()));
    assert_eq!(case.verify().unwrap().delivery.as_deref(), Some("msg_3"));
    case.headers.push(("webhook-signature".to_owned(), b"v1,AAAA".to_vec()));
    assert!(matches!(refused(&case), Refusal::Stale(_)));
}

#[test]
fn an_ed25519_key_is_no_shared_secret() {
    let case = vector("standard by ed25519");
    let message =
        signatures::Message { id: "msg_4", at: case.now, url: &case.url, form: false, body: &case.body };
    // A public key is known: nobody must be able to sign with it as a secret.
    let forged = signatures::sign(&case.scheme, &case.secret.replace("whpk_", "whsec_"), &message).unwrap();
    let mut changed = case.clone();
    *changed.header("webhook-signature") = forged[2].1.clone().into_bytes();
    assert_eq!(refused(&changed), Refusal::Mismatch);
}

#[test]
fn linears_time_is_the_bodys() {
    for body in [
        "{}",
        r#"{"webhookTimestamp":"1760000000000"}"#,
        "[]",
        "",
        r#"{"webhookTimestamp":1,"webhookTimestamp":1760000000000}"#,
    ] {
        let mut case = vector("linear");
        let message =
            signatures::Message { id: "", at: case.now, url: "", form: false, body: body.as_bytes() };
        let signed = signatures::sign(&case.scheme, &case.secret, &message).unwrap();
        *case.header("linear-signature") = signed[0].1.clone().into_bytes();
        case.headers.push(("linear-timestamp".to_owned(), b"1760000000000".to_vec()));
        case.body = body.as_bytes().to_vec();
        assert_eq!(refused(&case), Refusal::Malformed("webhookTimestamp".to_owned()), "{body}");
    }
}

#[test]
fn twilio_vouches_for_address_and_body() {
    let json = vector("twilio, JSON");
    // As a form without fields, what is signed would be the same.
    let mut emptied = json.clone();
    emptied.body = Vec::new();
    *emptied.header("content-type") = b"application/x-www-form-urlencoded".to_vec();
    assert_eq!(refused(&emptied), Refusal::Mismatch);
    let mut twice = json.clone();
    twice.url = format!("{}&bodySHA256=00", json.url);
    assert_eq!(refused(&twice), Refusal::Repeated("bodySHA256".to_owned()));
    let form = vector("twilio, a form, https://patchbay.example/hooks/hook_1");
    let mut unsigned = form.clone();
    *unsigned.header("content-type") = b"application/json".to_vec();
    assert_eq!(refused(&unsigned), Refusal::Missing("bodySHA256".to_owned()));
    for url in [
        "http://patchbay.example/hooks/hook_1",
        "https://patchbay.example/hooks/hook_2",
        "https://other.example/hooks/hook_1",
        "nonsense",
        "",
    ] {
        let mut elsewhere = form.clone();
        elsewhere.url = url.to_owned();
        assert_eq!(refused(&elsewhere), Refusal::Mismatch, "{url}");
    }
    for settings in ["algorithm=HMAC_MD5", "algorithm=none", "key=k,algorithm=hmac_sha512"] {
        let mut other = form.clone();
        other.headers.push(("x-twilio-webhooks-signature-settings".to_owned(), settings.as_bytes().to_vec()));
        assert_eq!(
            refused(&other),
            Refusal::Malformed("x-twilio-webhooks-signature-settings".to_owned()),
            "{settings}"
        );
    }
    let mut later = form.clone();
    later
        .headers
        .push(("x-twilio-webhooks-signature-settings".to_owned(), b"algorithm=HMAC_SHA256".to_vec()));
    assert_eq!(refused(&later), Refusal::Mismatch);
}

#[test]
fn a_token_is_all_of_it_and_once() {
    let header = vector("a token behind a prefix");
    for value in ["Bearer t0ke", "Bearer t0ken2", "Bearer ", "Bearer T0ken", "Bearer  t0ken"] {
        let mut case = header.clone();
        *case.header("authorization") = value.as_bytes().to_vec();
        assert_eq!(refused(&case), Refusal::Mismatch, "{value}");
    }
    for value in ["t0ken", "bearer t0ken", "Basic t0ken"] {
        let mut case = header.clone();
        *case.header("authorization") = value.as_bytes().to_vec();
        assert_eq!(refused(&case), Refusal::Malformed("authorization".to_owned()), "{value}");
    }
    let query = vector("a token in the address");
    for (url, why) in [
        ("https://a.example/h", Refusal::Missing("key".to_owned())),
        ("https://a.example/h#?key=a+b%26%C3%BC", Refusal::Missing("key".to_owned())),
        ("https://a.example/h?Key=a+b%26%C3%BC", Refusal::Missing("key".to_owned())),
        ("https://a.example/h?key=a+b%26%C3%BC&key=a+b%26%C3%BC", Refusal::Repeated("key".to_owned())),
        ("https://a.example/h?key=", Refusal::Mismatch),
        ("https://a.example/h?key", Refusal::Mismatch),
        ("https://a.example/h?key=%FF", Refusal::Mismatch),
    ] {
        let mut case = query.clone();
        case.url = url.to_owned();
        assert_eq!(refused(&case), why, "{url}");
    }
    assert_eq!(scheme(json!({"scheme": "token", "query": "key"})), query.scheme);
}
