//! What an app tells of by itself, once it was asked to: webhooks that are made, renewed and ended at the app.
//!
//! Nothing is sent here, and nothing is kept: [`Hook::subscribing`] and its like give what to ask, [`Hook::told`] what the answer says.

use crate::evaluate;
use crate::manifest::Manifest;
use crate::read::{Scope, of, template};
use crate::schema;
use domain::Millis;
use domain::fault::{self, Fault};
use domain::read::Reader;
use domain::run::StepError;
use domain::subscription::Deliveries;
use expr::Template;
use serde_json::{Map, Value, json};

/// Bytes of what is kept of an app's answer, as JSON.
const MAX_KEPT: usize = 4096;

/// How an app is asked to tell.
#[derive(Debug)]
pub struct Hook {
    /// Reads `input` and `hook`: its `url`, the `secret` that we made up for it, and a `name` that no other has.
    pub subscribe: Asking,
    /// Reads `kept`, too; of its answer only `expires` is read. Without it, what ends is asked for anew.
    pub renew: Option<Asking>,
    /// Without it, the app ends it by itself, or whoever uses the app does.
    pub unsubscribe: Option<Asking>,
    /// How those that are there are listed: so one is found whose answer was lost, and missed that somebody deleted.
    pub find: Option<Find>,
    /// What is known of one by its answer, `output`: what renewing and ending read as `kept`.
    pub kept: Template,
    /// What deliveries are made with, where the app makes it up.
    pub secret: Option<Template>,
    /// When it ends, as a time (RFC 3339) or milliseconds since 1970.
    pub expires: Option<Template>,
    /// How deliveries are taken, as `deliveries` reads it.
    pub deliveries: Value,
}

/// An action, and what it is given.
#[derive(Debug)]
pub struct Asking {
    pub action: String,
    pub input: Template,
}

/// How subscriptions are found at an app.
#[derive(Debug)]
pub struct Find {
    /// Reads `input` and `hook`.
    pub asking: Asking,
    /// Those that it lists; reads `output`.
    pub items: Template,
    /// Where one tells; reads `item`.
    pub url: Template,
    /// What is kept of one; reads `item`.
    pub kept: Template,
}

/// What an app answered when it was asked to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    pub kept: Value,
    pub secret: Option<String>,
    pub expires_at: Option<Millis>,
}

impl Asking {
    /// What the action is given.
    pub fn question(&self, scope: &Value, now_ms: i64) -> Result<Value, StepError> {
        let mut question = match evaluate(&self.input, scope, now_ms)? {
            Value::Object(question) => question,
            _ => Map::new(),
        };
        // A field that is not asked for is not sent.
        question.retain(|_, value| !value.is_null());
        Ok(Value::Object(question))
    }
}

impl Find {
    /// What is kept of those that tell at this address.
    pub fn found(&self, output: Value, address: &str, now_ms: i64) -> Result<Vec<Value>, StepError> {
        let items = match evaluate(&self.items, &json!({"output": output}), now_ms)? {
            Value::Array(items) => items,
            one @ Value::Object(_) => vec![one],
            _ => Vec::new(),
        };
        let mut found = Vec::new();
        for item in items {
            let scope = json!({"item": item});
            let url = evaluate(&self.url, &scope, now_ms)?;
            // What stands behind the address, such as a token, is a part of it.
            if url.as_str().is_some_and(|url| url.split('?').next() == Some(address)) {
                found.push(evaluate(&self.kept, &scope, now_ms)?);
            }
        }
        Ok(found)
    }
}

impl Hook {
    /// What an answer says: of the app's, `output`.
    pub fn told(&self, output: Value, now_ms: i64) -> Result<Told, StepError> {
        let unreadable = |what: &str| StepError::fatal("app_response_invalid", what.to_owned());
        let scope = json!({"output": output});
        let kept = evaluate(&self.kept, &scope, now_ms)?;
        if kept.to_string().len() > MAX_KEPT {
            return Err(unreadable("what the app calls its webhook is longer than 4 KB"));
        }
        let secret = match &self.secret {
            None => None,
            Some(secret) => match evaluate(secret, &scope, now_ms)? {
                Value::String(secret) if !secret.is_empty() => Some(secret),
                _ => return Err(unreadable("the app gave no secret for what it tells")),
            },
        };
        // Null is of one whose answer was lost.
        let kept = if kept.is_null() { json!({}) } else { kept };
        Ok(Told { kept, secret, expires_at: self.ends(&scope, now_ms)? })
    }

    /// When what was renewed ends: of the app's answer, `output`.
    pub fn renewed(&self, output: Value, now_ms: i64) -> Result<Option<Millis>, StepError> {
        self.ends(&json!({"output": output}), now_ms)
    }

