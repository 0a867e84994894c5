//! Who belongs to an organisation, and as what.

use super::account::{self, User};
use crate::attr::{self, Item, n, s};
use crate::transact::{Change, Outcome, Writes};
use crate::{Store, StoreError, erase};
use domain::audit::Record;
use domain::{Millis, OrgId, OrgKey, UserId};

/// A person in an organisation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    pub email: String,
    pub role: String,
    pub joined_at: Millis,
    /// Access tokens that were made before this second do not count.
    pub not_before: i64,
    /// Whether the role is what the identity provider says, and follows it with each sign-in.
    pub managed: bool,
    /// The organisation is being erased.
    pub erased: bool,
}

/// What became of a change of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberChange {
    Done,
    /// An organisation keeps an owner.
    LastOwner,
    /// Somebody changed or removed the member at the same moment.
    Conflict,
}

const OWNER: &str = "owner";

impl Member {
    pub fn new(user: &User, role: &str, joined_at: Millis) -> Self {
        Self {
            user: user.id.clone(),
            email: user.email.clone(),
            role: role.to_owned(),
            joined_at,
            not_before: 0,
            managed: false,
            erased: false,
        }
    }
}

impl Store {
    /// A member, and so whether there is one.
    pub async fn member(&self, org: &OrgKey, user: &UserId) -> Result<Option<Member>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), member_sort(user)).await?;
        item.as_ref().map(read_member).transpose()
    }

    /// Members by id, after `after`; at most `limit`.
    pub async fn members(
        &self,
        org: &OrgKey,
        after: Option<&UserId>,
        limit: usize,
    ) -> Result<Vec<Member>, StoreError> {
        let after = after.map(member_sort);
        let items = self.list_control(org.org().as_str(), "m#", after.as_deref(), limit).await?;
        items.iter().map(read_member).collect()
    }

    /// The organisations that a user belongs to, the one joined first at the front.
    pub async fn memberships(&self, user: &UserId) -> Result<Vec<OrgId>, StoreError> {
        let items = self.list_control(&account::user_key(user), "o#", None, MAX_MEMBERSHIPS).await?;
        let mut found = Vec::with_capacity(items.len());
        for item in &items {
            let org = attr::text(item, "sk")?.strip_prefix("o#").and_then(|id| OrgId::parse(id).ok());
            found.push((
                attr::optional_number::<i64>(item, "at").unwrap_or(0),
                org.ok_or(StoreError::Corrupt("sk"))?,
            ));
        }
        found.sort();
        Ok(found.into_iter().map(|(_, org)| org).collect())
    }

    /// Makes an existing account a member; `false` when it is one already. The invitation that led here ends with it.
    pub async fn add_member(
        &self,
        org: &OrgKey,
        member: &Member,
        invitation: Option<&super::Invitation>,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        put_member(&mut writes, table, org, member)?;
        require_account(&mut writes, table, &member.user)?;
        if member.role == OWNER {
            writes.update(owners(table, org, 1))?;
        } else {
            writes.check(table, account::org_key_item(org.org()), account::THERE)?;
        }
        if let Some(invitation) = invitation {
            // Used by another at the same moment, it is no longer there.
            let there = || Some(("attribute_exists(pk)", Item::new()));
            writes.delete(table, super::invitation::of_org(org, &invitation.id), there())?;
            writes.delete(table, super::invitation::of_hash(&invitation.hash), there())?;
        }
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("add_member", writes).await?.held())
    }

    /// Gives a member another role, if it still has the one that was read.
    pub async fn change_role(
        &self,
        org: &OrgKey,
        member: &Member,
        role: &str,
        record: &Record,
    ) -> Result<MemberChange, StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        writes.update(Change {
            table: table.clone(),
            key: member_key(org, &member.user),
            expression: "SET ro = :new".to_owned(),
            condition: Some("ro = :old".to_owned()),
            values: Item::from([(":new".into(), s(role)), (":old".into(), s(&member.role))]),
        })?;
        writes.record(&self.tables.ledger, org, record)?;
        match (member.role == OWNER, role == OWNER) {
            (true, false) => drop(writes.update(owners(table, org, -1))?),
            (false, true) => drop(writes.update(owners(table, org, 1))?),
            _ => {}
        }
        let changed = self.transact("change_role", writes).await?;
        if changed.held() {
            self.say_role(org, member.user.as_str(), role).await?;
        }
        Ok(of_outcome(&changed))
    }

    /// Removes a member whose role is still the one that was read, with its API keys.
    pub async fn remove_member(
        &self,
        org: &OrgKey,
        member: &Member,
        record: &Record,
    ) -> Result<MemberChange, StoreError> {
        let table = &self.tables.control;
        let mut writes = Writes::default();
        let same_role = Item::from([(":old".into(), s(&member.role))]);
        writes.delete(table, member_key(org, &member.user), Some(("ro = :old", same_role)))?;
        writes.record(&self.tables.ledger, org, record)?;
        if member.role == OWNER {
            writes.update(owners(table, org, -1))?;
        }
        writes.delete(table, membership_key(org, &member.user), None)?;
        let removed = self.transact("remove_member", writes).await?;
        if removed.held() {
            // No new one can come: to make a key needs its holder.
            self.delete_keys_of(org, member.user.as_str()).await?;
        }
        Ok(of_outcome(&removed))
    }

    /// Lets none of a user's access tokens count that was made before `now`, a second, in any organisation.
    pub async fn refuse_tokens_before(&self, user: &UserId, now: i64) -> Result<(), StoreError> {
        for org in self.memberships(user).await? {
            let org = OrgKey::verified(org, domain::Provenance::SignIn);
            let mut writes = Writes::default();
            writes.update(Change {
                table: self.tables.control.clone(),
                key: member_key(&org, user),
                expression: "SET nb = :nb".to_owned(),
                condition: Some("attribute_exists(pk)".to_owned()),
                values: Item::from([(":nb".into(), n(now))]),
            })?;
            self.transact("refuse_tokens_before", writes).await?;
        }
        Ok(())
    }
}

