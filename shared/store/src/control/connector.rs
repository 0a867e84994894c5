//! Connectors that an organisation made: every version of each, and one item for each name.

use crate::attr::{self, Item, b, n, s};
use crate::ports::ConnectorStore;
use crate::transact::Writes;
use crate::{Store, StoreError, codec};
use async_trait::async_trait;
use domain::audit::Record;
use domain::{Millis, OrgKey};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What an item may hold, with room for what else is in it; DynamoDB takes 400 KB.
const LARGEST: usize = 380 * 1024;

/// A version of a connector as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptConnector {
    pub name: String,
    pub version: u32,
    /// The manifest.
    pub document: Value,
    pub changed_at: Millis,
    pub changed_by: String,
}

/// What is known of a name, also when none of its versions is there any more: credentials may have been given to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConnectorName {
    pub name: String,
    /// Raised by each change of it or of a version; 0 is the one before the first.
    pub revision: u32,
    pub held: HeldName,
}

/// What the item of a name holds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct HeldName {
    /// Where it leads, and how it signs in: of its first manifest, and so of all.
    pub leads_to: BTreeSet<String>,
    pub versions: BTreeSet<u32>,
    /// What lists show of the newest version.
    pub summary: Value,
}

/// What became of a version that was to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectorKept {
    Kept,
    /// Somebody else changed it, or another version of it, meanwhile.
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
        item.map(|item| {
            Ok(KeptConnector {
                name: name.to_owned(),
                version,
                document: codec::unpack(attr::bytes(&item, "d")?)?,
                changed_at: Millis(attr::number(&item, "ca")?),
                changed_by: attr::text(&item, "by")?.to_owned(),
            })
        })
        .transpose()
    }
}

impl Store {
    /// What is known of each name that an organisation gave to a connector, those included that have no version any more.
    pub async fn connector_names(&self, org: &OrgKey) -> Result<Vec<ConnectorName>, StoreError> {
        let items = self.list_control(org.org().as_str(), NAMES, None, usize::MAX).await?;
        items.iter().map(read_name).collect()
    }

    /// What is known of a name.
    pub async fn connector_name(
        &self,
        org: &OrgKey,
        name: &str,
    ) -> Result<Option<ConnectorName>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), name_sort(name)).await?;
        item.as_ref().map(read_name).transpose()
    }

    /// Keeps a version, and what is known of its name then, unless that was changed since `name.revision`.
    pub async fn put_own_connector(
        &self,
        org: &OrgKey,
        name: &ConnectorName,
        kept: &KeptConnector,
        record: &Record,
    ) -> Result<ConnectorKept, StoreError> {
        let packed = codec::pack(&kept.document)?;
        if packed.len() > LARGEST {
            return Ok(ConnectorKept::TooLarge);
        }
        let mut item = key(org, sort(&kept.name, kept.version));
        item.extend([
            ("d".into(), b(packed)),
            ("ca".into(), n(kept.changed_at.0)),
            ("by".into(), s(&kept.changed_by)),
        ]);
        let mut writes = Writes::default();
        self.write_name(&mut writes, org, name)?;
        writes.put(&self.tables.control, item)?;
        writes.record(&self.tables.ledger, org, record)?;
        let held = self.transact("put_own_connector", writes).await?.held();
        Ok(if held { ConnectorKept::Kept } else { ConnectorKept::Changed })
    }

    /// Deletes versions, and keeps what is known of their name then, unless that was changed since `name.revision`; whether it did.
    pub async fn delete_own_connector(
        &self,
        org: &OrgKey,
        name: &ConnectorName,
        versions: &[u32],
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        self.write_name(&mut writes, org, name)?;
        for version in versions {
            writes.delete(&self.tables.control, key(org, sort(&name.name, *version)), None)?;
        }
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("delete_own_connector", writes).await?.held())
    }

    fn write_name(&self, writes: &mut Writes, org: &OrgKey, name: &ConnectorName) -> Result<(), StoreError> {
        let mut item = key(org, name_sort(&name.name));
        item.insert("h".into(), b(codec::pack(&name.held)?));
        item.insert("rv".into(), n(name.revision.saturating_add(1)));
        if name.revision == 0 {
            return writes.create(&self.tables.control, item).map(drop);
        }
        let values = Item::from([(":revision".into(), n(name.revision))]);
        writes.put_if(&self.tables.control, item, "rv = :revision", values).map(drop)
    }
}

const NAMES: &str = "connectorname#";

fn name_sort(name: &str) -> String {
    format!("{NAMES}{name}")
}

/// Names hold no `#`.
fn sort(name: &str, version: u32) -> String {
    format!("connector#{name}#{version}")
}

/// In the organisation's own partition, where its erasure finds it.
fn key(org: &OrgKey, sort: String) -> Item {
    Item::from([("pk".to_owned(), s(org.org().as_str())), ("sk".to_owned(), s(sort))])
}

fn read_name(item: &Item) -> Result<ConnectorName, StoreError> {
    Ok(ConnectorName {
        name: attr::text(item, "sk")?.trim_start_matches(NAMES).to_owned(),
        revision: attr::number(item, "rv")?,
        held: codec::unpack(attr::bytes(item, "h")?)?,
    })
}
