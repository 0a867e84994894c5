//! What expressions can read while a run goes on, and what of it travels in a message.

use crate::{Live, Node, Plan};
use domain::Millis;
use domain::run::{BlobRef, Head, RunError};
use expr::References;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, VecDeque};

/// The scope of a strand's expressions, its place in loops, and its logical clock.
///
/// The clock is what `$now()` gives. It moves only with recorded effects and waits, so that a step computed a second time, on
/// whatever machine, gives the same bytes (protocol rule 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Context {
    #[serde(rename = "s")]
    scope: Value,
    #[serde(rename = "c")]
    pub clock: Millis,
    /// The iteration that each loop around the present step is in.
    #[serde(rename = "f", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) frames: BTreeMap<String, u32>,
    /// The failures that are raised again when the `finally` of these steps is over; on_failure's has the empty name.
    #[serde(rename = "x", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) raised: BTreeMap<String, RunError>,
    #[serde(rename = "l", default, skip_serializing_if = "Option::is_none")]
    pub(crate) lane: Option<Lane>,
    /// Outputs that are kept as objects, by the ids of their steps: fetched when something reads them.
    #[serde(rename = "z", default, skip_serializing_if = "BTreeMap::is_empty")]
    spilled: BTreeMap<String, BlobRef>,
}

/// What a step gave: the value, or where it is kept.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Value(Value),
    Spilled(BlobRef),
}

/// The items that one strand of a `for_each` step takes, one after the other: each `stride`-th.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lane {
    #[serde(rename = "n")]
    pub(crate) count: u32,
    #[serde(rename = "d")]
    pub(crate) stride: u32,
    /// The items that come after the present one.
    #[serde(rename = "q")]
    pub(crate) rest: VecDeque<Value>,
    /// What the items came to, while somebody collects it.
    #[serde(skip)]
    pub(crate) results: Option<Vec<(u32, Given)>>,
}

impl Context {
    /// The context of a run's first step.
    pub fn begin(head: &Head, input: Value) -> Self {
        let mut scope = json!({
            "trigger": null,
            "steps": {},
            "run": {
                "id": head.id.as_str(),
                "workflow": head.workflow.as_str(),
                "version": head.version,
                "started_at": head.started_at.rfc3339(),
            },
            "org": {"id": head.org.as_str()},
        });
        // Moved in: `json!` would copy it.
        scope["trigger"] = input;
        Self {
            scope,
            clock: head.started_at,
            frames: BTreeMap::new(),
            raised: BTreeMap::new(),
            lane: None,
            spilled: BTreeMap::new(),
        }
    }

    pub fn scope(&self) -> &Value {
        &self.scope
    }

    /// Which iteration of a loop this is, from 0.
    pub fn iteration(&self, id: &str) -> u32 {
        self.frames.get(id).copied().unwrap_or(0)
    }

    /// How many items the `for_each` step has whose strand this is; 0 outside.
    pub fn items_in_all(&self) -> u32 {
        self.lane.as_ref().map_or(0, |lane| lane.count)
    }

    /// Makes a step's output readable as `steps.<id>`.
    pub fn set(&mut self, id: &str, output: Value) {
        self.spilled.remove(id);
        if let Some(steps) = self.scope.get_mut("steps").and_then(Value::as_object_mut) {
            steps.insert(id.to_owned(), output);
        }
    }

    /// Says where a step's output is kept.
    pub fn set_spilled(&mut self, id: &str, blob: BlobRef) {
        if let Some(steps) = self.scope.get_mut("steps").and_then(Value::as_object_mut) {
            steps.swap_remove(id);
        }
        self.spilled.insert(id.to_owned(), blob);
    }

    /// Whether some outputs are named here instead of told.
    pub fn has_spilled(&self) -> bool {
        !self.spilled.is_empty()
    }

    /// The outputs that must be fetched before an expression with these references can be evaluated.
    pub fn spilled(&self, read: &References) -> Vec<(&str, &BlobRef)> {
        let wanted = self.spilled.iter().filter(|(id, _)| read.everything || read.steps.contains(*id));
        wanted.map(|(id, blob)| (id.as_str(), blob)).collect()
    }

