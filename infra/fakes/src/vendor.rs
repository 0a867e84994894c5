//! What a fake is.

use crate::reply;
use axum::Router;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use std::fmt::Debug;
use std::sync::Arc;

/// A vendor's API. It is made with its [`crate::Desk`], which it keeps.
pub trait Vendor: Debug + Send + Sync + 'static {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// What a client must know: the address to give it, and what signs in. Shown at `/_admin` and by the program.
    fn about(&self) -> Value;

    /// The vendor's own addresses that this stands for, such as `https://slack.com`.
    fn stands_for(&self) -> &'static [&'static str];

    /// The API. Whatever has no route is answered 501 by the frame.
    fn router(self: Arc<Self>) -> Router;

    /// What a test can ask of this vendor only, below `/_admin`, such as a signed event.
    fn admin(self: Arc<Self>) -> Router {
        Router::new()
    }

    /// Back to what was there at the start.
    fn reset(&self);

    /// A failure with this status in the vendor's own words, as a planned fault asks for it; `retry-after` is put to it by the frame.
    fn refusal(&self, status: StatusCode) -> Response;

    /// Faults that handlers do themselves, when `Call::fault` names one.
    fn faults(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whatever is not modelled.
    fn not_modelled(&self, method: &str, path: &str) -> Response {
        reply::not_modelled(self.name(), method, path, None)
    }
}

/// What is said of a fake in one place.
pub(crate) fn described(vendor: &dyn Vendor) -> Value {
    json!({ "name": vendor.name(), "about": vendor.about(), "faults": crate::faults::COMMON, "own_faults": vendor.faults() })
}
