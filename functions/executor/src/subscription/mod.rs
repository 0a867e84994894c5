//! Subscriptions: an app is asked to tell of what happens while a workflow is live, and to stop when it is not.
//!
//! Each message brings what is there one step after the other to what the live version wants. What an app is asked for is noted first,
//! with its address, name and secret: whoever dies before the answer is kept leaves the note, and the next one asks anew, and ends what
//! the lost one made, where the app lists its webhooks. A message comes in any case: the API puts down an entry of `due` before it
//! changes anything, and here one is put down for the next time before anything can fail for good.

mod asked;

use self::asked::Asked;
use crate::ask::{Question, ask_for_trigger};
use crate::open::OPENING;
use crate::{App, ExecutorError};
use connectors::Manifest;
use connectors::hook::{Asking, Hook};
use dispatch::{Asks, PlanError, TriggerMessage};
use domain::poll::Failing;
use domain::run::StepError;
use domain::subscription::{Subscription, next_look};
use domain::workflow::{AppTrigger, TriggerKind};
use domain::{Millis, OrgKey};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{DueEntry, KeptSubscription};
use tracing::{info, warn};

/// What is left of an invocation when it asks no app any more.
const LEFT: Duration = Duration::from_secs(15);
/// How long an app may take. A look asks it a few times.
const ASKING: Duration = Duration::from_secs(15);
/// How many of those that nobody knows are ended in one look.
const LOST_AT_ONCE: usize = 2;
/// How long a worker that asks an app may be alive: its note is left alone for so long.
const ALIVE: Duration = Duration::from_mins(3);
/// When what failed is tried again: in passing, or for good, until somebody mends it.
const SOON: Duration = Duration::from_mins(5);
const LATER: Duration = Duration::from_hours(1);
/// How soon somebody else's change is looked at.
const NEXT: Duration = Duration::from_secs(5);
/// When an app was not seen to have our webhook for so long, it is asked whether it still has.
const UNSEEN: Duration = Duration::from_hours(20);

/// Looks after the subscription of a trigger.
pub(crate) async fn look_after(
    app: &App,
    org: &OrgKey,
    message: &TriggerMessage,
    deadline: Millis,
) -> Result<(), ExecutorError> {
    let Ok(wanted) = wanted(app, org, message).await? else {
        // A later version of this program may well read it.
        let at = app.clock.now().plus(LATER);
        let entry = DueEntry::subscription(org, &message.workflow, &message.trigger, at);
        return Ok(app.due.put_due(&entry).await?);
    };
    let looking = Looking { app, org, message, wanted };
    let mut anew = message.asks() == Asks::NewSubscription;
    loop {
        if app.clock.now().until(deadline) < OPENING + ASKING * 3 + LEFT {
            let asks = if anew { Asks::NewSubscription } else { Asks::Subscription };
            let message = TriggerMessage::of(asks, org.org(), &message.workflow, &message.trigger);
            app.queue.send_trigger(&message, Duration::ZERO).await?;
            return Ok(());
        }
        match Box::pin(looking.step(&mut anew)).await? {
            Stepped::On => {}
            Stepped::Over => return Ok(()),
        }
    }
}

/// What a live version wants to be told.
struct Wanted {
    of: AppTrigger,
    version: Option<u32>,
    address: String,
}

/// The workflow cannot be run.
struct Broken;

async fn wanted(
    app: &App,
    org: &OrgKey,
    message: &TriggerMessage,
) -> Result<Result<Option<Wanted>, Broken>, ExecutorError> {
    let current = app.plans.current(org, &message.workflow).await?;
    let Some(current) = current.filter(|current| current.enabled) else { return Ok(Ok(None)) };
    let plan = match app.plans.get(org, &message.workflow, current.version).await {
        Ok(plan) => plan,
        Err(PlanError::Store(error)) => return Err(error.into()),
        Err(error) => {
            warn!(workflow.id = %message.workflow, %error, "a workflow cannot be run; its subscription is looked after later");
            return Ok(Err(Broken));
        }
    };
    let trigger = plan.definition().trigger(&message.trigger).map(|trigger| &trigger.kind);
    let (Some(TriggerKind::App(of)), Some(hook)) = (trigger, current.hooks.get(&message.trigger)) else {
        return Ok(Ok(None));
    };
    Ok(Ok(Some(Wanted {
        of: (**of).clone(),
        version: plan.definition().connectors.get(of.app().0).copied(),
        address: format!("{}/hooks/{hook}", app.public_url),
    })))
}

