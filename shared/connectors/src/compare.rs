//! What a new version of a connector takes away from workflows that use the one before.

use crate::manifest::{Action, Manifest};
use crate::schema;
use domain::fault::{self, Fault};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// How deep schemas are compared.
const MAX_DEPTH: usize = 16;
/// How many schemas are compared, and how many changes are told.
const MAX_COMPARED: usize = 200_000;
const MAX_CHANGES: usize = 100;
/// Of how many choices it is looked at which are gone.
const MAX_CHOICES: usize = 1000;

/// The changes by which a workflow that works with `before` may no longer work with `after`: each with its place in the new manifest.
pub fn breaking(before: &Manifest, after: &Manifest) -> Vec<Fault> {
    let mut compared =
        Compared { before, after, left: MAX_COMPARED, seen: BTreeSet::new(), changes: Vec::new() };
    for auth in &before.auth {
        match after.auth(&auth.id) {
            Some(now) if now.kind == auth.kind => {}
            Some(_) => {
                compared.fault("/auth", "type_changed", format!("`{}` signs in by another way now", auth.id));
            }
            None => compared.fault(
                "/auth",
                "auth_gone",
                format!("there is no way to sign in called `{}` any more", auth.id),
            ),
        }
    }
    compared.schemas(&before.fields, &after.fields, Side::Given, "/fields", 0);
    for (name, was) in &before.actions {
        let at = fault::join("/actions", name);
        let Some(now) = after.actions.get(name) else {
            compared.fault("/actions", "action_gone", format!("there is no action `{name}` any more"));
            continue;
        };
        compared.action(was, now, &at);
    }
    for (name, was) in &before.triggers {
        let at = fault::join("/triggers", name);
        let Some(now) = after.triggers.get(name) else {
            compared.fault("/triggers", "trigger_gone", format!("there is no trigger `{name}` any more"));
            continue;
        };
        compared.schemas(&was.input, &now.input, Side::Given, &format!("{at}/input"), 0);
        compared.schemas(&was.output, &now.output, Side::Read, &format!("{at}/output"), 0);
        for (way, was, now) in [
            ("poll", was.poll.is_some(), now.poll.is_some()),
            ("hook", was.hook.is_some(), now.hook.is_some()),
        ] {
            if was && !now {
                compared.fault(&at, "trigger_gone", format!("the trigger has no `{way}` any more"));
            }
        }
        let poll = |of: &Manifest, field: &str| of.document["triggers"][name]["poll"][field].clone();
        for field in ["action", "key", "cursor", "order"] {
            if poll(before, field) != poll(after, field) {
                let message = "records that are known would be told from new ones otherwise";
                compared.fault(&format!("{at}/poll/{field}"), "type_changed", message);
            }
        }
    }
    compared.changes
}

/// Who makes what a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Side {
    /// The workflow gives it.
    Given,
    /// The app gives it, and the workflow reads it.
    Read,
}

struct Compared<'m> {
    before: &'m Manifest,
    after: &'m Manifest,
    left: usize,
    /// References that were compared: schemas may lead back to themselves.
    seen: BTreeSet<(String, String, Side)>,
    changes: Vec<Fault>,
}

impl Compared<'_> {
    fn fault(&mut self, at: &str, code: &str, message: impl Into<String>) {
        if self.changes.len() < MAX_CHANGES {
            self.changes.push(Fault::new(at, code, message));
        }
    }

    fn action(&mut self, was: &Action, now: &Action, at: &str) {
        self.schemas(&was.input, &now.input, Side::Given, &format!("{at}/input"), 0);
        self.schemas(&was.output, &now.output, Side::Read, &format!("{at}/output"), 0);
        if was.pages.is_some() != now.pages.is_some() {
            let message = if now.pages.is_some() {
                "it gives `{items, more}` now, the pages of a list put together"
            } else {
                "it no longer gives `{items, more}`"
            };
            self.fault(at, "type_changed", message);
        }
        if was.completes.is_some() != now.completes.is_some() {
            let message = if now.completes.is_some() {
                "it gives what came of it now, once that is over, and no longer its first answer"
            } else {
                "it gives its first answer now, and no longer what came of it"
            };
            self.fault(&format!("{at}/completes"), "type_changed", message);
        }
    }

    fn schemas(&mut self, was: &Value, now: &Value, side: Side, at: &str, depth: usize) {
        if depth > MAX_DEPTH || self.left == 0 {
            return;
        }
        self.left -= 1;
        let reference = |schema: &Value| schema.get("$ref").and_then(Value::as_str).map(str::to_owned);
        if let (Some(was), Some(now)) = (reference(was), reference(now))
            && !self.seen.insert((was, now, side))
        {
            return;
        }
        let (before, after) = (self.before, self.after);
        let (was, now) = (Whole::of(was, &before.schemas), Whole::of(now, &after.schemas));
        if let Some((from, to)) = was.narrowed(&now, side) {
            self.fault(at, "type_changed", format!("{} was {from}, and is {to} now", named(at)));
            return;
        }
        if side == Side::Given {
            for name in now.required.iter().filter(|name| !was.required.contains(*name)) {
                self.fault(at, "field_needed", format!("`{name}` is needed now"));
            }
        }
        for (name, property) in &was.properties {
            let at = fault::join(&format!("{at}/properties"), name);
            match now.properties.get(name) {
                Some(now) => self.schemas(property, now, side, &at, depth + 1),
                None if side == Side::Read && now.properties.is_empty() && now.open => {}
                None if side == Side::Given && now.open => {}
                None => self.fault(&at, "field_gone", format!("there is no field `{name}` any more")),
            }
        }
        if let (Some(was), Some(now)) = (was.items, now.items) {
            self.schemas(was, now, side, &format!("{at}/items"), depth + 1);
        }
    }
}

