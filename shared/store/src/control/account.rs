//! Organisations, and the accounts of people, who may be members of several.

use super::member::{self, Member};
use crate::attr::{self, Item, n, s};
use crate::transact::{Change, Writes};
use crate::{Store, StoreError};
use domain::audit::Record;
use domain::{Millis, OrgId, OrgKey, UserId};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    pub id: OrgId,
    pub name: String,
    pub created_at: Millis,
    /// Grows with each change; what a change is conditional on.
    pub revision: u32,
}

/// A person who can sign in. `password` is a PHC string and never leaves the server.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    /// None of one who signs in elsewhere only.
    pub password: Option<String>,
    /// The identity elsewhere that it is tied to: the hash of issuer and subject.
    pub identity: Option<String>,
    /// Whether somebody proved to read the address's mail, or the provider vouches for it.
    pub verified: bool,
    pub created_at: Millis,
    /// The one organisation and role of an account that was made before there were memberships; see
    /// [`complete_user`](Store::complete_user).
    pub incomplete: Option<(OrgId, String)>,
}

impl User {
    /// An account that nobody has proved the address of yet.
    pub fn new(id: UserId, email: &str, password: Option<String>, created_at: Millis) -> Self {
        let email = email.to_owned();
        Self { id, email, password, identity: None, verified: false, created_at, incomplete: None }
    }
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User").field("id", &self.id).finish_non_exhaustive()
    }
}

/// An organisation that is there, and stays.
pub(crate) const THERE: &str = "attribute_exists(pk) AND attribute_not_exists(er)";

const SYSTEM: &str = "system";
const FIRST: &str = "first";

impl Store {
    /// Makes the deployment's first organisation and owner. `false` when there is one already: it is made once.
    pub async fn create_first_owner(
        &self,
        org: &Organization,
        owner: &User,
        key: &OrgKey,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        let first = Item::from([
            ("pk".into(), s(SYSTEM)),
            ("sk".into(), s(FIRST)),
            ("org".into(), s(org.id.as_str())),
        ]);
        writes.create(&self.tables.control, first)?;
        put_user(&mut writes, &self.tables.control, owner)?;
        self.put_organization(&mut writes, org, owner, key, record)?;
        match self.transact("create_first_owner", writes).await {
            Ok(outcome) if outcome.held() => Ok(true),
            Err(error) if !matches!(error, StoreError::Conflict { .. }) => Err(error),
            // A conflict with a set-up at the same moment is not yet "done".
            Ok(_) | Err(_) => match self.first_org().await? {
                Some(_) => Ok(false),
                None => Err(StoreError::Conflict { operation: "create_first_owner" }),
            },
        }
    }

    /// Makes a further organisation, whose owner has an account already.
    pub async fn create_organization(
        &self,
        org: &Organization,
        owner: &User,
        key: &OrgKey,
        record: &Record,
    ) -> Result<(), StoreError> {
        let mut writes = Writes::default();
        self.put_organization(&mut writes, org, owner, key, record)?;
        member::require_account(&mut writes, &self.tables.control, &owner.id)?;
        if self.transact("create_organization", writes).await?.held() {
            return Ok(());
        }
        Err(StoreError::Conflict { operation: "create_organization" })
    }

    fn put_organization(
        &self,
        writes: &mut Writes,
        org: &Organization,
        owner: &User,
        key: &OrgKey,
        record: &Record,
    ) -> Result<(), StoreError> {
        let mut item = org_key_item(&org.id);
        item.extend([
            ("name".into(), s(&org.name)),
            ("ca".into(), n(org.created_at.0)),
            ("ow".into(), n(1)),
            ("rv".into(), n(org.revision)),
        ]);
        writes.create(&self.tables.control, item)?;
        let member = Member::new(owner, "owner", org.created_at);
        member::put_member(writes, &self.tables.control, key, &member)?;
        writes.record(&self.tables.ledger, key, record)?;
        Ok(())
    }

    /// The organisation that was made at set-up: events without an organisation of their own are its.
    pub async fn first_org(&self) -> Result<Option<OrgId>, StoreError> {
        let item = self.get_control(SYSTEM.to_owned(), FIRST.to_owned()).await?;
        item.map(|item| attr::parsed(&item, "org", OrgId::parse)).transpose()
    }

    pub async fn organization(&self, org: &OrgKey) -> Result<Option<Organization>, StoreError> {
        let key = org.org();
        let Some(item) = self.get_control(key.as_str().to_owned(), "org".to_owned()).await? else {
            return Ok(None);
        };
        Ok(Some(Organization {
            id: key.clone(),
            name: attr::text(&item, "name")?.to_owned(),
            created_at: Millis(attr::number(&item, "ca")?),
            revision: attr::optional_number(&item, "rv").unwrap_or(1),
        }))
    }

