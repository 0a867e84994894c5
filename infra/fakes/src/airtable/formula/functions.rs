//! The functions of formulas.

use super::evaluate::{equal, evaluate, number, text};
use super::parse::Expression;
use super::{Fault, Record, Value};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, Unit, Zoned, civil};

/// As many arguments as an address or a body can hold.
const MANY: usize = 100_000;

/// Every function that is modelled, with the fewest and the most arguments that it takes.
const MODELLED: &[(&str, usize, usize)] = &[
    ("ABS", 1, 1),
    ("AND", 1, MANY),
    ("ARRAYJOIN", 1, 2),
    ("AVERAGE", 1, MANY),
    ("BLANK", 0, 0),
    ("CEILING", 1, 2),
    ("CONCATENATE", 1, MANY),
    ("COUNT", 1, MANY),
    ("COUNTA", 1, MANY),
    ("COUNTALL", 1, MANY),
    ("CREATED_TIME", 0, 0),
    ("DATEADD", 3, 3),
    ("DATESTR", 1, 1),
    ("DATETIME_DIFF", 2, 3),
    ("DATETIME_PARSE", 1, 1),
    ("DAY", 1, 1),
    ("ERROR", 0, 0),
    ("EVEN", 1, 1),
    ("EXP", 1, 1),
    ("FALSE", 0, 0),
    ("FIND", 2, 3),
    ("FLOOR", 1, 2),
    ("HOUR", 1, 1),
    ("IF", 2, 3),
    ("INT", 1, 1),
    ("ISERROR", 1, 1),
    ("IS_AFTER", 2, 2),
    ("IS_BEFORE", 2, 2),
    ("IS_SAME", 2, 3),
    ("LAST_MODIFIED_TIME", 0, 100),
    ("LEFT", 1, 2),
    ("LEN", 1, 1),
    ("LOWER", 1, 1),
    ("MAX", 1, MANY),
    ("MID", 3, 3),
    ("MIN", 1, MANY),
    ("MINUTE", 1, 1),
    ("MOD", 2, 2),
    ("MONTH", 1, 1),
    ("NOT", 1, 1),
    ("NOW", 0, 0),
    ("ODD", 1, 1),
    ("OR", 1, MANY),
    ("POWER", 2, 2),
    ("RECORD_ID", 0, 0),
    ("REPLACE", 4, 4),
    ("REPT", 2, 2),
    ("RIGHT", 1, 2),
    ("ROUND", 1, 2),
    ("ROUNDDOWN", 1, 2),
    ("ROUNDUP", 1, 2),
    ("SEARCH", 2, 3),
    ("SECOND", 1, 1),
    ("SQRT", 1, 1),
    ("SUBSTITUTE", 3, 4),
    ("SUM", 1, MANY),
    ("SWITCH", 3, MANY),
    ("T", 1, 1),
    ("TODAY", 0, 0),
    ("TRIM", 1, 1),
    ("TRUE", 0, 0),
    ("UPPER", 1, 1),
    ("VALUE", 1, 1),
    ("XOR", 1, MANY),
    ("YEAR", 1, 1),
];

/// Functions of Airtable that this fake has not.
const ELSEWHERE: &[&str] = &[
    "ARRAYCOMPACT",
    "ARRAYFLATTEN",
    "ARRAYSLICE",
    "ARRAYUNIQUE",
    "DATETIME_FORMAT",
    "ENCODE_URL_COMPONENT",
    "EXACT",
    "FROMNOW",
    "LOG",
    "REGEX_EXTRACT",
    "REGEX_MATCH",
    "REGEX_REPLACE",
    "SET_LOCALE",
    "SET_TIMEZONE",
    "TIMESTR",
    "TONOW",
    "WEEKDAY",
    "WEEKNUM",
    "WORKDAY",
    "WORKDAY_DIFF",
];

