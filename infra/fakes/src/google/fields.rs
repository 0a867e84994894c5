//! `fields`: what of an answer is wanted, such as `spreadsheetId,sheets(properties(title))` or `sheets.properties`.

use serde_json::{Map, Value};

#[derive(Debug, Default, PartialEq)]
pub(crate) struct Mask {
    parts: Vec<(String, Mask)>,
}

/// Reads a mask; nothing, if it is none.
pub(crate) fn parse(text: &str) -> Option<Mask> {
    let (mask, rest) = parts(text)?;
    rest.is_empty().then_some(mask)
}

fn parts(mut text: &str) -> Option<(Mask, &str)> {
    let mut mask = Mask::default();
    loop {
        let end = text.find(|c: char| !(c.is_alphanumeric() || c == '*' || c == '_')).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        if name.is_empty() {
            return None;
        }
        let (inner, rest) = match rest.chars().next() {
            Some('.' | '/') => {
                // One way down: it ends where the next comma or bracket stands.
                let end = rest[1..].find([',', ')', '(']).map_or(rest.len(), |at| at + 1);
                let (path, mut after) = rest[1..].split_at(end - 1);
                let mut inner = Mask::default();
                if let Some(open) = after.strip_prefix('(') {
                    let (deeper, left) = parts(open)?;
                    inner = deeper;
                    after = left.strip_prefix(')')?;
                }
                for name in path.rsplit(['.', '/']) {
                    inner = Mask { parts: vec![(name.to_owned(), inner)] };
                }
                (inner, after)
            }
            Some('(') => {
                let (inner, rest) = parts(&rest[1..])?;
                (inner, rest.strip_prefix(')')?)
            }
            _ => (Mask::default(), rest),
        };
        mask.parts.push((name.to_owned(), inner));
        match rest.strip_prefix(',') {
            Some(more) => text = more,
            None => return Some((mask, rest)),
        }
    }
}

impl Mask {
    /// What is left of a value. A mask without parts leaves all.
    pub(crate) fn apply(&self, value: &Value) -> Value {
        if self.parts.is_empty() {
            return value.clone();
        }
        match value {
            Value::Array(items) => items.iter().map(|item| self.apply(item)).collect(),
            Value::Object(members) => {
                let mut left = Map::new();
                for (name, inner) in &self.parts {
                    for (key, member) in members.iter().filter(|(key, _)| name == "*" || name == *key) {
                        let wanted = inner.apply(member);
                        match (left.get_mut(key), wanted) {
                            (Some(Value::Object(there)), Value::Object(more)) => there.extend(more),
                            (_, wanted) => {
                                left.insert(key.clone(), wanted);
                            }
                        }
                    }
                }
                Value::Object(left)
            }
            other => other.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_wanted_is_left() {
        let whole = json!({"id": 1, "sheets": [{"properties": {"title": "a", "index": 0}, "x": 1}], "p": {"t": 1, "u": 2}});
        let left = |mask: &str| parse(mask).unwrap().apply(&whole);
        assert_eq!(left("id"), json!({"id": 1}));
        assert_eq!(
            left("sheets.properties"),
            json!({"sheets": [{"properties": {"title": "a", "index": 0}}]})
        );
        assert_eq!(left("sheets(properties(title))"), json!({"sheets": [{"properties": {"title": "a"}}]}));
        assert_eq!(
            left("sheets/properties/title,id"),
            json!({"sheets": [{"properties": {"title": "a"}}], "id": 1})
        );
        assert_eq!(left("sheets.properties(index)"), json!({"sheets": [{"properties": {"index": 0}}]}));
        assert_eq!(left("p.t,p.u"), json!({"p": {"t": 1, "u": 2}}));
        assert_eq!(left("*"), whole);
        for wrong in ["", "a,", "a(b", "a)", "a..b(", "a b"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
