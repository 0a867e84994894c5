//! Where a strand of a run stands, by what is recorded.

use crate::drive::evaluation_error;
use crate::{App, ExecutorError};
use calls::Secrets;
use domain::run::{Head, StepError};
use domain::variables::Variables;
use domain::{Millis, OrgKey};
use engine::{Context, NodeIx, NodeKind, Plan, Strand, Then, begin, items, outset, replay, replay_to, seed};
use expr::Template;
use serde_json::{Map, Value};
use std::pin::Pin;
use std::sync::Arc;
use tracing::warn;

/// One run, and what it takes to look at it.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) app: &'a App,
    pub(crate) org: &'a OrgKey,
    pub(crate) head: &'a Head,
    pub(crate) plan: &'a Plan,
}

/// Where a strand stands.
pub(crate) enum Standing {
    At(Box<(Context, Then)>),
    /// The guard has no room to compute it: to be looked at again soon.
    Busy,
}

impl<'a> Place<'a> {
    /// Where a strand stands now: its beginning, and its journal replayed.
    pub(crate) async fn standing(self, strand: Option<&Strand>) -> Result<Standing, ExecutorError> {
        let Standing::At(begun) = self.beginning(strand).await? else { return Ok(Standing::Busy) };
        let (context, then) = *begun;
        let journal = self.journal(strand).await?;
        let found = replay(self.plan, context, then, &journal, self.app.clock.now());
        Ok(Standing::At(Box::new((found.context, found.then))))
    }

    /// How a strand began.
    pub(crate) async fn beginning(self, strand: Option<&Strand>) -> Result<Standing, ExecutorError> {
        let Some(strand) = strand else {
            let input = if let Some(input) = &self.head.input {
                input.clone()
            } else {
                let head = self.app.runs.head(self.org, &self.head.id, true).await?;
                head.and_then(|head| head.input).unwrap_or_default()
            };
            let mut context = Context::begin(self.head, input);
            let then = begin(self.plan, &mut context);
            return Ok(Standing::At(Box::new((context, then))));
        };
        let context = self.fork_point(strand).await?;
        Ok(match self.fork_items(strand.block, &context).await {
            Ok(items) => {
                Standing::At(Box::new(outset(self.plan, strand.block, strand.lane, &items, &context)))
            }
            Err(error) if error.retryable => Standing::Busy,
            // It could be evaluated when the strand was begun, and evaluates to the same.
            Err(error) => return Err(ExecutorError::NoSuchStrand(error.message)),
        })
    }

