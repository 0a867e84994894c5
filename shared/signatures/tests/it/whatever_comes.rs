//! Properties: nothing panics, and nothing that was changed is believed.

use crate::{Case, vectors};
use domain::Millis;
use proptest::collection::vec;
use proptest::prelude::*;

/// Something to change: which request, which part, which byte, into what.
fn changed(mut case: Case, part: usize, at: usize, by: u8) -> Option<Case> {
    let twilio = case.scheme.name() == "twilio";
    let token = case.scheme.name() == "token";
    // Not signed, and not claimed to be: names of deliveries, types, the body beside a token; in `stripe` also what this code passes over.
    let headers: Vec<usize> = (0..case.headers.len())
        .filter(|i| {
            let name = case.headers[*i].0.to_ascii_lowercase();
            [
                "signature",
                "mac",
                "hmac",
                "sig",
                "timestamp",
                "time",
                "authorization",
                "token",
                "webhook-id",
                "svix-id",
                "x-id",
            ]
            .iter()
            .any(|word| name.contains(word))
                && ![
                    "x-shopify-webhook-id",
                    "i-twilio-idempotency-token",
                    "x-twilio-webhooks-signature-settings",
                ]
                .contains(&name.as_str())
        })
        .collect();
    let parts = headers.len() + usize::from(!token) + usize::from(twilio);
    let part = part.checked_rem(parts)?;
    if let Some(header) = headers.get(part) {
        let value = &mut case.headers[*header].1;
        // The last signature of a list is the valid one, in all vectors but Stripe's, where a `v0` follows.
        let text = String::from_utf8(value.clone()).unwrap();
        let valid = text.find(",v0=").unwrap_or(text.len());
        let from = text[..valid].rfind([' ', ',']).map_or(0, |from| from + 1);
        let at = from + at % (valid - from);
        let before = value[at];
        value[at] ^= by;
        // Capital letters in hex are the same number.
        return (!before.eq_ignore_ascii_case(&value[at])).then_some(case);
    }
    if part == headers.len() && !token && !case.body.is_empty() {
        if twilio && case.headers.iter().any(|(_, value)| value.starts_with(b"application/x-www-form")) {
            // Of a form, what it says is signed, and not how that is written.
            case.body.extend(format!("&more={by}").into_bytes());
        } else {
            let at = at % case.body.len();
            case.body[at] ^= by;
        }
        return Some(case);
    }
    if twilio {
        let path = case.url.rfind('/').unwrap() + 1;
        let at = path + at % (case.url.len() - path);
        let letter = if case.url.as_bytes()[at] == b'X' { "Y" } else { "X" };
        case.url.replace_range(at..=at, letter);
        return Some(case);
    }
    None
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn a_changed_byte_is_never_believed(pick in any::<prop::sample::Index>(), part in 0usize..8, at in any::<usize>(), by in 1u8..=255) {
        let vectors = vectors();
        let case = vectors[pick.index(vectors.len())].clone();
        if let Some(changed) = changed(case, part, at, by) {
            prop_assert!(changed.verify().is_err(), "{changed:?}");
        }
    }

    #[test]
    fn another_secret_is_never_believed(pick in any::<prop::sample::Index>(), secret in "\\PC{0,40}|(whsec_|whpk_)?[A-Za-z0-9+/]{4,44}=?") {
        let vectors = vectors();
        let case = &vectors[pick.index(vectors.len())];
        prop_assume!(secret != case.secret);
        prop_assert!(case.verify_at(&[&secret], case.now).is_err());
    }

    #[test]
    fn nothing_panics(
        pick in any::<prop::sample::Index>(),
        values in vec(prop_oneof![vec(any::<u8>(), 0..80), "(t=|v1[=,]|v0=|sha256=|[0-9]{9,14}|[ ,=.]|[a-f0-9]{64}|ü){0,8}".prop_map(String::into_bytes)], 0..6),
        url in "\\PC{0,60}|https?://[a-z:?#&=%0-9/]{0,30}",
        body in prop_oneof![vec(any::<u8>(), 0..200), "[{}\\[\\]\":a-z0-9&%=+]{0,80}".prop_map(String::into_bytes)],
        secrets in vec("\\PC{0,20}", 0..12),
        now in any::<i64>(),
    ) {
        let vectors = vectors();
        let mut case = vectors[pick.index(vectors.len())].clone();
        for (n, value) in values.into_iter().enumerate() {
            if n < case.headers.len() {
                case.headers[n].1 = value;
            } else {
                case.headers.push(("content-type".to_owned(), value));
            }
        }
        case.url = url;
        case.body = body;
        let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
        let _ = case.verify_at(&secrets, Millis(now));
        let _ = case.verify_at(&[&case.secret], case.now);
    }
}
