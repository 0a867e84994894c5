//! Connectors that an organisation made: every version of each.

use crate::attr::{self, Item, b, n, s};
use crate::ports::ConnectorStore;
use crate::transact::Writes;
use crate::{Store, StoreError, codec};
use async_trait::async_trait;
use domain::audit::Record;
use domain::{Millis, OrgKey};
use serde_json::Value;

/// What an item may hold, with room for what else is in it; DynamoDB takes 400 KB.
const LARGEST: usize = 380 * 1024;

/// A version of a connector as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptConnector {
    pub name: String,
    pub version: u32,
    /// Raised by each change of this version.
    pub revision: u32,
    /// The manifest.
    pub document: Value,
    /// What lists show of it.
    pub summary: Value,
    pub changed_at: Millis,
    pub changed_by: String,
}

/// What became of a version that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorKept {
    Kept,
    /// Somebody else changed it meanwhile.
    Changed,
    /// It is too large, packed.
    TooLarge,
}

#[async_trait]
impl ConnectorStore for Store {
    async fn own_connector(
        &self,
        org: &OrgKey,
        name: &str,
        version: u32,
    ) -> Result<Option<KeptConnector>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), sort(name, version)).await?;
        item.as_ref().map(read).transpose()
    }
}

impl Store {
    /// All versions of all connectors of an organisation, by name and version, each with its summary.
    pub async fn own_connectors(&self, org: &OrgKey) -> Result<Vec<(String, u32, Value)>, StoreError> {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let got = self
                .client
                .query()
                .table_name(&self.tables.control)
                .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
                .expression_attribute_values(":pk", s(org.org().as_str()))
                .expression_attribute_values(":prefix", s(PREFIX))
                .projection_expression("sk, sm")
                .set_exclusive_start_key(start)
                .consistent_read(true)
                .send()
                .await
                .map_err(|e| StoreError::of("own_connectors", &e))?;
            for item in got.items.unwrap_or_default() {
                let (name, version) = named(&item)?;
                found.push((name, version, codec::unpack(attr::bytes(&item, "sm")?)?));
            }
            start = got.last_evaluated_key;
            if start.is_none() {
                return Ok(found);
            }
        }
    }

    /// The newest version of a connector.
    pub async fn newest_own_connector(
        &self,
        org: &OrgKey,
        name: &str,
    ) -> Result<Option<KeptConnector>, StoreError> {
        let got = self
            .client
            .query()
            .table_name(&self.tables.control)
            .key_condition_expression("pk = :pk AND begins_with(sk, :prefix)")
            .expression_attribute_values(":pk", s(org.org().as_str()))
            .expression_attribute_values(":prefix", s(format!("{PREFIX}{name}#")))
            .scan_index_forward(false)
            .limit(1)
            .consistent_read(true)
            .send()
            .await
            .map_err(|e| StoreError::of("newest_own_connector", &e))?;
        got.items.unwrap_or_default().first().map(read).transpose()
    }

    /// Keeps a version, in place of what it was at `revision`; 0 is that it was not there.
    pub async fn put_own_connector(
        &self,
        org: &OrgKey,
        kept: &KeptConnector,
        record: &Record,
    ) -> Result<ConnectorKept, StoreError> {
        let packed = codec::pack(&kept.document)?;
        if packed.len() > LARGEST {
            return Ok(ConnectorKept::TooLarge);
        }
        let mut item = key(org, &kept.name, kept.version);
        item.extend([
            ("d".into(), b(packed)),
            ("sm".into(), b(codec::pack(&kept.summary)?)),
            ("rv".into(), n(kept.revision.saturating_add(1))),
            ("ca".into(), n(kept.changed_at.0)),
            ("by".into(), s(&kept.changed_by)),
        ]);
        let mut writes = Writes::default();
        if kept.revision == 0 {
            writes.create(&self.tables.control, item)?;
        } else {
            let values = Item::from([(":revision".into(), n(kept.revision))]);
            writes.put_if(&self.tables.control, item, "rv = :revision", values)?;
        }
        writes.record(&self.tables.ledger, org, record)?;
        let held = self.transact("put_own_connector", writes).await?.held();
        Ok(if held { ConnectorKept::Kept } else { ConnectorKept::Changed })
    }

    /// Deletes a version; whether there was one.
    pub async fn delete_own_connector(
        &self,
        org: &OrgKey,
        name: &str,
        version: u32,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        let there = Some(("attribute_exists(pk)", Item::new()));
        writes.delete(&self.tables.control, key(org, name, version), there)?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("delete_own_connector", writes).await?.held())
    }
}

const PREFIX: &str = "connector#";

/// Names hold no `#`, and versions are in their order.
fn sort(name: &str, version: u32) -> String {
    format!("{PREFIX}{name}#{version:07}")
}

/// In the organisation's own partition, where its erasure finds it.
fn key(org: &OrgKey, name: &str, version: u32) -> Item {
    Item::from([("pk".to_owned(), s(org.org().as_str())), ("sk".to_owned(), s(sort(name, version)))])
}

fn named(item: &Item) -> Result<(String, u32), StoreError> {
    let sort = attr::text(item, "sk")?.trim_start_matches(PREFIX);
    let (name, version) = sort.split_once('#').ok_or(StoreError::Corrupt("sk"))?;
    Ok((name.to_owned(), version.parse().map_err(|_| StoreError::Corrupt("sk"))?))
}

fn read(item: &Item) -> Result<KeptConnector, StoreError> {
    let (name, version) = named(item)?;
    Ok(KeptConnector {
        name,
        version,
        revision: attr::number(item, "rv")?,
        document: codec::unpack(attr::bytes(item, "d")?)?,
        summary: codec::unpack(attr::bytes(item, "sm")?)?,
        changed_at: Millis(attr::number(item, "ca")?),
        changed_by: attr::text(item, "by")?.to_owned(),
    })
}
