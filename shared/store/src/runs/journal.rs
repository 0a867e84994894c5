//! The journal of a run: claims, and the segments that replace them.

use super::{head, partition, pulse};
use crate::attr::{self, Item, b, n, s};
use crate::{Attempt, Store, StoreError, codec};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure as OnFailure;
use domain::run::{Entry, Head, Segment};
use domain::{Millis, OrgKey, RunId};
use std::time::Duration;

/// The right to cause an effect: its fencing token grows with each new holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    pub fence: u32,
}

/// What asking for a claim came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Claim {
    /// It is ours. `taken_over`: another held it and its lease ran out, so the effect may have taken place.
    Ours { held: Held, taken_over: bool },
    /// Another worker is at it until then.
    Busy { until: Millis },
    /// The attempt has its outcome.
    Done(Segment),
}

/// What recording a segment came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Appended {
    Won,
    /// Another worker recorded this attempt; dispatch from what it recorded.
    Lost(Segment),
    /// Another worker has taken the claim over, and no outcome is recorded yet.
    Superseded {
        until: Millis,
    },
}

/// A claim without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimView {
    pub strand: String,
    pub path: String,
    pub attempt: u16,
    pub since: Millis,
    pub until: Millis,
}

/// All that is recorded of a run's steps.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Journal {
    pub entries: Vec<Entry>,
    pub claims: Vec<ClaimView>,
}

impl Journal {
    /// When something was last heard of the run.
    pub fn newest(&self) -> Option<Millis> {
        let finished = self.entries.iter().map(|e| e.finished_at);
        finished.chain(self.claims.iter().map(|c| c.since)).max()
    }
}

/// The main strand's items begin so.
const MAIN: &str = "j#";
/// Those of the others; then come the strand's name and a bar.
const OTHER: &str = "l#";

fn prefix(strand: &str) -> String {
    if strand.is_empty() { MAIN.to_owned() } else { format!("{OTHER}{strand}|") }
}

fn sort(strand: &str, path: &str, attempt: u16) -> String {
    format!("{}{path}#{attempt}", prefix(strand))
}

/// The strand, the path and the attempt that a sort key names.
fn unsort(sk: &str) -> Option<(&str, &str, u16)> {
    let (strand, rest) = match sk.strip_prefix(MAIN) {
        Some(rest) => ("", rest),
        None => sk.strip_prefix(OTHER)?.split_once('|')?,
    };
    let (path, attempt) = rest.rsplit_once('#')?;
    Some((strand, path, attempt.parse().ok()?))
}

/// Whether a sort key is of an item of a journal.
pub(super) fn is_entry(sk: &str) -> bool {
    sk.starts_with(MAIN) || sk.starts_with(OTHER)
}

/// When a run that repeats another took a segment over from it.
pub(super) const TAKEN_OVER: &str = "to";

/// Whether all of a segment is older than the run whose journal it is written into.
fn is_taken_over(head: &Head, segment: &Segment) -> bool {
    head.origin.is_some() && segment.entries.iter().all(|entry| entry.finished_at < head.started_at)
}

/// The sort keys between which all of a journal is.
pub(super) fn bounds() -> (&'static str, String) {
    (MAIN, format!("{OTHER}~"))
}

/// The entries of a segment's item.
pub(super) fn entries(item: &Item) -> Result<Vec<Entry>, StoreError> {
    codec::unpack(attr::bytes(item, "e")?)
}

impl Store {
    pub(super) async fn append_segment(
        &self,
        org: &OrgKey,
        head: &Head,
        strand: &str,
        segment: &Segment,
        held: Option<Held>,
    ) -> Result<Appended, StoreError> {
        let (path, attempt) = segment.key().ok_or(StoreError::Corrupt("segment"))?;
        let mut item = Item::from([
            ("pk".into(), s(partition(org, &head.id))),
            ("sk".into(), s(sort(strand, path, attempt))),
            ("e".into(), b(codec::pack(&segment.entries)?)),
            ("ttl".into(), n(head::ttl(head.deadline))),
        ]);
        pulse::write(&mut item, &segment.entries);
        if is_taken_over(head, segment) {
            item.insert(TAKEN_OVER.into(), n(head.started_at.0));
        }
        let request = self
            .client
            .put_item()
            .table_name(&self.tables.runs)
            .set_item(Some(item))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        let request = match held {
            None => request.condition_expression("attribute_not_exists(pk)"),
            Some(held) => {
                request.condition_expression("fe = :fe").expression_attribute_values(":fe", n(held.fence))
            }
        };
        match request.send().await {
            Ok(_) => Ok(Appended::Won),
            Err(SdkError::ServiceError(e)) => match e.into_err() {
                PutItemError::ConditionalCheckFailedException(failed) => {
                    match read(&failed.item.ok_or(StoreError::Corrupt("segment"))?)? {
                        Stored::Segment(stored) => Ok(Appended::Lost(stored)),
                        Stored::Claim(claim, _) => Ok(Appended::Superseded { until: claim.until }),
                    }
                }
                other => Err(StoreError::of::<_, ()>("append", &SdkError::service_error(other, ()))),
            },
            Err(e) => Err(StoreError::of("append", &e)),
        }
    }