    fn ends(&self, scope: &Value, now_ms: i64) -> Result<Option<Millis>, StepError> {
        let Some(expires) = &self.expires else { return Ok(None) };
        let time = match evaluate(expires, scope, now_ms)? {
            // It does not end.
            Value::Null => return Ok(None),
            Value::String(text) => Millis::parse_rfc3339(&text).or_else(|| text.parse().ok().map(Millis)),
            number => number.as_i64().or_else(|| number.as_f64().map(|number| number as i64)).map(Millis),
        };
        let unreadable = || {
            let message = "the app gave no time to come at which it stops telling";
            StepError::fatal("app_response_invalid", message)
        };
        // Seconds that are taken for milliseconds, or an old answer: it would be asked without an end.
        time.filter(|time| time.0 > now_ms.saturating_add(60_000)).map(Some).ok_or_else(unreadable)
    }
}

/// Reads how an app is asked to tell.
pub(crate) fn read(r: &mut Reader<'_>) -> Option<Hook> {
    for field in ["subscribe", "verify"] {
        r.required(field);
    }
    let subscribe = r.nested("subscribe", |r| asking(r, Scope::Subscribe)).flatten();
    let renew = r.nested("renew", |r| asking(r, Scope::Subscribed)).flatten();
    let unsubscribe = r.nested("unsubscribe", |r| asking(r, Scope::Subscribed)).flatten();
    let find = r.nested("find", find).flatten();
    let kept = template(r, "kept", Scope::Output);
    let mut optional =
        |field: &'static str| r.take(field).is_some().then(|| template(r, field, Scope::Output));
    let (secret, expires) = (optional("secret"), optional("expires"));
    let mut deliveries = Map::new();
    for field in Deliveries::FIELDS {
        if let Some(value) = r.take(field) {
            deliveries.insert(field.to_owned(), value.clone());
        }
    }
    let read = Deliveries::read(r);
    for field in ["key", "when"] {
        if r.take(field).is_some() {
            template(r, field, Scope::Delivery);
        }
    }
    read?;
    Some(Hook {
        subscribe: subscribe?,
        renew,
        unsubscribe,
        find,
        kept,
        secret,
        expires,
        deliveries: deliveries.into(),
    })
}

fn asking(r: &mut Reader<'_>, scope: Scope) -> Option<Asking> {
    let input = template(r, "input", scope);
    Some(Asking { action: r.text("action")?, input })
}

fn find(r: &mut Reader<'_>) -> Option<Find> {
    for field in ["url", "kept"] {
        r.required(field);
    }
    let items = match r.take("items") {
        Some(_) => template(r, "items", Scope::Output),
        None => of(r, "items", &json!("{{ output.items }}"), Scope::Output),
    };
    let (url, kept) = (template(r, "url", Scope::Item), template(r, "kept", Scope::Item));
    let asking = asking(r, Scope::Subscribe);
    Some(Find { asking: asking?, items, url, kept })
}

