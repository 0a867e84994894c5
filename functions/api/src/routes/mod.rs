//! The routes: a file per resource verb.

mod api_keys;
mod audit;
mod auth;
mod connection_schema;
mod connections;
mod connectors;
mod erase;
mod events;
mod export;
mod expressions;
mod identity_provider;
mod invitations;
mod me;
mod members;
mod oauth;
mod organization;
mod own_connectors;
mod public;
mod reference;
mod roles;
mod runs;
mod service_accounts;
mod setup;
mod transforms;
mod usage;
mod variables;
mod workflows;

use crate::App;
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(public::health))
        .routes(routes!(public::openapi))
        .routes(routes!(public::schema))
        // For people: not part of the document.
        .route("/v1/docs", get(reference::page))
        .route("/v1/docs/reference.js", get(reference::script))
        .route("/v1/docs/swagger-ui-bundle.js", get(reference::bundle))
        .route("/v1/docs/swagger-ui.css", get(reference::style))
        .routes(routes!(setup::setup))
        .routes(routes!(auth::login))
        .routes(routes!(auth::refresh))
        .routes(routes!(auth::logout))
        .routes(routes!(auth::logout_everywhere))
        .routes(routes!(auth::jwks))
        .routes(routes!(auth::sessions))
        .routes(routes!(auth::end_session))
        .routes(routes!(auth::change_password))
        .routes(routes!(auth::ask_reset))
        .routes(routes!(auth::confirm_reset))
        .routes(routes!(auth::oidc_provider))
        .routes(routes!(auth::oidc_start))
        .routes(routes!(auth::oidc_callback))
        .routes(routes!(identity_provider::get, identity_provider::put, identity_provider::delete))
        .routes(routes!(me::me))
        .routes(routes!(roles::roles))
        .routes(routes!(organization::get, organization::change, erase::erase))
        .routes(routes!(export::export))
        .routes(routes!(organization::create))
        .routes(routes!(organization::set_quotas))
        .routes(routes!(organization::leave))
        .routes(routes!(usage::usage))
        .routes(routes!(members::list))
        .routes(routes!(members::change, members::delete))
        .routes(routes!(invitations::list, invitations::create))
        .routes(routes!(invitations::accept))
        .routes(routes!(invitations::delete))
        .routes(routes!(service_accounts::list, service_accounts::create))
        .routes(routes!(service_accounts::get, service_accounts::change, service_accounts::delete))
        .routes(routes!(api_keys::list, api_keys::create))
        .routes(routes!(api_keys::delete))
        .routes(routes!(audit::list))
        .routes(routes!(audit::export))
        .routes(routes!(workflows::list, workflows::create))
        .routes(routes!(workflows::validate))
        .routes(routes!(workflows::get, workflows::update))
        .routes(routes!(workflows::enable))
        .routes(routes!(workflows::disable))
        .routes(routes!(workflows::publish))
        .routes(routes!(workflows::traffic))
        .routes(routes!(workflows::versions))
        .routes(routes!(workflows::version))
        .routes(routes!(workflows::diff))
        .routes(routes!(workflows::figures))
        .routes(routes!(workflows::start))
        .routes(routes!(workflows::test))
        .routes(routes!(workflows::try_step))
        .routes(routes!(workflows::poll_state, workflows::poll_now))
        .routes(routes!(workflows::subscription, workflows::subscribe))
        .routes(routes!(variables::environments))
        .routes(routes!(variables::list))
        .routes(routes!(variables::get, variables::put, variables::delete))
        .routes(routes!(connectors::list))
        .routes(routes!(connectors::validate))
        .routes(routes!(connectors::get, own_connectors::put, own_connectors::delete))
        .routes(routes!(own_connectors::import_openapi))
        .routes(routes!(connections::list, connections::create))
        .routes(routes!(connections::get, connections::change, connections::delete))
        .routes(routes!(connections::test))
        .routes(routes!(connections::options))
        .routes(routes!(connection_schema::schema))
        .routes(routes!(oauth::get_client, oauth::put_client, oauth::delete_client))
        .routes(routes!(oauth::authorize))
        .routes(routes!(oauth::callback))
        .routes(routes!(runs::list))
        .routes(routes!(runs::get))
        .routes(routes!(runs::file))
        .routes(routes!(runs::cancel))
        .routes(routes!(runs::redrive))
        .routes(routes!(runs::replay))
        .routes(routes!(runs::redrive_many))
        .routes(routes!(expressions::evaluate))
        .routes(routes!(transforms::transforms))
        .routes(routes!(events::put))
        .routes(routes!(events::test_pattern))
}