    /// The context in which the step that forked a strand was reached.
    pub(crate) fn fork_point(
        self,
        strand: &Strand,
    ) -> Pin<Box<dyn Future<Output = Result<Context, ExecutorError>> + Send + 'a>> {
        let strand = strand.clone();
        Box::pin(async move {
            let lost = || ExecutorError::NoSuchStrand(strand.name(self.plan));
            let parent = strand.parent(self.plan);
            let Standing::At(begun) = self.beginning(parent.as_ref()).await? else {
                return Err(lost());
            };
            let (context, then) = *begun;
            let journal = self.journal(parent.as_ref()).await?;
            replay_to(self.plan, context, then, &journal, &strand.block_path(self.plan)).ok_or_else(lost)
        })
    }

    /// The items of a `for_each` step, or one for each arm of a `parallel` step.
    pub(crate) async fn fork_items(self, block: NodeIx, context: &Context) -> Result<Vec<Value>, StepError> {
        match &self.plan.node(block).kind {
            NodeKind::ForEach(each) => Ok(items(self.render(block, &each.items, context).await?)),
            NodeKind::Parallel { arms } => Ok(vec![Value::Null; arms.len()]),
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) async fn journal(
        self,
        strand: Option<&Strand>,
    ) -> Result<Vec<domain::run::Entry>, ExecutorError> {
        let name = strand.map(|s| s.name(self.plan)).unwrap_or_default();
        Ok(self.app.runs.strand_journal(self.org, &self.head.id, &name).await?.entries)
    }

    /// Evaluates what a step is given, as often as one likes to the same.
    pub(crate) async fn render(
        self,
        ix: NodeIx,
        template: &Template,
        context: &Context,
    ) -> Result<Value, StepError> {
        let vars = self.vars(template, &Secrets::default()).await?;
        self.render_with(ix, template, context, vars).await
    }

    /// The same of an action's input, which may name secrets.
    pub(crate) async fn render_with_secrets(
        self,
        ix: NodeIx,
        template: &Template,
        context: &Context,
    ) -> Result<(Value, Secrets), StepError> {
        let secrets = self.secrets(template).await?;
        let vars = self.vars(template, &secrets).await?;
        Ok((self.render_with(ix, template, context, vars).await?, secrets))
    }

    async fn render_with(
        self,
        ix: NodeIx,
        template: &Template,
        context: &Context,
        vars: Option<Value>,
    ) -> Result<Value, StepError> {
        let read = template.references();
        if !context.spilled(read).is_empty() {
            let evaluate = |scope| self.evaluate(ix, template, context, scope, vars);
            return self.with_fetched(context, read, evaluate).await?;
        }
        if read.callbacks || vars.is_some() {
            return self.evaluate(ix, template, context, context.scope().clone(), vars).await;
        }
        let seed = seed(self.head, &self.plan.node(ix).instance(context), context);
        let lane = self.app.guard.lane(self.org.org().as_str());
        lane.render(template, context.scope(), &seed).await.map_err(|e| evaluation_error(&e))
    }

    /// Evaluates in a scope of its own.
    async fn evaluate(
        self,
        ix: NodeIx,
        template: &Template,
        context: &Context,
        mut scope: Value,
        vars: Option<Value>,
    ) -> Result<Value, StepError> {
        let seed = seed(self.head, &self.plan.node(ix).instance(context), context);
        if template.references().callbacks {
            scope["callbacks"] = self.callbacks(context);
        }
        if let Some(vars) = vars {
            scope["vars"] = vars;
        }
        let lane = self.app.guard.lane(self.org.org().as_str());
        lane.render(template, &scope, &seed).await.map_err(|e| evaluation_error(&e))
    }

    /// What `vars` reads: the variables of the run's start, whenever this is computed. `None` where nothing reads them.
    async fn vars(self, template: &Template, secrets: &Secrets) -> Result<Option<Value>, StepError> {
        let Some(variables) = self.variables(template).await? else { return Ok(None) };
        engine::vars(template, &variables, |name| secrets.stand_in(name)).map(Some)
    }

    async fn variables(self, template: &Template) -> Result<Option<Arc<Variables>>, StepError> {
        let read = template.references();
        let Some(revision) = self.head.variables.filter(|_| read.vars || read.everything) else {
            return Ok(None);
        };
        let environment = &self.plan.definition().environment;
        let read = self.app.plans.variables(self.org, environment, revision).await;
        read.map(Some).map_err(|error| {
            warn!(run.id = %self.head.id, %error, "variables could not be read; the step is tried again");
            StepError::passing("variables_unavailable", "the variables could not be read just now")
        })
    }

    /// The secrets that a template names, opened.
    async fn secrets(self, template: &Template) -> Result<Secrets, StepError> {
        let mut secrets = Secrets::default();
        let Some(variables) = self.variables(template).await? else { return Ok(secrets) };
        let environment = &self.plan.definition().environment;
        for name in &template.references().variables {
            let Some(sealed) = variables.secret(name) else { continue };
            let sealer = self.app.secrets.sealer(self.now().0.div_euclid(1000)).await.map_err(|error| {
                warn!(run.id = %self.head.id, %error, "secrets could not be opened; the step is tried again");
                StepError::passing("variables_unavailable", "the variables could not be read just now")
            })?;
            let purpose = domain::variables::sealed_for(environment, name);
            let value = sealer.open(self.org, &purpose, sealed).map_err(|error| {
                warn!(run.id = %self.head.id, %error, "a secret variable does not open");
                let message = format!("the secret variable `{name}` does not open any more; set it again");
                StepError::fatal("secret_broken", message)
            })?;
            let drawn = format!("{:016x}{:016x}", self.app.draw.draw(), self.app.draw.draw());
            secrets.add(name, &drawn, value);
        }
        Ok(secrets)
    }

    /// The address of each step that waits for a call or a decision, in the iteration where the strand is.
    fn callbacks(self, context: &Context) -> Value {
        let waiting = self.plan.nodes().iter().filter(|node| node.kind.is_answered_by_address());
        let addresses = waiting.filter_map(|node| {
            let address = self.address(&node.instance(context))?;
            Some((node.id.clone(), Value::String(address)))
        });
        Value::Object(addresses.collect::<Map<_, _>>())
    }

    /// The address by which the step of this path is answered.
    pub(crate) fn address(self, path: &str) -> Option<String> {
        let token = domain::callback::Token::of(self.head, path)?;
        Some(format!("{}/hooks/callbacks/{token}", self.app.public_url))
    }

    pub(crate) fn now(self) -> Millis {
        self.app.clock.now()
    }
}
