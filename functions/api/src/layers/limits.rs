//! How much may be asked, per caller and per organisation.
//!
//! What was asked is counted in the table, for all functions together, in windows of a minute. To count each request would cost a
//! write each: a function takes a few at a time out of the window and hands them out. What it does not hand out before the window
//! is over is lost, at most a hundredth of the limit each.

use crate::App;
use crate::error::ApiError;
use auth::Caller;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use runtime::{MissingVariable, Vars};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::{StoreError, Window, rate_name};

const WINDOW: Duration = Duration::from_mins(1);
/// What is remembered of so many names; then those whose window is over are forgotten.
const MANY: usize = 10_000;

/// Requests a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimits {
    /// Of one API key, or of one person.
    pub caller: u32,
    pub organization: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self { caller: 1_200, organization: 6_000 }
    }
}

/// What this function has taken out of the windows.
#[derive(Debug)]
pub struct Limits {
    rates: RateLimits,
    taken: Mutex<HashMap<String, Taken>>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    window: Window,
    /// Still to be handed out.
    here: u32,
    /// Not taken by anybody, as far as is known here.
    elsewhere: u32,
}

/// How a request stands to one limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Standing {
    allowed: bool,
    limit: u32,
    remaining: u32,
    /// Seconds until the window is over.
    reset: i64,
}

impl RateLimits {
    /// The limits that a function's variables name, or the usual ones.
    pub fn read(vars: &Vars) -> Result<Self, MissingVariable> {
        let usual = Self::default();
        Ok(Self {
            caller: vars.parsed("RATE_LIMIT_CALLER", usual.caller, "a number of requests a minute")?.max(1),
            organization: vars
                .parsed("RATE_LIMIT_ORGANIZATION", usual.organization, "a number of requests a minute")?
                .max(1),
        })
    }
}

impl Limits {
    pub fn new(rates: RateLimits) -> Self {
        Self { rates, taken: Mutex::default() }
    }

    /// Takes one request of `name` out of the present window.
    async fn take(&self, app: &App, name: &str, limit: u32) -> Result<Standing, StoreError> {
        let now = app.now();
        let window = Window::at(now, WINDOW);
        let standing = |allowed, remaining| Standing { allowed, limit, remaining, reset: window.left(now) };
        {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            if taken.len() > MANY {
                taken.retain(|_, taken| taken.window == window);
            }
            if let Some(taken) = taken.get_mut(name).filter(|taken| taken.window == window) {
                if taken.here > 0 {
                    taken.here -= 1;
                    return Ok(standing(true, taken.here + taken.elsewhere));
                }
                if taken.elsewhere == 0 {
                    return Ok(standing(false, 0));
                }
            }
        }
        let some = (limit / 100).max(1);
        let sum = app.store.count(name, window, i32::try_from(some).unwrap_or(i32::MAX)).await?;
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let known = taken.entry(name.to_owned()).or_insert(Taken { window, here: 0, elsewhere: 0 });
        if known.window != window {
            *known = Taken { window, here: 0, elsewhere: 0 };
        }
        // Those beyond the limit are not ours to hand out.
        known.here += some.saturating_sub(sum.saturating_sub(limit));
        known.elsewhere = limit.saturating_sub(sum);
        let allowed = known.here > 0;
        known.here = known.here.saturating_sub(1);
        Ok(standing(allowed, known.here + known.elsewhere))
    }
}

/// Refuses what is too much, and tells every caller how it stands.
pub(super) async fn limited(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>() else { return next.run(request).await };
    let org = caller.org();
    let who = caller.key().map_or_else(|| caller.actor().as_str().to_owned(), |key| key.as_str().to_owned());
    let Limits { rates, .. } = &*app.limits;
    let of_caller = app.limits.take(&app, &rate_name(org, Some(&who)), rates.caller).await;
    let of_org = app.limits.take(&app, &rate_name(org, None), rates.organization).await;
    let (of_caller, of_org) = match (of_caller, of_org) {
        (Ok(of_caller), Ok(of_org)) => (of_caller, of_org),
        // Who cannot be counted is let through: the limits are there so that the API stays up.
        (Err(error), _) | (_, Err(error)) => {
            tracing::warn!(%error, "a request could not be counted");
            return next.run(request).await;
        }
    };
    let tight = if of_org.remaining < of_caller.remaining || !of_org.allowed { of_org } else { of_caller };
    let mut response = if of_caller.allowed && of_org.allowed {
        next.run(request).await
    } else {
        let whose = if of_caller.allowed { "this organisation" } else { "this caller" };
        let detail =
            format!("{whose} may send {} requests a minute; go on in {} seconds", tight.limit, tight.reset);
        ApiError::new(429, "rate_limited", detail).retry_after(tight.reset).into_response()
    };
    let tell = [
        ("ratelimit-limit", i64::from(tight.limit)),
        ("ratelimit-remaining", i64::from(tight.remaining)),
        ("ratelimit-reset", tight.reset),
    ];
    for (name, number) in tell {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from(number));
    }
    response
}
