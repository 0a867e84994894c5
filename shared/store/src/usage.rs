//! What an organisation used and may use: `<org>#usage` in the control table.
//!
//! The stream of the runs table tells what happened, some of it twice. A day's figures are one item for each shard of the stream,
//! which names the last record that it counts: a record up to there is not counted again. So an item is written once for each batch
//! of a shard, and never at the rate of an organisation's runs.

use crate::attr::{self, Item, n, s};
use crate::control::{THERE, org_key_item};
use crate::transact::Writes;
use crate::{Store, StoreError};
use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValuesOnConditionCheckFailure as OnFailure, Select};
use domain::audit::Record;
use domain::{Day, Figures, Millis, OrgKey, Quotas};
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a day's figures are kept: a year, and a month to look back at it.
const KEPT: Duration = Duration::from_hours(400 * 24);
/// How long it is remembered that an organisation was told of its day's quota.
const TOLD: Duration = Duration::from_hours(3 * 24);
/// Behind every day in the order of sort keys, so that one query gives a day and the quotas.
const QUOTAS: &str = "quotas";
/// No sequence number of a stream is longer.
const DIGITS: usize = 40;

/// Where a record stands in its shard. They are decimal numbers of different lengths, too long for any number type: filled up with
/// zeros, the order of texts is theirs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sequence(String);

impl Sequence {
    /// Reads a sequence number as a stream gives it.
    pub fn parse(text: &str) -> Option<Self> {
        let is_number = (1..=DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| Self(format!("{text:0>DIGITS$}")))
    }
}

/// How an organisation stands on a day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UsageStanding {
    pub quotas: Quotas,
    /// Runs that were started on that day, as far as they are counted.
    pub started: u64,
}

/// Counting what was used.
#[async_trait]
pub trait UsageStore: Send + Sync {
    /// Adds what the records of a shard tell of a day, in their order, and gives how many of them were not counted before.
    async fn add_usage(
        &self,
        org: &OrgKey,
        day: Day,
        shard: &str,
        records: &[(Sequence, Figures)],
    ) -> Result<usize, StoreError>;
}

/// What decides whether a run may start.
#[async_trait]
pub trait QuotaStore: Send + Sync {
    /// How an organisation stands on a day. Not read strongly: what it tells lags anyway.
    async fn standing(&self, org: &OrgKey, day: Day) -> Result<UsageStanding, StoreError>;
    /// Adds this record to the ledger, unless the organisation was told so on that day; whether it did.
    async fn tell_once(&self, org: &OrgKey, day: Day, record: &Record) -> Result<bool, StoreError>;
}

#[async_trait]
impl UsageStore for Store {
    async fn add_usage(
        &self,
        org: &OrgKey,
        day: Day,
        shard: &str,
        records: &[(Sequence, Figures)],
    ) -> Result<usize, StoreError> {
        let mut rest = records;
        // Each time around there are fewer: those that the item counts already are left out.
        while let (Some((first, _)), Some((last, _))) = (rest.first(), rest.last()) {
            let mut sum = Figures::default();
            for (_, figures) in rest {
                sum.add(figures);
            }
            let told = sum.fields().into_iter().filter(|(_, figure)| *figure > 0);
            let (names, values): (Vec<_>, Item) = told
                .map(|(name, figure)| (format!("{name} :{name}"), (format!(":{name}"), n(figure))))
                .unzip();
            let add = if names.is_empty() { String::new() } else { format!(" ADD {}", names.join(", ")) };
            let update = self
                .client
                .update_item()
                .table_name(&self.tables.control)
                .set_key(Some(key(org, &format!("{day}#{shard}"))))
                .update_expression(format!("SET ls = :ls, #ttl = :ttl{add}"))
                .condition_expression("attribute_not_exists(ls) OR ls < :first")
                .expression_attribute_names("#ttl", "ttl")
                .set_expression_attribute_values(Some(values))
                .expression_attribute_values(":ls", s(&last.0))
                .expression_attribute_values(":first", s(&first.0))
                .expression_attribute_values(":ttl", n(day.start().plus(KEPT).seconds_up()))
                .return_values_on_condition_check_failure(OnFailure::AllOld)
                .send()
                .await;
            match update {
                Ok(_) => return Ok(rest.len()),
                Err(SdkError::ServiceError(e)) => match e.into_err() {
                    UpdateItemError::ConditionalCheckFailedException(failed) => {
                        let stored = failed.item.ok_or(StoreError::Corrupt("usage"))?;
                        let counted = Sequence(attr::text(&stored, "ls")?.to_owned());
                        rest = &rest[rest.partition_point(|(sequence, _)| *sequence <= counted)..];
                    }
                    other => {
                        return Err(StoreError::of::<_, ()>("usage", &SdkError::service_error(other, ())));
                    }
                },
                Err(e) => return Err(StoreError::of("usage", &e)),
            }
        }
        Ok(0)
    }
}

#[async_trait]
impl QuotaStore for Store {
    async fn standing(&self, org: &OrgKey, day: Day) -> Result<UsageStanding, StoreError> {
        let (days, quotas) = self.usage_between(org, &day.to_string(), QUOTAS).await?;
        Ok(UsageStanding { quotas, started: days.get(&day).map_or(0, |figures| figures.started) })
    }

    async fn tell_once(&self, org: &OrgKey, day: Day, record: &Record) -> Result<bool, StoreError> {
        let told = Item::from([
            ("pk".into(), s(told_partition(org))),
            ("sk".into(), s(day.to_string())),
            ("ttl".into(), n(day.start().plus(TOLD).seconds_up())),
        ]);
        let mut writes = Writes::default();
        writes.create(&self.tables.tokens, told)?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("tell_once", writes).await?.held())
    }
}

