//! What expressions can read while a run goes on, and what of it travels in a message.

use crate::Live;
use domain::Millis;
use domain::run::Head;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// The scope of a run's expressions, and the run's logical clock.
///
/// The clock is what `$now()` gives. It moves only with recorded effects and waits, so that a step computed a second time, on
/// whatever machine, gives the same bytes (protocol rule 6).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Context {
    #[serde(rename = "s")]
    scope: Value,
    #[serde(rename = "c")]
    pub clock: Millis,
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
        Self { scope, clock: head.started_at }
    }

    pub fn scope(&self) -> &Value {
        &self.scope
    }

    /// Makes a step's output readable as `steps.<id>`.
    pub fn set(&mut self, id: &str, output: Value) {
        if let Some(steps) = self.scope.get_mut("steps").and_then(Value::as_object_mut) {
            steps.insert(id.to_owned(), output);
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
    }
}
