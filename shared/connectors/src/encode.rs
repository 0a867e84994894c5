//! How values are written into addresses and forms.

use crate::manifest::Style;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use url::form_urlencoded::byte_serialize;

/// One segment of a path: nothing in it can end it.
pub(crate) fn segment(text: &str) -> String {
    // What forms write as `+` is `%20` in a path.
    byte_serialize(text.as_bytes()).map(|part| if part == "+" { "%20" } else { part }).collect()
}

/// A query of names and texts; lists repeat their name, objects are written as `a[b]`.
pub(crate) fn query(fields: Map<String, Value>) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in fields {
        match value {
            Value::Null => {}
            Value::Object(_) => flatten(&name, &value, &mut out),
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                flatten(&name, &Value::Array(items), &mut out);
            }
            value => {
                out.insert(name, value);
            }
        }
    }
    out
}

/// A form in which `a[b][0]=c` stands for what is nested, unless `styles` says otherwise.
pub(crate) fn form(body: &Value, styles: &BTreeMap<String, Style>) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        styled(name, value, styles.get(name).copied().unwrap_or(Style::Brackets), &mut out);
    }
    out
}

/// The parts of a form that can have files. What `styles` does not name stays as it is: whoever sends knows files from JSON.
pub(crate) fn parts(body: Value, styles: &BTreeMap<String, Style>) -> Map<String, Value> {
    let Value::Object(fields) = body else { return Map::new() };
    let mut out = Map::new();
    for (name, value) in fields {
        match styles.get(&name) {
            Some(style) => styled(&name, &value, *style, &mut out),
            None if value.is_null() => {}
            None => {
                out.insert(name, value);
            }
        }
    }
    out
}

/// Puts a value under its name, or under the names that its style makes of it.
pub(crate) fn styled(name: &str, value: &Value, style: Style, out: &mut Map<String, Value>) {
    match (style, value) {
        (_, Value::Null) => {}
        (Style::Brackets, _) => flatten(name, value, out),
        (Style::Repeat, Value::Object(fields)) => {
            for (name, value) in fields.iter().filter(|(_, value)| !value.is_null()) {
                out.insert(name.clone(), text(value).into());
            }
        }
        (Style::Repeat, Value::Array(items)) => {
            let items = items.iter().filter(|item| !item.is_null());
            out.insert(name.to_owned(), items.map(|item| Value::from(text(item))).collect());
        }
        _ => {
            out.insert(name.to_owned(), joined(value, style).into());
        }
    }
}

/// A value as one text: lists and objects with what their style puts between.
pub(crate) fn joined(value: &Value, style: Style) -> String {
    let between = match style {
        Style::Json => return value.to_string(),
        Style::Space => " ",
        Style::Pipe => "|",
        Style::Comma | Style::Repeat | Style::Brackets => ",",
    };
    let parts: Vec<String> = match value {
        Value::Array(items) => items.iter().map(text).collect(),
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| [name.clone(), text(value)]).collect()
        }
        value => return text(value),
    };
    parts.join(between)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn flatten(name: &str, value: &Value, out: &mut Map<String, Value>) {
    match value {
        Value::Null => {}
        Value::Object(fields) => {
            for (inner, value) in fields {
                flatten(&format!("{name}[{inner}]"), value, out);
            }
        }
        Value::Array(items) => {
            for (i, value) in items.iter().enumerate() {
                flatten(&format!("{name}[{i}]"), value, out);
            }
        }
        value => {
            out.insert(name.to_owned(), value.clone());
        }
    }
}

/// The address with `rel="next"` in a `link` header (RFC 8288).
pub(crate) fn next_link(header: &str) -> Option<String> {
    let mut rest = header;
    while let Some((_, link)) = rest.split_once('<') {
        let (address, after) = link.split_once('>')?;
        // What follows up to the next address; an address may have commas of its own.
        let parameters =
            after.split_once('<').map_or(after, |(parameters, _)| parameters).to_ascii_lowercase();
        rest = after;
        let is = |name: &str, wanted: &str| {
            parameters.split([';', ',']).filter_map(|parameter| parameter.trim().split_once('=')).any(
                |(n, value)| n == name && value.trim_matches('"').split(' ').any(|value| value == wanted),
            )
        };
        // Some apps name a next part always, and say so if there is nothing in it.
        if is("rel", "next") && !is("results", "false") {
            return Some(address.to_owned());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_segment_cannot_be_left() {
        assert_eq!(segment("a/b?c#d e%2F..ä"), "a%2Fb%3Fc%23d%20e%252F..%C3%A4");
    }

    #[test]
    fn what_is_nested_is_written_with_brackets() {
        let written = form(&json!({"a": {"b": [1, {"c": true}]}, "none": null}), &BTreeMap::new());
        assert_eq!(Value::Object(written), json!({"a[b][0]": 1, "a[b][1][c]": true}));
        let written = query(json!({"ids": [1, 2], "range": {"gt": 5}}).as_object().unwrap().clone());
        assert_eq!(Value::Object(written), json!({"ids": [1, 2], "range[gt]": 5}));
    }

    #[test]
    fn a_style_says_how_lists_and_objects_are_written() {
        let written = |value: Value, style| {
            let mut out = Map::new();
            styled("a", &value, style, &mut out);
            Value::Object(out)
        };
        let list = || json!([1, "b,c", {"d": 2}]);
        assert_eq!(written(list(), Style::Repeat), json!({"a": ["1", "b,c", "{\"d\":2}"]}));
        assert_eq!(written(json!([1, 2]), Style::Comma), json!({"a": "1,2"}));
        assert_eq!(written(json!([1, 2]), Style::Space), json!({"a": "1 2"}));
        assert_eq!(written(json!([1, 2]), Style::Pipe), json!({"a": "1|2"}));
        assert_eq!(written(list(), Style::Brackets), json!({"a[0]": 1, "a[1]": "b,c", "a[2][d]": 2}));
        assert_eq!(written(list(), Style::Json), json!({"a": "[1,\"b,c\",{\"d\":2}]"}));
        let object = || json!({"x": 1, "y": null});
        assert_eq!(written(object(), Style::Repeat), json!({"x": "1"}));
        assert_eq!(written(json!({"x": 1, "y": 2}), Style::Comma), json!({"a": "x,1,y,2"}));
        assert_eq!(written(Value::Null, Style::Json), json!({}));
        let styles = BTreeMap::from([("tags".to_owned(), Style::Repeat)]);
        let body = json!({"tags": [1], "file": {"id": "f"}, "none": null});
        assert_eq!(Value::Object(parts(body, &styles)), json!({"tags": ["1"], "file": {"id": "f"}}));
    }

    #[test]
    fn the_next_part_is_found_among_links() {
        let header =
            r#"<https://a.example/?p=1>; rel="prev", <https://a.example/?p=3>; rel="next"; results="true""#;
        assert_eq!(next_link(header).as_deref(), Some("https://a.example/?p=3"));
        assert_eq!(next_link(r#"<https://a.example/?p=3>; rel="next"; results="false""#), None);
        assert_eq!(next_link("<>"), None);
        let commas =
            r#"<https://a.example/?ids=1,2&p=1>; rel="first", <https://a.example/?ids=1,2&p=2>; rel="next""#;
        assert_eq!(next_link(commas).as_deref(), Some("https://a.example/?ids=1,2&p=2"));
    }
}