/// How many organisations an account may belong to.
pub const MAX_MEMBERSHIPS: usize = 100;

fn of_outcome(outcome: &Outcome) -> MemberChange {
    match outcome {
        Outcome::Written => MemberChange::Done,
        Outcome::Refused(refused) if refused.contains(&0) => MemberChange::Conflict,
        Outcome::Refused(refused) if refused.contains(&2) => MemberChange::LastOwner,
        Outcome::Refused(_) => MemberChange::Conflict,
    }
}

/// One owner more, or one less unless it is the last. An organisation that was made before owners were counted has one.
fn owners(table: &str, org: &OrgKey, by: i32) -> Change {
    let values = [(":by".to_owned(), n(by)), (":one".to_owned(), n(1))];
    let condition = if by < 0 { "ow > :one" } else { account::THERE };
    Change {
        table: table.to_owned(),
        key: account::org_key_item(org.org()),
        expression: "SET ow = if_not_exists(ow, :one) + :by".to_owned(),
        condition: Some(condition.to_owned()),
        values: Item::from_iter(values),
    }
}

/// The rest takes place only with an account that is there, and not about to be erased with the last organisation that it belonged to.
pub(super) fn require_account(writes: &mut Writes, table: &str, user: &UserId) -> Result<(), StoreError> {
    let key = Item::from([("pk".into(), s(account::user_key(user))), ("sk".into(), s("u"))]);
    writes.check(table, key, "attribute_exists(pk) AND attribute_not_exists(cl)")?;
    Ok(())
}

pub(super) fn put_member(
    writes: &mut Writes,
    table: &str,
    org: &OrgKey,
    member: &Member,
) -> Result<(), StoreError> {
    let mut item = member_key(org, &member.user);
    item.extend([
        ("em".into(), s(&member.email)),
        ("ro".into(), s(&member.role)),
        ("at".into(), n(member.joined_at.0)),
        ("nb".into(), n(member.not_before)),
    ]);
    if member.managed {
        item.insert("mg".into(), n(1));
    }
    writes.create(table, item)?;
    let mut of_user = membership_key(org, &member.user);
    of_user.insert("at".into(), n(member.joined_at.0));
    writes.create(table, of_user)?;
    Ok(())
}

fn read_member(item: &Item) -> Result<Member, StoreError> {
    let id = attr::text(item, "sk")?.strip_prefix("m#").ok_or(StoreError::Corrupt("sk"))?;
    Ok(Member {
        user: UserId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        email: attr::text(item, "em")?.to_owned(),
        role: attr::text(item, "ro")?.to_owned(),
        joined_at: Millis(attr::number(item, "at")?),
        not_before: attr::number(item, "nb")?,
        managed: item.contains_key("mg"),
        erased: erase::is_marked(item),
    })
}

pub(super) fn member_key(org: &OrgKey, user: &UserId) -> Item {
    Item::from([("pk".into(), s(org.org().as_str())), ("sk".into(), s(member_sort(user)))])
}

fn member_sort(user: &UserId) -> String {
    format!("m#{user}")
}

/// The same from the user's side.
pub(crate) fn membership_key(org: &OrgKey, user: &UserId) -> Item {
    Item::from([("pk".into(), s(account::user_key(user))), ("sk".into(), s(format!("o#{}", org.org())))])
}
