//! What is known of the values that expressions read: the outputs of steps, and what triggers give.
//!
//! The table "What each step gives" of docs/workflow.md says the same.

use super::super::{Node, NodeKind, Pausing};
use domain::run::GatherRule;
use domain::workflow::{HTTP_REQUEST, OnError, Step, TriggerKind};
use expr::{Kind, Outline};
use serde_json::Value;
use std::collections::BTreeMap;

/// What is known of a value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    Any,
    Null,
    Boolean,
    Number,
    Text,
    /// Names are looked up in each item.
    List,
    Object {
        fields: BTreeMap<String, Shape>,
        /// Whether it may have other fields.
        open: bool,
    },
}

impl Shape {
    fn object<'a>(fields: impl IntoIterator<Item = (&'a str, Shape)>) -> Self {
        let fields = fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
        Self::Object { fields, open: false }
    }

    fn any_object() -> Self {
        Self::Object { fields: BTreeMap::new(), open: true }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::Text,
            Value::Array(_) => Self::List,
            Value::Object(fields) => {
                Self::object(fields.iter().map(|(name, value)| (name.as_str(), Self::of_value(value))))
            }
        }
    }

    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::Null => "null",
            Self::Boolean => "true or false",
            Self::Number => "a number",
            Self::Text => "a text",
            Self::List => "a list",
            Self::Object { .. } => "an object",
        }
    }
}

/// The shapes of all that expressions can name.
pub(super) struct Shapes<'a> {
    trigger: Shape,
    steps: BTreeMap<&'a str, Shape>,
}

impl<'a> Shapes<'a> {
    /// With what a single event of this trigger gives, before it is gathered with others.
    pub(super) fn of_event(trigger: &TriggerKind) -> Self {
        Self::of_triggers(&[trigger], false)
    }

    /// With what these triggers give; no step is known yet.
    pub(super) fn new(triggers: &[&TriggerKind]) -> Self {
        Self::of_triggers(triggers, true)
    }

    fn of_triggers(triggers: &[&TriggerKind], gathered: bool) -> Self {
        let mut fields: BTreeMap<String, Shape> = BTreeMap::new();
        // Any workflow can be called by a step of another, with an `input`.
        fields.insert("input".to_owned(), Shape::Any);
        for kind in triggers {
            let given = match kind {
                TriggerKind::Webhook { .. } | TriggerKind::App(_) => vec![
                    ("body", Shape::Any),
                    ("headers", Shape::any_object()),
                    ("query", Shape::any_object()),
                    ("method", Shape::Text),
                ],
                TriggerKind::Event { .. } => vec![("event", Shape::any_object())],
                TriggerKind::Schedule { .. } => vec![("scheduled_at", Shape::Text)],
                TriggerKind::Poll(_) => vec![("record", Shape::Any)],
                TriggerKind::Manual | TriggerKind::Workflow => Vec::new(),
            };
            let given = match kind.gather().filter(|_| gathered).map(|gather| gather.rule) {
                Some(GatherRule::Batch { .. }) => vec![("items", Shape::List)],
                Some(GatherRule::Debounce { .. }) => {
                    given.into_iter().chain([("count", Shape::Number)]).collect()
                }
                None => given,
            };
            fields.extend(given.into_iter().map(|(name, shape)| (name.to_owned(), shape)));
        }
        Self { trigger: Shape::Object { fields, open: false }, steps: BTreeMap::new() }
    }

    /// Notes what a step gives, from what was noted before.
    pub(super) fn add(&mut self, step: &'a Step, node: &Node) {
        let mut shape = self.output(&node.kind);
        if step.on_error == OnError::Continue {
            shape = match shape {
                Shape::Object { mut fields, open } => {
                    fields.insert("error".to_owned(), Shape::Any);
                    Shape::Object { fields, open }
                }
                _ => Shape::Any,
            };
        }
        self.steps.insert(&step.id, shape);
    }

