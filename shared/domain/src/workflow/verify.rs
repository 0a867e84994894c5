//! How a webhook tells its sender from everybody else: what a request carries, and which secrets it was made with.

use super::read::Reader;
use crate::{limits, variables};
use serde_json::Value;
use std::time::Duration;

/// What a webhook trigger asks of a request before it believes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Verify {
    pub scheme: Scheme,
    /// Names of secret variables. What was made with any of them counts, so that one can follow another without a gap.
    pub secrets: Vec<String>,
}

/// What senders put into their requests.
#[derive(Debug, Clone, PartialEq)]
pub enum Scheme {
    /// Standard Webhooks, and the headers of Svix, on which they rest.
    Standard,
    GitHub,
    Slack,
    Stripe,
    Shopify,
    Airtable,
    Notion,
    Twilio,
    Typeform,
    Linear,
    Hmac(Hmac),
    Token(Token),
}

/// A signature by a shared secret, as the definition describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Hmac {
    /// Where the signature is, in lower case.
    pub header: String,
    pub algorithm: Algorithm,
    pub encoding: Encoding,
    /// What stands before the signature in its header.
    pub prefix: String,
    /// What is signed: these, one behind the other.
    pub signed: Vec<Part>,
    /// The header that says when it was signed.
    pub timestamp: Option<String>,
    /// How far that may be from now.
    pub tolerance: Duration,
    /// The header that names the delivery.
    pub id: Option<String>,
    pub key: KeyForm,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Sha256,
    Sha1,
    Sha512,
}

impl Algorithm {
    pub const ALL: [Self; 3] = [Self::Sha256, Self::Sha1, Self::Sha512];
    pub const NAMES: [&str; 3] = ["sha256", "sha1", "sha512"];
}

/// How bytes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Hex,
    Base64,
}

impl Encoding {
    pub const ALL: [Self; 2] = [Self::Hex, Self::Base64];
    pub const NAMES: [&str; 2] = ["hex", "base64"];
}

/// What a secret's text is to the signature: the key itself, or the key written as something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyForm {
    Text,
    Base64,
    Hex,
}

impl KeyForm {
    pub const ALL: [Self; 3] = [Self::Text, Self::Base64, Self::Hex];
    pub const NAMES: [&str; 3] = ["text", "base64", "hex"];
}

/// A part of what is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Timestamp,
    Id,
    Body,
    Text(String),
}

impl Part {
    fn read(text: String) -> Self {
        match text.as_str() {
            "timestamp" => Self::Timestamp,
            "id" => Self::Id,
            "body" => Self::Body,
            _ => Self::Text(text),
        }
    }
}

/// A secret that the sender repeats as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub place: Place,
    /// What stands before it in a header.
    pub prefix: String,
}

/// Where a token is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A header, in lower case.
    Header(String),
    /// A parameter of the address.
    Query(String),
}

impl Scheme {
    pub const NAMES: [&str; 12] = [
        "standard", "github", "slack", "stripe", "shopify", "airtable", "notion", "twilio", "typeform",
        "linear", "hmac", "token",
    ];

    pub fn name(&self) -> &'static str {
        let index = match self {
            Self::Standard => 0,
            Self::GitHub => 1,
            Self::Slack => 2,
            Self::Stripe => 3,
            Self::Shopify => 4,
            Self::Airtable => 5,
            Self::Notion => 6,
            Self::Twilio => 7,
            Self::Typeform => 8,
            Self::Linear => 9,
            Self::Hmac(_) => 10,
            Self::Token(_) => 11,
        };
        Self::NAMES[index]
    }
}

const DEFAULT_TOLERANCE: Duration = Duration::from_mins(5);
/// The longest name of a header or a parameter, and of a text that is signed or stands before a signature.
const MAX_TEXT: usize = 100;

pub(super) fn read(r: &mut Reader<'_>) -> Option<Verify> {
    r.nested("verify", |r| {
        let secrets = secrets(r);
        let scheme = scheme(r);
        Some(Verify { scheme: scheme?, secrets: secrets? })
    })
    .flatten()
}

/// Reads how a request is verified where the secret is known otherwise: `scheme`, and what describes it.
pub fn scheme(r: &mut Reader<'_>) -> Option<Scheme> {
    r.required("scheme");
    match r.choice("scheme", &Scheme::NAMES).map(|i| Scheme::NAMES[i]) {
        Some("standard") => Some(Scheme::Standard),
        Some("github") => Some(Scheme::GitHub),
        Some("slack") => Some(Scheme::Slack),
        Some("stripe") => Some(Scheme::Stripe),
        Some("shopify") => Some(Scheme::Shopify),
        Some("airtable") => Some(Scheme::Airtable),
        Some("notion") => Some(Scheme::Notion),
        Some("twilio") => Some(Scheme::Twilio),
        Some("typeform") => Some(Scheme::Typeform),
        Some("linear") => Some(Scheme::Linear),
        Some("hmac") => hmac(r).map(Scheme::Hmac),
        Some("token") => token(r).map(Scheme::Token),
        _ => {
            r.ignore_rest();
            None
        }
    }
}

