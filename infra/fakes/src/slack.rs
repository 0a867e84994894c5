//! Slack.

use crate::desk::Desk;
use crate::reply;
use crate::vendor::Vendor;
use axum::Router;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

#[derive(Debug)]
pub(crate) struct Slack {
    desk: Arc<Desk>,
}

impl Slack {
    pub(crate) fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }
}

impl Vendor for Slack {
    fn name(&self) -> &'static str {
        "slack"
    }

    fn about(&self) -> Value {
        json!({ "base_url": self.desk.url })
    }

    fn router(self: Arc<Self>) -> Router {
        Router::new()
    }

    fn reset(&self) {}

    fn refusal(&self, status: StatusCode, _: Option<u64>) -> Response {
        reply::json(status, &json!({ "error": status.as_str() }))
    }
}
