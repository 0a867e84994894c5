//! Objects. A path names fields and positions, parted by dots: `items.0.id`.

use jsonata_core::value::{JMap, JValue, with_stack};

use super::call::{Call, Fault, Outcome, fields, find, list, object, said, text};
use super::{Cost, Definition, define, eg};

/// A path may name so many steps.
const MAX_PARTS: usize = 64;

pub(super) const ALL: [Definition; 17] = [
    define(
        "defaults(object: object, others?: object) -> object",
        "The object with the fields of `others` that it does not have, or has as null.",
        &[eg("$defaults({'a': 1, 'b': null}, {'a': 9, 'b': 2})", "{}", r#"{"a":1,"b":2}"#)],
        Cost::Grows(2, 16),
        |call| {
            if call.given(1).is_none() {
                return Ok(call.value(0));
            }
            let mut out = call.object(0)?.clone();
            for (name, value) in call.object(1)? {
                if out.get(name).is_none_or(|had| had.is_null() || had.is_undefined()) {
                    out.insert(name.clone(), value.clone());
                }
            }
            Ok(object(out))
        },
    ),
    define(
        "flattenKeys(object: object) -> object",
        "One object for nested ones, each name being the path of its value.",
        &[eg("$flattenKeys({'a': {'b': 1}, 'c': [2]})", "{}", r#"{"a.b":1,"c.0":2}"#)],
        Cost::Guarded,
        |call| {
            let mut out = JMap::default();
            flatten_keys(call, "", &call.value(0), &mut out)?;
            Ok(object(out))
        },
    ),
    define(
        "fromEntries(entries: list) -> object",
        "An object of `{key, value}` objects or `[key, value]` lists.",
        &[eg("$fromEntries([{'key': 'a', 'value': 1}, ['b', 2]])", "{}", r#"{"a":1,"b":2}"#)],
        Cost::Grows(3, 60),
        |call| {
            let mut out = JMap::default();
            for entry in call.list(0) {
                let (key, value) = match entry {
                    JValue::Object(fields) => (fields.get("key"), fields.get("value")),
                    JValue::Array(pair) => (pair.first(), pair.get(1)),
                    _ => (None, None),
                };
                let Some(key) = key else { return call.wrong(0, "a list of {key, value} or [key, value]") };
                out.insert(call.plain(key)?, value.cloned().unwrap_or(JValue::Null));
            }
            Ok(object(out))
        },
    ),
    define(
        "getPath(value: anything, path: string, default?: any) -> any",
        "What is at the path, or `default` if there is nothing or null.",
        &[
            eg("$getPath(order, 'lines.0.sku')", r#"{"order": {"lines": [{"sku": "A1"}]}}"#, r#""A1""#),
            eg("$getPath(order, 'note.text', 'none')", r#"{"order": {}}"#, r#""none""#),
        ],
        Cost::Grows(2, 4),
        |call| {
            let path = call.path(1)?;
            let found = call.given(0).and_then(|value| find(value, path));
            Ok(match found {
                None | Some(JValue::Null | JValue::Undefined) if call.given(2).is_some() => call.value(2),
                found => found.cloned().unwrap_or(JValue::Undefined),
            })
        },
    ),
    define(
        "hasPath(value: anything, path: string) -> boolean",
        "Whether there is something at the path, null included.",
        &[eg("$hasPath({'a': {'b': null}}, 'a.b')", "{}", "true")],
        Cost::Short(4),
        |call| {
            let path = call.path(1)?;
            Ok(JValue::Bool(call.given(0).and_then(|value| find(value, path)).is_some()))
        },
    ),
    define(
        "invert(object: object) -> object",
        "An object of the values as names and the names as values.",
        &[eg("$invert({'a': 'x', 'b': 'y'})", "{}", r#"{"x":"a","y":"b"}"#)],
        Cost::Grows(4, 60),
        |call| {
            let mut out = JMap::default();
            for (name, value) in call.object(0)? {
                out.insert(call.plain(value)?, text(name));
            }
            Ok(object(out))
        },
    ),
    define(
        "isEmpty(value: anything) -> boolean",
        "Whether the value is undefined, null, or an empty string, list or object.",
        &[eg("[$isEmpty(missing), $isEmpty({}), $isEmpty(0)]", "{}", "[true,true,false]")],
        Cost::Short(1),
        |call| Ok(JValue::Bool(call.given(0).is_none_or(super::list::is_empty))),
    ),
    define(
        "keysToCamel(value: any) -> any",
        "The value with the names of all its objects as `camelCase`.",
        &[eg(
            "$keysToCamel({'order_id': 1, 'lines': [{'unit_price': 2}]})",
            "{}",
            r#"{"orderId":1,"lines":[{"unitPrice":2}]}"#,
        )],
        Cost::Grows(4, 60),
        |call| renamed(call, &call.value(0), super::text::camel),
    ),
    define(
        "keysToSnake(value: any) -> any",
        "The value with the names of all its objects as `snake_case`.",
        &[eg("$keysToSnake({'orderId': 1})", "{}", r#"{"order_id":1}"#)],
        Cost::Grows(4, 60),
        |call| renamed(call, &call.value(0), super::text::snake),
    ),
    define(
        "mergeDeep(object: object, changes?: object) -> object",
        "The object with `changes` put over it, objects inside it too; lists are replaced.",
        &[eg("$mergeDeep({'a': {'b': 1, 'c': 2}}, {'a': {'c': 3}})", "{}", r#"{"a":{"b":1,"c":3}}"#)],
        Cost::Grows(2, 24),
        |call| {
            if call.given(1).is_none() {
                Ok(call.value(0))
            } else {
                merged(call, call.value(0), &call.value(1))
            }
        },
    ),
    define(
        "omit(object: object, names: list) -> object",
        "The object without the fields of those names.",
        &[eg("$omit({'a': 1, 'b': 2}, ['a'])", "{}", r#"{"b":2}"#)],
        Cost::Grows(2, 30),
        |call| {
            let mut dropped = JMap::default();
            for name in call.texts(1)? {
                dropped.insert(name.to_owned(), JValue::Null);
            }
            let mut kept = call.object(0)?.iter().filter(|(name, _)| !dropped.contains_key(*name));
            Ok(fields(&mut kept))
        },
    ),
    define(
        "pick(object: object, names: list) -> object",
        "The object with the fields of those names only.",
        &[eg("$pick({'a': 1, 'b': 2}, ['b', 'c'])", "{}", r#"{"b":2}"#)],
        Cost::Grows(2, 16),
        |call| {
            let (from, mut out) = (call.object(0)?, JMap::default());
            for name in call.texts(1)? {
                if let Some(value) = from.get(name) {
                    out.insert(name.to_owned(), value.clone());
                }
            }
            Ok(object(out))
        },
    ),
    define(
        "renameKeys(object: object, names: object) -> object",
        "The object with its fields renamed from the names of `names` to their values.",
        &[eg(
            "$renameKeys({'fn': 'Ada', 'id': 7}, {'fn': 'firstName'})",
            "{}",
            r#"{"firstName":"Ada","id":7}"#,
        )],
        Cost::Product,
        |call| {
            let (names, mut out) = (call.object(1)?, JMap::default());
            for (name, value) in call.object(0)? {
                let new = match names.get(name) {
                    None => name.clone(),
                    Some(JValue::String(new)) => new.to_string(),
                    Some(_) => return call.wrong(1, "an object of strings"),
                };
                out.insert(new, value.clone());
            }
            Ok(object(out))
        },
    ),
    define(
        "setPath(value: anything, path: string, new: anything) -> any",
        "The value with `new` at the path: objects on the way are made, a list grows at its end only, and an undefined `new` changes nothing.",
        &[eg("$setPath({'a': {'b': 1}}, 'a.c.d', 2)", "{}", r#"{"a":{"b":1,"c":{"d":2}}}"#)],
        Cost::Grows(3, 16),
        |call| {
            let parts: Vec<&str> = call.text(1).split('.').take(MAX_PARTS + 1).collect();
            if parts.len() > MAX_PARTS {
                return call.wrong(1, "a path of at most 64 parts");
            }
            call.given(2).map_or_else(|| Ok(call.value(0)), |new| put(Some(call.value(0)), &parts, new))
        },
    ),
    define(
        "toEntries(object: object) -> list",
        "The fields as `{key, value}` objects.",
        &[eg("$toEntries({'a': 1})", "{}", r#"[{"key":"a","value":1}]"#)],
        Cost::Grows(6, 40),
        |call| {
            let entry = |(name, value): (&String, &JValue)| {
                let mut entry = JMap::default();
                entry.insert("key".to_owned(), text(name));
                entry.insert("value".to_owned(), value.clone());
                object(entry)
            };
            Ok(list(&mut call.object(0)?.iter().map(entry)))
        },
    ),
    define(
        "unflattenKeys(object: object) -> object",
        "Nested objects from names that are paths.",
        &[eg("$unflattenKeys({'a.b': 1, 'a.c': 2})", "{}", r#"{"a":{"b":1,"c":2}}"#)],
        Cost::Guarded,
        |call| {
            let mut out = object(JMap::default());
            for (path, value) in call.object(0)? {
                let parts: Vec<&str> = path.split('.').take(MAX_PARTS + 1).collect();
                if parts.len() > MAX_PARTS {
                    return call.wrong(0, "an object whose names have at most 64 parts");
                }
                out = put(Some(out), &parts, value)?;
            }
            Ok(out)
        },
    ),
    define(
        "values(object: object) -> list",
        "The values of the fields.",
        &[eg("$values({'a': 1, 'b': [2]})", "{}", "[1,[2]]")],
        Cost::Grows(2, 8),
        |call| Ok(list(&mut call.object(0)?.iter().map(|(_, value)| value.clone()))),
    ),
];

fn flatten_keys(call: &Call, path: &str, value: &JValue, out: &mut JMap) -> Result<(), Fault> {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    call.step()?;
    // Long paths of deep values add up: no longer than a path may be.
    if path.len() > 4_096 {
        return Err(Fault::TooLarge);
    }
    with_stack(|| match value {
        JValue::Object(fields) if !fields.is_empty() => {
            fields.iter().try_for_each(|(name, value)| flatten_keys(call, &under(name), value, out))
        }
        JValue::Array(items) if !items.is_empty() => items
            .iter()
            .enumerate()
            .try_for_each(|(at, value)| flatten_keys(call, &under(&at.to_string()), value, out)),
        _ => {
            out.insert(path.to_owned(), value.clone());
            Ok(())
        }
    })
}

fn renamed(call: &Call, value: &JValue, rename: fn(&str) -> String) -> Outcome {
    call.step()?;
    Ok(match value {
        JValue::Object(fields) => with_stack(|| {
            let mut out = JMap::default();
            for (name, value) in fields.iter() {
                let new = rename(name);
                out.insert(if new.is_empty() { name.clone() } else { new }, renamed(call, value, rename)?);
            }
            Ok(object(out))
        })?,
        JValue::Array(items) => with_stack(|| {
            let mut out = Vec::new();
            for item in items {
                out.push(renamed(call, item, rename)?);
            }
            Ok(JValue::array(out))
        })?,
        other => other.clone(),
    })
}

fn merged(call: &Call, base: JValue, changes: &JValue) -> Outcome {
    call.step()?;
    let (JValue::Object(fields), JValue::Object(changes)) = (base, changes) else {
        return Ok(changes.clone());
    };
    with_stack(|| {
        let mut out = (*fields).clone();
        for (name, change) in changes.iter() {
            let had = out.get(name).cloned().unwrap_or(JValue::Undefined);
            out.insert(name.clone(), merged(call, had, change)?);
        }
        Ok(object(out))
    })
}

fn put(value: Option<JValue>, parts: &[&str], new: &JValue) -> Outcome {
    let [part, rest @ ..] = parts else { return Ok(new.clone()) };
    match value {
        None | Some(JValue::Null | JValue::Undefined) => {
            let mut fields = JMap::default();
            fields.insert((*part).to_owned(), put(None, rest, new)?);
            Ok(object(fields))
        }
        Some(JValue::Object(mut fields)) => {
            let fields = std::rc::Rc::make_mut(&mut fields);
            let had = fields.get(*part).cloned();
            fields.insert((*part).to_owned(), put(had, rest, new)?);
            Ok(object(std::mem::take(fields)))
        }
        Some(JValue::Array(items)) => {
            let mut items = items.into_vec();
            match part.parse::<usize>() {
                Ok(at) if at < items.len() => items[at] = put(Some(items[at].clone()), rest, new)?,
                Ok(at) if at == items.len() => items.push(put(None, rest, new)?),
                _ => return said(format!("a list has no position `{}`", crate::failure::cut(part, 40))),
            }
            Ok(JValue::array(items))
        }
        Some(_) => said(format!(
            "`{}` would be inside a value that is no object or list",
            crate::failure::cut(part, 40)
        )),
    }
}
