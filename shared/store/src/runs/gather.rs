//! What runs gather before they begin.

use super::list::SHARDS;
use super::{HEAD, INPUT, head, partition};
use crate::attr::{self, Item, b, n, s};
use crate::{Gather, Store, StoreError, codec};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    CancellationReason, Put, ReturnValuesOnConditionCheckFailure as OnFailure, TransactWriteItem, Update,
};
use domain::run::{GatherRule, Gathered};
use domain::{Millis, OrgKey, RunId, limits};
use serde_json::Value;

/// How far the windows of a group have come.
const WINDOW: &str = "window";
/// The newest event of a run that gathers until it is quiet.
const NEWEST: &str = "ev#";
/// The number of events of a run that stays open for as many as come.
const NO_LIMIT: u32 = u32::MAX;

/// Where the index tells of the groups of a shard: by their windows, since a group outlives its runs' heads.
pub(crate) fn groups_partition(org: &OrgKey, shard: u8) -> String {
    format!("{}#gathers#{shard}", org.org())
}

fn shard_of(group: &str) -> u8 {
    (group.bytes().fold(0u32, |h, b| h.wrapping_mul(31).wrapping_add(u32::from(b))) % u32::from(SHARDS)) as u8
}

fn group_partition(org: &OrgKey, group: &str) -> String {
    format!("{}#gather_{group}", org.org())
}

impl Store {
    pub(super) async fn read_window(&self, org: &OrgKey, group: &str) -> Result<u64, StoreError> {
        let got = self
            .client
            .get_item()
            .table_name(&self.tables.runs)
            .key("pk", s(group_partition(org, group)))
            .key("sk", s(WINDOW))
            .send()
            .await
            .map_err(|e| StoreError::of("window", &e))?;
        got.item.map_or(Ok(0), |item| attr::number(&item, "n"))
    }

