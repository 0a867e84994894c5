//! The formulas of `filterByFormula`, as far as they are modelled. What is not is refused: a formula that the fake would read in
//! another way than Airtable is worse than none.

mod evaluate;
mod functions;
mod parse;
#[cfg(test)]
mod tests;

use jiff::Timestamp;
use parse::Expression;

/// Why a formula gives no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Airtable refuses it, too.
    Invalid,
    /// It names fields that the table has not.
    UnknownFields(Vec<String>),
    /// Airtable would take it, and this fake does not know what it would give.
    NotModelled(String),
}

/// A value within a formula.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Blank,
    Text(String),
    Number(f64),
    Bool(bool),
    Moment(Timestamp),
    List(Vec<Value>),
    /// What Airtable shows as `#ERROR!`.
    Error,
}

impl Value {
    /// Whether a record with this result is kept: not for `0`, `false`, an empty text, `NaN`, an empty list and an error.
    pub(crate) fn keeps(&self) -> bool {
        match self {
            Self::Blank | Self::Error => false,
            Self::Text(text) => !text.is_empty(),
            Self::Number(number) => *number != 0.0 && !number.is_nan(),
            Self::Bool(truth) => *truth,
            Self::Moment(_) => true,
            Self::List(items) => !items.is_empty(),
        }
    }
}

/// What a formula is asked about.
pub(crate) trait Record {
    fn cell(&self, field: &str) -> Value;
    fn id(&self) -> &str;
    fn created(&self) -> Timestamp;
    /// When a cell of these fields changed last; of any field, if none is named.
    fn modified(&self, fields: &[String]) -> Timestamp;
    fn now(&self) -> Timestamp;
}

/// A formula that was read.
#[derive(Clone, Debug)]
pub(crate) struct Formula {
    expression: Expression,
}

impl Formula {
    /// Reads a formula for a table that has the fields that `known` knows.
    pub(crate) fn parse(text: &str, known: impl Fn(&str) -> bool) -> Result<Self, Fault> {
        let expression = parse::parse(text)?;
        let mut unknown = Vec::new();
        expression.fields(&mut |field| {
            if !known(field) && !unknown.contains(&field.to_lowercase()) {
                unknown.push(field.to_lowercase());
            }
        });
        if unknown.is_empty() { Ok(Self { expression }) } else { Err(Fault::UnknownFields(unknown)) }
    }

    pub(crate) fn evaluate(&self, record: &dyn Record) -> Result<Value, Fault> {
        evaluate::evaluate(&self.expression, record)
    }
}
