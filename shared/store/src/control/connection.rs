//! Connections to apps: what is known of each, its sealed credentials, and how often it was changed.

use crate::attr::{self, Item, b, n, s};
use crate::ports::ConnectionStore;
use crate::runs::condition_held;
use crate::transact::Writes;
use crate::{Store, StoreError, codec};
use async_trait::async_trait;
use domain::audit::Record;
use domain::connection::Connection;
use domain::{ConnectionId, Millis, OrgKey};

/// A connection as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptConnection {
    pub id: ConnectionId,
    pub connection: Connection,
    /// Sealed; `None` where it has none.
    pub credentials: Option<String>,
    /// Raised by each change.
    pub revision: u32,
    /// Tokens that a server gave, sealed.
    pub tokens: Option<KeptTokens>,
}

/// Tokens as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptTokens {
    pub sealed: String,
    /// Raised with each pair: who has an older one reads again.
    pub number: u32,
}

/// What became of the wish to get new tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lease {
    /// It is ours until it ends; nobody else asks the server meanwhile.
    Ours,
    /// Somebody else asks, or has asked: read again.
    Theirs,
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

    async fn lease_tokens(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        number: u32,
        holder: &str,
        now: Millis,
        until: Millis,
    ) -> Result<Lease, StoreError> {
        let values = Item::from([
            (":number".into(), n(number)),
            (":holder".into(), s(holder)),
            (":now".into(), n(now.0)),
            (":until".into(), n(until.0)),
        ]);
        let condition = "tn = :number AND (attribute_not_exists(lu) OR lu < :now)";
        let ours = self.change_tokens(org, id, "SET lh = :holder, lu = :until", condition, values).await?;
        Ok(if ours { Lease::Ours } else { Lease::Theirs })
    }

    async fn keep_tokens(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        number: u32,
        holder: &str,
        sealed: &str,
    ) -> Result<bool, StoreError> {
        let values = Item::from([
            (":number".into(), n(number)),
            (":next".into(), n(number + 1)),
            (":holder".into(), s(holder)),
            (":sealed".into(), s(sealed)),
        ]);
        let expression = "SET tk = :sealed, tn = :next REMOVE lh, lu";
        self.change_tokens(org, id, expression, "tn = :number AND lh = :holder", values).await
    }

    async fn release_tokens(&self, org: &OrgKey, id: &ConnectionId, holder: &str) -> Result<(), StoreError> {
        let values = Item::from([(":holder".into(), s(holder))]);
        self.change_tokens(org, id, "REMOVE lh, lu", "lh = :holder", values).await.map(|_| ())
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
        if let Some(tokens) = &kept.tokens {
            item.insert("tk".into(), s(&tokens.sealed));
            item.insert("tn".into(), n(tokens.number));
        }
        if kept.revision == 1 {
            writes.create(table, item)?;
        } else {
            // Tokens that came meanwhile, or are being asked for, would be lost.
            let mut values = Item::from([(":before".into(), n(kept.revision - 1))]);
            let condition = match &kept.tokens {
                Some(tokens) => {
                    values.insert(":number".into(), n(tokens.number));
                    "rv = :before AND tn = :number AND attribute_not_exists(lh)"
                }
                None => "rv = :before AND attribute_not_exists(tn)",
            };
            writes.put_if(table, item, condition, values)?;
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

impl Store {
    /// Whether the condition held.
    async fn change_tokens(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        expression: &str,
        condition: &str,
        values: Item,
    ) -> Result<bool, StoreError> {
        let changed = self
            .client
            .update_item()
            .table_name(&self.tables.control)
            .set_key(Some(key(org, id)))
            .update_expression(expression)
            .condition_expression(condition)
            .set_expression_attribute_values(Some(values))
            .send()
            .await;
        condition_held("change_tokens", changed)
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
        tokens: match attr::optional_text(item, "tk") {
            Some(sealed) => {
                Some(KeptTokens { sealed: sealed.to_owned(), number: attr::number(item, "tn")? })
            }
            None => None,
        },
    })
}
