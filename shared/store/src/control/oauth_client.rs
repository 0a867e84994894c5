//! The clients as which an organisation is known to apps' servers of tokens: one for a connector.

use crate::attr::{self, Item, n, s};
use crate::transact::Writes;
use crate::{Store, StoreError};
use domain::audit::Record;
use domain::{Millis, OrgKey};

/// A client as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptOAuthClient {
    pub connector: String,
    pub client_id: String,
    /// Sealed; public clients have none.
    pub secret: Option<String>,
    pub changed_at: Millis,
}

impl Store {
    /// All clients of an organisation, by connector.
    pub async fn oauth_clients(&self, org: &OrgKey) -> Result<Vec<KeptOAuthClient>, StoreError> {
        let items = self.list_control(org.org().as_str(), PREFIX, None, usize::MAX).await?;
        items.iter().map(read).collect()
    }

    /// Keeps a client in place of the one before.
    pub async fn put_oauth_client(
        &self,
        org: &OrgKey,
        client: &KeptOAuthClient,
        record: &Record,
    ) -> Result<(), StoreError> {
        let mut item = key(org, &client.connector);
        item.insert("ci".into(), s(&client.client_id));
        item.insert("ca".into(), n(client.changed_at.0));
        item.extend(client.secret.as_ref().map(|sealed| ("cr".to_owned(), s(sealed))));
        let mut writes = Writes::default();
        writes.put(&self.tables.control, item)?;
        writes.record(&self.tables.ledger, org, record)?;
        self.transact("put_oauth_client", writes).await.map(|_| ())
    }

    /// Deletes the client of a connector; whether there was one.
    pub async fn delete_oauth_client(
        &self,
        org: &OrgKey,
        connector: &str,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        let there = Some(("attribute_exists(pk)", Item::new()));
        writes.delete(&self.tables.control, key(org, connector), there)?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("delete_oauth_client", writes).await?.held())
    }
}

const PREFIX: &str = "oc#";

pub(super) fn sort(connector: &str) -> String {
    format!("{PREFIX}{connector}")
}

fn key(org: &OrgKey, connector: &str) -> Item {
    Item::from([("pk".into(), s(org.org().as_str())), ("sk".into(), s(sort(connector)))])
}

pub(super) fn read(item: &Item) -> Result<KeptOAuthClient, StoreError> {
    Ok(KeptOAuthClient {
        connector: attr::text(item, "sk")?.trim_start_matches(PREFIX).to_owned(),
        client_id: attr::text(item, "ci")?.to_owned(),
        secret: attr::optional_text(item, "cr").map(str::to_owned),
        changed_at: Millis(attr::number(item, "ca")?),
    })
}
