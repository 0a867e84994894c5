//! Plain paths, resolved on the JSON itself: nothing is converted, so big integers stay exact.
//!
//! The rules are JSONata's: a name over an array is looked up in each item and the results are flattened,
//! an index applies to each step's own result, and a sequence of one is that one.

use jsonata_core::ast::{AstNode, Stage};
use serde_json::Value;

/// Names and non-negative indexes, and nothing else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlainPath(Vec<Step>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Step {
    name: String,
    indexes: Vec<usize>,
}

/// What one evaluation of a step gives: a value of the input, or a sequence that the path built.
enum Item<'a> {
    Value(&'a Value),
    Sequence(Vec<&'a Value>),
}

/// What a path leads to.
#[derive(Debug, PartialEq)]
pub(crate) enum Found<'a> {
    Nothing,
    One(&'a Value),
    Many(Vec<&'a Value>),
}

impl PlainPath {
    /// The path that `ast` is, if it is one.
    pub(crate) fn of(ast: &AstNode) -> Option<PlainPath> {
        let AstNode::Path { steps } = ast else { return None };
        let steps = steps
            .iter()
            .map(|step| {
                let AstNode::Name(name) = &step.node else {
                    return None;
                };
                let bound = step.focus.is_some() || step.index_var.is_some() || step.ancestor_label.is_some();
                if bound || step.is_tuple || step.inner_tuple {
                    return None;
                }
                let indexes = step.stages.iter().map(index_of).collect::<Option<Vec<_>>>()?;
                Some(Step { name: name.clone(), indexes })
            })
            .collect::<Option<Vec<_>>>()?;
        Some(PlainPath(steps))
    }

    /// Its names, if it has no index.
    pub(crate) fn names(&self) -> Option<Vec<&str>> {
        self.0.iter().map(|step| step.indexes.is_empty().then_some(step.name.as_str())).collect()
    }

    /// Follows the path from `scope`.
    ///
    /// `visited` grows by the items of arrays that were looked at.
    pub(crate) fn resolve<'a>(&self, scope: &'a Value, visited: &mut u64) -> Found<'a> {
        // The common case: objects all the way down, no array met.
        let mut here = scope;
        for (at, step) in self.0.iter().enumerate() {
            let Value::Object(fields) = here else {
                return self.resolve_from(at, here, visited);
            };
            match fields.get(&step.name) {
                None => return Found::Nothing,
                Some(value) if step.indexes.is_empty() => here = value,
                Some(_) => return self.resolve_from(at, here, visited),
            }
        }
        Found::One(here)
    }

    fn resolve_from<'a>(&self, first: usize, start: &'a Value, visited: &mut u64) -> Found<'a> {
        let mut input = match start {
            Value::Array(items) => items.iter().collect(),
            other => vec![other],
        };
        for (at, step) in self.0.iter().enumerate().skip(first) {
            *visited += input.len() as u64;
            let mut results: Vec<Item<'a>> =
                input.iter().filter_map(|value| step.apply(value, visited)).collect();
            if at + 1 == self.0.len()
                && let [Item::Value(whole @ Value::Array(_))] = results.as_slice()
            {
                return Found::One(whole);
            }
            input = Vec::new();
            for item in results.drain(..) {
                match item {
                    Item::Value(Value::Array(items)) => input.extend(items),
                    Item::Value(value) => input.push(value),
                    Item::Sequence(values) => input.extend(values),
                }
            }
            if input.is_empty() {
                return Found::Nothing;
            }
        }
        match input.as_slice() {
            [one] => Found::One(one),
            _ => Found::Many(input),
        }
    }
}

impl Step {
    fn apply<'a>(&self, value: &'a Value, visited: &mut u64) -> Option<Item<'a>> {
        let mut item = look_up(value, &self.name, visited)?;
        for index in &self.indexes {
            let picked = match item {
                Item::Value(Value::Array(items)) => items.get(*index),
                Item::Value(value) => (*index == 0).then_some(value),
                Item::Sequence(values) => values.get(*index).copied(),
            };
            item = match picked {
                Some(array @ Value::Array(_)) => Item::Value(array),
                Some(value) => Item::Sequence(vec![value]),
                None => Item::Sequence(Vec::new()),
            };
        }
        Some(item)
    }
}

/// A name in a value; over an array in each item, flattened, as JSONata's `lookup` does.
fn look_up<'a>(value: &'a Value, name: &str, visited: &mut u64) -> Option<Item<'a>> {
    match value {
        Value::Object(fields) => fields.get(name).map(Item::Value),
        Value::Array(items) => {
            let mut found = Vec::new();
            collect(items, name, &mut found, visited);
            match found.as_slice() {
                [] => None,
                [one] => Some(Item::Value(one)),
                _ => Some(Item::Sequence(found)),
            }
        }
        _ => None,
    }
}

fn collect<'a>(items: &'a [Value], name: &str, found: &mut Vec<&'a Value>, visited: &mut u64) {
    *visited += items.len() as u64;
    for item in items {
        match item {
            Value::Object(fields) => match fields.get(name) {
                Some(Value::Array(values)) => found.extend(values),
                Some(value) => found.push(value),
                None => {}
            },
            Value::Array(inner) => jsonata_core::value::with_stack(|| collect(inner, name, found, visited)),
            _ => {}
        }
    }
}

fn index_of(stage: &Stage) -> Option<usize> {
    match stage {
        Stage::Filter(filter) => match **filter {
            AstNode::Number(n) if n >= 0.0 && n.fract() == 0.0 && n < 4_294_967_296.0 => Some(n as usize),
            _ => None,
        },
        Stage::KeepArray | Stage::Index(_) => None,
    }
}
