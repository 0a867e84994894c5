//! What must be looked at, and when: minute buckets, sharded (protocol rule 17).

use crate::attr::{self, Item, n, s};
use crate::{DueStore, Store, StoreError};
use async_trait::async_trait;
use domain::run::Priority;
use domain::{ConnectionId, Millis, OrgId, OrgKey, Provenance, RunId, WorkflowId, limits};
use std::time::Duration;
use tracing::warn;

/// How many shards a minute has.
pub const SHARDS: u8 = 16;
const MINUTE: i64 = 60_000;
const LOW: &str = "low";
/// A missed minute must still be there when it is caught up.
const KEPT: Duration = Duration::from_hours(336);

/// Why a run is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DueKind {
    /// Is it still alive, and within its time limit? Every live run has one of these.
    Check,
    /// A wait or a planned attempt is over.
    Wake,
    /// A schedule's time has come.
    Schedule,
    /// An app is to be asked for records.
    Poll,
    /// What an app was asked to tell is to be looked after.
    Subscription,
    /// Is an organisation still being erased?
    Erasure,
    /// Must a connection still be made anew? Then whoever agreed to it last is told.
    Reconnect,
}

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueEntry {
    pub org: OrgKey,
    pub run: RunId,
    /// The strand that waits; empty for the main one, and for checks. For what is about a trigger, its workflow and that; else the connection.
    pub strand: String,
    pub kind: DueKind,
    pub at: Millis,
    /// The time that a schedule's entry stands for, if it was put off.
    pub of: Option<Millis>,
    /// Of the run, for whoever sends its message without a look at it.
    pub priority: Priority,
}

impl DueEntry {
    /// Nothing is put any sooner: a tick may be reading the minute that is not over yet.
    pub const SOONEST: Duration = Duration::from_mins(1);

    /// To tell that a connection must be made anew. All that find it within a minute make the same entry.
    pub fn told_of(org: &OrgKey, connection: &ConnectionId, now: Millis) -> Self {
        Self {
            org: org.clone(),
            run: RunId::derive(org.org(), "reconnect", connection.as_str()),
            strand: connection.to_string(),
            kind: DueKind::Reconnect,
            at: now.plus(Self::SOONEST),
            of: None,
            priority: Priority::default(),
        }
    }

    /// The time that the entry stands for.
    pub fn time(&self) -> Millis {
        self.of.unwrap_or(self.at)
    }

    /// The minute since the epoch in which the entry falls due.
    pub fn minute(&self) -> i64 {
        self.at.0.div_euclid(MINUTE)
    }

    /// The part of the minute in which it is kept.
    pub fn shard(&self) -> u8 {
        let name = self.run.as_str().bytes().chain(self.strand.bytes());
        (name.fold(7u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b))) % u32::from(SHARDS)) as u8
    }

    fn pk(&self) -> String {
        bucket(self.minute(), self.shard())
    }

    fn sk(&self) -> String {
        let key = format!("{}#{}#{}", self.org.org(), self.run, self.kind.as_str());
        if self.strand.is_empty() { key } else { format!("{key}#{}", self.strand) }
    }
}

impl DueKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Wake => "wake",
            Self::Schedule => "schedule",
            Self::Poll => "poll",
            Self::Subscription => "subscription",
            Self::Erasure => "erasure",
            Self::Reconnect => "reconnect",
        }
    }
}

/// How far the timer has come in each shard; `None` before its first tick.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LowWater {
    /// The first minute that was not looked at after it was over.
    pub over: [Option<i64>; SHARDS as usize],
    /// The first minute whose waits were not looked for ahead of time.
    pub ahead: [Option<i64>; SHARDS as usize],
}

/// How a minute is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Everything that was written before is there.
    Strong,
    /// What was written within the last second may be missing; costs half. For a look that a strong one follows.
    Eventual,
}

