//! The scope on its way into the engine: only the needed parts, weighed.

use jsonata_core::value::{JValue, with_stack};
use serde_json::{Map, Value};

use crate::expression::Expression;
use crate::need::Need;

/// Weight of any value; a string and a key weigh their bytes on top. The unit of `cost`.
pub(crate) const NODE: u64 = 8;

/// The parts of `scope` that `expressions` may read: what has to travel to the guard.
pub fn pruned<'a>(scope: &Value, expressions: impl IntoIterator<Item = &'a Expression>) -> Value {
    let mut need = Need::default();
    for expression in expressions {
        need.add(expression.need());
    }
    prune(scope, &need)
}

/// How heavy the needed parts are; `None` over `max_nodes` values.
pub(crate) fn weigh(scope: &Value, need: &Need, max_nodes: usize) -> Option<u64> {
    let mut scales = Scales { nodes: max_nodes, weight: 0 };
    scales.put(scope, need)?;
    Some(scales.weight)
}

/// The needed parts as the engine's value.
pub(crate) fn convert(value: &Value, need: &Need) -> JValue {
    match value {
        Value::Object(fields) if !need.whole => with_stack(|| {
            let present = need.fields.iter().filter_map(|(name, need)| Some((name, fields.get(name)?, need)));
            JValue::object(present.map(|(name, value, need)| (name.clone(), convert(value, need))).collect())
        }),
        Value::Object(fields) => with_stack(|| {
            let mut map: Vec<(String, JValue)> =
                fields.iter().map(|(name, value)| (name.clone(), convert(value, need))).collect();
            // The engine marks its own tuples by a first key `@` and `__tuple__: true`. Data that looks like
            // one must not be taken for one: keep its fields, but not in that order.
            if map.len() > 1 && map[0].0 == "@" && fields.contains_key("__tuple__") {
                map.rotate_left(1);
            }
            JValue::object(map.into_iter().collect())
        }),
        Value::Array(items) => with_stack(|| {
            let flat = !items.iter().any(Value::is_array);
            let items = items.iter().map(|item| convert(item, need)).collect();
            JValue::Array(jsonata_core::value::JArray::new_flat(items, flat))
        }),
        Value::Null => JValue::Null,
        Value::Bool(b) => JValue::Bool(*b),
        Value::Number(n) => JValue::Number(n.as_f64().unwrap_or(f64::NAN)),
        Value::String(s) => JValue::string(s.as_str()),
    }
}

fn prune(value: &Value, need: &Need) -> Value {
    match value {
        _ if need.whole => value.clone(),
        Value::Object(fields) => with_stack(|| {
            let present = need.fields.iter().filter_map(|(name, need)| Some((name, fields.get(name)?, need)));
            Value::Object(
                present.map(|(name, value, need)| (name.clone(), prune(value, need))).collect::<Map<_, _>>(),
            )
        }),
        Value::Array(items) => {
            with_stack(|| Value::Array(items.iter().map(|item| prune(item, need)).collect()))
        }
        scalar => scalar.clone(),
    }
}

struct Scales {
    nodes: usize,
    weight: u64,
}

impl Scales {
    fn put(&mut self, value: &Value, need: &Need) -> Option<()> {
        self.nodes = self.nodes.checked_sub(1)?;
        self.weight += NODE;
        match value {
            Value::String(s) => self.weight += s.len() as u64,
            Value::Array(items) => with_stack(|| items.iter().try_for_each(|item| self.put(item, need)))?,
            Value::Object(fields) if need.whole => with_stack(|| {
                fields.iter().try_for_each(|(name, value)| {
                    self.weight += name.len() as u64;
                    self.put(value, need)
                })
            })?,
            Value::Object(fields) => with_stack(|| {
                need.fields.iter().try_for_each(|(name, need)| {
                    let Some(value) = fields.get(name) else {
                        return Some(());
                    };
                    self.weight += name.len() as u64;
                    self.put(value, need)
                })
            })?,
            _ => {}
        }
        Some(())
    }
}