/// A schema with what it is made of.
#[derive(Default)]
struct Whole<'s> {
    /// Empty where a value may be anything.
    types: BTreeSet<&'s str>,
    choices: Option<Vec<&'s Value>>,
    properties: BTreeMap<&'s str, &'s Value>,
    required: BTreeSet<&'s str>,
    items: Option<&'s Value>,
    /// Whether there may be fields that it does not name.
    open: bool,
}

impl<'s> Whole<'s> {
    fn of(schema: &'s Value, schemas: &'s Map<String, Value>) -> Self {
        let mut whole = Self { open: true, ..Self::default() };
        let mut seen = BTreeSet::new();
        whole.add(schema, schemas, &mut seen, true, 0);
        whole
    }

    /// Adds a part; what only one of several forms has (not `always`) is a field, but not one that is needed.
    fn add(
        &mut self,
        schema: &'s Value,
        schemas: &'s Map<String, Value>,
        seen: &mut BTreeSet<&'s str>,
        always: bool,
        depth: usize,
    ) {
        let reference = schema.get("$ref").and_then(Value::as_str);
        if depth > MAX_DEPTH || reference.is_some_and(|reference| !seen.insert(reference)) {
            return;
        }
        let schema = schema::resolved(schema, schemas);
        if always {
            self.types.extend(schema::types(&schema["type"]));
            if let Some(Value::Array(choices)) = schema.get("enum") {
                // Each is looked for among all others.
                self.choices = Some(choices.iter().collect()).filter(|all: &Vec<_>| all.len() <= MAX_CHOICES);
            }
            self.required
                .extend(schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str));
            self.items = self.items.or_else(|| schema.get("items"));
            self.open &= schema.get("additionalProperties") != Some(&Value::Bool(false));
        }
        for (name, property) in schema["properties"].as_object().into_iter().flatten() {
            self.properties.entry(name).or_insert(property);
        }
        for (word, every) in [("allOf", always), ("anyOf", false), ("oneOf", false)] {
            for part in schema[word].as_array().into_iter().flatten() {
                self.add(part, schemas, seen, every, depth + 1);
            }
        }
    }

    /// What it was and what it is, where values of before are not all values of now (or of now not of before, where they are read).
    fn narrowed(&self, now: &Self, side: Side) -> Option<(String, String)> {
        let (from, to) = if side == Side::Given { (self, now) } else { (now, self) };
        let shown = |whole: &Self| {
            let types: Vec<&str> = whole.types.iter().copied().collect();
            if types.is_empty() { "anything".to_owned() } else { types.join(" or ") }
        };
        // Each whole number is a number; a field that is null is one that is not given.
        let fits = |kind: &&str| {
            *kind == "null" || to.types.contains(kind) || (*kind == "integer" && to.types.contains("number"))
        };
        if !to.types.is_empty() && (from.types.is_empty() || !from.types.iter().all(fits)) {
            // An answer of which less is known than before can still be what it was.
            return (side == Side::Given || !from.types.is_empty()).then(|| (shown(self), shown(now)));
        }
        if side == Side::Given
            && let Some(choices) = &to.choices
        {
            let gone = match &from.choices {
                Some(before) => {
                    before.iter().find(|choice| !choices.contains(choice)).map(ToString::to_string)
                }
                None => Some("anything".to_owned()),
            };
            return gone.map(|gone| (gone, "one of fewer values".to_owned()));
        }
        None
    }
}

