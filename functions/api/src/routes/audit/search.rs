//! Finding records.

use crate::App;
use crate::error::{ApiError, ApiResult};
use auth::Caller;
use domain::audit::{Action, Record};
use domain::{Actor, Millis};
use store::LedgerPage;

/// Which records are wanted.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    pub(super) actor: Option<String>,
    pub(super) action: Option<String>,
    pub(super) target: Option<String>,
    pub(super) q: Option<String>,
}

/// A query with what all have that look for records, and fields of its own.
macro_rules! query {
    ($(#[$doc:meta])* $name:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Deserialize, IntoParams)]
        #[into_params(parameter_in = Query)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            /// From this time on, RFC 3339.
            #[param(format = DateTime)]
            from: Option<String>,
            /// Before this time, RFC 3339.
            #[param(format = DateTime)]
            to: Option<String>,
            /// Whose acts: `usr_…` or `sa_…`.
            actor: Option<String>,
            /// Which acts: a name such as `workflow.published`, or a beginning such as `workflow.`.
            action: Option<String>,
            /// What they were done to: an id.
            target: Option<String>,
            /// A text that the record contains, whatever its case.
            q: Option<String>,
            $($(#[$field_doc])* $field: $type,)*
        }

        impl $name {
            fn wanted(&mut self) -> Wanted {
                Wanted {
                    from: self.from.take(),
                    to: self.to.take(),
                    actor: self.actor.take(),
                    action: self.action.take(),
                    target: self.target.take(),
                    q: self.q.take(),
                }
            }
        }
    };
}
pub(super) use query;

/// A checked query.
pub(super) struct Search {
    from: Millis,
    to: Millis,
    actor: Option<Actor>,
    action: Option<String>,
    target: Option<String>,
    text: Option<String>,
}

/// How many records one request looks through.
const LOOKS_THROUGH: usize = 5_000;
/// How many are read at a time.
const AT_ONCE: usize = 500;

impl Search {
    pub(super) fn of(query: &Wanted, now: Millis) -> ApiResult<Self> {
        let invalid = |detail: String| ApiError::new(422, "invalid_query", detail);
        let time = |name: &str, text: &Option<String>, default: Millis| match text {
            None => Ok(default),
            Some(text) => Millis::parse_rfc3339(text).ok_or_else(|| {
                invalid(format!("`{name}` must be an RFC 3339 time, such as `2026-03-01T00:00:00Z`"))
            }),
        };
        let actor = match &query.actor {
            None => None,
            Some(text) => Some(
                Actor::parse(text)
                    .ok_or_else(|| invalid("`actor` must be an id, `usr_…` or `sa_…`".to_owned()))?,
            ),
        };
        if let Some(action) = &query.action
            && !Action::ALL.iter().any(|known| known.as_str().starts_with(action.as_str()))
        {
            return Err(invalid("`action` must be the name of an act, or how several begin".to_owned()));
        }
        Ok(Self {
            from: time("from", &query.from, Millis(0))?,
            // What is being written now is in.
            to: time("to", &query.to, now.plus(std::time::Duration::from_mins(1)))?,
            actor,
            action: query.action.clone(),
            target: query.target.clone(),
            text: query.q.as_ref().map(|text| text.to_lowercase()),
        })
    }

    fn matches(&self, record: &Record) -> bool {
        self.actor.as_ref().is_none_or(|actor| record.actor == *actor)
            && self.action.as_ref().is_none_or(|begin| record.action.as_str().starts_with(begin.as_str()))
            && self.target.as_ref().is_none_or(|id| record.target.as_ref().is_some_and(|t| t.id == *id))
            && self.text.as_ref().is_none_or(|text| {
                let whole = serde_json::to_string(record).unwrap_or_default();
                whole.to_lowercase().contains(text)
            })
    }

    /// At most `limit` records, newest first, and where to go on. May be fewer though there are more: one request looks through so
    /// many and no more.
    pub(super) async fn find(
        &self,
        app: &App,
        caller: &Caller,
        after: Option<String>,
        limit: usize,
    ) -> ApiResult<LedgerPage> {
        // The ledger begins with the organisation.
        let org = app.store.organization(caller.org_key()).await?;
        let from = org.map_or(self.from, |org| self.from.max(org.created_at));
        let (mut records, mut after) = (Vec::new(), after);
        let mut seen = 0;
        loop {
            // What is read is also told: a cursor stands behind a record, not within a read.
            let some = AT_ONCE.min(limit - records.len());
            let page = app.store.ledger(caller.org_key(), from, self.to, after.as_deref(), some).await?;
            let page = page.ok_or_else(crate::page::invalid)?;
            seen += page.records.len();
            records.extend(page.records.into_iter().filter(|record| self.matches(record)));
            after = page.next;
            if after.is_none() || records.len() >= limit || seen >= LOOKS_THROUGH {
                return Ok(LedgerPage { records, next: after });
            }
        }
    }
}
