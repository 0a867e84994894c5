//! The values of properties, as they are given and as they are shown.

use super::{Answer, LONGEST_ARRAY, LONGEST_TEXT, invalid};
use serde_json::{Value, json};

/// A property's value as it is shown, out of what was given.
pub(super) fn shown(name: &str, kind: &str, given: &Value) -> Answer {
    let wrong = || {
        invalid(&format!("body failed validation: body.properties.{name}.{kind} is not what it should be."))
    };
    Ok(match kind {
        "title" | "rich_text" => rich_texts(given)?,
        "number" if given.is_number() || given.is_null() => given.clone(),
        "checkbox" if given.is_boolean() => given.clone(),
        "url" if given.is_string() || given.is_null() => given.clone(),
        "date" if given.is_null() => Value::Null,
        "date" if given["start"].is_string() => {
            json!({ "start": given["start"], "end": given["end"], "time_zone": given["time_zone"] })
        }
        "select" if given.is_null() => Value::Null,
        "select" => choice(given).ok_or_else(wrong)?,
        "multi_select" => {
            let items = given.as_array().ok_or_else(wrong)?;
            items.iter().map(choice).collect::<Option<Vec<_>>>().ok_or_else(wrong)?.into()
        }
        _ => return Err(wrong()),
    })
}

fn choice(given: &Value) -> Option<Value> {
    let name = given["name"].as_str().filter(|name| !name.is_empty() && !name.contains(','))?;
    Some(json!({ "id": format!("opt-{name}"), "name": name, "color": "default" }))
}

pub(super) fn rich(text: &str) -> Value {
    json!([{
        "type": "text", "text": { "content": text, "link": null }, "plain_text": text, "href": null,
        "annotations": { "bold": false, "italic": false, "strikethrough": false, "underline": false, "code": false, "color": "default" }
    }])
}

pub(super) fn rich_texts(given: &Value) -> Answer {
    let items =
        given.as_array().ok_or_else(|| invalid("body failed validation: rich text should be an array."))?;
    if items.len() > LONGEST_ARRAY {
        return Err(invalid("body failed validation: rich text should have length ≤ `100`."));
    }
    let mut all = Vec::new();
    for item in items {
        let text = item["text"]["content"].as_str();
        let text = text.ok_or_else(|| invalid("body failed validation: text.content should be a string."))?;
        if text.chars().count() > LONGEST_TEXT {
            return Err(invalid(&format!(
                "body failed validation: text.content.length should be ≤ `2000`, instead was `{}`.",
                text.chars().count()
            )));
        }
        all.push(rich(text)[0].clone());
    }
    Ok(all.into())
}
