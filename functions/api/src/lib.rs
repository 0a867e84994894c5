#![doc = include_str!("../README.md")]

mod body;
mod config;
mod diff;
mod error;
mod openapi;
mod page;
mod routes;
mod state;
mod trial;
mod view;

pub use config::Config;
pub use openapi::document;
pub use state::App;

use axum::Router;

/// The whole API.
pub fn router(app: App) -> Router {
    let (router, _) = routes::all().split_for_parts();
    router.fallback(error::not_found).method_not_allowed_fallback(error::method_not_allowed).with_state(app)
}
