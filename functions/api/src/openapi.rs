//! The OpenAPI document: made from the handlers, and completed with what holds for all of them.

mod complete;
mod example;

use crate::routes;
use serde_json::Value;
use std::sync::LazyLock;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, OpenApi};

/// The document that `/v1/openapi.json` serves.
pub fn document() -> &'static Value {
    static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
        let mut document = serde_json::to_value(of_handlers()).unwrap_or_default();
        complete::complete(&mut document);
        document
    });
    &DOCUMENT
}

fn of_handlers() -> OpenApi {
    let (_, mut api) = routes::all().split_for_parts();
    api.info = InfoBuilder::new()
        .title("Patchbay")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Workflows that webhooks, events and people start. Errors are problem+json with a stable `code`. \
             Sign in with `POST /v1/auth/login`, or make an API key with `POST /v1/api-keys`, and send \
             `authorization: Bearer …`.",
        ))
        .build();
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("An access token, or an API key (`pb_…`)."))
        .build();
    let mut components = api.components.take().unwrap_or_else(|| ComponentsBuilder::new().build());
    components.add_security_scheme("token", SecurityScheme::Http(token));
    api.components = Some(components);
    api
}
