//! What of the scope an expression refers to, for validation and for deciding which outputs travel on.

use std::collections::BTreeSet;

use crate::need::Need;

/// The names of the scope that an expression may read. Never too few.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct References {
    /// `trigger`
    pub trigger: bool,
    /// `vars`
    pub vars: bool,
    /// The names in `vars.<name>`.
    pub variables: BTreeSet<String>,
    /// `run`
    pub run: bool,
    /// `org`
    pub org: bool,
    /// `item` or `index`, the names inside loops.
    pub item: bool,
    /// `error`, the name inside `catch` and `on_failure`.
    pub error: bool,
    /// `callbacks`, the addresses by which steps that wait are answered.
    pub callbacks: bool,
    /// The ids in `steps.<id>`.
    pub steps: BTreeSet<String>,
    /// All of it may be read: `$$`, `*`, `steps` as a whole, a lookup by a computed name and the like.
    pub everything: bool,
    /// Top-level names that the scope does not have.
    pub unknown: BTreeSet<String>,
}

impl References {
    /// Adds all that `other` refers to.
    pub fn add(&mut self, other: &References) {
        self.trigger |= other.trigger;
        self.vars |= other.vars;
        self.variables.extend(other.variables.iter().cloned());
        self.run |= other.run;
        self.org |= other.org;
        self.item |= other.item;
        self.error |= other.error;
        self.callbacks |= other.callbacks;
        self.everything |= other.everything;
        self.steps.extend(other.steps.iter().cloned());
        self.unknown.extend(other.unknown.iter().cloned());
    }

    /// Whether the output of step `id` may be read.
    pub fn step(&self, id: &str) -> bool {
        self.everything || self.steps.contains(id)
    }

    pub(crate) fn of(need: &Need) -> References {
        let mut references = References { everything: need.whole, ..References::default() };
        for (name, field) in &need.fields {
            match name.as_str() {
                "trigger" => references.trigger = true,
                "vars" => {
                    references.vars = true;
                    references.variables.extend(field.fields.iter().map(|(name, _)| name.clone()));
                }
                "run" => references.run = true,
                "org" => references.org = true,
                "item" | "index" => references.item = true,
                "error" => references.error = true,
                "callbacks" => references.callbacks = true,
                "steps" => {
                    references.everything |= field.whole;
                    references.steps.extend(field.fields.iter().map(|(id, _)| id.clone()));
                }
                _ => {
                    references.unknown.insert(name.clone());
                }
            }
        }
        references
    }
}
