//! A workflow definition: what users write, read once into types.

mod parse;
mod read;
mod step;
mod trigger;

pub use parse::parse;
pub use step::{Action, Arm, HTTP_REQUEST, OnError, Pause, Retry, Step, StepKind, StopAs};
pub use trigger::{Trigger, TriggerKind};

use serde_json::Value;
use std::time::Duration;

/// The version of the definition language that this code reads.
pub const SCHEMA: u64 = 1;

/// A workflow definition whose shape is known to be right. Expressions in it are still text; `engine::Plan` compiles them.
#[derive(Debug, Clone, PartialEq)]
pub struct Definition {
    pub name: String,
    pub description: Option<String>,
    pub triggers: Vec<Trigger>,
    pub steps: Vec<Step>,
    /// The time limit of a run.
    pub timeout: Duration,
    /// The document as it was sent, which is what is stored and shown.
    pub document: Value,
}

impl Definition {
    pub fn trigger(&self, id: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|t| t.id == id)
    }

    /// Whether some step answers the webhook's caller itself.
    pub fn responds(&self) -> bool {
        fn any(steps: &[Step]) -> bool {
            steps.iter().any(|s| match &s.kind {
                StepKind::Respond { .. } => true,
                StepKind::Branch { arms, otherwise } => arms.iter().any(|a| any(&a.steps)) || any(otherwise),
                StepKind::Map { .. }
                | StepKind::Action(_)
                | StepKind::Wait { .. }
                | StepKind::Stop { .. } => false,
            })
        }
        any(&self.steps)
    }
}
