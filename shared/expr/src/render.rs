//! Rendering a template: in place what may run in place, the rest from results that the caller brings.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::expression::Expression;
use crate::failure::EvalFailure;
use crate::limits::Limits;
use crate::output::{Refusal, Room, append_text};
use crate::seed::Seed;
use crate::template::{Node, Part, Template};

/// An expression that the guard has to evaluate before the template can be rendered.
#[derive(Debug, Clone, Copy)]
pub struct Pending<'a> {
    /// The key of its result in [`GuardedResults`].
    pub index: usize,
    /// Where it stands in the template.
    pub pointer: &'a str,
    /// The expression.
    pub expression: &'a Expression,
    /// Its own seed, derived from the template's.
    pub seed: Seed,
}

/// Results from the guard by [`Pending::index`]; `None` is JSONata's undefined.
pub type GuardedResults = BTreeMap<usize, Option<Value>>;

impl Template {
    /// Renders what needs no guard; for anything else the failure [`EvalFailure::needs_guard`].
    pub fn render_in_place(&self, scope: &Value, seed: &Seed, limits: &Limits) -> Result<Value, EvalFailure> {
        self.render_with(scope, seed, limits, &GuardedResults::new())
    }

    /// The expressions that the guard has to evaluate for this scope: the guarded ones, and those that may cost
    /// too much here.
    pub fn pending(&self, scope: &Value, seed: &Seed, limits: &Limits) -> Vec<Pending<'_>> {
        let mut budget = limits.max_in_place_cost;
        let slots = self.slots.iter().enumerate();
        slots
            .filter(|(_, slot)| slot.expression.charge(scope, limits, &mut budget).is_err())
            .map(|(index, slot)| Pending {
                index,
                pointer: &slot.pointer,
                expression: &slot.expression,
                seed: seed.derive(&slot.pointer, index),
            })
            .collect()
    }

    /// Renders with the results of [`Template::pending`].
    pub fn render_with(
        &self,
        scope: &Value,
        seed: &Seed,
        limits: &Limits,
        guarded_results: &GuardedResults,
    ) -> Result<Value, EvalFailure> {
        let mut rendering = Rendering {
            template: self,
            scope,
            seed,
            limits,
            guarded_results,
            budget: limits.max_in_place_cost,
            room: Room::new(limits),
        };
        Ok(rendering.node(&self.root)?.unwrap_or(Value::Null))
    }
}

struct Rendering<'a> {
    template: &'a Template,
    scope: &'a Value,
    seed: &'a Seed,
    limits: &'a Limits,
    guarded_results: &'a GuardedResults,
    budget: u64,
    room: Room,
}

impl Rendering<'_> {
    /// `None` is undefined.
    fn node(&mut self, node: &Node) -> Result<Option<Value>, EvalFailure> {
        Ok(Some(match node {
            Node::Constant(value) => value.clone(),
            Node::Whole(slot) => return self.slot(*slot),
            Node::Text(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part {
                        Part::Literal(literal) => text.push_str(literal),
                        Part::Slot(slot) => append_text(&mut text, self.slot(*slot)?.as_ref()),
                    }
                }
                Value::String(text)
            }
            Node::Array(nodes) => {
                let mut items = Vec::with_capacity(nodes.len());
                for node in nodes {
                    items.push(self.node(node)?.unwrap_or(Value::Null));
                }
                Value::Array(items)
            }
            Node::Object(fields) => {
                let mut map = Map::with_capacity(fields.len());
                for (name, node) in fields {
                    if let Some(value) = self.node(node)? {
                        map.insert(name.clone(), value);
                    }
                }
                Value::Object(map)
            }
        }))
    }

    fn slot(&mut self, index: usize) -> Result<Option<Value>, EvalFailure> {
        let slot = &self.template.slots[index];
        let refused = |(code, message): Refusal| EvalFailure::new(code, message, slot.expression.source());
        let result = match self.guarded_results.get(&index) {
            Some(None) => Ok(None),
            Some(Some(value)) => self.room.copy(value).map(Some).map_err(refused),
            None => {
                let seed = self.seed.derive(&slot.pointer, index);
                slot.expression.evaluate_within(
                    self.scope,
                    &seed,
                    self.limits,
                    &mut self.budget,
                    &mut self.room,
                )
            }
        };
        result.map_err(|failure| failure.at(&slot.pointer))
    }
}
