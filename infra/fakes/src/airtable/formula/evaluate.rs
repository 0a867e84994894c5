//! Expression and record -> value.

use super::parse::{Expression, Operator};
use super::{Fault, Record, Value, functions};
use std::cmp::Ordering;

pub(super) fn evaluate(expression: &Expression, record: &dyn Record) -> Result<Value, Fault> {
    Ok(match expression {
        Expression::Text(text) => Value::Text(text.clone()),
        Expression::Number(number) => Value::Number(*number),
        Expression::Field(field) => record.cell(field),
        Expression::Negative(inner) => match number(&evaluate(inner, record)?) {
            Some(number) => Value::Number(-number),
            None => Value::Error,
        },
        Expression::Two(operator, left, right) => {
            two(*operator, &evaluate(left, record)?, &evaluate(right, record)?)?
        }
        Expression::Call(name, arguments) => functions::call(name, arguments, record)?,
    })
}

fn two(operator: Operator, left: &Value, right: &Value) -> Result<Value, Fault> {
    if matches!(left, Value::Error) || matches!(right, Value::Error) {
        return Ok(Value::Error);
    }
    let arithmetic = |of: fn(f64, f64) -> f64| match (number(left), number(right)) {
        (Some(left), Some(right)) => Value::Number(of(left, right)),
        _ => Value::Error,
    };
    Ok(match operator {
        Operator::Join => Value::Text(text(left)? + &text(right)?),
        Operator::Add => arithmetic(|a, b| a + b),
        Operator::Subtract => arithmetic(|a, b| a - b),
        Operator::Multiply => arithmetic(|a, b| a * b),
        Operator::Divide => arithmetic(|a, b| a / b),
        Operator::Equal => Value::Bool(equal(left, right)?),
        Operator::NotEqual => Value::Bool(!equal(left, right)?),
        Operator::Less => Value::Bool(order(left, right)? == Some(Ordering::Less)),
        Operator::Greater => Value::Bool(order(left, right)? == Some(Ordering::Greater)),
        Operator::LessOrEqual => {
            Value::Bool(matches!(order(left, right)?, Some(Ordering::Less | Ordering::Equal)))
        }
        Operator::GreaterOrEqual => {
            Value::Bool(matches!(order(left, right)?, Some(Ordering::Greater | Ordering::Equal)))
        }
    })
}

/// A value as text. Lists are joined with a comma, as a cell of several choices reads in a formula.
pub(super) fn text(value: &Value) -> Result<String, Fault> {
    Ok(match value {
        Value::Blank => String::new(),
        Value::Text(text) => text.clone(),
        Value::Number(number) => written(*number),
        Value::Bool(truth) => if *truth { "1" } else { "0" }.to_owned(),
        Value::Moment(at) => crate::moment::moment(*at),
        Value::List(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(", "),
        Value::Error => return Err(Fault::NotModelled("text of an error".into())),
    })
}

/// `3` and not `3.0`.
fn written(number: f64) -> String {
    format!("{number}")
}

/// A value as a number: an empty cell is nothing, and text is none.
pub(super) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Blank => Some(0.0),
        Value::Number(number) => Some(*number),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::List(items) => match items.as_slice() {
            [one] => number(one),
            _ => None,
        },
        Value::Text(_) | Value::Moment(_) | Value::Error => None,
    }
}

pub(super) fn equal(left: &Value, right: &Value) -> Result<bool, Fault> {
    Ok(match (left, right) {
        (Value::Error, _) | (_, Value::Error) => false,
        (Value::List(_), other) | (other, Value::List(_))
            if !matches!(other, Value::Number(_) | Value::Moment(_)) =>
        {
            text(left)? == text(right)?
        }
        (Value::Blank, Value::Moment(_)) | (Value::Moment(_), Value::Blank) => false,
        (Value::Blank | Value::Text(_), Value::Blank | Value::Text(_)) => text(left)? == text(right)?,
        (Value::Moment(left), Value::Moment(right)) => left == right,
        _ => match (number(left), number(right)) {
            #[expect(clippy::float_cmp, reason = "a formula compares exactly")]
            (Some(left), Some(right)) => left == right,
            _ => return Err(unlike(left, right)),
        },
    })
}

fn order(left: &Value, right: &Value) -> Result<Option<Ordering>, Fault> {
    match (left, right) {
        (Value::Moment(left), Value::Moment(right)) => Ok(Some(left.cmp(right))),
        (Value::Text(_) | Value::Moment(_), _) | (_, Value::Text(_) | Value::Moment(_)) => {
            Err(unlike(left, right))
        }
        _ => match (number(left), number(right)) {
            (Some(left), Some(right)) => Ok(left.partial_cmp(&right)),
            _ => Err(unlike(left, right)),
        },
    }
}

fn unlike(left: &Value, right: &Value) -> Fault {
    let kind = |value: &Value| match value {
        Value::Blank => "an empty cell",
        Value::Text(_) => "text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "a truth value",
        Value::Moment(_) => "a date",
        Value::List(_) => "a list",
        Value::Error => "an error",
    };
    Fault::NotModelled(format!("a comparison of {} with {}", kind(left), kind(right)))
}