    fn output(&self, kind: &NodeKind) -> Shape {
        use Shape::{Any, Boolean, List, Number, Text};
        match kind {
            NodeKind::Map { output } => self.of(&output.outline()),
            NodeKind::Branch { .. } => Shape::object([("arm", Any)]),
            NodeKind::Filter { .. } => Shape::object([("passed", Boolean)]),
            NodeKind::Parallel { arms } => Shape::object(arms.iter().map(|arm| (arm.id.as_str(), Any))),
            NodeKind::ForEach(_) => List,
            NodeKind::While { .. } => Shape::object([("iterations", Number)]),
            NodeKind::Try { .. } => Shape::object([("error", Any)]),
            NodeKind::Action(action) if action.uses == HTTP_REQUEST => {
                Shape::object([("status", Number), ("headers", Shape::any_object()), ("body", Any)])
            }
            NodeKind::Action(action) if action.uses.starts_with("file.") => file_output(&action.uses),
            NodeKind::Action(_) | NodeKind::Code(_) | NodeKind::Stop { .. } => Any,
            NodeKind::Wait { pause: Pausing::For(_) | Pausing::Until(_) } => Shape::object([("until", Text)]),
            NodeKind::Wait { pause: Pausing::Callback { .. } } => {
                Shape::object([("body", Any), ("at", Text)])
            }
            NodeKind::Approval(_) => Shape::object([
                ("decision", Text),
                ("by", Any),
                ("comment", Any),
                ("timed_out", Boolean),
                ("at", Any),
            ]),
            NodeKind::Workflow { wait: true, .. } => {
                Shape::object([("run", Text), ("status", Text), ("output", Any)])
            }
            NodeKind::Workflow { wait: false, .. } => Shape::object([("run", Text)]),
            NodeKind::Emit { .. } => Shape::object([("event_id", Any)]),
            NodeKind::Respond { .. } => Shape::object([("status", Number)]),
        }
    }

    /// What a template gives.
    pub(super) fn of(&self, outline: &Outline<'_>) -> Shape {
        match outline {
            Outline::Constant(value) => Shape::of_value(value),
            Outline::Text => Shape::Text,
            Outline::List(_) => Shape::List,
            Outline::Object(fields) => {
                Shape::object(fields.iter().map(|(name, value)| (*name, self.of(value))))
            }
            Outline::Expression(expression) => match (expression.names(), expression.kind()) {
                (Some(names), _) => self.follow(&names).unwrap_or(Shape::Any),
                (None, Some(Kind::Null)) => Shape::Null,
                (None, Some(Kind::Boolean)) => Shape::Boolean,
                (None, Some(Kind::Number)) => Shape::Number,
                (None, Some(Kind::Text)) => Shape::Text,
                (None, None) => Shape::Any,
            },
        }
    }

    /// What stands at a path of names, or why nothing ever does.
    pub(super) fn follow(&self, names: &[&str]) -> Result<Shape, String> {
        let (from, start) = match names {
            ["trigger", ..] => (1, &self.trigger),
            ["steps", id, ..] => match self.steps.get(id) {
                Some(shape) => (2, shape),
                None => return Ok(Shape::Any),
            },
            _ => return Ok(Shape::Any),
        };
        let mut here = start;
        for (n, name) in names.iter().enumerate().skip(from) {
            let so_far = names[..n].join(".");
            here = match here {
                Shape::Any | Shape::List => return Ok(Shape::Any),
                Shape::Object { fields, open } => match fields.get(*name) {
                    Some(field) => field,
                    None if *open => return Ok(Shape::Any),
                    None => return Err(missing(&so_far, name, fields)),
                },
                other => return Err(format!("`{so_far}` is {}: it has no `{name}`", other.name())),
            };
        }
        Ok(here.clone())
    }
}

fn missing(so_far: &str, name: &str, fields: &BTreeMap<String, Shape>) -> String {
    let has: Vec<String> = fields.keys().map(|field| format!("`{field}`")).collect();
    match has.as_slice() {
        [] => format!("`{so_far}` has no `{name}`: it is empty"),
        has => format!("`{so_far}` has no `{name}`, only {}", has.join(", ")),
    }
}

/// What a built-in action on files gives.
fn file_output(uses: &str) -> Shape {
    use Shape::{Any, Boolean, List, Number, Text};
    match uses {
        "file.read_csv" => {
            Shape::object([("rows", List), ("columns", List), ("more", Boolean), ("next", Any)])
        }
        "file.read_json_lines" => Shape::object([("rows", List), ("more", Boolean), ("next", Any)]),
        "file.read_xlsx" => Shape::object([
            ("rows", List),
            ("columns", List),
            ("more", Boolean),
            ("next", Any),
            ("sheet", Text),
            ("sheets", List),
        ]),
        "file.read_text" => Shape::object([("text", Text)]),
        "file.unzip" => Shape::object([("files", List)]),
        "file.write_text" => Shape::object([("file", Shape::any_object())]),
        "file.zip" => Shape::object([("file", Shape::any_object()), ("files", Number)]),
        _ => Shape::object([("file", Shape::any_object()), ("rows", Number)]),
    }
}
