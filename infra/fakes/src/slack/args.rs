//! Arguments of a method: the query, and a form or JSON.

use super::Refused;
use crate::call::Call;
use crate::multipart;
use serde_json::{Map, Value};

/// Methods that read no JSON, whatever is sent.
const FORM_ONLY: [&str; 2] = ["files.getUploadURLExternal", "oauth.v2.access"];

#[derive(Debug, Default)]
pub(super) struct Args(pub(super) Map<String, Value>);

impl Args {
    pub(super) fn of(method: &str, call: &Call) -> Result<Self, Refused> {
        let mut map = Map::new();
        for (name, value) in call.query_pairs() {
            map.insert(name, value.into());
        }
        match call.content_type().as_str() {
            "application/json" if FORM_ONLY.contains(&method) => {}
            "application/json" if call.body.is_empty() => {}
            "application/json" => match call.json() {
                Ok(Value::Object(fields)) => map.extend(fields),
                Ok(_) => return Err(Refused::code("json_not_object")),
                Err(_) => return Err(Refused::code("invalid_json")),
            },
            "application/x-www-form-urlencoded" => {
                for (name, value) in call.form_pairs() {
                    map.insert(name, value.into());
                }
            }
            "multipart/form-data" => {
                let content_type = call.header("content-type").unwrap_or_default();
                let parts = multipart::parts(content_type, &call.body)
                    .ok_or_else(|| Refused::code("invalid_form_data"))?;
                for part in parts {
                    if let Some(name) = part.name {
                        map.insert(name, String::from_utf8_lossy(&part.bytes).into_owned().into());
                    }
                }
            }
            "" if call.body.is_empty() => {}
            _ if call.body.is_empty() => {}
            _ => return Err(Refused::code("invalid_post_type")),
        }
        map.retain(|_, value| !value.is_null());
        Ok(Self(map))
    }

    /// An argument as text: a form knows nothing else.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        match self.0.get(name)? {
            Value::String(text) => Some(text.clone()),
            other @ (Value::Number(_) | Value::Bool(_)) => Some(other.to_string()),
            _ => None,
        }
        .filter(|text| !text.is_empty())
    }

    pub(super) fn needed(&self, name: &str) -> Result<String, Refused> {
        self.text(name).ok_or_else(|| missing(name))
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        self.text(name).is_some_and(|text| text == "true" || text == "1")
    }

    /// An argument that is JSON, also where it arrives as text.
    pub(super) fn json(&self, name: &str) -> Result<Option<Value>, serde_json::Error> {
        match self.0.get(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => Ok(None),
            Some(Value::String(text)) => serde_json::from_str(text).map(Some),
            Some(value) => Ok(Some(value.clone())),
        }
    }

    /// Names with commas between them, or an array.
    pub(super) fn names(&self, name: &str) -> Vec<String> {
        if let Some(Value::Array(items)) = self.0.get(name) {
            return items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect();
        }
        let text = self.text(name).unwrap_or_default();
        text.split(',').map(|part| part.trim().to_owned()).filter(|part| !part.is_empty()).collect()
    }
}

pub(super) fn missing(name: &str) -> Refused {
    Refused::because("invalid_arguments", &format!("missing required field: {name}"))
}