/// Whether there is such a function for so many arguments.
pub(super) fn check(name: &str, arguments: usize) -> Result<(), Fault> {
    if ELSEWHERE.contains(&name) {
        return Err(Fault::NotModelled(format!("the function {name}")));
    }
    match MODELLED.iter().find(|(known, ..)| *known == name) {
        Some((_, fewest, most)) if (*fewest..=*most).contains(&arguments) => Ok(()),
        Some(("DATETIME_PARSE", ..)) if arguments > 1 => {
            Err(Fault::NotModelled("DATETIME_PARSE with a format".into()))
        }
        _ => Err(Fault::Invalid),
    }
}

pub(super) fn call(name: &str, arguments: &[Expression], record: &dyn Record) -> Result<Value, Fault> {
    if let Some(value) = lazy(name, arguments, record)? {
        return Ok(value);
    }
    let mut values = Vec::with_capacity(arguments.len());
    for argument in arguments {
        let value = evaluate(argument, record)?;
        if matches!(value, Value::Error) && !matches!(name, "COUNT" | "COUNTA" | "COUNTALL") {
            return Ok(Value::Error);
        }
        values.push(value);
    }
    match name {
        "XOR" => Ok(Value::Bool(values.iter().filter(|value| value.keeps()).count() % 2 == 1)),
        "NOT" => Ok(Value::Bool(!values[0].keeps())),
        "TRUE" => Ok(Value::Bool(true)),
        "FALSE" => Ok(Value::Bool(false)),
        "BLANK" => Ok(Value::Blank),
        "ERROR" => Ok(Value::Error),
        "RECORD_ID" => Ok(Value::Text(record.id().to_owned())),
        "CREATED_TIME" => Ok(Value::Moment(record.created())),
        "NOW" => Ok(Value::Moment(record.now())),
        "TODAY" => Ok(midnight(record.now())),
        "ARRAYJOIN" | "CONCATENATE" | "FIND" | "LEFT" | "LEN" | "LOWER" | "MID" | "REPLACE" | "REPT"
        | "RIGHT" | "SEARCH" | "SUBSTITUTE" | "T" | "TRIM" | "UPPER" | "VALUE" => of_text(name, &values),
        "DATEADD" | "DATESTR" | "DATETIME_DIFF" | "DATETIME_PARSE" | "DAY" | "HOUR" | "IS_AFTER"
        | "IS_BEFORE" | "IS_SAME" | "MINUTE" | "MONTH" | "SECOND" | "YEAR" => of_dates(name, &values),
        _ => of_numbers(name, &values),
    }
}

/// The functions that do not look at all of their arguments, or want to see errors.
fn lazy(name: &str, arguments: &[Expression], record: &dyn Record) -> Result<Option<Value>, Fault> {
    Ok(Some(match name {
        // An error in any condition is one of the whole, so all are looked at.
        "AND" | "OR" => {
            let mut truths = Vec::new();
            for argument in arguments {
                match evaluate(argument, record)? {
                    Value::Error => return Ok(Some(Value::Error)),
                    value => truths.push(value.keeps()),
                }
            }
            Value::Bool(if name == "AND" { truths.iter().all(|t| *t) } else { truths.iter().any(|t| *t) })
        }
        "IF" => match evaluate(&arguments[0], record)? {
            Value::Error => Value::Error,
            value if value.keeps() => evaluate(&arguments[1], record)?,
            _ => arguments.get(2).map_or(Ok(Value::Blank), |otherwise| evaluate(otherwise, record))?,
        },
        "SWITCH" => {
            let asked = evaluate(&arguments[0], record)?;
            for pair in arguments[1..].chunks(2) {
                match pair {
                    [pattern, result] if equal(&asked, &evaluate(pattern, record)?)? => {
                        return evaluate(result, record).map(Some);
                    }
                    [otherwise] => return evaluate(otherwise, record).map(Some),
                    _ => {}
                }
            }
            Value::Blank
        }
        "ISERROR" => Value::Bool(matches!(evaluate(&arguments[0], record)?, Value::Error)),
        "LAST_MODIFIED_TIME" => {
            let mut fields = Vec::new();
            for argument in arguments {
                match argument {
                    Expression::Field(field) => fields.push(field.clone()),
                    _ => return Err(Fault::Invalid),
                }
            }
            Value::Moment(record.modified(&fields))
        }
        _ => return Ok(None),
    }))
}