    /// The scope with outputs that were fetched.
    pub fn scope_with(&self, fetched: Vec<(String, Value)>) -> Value {
        let mut scope = self.scope.clone();
        for (id, value) in fetched {
            scope["steps"][id] = value;
        }
        scope
    }

    /// The scope for people: where an output is kept as an object, its size stands in its place. `None` if there is none.
    pub(crate) fn spilled_as_notes(&self) -> Option<Value> {
        let notes =
            self.spilled.iter().map(|(id, blob)| (id.clone(), json!({"$large": {"bytes": blob.bytes}})));
        self.has_spilled().then(|| self.scope_with(notes.collect()))
    }

    /// What `steps.<id>` reads; null where nothing is.
    pub(crate) fn output(&self, id: &str) -> Given {
        match self.spilled.get(id) {
            Some(blob) => Given::Spilled(blob.clone()),
            None => Given::Value(self.scope["steps"].get(id).cloned().unwrap_or_default()),
        }
    }

    /// Makes a value readable under a name of its own: `item`, `index`, `error`.
    pub fn set_name(&mut self, name: &str, value: Value) {
        if let Some(scope) = self.scope.as_object_mut() {
            scope.insert(name.to_owned(), value);
        }
    }

    /// Forgets all that the steps of these ids left behind: the next iteration begins without it.
    pub(crate) fn forget(&mut self, ids: &[String]) {
        for id in ids {
            if let Some(steps) = self.scope.get_mut("steps").and_then(Value::as_object_mut) {
                // The order of what stays is of no account.
                steps.swap_remove(id);
            }
            self.spilled.remove(id);
            self.frames.remove(id);
            self.raised.remove(id);
        }
    }

    /// Drops what nothing further on can read.
    pub fn prune(&mut self, live: &Live) {
        if live.everything {
            return;
        }
        let Some(scope) = self.scope.as_object_mut() else { return };
        if !live.trigger {
            scope.insert("trigger".to_owned(), Value::Null);
        }
        if let Some(steps) = scope.get_mut("steps").and_then(Value::as_object_mut) {
            let kept: Map<String, Value> =
                std::mem::take(steps).into_iter().filter(|(id, _)| live.steps.contains(id)).collect();
            *steps = kept;
        }
        self.spilled.retain(|id, _| live.steps.contains(id));
    }
}

impl Node {
    /// The path of the step where a strand is now: `each[17].call`.
    pub fn instance(&self, context: &Context) -> String {
        self.instance_in(&context.frames)
    }

    pub(crate) fn instance_in(&self, frames: &BTreeMap<String, u32>) -> String {
        let mut path = String::with_capacity(self.path.len() + 6 * self.loops.len());
        let mut from = 0;
        for at in &self.loops {
            path.push_str(&self.path[from..at.end]);
            path.push('[');
            path.push_str(&frames.get(&at.id).copied().unwrap_or(0).to_string());
            path.push(']');
            from = at.end;
        }
        path.push_str(&self.path[from..]);
        path
    }
}

impl Plan {
    /// The step that a path names, whatever the iterations in it.
    pub fn by_instance(&self, path: &str) -> Option<crate::NodeIx> {
        self.by_path(&split_instance(path)?.0)
    }
}

/// A path without its iterations, and the iterations by the ids of their loops.
pub(crate) fn split_instance(path: &str) -> Option<(String, BTreeMap<String, u32>)> {
    let mut bare = String::with_capacity(path.len());
    let mut frames = BTreeMap::new();
    for segment in path.split('.') {
        let id = match segment.split_once('[') {
            None => segment,
            Some((id, rest)) => {
                frames.insert(id.to_owned(), rest.strip_suffix(']')?.parse().ok()?);
                id
            }
        };
        if !bare.is_empty() {
            bare.push('.');
        }
        bare.push_str(id);
    }
    Some((bare, frames))
}
