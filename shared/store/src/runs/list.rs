//! The runs of an organisation, newest first.
//!
//! The index is sharded by week and hash, so that no key is written by a whole organisation at the rate of its runs
//! (protocol rule 21). A page reads the shards of one week in parallel and merges them.

use super::{HEAD, head};
use crate::attr::{self, Item, s};
use crate::tables::LIST_INDEX;
use crate::{Store, StoreError};
use aws_sdk_dynamodb::types::KeysAndAttributes;
use domain::run::{Head, RunStatus};
use domain::{Millis, OrgKey, RunId, WorkflowId};
use futures::future::try_join_all;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

pub(crate) const SHARDS: u8 = 8;
const WEEK: i64 = 7 * 86_400_000;
/// The list ends where this many weeks hold no run: the usual time limit and the retention together are 60 days.
const GAP_WEEKS: i64 = 9;
/// How many index entries one page looks at before it gives a cursor, however few matched.
const LOOK_AT: usize = 1000;
/// DynamoDB's limit for one batch.
const BATCH: usize = 100;

/// Which runs to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    pub workflow: Option<WorkflowId>,
    pub status: Option<RunStatus>,
}

/// Some runs, newest first, and where the next page begins.
#[derive(Debug, Clone)]
pub struct RunPage {
    pub heads: Vec<Head>,
    /// Present when there may be more, even if this page is short.
    pub next: Option<String>,
}

/// A place in the list: a week, a shard of it, and the run that was looked at last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    pub(crate) week: i64,
    pub(crate) shard: u8,
    pub(crate) after: Option<String>,
}

impl Listed {
    /// Where to go on: in the same shard after `after`, or with the next one; nowhere past the week `last`.
    pub(crate) fn next(&self, after: Option<String>, last: i64) -> Option<Self> {
        let Self { week, shard, .. } = *self;
        if after.is_some() {
            return Some(Self { week, shard, after });
        }
        let (week, shard) = if shard + 1 < SHARDS { (week, shard + 1) } else { (week + 1, 0) };
        (week <= last).then_some(Self { week, shard, after: None })
    }
}

pub(super) fn partition(org: &OrgKey, run: &RunId, started_at: Millis) -> String {
    let shard = run.as_str().bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b)))
        % u32::from(SHARDS);
    key(org, started_at.0.div_euclid(WEEK), shard as u8)
}

pub(super) fn sort(run: &RunId, started_at: Millis) -> String {
    format!("{:013}#{run}", started_at.0)
}

pub(crate) fn key(org: &OrgKey, week: i64, shard: u8) -> String {
    format!("{}#{week}#{shard}", org.org())
}

impl RunPage {
    /// Where a list goes on behind this run.
    pub fn behind(head: &Head) -> String {
        sort(&head.id, head.started_at)
    }
}

impl Store {
    /// A page of at most `limit` runs that come after `cursor`.
    ///
    /// `cursor` is a `next` of an earlier page; one that is not readable gives `Ok(None)`.
    pub async fn list_runs(
        &self,
        org: &OrgKey,
        filter: &RunFilter,
        cursor: Option<&str>,
        limit: usize,
        now: Millis,
    ) -> Result<Option<RunPage>, StoreError> {
        let mut before = match cursor {
            None => sort_after(now),
            Some(text) => match read_cursor(text) {
                Some(_) => text.to_owned(),
                None => return Ok(None),
            },
        };
        let mut heads = Vec::new();
        let mut looked_at = 0;
        let mut week = read_cursor(&before).unwrap_or(now).0.div_euclid(WEEK);
        let mut last = week - GAP_WEEKS;
        while week >= last {
            let entries = self.week(org, week, &before, limit).await?;
            looked_at += entries.len();
            if !entries.is_empty() {
                last = week - GAP_WEEKS;
            }
            let wanted: Vec<&IndexEntry> = entries
                .iter()
                .filter(|e| filter.workflow.as_ref().is_none_or(|w| w.as_str() == e.workflow))
                .collect();
            let mut found = self.heads(org, &wanted).await?;
            for entry in &entries {
                before.clone_from(&entry.sort);
                let Some(head) = found.remove(&entry.sort) else { continue };
                if filter.status.is_none_or(|status| head.status_at(now) == status) {
                    heads.push(head);
                    if heads.len() == limit {
                        return Ok(Some(RunPage { heads, next: Some(before) }));
                    }
                }
            }
            if looked_at >= LOOK_AT {
                return Ok(Some(RunPage { heads, next: Some(before) }));
            }
            if entries.len() < limit {
                week -= 1;
            }
        }
        Ok(Some(RunPage { heads, next: None }))
    }

