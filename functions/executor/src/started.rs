//! What an action started at its app and goes on there: asked how far it is, and called off when nobody waits for it any more.

use crate::ask::{Question, Refused, ask};
use crate::open::OPENING;
use crate::place::{Place, Standing};
use crate::{App, ExecutorError};
use calls::Secrets;
use connectors::Manifest;
use connectors::completes::{Asks, Completes, Progress};
use dispatch::StepMessage;
use domain::run::{Head, StepError};
use domain::{Millis, OrgKey, limits};
use engine::{ActionNode, Context, NodeIx, NodeKind, Strand, Then};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use tracing::{debug, info, warn};

/// How long an app may take to say how far it is, or to leave off.
pub(crate) const ASKED: Duration = Duration::from_secs(20);
/// How often an app is asked in vain to leave off.
const MOST_TRIES: u8 = 5;
/// The pause before the second time; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(15);

/// One step that waits for its app.
pub(crate) struct Started<'a> {
    pub(crate) place: Place<'a>,
    pub(crate) ix: NodeIx,
    /// In which the step was reached.
    pub(crate) context: &'a Context,
    /// What the start gave.
    pub(crate) output: &'a Value,
}

/// Whether an app was told that nobody waits any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeftOff {
    Told,
    /// Its manifest does not say how.
    CannotBeTold,
}

impl<'a> Started<'a> {
    fn action(&self) -> Result<&'a ActionNode, StepError> {
        match &self.place.plan.node(self.ix).kind {
            NodeKind::Action(action) => Ok(action),
            _ => Err(StepError::fatal("internal", "what is no action was taken for one")),
        }
    }

    /// The connector that the step calls, of the version that its workflow keeps.
    pub(crate) async fn manifest(&self) -> Result<Arc<Manifest>, StepError> {
        let (app, _) = split(&self.action()?.uses);
        let version = self.place.plan.definition().connectors.get(app).copied();
        self.place.app.connectors.get(self.place.org, app, version, self.place.now()).await
    }

    /// How it is told of this step's action that it is over.
    pub(crate) fn completes<'m>(&self, manifest: &'m Manifest) -> Result<&'m Completes, StepError> {
        let (_, name) = split(&self.action()?.uses);
        let of = manifest.actions.get(name).and_then(|action| action.completes.as_ref());
        of.ok_or_else(|| {
            let message =
                format!("{} does not say any more how it is told that `{name}` is over", manifest.title);
            StepError::fatal("not_completed", message)
        })
    }

    /// Asks how far the app is.
    pub(crate) async fn progress(
        &self,
        manifest: &Arc<Manifest>,
        of: &Completes,
    ) -> Result<Progress, StepError> {
        let status = self.ask(manifest, &of.asks).await?;
        of.progress(&manifest.title, status, self.output, self.place.now().0)
    }

    /// Has the app leave off. It may have been told before.
    pub(crate) async fn call_off(&self, manifest: &Arc<Manifest>) -> Result<LeftOff, StepError> {
        let (run, step) = (&self.place.head.id, self.place.plan.node(self.ix).instance(self.context));
        let Some(cancel) = &self.completes(manifest)?.cancel else {
            debug!(run.id = %run, step.path = step, "nothing tells the app to leave off");
            return Ok(LeftOff::CannotBeTold);
        };
        match self.ask(manifest, cancel).await {
            Ok(_) => {
                info!(run.id = %run, step.path = step, connector = manifest.name, "the app was told to leave off");
                Ok(LeftOff::Told)
            }
            Err(error) => {
                let (code, passing) = (&*error.code, error.retryable);
                warn!(
                    run.id = %run,
                    step.path = step,
                    connector = manifest.name,
                    error.code = code,
                    passing,
                    "the app could not be told to leave off"
                );
                Err(error)
            }
        }
    }

    async fn ask(&self, manifest: &Arc<Manifest>, asks: &Asks) -> Result<Value, StepError> {
        let action = self.action()?;
        let Place { app, org, .. } = self.place;
        let mut stale = None;
        loop {
            let (input, mut secrets) = if asks.reads_input() {
                self.place.render_with_secrets(self.ix, &action.input, self.context).await?
            } else {
                (Value::Null, Secrets::default())
            };
            let asked = asks.question(&input, self.output, self.place.now().0)?;
            let question = Question {
                connection: action.connection.as_ref(),
                manifest,
                action: &asks.action,
                input: secrets.revealed(&asked),
                key: "",
                may_be_cut: false,
                patient: false,
                time: action.timeout.min(ASKED),
            };
            match ask(app, org, question, &mut secrets, stale).await {
                Ok(output) => return Ok(output),
                Err(Refused { tokens: Some(tokens), .. }) if stale.is_none() => stale = Some(tokens),
                Err(refused) => return Err(secrets.hide_error(refused.error)),
            }
        }
    }

    /// Has the app leave off, for a strand that nobody waits for. Should that fail for now, a message of the strand tries again: `tries` is
    /// how often that was so.
    pub(crate) async fn abandon(&self, strand: &str, tries: u8) -> Result<(), ExecutorError> {
        let told = match self.manifest().await {
            Ok(manifest) => self.call_off(&manifest).await.map(|_| ()),
            Err(error) => Err(error),
        };
        let Err(error) = told else { return Ok(()) };
        if !error.retryable || tries >= MOST_TRIES {
            return Ok(());
        }
        let Place { app, org, head, .. } = self.place;
        let message = StepMessage::again_in(org.org(), &head.id, strand).on(head.priority);
        let asked_for = Duration::from_millis(error.retry_after_ms.unwrap_or(0));
        let pause = (FIRST_PAUSE * (1 << u32::from(tries))).max(asked_for).min(limits::MAX_QUEUE_DELAY);
        app.queue.send(&StepMessage { tries: tries + 1, ..message }, pause).await?;
        Ok(())
    }
}

fn split(uses: &str) -> (&str, &str) {
    uses.split_once('.').unwrap_or((uses, ""))
}

/// A message came for a strand of a run that has ended: should it have stood at a step that waits for its app, that is told to leave off.
pub(crate) async fn leave_off(
    app: &App,
    org: &OrgKey,
    head: &Head,
    message: &StepMessage,
    deadline: Millis,
) -> Result<(), ExecutorError> {
    let plan = app.plans.get(org, &head.workflow, head.version).await?;
    if !plan.may_wait_for_apps() {
        return Ok(());
    }
    let strand = match message.strand.as_str() {
        "" => None,
        name => match Strand::parse(&plan, name) {
            Some(strand) => Some(strand),
            None => return Ok(()),
        },
    };
    let again = |pause: Duration| {
        let again = StepMessage::again_in(org.org(), &head.id, &message.strand).on(head.priority);
        let again = StepMessage { tries: message.tries, ..again };
        async move { app.queue.send(&again, pause).await }
    };
    let place = Place { app, org, head, plan: &plan };
    let (context, then) = match place.standing(strand.as_ref()).await? {
        Standing::At(found) => *found,
        Standing::Busy => return Ok(again(FIRST_PAUSE).await?),
    };
    let Then::Complete { node, output, .. } = then else { return Ok(()) };
    let NodeKind::Action(action) = &plan.node(node).kind else { return Ok(()) };
    if app.clock.now().until(deadline) < action.timeout.max(OPENING) + limits::STEP_START_MARGIN {
        return Ok(again(Duration::ZERO).await?);
    }
    let started = Started { place, ix: node, context: &context, output: &output };
    started.abandon(&message.strand, message.tries).await
}
