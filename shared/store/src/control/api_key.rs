//! Programs: API keys, and the service accounts that may hold them. A key is known by its hash; the key itself is not kept.

use crate::attr::{self, Item, b, n, s};
use crate::transact::{Change, Writes};
use crate::{Store, StoreError, codec, erase};
use domain::audit::Record;
use domain::{Actor, ApiKeyId, Millis, OrgId, OrgKey, Provenance, ServiceId};
use serde::{Deserialize, Serialize};

/// An API key, as much as is kept of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    pub id: ApiKeyId,
    pub name: String,
    /// Whose rights it has, as far as its scopes go.
    pub holder: Actor,
    /// What the holder is called.
    pub holder_name: String,
    /// The names of permissions.
    pub scopes: Vec<String>,
    /// How the key begins, to tell it from others.
    pub prefix: String,
    pub created_at: Millis,
    pub expires_at: Option<Millis>,
    pub hash: String,
}

/// A key, and how it was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedKey {
    pub key: ApiKey,
    pub org: OrgKey,
    /// The role of its holder.
    pub role: String,
    /// Within [`USE_NOTED`] of the last use.
    pub used_at: Option<Millis>,
    /// The last of [`ADDRESSES`] addresses that it was used from.
    pub addresses: Vec<String>,
    /// The organisation is being erased.
    pub erased: bool,
}

/// How exactly it is known when a key was last used: noting each use would cost a write each.
pub const USE_NOTED: std::time::Duration = std::time::Duration::from_hours(1);
/// How many addresses are remembered.
pub const ADDRESSES: usize = 16;

/// A program that acts in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceAccount {
    pub id: ServiceId,
    pub name: String,
    pub role: String,
    pub created_at: Millis,
    /// Grows with each change; what a change is conditional on.
    pub revision: u32,
}

