//! Variables: each change of an environment's makes a revision of all of them, which never changes.
//!
//! The revision before is kept for as long as a run may be that reads it.

use crate::attr::{self, Item, b, n, s};
use crate::transact::{Change, Writes};
use crate::{Store, StoreError, codec};
use domain::audit::Record;
use domain::variables::Variables;
use domain::{Millis, OrgKey};
use std::time::Duration;

/// Longer than any run goes on.
const KEPT: Duration = Duration::from_hours(400 * 24);

impl Store {
    /// The environments that have had variables, with the revision of each.
    pub async fn environments(&self, org: &OrgKey) -> Result<Vec<(String, u32)>, StoreError> {
        let items = self.list_control(&partition(org), "e#", None, usize::MAX).await?;
        let read = |item: &Item| {
            let name = attr::text(item, "sk")?.trim_start_matches("e#").to_owned();
            Ok((name, attr::number(item, "rv")?))
        };
        items.iter().map(read).collect()
    }

    pub(super) async fn variables_revision(
        &self,
        org: &OrgKey,
        environment: &str,
    ) -> Result<u32, StoreError> {
        match self.get_control(partition(org), current_sort(environment)).await? {
            Some(item) => attr::number(&item, "rv"),
            None => Ok(0),
        }
    }

    pub(super) async fn read_variables(
        &self,
        org: &OrgKey,
        environment: &str,
        revision: u32,
    ) -> Result<Variables, StoreError> {
        if revision == 0 {
            return Ok(Variables::default());
        }
        let item = self.get_control(partition(org), sort(environment, revision)).await?;
        codec::unpack(attr::bytes(&item.ok_or(StoreError::Corrupt("variables"))?, "d")?)
    }

    /// Makes the revision after `before`, unless somebody else has; whether it did.
    pub async fn change_variables(
        &self,
        org: &OrgKey,
        environment: &str,
        before: u32,
        variables: &Variables,
        now: Millis,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let table = &self.tables.control;
        let key = |sk: String| Item::from([("pk".into(), s(partition(org))), ("sk".into(), s(sk))]);
        let mut writes = Writes::default();
        let mut item = key(sort(environment, before + 1));
        item.insert("d".into(), b(codec::pack(variables)?));
        writes.create(table, item)?;
        let mut current = key(current_sort(environment));
        current.insert("rv".into(), n(before + 1));
        if before == 0 {
            writes.create(table, current)?;
        } else {
            writes.put_if(table, current, "rv = :before", Item::from([(":before".into(), n(before))]))?;
            writes.update(Change {
                table: table.clone(),
                key: key(sort(environment, before)),
                expression: "SET #ttl = :ttl".to_owned(),
                condition: Some("attribute_exists(pk)".to_owned()),
                values: Item::from([(":ttl".into(), n(now.plus(KEPT).seconds_up()))]),
            })?;
        }
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("change_variables", writes).await?.held())
    }
}

pub(crate) fn partition(org: &OrgKey) -> String {
    format!("{}#vars", org.org())
}

fn current_sort(environment: &str) -> String {
    format!("e#{environment}")
}

fn sort(environment: &str, revision: u32) -> String {
    format!("r#{environment}#{revision:08}")
}
