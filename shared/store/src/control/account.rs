//! Organisations and the people in them.

use crate::attr::{self, Item, n, s};
use crate::{Store, StoreError};
use aws_sdk_dynamodb::types::{Put, TransactWriteItem};
use domain::{Millis, OrgId, UserId};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organization {
    pub id: OrgId,
    pub name: String,
    pub created_at: Millis,
}

/// A person who can sign in. `password` is a PHC string and never leaves the server.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub password: String,
    pub org: OrgId,
    pub role: String,
    pub created_at: Millis,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("org", &self.org)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

const SYSTEM: &str = "system";
const FIRST: &str = "first";

impl Store {
    /// Makes the deployment's first organisation and owner. `false` when there is one already: it is made once.
    pub async fn create_first_owner(&self, org: &Organization, owner: &User) -> Result<bool, StoreError> {
        let items = [
            Item::from([
                ("pk".into(), s(SYSTEM)),
                ("sk".into(), s(FIRST)),
                ("org".into(), s(org.id.as_str())),
            ]),
            Item::from([
                ("pk".into(), s(org.id.as_str())),
                ("sk".into(), s("org")),
                ("name".into(), s(&org.name)),
                ("ca".into(), n(org.created_at.0)),
            ]),
            Item::from([
                ("pk".into(), s(email_key(&owner.email))),
                ("sk".into(), s("u")),
                ("id".into(), s(owner.id.as_str())),
                ("pw".into(), s(&owner.password)),
                ("org".into(), s(owner.org.as_str())),
                ("role".into(), s(&owner.role)),
                ("ca".into(), n(owner.created_at.0)),
            ]),
        ];
        let mut writes = Vec::with_capacity(items.len());
        for item in items {
            let put = Put::builder()
                .table_name(&self.tables.control)
                .set_item(Some(item))
                .condition_expression("attribute_not_exists(pk)")
                .build()
                .map_err(|_| StoreError::Corrupt("put"))?;
            writes.push(TransactWriteItem::builder().put(put).build());
        }
        match self.client.transact_write_items().set_transact_items(Some(writes)).send().await {
            Ok(_) => Ok(true),
            Err(e) if e.as_service_error().is_some_and(aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError::is_transaction_canceled_exception) => {
                // A conflict with a set-up at the same moment is not yet "done".
                match self.first_org().await? {
                    Some(_) => Ok(false),
                    None => Err(StoreError::Conflict { operation: "create_first_owner" }),
                }
            }
            Err(e) => Err(StoreError::of("create_first_owner", &e)),
        }
    }

    /// The organisation that was made at set-up: events without an organisation of their own are its.
    pub async fn first_org(&self) -> Result<Option<OrgId>, StoreError> {
        let item = self.get_control(SYSTEM.to_owned(), FIRST.to_owned()).await?;
        item.map(|item| attr::parsed(&item, "org", OrgId::parse)).transpose()
    }

    pub async fn user_by_email(&self, email: &str) -> Result<Option<User>, StoreError> {
        let Some(item) = self.get_control(email_key(email), "u".to_owned()).await? else { return Ok(None) };
        Ok(Some(User {
            id: attr::parsed(&item, "id", UserId::parse)?,
            email: email.to_owned(),
            password: attr::text(&item, "pw")?.to_owned(),
            org: attr::parsed(&item, "org", OrgId::parse)?,
            role: attr::text(&item, "role")?.to_owned(),
            created_at: Millis(attr::number(&item, "ca")?),
        }))
    }

    pub(super) async fn get_control(&self, pk: String, sk: String) -> Result<Option<Item>, StoreError> {
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

fn email_key(email: &str) -> String {
    format!("email#{email}")
}
