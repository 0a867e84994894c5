//! How an app is asked: to tell, to go on, and whether it still does.

use super::{ALIVE, Looking, Stepped, Wanted, fails, scope};
use crate::ExecutorError;
use crate::ask::SECRET;
use connectors::Manifest;
use connectors::hook::{Asking, Hook, Told};
use domain::run::StepError;
use domain::subscription::Subscription;
use serde_json::Value;
use std::sync::Arc;
use store::KeptSubscription;
use tracing::{info, warn};

/// What a live version wants, and how its app is asked for it.
pub(super) struct Asked<'a> {
    pub(super) looking: &'a Looking<'a>,
    pub(super) wanted: &'a Wanted,
    pub(super) manifest: &'a Arc<Manifest>,
    pub(super) hook: &'a Hook,
}

impl Asked<'_> {
    /// Which question this is, as a text that differs when another subscription is needed.
    pub(super) fn question(&self) -> String {
        let of = &self.wanted.of;
        let connection = of.connection.as_ref().map_or("", |id| id.as_str());
        let version = self.manifest.version.to_string();
        let parts = [&*of.uses, connection, &of.input.to_string(), &version, &self.wanted.address];
        format!("{:032x}", u128::from_be_bytes(domain::id::digest16(&parts)))
    }

    /// Asks the app to tell. What was there before is asked to end afterwards, so that nothing is missed in between.
    pub(super) async fn subscribe(
        &self,
        kept: KeptSubscription,
        question: String,
    ) -> Result<Stepped, ExecutorError> {
        let looking = self.looking;
        let app = looking.app;
        let of = &self.wanted.of;
        let secret: String = [app.draw.draw(), app.draw.draw(), app.draw.draw(), app.draw.draw()]
            .map(|part| format!("{part:016x}"))
            .concat();
        let sealed = match looking.seal(&secret).await {
            Ok(sealed) => sealed,
            Err(error) => return looking.failed(kept, &question, error).await,
        };
        let asked = Subscription {
            question,
            uses: of.uses.clone(),
            version: self.manifest.version,
            connection: of.connection.clone(),
            input: of.input.clone(),
            address: self.wanted.address.clone(),
            name: format!("patchbay-{:016x}", app.draw.draw()),
            secret: sealed,
            kept: Value::Null,
            deliveries: self.hook.deliveries.clone(),
            since: app.clock.now(),
            expires_at: None,
            until: None,
        };
        // Somebody comes back to it in any case.
        looking.come_back(asked.since.plus(ALIVE)).await?;
        let mut kept = kept;
        kept.state.pending = Some(asked.clone());
        if !looking.keep(kept.clone()).await? {
            return Ok(Stepped::Over);
        }
        kept.revision += 1;
        kept.state.pending = None;
        let subscribed = match self.arrange(&asked, &secret).await {
            Ok(told) => self.made(asked.clone(), told).await,
            Err(error) => Err(error),
        };
        let now = app.clock.now();
        let subscription = match subscribed {
            Ok(subscription) => subscription,
            Err(error) => return self.not_subscribed(kept, asked, error).await,
        };
        // What the app calls the same is the same: some have one only.
        kept.state.leaving.retain(|one| !one.is_same(&subscription));
        if let Some(before) = kept.state.current.take().filter(|before| !before.is_same(&subscription)) {
            kept.state.leave(before, now);
        }
        kept.state.current = Some(subscription);
        kept.state.seen_at = now;
        kept.state.is_well();
        info!(workflow.id = %looking.message.workflow, workflow.trigger = looking.message.trigger, "an app was asked to tell");
        looking.keep_and_go_on(kept).await
    }

    /// An app could not be asked, or nobody knows whether it could.
    async fn not_subscribed(
        &self,
        mut kept: KeptSubscription,
        asked: Subscription,
        error: StepError,
    ) -> Result<Stepped, ExecutorError> {
        let now = self.looking.app.clock.now();
        let question = asked.question.clone();
        let is_refused = !error.retryable && error.code != "app_response_invalid";
        if !is_refused {
            // It may have it all the same.
            kept.state.leave(asked, now);
        }
        // The one that was there asks for what is wanted no more, and an app may refuse another beside it.
        let outdated = kept.state.current.take_if(|current| is_refused && current.question != question);
        let Some(outdated) = outdated else { return self.looking.failed(kept, &question, error).await };
        kept.state.leave(outdated, now);
        fails(&mut kept, &error, now);
        self.looking.keep_and_go_on(kept).await
    }

    async fn arrange(&self, asked: &Subscription, secret: &str) -> Result<Told, StepError> {
        let looking = self.looking;
        let scope = scope(asked, secret, &Value::Null);
        let subscribe = &self.hook.subscribe;
        let output = looking.ask(self.manifest, subscribe, (asked, secret), &scope).await?;
        self.hook.told(output, looking.app.clock.now().0)
    }

    /// Looks whether the app still has what it was asked for; if somebody deleted it, it is asked anew.
    pub(super) async fn see(&self, mut kept: KeptSubscription) -> Result<Stepped, ExecutorError> {
        let looking = self.looking;
        let Some(current) = kept.state.current.clone() else { return Ok(Stepped::Over) };
        match looking.find(self.manifest, self.hook, &current).await {
            Ok(Some(found)) if !found.contains(&current.kept) => {
                warn!(workflow.id = %looking.message.workflow, workflow.trigger = looking.message.trigger, "an app has our webhook no more; it is asked anew");
                self.subscribe(kept, current.question).await
            }
            seen => {
                // Whoever may not list webhooks is told of what happens all the same.
                if let Err(error) = seen {
                    warn!(workflow.id = %looking.message.workflow, workflow.trigger = looking.message.trigger, error.code = &*error.code, "nobody knows whether an app still has our webhook");
                }
                kept.state.seen_at = looking.app.clock.now();
                looking.keep_and_go_on(kept).await
            }
        }
    }

    /// What the app made of what it was asked for.
    async fn made(&self, asked: Subscription, told: Told) -> Result<Subscription, StepError> {
        let secret = match &told.secret {
            // An app that repeats ours: it was hidden in its answer.
            Some(secret) if secret.contains(SECRET) => asked.secret.clone(),
            Some(secret) => self.looking.seal(secret).await?,
            None => asked.secret.clone(),
        };
        let since = self.looking.app.clock.now();
        Ok(Subscription { secret, kept: told.kept, since, expires_at: told.expires_at, ..asked })
    }

    /// Asks the app to go on telling.
    pub(super) async fn renew(
        &self,
        mut kept: KeptSubscription,
        renew: &Asking,
    ) -> Result<Stepped, ExecutorError> {
        let looking = self.looking;
        let Some(current) = kept.state.current.clone() else { return Ok(Stepped::Over) };
        let renewed = async {
            let secret = looking.open(&current.secret).await?;
            let scope = scope(&current, &secret, &current.kept);
            let output = looking.ask(self.manifest, renew, (&current, &secret), &scope).await?;
            let now = looking.app.clock.now();
            let expires_at = self.hook.renewed(output, now.0)?;
            Ok::<_, StepError>(Subscription { since: now, expires_at, ..current.clone() })
        };
        match renewed.await {
            Ok(renewed) => {
                kept.state.current = Some(renewed);
                kept.state.is_well();
                looking.keep_and_go_on(kept).await
            }
            Err(error) if error.retryable => looking.failed(kept, &current.question, error).await,
            // The app does not know it any more.
            Err(error) => {
                warn!(
                    error.code = &*error.code,
                    "what an app tells could not be renewed; it is asked for anew"
                );
                self.subscribe(kept, current.question).await
            }
        }
    }
}