fn named(at: &str) -> String {
    format!("`{}`", at.rsplit('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~"))
}

#[cfg(test)]
mod tests {
    use super::breaking;
    use crate::{Manifest, read};
    use serde_json::{Value, json};

    fn manifest(input: Value, output: Value, schemas: Value) -> Manifest {
        let document = json!({"name": "acme", "title": "Acme", "base_url": "https://api.acme.example", "schemas": schemas,
            "auth": [{"id": "key", "type": "bearer", "title": "Key"}],
            "actions": {"go": {"title": "Go", "input": input, "output": output, "request": {"method": "GET", "path": "/"}}}});
        read(&document).unwrap_or_else(|faults| panic!("{faults:?}"))
    }

    fn object(properties: Value) -> Value {
        json!({"type": "object", "additionalProperties": false, "properties": properties})
    }

    fn codes(before: &Manifest, after: &Manifest) -> Vec<(String, String)> {
        breaking(before, after).into_iter().map(|change| (change.pointer, change.code)).collect()
    }

    #[test]
    fn what_a_workflow_gives_must_still_be_taken() {
        let before = manifest(
            object(
                json!({"a": {"type": "string"}, "b": {"type": "integer"}, "c": {"type": "string", "enum": ["x", "y"]}, "d": {}}),
            ),
            json!({}),
            json!({}),
        );
        let mut input = object(json!({"a": {"type": ["string", "null"]}, "b": {"type": "number"},
            "c": {"type": "string", "enum": ["x", "y", "z"]}, "d": {}, "new": {"type": "string"}}));
        assert!(codes(&before, &manifest(input.clone(), json!({}), json!({}))).is_empty());
        input["required"] = json!(["new"]);
        input["properties"]["a"] = json!({"type": "boolean"});
        input["properties"]["c"] = json!({"type": "string", "enum": ["x"]});
        input["properties"].as_object_mut().unwrap().remove("d");
        let found = codes(&before, &manifest(input, json!({}), json!({})));
        let at = |name: &str| format!("/actions/go/input/properties/{name}");
        assert_eq!(
            found,
            [
                ("/actions/go/input".to_owned(), "field_needed".to_owned()),
                (at("a"), "type_changed".to_owned()),
                (at("c"), "type_changed".to_owned()),
                (at("d"), "field_gone".to_owned()),
            ]
        );
    }

    #[test]
    fn what_a_workflow_reads_must_still_be_there() {
        let before = manifest(
            json!({}),
            json!({"type": "object", "properties": {"id": {"type": "string"}, "list": {"type": "array", "items": {"type": "object",
                "properties": {"n": {"type": "number"}}}}}}),
            json!({}),
        );
        let more = json!({"type": "object", "properties": {"id": {"type": "string"}, "also": {}, "list": {"type": "array",
            "items": {"type": "object", "properties": {"n": {"type": "integer"}, "m": {}}}}}});
        assert!(codes(&before, &manifest(json!({}), more, json!({}))).is_empty());
        let less = json!({"type": "object", "properties": {"id": {"type": "integer"}, "list": {"type": "array",
            "items": {"type": "object", "properties": {"m": {}}}}}});
        assert_eq!(
            codes(&before, &manifest(json!({}), less, json!({}))),
            [
                ("/actions/go/output/properties/id".to_owned(), "type_changed".to_owned()),
                ("/actions/go/output/properties/list/items/properties/n".to_owned(), "field_gone".to_owned()),
            ]
        );
    }

    #[test]
    fn actions_and_ways_to_sign_in_stay() {
        let before = manifest(json!({}), json!({}), json!({}));
        let mut document = before.document.clone();
        document["actions"] = json!({});
        document["auth"] = json!([{"id": "key", "type": "basic", "title": "Key"}]);
        let found = codes(&before, &read(&document).unwrap());
        assert_eq!(
            found,
            [
                ("/auth".to_owned(), "type_changed".to_owned()),
                ("/actions".to_owned(), "action_gone".to_owned())
            ]
        );
        document["auth"] = json!([]);
        assert_eq!(codes(&before, &read(&document).unwrap())[0].1, "auth_gone");
    }

    #[test]
    fn an_action_that_begins_or_ceases_to_complete_later_gives_something_else() {
        let at_once = manifest(json!({}), json!({}), json!({}));
        let mut document = at_once.document.clone();
        document["actions"]["go"]["completes"] = json!({"action": "go", "done": "{{ status.done }}"});
        let later = read(&document).unwrap();
        let changed = [("/actions/go/completes".to_owned(), "type_changed".to_owned())];
        assert_eq!(codes(&at_once, &later), changed);
        assert_eq!(codes(&later, &at_once), changed);
        document["actions"]["go"]["completes"]["every"] = json!("PT1M");
        assert!(codes(&later, &read(&document).unwrap()).is_empty());
    }

    #[test]
    fn schemas_that_lead_back_to_themselves_come_to_an_end() {
        let tree = |leaf: Value| {
            json!({"node": {"type": "object", "properties": {"leaf": leaf, "left": {"$ref": "#/schemas/node"},
                "right": {"anyOf": [{"$ref": "#/schemas/node"}, {"$ref": "#/schemas/node"}]}}}})
        };
        let with = |leaf: Value| {
            manifest(json!({"$ref": "#/schemas/node"}), json!({"$ref": "#/schemas/node"}), tree(leaf))
        };
        let before = with(json!({"type": "string"}));
        assert!(codes(&before, &with(json!({"type": "string"}))).is_empty());
        assert!(
            codes(&before, &with(json!({"type": "array"}))).iter().all(|(_, code)| code == "type_changed")
        );
    }

    #[test]
    fn every_connector_of_the_catalogue_is_as_it_was() {
        for (name, version) in crate::names() {
            let manifest = crate::built_in(name, Some(version)).unwrap();
            assert!(breaking(&manifest, &manifest).is_empty(), "{name}");
        }
    }
}