    /// Gives an organisation another name, unless it was changed since `revision` was read; whether it did.
    pub async fn rename_organization(
        &self,
        org: &OrgKey,
        name: &str,
        revision: u32,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        writes.update(Change {
            table: self.tables.control.clone(),
            key: org_key_item(org.org()),
            expression: "SET rv = :new, #name = :name".to_owned(),
            condition: Some("attribute_exists(pk) AND (attribute_not_exists(rv) OR rv = :old)".to_owned()),
            values: Item::from([
                (":new".into(), n(revision + 1)),
                (":old".into(), n(revision)),
                (":name".into(), s(name)),
            ]),
        })?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("rename_organization", writes).await?.held())
    }

    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let Some(item) = self.get_control(email_key(email), "u".to_owned()).await? else { return Ok(None) };
        let incomplete = match attr::optional_text(&item, "org") {
            Some(org) => {
                let org = OrgId::parse(org).map_err(|_| StoreError::Corrupt("org"))?;
                Some((org, attr::text(&item, "role")?.to_owned()))
            }
            None => None,
        };
        Ok(Some(User {
            id: attr::parsed(&item, "id", UserId::parse)?,
            email: email.to_owned(),
            password: attr::optional_text(&item, "pw").map(str::to_owned),
            identity: attr::optional_text(&item, "idp").map(str::to_owned),
            verified: item.contains_key("vf"),
            created_at: Millis(attr::number(&item, "ca")?),
            incomplete,
        }))
    }

    /// The account of a user.
    pub async fn user(&self, id: &UserId) -> Result<Option<User>, StoreError> {
        let Some(item) = self.get_control(user_key(id), "u".to_owned()).await? else { return Ok(None) };
        self.user_by_email(attr::text(&item, "em")?).await
    }

    /// Makes an account; `false` when its address has one already.
    pub async fn create_user(&self, user: &User) -> Result<bool, StoreError> {
        let mut writes = Writes::default();
        put_user(&mut writes, &self.tables.control, user)?;
        Ok(self.transact("create_user", writes).await?.held())
    }

    /// Gives an account that was made before there were memberships its membership. Doing it twice changes nothing.
    pub async fn complete_user(&self, user: &User) -> Result<(), StoreError> {
        let Some((org, role)) = &user.incomplete else { return Ok(()) };
        let table = &self.tables.control;
        let org = OrgKey::verified(org.clone(), domain::Provenance::SignIn);
        let mut writes = Writes::default();
        member::put_member(&mut writes, table, &org, &Member::new(user, role, user.created_at))?;
        writes.create(table, user_item(user))?;
        writes.check(table, org_key_item(org.org()), THERE)?;
        writes.update(Change {
            table: table.clone(),
            key: email_key_item(&user.email),
            expression: "REMOVE org, #role SET v = :v".to_owned(),
            condition: Some("attribute_exists(pk)".to_owned()),
            values: Item::from([(":v".into(), n(1))]),
        })?;
        // Refused when another sign-in did it at the same moment.
        self.transact("complete_user", writes).await.map(|_| ())
    }

    /// Sets an account's password, unless the account is gone; whether it did. `mailed` says that a link was, to its address.
    pub async fn set_password(&self, email: &str, password: &str, mailed: bool) -> Result<bool, StoreError> {
        let mut values = Item::from([(":pw".into(), s(password))]);
        let verified = if mailed { ", vf = :one" } else { "" };
        values.extend(mailed.then(|| (":one".to_owned(), n(1))));
        let mut writes = Writes::default();
        writes.update(Change {
            table: self.tables.control.clone(),
            key: email_key_item(email),
            expression: format!("SET pw = :pw{verified}"),
            condition: Some("attribute_exists(pk)".to_owned()),
            values,
        })?;
        Ok(self.transact("set_password", writes).await?.held())
    }

    pub(crate) async fn get_control(&self, pk: String, sk: String) -> Result<Option<Item>, StoreError> {
        self.client
            .get_item()
            .table_name(&self.tables.control)
            .key("pk", s(pk))
            .key("sk", s(sk))
            .consistent_read(true)
            .send()
            .await
            .map(|got| got.item)
            .map_err(|e| StoreError::of("get_control", &e))
    }
}

fn put_user(writes: &mut Writes, table: &str, user: &User) -> Result<(), StoreError> {
    let mut account = email_key_item(&user.email);
    account.extend([("id".into(), s(user.id.as_str())), ("ca".into(), n(user.created_at.0))]);
    account.extend(user.password.as_ref().map(|password| ("pw".to_owned(), s(password))));
    account.extend(user.verified.then(|| ("vf".to_owned(), n(1))));
    writes.create(table, account)?;
    writes.create(table, user_item(user))?;
    Ok(())
}

/// What leads from a user's id to the account.
fn user_item(user: &User) -> Item {
    Item::from([("pk".into(), s(user_key(&user.id))), ("sk".into(), s("u")), ("em".into(), s(&user.email))])
}

pub(crate) fn org_key_item(org: &OrgId) -> Item {
    Item::from([("pk".into(), s(org.as_str())), ("sk".into(), s("org"))])
}

pub(crate) fn email_key_item(email: &str) -> Item {
    Item::from([("pk".into(), s(email_key(email))), ("sk".into(), s("u"))])
}

fn email_key(email: &str) -> String {
    format!("email#{email}")
}

pub(crate) fn user_key(id: &UserId) -> String {
    format!("user#{id}")
}