fn of_text(name: &str, values: &[Value]) -> Result<Value, Fault> {
    let letters = |at: usize| -> Result<Vec<char>, Fault> { Ok(text(&values[at])?.chars().collect()) };
    let count = |at: usize| -> Option<usize> {
        let number = values.get(at).map_or(Some(1.0), number)?;
        (number >= 0.0).then_some(number as usize)
    };
    Ok(Value::Text(match name {
        "CONCATENATE" => values.iter().map(text).collect::<Result<String, _>>()?,
        "ARRAYJOIN" => {
            let between = values.get(1).map_or(Ok(",".to_owned()), text)?;
            match &values[0] {
                Value::List(items) => items.iter().map(text).collect::<Result<Vec<_>, _>>()?.join(&between),
                other => text(other)?,
            }
        }
        "LEN" => return Ok(Value::Number(letters(0)?.len() as f64)),
        "LOWER" => text(&values[0])?.to_lowercase(),
        "UPPER" => text(&values[0])?.to_uppercase(),
        "TRIM" => text(&values[0])?.trim().to_owned(),
        "T" => match &values[0] {
            Value::Text(text) => text.clone(),
            _ => return Ok(Value::Blank),
        },
        "LEFT" | "RIGHT" => {
            let (letters, Some(count)) = (letters(0)?, count(1)) else { return Ok(Value::Error) };
            let count = count.min(letters.len());
            let from = if name == "LEFT" { 0 } else { letters.len() - count };
            letters[from..from + count].iter().collect()
        }
        "MID" | "REPLACE" => {
            let (letters, Some(start), Some(count)) = (letters(0)?, count(1), count(2)) else {
                return Ok(Value::Error);
            };
            if start == 0 {
                return Ok(Value::Error);
            }
            let from = (start - 1).min(letters.len());
            let to = from.saturating_add(count).min(letters.len());
            if name == "MID" {
                letters[from..to].iter().collect()
            } else {
                let new = text(&values[3])?;
                letters[..from]
                    .iter()
                    .copied()
                    .chain(new.chars())
                    .chain(letters[to..].iter().copied())
                    .collect()
            }
        }
        "REPT" => match count(1) {
            Some(count) if count <= 10_000 => text(&values[0])?.repeat(count),
            _ => return Ok(Value::Error),
        },
        "SUBSTITUTE" => {
            let (whole, old, new) = (text(&values[0])?, text(&values[1])?, text(&values[2])?);
            match values.get(3).map(number) {
                _ if old.is_empty() => whole,
                None => whole.replace(&old, &new),
                Some(Some(which)) if which >= 1.0 => {
                    match whole.match_indices(&old).nth(which as usize - 1) {
                        Some((at, _)) => format!("{}{new}{}", &whole[..at], &whole[at + old.len()..]),
                        None => whole,
                    }
                }
                Some(_) => return Ok(Value::Error),
            }
        }
        "FIND" | "SEARCH" => {
            let (wanted, whole, Some(from)) = (letters(0)?, letters(1)?, count(2)) else {
                return Ok(Value::Error);
            };
            let fold = |letters: &[char]| -> String { letters.iter().collect::<String>().to_lowercase() };
            let found = (from.saturating_sub(1)..=whole.len().saturating_sub(wanted.len())).find(|at| {
                let part = whole.get(*at..at + wanted.len());
                // SEARCH does not tell capital letters from small ones.
                part.is_some_and(
                    |part| if name == "FIND" { part == wanted } else { fold(part) == fold(&wanted) },
                )
            });
            return Ok(match found {
                Some(at) => Value::Number(at as f64 + 1.0),
                None if name == "FIND" => Value::Number(0.0),
                None => Value::Blank,
            });
        }
        "VALUE" => {
            let text = text(&values[0])?;
            return Ok(text.trim().replace(',', "").parse().map_or(Value::Error, Value::Number));
        }
        _ => return Err(Fault::Invalid),
    }))
}

