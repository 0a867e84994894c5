//! Lists. A `key` is a path in each item, such as `id` or `address.city`.

use std::cmp::Ordering;

use jsonata_core::value::{JMap, JValue, with_stack};

use super::call::{Call, Fault, MANY, Outcome, fields, find, list, object, said, sorted};
use super::{Cost, Definition, define, eg};

const ROWS: &str = r#"{"rows": [{"id": 1, "c": "x"}, {"id": 2, "c": "y"}, {"id": 3, "c": "x"}]}"#;

pub(super) const ALL: [Definition; 21] = [
    define(
        "chunk(list: list, size: number) -> list",
        "The list cut into lists of `size` items, the last with what is left.",
        &[eg("$chunk([1, 2, 3, 4, 5], 2)", "{}", "[[1,2],[3,4],[5]]")],
        Cost::Grows(3, 8),
        |call| {
            let size = call.whole(1, 1, MANY)?;
            if size == 0 {
                return call.wrong(1, "at least 1");
            }
            Ok(list(&mut call.list(0).chunks(size).map(|part| JValue::array(part.to_vec()))))
        },
    ),
    define(
        "compact(value: any) -> any",
        "A list or an object without null, empty strings, empty lists and empty objects.",
        &[
            eg("$compact([1, null, '', 0, []])", "{}", "[1,0]"),
            eg("$compact({'a': 1, 'b': null})", "{}", r#"{"a":1}"#),
        ],
        Cost::Grows(2, 8),
        |call| {
            Ok(match call.value(0) {
                JValue::Array(items) => list(&mut items.iter().filter(|item| !is_empty(item)).cloned()),
                JValue::Object(fields) => {
                    self::fields(&mut fields.iter().filter(|(_, value)| !is_empty(value)))
                }
                other => other,
            })
        },
    ),
    define(
        "countBy(list: list, key: string) -> object",
        "How many items have each value at `key`; items without one are left out.",
        &[eg("$countBy(rows, 'c')", ROWS, r#"{"x":2,"y":1}"#)],
        Cost::Grows(6, 60),
        |call| {
            let mut out = JMap::default();
            for (key, items) in &groups(call)? {
                out.insert(key.clone(), JValue::Number(items.as_array().map_or(0, Vec::len) as f64));
            }
            Ok(object(out))
        },
    ),
    define(
        "difference(list: list, other: list, key?: string) -> list",
        "The items of the first list that are not in the other, compared as a whole or at `key`.",
        &[eg("$difference([1, 2, 3], [2])", "{}", "[1,3]")],
        Cost::Grows(2, 60),
        |call| compared(call, false),
    ),
    define(
        "drop(list: list, count: number) -> list",
        "The list without its first `count` items.",
        &[eg("$drop([1, 2, 3], 2)", "{}", "[3]")],
        Cost::Grows(2, 4),
        |call| Ok(list(&mut call.list(0).iter().skip(call.whole(1, 0, MANY)?).cloned())),
    ),
    define(
        "first(list: list) -> any",
        "The first item; undefined for an empty list.",
        &[eg("$first([1, 2, 3])", "{}", "1")],
        Cost::Grows(1, 1),
        |call| Ok(call.list(0).first().cloned().unwrap_or(JValue::Undefined)),
    ),
    define(
        "flatten(list: list, depth?: number) -> list",
        "The list with lists inside it opened up, to `depth` levels if that is given.",
        &[
            eg("$flatten([1, [2, [3, 4]]])", "{}", "[1,2,3,4]"),
            eg("$flatten([1, [2, [3]]], 1)", "{}", "[1,2,[3]]"),
        ],
        Cost::Grows(2, 16),
        |call| {
            let mut out = Vec::new();
            flatten(call, call.list(0), call.whole(1, MANY, MANY)?, &mut out)?;
            Ok(JValue::array(out))
        },
    ),
    define(
        "groupBy(list: list, key: string) -> object",
        "Lists of the items by their value at `key`; items without one are left out.",
        &[eg("$groupBy(rows, 'c').x.id", ROWS, "[1,3]")],
        Cost::Grows(4, 60),
        |call| Ok(object(groups(call)?)),
    ),
    define(
        "indexBy(list: list, key: string) -> object",
        "The items by their value at `key`, the last of equal ones; items without one are left out.",
        &[eg("$indexBy(rows, 'id').'2'.c", ROWS, r#""y""#)],
        Cost::Grows(4, 60),
        |call| {
            let mut out = JMap::default();
            for item in call.list(0) {
                if let Some(key) = key(call, item)? {
                    out.insert(key, item.clone());
                }
            }
            Ok(object(out))
        },
    ),
    define(
        "intersection(list: list, other: list, key?: string) -> list",
        "The items of the first list that are in the other too, compared as a whole or at `key`.",
        &[eg("$intersection([1, 2, 3], [3, 2])", "{}", "[2,3]")],
        Cost::Grows(2, 60),
        |call| compared(call, true),
    ),
    define(
        "joinBy(list: list, other: list, key: string) -> list",
        "Each object of the first list with the fields of the other's object of the same value at `key` added.",
        &[eg(
            "$joinBy(rows, names, 'id')",
            r#"{"rows": [{"id": 1, "n": 5}, {"id": 2}], "names": [{"id": 1, "name": "Ada"}]}"#,
            r#"[{"id":1,"n":5,"name":"Ada"},{"id":2}]"#,
        )],
        Cost::Product,
        join_by,
    ),
    define(
        "last(list: list) -> any",
        "The last item; undefined for an empty list.",
        &[eg("$last([1, 2, 3])", "{}", "3")],
        Cost::Grows(1, 1),
        |call| Ok(call.list(0).last().cloned().unwrap_or(JValue::Undefined)),
    ),
    define(
        "maxBy(list: list, key: string) -> any",
        "The item with the highest value at `key`, the first of equal ones; undefined if none has one.",
        &[eg("$maxBy(rows, 'id').c", ROWS, r#""x""#)],
        Cost::Grows(1, 16),
        |call| extreme(call, Ordering::Greater),
    ),
    define(
        "minBy(list: list, key: string) -> any",
        "The item with the lowest value at `key`, the first of equal ones; undefined if none has one.",
        &[eg("$minBy(rows, 'id').c", ROWS, r#""x""#)],
        Cost::Grows(1, 16),
        |call| extreme(call, Ordering::Less),
    ),
    define(
        "pluck(list: list, key: string) -> list",
        "The items' values at `key`, null where there is none: as many as there are items.",
        &[eg("$pluck([{'a': 1}, {}, {'a': [2]}], 'a')", "{}", "[1,null,[2]]")],
        Cost::Grows(2, 8),
        |call| {
            let path = call.path(1)?;
            let value = |item| find(item, path).cloned().unwrap_or(JValue::Null);
            Ok(list(&mut call.list(0).iter().map(value)))
        },
    ),
    define(
        "sortBy(list: list, key: string, order?: string) -> list",
        "The items by their value at `key`: numbers, then strings, then what has neither; equal ones keep their order; `order` is `asc` or `desc`.",
        &[eg("$sortBy(rows, 'id', 'desc').id", ROWS, "[3,2,1]")],
        Cost::Grows(2, 80),
        |call| {
            let order = call.text_or(2, "asc");
            if !matches!(order, "asc" | "desc") {
                return call.wrong(2, "`asc` or `desc`");
            }
            let path = call.path(1)?;
            let items = call.list(0);
            let keys: Vec<Option<&JValue>> = items.iter().map(|item| find(item, path)).collect();
            let order = sorted(items.len(), &|a, b| {
                let (a, b) = (keys[a], keys[b]);
                let by_value = if order == "asc" { by_value(a, b) } else { by_value(b, a) };
                // What has no key stays last in either order.
                rank(a).cmp(&rank(b)).then(by_value)
            });
            Ok(list(&mut order.into_iter().map(|at| items[at].clone())))
        },
    ),
    define(
        "sumBy(list: list, key: string) -> number",
        "The sum of the items' numbers at `key`; items without one count as 0.",
        &[eg("$sumBy(rows, 'id')", ROWS, "6")],
        Cost::Short(8),
        |call| Ok(JValue::Number(numbers(call)?.iter().sum())),
    ),
    define(
        "take(list: list, count: number) -> list",
        "The first `count` items.",
        &[eg("$take([1, 2, 3], 2)", "{}", "[1,2]")],
        Cost::Grows(2, 4),
        |call| Ok(list(&mut call.list(0).iter().take(call.whole(1, 0, MANY)?).cloned())),
    ),
    define(
        "union(list: list, other: list) -> list",
        "The items of both lists, each once.",
        &[eg("$union([1, 2], [2, 3])", "{}", "[1,2,3]")],
        Cost::Grows(2, 60),
        |call| {
            let mut seen = identities(call, 0)?;
            for (key, item) in &identities(call, 1)? {
                if !seen.contains_key(key) {
                    seen.insert(key.clone(), item.clone());
                }
            }
            Ok(list(&mut seen.iter().map(|(_, item)| item.clone())))
        },
    ),
    define(
        "unique(list: list, key?: string) -> list",
        "Each item once, the first of those that are equal, or equal at `key`.",
        &[eg("$unique([1, 2, 1, '1'])", "{}", r#"[1,2,"1"]"#), eg("$unique(rows, 'c').id", ROWS, "[1,2]")],
        Cost::Grows(2, 60),
        |call| {
            let mut seen = JMap::default();
            for item in call.list(0) {
                let key = compared_by(call, item, 1)?;
                if !seen.contains_key(&key) {
                    seen.insert(key, item.clone());
                }
            }
            Ok(list(&mut seen.iter().map(|(_, item)| item.clone())))
        },
    ),
    define(
        "zipObject(names: list, values: list) -> object",
        "An object of the names and the values at the same positions; null where there is no value.",
        &[eg("$zipObject(['a', 'b'], [1, 2])", "{}", r#"{"a":1,"b":2}"#)],
        Cost::Grows(3, 30),
        |call| {
            let values = call.list(1);
            let mut out = JMap::default();
            for (at, name) in call.texts(0)?.into_iter().enumerate() {
                out.insert(name.to_owned(), values.get(at).cloned().unwrap_or(JValue::Null));
            }
            Ok(object(out))
        },
    ),
];

pub(super) fn is_empty(value: &JValue) -> bool {
    match value {
        JValue::Undefined | JValue::Null => true,
        JValue::String(text) => text.is_empty(),
        JValue::Array(items) => items.is_empty(),
        JValue::Object(fields) => fields.is_empty(),
        _ => false,
    }
}

/// The numbers at the key of argument 1.
fn numbers(call: &Call) -> Result<Vec<f64>, Fault> {
    let mut numbers = Vec::new();
    for item in call.list(0) {
        match find(item, call.path(1)?) {
            None | Some(JValue::Null | JValue::Undefined) => {}
            Some(JValue::Number(number)) => numbers.push(*number),
            Some(_) => {
                return said(format!(
                    "an item's `{}` is not a number",
                    crate::failure::cut(call.text(1), 40)
                ));
            }
        }
    }
    Ok(numbers)
}

/// The value at the key of argument 1 as the name of a field.
fn key(call: &Call, item: &JValue) -> Result<Option<String>, Fault> {
    match find(item, call.path(1)?) {
        None | Some(JValue::Undefined | JValue::Null) => Ok(None),
        Some(value) => call.plain(value).map(Some),
    }
}

fn groups(call: &Call) -> Result<JMap, Fault> {
    let mut groups = JMap::default();
    for item in call.list(0) {
        let Some(key) = key(call, item)? else { continue };
        match groups.get_mut(&key) {
            Some(JValue::Array(items)) => items.make_mut().push(item.clone()),
            _ => {
                groups.insert(key, JValue::array(vec![item.clone()]));
            }
        }
    }
    Ok(groups)
}

/// What tells an item from others: all of it, or its value at the key of argument `at`.
fn compared_by(call: &Call, item: &JValue, at: usize) -> Result<String, Fault> {
    match call.given(at) {
        Some(_) => call.identity(find(item, call.path(at)?).unwrap_or(&JValue::Undefined)),
        None => call.identity(item),
    }
}

fn identities(call: &Call, at: usize) -> Result<JMap, Fault> {
    let mut seen = JMap::default();
    for item in call.list(at) {
        let key = call.identity(item)?;
        if !seen.contains_key(&key) {
            seen.insert(key, item.clone());
        }
    }
    Ok(seen)
}

fn compared(call: &Call, keep: bool) -> Outcome {
    let mut others = JMap::default();
    for item in call.list(1) {
        others.insert(compared_by(call, item, 2)?, JValue::Null);
    }
    let mut out = Vec::new();
    for item in call.list(0) {
        if others.contains_key(&compared_by(call, item, 2)?) == keep {
            out.push(item.clone());
        }
    }
    Ok(JValue::array(out))
}

fn flatten(call: &Call, items: &[JValue], depth: usize, out: &mut Vec<JValue>) -> Result<(), Fault> {
    with_stack(|| {
        for item in items {
            call.step()?;
            match item {
                JValue::Array(inner) if depth > 0 => flatten(call, inner, depth - 1, out)?,
                other => out.push(other.clone()),
            }
        }
        Ok(())
    })
}

fn join_by(call: &Call) -> Outcome {
    let mut others = JMap::default();
    for other in call.list(1) {
        let JValue::Object(_) = other else { return call.wrong(1, "a list of objects") };
        if let Some(value) = find(other, call.path(2)?) {
            others.insert(call.identity(value)?, other.clone());
        }
    }
    let mut out = Vec::new();
    for item in call.list(0) {
        let JValue::Object(fields) = item else { return call.wrong(0, "a list of objects") };
        let key = find(item, call.path(2)?).map(|value| call.identity(value)).transpose()?;
        let mut joined = (**fields).clone();
        if let Some(JValue::Object(other)) = key.and_then(|key| others.get(&key)) {
            for (name, value) in other.iter() {
                call.step()?;
                if !joined.contains_key(name) {
                    joined.insert(name.clone(), value.clone());
                }
            }
        }
        out.push(object(joined));
    }
    Ok(JValue::array(out))
}

/// Kinds in the order in which they sort.
fn rank(value: Option<&JValue>) -> u8 {
    match value {
        Some(JValue::Number(_)) => 0,
        Some(JValue::String(_)) => 1,
        Some(JValue::Bool(_)) => 2,
        _ => 3,
    }
}

fn by_value(a: Option<&JValue>, b: Option<&JValue>) -> Ordering {
    match (a, b) {
        (Some(JValue::Number(a)), Some(JValue::Number(b))) => a.total_cmp(b),
        (Some(JValue::String(a)), Some(JValue::String(b))) => a.cmp(b),
        (Some(JValue::Bool(a)), Some(JValue::Bool(b))) => a.cmp(b),
        _ => Ordering::Equal,
    }
}

fn extreme(call: &Call, wanted: Ordering) -> Outcome {
    let mut best: Option<(&JValue, &JValue)> = None;
    for item in call.list(0) {
        let Some(value) = find(item, call.path(1)?).filter(|value| rank(Some(value)) < 3) else { continue };
        let beats = best.is_none_or(|(so_far, _)| {
            rank(Some(value)).cmp(&rank(Some(so_far))).then_with(|| by_value(Some(value), Some(so_far)))
                == wanted
        });
        if beats {
            best = Some((value, item));
        }
    }
    Ok(best.map_or(JValue::Undefined, |(_, item)| item.clone()))
}
