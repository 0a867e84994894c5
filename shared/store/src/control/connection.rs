//! Connections to apps: what is known of each, how its credentials are kept, and how often it was changed.

use super::oauth_client::{self, KeptOAuthClient};
use crate::attr::{self, Item, b, n, s};
use crate::ports::ConnectionStore;
use crate::runs::condition_held;
use crate::transact::{Change, Writes};
use crate::{Store, StoreError, codec};
use async_trait::async_trait;
use domain::audit::Record;
use domain::connection::{Connection, ConnectionStatus};
use domain::{ConnectionId, Millis, OrgKey};

/// A connection as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptConnection {
    pub id: ConnectionId,
    pub connection: Connection,
    /// As the vault keeps them: sealed, or the name of a secret. `None` where it has none.
    pub credentials: Option<String>,
    /// Raised by each change.
    pub revision: u32,
    /// Tokens that a server gave, sealed.
    pub tokens: Option<String>,
    /// Raised whenever the tokens change: who has older ones reads again.
    pub number: u32,
}

/// What a change of a connection does to its tokens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenChange {
    Stay,
    /// These, sealed, in their place.
    New(String),
    Gone,
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

    async fn need_reconnect(
        &self,
        org: &OrgKey,
        id: &ConnectionId,
        number: u32,
        reason: &str,
    ) -> Result<bool, StoreError> {
        let values = Item::from([(":number".into(), n(number)), (":reason".into(), s(reason))]);
        let condition = "tn = :number AND attribute_not_exists(nr)";
        self.change_tokens(org, id, "SET nr = :reason REMOVE lh, lu", condition, values).await
    }

    async fn oauth_client(
        &self,
        org: &OrgKey,
        connector: &str,
    ) -> Result<Option<KeptOAuthClient>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), oauth_client::sort(connector)).await?;
        item.as_ref().map(oauth_client::read).transpose()
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

    /// Keeps a new connection; whether there was none of its id.
    pub async fn create_connection(
        &self,
        org: &OrgKey,
        kept: &KeptConnection,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut item = key(org, &kept.id);
        item.insert("d".into(), b(codec::pack(&kept.connection)?));
        item.insert("rv".into(), n(kept.revision));
        item.insert("tn".into(), n(kept.number));
        item.extend(kept.credentials.as_ref().map(|sealed| ("cr".to_owned(), s(sealed))));
        item.extend(kept.tokens.as_ref().map(|sealed| ("tk".to_owned(), s(sealed))));
        let mut writes = Writes::default();
        writes.create(&self.tables.control, item)?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("create_connection", writes).await?.held())
    }

    /// Writes a connection over the one of the revision before; whether that was still there. Tokens that are being got anew
    /// meanwhile are touched only if `tokens` says so.
    pub async fn change_connection(
        &self,
        org: &OrgKey,
        kept: &KeptConnection,
        tokens: &TokenChange,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut values = Item::from([
            (":before".into(), n(kept.revision - 1)),
            (":revision".into(), n(kept.revision)),
            (":d".into(), b(codec::pack(&kept.connection)?)),
        ]);
        let (mut set, mut gone) = ("SET d = :d, rv = :revision".to_owned(), Vec::new());
        match &kept.credentials {
            Some(sealed) => {
                set.push_str(", cr = :credentials");
                values.insert(":credentials".into(), s(sealed));
            }
            None => gone.push("cr"),
        }
        if kept.connection.status != ConnectionStatus::NeedsReconnect {
            gone.push("nr");
        }
        if *tokens != TokenChange::Stay {
            // Whoever asks for new ones with those of before finds that they are no longer wanted.
            set.push_str(", tn = if_not_exists(tn, :zero) + :one");
            values.extend([(":zero".into(), n(0)), (":one".into(), n(1))]);
            gone.extend(["lh", "lu"]);
        }
        match tokens {
            TokenChange::Stay => {}
            TokenChange::New(sealed) => {
                set.push_str(", tk = :tokens");
                values.insert(":tokens".into(), s(sealed));
            }
            TokenChange::Gone => gone.push("tk"),
        }
        let remove = if gone.is_empty() { String::new() } else { format!(" REMOVE {}", gone.join(", ")) };
        let mut writes = Writes::default();
        writes.update(Change {
            table: self.tables.control.clone(),
            key: key(org, &kept.id),
            expression: set + &remove,
            condition: Some("rv = :before".to_owned()),
            values,
        })?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("change_connection", writes).await?.held())
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
    let mut connection: Connection = codec::unpack(attr::bytes(item, "d")?)?;
    // Said beside it, by whoever finds out: the rest of it may be changed at the same time.
    if let Some(reason) = attr::optional_text(item, "nr") {
        connection.status = ConnectionStatus::NeedsReconnect;
        connection.reason = Some(reason.to_owned());
    }
    Ok(KeptConnection {
        id: ConnectionId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        connection,
        credentials: attr::optional_text(item, "cr").map(str::to_owned),
        revision: attr::number(item, "rv")?,
        tokens: attr::optional_text(item, "tk").map(str::to_owned),
        number: attr::optional_number(item, "tn").unwrap_or(0),
    })
}