fn of_numbers(name: &str, values: &[Value]) -> Result<Value, Fault> {
    let flat: Vec<&Value> = values
        .iter()
        .flat_map(|value| match value {
            Value::List(items) => items.iter().collect(),
            other => vec![other],
        })
        .collect();
    let numbers: Vec<f64> =
        flat.iter().filter(|v| matches!(v, Value::Number(_))).filter_map(|v| number(v)).collect();
    match name {
        "COUNT" => return Ok(Value::Number(numbers.len() as f64)),
        "COUNTA" => {
            let filled =
                flat.iter().filter(|v| !matches!(v, Value::Blank) && **v != &Value::Text(String::new()));
            return Ok(Value::Number(filled.count() as f64));
        }
        "COUNTALL" => return Ok(Value::Number(flat.len() as f64)),
        "SUM" => return Ok(Value::Number(numbers.iter().sum())),
        "AVERAGE" if numbers.is_empty() => return Ok(Value::Number(f64::NAN)),
        "AVERAGE" => return Ok(Value::Number(numbers.iter().sum::<f64>() / numbers.len() as f64)),
        "MIN" | "MAX" if numbers.is_empty() => return Ok(Value::Number(0.0)),
        "MIN" => return Ok(Value::Number(numbers.iter().copied().fold(f64::INFINITY, f64::min))),
        "MAX" => return Ok(Value::Number(numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max))),
        _ => {}
    }
    let Some(first) = number(&values[0]) else { return Ok(Value::Error) };
    let second = match values.get(1).map(number) {
        Some(Some(second)) => Some(second),
        Some(None) => return Ok(Value::Error),
        None => None,
    };
    let step = second.unwrap_or(1.0);
    let scale = 10f64.powf(second.unwrap_or(0.0).trunc());
    Ok(Value::Number(match name {
        "ABS" => first.abs(),
        "CEILING" => (first / step).ceil() * step,
        "FLOOR" => (first / step).floor() * step,
        "INT" => first.floor(),
        "EXP" => first.exp(),
        "SQRT" => first.sqrt(),
        "POWER" => first.powf(step),
        // The result has the sign of the divisor.
        "MOD" => first - step * (first / step).floor(),
        "ROUND" => (first * scale).round() / scale,
        "ROUNDDOWN" => (first * scale).trunc() / scale,
        "ROUNDUP" => (first.abs() * scale).ceil().copysign(first) / scale,
        "EVEN" => ((first.abs() / 2.0).ceil() * 2.0).copysign(first),
        "ODD" => (((first.abs() - 1.0) / 2.0).ceil().max(0.0) * 2.0 + 1.0).copysign(first),
        _ => return Err(Fault::Invalid),
    }))
}

