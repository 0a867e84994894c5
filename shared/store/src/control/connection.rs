//! Connections to apps: what is known of each, its sealed credentials, and how often it was changed.

use crate::attr::{self, Item, b, n, s};
use crate::ports::ConnectionStore;
use crate::transact::Writes;
use crate::{Store, StoreError, codec};
use async_trait::async_trait;
use domain::audit::Record;
use domain::connection::Connection;
use domain::{ConnectionId, OrgKey};

/// A connection as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptConnection {
    pub id: ConnectionId,
    pub connection: Connection,
    /// Sealed; `None` where it has none.
    pub credentials: Option<String>,
    /// Raised by each change.
    pub revision: u32,
}

#[async_trait]
impl ConnectionStore for Store {
    async fn connection(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
    ) -> Result<Option<KeptConnection>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), sort(id)).await?;
        item.as_ref().map(read).transpose()
    }
}

impl Store {
    /// Connections by id, after `after`; at most `limit`.
    pub async fn connections(
        &self,
        org: &OrgKey,
        after: Option<&ConnectionId>,
        limit: usize,
    ) -> Result<Vec<KeptConnection>, StoreError> {
        let after = after.map(sort);
        let items = self.list_control(org.org().as_str(), PREFIX, after.as_deref(), limit).await?;
        items.iter().map(read).collect()
    }

    /// Writes a connection over the one of the revision before; one of revision 1 is new. Whether it did.
    pub async fn put_connection(
        &self,
        org: &OrgKey,
        kept: &KeptConnection,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let table = &self.tables.control;
        let mut item = key(org, &kept.id);
        item.insert("d".into(), b(codec::pack(&kept.connection)?));
        item.insert("rv".into(), n(kept.revision));
        item.extend(kept.credentials.as_ref().map(|sealed| ("cr".to_owned(), s(sealed))));
        let mut writes = Writes::default();
        if kept.revision == 1 {
            writes.create(table, item)?;
        } else {
            let before = Item::from([(":before".into(), n(kept.revision - 1))]);
            writes.put_if(table, item, "rv = :before", before)?;
        }
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("put_connection", writes).await?.held())
    }

    /// Deletes a connection of this revision; whether it did.
    pub async fn delete_connection(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        revision: u32,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        let same = Item::from([(":rv".into(), n(revision))]);
        writes.delete(&self.tables.control, key(org, id), Some(("rv = :rv", same)))?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("delete_connection", writes).await?.held())
    }
}

const PREFIX: &str = "cn#";

fn sort(id: &ConnectionId) -> String {
    format!("{PREFIX}{id}")
}

/// In the organisation's own partition, where its erasure finds it.
fn key(org: &OrgKey, id: &ConnectionId) -> Item {
    Item::from([("pk".to_owned(), s(org.org().as_str())), ("sk".to_owned(), s(sort(id)))])
}

fn read(item: &Item) -> Result<KeptConnection, StoreError> {
    let id = attr::text(item, "sk")?.trim_start_matches(PREFIX);
    Ok(KeptConnection {
        id: ConnectionId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        connection: codec::unpack(attr::bytes(item, "d")?)?,
        credentials: attr::optional_text(item, "cr").map(str::to_owned),
        revision: attr::number(item, "rv")?,
    })
}
