//! What is mailed to people: invitations, and links to set a password. Both are known by the hash of their token.

use super::account::{User, user_key};
use crate::attr::{self, Item, n, s};
use crate::transact::Writes;
use crate::{Store, StoreError};
use domain::audit::Record;
use domain::{InvitationId, Millis, OrgId, OrgKey, Provenance};

/// Somebody is asked into an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invitation {
    pub id: InvitationId,
    pub email: String,
    pub role: String,
    /// What the inviting member is called.
    pub by: String,
    pub created_at: Millis,
    pub expires_at: Millis,
    /// Of its token.
    pub hash: String,
}

impl Store {
    pub async fn create_invitation(
        &self,
        org: &OrgKey,
        invitation: &Invitation,
        record: &Record,
    ) -> Result<(), StoreError> {
        let table = &self.tables.control;
        let ttl = n(invitation.expires_at.seconds_up());
        let mut item = of_org(org, &invitation.id);
        item.extend([
            ("em".into(), s(&invitation.email)),
            ("ro".into(), s(&invitation.role)),
            ("by".into(), s(&invitation.by)),
            ("ca".into(), n(invitation.created_at.0)),
            ("ex".into(), n(invitation.expires_at.0)),
            ("h".into(), s(&invitation.hash)),
            ("ttl".into(), ttl.clone()),
        ]);
        let mut by_hash = of_hash(&invitation.hash);
        by_hash.extend([
            ("org".into(), s(org.org().as_str())),
            ("id".into(), s(invitation.id.as_str())),
            ("ttl".into(), ttl),
        ]);
        let mut writes = Writes::default();
        writes.create(table, item)?.create(table, by_hash)?;
        writes.record(&self.tables.ledger, org, record)?;
        if self.transact("create_invitation", writes).await?.held() {
            return Ok(());
        }
        Err(StoreError::Conflict { operation: "create_invitation" })
    }

    pub async fn invitation(
        &self,
        org: &OrgKey,
        id: &InvitationId,
        now: Millis,
    ) -> Result<Option<Invitation>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), sort(id)).await?;
        let found = item.as_ref().map(read).transpose()?;
        Ok(found.filter(|invitation| invitation.expires_at > now))
    }

    /// Resolves the hash of an invitation's token to the organisation and the invitation.
    pub async fn invitation_by_hash(
        &self,
        hash: &str,
        now: Millis,
    ) -> Result<Option<(OrgKey, Invitation)>, StoreError> {
        let Some(item) = self.get_control(format!("invite#{hash}"), "i".to_owned()).await? else {
            return Ok(None);
        };
        let org = OrgKey::verified(attr::parsed(&item, "org", OrgId::parse)?, Provenance::Invitation);
        let id = attr::parsed(&item, "id", InvitationId::parse)?;
        Ok(self.invitation(&org, &id, now).await?.map(|invitation| (org, invitation)))
    }

    /// Open invitations by id, after `after`; at most `limit`. Ones that are over may still be among them.
    pub async fn invitations(
        &self,
        org: &OrgKey,
        after: Option<&InvitationId>,
        limit: usize,
    ) -> Result<Vec<Invitation>, StoreError> {
        let after = after.map(sort);
        let items = self.list_control(org.org().as_str(), "i#", after.as_deref(), limit).await?;
        items.iter().map(read).collect()
    }

    /// Withdraws an invitation; `false` when it is gone already.
    pub async fn delete_invitation(
        &self,
        org: &OrgKey,
        invitation: &Invitation,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        let there = Some(("attribute_exists(pk)", Item::new()));
        writes.delete(table, of_org(org, &invitation.id), there)?;
        writes.delete(table, of_hash(&invitation.hash), None)?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("delete_invitation", writes).await?.held())
    }

    /// Keeps the hash of a token that lets whoever has it set the password of an account, until then. The user's own partition
    /// tells of it, so that it can be erased with the account.
    pub async fn create_reset(&self, hash: &str, user: &User, expires_at: Millis) -> Result<(), StoreError> {
        let ttl = n(expires_at.seconds_up());
        let by_hash = Item::from([
            ("pk".into(), s(format!("reset#{hash}"))),
            ("sk".into(), s("r")),
            ("em".into(), s(&user.email)),
            ("ex".into(), n(expires_at.0)),
            ("ttl".into(), ttl.clone()),
        ]);
        let of_user = Item::from([
            ("pk".into(), s(user_key(&user.id))),
            ("sk".into(), s(format!("r#{hash}"))),
            ("ttl".into(), ttl),
        ]);
        let mut writes = Writes::default();
        writes.put(&self.tables.control, by_hash)?.put(&self.tables.control, of_user)?;
        self.transact("create_reset", writes).await.map(|_| ())
    }

    /// Takes such a token: it counts once. Gives the account's address.
    pub async fn take_reset(&self, hash: &str, now: Millis) -> Result<Option<String>, StoreError> {
        let key = Item::from([("pk".into(), s(format!("reset#{hash}"))), ("sk".into(), s("r"))]);
        let taken = self
            .client
            .delete_item()
            .table_name(&self.tables.control)
            .set_key(Some(key))
            .return_values(aws_sdk_dynamodb::types::ReturnValue::AllOld)
            .send()
            .await
            .map_err(|e| StoreError::of("take_reset", &e))?;
        let Some(item) = taken.attributes.filter(|item| !item.is_empty()) else { return Ok(None) };
        let open = attr::number::<i64>(&item, "ex")? > now.0;
        Ok(attr::optional_text(&item, "em").filter(|_| open).map(str::to_owned))
    }
}

fn read(item: &Item) -> Result<Invitation, StoreError> {
    let id = attr::text(item, "sk")?.strip_prefix("i#").ok_or(StoreError::Corrupt("sk"))?;
    Ok(Invitation {
        id: InvitationId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        email: attr::text(item, "em")?.to_owned(),
        role: attr::text(item, "ro")?.to_owned(),
        by: attr::text(item, "by")?.to_owned(),
        created_at: Millis(attr::number(item, "ca")?),
        expires_at: Millis(attr::number(item, "ex")?),
        hash: attr::text(item, "h")?.to_owned(),
    })
}

pub(super) fn of_org(org: &OrgKey, id: &InvitationId) -> Item {
    Item::from([("pk".into(), s(org.org().as_str())), ("sk".into(), s(sort(id)))])
}

pub(super) fn of_hash(hash: &str) -> Item {
    Item::from([("pk".into(), s(format!("invite#{hash}"))), ("sk".into(), s("i"))])
}

fn sort(id: &InvitationId) -> String {
    format!("i#{id}")
}