impl Store {
    /// Makes a key for a member or a service account that has `role`; `false` if there is no such holder any more.
    pub async fn create_key(
        &self,
        org: &OrgKey,
        key: &ApiKey,
        role: &str,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let table = &self.tables.control;
        let holder = match &key.holder {
            Actor::User(user) => super::member::member_key(org, user),
            Actor::Service(id) => service_key(org, id),
            // Patchbay itself needs none.
            Actor::Platform => return Ok(false),
        };
        let mut writes = Writes::default();
        writes.check(table, holder, "attribute_exists(pk) AND attribute_not_exists(er)")?;
        let used = UsedKey {
            key: key.clone(),
            org: org.clone(),
            role: role.to_owned(),
            used_at: None,
            addresses: Vec::new(),
            erased: false,
        };
        writes.create(table, by_hash_item(&used)?)?;
        writes.create(table, of_org_item(&used)?)?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("create_key", writes).await?.held())
    }

    /// Resolves the hash of a key: one of the few keys that do not begin with an organisation.
    pub async fn key_by_hash(&self, hash: &str) -> Result<Option<UsedKey>, StoreError> {
        let item = self.get_control(hash_key(hash), "k".to_owned()).await?;
        item.as_ref().map(read_key).transpose()
    }

    /// An organisation's keys by id, after `after`; at most `limit`.
    pub async fn keys(
        &self,
        org: &OrgKey,
        after: Option<&ApiKeyId>,
        limit: usize,
    ) -> Result<Vec<UsedKey>, StoreError> {
        let after = after.map(key_sort);
        let items = self.list_control(org.org().as_str(), "k#", after.as_deref(), limit).await?;
        items.iter().map(read_key).collect()
    }

    pub async fn key(&self, org: &OrgKey, id: &ApiKeyId) -> Result<Option<UsedKey>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), key_sort(id)).await?;
        item.as_ref().map(read_key).transpose()
    }

    /// Deletes a key; it counts no longer from now on.
    pub async fn delete_key(
        &self,
        org: &OrgKey,
        key: &ApiKey,
        record: Option<&Record>,
    ) -> Result<(), StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        writes.delete(table, of_org_key(org, &key.id), None)?;
        writes.delete(table, by_hash_key(&key.hash), None)?;
        if let Some(record) = record {
            writes.record(&self.tables.ledger, org, record)?;
        }
        self.transact("delete_key", writes).await.map(|_| ())
    }

    /// Notes that a key was used; `record` tells of an address that is new.
    pub async fn note_key_use(&self, used: &UsedKey, record: Option<&Record>) -> Result<(), StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        for key in [by_hash_key(&used.key.hash), of_org_key(&used.org, &used.key.id)] {
            writes.update(Change {
                table: table.clone(),
                key,
                expression: "SET lu = :lu, ad = :ad".to_owned(),
                condition: Some("attribute_exists(pk)".to_owned()),
                values: Item::from([
                    (":lu".into(), n(used.used_at.unwrap_or_default().0)),
                    (":ad".into(), b(codec::pack(&used.addresses)?)),
                ]),
            })?;
        }
        if let Some(record) = record {
            writes.record(&self.tables.ledger, &used.org, record)?;
        }
        // Refused when the key was deleted a moment ago.
        self.transact("note_key_use", writes).await.map(|_| ())
    }

    /// Deletes every key of a holder.
    pub(super) async fn delete_keys_of(&self, org: &OrgKey, holder: &str) -> Result<(), StoreError> {
        for used in self.keys(org, None, usize::MAX).await? {
            if used.key.holder.as_str() == holder {
                self.delete_key(org, &used.key, None).await?;
            }
        }
        Ok(())
    }

    /// Says at each key of a holder which role that has now.
    pub(super) async fn say_role(&self, org: &OrgKey, holder: &str, role: &str) -> Result<(), StoreError> {
        for used in self.keys(org, None, usize::MAX).await? {
            if used.key.holder.as_str() != holder {
                continue;
            }
            let mut writes = Writes::default();
            for key in [by_hash_key(&used.key.hash), of_org_key(org, &used.key.id)] {
                writes.update(Change {
                    table: self.tables.control.clone(),
                    key,
                    expression: "SET ro = :ro".to_owned(),
                    condition: Some("attribute_exists(pk)".to_owned()),
                    values: Item::from([(":ro".into(), s(role))]),
                })?;
            }
            self.transact("say_role", writes).await?;
        }
        Ok(())
    }

    pub async fn service_account(
        &self,
        org: &OrgKey,
        id: &ServiceId,
    ) -> Result<Option<ServiceAccount>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), service_sort(id)).await?;
        item.as_ref().map(read_service).transpose()
    }

    /// Service accounts by id, after `after`; at most `limit`.
    pub async fn service_accounts(
        &self,
        org: &OrgKey,
        after: Option<&ServiceId>,
        limit: usize,
    ) -> Result<Vec<ServiceAccount>, StoreError> {
        let after = after.map(service_sort);
        let items = self.list_control(org.org().as_str(), "a#", after.as_deref(), limit).await?;
        items.iter().map(read_service).collect()
    }

    /// Writes a service account if nobody changed it since `revision - 1` was read; whether it did.
    pub async fn save_service_account(
        &self,
        org: &OrgKey,
        account: &ServiceAccount,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let table = &self.tables.control;
        let mut item = service_key(org, &account.id);
        item.extend([
            ("nm".into(), s(&account.name)),
            ("ro".into(), s(&account.role)),
            ("ca".into(), n(account.created_at.0)),
            ("rv".into(), n(account.revision)),
        ]);
        let mut writes = Writes::default();
        if account.revision == 1 {
            writes.create(table, item)?;
        } else {
            item.retain(|name, _| name != "pk" && name != "sk");
            let mut values: Item =
                item.into_iter().map(|(name, value)| (format!(":{name}"), value)).collect();
            values.insert(":old".into(), n(account.revision - 1));
            writes.update(Change {
                table: table.clone(),
                key: service_key(org, &account.id),
                expression: "SET nm = :nm, ro = :ro, ca = :ca, rv = :rv".to_owned(),
                condition: Some("rv = :old".to_owned()),
                values,
            })?;
        }
        writes.record(&self.tables.ledger, org, record)?;
        let saved = self.transact("save_service_account", writes).await?.held();
        if saved && account.revision > 1 {
            self.say_role(org, account.id.as_str(), &account.role).await?;
        }
        Ok(saved)
    }

    /// Deletes a service account with its keys; `false` if there was none.
    pub async fn delete_service_account(
        &self,
        org: &OrgKey,
        id: &ServiceId,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        let there = Some(("attribute_exists(pk)", Item::new()));
        writes.delete(&self.tables.control, service_key(org, id), there)?;
        writes.record(&self.tables.ledger, org, record)?;
        let deleted = self.transact("delete_service_account", writes).await?.held();
        if deleted {
            self.delete_keys_of(org, id.as_str()).await?;
        }
        Ok(deleted)
    }
}