/// One name, or a list of them.
fn secrets(r: &mut Reader<'_>) -> Option<Vec<String>> {
    let names: Vec<String> = match r.required("secret")?.clone() {
        Value::String(name) => vec![name],
        Value::Array(names) if (1..=limits::MAX_VERIFY_SECRETS).contains(&names.len()) => {
            names.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect()
        }
        _ => Vec::new(),
    };
    if names.is_empty() || !names.iter().all(|name| variables::is_name(name)) {
        let message = format!(
            "`secret` is the name of a secret variable, such as `GITHUB_SECRET`, or a list of at most {}: \
             the secret itself never stands in a definition",
            limits::MAX_VERIFY_SECRETS
        );
        r.fault_at("secret", "invalid_verify", message);
        return None;
    }
    Some(names)
}

fn hmac(r: &mut Reader<'_>) -> Option<Hmac> {
    r.required("header");
    let header = header_of(r, "header");
    let algorithm = r.choice("algorithm", &Algorithm::NAMES).map(|i| Algorithm::ALL[i]);
    let encoding = r.choice("encoding", &Encoding::NAMES).map(|i| Encoding::ALL[i]);
    let prefix = r.optional_text("prefix", MAX_TEXT);
    let key = r.choice("key", &KeyForm::NAMES).map(|i| KeyForm::ALL[i]);
    let timestamp = header_of(r, "timestamp");
    let id = header_of(r, "id");
    let (min, max) = (limits::MIN_TOLERANCE, limits::MAX_TOLERANCE);
    let tolerance = r.duration("tolerance", min, max).unwrap_or(DEFAULT_TOLERANCE);
    let signed = signed(r)?;
    let needs = |part: &Part| signed.contains(part);
    let fault = if !needs(&Part::Body) {
        Some("`signed` must have `body`: what is not signed can be changed")
    } else if needs(&Part::Timestamp) != timestamp.is_some() {
        Some("`timestamp` names the header, and `signed` has `timestamp`: both or neither")
    } else if needs(&Part::Id) && id.is_none() {
        Some("`signed` has `id`, so `id` must name its header")
    } else {
        None
    };
    if let Some(fault) = fault {
        r.fault_at("signed", "invalid_verify", fault);
        return None;
    }
    Some(Hmac {
        header: header?,
        algorithm: algorithm.unwrap_or(Algorithm::Sha256),
        encoding: encoding.unwrap_or(Encoding::Hex),
        prefix: prefix.unwrap_or_default(),
        signed,
        timestamp,
        tolerance,
        id,
        key: key.unwrap_or(KeyForm::Text),
    })
}

fn signed(r: &mut Reader<'_>) -> Option<Vec<Part>> {
    let Some(value) = r.take("signed").cloned() else { return Some(vec![Part::Body]) };
    let texts = value.as_array().filter(|parts| (1..=limits::MAX_SIGNED_PARTS).contains(&parts.len()));
    let texts = texts.and_then(|parts| {
        let text =
            |part: &Value| part.as_str().filter(|t| (1..=MAX_TEXT).contains(&t.len())).map(str::to_owned);
        parts.iter().map(text).collect::<Option<Vec<_>>>()
    });
    let Some(texts) = texts else {
        let message = format!(
            "`signed` is a list of at most {} of `timestamp`, `id`, `body` and texts of at most {MAX_TEXT} characters, such as `[\"timestamp\", \".\", \"body\"]`",
            limits::MAX_SIGNED_PARTS
        );
        r.fault_at("signed", "invalid_verify", message);
        return None;
    };
    Some(texts.into_iter().map(Part::read).collect())
}

fn token(r: &mut Reader<'_>) -> Option<Token> {
    let header = header_of(r, "header");
    let query = r.optional_text("query", MAX_TEXT).filter(|name| !name.is_empty());
    let prefix = r.optional_text("prefix", MAX_TEXT).unwrap_or_default();
    let place = match (header, query) {
        (Some(header), None) => Place::Header(header),
        (None, Some(query)) if prefix.is_empty() => Place::Query(query),
        _ => {
            let message = "a token is in a `header`, perhaps behind a `prefix`, or in a parameter of the address, `query`: say one";
            r.fault("invalid_verify", message);
            return None;
        }
    };
    Some(Token { place, prefix })
}

