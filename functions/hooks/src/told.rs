//! What an app tells that was asked to: taken as its connector's manifest said when it was asked.

use crate::App;
use crate::handle::key_of;
use crate::verify::{carries, not_believed, not_now};
use domain::subscription::{Deliveries, Subscription};
use domain::workflow::{AppTrigger, Challenge};
use domain::{Millis, Problem};
use expr::{Limits, Seed, Template};
use lambda_http::Request;
use serde_json::{Value, json};
use signatures::Refusal;
use store::{Hook, TriggerStore};
use tracing::error;
use vault::Secret;

/// What an app was asked to tell at an address.
pub(crate) struct Told {
    /// The likeliest first.
    asked: Vec<Asked>,
    /// Whether the app is being asked just now: its answer may bring another secret.
    is_changing: bool,
}

/// One subscription: how its deliveries are taken.
pub(crate) struct Asked {
    pub(crate) deliveries: Deliveries,
    secret: Secret<String>,
}

impl Told {
    /// Reads what stands with the address's subscriptions that ask for what the live version wants, `of`.
    pub(crate) async fn read(app: &App, hook: &Hook, of: &AppTrigger) -> Result<Self, Problem> {
        let unavailable = |cause: &dyn std::fmt::Display| {
            error!(workflow.id = %hook.workflow, error = %cause, "what an app tells could not be verified");
            not_now()
        };
        let now = app.clock.now();
        let kept = app.store.subscription(&hook.org, &hook.workflow, &hook.trigger).await;
        let state = kept.map_err(|error| unavailable(&error))?.unwrap_or_default().state;
        let sealer = app.sealers.sealer(now.0.div_euclid(1000)).await;
        let sealer = sealer.map_err(|error| unavailable(&error))?;
        let purpose = Subscription::sealed_for(&hook.workflow, &hook.trigger);
        let (mut asked, mut broken) = (Vec::new(), None);
        for subscription in state.taken(&of.uses, &of.input, now) {
            let deliveries = Deliveries::of(&subscription.deliveries);
            let secret = sealer.open(&hook.org, &purpose, &subscription.secret);
            match (deliveries, secret) {
                (Ok(deliveries), Ok(secret)) => asked.push(Asked { deliveries, secret }),
                (Err(faults), _) => broken = Some(format!("{} faults in what stands there", faults.len())),
                (_, Err(error)) => broken = Some(error.to_string()),
            }
        }
        if let (true, Some(cause)) = (asked.is_empty(), &broken) {
            return Err(unavailable(cause));
        }
        if asked.is_empty() {
            return Err(Problem::new(
                503,
                "not_subscribed",
                "the workflow has not asked the app yet to tell at this address; send it again later",
            ));
        }
        Ok(Self { asked, is_changing: state.pending.is_some() })
    }

    /// The questions that are answered before the first delivery.
    pub(crate) fn challenges(&self) -> impl Iterator<Item = Challenge> {
        self.asked.iter().filter_map(|asked| asked.deliveries.challenge)
    }

    /// Whose delivery it is, and the sender's name of it, if it has one.
    pub(crate) fn verify(
        &self,
        app: &App,
        hook: &Hook,
        request: &Request,
    ) -> Result<(&Asked, Option<String>), Problem> {
        let mut refused = None;
        for asked in &self.asked {
            let scheme = &asked.deliveries.scheme;
            match carries(scheme, &[asked.secret.expose()], request, app.clock.now()) {
                Ok(delivery) => return Ok((asked, delivery)),
                Err(refusal) => refused = refused.or(Some((scheme.name(), refusal))),
            }
        }
        Err(match refused {
            // It may be the one of which the answer is on its way.
            Some((_, Refusal::Mismatch | Refusal::NoKey)) if self.is_changing => not_now(),
            Some((scheme, Refusal::NoKey)) => {
                error!(workflow.id = %hook.workflow, trigger = hook.trigger, scheme, "the secret that an app gave is no key");
                not_now()
            }
            Some((scheme, refusal)) => not_believed(hook, scheme, refusal),
            None => not_now(),
        })
    }
}

impl Asked {
    /// Whether a delivery starts a run.
    pub(crate) fn starts(&self, trigger: &Value, now: Millis) -> Result<bool, Problem> {
        Ok(match &self.deliveries.when {
            None => true,
            Some(when) => evaluate(when, trigger, now)? == Value::Bool(true),
        })
    }

    /// What a delivery is known by, if the manifest says.
    pub(crate) fn key(&self, trigger: &Value, now: Millis) -> Result<Option<String>, Problem> {
        let key = self.deliveries.key.as_ref().map(|key| evaluate(key, trigger, now)).transpose()?;
        Ok(key.and_then(key_of))
    }
}

/// Evaluates an expression of a manifest, which was found to be bounded when that was read.
fn evaluate(template: &Value, trigger: &Value, now: Millis) -> Result<Value, Problem> {
    let failed = |message: &str| {
        let detail = format!("what the app told could not be read: {message}; nothing was started");
        Problem::new(422, "delivery_unreadable", detail)
    };
    let template = Template::parse(template).map_err(|_| failed("its connector's expression is broken"))?;
    let seed = Seed { now_ms: now.0, random: 0 };
    template
        .render_in_place(&json!({"trigger": trigger}), &seed, &Limits::default())
        .map_err(|error| failed(&error.message))
}
