//! Numbers.

use jsonata_core::value::JValue;

use super::call::{Call, Fault, Outcome, said, sorted, text};
use super::{Cost, Definition, define, eg};

pub(super) const ALL: [Definition; 11] = [
    define(
        "clamp(number: number, low: number, high: number) -> number",
        "The number, or the nearest bound if it is outside.",
        &[eg("$clamp(120, 0, 100)", "{}", "100")],
        Cost::Short(1),
        |call| Ok(JValue::Number(call.number(0).min(call.number(2)).max(call.number(1)))),
    ),
    define(
        "formatDecimal(number: number, places: number, thousands?: string, point?: string) -> string",
        "The number with exactly `places` decimals, groups of three parted by `thousands` (`,`) and `point` (`.`).",
        &[
            eg("$formatDecimal(1234567.891, 2)", "{}", r#""1,234,567.89""#),
            eg("$formatDecimal(1234.5, 2, '.', ',')", "{}", r#""1.234,50""#),
        ],
        Cost::Grows(400, 8),
        |call| {
            Ok(text(&decimal(
                call.number(0),
                call.whole(1, 0, 15)?,
                call.text_or(2, ","),
                call.text_or(3, "."),
            )?))
        },
    ),
    define(
        "formatPercent(ratio: number, places?: number) -> string",
        "A ratio as a percentage with `places` (0) decimals.",
        &[eg("$formatPercent(0.1234, 1)", "{}", r#""12.3%""#)],
        Cost::Grows(40, 8),
        |call| Ok(text(&(decimal(shifted(call.number(0), 2)?, call.whole(1, 0, 15)?, "", ".")? + "%"))),
    ),
    define(
        "fromMinorUnits(amount: number, currency: string) -> number",
        "An amount in a currency's smallest unit (cents) as one in its main unit.",
        &[
            eg("$fromMinorUnits(1999, 'EUR')", "{}", "19.99"),
            eg("$fromMinorUnits(1999, 'JPY')", "{}", "1999"),
        ],
        Cost::Short(1),
        |call| Ok(JValue::Number(shifted(call.number(0), -minor_places(call, 1)?)?)),
    ),
    define(
        "isNumeric(value: anything) -> boolean",
        "Whether the value is a number, or a string that `$number` reads as one.",
        &[eg("[$isNumeric('12.5'), $isNumeric('12 kg')]", "{}", "[true,false]")],
        Cost::Short(4),
        |call| {
            let numeric = match call.given(0) {
                Some(JValue::Number(_)) => true,
                Some(JValue::String(text)) => plain_number(text).is_some(),
                _ => false,
            };
            Ok(JValue::Bool(numeric))
        },
    ),
    define(
        "median(numbers: list) -> number",
        "The middle number, or the mean of the two middle ones; undefined for an empty list.",
        &[eg("$median([9, 1, 4, 2])", "{}", "3")],
        Cost::Short(20),
        |call| {
            let mut numbers = Vec::new();
            for item in call.list(0) {
                numbers.push(item.as_f64().map_or_else(|| call.wrong(0, "a list of numbers"), Ok)?);
            }
            let order = sorted(numbers.len(), &|a, b| numbers[a].total_cmp(&numbers[b]));
            let numbers: Vec<f64> = order.into_iter().map(|at| numbers[at]).collect();
            let middle = numbers.len() / 2;
            Ok(match (numbers.get(middle), numbers.get(middle.wrapping_sub(1))) {
                (Some(high), Some(low)) if numbers.len().is_multiple_of(2) => {
                    JValue::Number(f64::midpoint(*low, *high))
                }
                (Some(one), _) => JValue::Number(*one),
                _ => JValue::Undefined,
            })
        },
    ),
    define(
        "parseNumber(text: string, point?: string) -> number",
        "A number written for people: currency signs, `%` and separators of thousands are left out, and `point` (`.`) parts the decimals.",
        &[
            eg("$parseNumber('€ 1.234,56', ',')", "{}", "1234.56"),
            eg("$parseNumber('-1,234.5')", "{}", "-1234.5"),
        ],
        Cost::Short(8),
        parse_number,
    ),
    define(
        "percent(part: number, whole: number, places?: number) -> number",
        "How many percent `part` is of `whole`, rounded to `places` (2) decimals.",
        &[eg("$percent(1, 3)", "{}", "33.33")],
        Cost::Short(1),
        |call| Ok(JValue::Number(rounded(call.number(0) * 100.0 / call.number(1), call.whole(2, 2, 15)?)?)),
    ),
    define(
        "roundTo(number: number, places: number) -> number",
        "The number rounded to `places` decimals as it is written, a half away from zero (`$round` goes to the even one).",
        &[eg("[$roundTo(1.005, 2), $roundTo(-2.5, 0)]", "{}", "[1.01,-3]")],
        Cost::Short(1),
        |call| Ok(JValue::Number(rounded(call.number(0), call.whole(1, 0, 15)?)?)),
    ),
    define(
        "toBoolean(value: any) -> boolean",
        "What forms and tables call true and false: `yes`, `on`, `1`, `true`, and `no`, `off`, `0`, `false`, whatever their case.",
        &[eg("[$toBoolean('Yes'), $toBoolean(0)]", "{}", "[true,false]")],
        Cost::Short(60),
        |call| {
            let word = call.plain(&call.value(0))?.trim().to_lowercase();
            match word.as_str() {
                "true" | "yes" | "y" | "on" | "1" => Ok(JValue::Bool(true)),
                "false" | "no" | "n" | "off" | "0" | "" => Ok(JValue::Bool(false)),
                _ => call.wrong(0, "a word for true or false"),
            }
        },
    ),
    define(
        "toMinorUnits(amount: number, currency: string) -> number",
        "An amount as a whole number of its currency's smallest unit (cents).",
        &[eg("$toMinorUnits(19.99, 'EUR')", "{}", "1999"), eg("$toMinorUnits(1.5, 'KWD')", "{}", "1500")],
        Cost::Short(1),
        |call| Ok(JValue::Number(rounded(shifted(call.number(0), minor_places(call, 1)?)?, 0)?)),
    ),
];

/// The number times a power of ten, exact as far as its shortest notation goes.
fn shifted(number: f64, places: i32) -> Result<f64, Fault> {
    match format!("{number}e{places}").parse::<f64>() {
        Ok(shifted) if shifted.is_finite() => Ok(shifted),
        _ => said("the result is not a finite number"),
    }
}

fn rounded(number: f64, places: usize) -> Result<f64, Fault> {
    let places = i32::try_from(places).unwrap_or(0);
    // Over 2^53 there is nothing behind the point.
    if number.abs() >= 9e15 {
        return Ok(number);
    }
    shifted(shifted(number, places)?.round(), -places)
}

fn decimal(number: f64, places: usize, thousands: &str, point: &str) -> Result<String, Fault> {
    let number = rounded(number, places)?;
    let plain = format!("{:.places$}", number.abs());
    let (whole, decimals) = plain.split_once('.').unwrap_or((&plain, ""));
    let mut out = String::from(if number < 0.0 { "-" } else { "" });
    for (at, digit) in whole.char_indices() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push_str(thousands);
        }
        out.push(digit);
    }
    if places > 0 {
        out.push_str(point);
        out.push_str(decimals);
    }
    Ok(out)
}

/// How many decimals a currency's amounts have (ISO 4217).
fn minor_places(call: &Call, at: usize) -> Result<i32, Fault> {
    let code = call.text(at);
    if code.len() != 3 || !code.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return call.wrong(at, "an ISO 4217 code such as EUR");
    }
    let code = code.to_ascii_uppercase();
    Ok(if "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".contains(&code) {
        0
    } else if "BHD IQD JOD KWD LYD OMR TND".contains(&code) {
        3
    } else {
        2
    })
}

/// What JSON calls a number.
fn plain_number(text: &str) -> Option<f64> {
    serde_json::from_str::<serde_json::Number>(text).ok()?.as_f64()
}

fn parse_number(call: &Call) -> Outcome {
    let point = call.text_or(1, ".");
    if !matches!(point, "." | ",") {
        return call.wrong(1, "`.` or `,`");
    }
    let thousands = if point == "." { ',' } else { '.' };
    let bare = |char: char| char.is_whitespace() || "$€£¥₹₩₽₺₫¢%".contains(char);
    let mut written = call.text(0).trim_matches(bare);
    let negative = written.starts_with(['-', '\u{2212}']);
    written = written.trim_start_matches(['-', '\u{2212}', '+']).trim_start_matches(bare);
    let plain: String = written
        .chars()
        .filter(|char| *char != thousands && !char.is_whitespace() && !"'’_".contains(*char))
        .map(|char| if point.contains(char) { '.' } else { char })
        .collect();
    let digits = plain.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') && plain != ".";
    match plain.parse::<f64>() {
        Ok(number) if digits => Ok(JValue::Number(if negative { -number } else { number })),
        _ => said(format!("`{}` is not a number", crate::failure::cut(call.text(0), 40))),
    }
}