fn by_hash_item(used: &UsedKey) -> Result<Item, StoreError> {
    let mut item = by_hash_key(&used.key.hash);
    item.extend(fields(used)?);
    Ok(item)
}

fn of_org_item(used: &UsedKey) -> Result<Item, StoreError> {
    let mut item = of_org_key(&used.org, &used.key.id);
    item.extend(fields(used)?);
    Ok(item)
}

fn fields(used: &UsedKey) -> Result<Item, StoreError> {
    let mut item = Item::from([
        ("org".into(), s(used.org.org().as_str())),
        ("ro".into(), s(&used.role)),
        ("key".into(), b(codec::pack(&used.key)?)),
    ]);
    // A key that has ended is forgotten a month later, so that it can be seen meanwhile why it is refused.
    let month = std::time::Duration::from_hours(30 * 24);
    item.extend(used.key.expires_at.map(|at| ("ttl".to_owned(), n(at.plus(month).seconds_up()))));
    Ok(item)
}

fn read_key(item: &Item) -> Result<UsedKey, StoreError> {
    let addresses = attr::optional_bytes(item, "ad").and_then(|bytes| codec::unpack(bytes).ok());
    Ok(UsedKey {
        key: codec::unpack(attr::bytes(item, "key")?)?,
        org: OrgKey::verified(attr::parsed(item, "org", OrgId::parse)?, Provenance::ApiKey),
        role: attr::text(item, "ro")?.to_owned(),
        used_at: attr::optional_number(item, "lu").map(Millis),
        addresses: addresses.unwrap_or_default(),
        erased: erase::is_marked(item),
    })
}

fn read_service(item: &Item) -> Result<ServiceAccount, StoreError> {
    let id = attr::text(item, "sk")?.strip_prefix("a#").ok_or(StoreError::Corrupt("sk"))?;
    Ok(ServiceAccount {
        id: ServiceId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        name: attr::text(item, "nm")?.to_owned(),
        role: attr::text(item, "ro")?.to_owned(),
        created_at: Millis(attr::number(item, "ca")?),
        revision: attr::number(item, "rv")?,
    })
}

fn by_hash_key(hash: &str) -> Item {
    Item::from([("pk".into(), s(hash_key(hash))), ("sk".into(), s("k"))])
}

fn hash_key(hash: &str) -> String {
    format!("key#{hash}")
}

fn of_org_key(org: &OrgKey, id: &ApiKeyId) -> Item {
    Item::from([("pk".into(), s(org.org().as_str())), ("sk".into(), s(key_sort(id)))])
}

fn key_sort(id: &ApiKeyId) -> String {
    format!("k#{id}")
}

fn service_key(org: &OrgKey, id: &ServiceId) -> Item {
    Item::from([("pk".into(), s(org.org().as_str())), ("sk".into(), s(service_sort(id)))])
}

fn service_sort(id: &ServiceId) -> String {
    format!("a#{id}")
}
