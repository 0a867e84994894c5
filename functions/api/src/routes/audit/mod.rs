//! The audit ledger: reading and exporting it.

mod csv;
mod export;
mod list;
mod search;

pub(crate) use export::*;
pub(crate) use list::*;

use domain::audit::Record;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One thing that was done.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = AuditRecord)]
pub(crate) struct RecordView {
    #[schema(example = "aud_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    id: String,
    at: String,
    #[schema(example = "workflow.published")]
    action: &'static str,
    /// Who: `usr_…` or `sa_…`.
    actor: String,
    #[schema(example = "ada@example.com")]
    actor_name: String,
    /// The API key that it was done with.
    api_key: Option<String>,
    /// What it was done to.
    #[schema(example = "workflow")]
    target_type: Option<String>,
    target: Option<String>,
    /// Without secrets.
    #[schema(value_type = Option<Object>)]
    before: Value,
    /// Without secrets.
    #[schema(value_type = Option<Object>)]
    after: Value,
    #[schema(example = "192.0.2.7")]
    ip: String,
    user_agent: String,
    /// As the answer's `x-request-id` told it.
    request: String,
}

impl From<Record> for RecordView {
    fn from(record: Record) -> Self {
        let (target_type, target) = record.target.map(|target| (target.kind, target.id)).unzip();
        Self {
            id: record.id.to_string(),
            at: record.at.rfc3339(),
            action: record.action.as_str(),
            actor: record.actor.to_string(),
            actor_name: record.actor_name,
            api_key: record.key.map(|key| key.to_string()),
            target_type,
            target,
            before: record.before,
            after: record.after,
            ip: record.origin.ip,
            user_agent: record.origin.agent,
            request: record.origin.request,
        }
    }
}