/// The name of a header, if the field is there.
fn header_of(r: &mut Reader<'_>, field: &'static str) -> Option<String> {
    let given = r.optional_text(field, MAX_TEXT)?;
    let of_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if given.is_empty() || !given.bytes().all(of_name) {
        let message = format!("`{field}` is the name of a header: letters, digits, `-` and `_`");
        r.fault_at(field, "invalid_verify", message);
        return None;
    }
    Some(given.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{TriggerKind, parse};
    use serde_json::json;

    fn read(verify: Value) -> Result<Verify, Vec<(String, String)>> {
        let document = json!({"name": "n", "steps": [], "triggers": [{"id": "in", "type": "webhook", "verify": verify}]});
        let (definition, faults) = parse(&document);
        if !faults.is_empty() {
            return Err(faults.into_iter().map(|f| (f.pointer, f.code)).collect());
        }
        match definition.unwrap().triggers.remove(0).kind {
            TriggerKind::Webhook { verify, .. } => Ok(*verify.unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_scheme_is_read_by_its_name() {
        for name in Scheme::NAMES {
            let mut verify = json!({"scheme": name, "secret": "KEY"});
            if matches!(name, "hmac" | "token") {
                verify["header"] = json!("X-Signature");
            }
            let read = read(verify).unwrap();
            assert_eq!((read.scheme.name(), read.secrets), (name, vec!["KEY".to_owned()]));
        }
    }

    #[test]
    fn a_signature_is_described() {
        let read = read(
            json!({"scheme": "hmac", "secret": ["NEW", "OLD"], "header": "X-Signature", "algorithm": "sha512",
            "encoding": "base64", "prefix": "v1=", "signed": ["v1:", "timestamp", ".", "id", ".", "body"], "timestamp": "X-Time",
            "tolerance": "PT1M", "id": "X-Id", "key": "hex"}),
        );
        let verify = read.unwrap();
        assert_eq!(verify.secrets, ["NEW", "OLD"]);
        let text = |text: &str| Part::Text(text.to_owned());
        let hmac = Hmac {
            header: "x-signature".to_owned(),
            algorithm: Algorithm::Sha512,
            encoding: Encoding::Base64,
            prefix: "v1=".to_owned(),
            signed: vec![text("v1:"), Part::Timestamp, text("."), Part::Id, text("."), Part::Body],
            timestamp: Some("x-time".to_owned()),
            tolerance: Duration::from_mins(1),
            id: Some("x-id".to_owned()),
            key: KeyForm::Hex,
        };
        assert_eq!(verify.scheme, Scheme::Hmac(hmac));
    }

    #[test]
    fn what_would_protect_less_than_it_says_is_a_fault() {
        let at = |field: &str| format!("/triggers/0/verify{field}");
        let refused = |verify: Value, field: &str, code: &str| {
            assert_eq!(read(verify.clone()).unwrap_err(), [(at(field), code.to_owned())], "{verify}");
        };
        refused(json!({"secret": "KEY"}), "", "missing_field");
        refused(json!({"scheme": "none", "secret": "KEY"}), "/scheme", "type_mismatch");
        refused(json!({"scheme": "github"}), "", "missing_field");
        for secret in [
            json!("{{ vars.KEY }}"),
            json!("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw=="),
            json!(""),
            json!([]),
            json!(["A", 1]),
            json!(["A", "B", "C", "D", "E", "F"]),
            json!(7),
        ] {
            refused(json!({"scheme": "github", "secret": secret}), "/secret", "invalid_verify");
        }
        refused(json!({"scheme": "github", "secret": "KEY", "header": "x"}), "/header", "unknown_field");
        let hmac = |more: Value| {
            let mut verify = json!({"scheme": "hmac", "secret": "KEY", "header": "x-signature"});
            verify.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            verify
        };
        refused(
            hmac(json!({"signed": ["timestamp", "."], "timestamp": "x-time"})),
            "/signed",
            "invalid_verify",
        );
        refused(hmac(json!({"signed": ["timestamp", "body"]})), "/signed", "invalid_verify");
        refused(hmac(json!({"timestamp": "x-time"})), "/signed", "invalid_verify");
        refused(hmac(json!({"signed": ["id", "body"]})), "/signed", "invalid_verify");
        refused(hmac(json!({"signed": "body"})), "/signed", "invalid_verify");
        refused(hmac(json!({"header": "x signature"})), "/header", "invalid_verify");
        refused(hmac(json!({"tolerance": "P1D"})), "/tolerance", "type_mismatch");
        for place in [json!({}), json!({"header": "a", "query": "b"}), json!({"query": "b", "prefix": "c"})] {
            let mut verify = json!({"scheme": "token", "secret": "KEY"});
            verify.as_object_mut().unwrap().extend(place.as_object().unwrap().clone());
            refused(verify, "", "invalid_verify");
        }
    }
}
