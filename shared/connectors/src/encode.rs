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
    header.split(',').find_map(|link| {
        let (address, parameters) = link.split_once('>')?;
        let address = address.trim().strip_prefix('<')?;
        let is_next = parameters.split(';').any(|parameter| {
            let parameter = parameter.trim().to_ascii_lowercase();
            parameter.strip_prefix("rel=").is_some_and(|rel| rel.trim_matches('"').split(' ').any(|r| r == "next"))
        });
        is_next.then(|| address.to_owned())
    })
}
