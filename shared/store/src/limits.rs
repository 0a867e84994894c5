//! Limits of apps, which all workers share: one item each, in the tokens table.
//!
//! An item holds one time, `nx`: when the next request would have its turn if all came evenly (GCRA, the generic cell rate algorithm). Who
//! wants to send moves it on by one conditional update, and so has a turn that is nobody else's, now or soon. A turn that is not used, as of
//! a worker that died, is gone; none is given twice.
//!
//! Who finds all turns taken for as long as it would wait takes a place behind the others that were told so: `bq` is when the last of
//! them has its turn. So they come back one after the other, and not all at once.
//!
//! Places are given for the next hour only. Who finds none of them left takes none, or the places would move away faster than turns come:
//! it is told some time in the second half of that hour, each of these another (`bn` counts them), and asks again then.
//!
//! Times are those of the table (`TableClock`), in microseconds since 1970: the clocks of workers differ.

use crate::attr::{self, Item, n, s};
use crate::ports::LimitStore;
use crate::{Store, StoreError, runs};
use async_trait::async_trait;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};
use domain::pace::Pace;
use domain::{ConnectionId, Millis, OrgKey};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// One limit of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppLimit {
    /// For whom the app counts; `None` for calls without a connection.
    pub connection: Option<ConnectionId>,
    /// The connector, and what it calls the limit.
    pub name: String,
    pub pace: Pace,
}

/// When a request may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// After this time; the turn is taken.
    In(Duration),
    /// No turn is free so soon; after this time one may be.
    NotBefore(Duration),
}

/// How long an item stays whose time is over.
const KEPT: Duration = Duration::from_hours(1);
/// Longer than this nobody is told to wait: by then it may be otherwise.
const LONGEST: Duration = Duration::from_hours(1);
/// How often a turn is tried for that others take meanwhile.
const TRIES: u32 = 5;
/// How many limits a process remembers.
const REMEMBERED: usize = 1000;

/// What this process last saw of each limit: by it the first guess is made.
#[derive(Debug, Default)]
pub(crate) struct Seen(Mutex<HashMap<String, i64>>);

impl Seen {
    fn next(&self, key: &str) -> i64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(key).copied().unwrap_or(0)
    }

    fn is(&self, key: String, next: i64) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= REMEMBERED {
            seen.clear();
        }
        seen.insert(key, next);
    }
}

#[async_trait]
impl LimitStore for Store {
    async fn turn(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        patience: Duration,
        now: Millis,
    ) -> Result<Turn, StoreError> {
        let now = micros(self.table_time(now));
        let remembered = remembered(org, limit);
        let furthest = now + limit.pace.early + span(patience);
        let mut next = self.seen.next(&remembered);
        for tried in 0..TRIES {
            // What is remembered is a guess: the table is asked before anybody is sent away.
            if tried > 0 && next > furthest {
                break;
            }
            match self.move_on(org, limit, now, next >= now, furthest).await? {
                Moved::To(after) => {
                    self.seen.is(remembered, after);
                    let turn = after - limit.pace.each - limit.pace.early;
                    return Ok(Turn::In(length(turn - now)));
                }
                Moved::Not { next: is } => next = is,
            }
        }
        let place = self.place(org, limit, now, next).await?;
        self.seen.is(remembered, next);
        let wait = match place {
            Place::Before(after) => {
                let soonest = after - limit.pace.each - limit.pace.early - span(patience) - now;
                whole(soonest).clamp(Duration::from_millis(100), LONGEST)
            }
            Place::None { count } => spread(count),
        };
        Ok(Turn::NotBefore(wait))
    }

    async fn block(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        time: Duration,
        now: Millis,
    ) -> Result<(), StoreError> {
        let now = self.table_time(now);
        let until = micros(now) + limit.pace.early + span(time.min(LONGEST));
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(key(org, limit)))
            .update_expression("SET nx = :until, #ttl = :ttl")
            .condition_expression("attribute_not_exists(nx) OR nx < :until")
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":until", n(until))
            .expression_attribute_values(":ttl", n(ttl(until)))
            .send()
            .await;
        if runs::condition_held("block", update)? {
            self.seen.is(remembered(org, limit), until);
        }
        Ok(())
    }
}

/// What an update of a limit's item came to.
enum Moved {
    /// The turn is ours; the next one is then.
    To(i64),
    /// It is not as was thought: the next turn is then.
    Not { next: i64 },
}

/// What a place among those that wait came to.
enum Place {
    /// It is the last one before this time.
    Before(i64),
    /// None is left; so many have been told that.
    None { count: i64 },
}

