//! Filters and sorts of a query. A condition that is not known here is refused, never guessed.

use super::{invalid, unmodelled};
use crate::call::Call;
use axum::response::Response;
use serde_json::Value;
use std::cmp::Ordering;

#[derive(Debug)]
pub(super) enum Fault {
    Invalid(String),
    NotModelled(String),
}

impl Fault {
    pub(super) fn said(&self, call: &Call) -> Response {
        match self {
            Self::Invalid(message) => invalid(message),
            Self::NotModelled(what) => unmodelled(call, what),
        }
    }
}

pub(super) fn filter(pages: &mut Vec<Value>, schema: &Value, filter: &Value) -> Result<(), Fault> {
    if filter.is_null() {
        return Ok(());
    }
    let mut kept = Vec::new();
    for page in pages.drain(..) {
        if holds(&page, schema, filter, 0)? {
            kept.push(page);
        }
    }
    *pages = kept;
    Ok(())
}

fn holds(page: &Value, schema: &Value, filter: &Value, depth: u32) -> Result<bool, Fault> {
    for (word, all) in [("and", true), ("or", false)] {
        if let Some(parts) = filter[word].as_array() {
            if depth > 2 {
                return Err(Fault::Invalid("Filters are nested two levels deep at most.".to_owned()));
            }
            let parts: Vec<bool> =
                parts.iter().map(|part| holds(page, schema, part, depth + 1)).collect::<Result<_, _>>()?;
            return Ok(if all { parts.iter().all(|part| *part) } else { parts.iter().any(|part| *part) });
        }
    }
    let Some(name) = filter["property"].as_str() else {
        return Err(Fault::NotModelled("this filter".to_owned()));
    };
    let properties = schema.as_object().into_iter().flatten();
    let found = properties.into_iter().find(|(own, property)| *own == name || property["id"] == name);
    let Some((own, property)) = found else {
        return Err(Fault::Invalid(format!("Could not find property with name or id: {name}")));
    };
    let kind = property["type"].as_str().unwrap_or_default();
    let condition = filter[kind].as_object().and_then(|map| map.iter().next());
    let Some((operator, wanted)) = condition else {
        return Err(Fault::Invalid(format!("database property {name} does not match filter: it is {kind}.")));
    };
    compare(kind, &page["properties"][own][kind], operator, wanted)
}

fn compare(kind: &str, value: &Value, operator: &str, wanted: &Value) -> Result<bool, Fault> {
    let text = plain(kind, value);
    let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let said = wanted.as_str().unwrap_or_default();
    Ok(match (kind, operator) {
        (_, "is_empty") => empty,
        (_, "is_not_empty") => !empty,
        ("checkbox", "equals") => value == wanted,
        ("checkbox", "does_not_equal") => value != wanted,
        ("number", _) => {
            let order = value.as_f64().zip(wanted.as_f64()).and_then(|(a, b)| a.partial_cmp(&b));
            match operator {
                "equals" => order == Some(Ordering::Equal),
                "does_not_equal" => order != Some(Ordering::Equal),
                "greater_than" => order == Some(Ordering::Greater),
                "less_than" => order == Some(Ordering::Less),
                "greater_than_or_equal_to" => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
                "less_than_or_equal_to" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                _ => return Err(Fault::NotModelled(format!("the condition `{operator}`"))),
            }
        }
        ("multi_select", "contains") => has(value, said),
        ("multi_select", "does_not_contain") => !has(value, said),
        ("title" | "rich_text" | "url" | "select", "equals") => text == said,
        ("title" | "rich_text" | "url" | "select", "does_not_equal") => text != said,
        ("title" | "rich_text" | "url", "contains") => text.to_lowercase().contains(&said.to_lowercase()),
        ("title" | "rich_text" | "url", "does_not_contain") => {
            !text.to_lowercase().contains(&said.to_lowercase())
        }
        ("title" | "rich_text" | "url", "starts_with") => {
            text.to_lowercase().starts_with(&said.to_lowercase())
        }
        ("title" | "rich_text" | "url", "ends_with") => text.to_lowercase().ends_with(&said.to_lowercase()),
        _ => return Err(Fault::NotModelled(format!("the condition `{operator}` of {kind}"))),
    })
}

fn has(value: &Value, name: &str) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(|item| item["name"] == name))
}

fn plain(kind: &str, value: &Value) -> String {
    match kind {
        "title" | "rich_text" => {
            value.as_array().into_iter().flatten().filter_map(|item| item["plain_text"].as_str()).collect()
        }
        "select" => value["name"].as_str().unwrap_or_default().to_owned(),
        "date" => value["start"].as_str().unwrap_or_default().to_owned(),
        _ => value.as_str().unwrap_or_default().to_owned(),
    }
}

pub(super) fn sort(pages: &mut [Value], sorts: &Value) -> Result<(), Fault> {
    // The last one first: each keeps the order of those it finds equal.
    for sort in sorts.as_array().into_iter().flatten().rev() {
        let descending = match sort["direction"].as_str() {
            Some("ascending") | None => false,
            Some("descending") => true,
            Some(_) => {
                return Err(Fault::Invalid(
                    "body failed validation: direction should be `\"ascending\"` or `\"descending\"`."
                        .to_owned(),
                ));
            }
        };
        let key = |page: &Value| -> (f64, String) {
            if let Some(time) = sort["timestamp"].as_str() {
                return (0.0, page[time].as_str().unwrap_or_default().to_owned());
            }
            let property = &page["properties"][sort["property"].as_str().unwrap_or_default()];
            let kind = property["type"].as_str().unwrap_or_default();
            let value = &property[kind];
            (value.as_f64().unwrap_or_else(|| f64::from(u8::from(value == true))), plain(kind, value))
        };
        if let Some(name) = sort["property"].as_str()
            && pages.iter().any(|page| page["properties"].get(name).is_none())
        {
            return Err(Fault::Invalid(format!("Could not find sort property with name or id: {name}")));
        }
        pages.sort_by(|a, b| {
            let (a, b) = (key(a), key(b));
            let order = a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1));
            if descending { order.reverse() } else { order }
        });
    }
    Ok(())
}
