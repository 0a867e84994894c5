//! The routes: a file per resource verb.

mod events;
mod expressions;
mod login;
mod public;
mod runs;
mod setup;
mod transforms;
mod workflows;

use crate::App;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) fn all() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(public::health))
        .routes(routes!(public::openapi))
        .routes(routes!(public::schema))
        .routes(routes!(setup::setup))
        .routes(routes!(login::login))
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
