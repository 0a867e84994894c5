//! Sessions: sign-ins that go on by refresh tokens. A refresh token counts once; one that comes a second time ends the session.

use super::account::user_key;
use crate::attr::{self, Item, n, s};
use crate::{Store, StoreError};
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use domain::audit::RequestOrigin;
use domain::{Millis, OrgId, SessionId, UserId};
use std::time::Duration;

/// A sign-in that goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub id: SessionId,
    pub user: UserId,
    /// The organisation that its access tokens are for.
    pub org: OrgId,
    pub created_at: Millis,
    pub used_at: Millis,
    pub expires_at: Millis,
    /// Where it was used last.
    pub ip: String,
    pub agent: String,
}

/// A refresh token that somebody shows, and the one that is to count next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refresh {
    pub user: UserId,
    pub session: SessionId,
    /// The hash of the token that is shown.
    pub given: String,
    /// The hash of the next one.
    pub next: String,
}

/// What became of a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rotation {
    /// It counted, and the new one counts next.
    Rotated(Session),
    /// It had been used before: the session has ended now.
    Reused(Session),
    /// There is no such session, or it is over.
    Gone,
}

/// For so long the token before the last one counts as well: its answer may have been lost on the way, or two windows of one
/// browser may have asked at the same moment.
const GRACE: Duration = Duration::from_secs(10);

/// Several at the same moment take turns.
const TRIES: usize = 5;

impl Store {
    /// `hash` is that of the first refresh token.
    pub async fn create_session(&self, session: &Session, hash: &str) -> Result<(), StoreError> {
        let mut item = key(&session.user, &session.id);
        item.extend([
            ("org".into(), s(session.org.as_str())),
            ("h".into(), s(hash)),
            ("ca".into(), n(session.created_at.0)),
            ("ua".into(), n(session.used_at.0)),
            ("ex".into(), n(session.expires_at.0)),
            ("ip".into(), s(&session.ip)),
            ("ag".into(), s(&session.agent)),
            ("ttl".into(), n(session.expires_at.seconds_up())),
        ]);
        self.client
            .put_item()
            .table_name(&self.tables.control)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("create_session", &e))
    }

    /// Takes a refresh token and makes the next one the one that counts; the session goes over to `org`, if one is named.
    pub async fn rotate_session(
        &self,
        refresh: &Refresh,
        org: Option<&OrgId>,
        now: Millis,
        origin: &RequestOrigin,
    ) -> Result<Rotation, StoreError> {
        let Refresh { user, session: id, given, next } = refresh;
        for _ in 0..TRIES {
            let Some((session, current, before)) = self.read_session(user, id).await? else {
                return Ok(Rotation::Gone);
            };
            if session.expires_at <= now {
                return Ok(Rotation::Gone);
            }
            let lately = session.used_at.plus(GRACE) > now;
            if *given != current && !(before.as_ref() == Some(given) && lately) {
                self.end_session(user, id).await?;
                return Ok(Rotation::Reused(session));
            }
            let org = org.unwrap_or(&session.org).clone();
            let sent = self
                .client
                .update_item()
                .table_name(&self.tables.control)
                .set_key(Some(key(user, id)))
                .update_expression("SET h = :next, ph = :given, ua = :now, ip = :ip, ag = :ag, org = :org")
                .condition_expression("h = :current")
                .expression_attribute_values(":next", s(next))
                .expression_attribute_values(":given", s(given))
                .expression_attribute_values(":current", s(&current))
                .expression_attribute_values(":now", n(now.0))
                .expression_attribute_values(":ip", s(&origin.ip))
                .expression_attribute_values(":ag", s(&origin.agent))
                .expression_attribute_values(":org", s(org.as_str()))
                .send()
                .await;
            match sent {
                Ok(_) => {
                    let (ip, agent) = (origin.ip.clone(), origin.agent.clone());
                    return Ok(Rotation::Rotated(Session { org, used_at: now, ip, agent, ..session }));
                }
                Err(e)
                    if e.as_service_error()
                        .is_some_and(UpdateItemError::is_conditional_check_failed_exception) => {}
                Err(e) => return Err(StoreError::of("rotate_session", &e)),
            }
        }
        Err(StoreError::Conflict { operation: "rotate_session" })
    }

    /// The sessions of a user that are not over.
    pub async fn sessions(&self, user: &UserId, now: Millis) -> Result<Vec<Session>, StoreError> {
        let items = self.list_control(&user_key(user), "s#", None, usize::MAX).await?;
        let all: Result<Vec<_>, _> = items.iter().map(|item| read(user, item)).collect();
        Ok(all?.into_iter().filter(|session| session.expires_at > now).collect())
    }

    pub async fn end_session(&self, user: &UserId, id: &SessionId) -> Result<(), StoreError> {
        self.client
            .delete_item()
            .table_name(&self.tables.control)
            .set_key(Some(key(user, id)))
            .send()
            .await
            .map(|_| ())
            .map_err(|e| StoreError::of("end_session", &e))
    }

    /// Ends all sessions of a user, but for one where it is named; how many.
    pub async fn end_sessions(&self, user: &UserId, but: Option<&SessionId>) -> Result<usize, StoreError> {
        let mut ended = 0;
        for session in self.sessions(user, Millis(0)).await? {
            if but != Some(&session.id) {
                self.end_session(user, &session.id).await?;
                ended += 1;
            }
        }
        Ok(ended)
    }

    async fn read_session(
        &self,
        user: &UserId,
        id: &SessionId,
    ) -> Result<Option<(Session, String, Option<String>)>, StoreError> {
        let Some(item) = self.get_control(user_key(user), sort(id)).await? else { return Ok(None) };
        let (current, before) = (attr::text(&item, "h")?.to_owned(), attr::optional_text(&item, "ph"));
        Ok(Some((read(user, &item)?, current, before.map(str::to_owned))))
    }
}

fn read(user: &UserId, item: &Item) -> Result<Session, StoreError> {
    let id = attr::text(item, "sk")?.strip_prefix("s#").ok_or(StoreError::Corrupt("sk"))?;
    Ok(Session {
        id: SessionId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?,
        user: user.clone(),
        org: attr::parsed(item, "org", OrgId::parse)?,
        created_at: Millis(attr::number(item, "ca")?),
        used_at: Millis(attr::number(item, "ua")?),
        expires_at: Millis(attr::number(item, "ex")?),
        ip: attr::text(item, "ip")?.to_owned(),
        agent: attr::text(item, "ag")?.to_owned(),
    })
}

fn key(user: &UserId, id: &SessionId) -> Item {
    Item::from([("pk".into(), s(user_key(user))), ("sk".into(), s(sort(id)))])
}

fn sort(id: &SessionId) -> String {
    format!("s#{id}")
}
