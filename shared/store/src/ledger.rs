//! The ledger table: what was done in an organisation. Records are added, and never changed.

use crate::attr::{self, Item, b, s};
use crate::transact::Writes;
use crate::{Store, StoreError, codec};
use domain::audit::Record;
use domain::{Millis, OrgKey};

/// A part of the ledger, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct LedgerPage {
    pub records: Vec<Record>,
    /// Where to go on; `None` when there is nothing more.
    pub next: Option<String>,
}

/// How many months one read looks through in which nothing happened.
const EMPTY_MONTHS: usize = 36;

impl Store {
    /// Adds a record by itself, for acts that write nothing else here, or elsewhere.
    pub async fn record(&self, org: &OrgKey, record: &Record) -> Result<(), StoreError> {
        self.client
            .put_item()
            .table_name(&self.tables.ledger)
            .set_item(Some(item(org, record)?))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("record", &e))
    }

    /// Records between `from` (included) and `to` (excluded), newest first, at most `limit`; `after` is an earlier page's `next`.
    /// `None` if `after` is none.
    pub async fn ledger(
        &self,
        org: &OrgKey,
        from: Millis,
        to: Millis,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Option<LedgerPage>, StoreError> {
        let (mut month, mut below) = match after {
            None => (month_of(to), sort_before(to)),
            Some(position) => match position.split_once('/') {
                Some((month, sort)) if is_month(month) => (month.to_owned(), sort.to_owned()),
                _ => return Ok(None),
            },
        };
        let (first, lowest) = (month_of(from), sort_before(from));
        let mut records = Vec::new();
        for _ in 0..EMPTY_MONTHS {
            // Nothing is left: DynamoDB refuses a range that ends before it begins.
            if month < first || below < lowest {
                return Ok(Some(LedgerPage { records, next: None }));
            }
            let wanted = limit - records.len();
            let found = self
                .client
                .query()
                .table_name(&self.tables.ledger)
                .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :below")
                .expression_attribute_values(":pk", s(partition(org, &month)))
                .expression_attribute_values(":low", s(&lowest))
                .expression_attribute_values(":below", s(&below))
                .scan_index_forward(false)
                .limit(i32::try_from(wanted + 1).unwrap_or(i32::MAX))
                .send()
                .await
                .map_err(|e| StoreError::of("ledger", &e))?;
            let cut = found.last_evaluated_key.is_some();
            let mut items = found.items.unwrap_or_default();
            // `BETWEEN` includes its ends; the record at which the page before ended is not told again.
            items.retain(|item| attr::optional_text(item, "sk").is_some_and(|sk| sk < below.as_str()));
            items.truncate(wanted);
            for item in &items {
                records.push(codec::unpack(attr::bytes(item, "r")?)?);
            }
            let last = items.last().and_then(|item| attr::optional_text(item, "sk"));
            if let Some(last) = last {
                last.clone_into(&mut below);
            }
            if records.len() >= limit {
                return Ok(Some(LedgerPage { records, next: Some(format!("{month}/{below}")) }));
            }
            if !cut {
                month = month_before(&month);
                below = sort_before(Millis(MAX_MILLIS));
            }
        }
        Ok(Some(LedgerPage { records, next: Some(format!("{month}/{below}")) }))
    }
}

impl Writes {
    /// Adds a record with the change that it tells of.
    pub(crate) fn record(
        &mut self,
        table: &str,
        org: &OrgKey,
        record: &Record,
    ) -> Result<&mut Self, StoreError> {
        self.create(table, item(org, record)?)
    }
}

fn item(org: &OrgKey, record: &Record) -> Result<Item, StoreError> {
    Ok(Item::from([
        ("pk".into(), s(partition(org, &month_of(record.at)))),
        ("sk".into(), s(format!("{}#{}", sort_before(record.at), record.id))),
        ("r".into(), b(codec::pack(record)?)),
    ]))
}

/// Thirteen digits last until the year 2286.
const MAX_MILLIS: i64 = 9_999_999_999_999;

fn sort_before(at: Millis) -> String {
    format!("{:013}", at.0.clamp(0, MAX_MILLIS))
}

pub(crate) fn partition(org: &OrgKey, month: &str) -> String {
    format!("{}#{month}", org.org())
}

/// `2026-11`.
fn month_of(at: Millis) -> String {
    Millis(at.0.clamp(0, MAX_MILLIS)).rfc3339().chars().take(7).collect()
}

/// The months between two times, both included.
pub(crate) fn months(from: Millis, to: Millis) -> Vec<String> {
    let (first, mut month) = (month_of(from), month_of(to));
    let mut months = Vec::new();
    while month >= first {
        let before = month_before(&month);
        months.push(std::mem::replace(&mut month, before));
    }
    months
}

fn is_month(text: &str) -> bool {
    text.len() == 7
        && text.bytes().enumerate().all(|(i, b)| if i == 4 { b == b'-' } else { b.is_ascii_digit() })
}

fn month_before(month: &str) -> String {
    let number = |part: &str| part.parse::<u32>().unwrap_or(0);
    let (year, of_year) = month.split_once('-').map_or((0, 0), |(y, m)| (number(y), number(m)));
    if of_year > 1 {
        format!("{year:04}-{:02}", of_year - 1)
    } else {
        format!("{:04}-12", year.saturating_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_go_back_over_the_turn_of_the_year() {
        assert_eq!(month_of(Millis(1_772_366_430_123)), "2026-03");
        assert_eq!(month_before("2026-03"), "2026-02");
        assert_eq!(month_before("2026-01"), "2025-12");
        assert_eq!(month_before("0000-01"), "0000-12");
        assert_eq!(months(Millis(1_772_366_430_123), Millis(1_772_366_430_123)), ["2026-03"]);
        let year = 365 * 86_400_000;
        let months = months(Millis(1_772_366_430_123 - year), Millis(1_772_366_430_123));
        assert_eq!((months.len(), months[0].as_str(), months[12].as_str()), (13, "2026-03", "2025-03"));
        assert!(is_month("2026-03") && !is_month("2026/03") && !is_month("202603x"));
    }
}