impl Store {
    /// Takes the next turn, if it is as thought: `taken` says that the turn for now is taken, so that ours is the next one.
    async fn move_on(
        &self,
        org: &OrgKey,
        limit: &AppLimit,
        now: i64,
        taken: bool,
        furthest: i64,
    ) -> Result<Moved, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.tables.tokens)
            .set_key(Some(key(org, limit)))
            .expression_attribute_names("#ttl", "ttl")
            .expression_attribute_values(":now", n(now))
            .expression_attribute_values(":ttl", n(ttl(furthest + limit.pace.each)))
            .return_values(ReturnValue::UpdatedNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        let update = if taken {
            update
                .update_expression("SET nx = nx + :each, #ttl = :ttl")
                .condition_expression("nx BETWEEN :now AND :furthest")
                .expression_attribute_values(":each", n(limit.pace.each))
                .expression_attribute_values(":furthest", n(furthest))
        } else {
            update
                .update_expression("SET nx = :after, #ttl = :ttl")
                .condition_expression("attribute_not_exists(nx) OR nx < :now")
                .expression_attribute_values(":after", n(now + limit.pace.each))
        };
        match update.send().await {
            Ok(updated) => Ok(Moved::To(attr::number(&updated.attributes.unwrap_or_default(), "nx")?)),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refused)) => {
                    let next = refused.item().and_then(|item| attr::optional_number(item, "nx"));
                    Ok(Moved::Not { next: next.unwrap_or(0) })
                }
                _ => Err(StoreError::of("turn", &error)),
            },
        }
    }

    /// Takes a place behind those that wait for longer than they would where they are, if one is left within the longest wait.
    async fn place(&self, org: &OrgKey, limit: &AppLimit, now: i64, next: i64) -> Result<Place, StoreError> {
        let update = || {
            self.client
                .update_item()
                .table_name(&self.tables.tokens)
                .set_key(Some(key(org, limit)))
                .return_values(ReturnValue::UpdatedNew)
        };
        let first = update()
            .update_expression("SET bq = :first")
            .condition_expression("attribute_not_exists(bq) OR bq < :next")
            .expression_attribute_values(":first", n(next + limit.pace.each))
            .expression_attribute_values(":next", n(next))
            .send()
            .await;
        if runs::condition_held("turn", first)? {
            return Ok(Place::Before(next + limit.pace.each));
        }
        let behind = update()
            .update_expression("ADD bq :each")
            .condition_expression("bq <= :furthest")
            .expression_attribute_values(":each", n(limit.pace.each))
            .expression_attribute_values(":furthest", n(now + limit.pace.early + span(LONGEST)))
            .send()
            .await;
        match behind {
            Ok(updated) => {
                return Ok(Place::Before(attr::number(&updated.attributes.unwrap_or_default(), "bq")?));
            }
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(_)) => {}
                _ => return Err(StoreError::of("turn", &error)),
            },
        }
        let counted = update()
            .update_expression("ADD bn :one")
            .expression_attribute_values(":one", n(1))
            .send()
            .await
            .map_err(|e| StoreError::of("turn", &e))?;
        Ok(Place::None { count: attr::number(&counted.attributes.unwrap_or_default(), "bn")? })
    }
}

/// How long the so-many-th waits of those for whom no place is left: another part of the second half of the longest wait for each.
///
/// Multiples of the golden ratio are spread evenly within one, however many there are.
fn spread(count: i64) -> Duration {
    const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
    let half = LONGEST / 2;
    // The first 32 bits behind the point.
    let part = count.cast_unsigned().wrapping_mul(GOLDEN) >> 32;
    let micros = u64::try_from(half.as_micros()).unwrap_or(0);
    half + Duration::from_micros((micros * part) >> 32)
}

/// Where the limits of a connection are, or those of all calls without one.
pub(crate) fn partition(org: &OrgKey, connection: Option<&ConnectionId>) -> String {
    match connection {
        Some(connection) => format!("{}#limit#{connection}", org.org()),
        None => format!("{}#limit", org.org()),
    }
}

fn remembered(org: &OrgKey, limit: &AppLimit) -> String {
    format!("{}#{}", partition(org, limit.connection.as_ref()), limit.name)
}

fn key(org: &OrgKey, limit: &AppLimit) -> Item {
    Item::from([("pk".into(), s(partition(org, limit.connection.as_ref()))), ("sk".into(), s(&limit.name))])
}

fn micros(at: Millis) -> i64 {
    at.0.saturating_mul(1000)
}

fn span(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX / 4)
}

fn length(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// In whole milliseconds, as those who are told count: whoever comes a moment too soon has lost its place.
fn whole(micros: i64) -> Duration {
    Duration::from_millis(u64::try_from(micros).unwrap_or(0).div_ceil(1000))
}

fn ttl(over: i64) -> i64 {
    over / 1_000_000 + i64::try_from(KEPT.as_secs()).unwrap_or(0)
}
