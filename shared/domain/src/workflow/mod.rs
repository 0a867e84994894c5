//! A workflow definition: what users write, read once into types.

mod concurrency;
mod gather;
mod parse;
pub mod schema;
mod step;
mod test;
mod trigger;
pub mod verify;

pub use concurrency::{Concurrency, WhenFull};
pub use gather::Gather;
pub use parse::parse;
pub use step::{
    Action, Approval, Arm, Code, Completion, FILE_ACTIONS, ForEach, HTTP_REQUEST, Language, OnError,
    OnTimeout, ParallelArm, Pause, Retry, Step, StepKind, StopAs, TYPES, is_built_in,
};
pub use test::{Expect, ExpectStep, Mock, Test};
pub use trigger::{AppTrigger, Challenge, FirstPoll, Poll, Trigger, TriggerKind};
pub use verify::Verify;

use crate::read;
use crate::run::Priority;
use serde_json::Value;
use std::collections::BTreeMap;
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
    /// What runs when a step has failed and nothing else dealt with it, before the run ends as failed.
    pub on_failure: Vec<Step>,
    /// The time limit of a run.
    pub timeout: Duration,
    /// Which queue carries its runs; `None` is interactive, or as the run that calls it.
    pub priority: Option<Priority>,
    /// Whose variables its expressions read.
    pub environment: String,
    /// How many of its runs may be under way at the same time.
    pub concurrency: Option<Concurrency>,
    /// The version of each connector that its steps are meant for; it is put in when the definition is saved.
    pub connectors: BTreeMap<String, u32>,
    /// The tests that it brings along.
    pub tests: Vec<Test>,
    /// The document as it was sent, which is what is stored and shown.
    pub document: Value,
}

impl Definition {
    pub fn trigger(&self, id: &str) -> Option<&Trigger> {
        self.triggers.iter().find(|t| t.id == id)
    }

    /// Every step, also those inside blocks.
    pub fn all_steps(&self) -> impl Iterator<Item = &Step> {
        let mut open: Vec<&Step> = self.steps.iter().chain(&self.on_failure).collect();
        std::iter::from_fn(move || {
            let step = open.pop()?;
            open.extend(step.blocks().into_iter().flatten());
            Some(step)
        })
    }

    /// Whether some step answers the webhook's caller itself.
    pub fn responds(&self) -> bool {
        fn any(steps: &[Step]) -> bool {
            steps
                .iter()
                .any(|s| matches!(s.kind, StepKind::Respond { .. }) || s.blocks().into_iter().any(any))
        }
        any(&self.steps) || any(&self.on_failure)
    }
}
