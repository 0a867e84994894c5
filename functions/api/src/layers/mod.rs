//! What goes around every route: where a request comes from and its id, who asks, how much may be asked, and requests that are
//! repeated.

mod limits;
mod origin;
mod repeat;

pub use limits::{Limits, RateLimits};
pub(crate) use repeat::shown_once;

use crate::App;
use axum::Router;
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use domain::audit::RequestOrigin;
use std::convert::Infallible;

/// Puts the layers around the routes; the last one written here sees a request first.
pub(crate) fn around(router: Router<App>, app: &App) -> Router<App> {
    router
        .layer(from_fn_with_state(app.clone(), repeat::once))
        .layer(from_fn_with_state(app.clone(), limits::limited))
        .layer(from_fn_with_state(app.clone(), known))
        .layer(from_fn(origin::noted))
}

/// Finds out who asks, for the other layers and the handler. Whoever cannot be let in is refused by the handler: some need nobody.
async fn known(State(app): State<App>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    if parts.headers.contains_key(axum::http::header::AUTHORIZATION)
        && let Ok(caller) = auth::authenticate(&parts, &app).await
    {
        parts.extensions.insert(caller);
    }
    next.run(Request::from_parts(parts, body)).await
}

/// Where the request comes from.
pub(crate) struct Origin(pub(crate) RequestOrigin);

impl<S: Send + Sync> FromRequestParts<S> for Origin {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(parts.extensions.get::<RequestOrigin>().cloned().unwrap_or_default()))
    }
}
