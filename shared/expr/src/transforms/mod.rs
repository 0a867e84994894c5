//! The transform library: what workflows do to data every day and JSONata has no function for.
//!
//! A transform is written down once, in its category's file. From that come the table for people ([`transforms`]), which only the
//! API links, and the entries that run.

mod call;
mod date;
mod encoding;
mod hash;
mod id;
mod list;
mod number;
mod object;
mod text;
mod zone;

use std::rc::Rc;
use std::sync::LazyLock;

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;
use serde::Serialize;

use crate::limits::Limits;
use crate::seed::Stream;
use call::{Call, Fault, Outcome};

/// One function of the library, as it is shown to people.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Transform {
    /// What follows `$` in an expression.
    pub name: &'static str,
    /// The group it belongs to.
    pub category: &'static str,
    /// Parameters and result: `(text: string, length: number) -> string`.
    pub signature: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// At least one.
    pub examples: &'static [Example],
}

/// An expression, what it reads and what it gives.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Example {
    /// JSONata.
    pub expression: &'static str,
    /// JSON: the scope.
    pub input: &'static str,
    /// JSON; nothing for undefined.
    pub output: &'static str,
}

/// What a call may cost, in terms of the weight of its arguments.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Cost {
    /// A number, a boolean or a short text, by so much work for each unit of weight.
    Short(u16),
    /// A value at most so many times as heavy as the arguments, by so much work.
    Grows(u16, u16),
    /// A value no heavier than the product of the first argument and the others.
    Product,
    /// A time: a short text, by a fixed amount of work.
    Time,
    /// No bound.
    Guarded,
}

/// A transform as its category writes it down. `signature` begins with the name.
struct Definition {
    signature: &'static str,
    description: &'static str,
    examples: &'static [Example],
    cost: Cost,
    run: fn(&Call) -> Outcome,
}

const fn define(
    signature: &'static str,
    description: &'static str,
    examples: &'static [Example],
    cost: Cost,
    run: fn(&Call) -> Outcome,
) -> Definition {
    Definition { signature, description, examples, cost, run }
}

const fn eg(expression: &'static str, input: &'static str, output: &'static str) -> Example {
    Example { expression, input, output }
}

/// What running needs of a definition; the rest is not linked where nobody asks for the table.
#[derive(Clone, Copy)]
struct Entry {
    signature: &'static str,
    cost: Cost,
    run: fn(&Call) -> Outcome,
}

const CATEGORIES: [(&str, &[Definition]); 8] = [
    ("text", &text::ALL),
    ("number", &number::ALL),
    ("date", &date::ALL),
    ("list", &list::ALL),
    ("object", &object::ALL),
    ("encoding", &encoding::ALL),
    ("hash", &hash::ALL),
    ("id", &id::ALL),
];

const COUNT: usize = {
    let (mut sum, mut at) = (0, 0);
    while at < CATEGORIES.len() {
        sum += CATEGORIES[at].1.len();
        at += 1;
    }
    sum
};

static ENTRIES: [Entry; COUNT] = {
    let mut entries = [Entry { signature: "", cost: Cost::Guarded, run: |_| Ok(JValue::Undefined) }; COUNT];
    let (mut filled, mut category) = (0, 0);
    while category < CATEGORIES.len() {
        let definitions = CATEGORIES[category].1;
        let mut at = 0;
        while at < definitions.len() {
            let Definition { signature, cost, run, .. } = definitions[at];
            entries[filled] = Entry { signature, cost, run };
            filled += 1;
            at += 1;
        }
        category += 1;
    }
    entries
};

/// Every transform, in the order of their names.
pub fn transforms() -> &'static [Transform] {
    static TABLE: LazyLock<Vec<Transform>> = LazyLock::new(|| {
        let mut table: Vec<Transform> = CATEGORIES
            .iter()
            .flat_map(|(category, definitions)| {
                definitions.iter().map(|definition| {
                    let (name, signature) =
                        definition.signature.split_at(name_of(definition.signature).len());
                    let Definition { description, examples, .. } = *definition;
                    Transform { name, category, signature, description, examples }
                })
            })
            .collect();
        table.sort_unstable_by_key(|transform| transform.name);
        table
    });
    &TABLE
}

fn name_of(signature: &'static str) -> &'static str {
    signature.split_once('(').map_or(signature, |(name, _)| name)
}

fn entry(name: &str) -> Option<&'static Entry> {
    ENTRIES.iter().find(|entry| entry.signature.strip_prefix(name).is_some_and(|rest| rest.starts_with('(')))
}

/// The library's own copy of a name, if it has a transform of that name.
pub(crate) fn known(name: &str) -> Option<&'static str> {
    entry(name).map(|entry| name_of(entry.signature))
}

/// What a call of `name` may cost. `None`: there is no such transform.
pub(crate) fn cost(name: &str) -> Option<Cost> {
    entry(name).map(|entry| entry.cost)
}

/// Whether `$map(list, $name)` gives it the item only.
pub(crate) fn takes_one(name: &str) -> bool {
    entry(name).is_some_and(|entry| call::parameters(entry.signature).len() == 1)
}

/// Makes one transform known to an evaluator.
pub(crate) fn register(
    evaluator: &mut Evaluator,
    name: &'static str,
    stream: Rc<Stream>,
    limits: &Limits,
) -> Result<(), EvaluatorError> {
    let Some(entry) = entry(name) else { return Ok(()) };
    let parameters = call::parameters(entry.signature);
    let (max_bytes, max_items) = (limits.max_output_bytes, limits.max_sequence);
    evaluator.register_fn(name, move |args: &[JValue]| {
        let outcome = Call::new(&parameters, args, &stream, max_bytes, max_items)
            .and_then(|call| call.map_or(Ok(JValue::Undefined), |call| (entry.run)(&call)));
        let message = match outcome {
            Ok(JValue::Number(number)) if !number.is_finite() => {
                "the result is not a finite number".to_owned()
            }
            Ok(value) => return Ok(value),
            Err(Fault::Said(message)) => message,
            Err(Fault::TooLarge) => {
                return Err(EvaluatorError::EvaluationError(format!(
                    "D2015: `${name}`: the result is larger than {max_bytes} bytes or {max_items} items"
                )));
            }
        };
        Err(EvaluatorError::EvaluationError(format!("`${name}`: {message}")))
    })
}
