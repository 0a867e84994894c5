//! Whether a request comes from whom its trigger says: before anything of it is read.
//!
//! Secrets are secret variables of the workflow's environment, as they are now: whoever replaces one means all requests from then on.

use crate::App;
use crate::request;
use domain::workflow::Verify;
use domain::workflow::verify::Scheme;
use domain::{Millis, OrgKey, Problem};
use lambda_http::Request;
use signatures::Refusal;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::{Hook, StoreError};
use tracing::{error, warn};
use vault::{KeyringError, Secret};

/// How long opened secrets are kept. One that was deleted counts for so long.
const KEPT_FOR: Duration = Duration::from_mins(1);
/// A request that is not believed has newer secrets looked for, but not more often than this.
const NOT_BEFORE: Duration = Duration::from_secs(5);
/// How many environments' secrets are kept; past that the cache starts afresh.
const KEPT: usize = 64;

/// An environment of an organisation.
type Place = (OrgKey, String);

/// The opened secrets of environments, for a minute.
#[derive(Clone, Default)]
pub struct Secrets {
    held: Arc<Mutex<HashMap<Place, Arc<Opened>>>>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

/// What an environment's secrets were at one time: those that were asked for.
struct Opened {
    at: Millis,
    revision: u32,
    /// None where there is no such secret variable, or it does not open.
    secrets: HashMap<String, Option<Arc<Secret<String>>>>,
}

impl Opened {
    fn age(&self, now: Millis) -> Duration {
        self.at.until(now)
    }

    fn has(&self, names: &[String]) -> bool {
        names.iter().all(|name| self.secrets.contains_key(name))
    }
}

/// Why there are no secrets to verify with.
#[derive(Debug, thiserror::Error)]
enum NoSecrets {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Keyring(#[from] KeyringError),
}

/// Gives the sender's name of the delivery, if it has one.
pub(crate) async fn verify(
    app: &App,
    hook: &Hook,
    environment: &str,
    verify: &Verify,
    request: &Request,
) -> Result<Option<String>, Problem> {
    let now = app.clock.now();
    let unavailable = |cause: NoSecrets| {
        error!(workflow.id = %hook.workflow, error = %cause, "the secrets of a webhook could not be read");
        not_now()
    };
    let opened =
        current(app, &hook.org, environment, &verify.secrets, KEPT_FOR).await.map_err(unavailable)?;
    let mut judged = judge(verify, &opened, request, now);
    // Whoever has just replaced a secret, here and at the sender's, does not wait for a minute.
    if matches!(judged, Err(Refusal::Mismatch | Refusal::NoKey)) && opened.age(now) >= NOT_BEFORE {
        let newer =
            current(app, &hook.org, environment, &verify.secrets, NOT_BEFORE).await.map_err(unavailable)?;
        if newer.revision != opened.revision {
            judged = judge(verify, &newer, request, now);
        }
    }
    let scheme = verify.scheme.name();
    judged.map_err(|refusal| match refusal {
        Refusal::NoKey => {
            error!(
                workflow.id = %hook.workflow, trigger = hook.trigger, scheme, environment, names = verify.secrets.join(","),
                "a webhook cannot be verified: none of its secret variables exists and is a key of the scheme"
            );
            not_now()
        }
        refusal => not_believed(hook, scheme, refusal),
    })
}

pub(crate) fn not_believed(hook: &Hook, scheme: &str, refusal: Refusal) -> Problem {
    warn!(workflow.id = %hook.workflow, trigger = hook.trigger, scheme, %refusal, "a webhook is not believed");
    Problem::new(
        401,
        "signature_invalid",
        "the request does not carry what this webhook asks of its sender; nothing was started",
    )
}

fn judge(
    verify: &Verify,
    opened: &Opened,
    request: &Request,
    now: Millis,
) -> Result<Option<String>, Refusal> {
    let secrets: Vec<&str> = verify
        .secrets
        .iter()
        .filter_map(|name| Some(opened.secrets.get(name)?.as_ref()?.expose().as_str()))
        .collect();
    carries(&verify.scheme, &secrets, request, now)
}

/// Whether a request carries what was made with one of these secrets; gives the sender's name of the delivery, if it has one.
pub(crate) fn carries(
    scheme: &Scheme,
    secrets: &[&str],
    request: &Request,
    now: Millis,
) -> Result<Option<String>, Refusal> {
    let url = request::address(request);
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    let asked = signatures::Request::new(headers, &url, request.body().as_ref());
    signatures::verify(scheme, secrets, &asked, now).map(|verified| verified.delivery)
}

/// The secrets of these names, not older than `age`. Names that are no secret variables have none.
async fn current(
    app: &App,
    org: &OrgKey,
    environment: &str,
    names: &[String],
    age: Duration,
) -> Result<Arc<Opened>, NoSecrets> {
    let now = app.clock.now();
    let place = (org.clone(), environment.to_owned());
    let known = app.secrets.held.lock().unwrap_or_else(PoisonError::into_inner).get(&place).cloned();
    if let Some(opened) = &known
        && opened.at <= now
        && opened.age(now) < age
        && opened.has(names)
    {
        return Ok(opened.clone());
    }
    let revision = app.plans.variables_now(org, environment).await?;
    let variables = app.plans.variables(org, environment, revision).await?;
    let mut opened = match known {
        Some(known) if known.revision == revision => known.secrets.clone(),
        _ => HashMap::new(),
    };
    for name in names {
        if opened.contains_key(name) {
            continue;
        }
        let secret = match variables.secret(name) {
            Some(sealed) => open(app, org, environment, name, sealed).await?,
            None => None,
        };
        opened.insert(name.clone(), secret);
    }
    let opened = Arc::new(Opened { at: now, revision, secrets: opened });
    let mut held = app.secrets.held.lock().unwrap_or_else(PoisonError::into_inner);
    if held.len() >= KEPT {
        held.clear();
    }
    held.insert(place, opened.clone());
    Ok(opened)
}

async fn open(
    app: &App,
    org: &OrgKey,
    environment: &str,
    name: &str,
    sealed: &str,
) -> Result<Option<Arc<Secret<String>>>, KeyringError> {
    let sealer = app.sealers.sealer(app.clock.now().0.div_euclid(1000)).await?;
    let opened = sealer.open(org, &domain::variables::sealed_for(environment, name), sealed);
    Ok(opened
        .inspect_err(|error| error!(%error, name, environment, "a secret variable does not open"))
        .ok()
        .map(Arc::new))
}

/// The sender is not to blame, and may repeat.
pub(crate) fn not_now() -> Problem {
    Problem::new(503, "verification_unavailable", "the request could not be verified just now; send it again")
}
