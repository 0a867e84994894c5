//! The tokens table: what is counted for a while, and the answers to requests that may be repeated. All of it is forgotten by itself.

use crate::attr::{self, Item, b, n, s};
use crate::{Store, StoreError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::{Millis, OrgId, OrgKey};
use std::time::Duration;

/// A fixed window of time in which something is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// In seconds since 1970.
    pub start: i64,
    /// In seconds.
    pub length: i64,
}

impl Window {
    /// The window of this length in which `now` is.
    pub fn at(now: Millis, length: Duration) -> Self {
        let length = i64::try_from(length.as_secs()).unwrap_or(i64::MAX).max(1);
        let second = now.0.div_euclid(1000);
        Self { start: second - second.rem_euclid(length), length }
    }

    /// Seconds until it is over, at least one.
    pub fn left(&self, now: Millis) -> i64 {
        (self.start + self.length - now.0.div_euclid(1000)).max(1)
    }
}

/// What an idempotency key stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Repeatable {
    /// It is new: the request is to be carried out, and its answer kept.
    New,
    /// The same request is being carried out.
    Running,
    /// Another request had this key.
    Another,
    /// The answer of the first time.
    Answered(KeptAnswer),
}

/// An answer that a repeated request gets again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptAnswer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

/// How long an answer is given again.
pub const ANSWERS_KEPT: Duration = Duration::from_hours(24);
/// A request that was not answered within this time is taken for dead; `api` is stopped sooner.
const RUNNING: Duration = Duration::from_mins(1);
/// What one item holds, with room for its other attributes.
pub const MAX_KEPT_BYTES: usize = 380 * 1024;

impl Store {
    /// Adds `by` to what is counted under this name in this window, or takes it back; gives the sum.
    pub async fn count(&self, name: &str, window: Window, by: i32) -> Result<u32, StoreError> {
        let counted = self
            .client
            .update_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(counter_key(name, window)))
            .update_expression("SET #ttl = :ttl ADD n :by")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":by", n(by))
            .expression_attribute_values(":ttl", n(window.start + 2 * window.length))
            .return_values(ReturnValue::UpdatedNew)
            .send()
            .await
            .map_err(|e| StoreError::of("count", &e))?;
        let sum: i64 = attr::number(&counted.attributes.unwrap_or_default(), "n")?;
        Ok(u32::try_from(sum.max(0)).unwrap_or(u32::MAX))
    }

    /// Takes an idempotency key for a request, or tells what became of the request that had it before. `scope` names who asks;
    /// `print` is the request's fingerprint.
    pub async fn begin_repeatable(
        &self,
        org: &OrgKey,
        scope: &str,
        key: &str,
        print: &str,
        now: Millis,
    ) -> Result<Repeatable, StoreError> {
        let mut item = repeatable_key(org, scope, key);
        item.extend([
            ("fp".into(), s(print)),
            ("un".into(), n(now.plus(RUNNING).0)),
            ("ttl".into(), n(now.plus(ANSWERS_KEPT).seconds_up())),
            ("ex".into(), n(now.plus(ANSWERS_KEPT).0)),
        ]);
        let sent = self
            .client
            .put_item()
            .table_name(&self.tables.tokens)
            .set_item(Some(item))
            // What is over may still be there, as may a request that died.
            .condition_expression(
                "attribute_not_exists(pk) OR ex <= :now OR (attribute_not_exists(st) AND un <= :now AND fp = :fp)",
            )
            .expression_attribute_values(":now", n(now.0))
            .expression_attribute_values(":fp", s(print))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .send()
            .await;
        let Err(error) = sent else { return Ok(Repeatable::New) };
        let Some(PutItemError::ConditionalCheckFailedException(refused)) = error.as_service_error() else {
            return Err(StoreError::of("begin_repeatable", &error));
        };
        let stored = refused.item().cloned().unwrap_or_default();
        if attr::text(&stored, "fp")? != print {
            return Ok(Repeatable::Another);
        }
        let Some(status) = attr::optional_number(&stored, "st") else { return Ok(Repeatable::Running) };
        Ok(Repeatable::Answered(KeptAnswer {
            status,
            headers: crate::codec::unpack(attr::bytes(&stored, "hd")?)?,
            body: attr::optional_bytes(&stored, "bd").unwrap_or_default().to_vec(),
        }))
    }

    /// Keeps the answer to the request that took the key at `began`.
    pub async fn keep_answer(
        &self,
        org: &OrgKey,
        scope: &str,
        key: &str,
        answer: &KeptAnswer,
    ) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(repeatable_key(org, scope, key)))
            .update_expression("SET st = :st, hd = :hd, bd = :bd")
            .condition_expression("attribute_exists(pk)")
            .expression_attribute_values(":st", n(answer.status))
            .expression_attribute_values(":hd", b(crate::codec::pack(&answer.headers)?))
            .expression_attribute_values(":bd", b(answer.body.clone()))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("keep_answer", &e))
    }

    /// Gives an idempotency key back: the request was not carried out.
    pub async fn release_repeatable(&self, org: &OrgKey, scope: &str, key: &str) -> Result<(), StoreError> {
        self.client
            .update_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(repeatable_key(org, scope, key)))
            // It is over, and with its time to live forgotten.
            .update_expression("SET ex = :over")
            .expression_attribute_values(":over", n(0))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("release_repeatable", &e))
    }
}

/// What the requests of an organisation, or of one caller in it, are counted under.
pub fn rate_name(org: &OrgId, caller: Option<&str>) -> String {
    match caller {
        Some(caller) => format!("rate#{org}#{caller}"),
        None => format!("rate#{org}"),
    }
}

pub(crate) fn counts_partition(name: &str) -> String {
    format!("count#{name}")
}

/// Where the answers to a caller's requests are kept.
pub(crate) fn answers_partition(org: &OrgKey, caller: &str) -> String {
    format!("{}#idem#{caller}", org.org())
}

fn counter_key(name: &str, window: Window) -> Item {
    Item::from([("pk".into(), s(counts_partition(name))), ("sk".into(), s(window.start.to_string()))])
}

fn repeatable_key(org: &OrgKey, scope: &str, key: &str) -> Item {
    Item::from([("pk".into(), s(answers_partition(org, scope))), ("sk".into(), s(key))])
}
