//! How values are written into addresses and forms.

use serde_json::{Map, Value};
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

/// A form in which `a[b][0]=c` stands for what is nested.
pub(crate) fn form(body: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    for (name, value) in body.as_object().into_iter().flatten() {
        flatten(name, value, &mut out);
    }
    out
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
        let written = form(&json!({"a": {"b": [1, {"c": true}]}, "none": null}));
        assert_eq!(Value::Object(written), json!({"a[b][0]": 1, "a[b][1][c]": true}));
        let written = query(json!({"ids": [1, 2], "range": {"gt": 5}}).as_object().unwrap().clone());
        assert_eq!(Value::Object(written), json!({"ids": [1, 2], "range[gt]": 5}));
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