/// What can be said of it only once all is read.
pub(crate) fn cross(manifest: &Manifest, hook: &Hook, input: &Value, at: &str, faults: &mut Vec<Fault>) {
    let known = schema::properties(input, &manifest.schemas);
    let askings = [
        ("subscribe", Some(&hook.subscribe)),
        ("renew", hook.renew.as_ref()),
        ("unsubscribe", hook.unsubscribe.as_ref()),
        ("find", hook.find.as_ref().map(|find| &find.asking)),
    ];
    for (name, asking) in askings {
        let Some(asking) = asking else { continue };
        let at = fault::join(at, name);
        if !manifest.actions.contains_key(&asking.action) {
            let message = "`action` must be an action of this connector";
            faults.push(Fault::new(format!("{at}/action"), "action_unknown", message));
        }
        for (_, expression) in asking.input.expressions() {
            for read in expression.reads() {
                let message = match read.as_slice() {
                    ["input", field, ..] if !known.iter().any(|known| known == field) => {
                        format!("the trigger's input has no field `{field}`")
                    }
                    ["hook", field, ..] if !["url", "secret", "name"].contains(field) => {
                        format!("`hook` has `url`, `secret` and `name`, and no `{field}`")
                    }
                    _ => continue,
                };
                faults.push(Fault::new(format!("{at}/input"), "unknown_reference", message));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    fn manifest(hook: &Value) -> Result<Manifest, Vec<Fault>> {
        read(
            &json!({"name": "forge", "title": "Forge", "version": 1, "base_url": "https://forge.example.com", "auth": [],
            "actions": {
                "create_hook": {"title": "Create", "request": {"method": "POST", "path": "/hooks"}},
                "list_hooks": {"title": "List", "request": {"method": "GET", "path": "/hooks"}, "pages": {"items": "{{ response.body }}", "by": "link"}},
                "delete_hook": {"title": "Delete", "input": {"type": "object", "properties": {"id": {"type": "integer"}}},
                    "request": {"method": "DELETE", "path": "/hooks/{id}"}}},
            "triggers": {"pushed": {"title": "Pushed",
                "input": {"type": "object", "properties": {"repo": {"type": "string"}}}, "hook": hook}}}),
        )
    }

    fn whole() -> Value {
        json!({
            "subscribe": {"action": "create_hook", "input": {"repo": "{{ input.repo }}", "url": "{{ hook.url }}", "key": "{{ hook.secret }}"}},
            "unsubscribe": {"action": "delete_hook", "input": {"id": "{{ kept.id }}"}},
            "find": {"action": "list_hooks", "url": "{{ item.config.url }}", "kept": {"id": "{{ item.id }}"}},
            "kept": {"id": "{{ output.id }}"}, "expires": "{{ output.ends }}",
            "verify": {"scheme": "github"}, "key": "{{ trigger.headers.'x-id' }}", "when": "{{ trigger.body.action = 'opened' }}",
        })
    }

    #[test]
    fn an_app_is_asked_to_tell_and_to_stop() {
        let manifest = manifest(&whole()).unwrap();
        let hook = manifest.triggers["pushed"].hook.as_ref().unwrap();
        let scope =
            json!({"input": {"repo": "a"}, "hook": {"url": "https://p.example.com/hooks/x", "secret": "s3"}});
        assert_eq!(
            hook.subscribe.question(&scope, 0).unwrap(),
            json!({"repo": "a", "url": "https://p.example.com/hooks/x", "key": "s3"})
        );
        let told = hook.told(json!({"id": 7, "ends": "2026-01-02T00:00:00Z"}), 0).unwrap();
        let ends = Millis::parse_rfc3339("2026-01-02T00:00:00Z");
        assert_eq!(told, Told { kept: json!({"id": 7}), secret: None, expires_at: ends });
        for (ends, wanted) in [
            (json!(65_000), Some(Millis(65_000))),
            (json!("65000"), Some(Millis(65_000))),
            (json!(null), None),
        ] {
            assert_eq!(hook.told(json!({"ends": ends}), 0).unwrap().expires_at, wanted);
        }
        for bad in [json!("soon"), json!([1]), json!(60_000)] {
            assert_eq!(hook.told(json!({"ends": bad}), 0).unwrap_err().code, "app_response_invalid");
        }
        let scope = json!({"input": {}, "hook": {}, "kept": told.kept});
        assert_eq!(hook.unsubscribe.as_ref().unwrap().question(&scope, 0).unwrap(), json!({"id": 7}));
        assert!(Deliveries::of(&hook.deliveries).is_ok());
        let listed = json!({"items": [{"id": 1, "config": {"url": "https://p.example.com/hooks/x?token=1"}},
            {"id": 2, "config": {"url": "https://p.example.com/hooks/xy"}}, {"id": 3}]});
        let found = hook.find.as_ref().unwrap().found(listed, "https://p.example.com/hooks/x", 0).unwrap();
        assert_eq!(found, [json!({"id": 1})]);
    }

    #[test]
    fn a_secret_that_an_app_makes_up_must_be_there() {
        let mut of = whole();
        of["secret"] = json!("{{ output.secret }}");
        let manifest = manifest(&of).unwrap();
        let hook = manifest.triggers["pushed"].hook.as_ref().unwrap();
        assert_eq!(hook.told(json!({"secret": "w"}), 0).unwrap().secret.as_deref(), Some("w"));
        for bad in [json!({}), json!({"secret": ""}), json!({"secret": 1})] {
            assert_eq!(hook.told(bad, 0).unwrap_err().code, "app_response_invalid");
        }
    }

    #[test]
    fn every_fault_of_a_hook_is_named() {
        let mut of = whole();
        of["subscribe"]["input"]["x"] = json!("{{ input.nothing }}");
        of["subscribe"]["input"]["y"] = json!("{{ hook.id }}");
        of["unsubscribe"]["action"] = json!("nothing");
        let faults = manifest(&of).unwrap_err();
        let found: Vec<_> = faults.iter().map(|fault| (fault.pointer.as_str(), &*fault.code)).collect();
        let at = "/triggers/pushed/hook";
        assert_eq!(
            found,
            [
                (&*format!("{at}/subscribe/input"), "unknown_reference"),
                (&*format!("{at}/subscribe/input"), "unknown_reference"),
                (&*format!("{at}/unsubscribe/action"), "action_unknown")
            ]
        );
        for (field, value, code) in [
            ("verify", json!({"scheme": "none"}), "type_mismatch"),
            ("verify", json!({"scheme": "github", "secret": "KEY"}), "unknown_field"),
            ("key", json!("{{ output.id }}"), "unknown_reference"),
            ("when", json!("{{ trigger. }}"), "expression_syntax"),
            ("kept", json!("{{ kept.id }}"), "unknown_reference"),
            ("challenge", json!("nobody"), "type_mismatch"),
        ] {
            let mut of = whole();
            of[field] = value;
            let faults = manifest(&of).unwrap_err();
            assert!(
                faults.iter().all(|fault| fault.pointer.starts_with(&format!("{at}/{field}"))),
                "{faults:?}"
            );
            assert!(faults.iter().any(|fault| fault.code == code), "{field}: {faults:?}");
        }
        let mut none = whole();
        none.as_object_mut().unwrap().remove("verify");
        assert_eq!(manifest(&none).unwrap_err()[0].code, "missing_field");
    }
}
