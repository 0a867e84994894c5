//! What tells whether a run is alive, without its journal's contents: a loop's may be far larger than the memory of whoever looks.

use super::{Journal, journal, partition};
use crate::attr::{self, Item, n, s};
use crate::{Store, StoreError};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::run::{Entry, Mark};
use domain::{Millis, OrgKey, RunId};

/// When a run was last heard of, and what it planned.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pulse {
    /// When something was last recorded.
    pub newest: Option<Millis>,
    /// Until when a planned attempt or a wait explains a silence.
    pub quiet_until: Millis,
    /// Whether steps go on beside one another: then nothing explains a silence, as one may wait for long while another's message
    /// got lost.
    pub forked: bool,
}

impl Pulse {
    fn beat(&mut self, at: Millis) {
        self.newest = self.newest.max(Some(at));
    }

    /// The pulse of what one item holds.
    fn of_entries(entries: &[Entry]) -> Self {
        let mut pulse = Self::default();
        for entry in entries {
            pulse.beat(entry.finished_at);
            match &entry.mark {
                Mark::Retrying { next_at: until, .. }
                | Mark::Waiting { until }
                | Mark::Awaiting { until }
                | Mark::Started { until, .. } => pulse.quiet_until = pulse.quiet_until.max(*until),
                Mark::Forked { .. } => pulse.forked = true,
                Mark::Succeeded(_)
                | Mark::Spilled(_)
                | Mark::Took(_)
                | Mark::Filtered(_)
                | Mark::Failed(_)
                | Mark::Stopped { .. } => {}
            }
        }
        pulse
    }

    /// The pulse of a journal that is at hand.
    pub fn of(journal: &Journal) -> Self {
        let mut pulse = Self::of_entries(&journal.entries);
        journal.claims.iter().for_each(|claim| pulse.beat(claim.since));
        pulse
    }

    fn join(&mut self, other: Self) {
        self.newest = self.newest.max(other.newest);
        self.quiet_until = self.quiet_until.max(other.quiet_until);
        self.forked |= other.forked;
    }
}

/// Puts into a segment's item what tells its pulse.
pub(super) fn write(item: &mut Item, entries: &[Entry]) {
    let pulse = Pulse::of_entries(entries);
    if let Some(newest) = pulse.newest {
        item.insert("t".into(), n(newest.0));
    }
    if pulse.quiet_until != Millis::default() {
        item.insert("q".into(), n(pulse.quiet_until.0));
    }
    if pulse.forked {
        item.insert("k".into(), AttributeValue::Bool(true));
    }
}

/// `None` for an item of an earlier version, which does not tell.
fn read(item: &Item) -> Option<Pulse> {
    let newest = attr::optional_number(item, "t").or_else(|| attr::optional_number(item, "cs"))?;
    Some(Pulse {
        newest: Some(Millis(newest)),
        quiet_until: Millis(attr::optional_number(item, "q").unwrap_or(0)),
        forked: attr::flag(item, "k"),
    })
}

impl Store {
    pub(super) async fn read_pulse(&self, org: &OrgKey, run: &RunId) -> Result<Pulse, StoreError> {
        let (first, last) = journal::bounds();
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.runs)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", s(partition(org, run)))
            .expression_attribute_values(":first", s(first))
            .expression_attribute_values(":last", s(last))
            .projection_expression("sk, t, q, k, cs")
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut pulse = Pulse::default();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StoreError::of("pulse", &e))?;
            match read(&item) {
                Some(more) => pulse.join(more),
                None => {
                    if let Some(item) = self.get_run_item(org, run, attr::text(&item, "sk")?).await? {
                        pulse.join(Pulse::of_entries(&journal::entries(&item)?));
                    }
                }
            }
        }
        Ok(pulse)
    }
}