    pub(super) async fn write_window(
        &self,
        org: &OrgKey,
        group: &str,
        window: u64,
        until: Millis,
    ) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.runs)
            .key("pk", s(group_partition(org, group)))
            .key("sk", s(WINDOW))
            // It is in the index as long as what the group remembers of its events: the same place for every window, so that it is
            // written there once.
            .update_expression("SET n = :window, #ttl = :ttl, lp = :lp, ls = :ls")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":ttl", n(head::ttl(until.plus(limits::MAX_RUN_TIMEOUT))))
            .expression_attribute_values(":lp", s(groups_partition(org, shard_of(group))))
            .expression_attribute_values(":ls", s(group))
            .condition_expression("attribute_not_exists(pk) OR n < :window")
            .expression_attribute_values(":window", n(window))
            .send()
            .await;
        head::unless_condition_failed("set_window", update)
    }

    /// One transaction: the event is in the run exactly if the run still takes it, and in no other of its group.
    pub(super) async fn add_gathered(
        &self,
        org: &OrgKey,
        run: &RunId,
        group: Option<&str>,
        rule: &GatherRule,
        event: &Gathered,
    ) -> Result<Gather, StoreError> {
        let pk = partition(org, run);
        let packed = codec::pack(&event.input)?;
        let bytes = event.input.to_string().len();
        // The group remembers the event as long as a run that began now at the latest; the run itself needs it until it begins.
        let remembered = n(head::ttl(event.at.plus(limits::MAX_RUN_TIMEOUT)));
        let ttl = n(head::ttl(event.at));
        let (sk, size, room) = match rule {
            GatherRule::Batch { size, .. } => {
                let room = limits::MAX_GATHERED_BYTES.saturating_sub(bytes);
                (format!("ev#{}", event.id), u32::from(*size), room)
            }
            GatherRule::Debounce { .. } => (NEWEST.to_owned(), NO_LIMIT, usize::MAX >> 1),
        };
        let mut put = Put::builder()
            .table_name(&self.tables.runs)
            .item("pk", s(&pk))
            .item("sk", s(&sk))
            .item("id", s(&event.id))
            .item("at", n(event.at.0))
            .item("in", b(packed))
            .item("ttl", ttl);
        if matches!(rule, GatherRule::Batch { .. }) {
            put = put.condition_expression("attribute_not_exists(pk)");
        }
        let update = Update::builder()
            .table_name(&self.tables.runs)
            .key("pk", s(&pk))
            .key("sk", s(HEAD))
            .condition_expression(
                "gx = :open AND attribute_not_exists(fin) AND gc < :size AND (gc = :none OR gb <= :room)",
            )
            .expression_attribute_values(":open", s("open"))
            .expression_attribute_values(":size", n(size))
            .expression_attribute_values(":none", n(0))
            .expression_attribute_values(":room", n(room))
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":bytes", n(bytes))
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        let update = match rule {
            GatherRule::Batch { .. } => update.update_expression("SET gc = gc + :one, gb = gb + :bytes"),
            GatherRule::Debounce { .. } => update
                .update_expression("SET gc = gc + :one, gb = gb + :bytes, gd = :due")
                .expression_attribute_values(":due", n(rule.due(event.at).0)),
        };
        let invalid = |_| StoreError::Corrupt("gather");
        let mut writes = vec![
            TransactWriteItem::builder().update(update.build().map_err(invalid)?).build(),
            TransactWriteItem::builder().put(put.build().map_err(invalid)?).build(),
        ];
        if let Some(group) = group {
            let marker = Put::builder()
                .table_name(&self.tables.runs)
                .item("pk", s(group_partition(org, group)))
                .item("sk", s(format!("ev#{}", event.id)))
                .item("run", s(run.as_str()))
                .item("ttl", remembered)
                .condition_expression("attribute_not_exists(pk)")
                .return_values_on_condition_check_failure(OnFailure::AllOld);
            writes.push(TransactWriteItem::builder().put(marker.build().map_err(invalid)?).build());
        }
        match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => {}
            Err(SdkError::ServiceError(e)) => match e.into_err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    return refused(run, cancelled.cancellation_reasons());
                }
                other => return Err(StoreError::of::<_, ()>("gather", &SdkError::service_error(other, ()))),
            },
            Err(e) => return Err(StoreError::of("gather", &e)),
        }
        let head = self.get_run_item(org, run, HEAD).await?;
        Ok(Gather::Added { count: head.and_then(|head| attr::optional_number(&head, "gc")).unwrap_or(1) })
    }

    pub(super) async fn close(&self, org: &OrgKey, run: &RunId) -> Result<(Vec<Gathered>, u32), StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("SET gx = :closed")
            .condition_expression("gx = :open")
            .expression_attribute_values(":open", s("open"))
            .expression_attribute_values(":closed", s("closed"))
            .send()
            .await;
        head::unless_condition_failed("close_gathering", update)?;
        let head = self.get_run_item(org, run, HEAD).await?;
        let count = head.and_then(|head| attr::optional_number(&head, "gc")).unwrap_or(0);
        Ok((self.gathered(org, run).await?, count))
    }

    /// What a run has gathered, in no order.
    pub async fn gathered(&self, org: &OrgKey, run: &RunId) -> Result<Vec<Gathered>, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.tables.runs)
            .key_condition_expression("pk = :pk AND begins_with(sk, :event)")
            .expression_attribute_values(":pk", s(partition(org, run)))
            .expression_attribute_values(":event", s("ev#"))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let mut events = Vec::new();
        while let Some(item) = pages.next().await {
            let item = item.map_err(|e| StoreError::of("close_gathering", &e))?;
            events.push(Gathered {
                id: attr::text(&item, "id")?.to_owned(),
                at: Millis(attr::number(&item, "at")?),
                input: codec::unpack(attr::bytes(&item, "in")?)?,
            });
        }
        Ok(events)
    }

    /// The input comes before the head says that it is there.
    pub(super) async fn give_input(
        &self,
        org: &OrgKey,
        run: &RunId,
        input: &Value,
    ) -> Result<bool, StoreError> {
        let packed = codec::pack(input)?;
        let mut begins = self
            .update_head(org, run)
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(fin)")
            .expression_attribute_names("#in", "in")
            .expression_attribute_values(":done", s("done"));
        if packed.len() <= head::INLINE_INPUT {
            begins = begins
                .update_expression("SET gx = :done, #in = :input")
                .expression_attribute_values(":input", b(packed));
        } else {
            self.put_gathered(org, run, packed).await?;
            begins = begins.update_expression("SET gx = :done REMOVE #in");
        }
        let update = begins.send().await;
        head::condition_held("begin_gathered", update)
    }

    /// The input in an item of its own, which whoever is late writes again.
    async fn put_gathered(&self, org: &OrgKey, run: &RunId, packed: Vec<u8>) -> Result<(), StoreError> {
        let head: Item = self.get_run_item(org, run, HEAD).await?.ok_or(StoreError::Corrupt("head"))?;
        let of_head = |name| head.get(name).cloned().ok_or(StoreError::Corrupt(name));
        let (ttl, started) = (of_head("ttl")?, of_head("ts")?);
        self.client
            .update_item()
            .table_name(&self.tables.runs)
            .key("pk", s(partition(org, run)))
            .key("sk", s(INPUT))
            .update_expression("SET #in = :input, #ttl = :ttl, ts = :ts")
            .expression_attribute_names("#in", "in")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":input", b(packed))
            .expression_attribute_values(":ttl", ttl)
            .expression_attribute_values(":ts", started)
            .send()
            .await
            .map(drop)
            .map_err(|e| StoreError::of("put_input", &e))
    }
}

/// Why a transaction did not take place: its reasons are in the order of its writes (head, event, marker).
fn refused(run: &RunId, reasons: &[CancellationReason]) -> Result<Gather, StoreError> {
    let failed = |at: usize| reasons.get(at).filter(|reason| reason.code() == Some("ConditionalCheckFailed"));
    if let Some(marker) = failed(2) {
        let by = marker.item().and_then(|item| attr::text(item, "run").ok());
        let by = by.and_then(|run| RunId::parse(run).ok()).ok_or(StoreError::Corrupt("run"))?;
        return Ok(Gather::Known(by));
    }
    // An SDK's own repetition, or a request that came twice.
    if failed(1).is_some() {
        return Ok(Gather::Known(run.clone()));
    }
    match failed(0) {
        Some(head) if head.item().is_some_and(|item| !item.is_empty()) => Ok(Gather::Closed),
        Some(_) => Ok(Gather::Missing),
        None => Err(StoreError::Conflict { operation: "gather" }),
    }
}