    pub(super) async fn take_claim(
        &self,
        org: &OrgKey,
        head: &Head,
        of: &Attempt<'_>,
        now: Millis,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        let until = now.plus(lease);
        let sk = sort(of.strand, of.path, of.attempt);
        let item = Item::from([
            ("pk".into(), s(partition(org, &head.id))),
            ("sk".into(), s(&sk)),
            ("fe".into(), n(1)),
            ("lu".into(), n(until.0)),
            ("cs".into(), n(now.0)),
            ("ttl".into(), n(head::ttl(head.deadline))),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.runs)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        let mut stored = match put {
            Ok(_) => return Ok(Claim::Ours { held: Held { fence: 1 }, taken_over: false }),
            Err(SdkError::ServiceError(e)) => match e.into_err() {
                PutItemError::ConditionalCheckFailedException(failed) => {
                    read(&failed.item.ok_or(StoreError::Corrupt("claim"))?)?
                }
                other => return Err(StoreError::of::<_, ()>("claim", &SdkError::service_error(other, ()))),
            },
            Err(e) => return Err(StoreError::of("claim", &e)),
        };
        // At most once around: a take-over that loses finds an outcome or a live lease.
        loop {
            let fence = match stored {
                Stored::Segment(segment) => return Ok(Claim::Done(segment)),
                Stored::Claim(claim, _) if claim.until > now => {
                    return Ok(Claim::Busy { until: claim.until });
                }
                Stored::Claim(_, held) => held.fence,
            };
            let update = self
                .client
                .update_item()
                .table_name(&self.tables.runs)
                .key("pk", s(partition(org, &head.id)))
                .key("sk", s(&sk))
                .update_expression("SET fe = :next, lu = :until, cs = :now")
                .condition_expression("fe = :fe")
                .expression_attribute_values(":next", n(fence + 1))
                .expression_attribute_values(":until", n(until.0))
                .expression_attribute_values(":now", n(now.0))
                .expression_attribute_values(":fe", n(fence))
                .return_values_on_condition_check_failure(OnFailure::AllOld)
                .send()
                .await;
            stored = match update {
                Ok(_) => return Ok(Claim::Ours { held: Held { fence: fence + 1 }, taken_over: true }),
                Err(SdkError::ServiceError(e)) => match e.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        read(&failed.item.ok_or(StoreError::Corrupt("claim"))?)?
                    }
                    other => {
                        return Err(StoreError::of::<_, ()>("claim", &SdkError::service_error(other, ())));
                    }
                },
                Err(e) => return Err(StoreError::of("claim", &e)),
            };
        }
    }

    /// All of it, or what is recorded of one strand.
    pub(super) async fn read_journal(
        &self,
        org: &OrgKey,
        run: &RunId,
        strand: Option<&str>,
    ) -> Result<Journal, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.tables.runs)
            .expression_attribute_values(":pk", s(partition(org, run)))
            .consistent_read(true);
        let query = match strand {
            Some(strand) => query
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":prefix", s(prefix(strand))),
            None => query
                .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
                .expression_attribute_values(":first", s(bounds().0))
                .expression_attribute_values(":last", s(bounds().1)),
        };
        let mut pages = query.into_paginator().items().send();
        let mut journal = Journal::default();
        while let Some(item) = pages.next().await {
            match read(&item.map_err(|e| StoreError::of("journal", &e))?)? {
                Stored::Segment(segment) => journal.entries.extend(segment.entries),
                Stored::Claim(claim, _) => journal.claims.push(claim),
            }
        }
        journal.entries.sort_by_key(|a| (a.finished_at, a.attempt));
        Ok(journal)
    }
}

enum Stored {
    Segment(Segment),
    Claim(ClaimView, Held),
}

fn read(item: &Item) -> Result<Stored, StoreError> {
    if let Some(bytes) = attr::optional_bytes(item, "e") {
        return Ok(Stored::Segment(Segment { entries: codec::unpack(bytes)? }));
    }
    let (strand, path, attempt) = unsort(attr::text(item, "sk")?).ok_or(StoreError::Corrupt("sk"))?;
    let claim = ClaimView {
        strand: strand.to_owned(),
        path: path.to_owned(),
        attempt,
        since: Millis(attr::number(item, "cs")?),
        until: Millis(attr::number(item, "lu")?),
    };
    Ok(Stored::Claim(claim, Held { fence: attr::number(item, "fe")? }))
}