/// A look at one subscription.
struct Looking<'a> {
    app: &'a App,
    org: &'a OrgKey,
    message: &'a TriggerMessage,
    wanted: Option<Wanted>,
}

/// What became of one step.
enum Stepped {
    On,
    /// There is nothing more to do now.
    Over,
}

impl Looking<'_> {
    /// Does the first thing that is to be done.
    async fn step(&self, anew: &mut bool) -> Result<Stepped, ExecutorError> {
        let Looking { app, org, message, .. } = *self;
        let now = app.clock.now();
        let kept = app.triggers.subscription(org, &message.workflow, &message.trigger).await?;
        let mut kept = kept.unwrap_or_default();
        if let Some(pending) = kept.state.pending.take() {
            let alive = pending.since.until(now);
            if alive < ALIVE {
                app.queue.send_trigger(message, ALIVE.saturating_sub(alive)).await?;
                return Ok(Stepped::Over);
            }
            // Nobody knows whether the app has it.
            warn!(workflow.id = %message.workflow, workflow.trigger = message.trigger, "an app's answer was lost");
            kept.state.leave(pending, now);
            return self.keep_and_go_on(kept).await;
        }
        let Some(wanted) = &self.wanted else {
            if let Some(current) = kept.state.current.take() {
                kept.state.leave(current, now);
                return self.keep_and_go_on(kept).await;
            }
            return self.end_one_or_rest(kept).await;
        };
        let (name, trigger) = wanted.of.app();
        let manifest = match app.connectors.get(org, name, wanted.version, now).await {
            Ok(manifest) => manifest,
            Err(error) => return self.failed(kept, "", error).await,
        };
        let Some(hook) = manifest.triggers.get(trigger).and_then(|trigger| trigger.hook.as_ref()) else {
            let message =
                format!("version {} of {} has no trigger `{trigger}`", manifest.version, manifest.title);
            return self.failed(kept, "", StepError::fatal("trigger_unknown", message)).await;
        };
        let asked = Asked { looking: self, wanted, manifest: &manifest, hook };
        let question = asked.question();
        let Some(current) = kept.state.current.as_ref().filter(|one| one.question == question && !*anew)
        else {
            // What could not be asked because of one that was there before is asked when that has ended.
            let ends_first = kept.state.failing.is_some() && !kept.state.leaving.is_empty();
            if ends_first && kept.state.not_before("", now).is_none() && !*anew {
                return self.end_one(kept).await;
            }
            if let Some(at) = kept.state.not_before(&question, now).filter(|_| !*anew) {
                self.come_back(at).await?;
                return Ok(Stepped::Over);
            }
            *anew = false;
            return asked.subscribe(kept, question).await;
        };
        let waits = kept.state.not_before(&question, now);
        if waits.is_none() && current.renew_at().is_some_and(|at| at <= now) {
            return match &hook.renew {
                Some(renew) => asked.renew(kept, renew).await,
                None => asked.subscribe(kept, question).await,
            };
        }
        if waits.is_none() && kept.state.seen_at.until(now) >= UNSEEN {
            return asked.see(kept).await;
        }
        self.end_one_or_rest(kept).await
    }

    /// Ends one of those that are to be ended, if it is time; else nothing is left to do now.
    async fn end_one_or_rest(&self, mut kept: KeptSubscription) -> Result<Stepped, ExecutorError> {
        let Looking { app, org, message, .. } = *self;
        let now = app.clock.now();
        if !kept.state.leaving.is_empty() {
            return match kept.state.not_before("", now) {
                Some(at) => self.come_back(sooner(&kept, at, now)).await.map(|()| Stepped::Over),
                None => self.end_one(kept).await,
            };
        }
        let daily = next_look(&self.strand(), now);
        if let Some(current) = &kept.state.current {
            self.come_back(current.renew_at().map_or(daily, |at| at.min(daily))).await?;
        } else {
            // The timer puts the next look down before it asks for one.
            let entry = DueEntry::subscription(org, &message.workflow, &message.trigger, daily);
            app.due.delete_due(&entry).await?;
        }
        if kept.state.is_well() {
            self.keep(kept).await?;
        }
        Ok(Stepped::Over)
    }

    /// Asks an app to stop.
    async fn end_one(&self, mut kept: KeptSubscription) -> Result<Stepped, ExecutorError> {
        let Looking { app, org, message, .. } = *self;
        let subscription = kept.state.leaving[0].clone();
        let now = app.clock.now();
        let (name, trigger) = subscription.uses.split_once('.').unwrap_or((&subscription.uses, ""));
        let ended = match app.connectors.get(org, name, Some(subscription.version), now).await {
            Ok(manifest) => match manifest.triggers.get(trigger).and_then(|trigger| trigger.hook.as_ref()) {
                Some(hook) if subscription.is_lost() => {
                    self.end_lost(&manifest, hook, &kept, &subscription).await
                }
                Some(hook) => self.end(&manifest, hook, &subscription, &subscription.kept).await,
                None => Ok(()),
            },
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => {
                info!(workflow.id = %message.workflow, workflow.trigger = message.trigger, "an app stops telling");
            }
            Err(error) if may_end(&error) && subscription.until.is_some_and(|until| now < until) => {
                // The rest does not wait for it.
                self.failed(kept, "", error).await?;
                return Ok(Stepped::On);
            }
            // It is gone, or nobody may ask any more: what it still tells is refused.
            Err(error) => {
                warn!(workflow.id = %message.workflow, workflow.trigger = message.trigger, error.code = &*error.code, "an app could not be asked to stop telling");
            }
        }
        kept.state.ended(now);
        self.keep_and_go_on(kept).await
    }

    /// Ends what an app made of a question whose answer was lost, where it lists its webhooks.
    async fn end_lost(
        &self,
        manifest: &Arc<Manifest>,
        hook: &Hook,
        kept: &KeptSubscription,
        lost: &Subscription,
    ) -> Result<(), StepError> {
        let known: Vec<&Value> =
            kept.state.current.iter().chain(&kept.state.leaving).map(|one| &one.kept).collect();
        let found = self.find(manifest, hook, lost).await?;
        let unknown = found.iter().flatten().filter(|found| !known.contains(found));
        for one in unknown.take(LOST_AT_ONCE) {
            match self.end(manifest, hook, lost, one).await {
                Err(error) if may_end(&error) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// What an app has at our address; `None` where it lists nothing.
    async fn find(
        &self,
        manifest: &Arc<Manifest>,
        hook: &Hook,
        of: &Subscription,
    ) -> Result<Option<Vec<Value>>, StepError> {
        let Some(find) = &hook.find else { return Ok(None) };
        let secret = self.open(&of.secret).await?;
        let scope = scope(of, &secret, &Value::Null);
        let output = self.ask(manifest, &find.asking, (of, &secret), &scope).await?;
        find.found(output, &of.address, self.app.clock.now().0).map(Some)
    }

    async fn end(
        &self,
        manifest: &Arc<Manifest>,
        hook: &Hook,
        subscription: &Subscription,
        kept: &Value,
    ) -> Result<(), StepError> {
        let Some(unsubscribe) = &hook.unsubscribe else { return Ok(()) };
        let secret = self.open(&subscription.secret).await?;
        let scope = scope(subscription, &secret, kept);
        self.ask(manifest, unsubscribe, (subscription, &secret), &scope).await.map(drop)
    }

    async fn ask(
        &self,
        manifest: &Arc<Manifest>,
        asking: &Asking,
        (of, secret): (&Subscription, &str),
        scope: &Value,
    ) -> Result<Value, StepError> {
        let Looking { app, org, .. } = *self;
        // Each renewal is another request.
        let key = format!("{}-{}", of.name, of.since.0);
        let question = Question {
            connection: of.connection.as_ref(),
            manifest,
            action: &asking.action,
            input: asking.question(scope, app.clock.now().0)?,
            key: &key,
            may_be_cut: false,
            patient: true,
            time: ASKING,
        };
        ask_for_trigger(app, org, question, Some(secret)).await
    }

    /// Notes that a question could not be asked, or one not be ended (an empty one), and when it is tried again.
    async fn failed(
        &self,
        mut kept: KeptSubscription,
        question: &str,
        error: StepError,
    ) -> Result<Stepped, ExecutorError> {
        let Looking { app, message, .. } = *self;
        let now = app.clock.now();
        warn!(
            workflow.id = %message.workflow,
            workflow.trigger = message.trigger,
            error.code = &*error.code,
            "what an app is to tell could not be arranged"
        );
        let usual = if error.retryable { SOON } else { LATER };
        let wait = error.retry_after_ms.map_or(usual, |ms| Duration::from_millis(ms).clamp(usual, LATER));
        let at = now.plus(wait);
        self.come_back(sooner(&kept, at, now)).await?;
        kept.state.wait(question, at, now);
        fails(&mut kept, &error, now);
        self.keep(kept).await?;
        Ok(Stepped::Over)
    }

    async fn come_back(&self, at: Millis) -> Result<(), ExecutorError> {
        let Looking { app, org, message, .. } = *self;
        let at = at.max(app.clock.now().plus(DueEntry::SOONEST));
        let entry = DueEntry::subscription(org, &message.workflow, &message.trigger, at);
        Ok(app.due.put_due(&entry).await?)
    }

    /// Where the entries of its time stand.
    fn strand(&self) -> String {
        format!("{}/{}", self.message.workflow, self.message.trigger)
    }

    async fn keep_and_go_on(&self, kept: KeptSubscription) -> Result<Stepped, ExecutorError> {
        Ok(if self.keep(kept).await? { Stepped::On } else { Stepped::Over })
    }

    /// Keeps how it stands; whether ours counts. If not, somebody changed it meanwhile, and it is looked at anew.
    async fn keep(&self, mut kept: KeptSubscription) -> Result<bool, ExecutorError> {
        let Looking { app, org, message, .. } = *self;
        kept.state.changed_at = app.clock.now();
        let ours = app.triggers.keep_subscription(org, &message.workflow, &message.trigger, &kept).await?;
        if !ours {
            let again =
                TriggerMessage::of(Asks::Subscription, org.org(), &message.workflow, &message.trigger);
            app.queue.send_trigger(&again, NEXT).await?;
        }
        Ok(ours)
    }

    async fn open(&self, sealed: &str) -> Result<String, StepError> {
        let Looking { app, org, message, .. } = *self;
        let opened = async {
            let sealer = app.secrets.sealer(app.clock.now().0.div_euclid(1000)).await?;
            let purpose = Subscription::sealed_for(&message.workflow, &message.trigger);
            Ok::<_, vault::SafeError>(sealer.open(org, &purpose, sealed)?)
        };
        opened.await.map(|secret| secret.expose().clone()).map_err(|error| secret_lost(&error))
    }

    async fn seal(&self, secret: &str) -> Result<String, StepError> {
        let Looking { app, org, message, .. } = *self;
        let sealed = async {
            let sealer = app.secrets.sealer(app.clock.now().0.div_euclid(1000)).await?;
            let purpose = Subscription::sealed_for(&message.workflow, &message.trigger);
            Ok::<_, vault::SafeError>(sealer.seal(org, &purpose, secret)?)
        };
        sealed.await.map_err(|error| secret_lost(&error))
    }
}

/// The earlier of a time and that of the next renewal.
fn sooner(kept: &KeptSubscription, at: Millis, now: Millis) -> Millis {
    let renew_at = kept.state.current.as_ref().and_then(Subscription::renew_at);
    renew_at.filter(|renew_at| *renew_at > now).map_or(at, |renew_at| renew_at.min(at))
}

/// Notes that it fails: since when is kept as long as the reason is the same.
fn fails(kept: &mut KeptSubscription, error: &StepError, now: Millis) {
    let failing = &mut kept.state.failing;
    if failing.as_ref().is_none_or(|failing| failing.code != error.code) {
        let message = error.message.chars().take(500).collect();
        *failing = Some(Failing { code: error.code.clone(), message, since: now });
    }
}

/// Whether one that could not be ended may be, later: the app has not said that it cannot.
fn may_end(error: &StepError) -> bool {
    error.retryable || matches!(&*error.code, "credentials_refused" | "connection_pending")
}

/// What the templates of a manifest read.
fn scope(of: &Subscription, secret: &str, kept: &Value) -> Value {
    json!({
        "input": of.input,
        "hook": {"url": of.address, "secret": secret, "name": of.name},
        "kept": kept,
    })
}

fn secret_lost(error: &vault::SafeError) -> StepError {
    let text = format!("the secret of what an app tells could not be read or kept: {error}");
    if error.retryable() {
        StepError::passing("keyring_unavailable", text)
    } else {
        StepError::fatal("secret_broken", text)
    }
}