#[async_trait]
impl DueStore for Store {
    async fn put_due(&self, entry: &DueEntry) -> Result<(), StoreError> {
        let mut item = Item::from([
            ("pk".into(), s(entry.pk())),
            ("sk".into(), s(entry.sk())),
            ("at".into(), n(entry.at.0)),
            ("ttl".into(), n(entry.at.plus(KEPT).seconds_up())),
        ]);
        if let Some(of) = entry.of {
            item.insert("of".into(), n(of.0));
        }
        if !entry.priority.is_usual() {
            item.insert("pr".into(), s(entry.priority.as_str()));
        }
        self.client
            .put_item()
            .table_name(&self.tables.due)
            .set_item(Some(item))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("put_due", &e))
    }

    async fn delete_due(&self, entry: &DueEntry) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.tables.due)
            .key("pk", s(entry.pk()))
            .key("sk", s(entry.sk()))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("delete_due", &e))
    }

    async fn due_in(&self, minute: i64, shard: u8, reading: Reading) -> Result<Vec<DueEntry>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.due)
            .key_condition_expression("pk = :pk")
            .expression_attribute_values(":pk", s(bucket(minute, shard)))
            .consistent_read(reading == Reading::Strong)
            .into_paginator()
            .items()
            .send();
        let mut entries = Vec::new();
        while let Some(item) = pages.next().await {
            entries.extend(readable(&item.map_err(|e| StoreError::of("due_in", &e))?));
        }
        Ok(entries)
    }

    async fn all_due(&self) -> Result<Vec<DueEntry>, StoreError> {
        let mut pages = self
            .client
            .scan()
            .table_name(&self.tables.due)
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut entries = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StoreError::of("all_due", &e))?;
            if attr::text(&item, "pk")? != LOW {
                entries.extend(readable(&item));
            }
        }
        Ok(entries)
    }

    async fn is_being_erased(&self, org: &OrgKey) -> Result<bool, StoreError> {
        self.is_erasure_marked(org).await
    }

    async fn low_water(&self) -> Result<LowWater, StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.tables.due)
            .key("pk", s(LOW))
            .key("sk", s(LOW))
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| StoreError::of("low_water", &e))?;
        let mut low = LowWater::default();
        if let Some(item) = got.item {
            for shard in 0..usize::from(SHARDS) {
                low.over[shard] = attr::optional_number(&item, &format!("s{shard}"));
                low.ahead[shard] = attr::optional_number(&item, &format!("a{shard}"));
            }
        }
        Ok(low)
    }

    async fn set_low_water(&self, low: &LowWater) -> Result<(), StoreError> {
        let mut item = Item::from([("pk".to_owned(), s(LOW)), ("sk".to_owned(), s(LOW))]);
        for (letter, minutes) in [('s', &low.over), ('a', &low.ahead)] {
            for (shard, minute) in minutes.iter().enumerate() {
                if let Some(minute) = minute {
                    item.insert(format!("{letter}{shard}"), n(minute));
                }
            }
        }
        self.client
            .put_item()
            .table_name(&self.tables.due)
            .set_item(Some(item))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("set_low_water", &e))
    }
}

impl LowWater {
    /// Every shard looked at up to this minute, and none ahead.
    pub fn up_to(minute: i64) -> Self {
        Self { over: [Some(minute); SHARDS as usize], ahead: [None; SHARDS as usize] }
    }

    /// Whether an entry is still to be looked at.
    pub fn is_before(&self, entry: &DueEntry) -> bool {
        self.over[usize::from(entry.shard())].is_none_or(|minute| entry.minute() >= minute)
    }
}

impl DueEntry {
    /// A time of a schedule trigger.
    pub fn schedule(org: &OrgKey, workflow: &WorkflowId, trigger: &str, at: Millis) -> Self {
        Self::of_trigger(DueKind::Schedule, org, workflow, trigger, at)
    }

