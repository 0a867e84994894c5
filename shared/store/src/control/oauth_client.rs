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
    /// As the vault keeps it: sealed, or the name of a secret. Public clients have none.
    pub secret: Option<String>,
    pub changed_at: Millis,
}

impl Store {
    /// All clients of an organisation, by connector.
    pub async fn oauth_clients(&self, org: &OrgKey) -> Result<Vec<KeptOAuthClient>, StoreError> {
        let items = self.list_control(org.org().as_str(), PREFIX, None, usize::MAX).await?;
        items.iter().map(read).collect()
    }

    /// Keeps a client in place of `before`; whether that was still there, or none if there was none.
    pub async fn put_oauth_client(
        &self,
        org: &OrgKey,
        before: Option<&KeptOAuthClient>,
        client: &KeptOAuthClient,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut item = key(org, &client.connector);
        item.insert("ci".into(), s(&client.client_id));
        item.insert("ca".into(), n(client.changed_at.0));
        item.extend(client.secret.as_ref().map(|sealed| ("cr".to_owned(), s(sealed))));
        let mut writes = Writes::default();
        match before.map(same) {
            Some((condition, values)) => writes.put_if(&self.tables.control, item, condition, values)?,
            None => writes.create(&self.tables.control, item)?,
        };
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("put_oauth_client", writes).await?.held())
    }

    /// Deletes a client; whether it was still there as it was.
    pub async fn delete_oauth_client(
        &self,
        org: &OrgKey,
        before: &KeptOAuthClient,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        writes.delete(&self.tables.control, key(org, &before.connector), Some(same(before)))?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("delete_oauth_client", writes).await?.held())
    }
}

/// Whether an item is still this one: no two have the same secret, and those without are told apart by when they were set.
fn same(client: &KeptOAuthClient) -> (&'static str, Item) {
    let mut values =
        Item::from([(":ci".into(), s(&client.client_id)), (":ca".into(), n(client.changed_at.0))]);
    match &client.secret {
        Some(secret) => {
            values.insert(":cr".into(), s(secret));
            ("ci = :ci AND ca = :ca AND cr = :cr", values)
        }
        None => ("ci = :ci AND ca = :ca AND attribute_not_exists(cr)", values),
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
