#![doc = include_str!("../README.md")]

mod body;
mod config;
mod cookies;
mod credentials;
mod diff;
mod error;
mod etag;
mod identity;
mod layers;
mod openapi;
mod page;
mod routes;
mod state;
mod trial;
mod view;

pub use config::Config;
pub use layers::{Limits, RateLimits};
pub use openapi::document;
pub use state::App;

use axum::Router;

/// The whole API.
pub fn router(app: App) -> Router {
    let (router, _) = routes::all().split_for_parts();
    let router = router.fallback(error::not_found).method_not_allowed_fallback(error::method_not_allowed);
    layers::around(router, &app).with_state(app)
}
