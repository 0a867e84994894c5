//! Requests that others signed, and what becomes of them when something is changed.

mod refused;
mod same_as_others;
mod whatever_comes;

use base64::Engine as _;
use domain::Millis;
use domain::workflow::verify::Scheme;
use domain::workflow::{TriggerKind, parse};
use serde_json::{Value, json};
use signatures::{Refusal, Request, Verified};

/// A request that can be changed.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    scheme: Scheme,
    secret: String,
    now: Millis,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    delivery: Option<String>,
}

impl Case {
    fn verify_at(&self, secrets: &[&str], now: Millis) -> Result<Verified, Refusal> {
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value.as_slice()));
        signatures::verify(&self.scheme, secrets, &Request::new(headers, &self.url, &self.body), now)
    }

    fn verify(&self) -> Result<Verified, Refusal> {
        self.verify_at(&[&self.secret], self.now)
    }

    fn header(&mut self, name: &str) -> &mut Vec<u8> {
        let found = self.headers.iter_mut().find(|(given, _)| given.eq_ignore_ascii_case(name));
        &mut found.unwrap_or_else(|| panic!("no {name}")).1
    }
}

/// A scheme as a definition has it.
fn scheme(mut verify: Value) -> Scheme {
    verify["secret"] = json!("SECRET");
    let trigger = json!({"id": "in", "type": "webhook", "verify": verify});
    let (definition, faults) = parse(&json!({"name": "n", "triggers": [trigger], "steps": []}));
    assert!(faults.is_empty(), "{faults:?}");
    match definition.unwrap().triggers.remove(0).kind {
        TriggerKind::Webhook { verify, .. } => verify.unwrap().scheme,
        other => panic!("{other:?}"),
    }
}

fn vectors() -> Vec<Case> {
    let all: Value = serde_json::from_str(include_str!("../vectors.json")).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let case = |of: &Value| Case {
        name: text(&of["name"]),
        scheme: scheme(of["verify"].clone()),
        secret: text(&of["secret"]),
        now: Millis(of["now"].as_i64().unwrap() * 1000),
        url: text(&of["url"]),
        headers: of["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(n, v)| (n.clone(), text(v).into_bytes()))
            .collect(),
        body: base64::engine::general_purpose::STANDARD.decode(text(&of["body"])).unwrap(),
        delivery: of["delivery"].as_str().map(str::to_owned),
    };
    all.as_array().unwrap().iter().map(case).collect()
}

fn vector(name: &str) -> Case {
    vectors().into_iter().find(|case| case.name == name).unwrap_or_else(|| panic!("no vector `{name}`"))
}