impl Store {
    /// What was used on each day from `first` to `last`, both included; days on which nothing was are left out. With it, the quotas.
    pub async fn usage(
        &self,
        org: &OrgKey,
        first: Day,
        last: Day,
    ) -> Result<(BTreeMap<Day, Figures>, Quotas), StoreError> {
        // To the end: the quotas are there. Days behind `last` are few, where there are any: nothing is used in the future.
        let (mut days, quotas) = self.usage_between(org, &first.to_string(), QUOTAS).await?;
        days.retain(|day, _| *day <= last);
        Ok((days, quotas))
    }

    async fn usage_between(
        &self,
        org: &OrgKey,
        first: &str,
        last: &str,
    ) -> Result<(BTreeMap<Day, Figures>, Quotas), StoreError> {
        let mut items = self
            .client
            .query()
            .table_name(&self.tables.control)
            .key_condition_expression("pk = :pk AND sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", s(partition(org)))
            .expression_attribute_values(":first", s(first))
            .expression_attribute_values(":last", s(last))
            .into_paginator()
            .items()
            .send();
        let (mut days, mut quotas) = (BTreeMap::<Day, Figures>::new(), Quotas::default());
        while let Some(item) = items.next().await {
            let item = item.map_err(|e| StoreError::of("usage", &e))?;
            let sort = attr::text(&item, "sk")?;
            if sort == QUOTAS {
                quotas = read_quotas(&item);
                continue;
            }
            let day =
                sort.split_once('#').and_then(|(day, _)| Day::parse(day)).ok_or(StoreError::Corrupt("sk"))?;
            let mut figures = Figures::default();
            for (name, figure) in figures.fields_mut() {
                *figure = attr::optional_number(&item, name).unwrap_or(0);
            }
            days.entry(day).or_default().add(&figures);
        }
        Ok((days, quotas))
    }

    /// What an organisation may use, read strongly.
    pub async fn quotas(&self, org: &OrgKey) -> Result<Quotas, StoreError> {
        let item = self.get_control(partition(org), QUOTAS.to_owned()).await?;
        Ok(item.as_ref().map(read_quotas).unwrap_or_default())
    }

    /// Says what an organisation may use.
    pub async fn set_quotas(&self, org: &OrgKey, quotas: &Quotas, record: &Record) -> Result<(), StoreError> {
        let mut item = key(org, QUOTAS);
        let all = [("qr", quotas.runs_per_day), ("qw", quotas.workflows), ("qm", quotas.members)];
        item.extend(all.into_iter().filter_map(|(name, quota)| Some((name.to_owned(), n(quota?)))));
        let mut writes = Writes::default();
        writes.put(&self.tables.control, item)?;
        writes.check(&self.tables.control, org_key_item(org.org()), THERE)?;
        writes.record(&self.tables.ledger, org, record)?;
        if self.transact("set_quotas", writes).await?.held() {
            return Ok(());
        }
        Err(StoreError::Conflict { operation: "set_quotas" })
    }

    /// How many workflows an organisation has, read strongly.
    pub async fn count_workflows(&self, org: &OrgKey) -> Result<u64, StoreError> {
        self.count_control(org, "wf#", None).await
    }

    /// How many people belong to an organisation, read strongly.
    pub async fn count_members(&self, org: &OrgKey) -> Result<u64, StoreError> {
        self.count_control(org, "m#", None).await
    }

    /// How many invitations are open, read strongly.
    pub async fn count_invitations(&self, org: &OrgKey, now: Millis) -> Result<u64, StoreError> {
        self.count_control(org, "i#", Some(now)).await
    }

    /// How many items of an organisation have sort keys that begin so, and are not over at `after`.
    async fn count_control(
        &self,
        org: &OrgKey,
        prefix: &str,
        after: Option<Millis>,
    ) -> Result<u64, StoreError> {
        let mut query = self
            .client
            .query()
            .table_name(&self.tables.control)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(org.org().as_str()))
            .expression_attribute_values(":prefix", s(prefix))
            .consistent_read(true)
            .select(Select::Count);
        if let Some(after) = after {
            query = query.filter_expression("ex > :now").expression_attribute_values(":now", n(after.0));
        }
        let mut pages = query.into_paginator().send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            let page = page.map_err(|e| StoreError::of("count_control", &e))?;
            count += u64::try_from(page.count).unwrap_or(0);
        }
        Ok(count)
    }
}

fn read_quotas(item: &Item) -> Quotas {
    Quotas {
        runs_per_day: attr::optional_number(item, "qr"),
        workflows: attr::optional_number(item, "qw"),
        members: attr::optional_number(item, "qm"),
    }
}

pub(crate) fn partition(org: &OrgKey) -> String {
    format!("{}#usage", org.org())
}

/// Of the days on which an organisation was told of its quota.
pub(crate) fn told_partition(org: &OrgKey) -> String {
    format!("{}#told", org.org())
}

fn key(org: &OrgKey, sort: &str) -> Item {
    Item::from([("pk".into(), s(partition(org))), ("sk".into(), s(sort))])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        let of = |text: &str| Sequence::parse(text).unwrap();
        assert!(of("99") < of("100"));
        assert!(of("4421584500000000017450439091") < of("4421584500000000017450439092"));
        assert!(of("9999999999999999999999999999") < of("10000000000000000000000000000"));
        assert_eq!(of("007"), of("7"));
        for text in ["", "-1", "1a", " 1", &"1".repeat(41)] {
            assert_eq!(Sequence::parse(text), None, "{text}");
        }
    }
}