    /// The newest `limit` index entries of a week that come after `before`.
    async fn week(
        &self,
        org: &OrgKey,
        week: i64,
        before: &str,
        limit: usize,
    ) -> Result<Vec<IndexEntry>, StoreError> {
        let shards = (0..SHARDS).map(|shard| async move {
            self.client
                .query()
                .table_name(&self.tables.runs)
                .index_name(LIST_INDEX)
                .key_condition_expression("lp = :lp AND ls < :before")
                .expression_attribute_values(":lp", s(key(org, week, shard)))
                .expression_attribute_values(":before", s(before))
                .scan_index_forward(false)
                .limit(i32::try_from(limit).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|e| StoreError::of("list_runs", &e))
        });
        let mut entries = Vec::new();
        for page in try_join_all(shards).await? {
            for item in page.items.unwrap_or_default() {
                entries.push(IndexEntry {
                    sort: attr::text(&item, "ls")?.to_owned(),
                    workflow: attr::text(&item, "wf")?.to_owned(),
                    pk: attr::text(&item, "pk")?.to_owned(),
                });
            }
        }
        entries.sort_by(|a, b| b.sort.cmp(&a.sort));
        entries.truncate(limit);
        Ok(entries)
    }

    async fn heads(
        &self,
        org: &OrgKey,
        entries: &[&IndexEntry],
    ) -> Result<HashMap<String, Head>, StoreError> {
        let mut found = HashMap::with_capacity(entries.len());
        for batch in entries.chunks(BATCH) {
            let mut keys: Vec<Item> =
                batch.iter().map(|e| Item::from([("pk".into(), s(&e.pk)), ("sk".into(), s(HEAD))])).collect();
            while !keys.is_empty() {
                let wanted = KeysAndAttributes::builder()
                    .set_keys(Some(std::mem::take(&mut keys)))
                    .build()
                    .map_err(|_| StoreError::Corrupt("keys"))?;
                let got = self
                    .client
                    .batch_get_item()
                    .request_items(&self.tables.runs, wanted)
                    .send()
                    .await
                    .map_err(|e| StoreError::of("list_runs", &e))?;
                for item in got.responses.unwrap_or_default().remove(&self.tables.runs).unwrap_or_default() {
                    found.insert(attr::text(&item, "ls")?.to_owned(), head::read_head(org, &item)?);
                }
                if let Some(rest) = got.unprocessed_keys.unwrap_or_default().remove(&self.tables.runs) {
                    keys = rest.keys;
                }
            }
        }
        Ok(found)
    }
}

struct IndexEntry {
    sort: String,
    workflow: String,
    pk: String,
}

/// A sort key after every run that started at `at`.
fn sort_after(at: Millis) -> String {
    format!("{:013}#~", at.0)
}

fn read_cursor(text: &str) -> Option<Millis> {
    let (ms, rest) = text.split_once('#')?;
    let valid = ms.len() == 13
        && ms.bytes().all(|b| b.is_ascii_digit())
        && (rest == "~" || RunId::parse(rest).is_ok());
    valid.then(|| ms.parse().ok().map(Millis)).flatten()
}
