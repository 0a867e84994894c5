//! Who is who elsewhere: accounts by the identities that an OpenID provider vouches for.

use super::account::{User, email_key_item};
use crate::attr::{self, Item, n, s};
use crate::transact::{Change, Writes};
use crate::{Store, StoreError};
use domain::UserId;

/// What became of tying an identity to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linked {
    Done,
    /// The account is tied to another identity.
    Elsewhere,
}

impl Store {
    /// The account of an identity, by the hash of issuer and subject.
    pub async fn user_by_identity(&self, hash: &str) -> Result<Option<User>, StoreError> {
        let Some(item) = self.get_control(identity_key(hash), "i".to_owned()).await? else { return Ok(None) };
        self.user(&attr::parsed(&item, "u", UserId::parse)?).await
    }

    /// Ties an identity to an account, unless that is tied to another one by now. An account whose address nobody proved to own loses
    /// its password: whoever chose that may be somebody else. Doing it twice changes nothing.
    pub async fn link_identity(&self, user: &User, hash: &str) -> Result<Linked, StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        let mut item = identity_item(hash);
        item.insert("u".into(), s(user.id.as_str()));
        writes.put(table, item)?;
        let before = user.identity.as_deref();
        let mut values = Item::from([(":new".into(), s(hash)), (":old".into(), s(before.unwrap_or(hash)))]);
        let mut expression = "SET idp = :new".to_owned();
        if !user.verified {
            expression.push_str(", vf = :one REMOVE pw");
            values.insert(":one".into(), n(1));
        }
        let same = "(attribute_not_exists(idp) OR idp = :new OR idp = :old)";
        writes.update(Change {
            table: table.clone(),
            key: email_key_item(&user.email),
            expression,
            condition: Some(format!("attribute_exists(pk) AND {same}")),
            values,
        })?;
        if let Some(old) = before.filter(|old| *old != hash) {
            writes.delete(table, identity_item(old), None)?;
        }
        let held = self.transact("link_identity", writes).await?.held();
        Ok(if held { Linked::Done } else { Linked::Elsewhere })
    }
}

pub(crate) fn identity_item(hash: &str) -> Item {
    Item::from([("pk".into(), s(identity_key(hash))), ("sk".into(), s("i"))])
}

fn identity_key(hash: &str) -> String {
    format!("identity#{hash}")
}