fn of_dates(name: &str, values: &[Value]) -> Result<Value, Fault> {
    let Some(first) = date(&values[0])? else { return Ok(Value::Error) };
    let two = || -> Result<Option<Timestamp>, Fault> { values.get(1).map_or(Ok(None), date) };
    let zoned = first.to_zoned(TimeZone::UTC);
    let part = |part: i16| Ok(Value::Number(f64::from(part)));
    match name {
        "DATETIME_PARSE" => Ok(Value::Moment(first)),
        "DATESTR" => Ok(Value::Text(zoned.date().to_string())),
        "YEAR" => part(zoned.year()),
        "MONTH" => part(zoned.month().into()),
        "DAY" => part(zoned.day().into()),
        "HOUR" => part(zoned.hour().into()),
        "MINUTE" => part(zoned.minute().into()),
        "SECOND" => part(zoned.second().into()),
        "IS_AFTER" => Ok(two()?.map_or(Value::Error, |second| Value::Bool(first > second))),
        "IS_BEFORE" => Ok(two()?.map_or(Value::Error, |second| Value::Bool(first < second))),
        "IS_SAME" => {
            let Some(second) = two()? else { return Ok(Value::Error) };
            let Some(unit) = values.get(2) else { return Ok(Value::Bool(first == second)) };
            let begin = |at: Timestamp| -> Result<String, Fault> {
                let pattern = match text(unit)?.as_str() {
                    "year" | "years" => "%Y",
                    "month" | "months" => "%Y-%m",
                    "day" | "days" => "%Y-%m-%d",
                    "hour" | "hours" => "%Y-%m-%dT%H",
                    "minute" | "minutes" => "%Y-%m-%dT%H:%M",
                    "second" | "seconds" => "%Y-%m-%dT%H:%M:%S",
                    other => return Err(Fault::NotModelled(format!("the unit {other}"))),
                };
                Ok(at.strftime(pattern).to_string())
            };
            Ok(Value::Bool(begin(first)? == begin(second)?))
        }
        "DATEADD" => {
            let Some(count) = number(&values[1]) else { return Ok(Value::Error) };
            let count = count.trunc() as i64;
            let span = match text(&values[2])?.as_str() {
                "years" | "year" | "y" => Span::new().try_years(count),
                "months" | "month" | "M" => Span::new().try_months(count),
                "weeks" | "week" | "w" => Span::new().try_weeks(count),
                "days" | "day" | "d" => Span::new().try_days(count),
                "hours" | "hour" | "h" => Span::new().try_hours(count),
                "minutes" | "minute" | "m" => Span::new().try_minutes(count),
                "seconds" | "second" | "s" => Span::new().try_seconds(count),
                other => return Err(Fault::NotModelled(format!("the unit {other}"))),
            };
            let sum = span.and_then(|span| zoned.checked_add(span));
            Ok(sum.map_or(Value::Error, |sum: Zoned| Value::Moment(sum.timestamp())))
        }
        "DATETIME_DIFF" => {
            let Some(second) = two()? else { return Ok(Value::Error) };
            let unit = values.get(2).map_or(Ok("seconds".to_owned()), text)?;
            let seconds = first.as_second() - second.as_second();
            Ok(Value::Number(match unit.as_str() {
                "milliseconds" | "ms" => (first.as_millisecond() - second.as_millisecond()) as f64,
                "seconds" | "s" => seconds as f64,
                "minutes" | "m" => (seconds / 60) as f64,
                "hours" | "h" => (seconds / 3600) as f64,
                "days" | "d" => (seconds / 86400) as f64,
                "weeks" | "w" => (seconds / 604_800) as f64,
                other => return Err(Fault::NotModelled(format!("the unit {other}"))),
            }))
        }
        _ => Err(Fault::Invalid),
    }
}

/// A value as a moment. Text is read in the forms of ISO 8601; in others Airtable guesses, and this fake refuses.
fn date(value: &Value) -> Result<Option<Timestamp>, Fault> {
    match value {
        Value::Moment(at) => Ok(Some(*at)),
        Value::Text(text) => {
            if let Ok(at) = text.parse::<Timestamp>() {
                return Ok(Some(at));
            }
            // Without an offset it is a moment of UTC: pyairtable writes such ones.
            let local = if text.len() == 10 {
                text.parse::<civil::Date>().map(civil::DateTime::from).ok()
            } else {
                text.parse::<civil::DateTime>().ok().filter(|_| text.contains('T'))
            };
            match local.and_then(|local| local.to_zoned(TimeZone::UTC).ok()) {
                Some(at) => Ok(Some(at.timestamp())),
                None => Err(Fault::NotModelled(format!("the date {text}"))),
            }
        }
        _ => Ok(None),
    }
}

fn midnight(at: Timestamp) -> Value {
    at.to_zoned(TimeZone::UTC)
        .round(jiff::ZonedRound::new().smallest(Unit::Day).mode(jiff::RoundMode::Trunc))
        .map_or(Value::Error, |day| Value::Moment(day.timestamp()))
}
