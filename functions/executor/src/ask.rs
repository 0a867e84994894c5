//! Calls of an app that are no step's own: questions of triggers, and those about what a step started.

use crate::App;
use crate::limits::{leave_alone, limit_of};
use crate::open::open;
use calls::http_request::Prepared;
use calls::{Secrets, Sender, carry, send_plain};
use connectors::{Call, Manifest};
use domain::run::StepError;
use domain::{ConnectionId, OrgKey};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{AppLimit, Turn};
use tracing::warn;
use vault::Secret;

/// What stands where the secret of a webhook stood.
pub(crate) const SECRET: &str = "hook.secret";

/// How long an app may take to answer what a trigger asks.
pub(crate) const ASKING: Duration = Duration::from_secs(50);

/// What is asked.
#[derive(Clone)]
pub(crate) struct Question<'a> {
    pub(crate) connection: Option<&'a ConnectionId>,
    pub(crate) manifest: &'a Arc<Manifest>,
    pub(crate) action: &'a str,
    pub(crate) input: Value,
    /// By which the app knows a repeated request, where it knows any.
    pub(crate) key: &'a str,
    /// Whether a list may end early, with `more`.
    pub(crate) may_be_cut: bool,
    /// Whether it waits for its turn at the app for as long as an answer may take; else it leaves that to the next time.
    pub(crate) patient: bool,
    /// How long the app may take.
    pub(crate) time: Duration,
}

/// Why there is no answer.
pub(crate) struct Refused {
    pub(crate) error: StepError,
    /// The number of the tokens that the app refused: with new ones it may answer.
    pub(crate) tokens: Option<u32>,
}

impl From<StepError> for Refused {
    fn from(error: StepError) -> Self {
        Self { error, tokens: None }
    }
}

/// Asks an app, within its limits. Tokens with the number `stale` are not used.
pub(crate) async fn ask(
    app: &App,
    org: &OrgKey,
    question: Question<'_>,
    secrets: &mut Secrets,
    stale: Option<u32>,
) -> Result<Value, Refused> {
    let Question { connection, manifest, action, input, key, may_be_cut, patient, time } = question;
    let (access, tokens) = open(app, org, connection, manifest, secrets, stale).await?;
    let mut call = Call::begin(manifest.clone(), action, input, &access, app.clock.now().0)?;
    if may_be_cut {
        call.may_be_cut();
    }
    let limit = limit_of(connection, &call);
    let sender = Asking { app, org, limit: limit.as_ref(), began: AtomicBool::new(patient) };
    let Ok(output) = carry(&mut call, &sender, key, secrets, app.clock.as_ref(), time).await;
    match output {
        Ok(output) => Ok(output),
        Err(error) => {
            leave_alone(app, org, limit.as_ref(), &error).await;
            Err(Refused { tokens: tokens.filter(|_| error.code == "credentials_refused"), error })
        }
    }
}

/// Asks for a trigger. What the app refuses for the tokens' sake it has not done: it is asked once more, with new ones. `secret` is in no
/// error and in no answer.
pub(crate) async fn ask_for_trigger(
    app: &App,
    org: &OrgKey,
    question: Question<'_>,
    secret: Option<&str>,
) -> Result<Value, StepError> {
    let mut stale = None;
    loop {
        let mut secrets = Secrets::default();
        if let Some(secret) = secret {
            let drawn = format!("{:016x}", app.draw.draw());
            secrets.add(SECRET, &drawn, Secret::new(secret.to_owned()));
        }
        match ask(app, org, question.clone(), &mut secrets, stale).await {
            Ok(output) => return Ok(output),
            Err(Refused { tokens: Some(tokens), .. }) if stale.is_none() => stale = Some(tokens),
            Err(refused) => return Err(secrets.hide_error(refused.error)),
        }
    }
}

/// Sends the requests of a question, each in its turn.
struct Asking<'a> {
    app: &'a App,
    org: &'a OrgKey,
    limit: Option<&'a AppLimit>,
    began: AtomicBool,
}

impl Sender for Asking<'_> {
    type Broken = Infallible;

    async fn turn(&self, left: Duration) -> Result<(), StepError> {
        let Some(limit) = self.limit else { return Ok(()) };
        let app = self.app;
        let further = self.began.swap(true, Ordering::Relaxed);
        let patience = if further { left / 2 } else { app.patience };
        match app.limits.turn(self.org, limit, patience, app.clock.now()).await {
            Ok(Turn::In(wait)) if wait.is_zero() => Ok(()),
            Ok(Turn::In(wait)) => {
                app.clock.sleep(wait).await;
                Ok(())
            }
            Ok(Turn::NotBefore(wait)) => {
                let mut error = StepError::passing("app_limited", "the app's rate limit is used up");
                error.retry_after_ms = Some(u64::try_from(wait.as_millis()).unwrap_or(u64::MAX));
                Err(error)
            }
            Err(error) => {
                warn!(%error, "the limits of an app could not be asked; it is asked all the same");
                Ok(())
            }
        }
    }

    async fn send(
        &self,
        prepared: Prepared,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, Infallible> {
        Ok(send_plain(self.app.http.as_ref(), prepared, secrets, self.app.clock.now()).await)
    }
}