    /// A time at which a poll trigger asks.
    pub fn poll(org: &OrgKey, workflow: &WorkflowId, trigger: &str, at: Millis) -> Self {
        Self::of_trigger(DueKind::Poll, org, workflow, trigger, at)
    }

    /// A time at which what an app was asked to tell is looked after.
    pub fn subscription(org: &OrgKey, workflow: &WorkflowId, trigger: &str, at: Millis) -> Self {
        Self::of_trigger(DueKind::Subscription, org, workflow, trigger, at)
    }

    fn of_trigger(kind: DueKind, org: &OrgKey, workflow: &WorkflowId, trigger: &str, at: Millis) -> Self {
        let strand = format!("{workflow}/{trigger}");
        // No run has this id: a run's trigger has no slash.
        let run = RunId::derive(org.org(), &format!("{}/{strand}", kind.as_str()), "");
        Self { org: org.clone(), run, strand, kind, at, of: None, priority: Priority::default() }
    }

    /// The workflow and the trigger of a schedule's entry, a poll's or a subscription's.
    pub fn of_which_trigger(&self) -> Option<(WorkflowId, &str)> {
        let (workflow, trigger) = self.strand.split_once('/')?;
        matches!(self.kind, DueKind::Schedule | DueKind::Poll | DueKind::Subscription)
            .then_some((WorkflowId::parse(workflow).ok()?, trigger))
    }

    /// A look at an organisation that is being erased.
    pub fn erasure(org: &OrgKey, at: Millis) -> Self {
        Self {
            org: org.clone(),
            // No run has this id: a run's trigger has no slash.
            run: RunId::derive(org.org(), "erasure/", ""),
            strand: String::new(),
            kind: DueKind::Erasure,
            at,
            of: None,
            priority: Priority::default(),
        }
    }

    /// The check that a run gets when it starts.
    pub fn first_check(org: &OrgKey, run: &RunId, started_at: Millis, deadline: Millis) -> Self {
        let priority = Priority::default();
        // Not within the next minute: by the time this is written, the timer may have looked at that one.
        let at = started_at.plus(limits::FIRST_CHECK).min(deadline).max(started_at.plus(Self::SOONEST));
        // A check looks at the head, which tells the priority.
        Self {
            org: org.clone(),
            run: run.clone(),
            strand: String::new(),
            kind: DueKind::Check,
            at,
            of: None,
            priority,
        }
    }
}

fn bucket(minute: i64, shard: u8) -> String {
    format!("m#{minute}#{shard}")
}

/// An entry, unless it cannot be read, such as a kind that a later version knows: it must not keep the others from their look.
fn readable(item: &Item) -> Option<DueEntry> {
    read(item).inspect_err(|error| warn!(%error, "a due entry that cannot be read is passed over")).ok()
}

fn read(item: &Item) -> Result<DueEntry, StoreError> {
    let corrupt = || StoreError::Corrupt("sk");
    let mut parts = attr::text(item, "sk")?.splitn(4, '#');
    let org = OrgId::parse(parts.next().unwrap_or_default()).map_err(|_| corrupt())?;
    let run = RunId::parse(parts.next().unwrap_or_default()).map_err(|_| corrupt())?;
    let kind = match parts.next() {
        Some("check") => DueKind::Check,
        Some("wake") => DueKind::Wake,
        Some("schedule") => DueKind::Schedule,
        Some("poll") => DueKind::Poll,
        Some("subscription") => DueKind::Subscription,
        Some("erasure") => DueKind::Erasure,
        Some("reconnect") => DueKind::Reconnect,
        _ => return Err(corrupt()),
    };
    let strand = parts.next().unwrap_or_default().to_owned();
    Ok(DueEntry {
        strand,
        org: OrgKey::verified(org, Provenance::Due),
        run,
        kind,
        priority: attr::optional_text(item, "pr").and_then(Priority::parse).unwrap_or_default(),
        at: Millis(attr::number(item, "at")?),
        of: attr::optional_number(item, "of").map(Millis),
    })
}
