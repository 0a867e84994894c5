//! The carrying-on of such a run: by the machine that carries real ones on, with mocks in the place of effects.

use super::Pinned;
use domain::run::{Entry, Head, Mark, RunError, RunStatus, StepError};
use domain::variables::Variables;
use domain::workflow::Mock;
use domain::{Millis, limits};
use engine::{
    Context, Event, Gathered, NodeIx, NodeKind, Plan, Render, Strand, Then, begin, decide, digest, evaluate,
    follow, items, lanes, outset, wait_until,
};
use expr::Template;
use guard::Guard;
use runtime::Clock;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;

/// More steps than this are a loop without an end.
const MOST_STEPS: usize = 5000;

/// What a run without a place is carried on with.
pub(crate) struct Trial<'a> {
    plan: &'a Plan,
    guard: Guard,
    head: Head,
    mocks: &'a BTreeMap<String, Vec<Mock>>,
    variables: &'a Variables,
    /// The wall's clock, and until when it may go on.
    clock: &'a dyn Clock,
    until: Millis,
    /// The run's own.
    now: Millis,
    entries: Vec<(String, Entry)>,
    /// How often each mock was asked for.
    asked: HashMap<String, usize>,
    steps: usize,
}

/// What the run came to.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) status: RunStatus,
    pub(crate) error: Option<RunError>,
    pub(crate) output: Option<Value>,
    /// In the order in which they were recorded.
    pub(crate) entries: Vec<Entry>,
}

/// Why it did not come to an end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    #[error("the step `{path}` would {what}, and the test has no mock for it")]
    NoMock { path: String, what: String },
    #[error("the run was not over after {MOST_STEPS} steps or the time that tests have")]
    TooLong,
    #[error("an expression could not be evaluated just now; test again")]
    Busy,
    #[error("the step `{0}` does what a step of its type cannot do")]
    Illegal(String),
}

/// How a strand ends.
enum End {
    Strand(Result<(), RunError>),
    Run { status: RunStatus, error: Option<RunError>, output: Option<Value> },
}

/// What a step leads to.
enum Flow {
    Then(Then),
    Ended(End),
}

type Strands<'f> = Pin<Box<dyn Future<Output = Result<End, Stopped>> + Send + 'f>>;

impl<'a> Trial<'a> {
    pub(crate) fn new(
        plan: &'a Plan,
        guard: Guard,
        head: Head,
        mocks: &'a BTreeMap<String, Vec<Mock>>,
        variables: &'a Variables,
        clock: &'a dyn Clock,
        until: Millis,
    ) -> Self {
        let now = head.started_at;
        let (entries, asked) = (Vec::new(), HashMap::new());
        Self { plan, guard, head, mocks, variables, clock, until, now, entries, asked, steps: 0 }
    }

    /// Goes from the trigger to the end; what was recorded until then is there in any case.
    pub(crate) async fn run(mut self, trigger: Value) -> (Result<(), Stopped>, Came) {
        let mut context = Context::begin(&self.head, trigger);
        let then = begin(self.plan, &mut context);
        let ended = self.strand(String::new(), context, then).await;
        let entries = std::mem::take(&mut self.entries).into_iter().map(|(_, entry)| entry).collect();
        let came = |status, error, output| Came { status, error, output, entries };
        match ended {
            Ok(End::Run { status, error, output }) => (Ok(()), came(status, error, output)),
            Ok(End::Strand(Ok(()))) => (Ok(()), came(RunStatus::Succeeded, None, None)),
            Ok(End::Strand(Err(error))) => (Ok(()), came(RunStatus::Failed, Some(error), None)),
            Err(stopped) => (Err(stopped), came(RunStatus::Running, None, None)),
        }
    }

    fn strand(&mut self, name: String, mut context: Context, mut then: Then) -> Strands<'_> {
        Box::pin(async move {
            loop {
                let flow = match then {
                    Then::Go(ix) => self.step(&name, ix, 1, &mut context).await?,
                    Then::Retry { node, attempt, at } => {
                        self.now = self.now.max(at);
                        self.step(&name, node, attempt, &mut context).await?
                    }
                    Then::Park { until, then } => {
                        self.now = self.now.max(until);
                        Flow::Then(*then)
                    }
                    Then::Await { node, attempt, .. } => {
                        let event = self.mocked(node, &context, "wait for an answer", Event::Resumed)?;
                        Flow::Then(self.settle(&name, node, attempt, event, None, &mut context)?)
                    }
                    // A fork is joined where it is made; what a mock gives is the end of what its action starts.
                    Then::Join { node, .. } | Then::Complete { node, .. } => {
                        return Err(Stopped::Illegal(self.path(node, &context)));
                    }
                    Then::StrandEnd(result) => return Ok(End::Strand(result)),
                    Then::End { status, error, output } => return Ok(End::Run { status, error, output }),
                };
                then = match flow {
                    Flow::Then(then) => then,
                    Flow::Ended(end) => return Ok(end),
                };
            }
        })
    }

    async fn step(
        &mut self,
        strand: &str,
        ix: NodeIx,
        attempt: u16,
        context: &mut Context,
    ) -> Result<Flow, Stopped> {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.clock.now() >= self.until {
            return Err(Stopped::TooLong);
        }
        let plan = self.plan;
        let node = plan.node(ix);
        let mut input = None;
        let event = match &node.kind {
            kind if kind.is_pure() => {
                failed_or(evaluate(plan, ix, context, &self.pinned(ix, context)).await)?
            }
            NodeKind::ForEach(_) | NodeKind::Parallel { .. } => {
                return self.fork(strand, ix, context).await;
            }
            NodeKind::Wait { pause } => {
                let until = wait_until(pause, self.now, &self.pinned(ix, context)).await;
                let answered = node.kind.is_answered_by_address();
                failed_or(
                    until.map(|until| if answered { Event::Awaiting(until) } else { Event::Until(until) }),
                )?
            }
            NodeKind::Approval(approval) => {
                let until = self.now.plus(approval.timeout);
                match self.render(ix, &approval.question, context).await {
                    Ok(question) => {
                        input = Some(question);
                        Event::Awaiting(until)
                    }
                    Err(error) => failed(error)?,
                }
            }
            NodeKind::Action(action) => match self.render(ix, &action.input, context).await {
                Ok(value) => {
                    input = Some(super::judge::redacted(value));
                    self.mocked(ix, context, &format!("call `{}`", action.uses), Event::Effect)?
                }
                Err(error) => failed(error)?,
            },
            NodeKind::Code(code) => match self.render(ix, &code.input, context).await {
                Ok(value) => {
                    input = Some(value);
                    self.mocked(ix, context, "run code", Event::Effect)?
                }
                Err(error) => failed(error)?,
            },
            NodeKind::Workflow { input: given, wait, .. } => match self.render(ix, given, context).await {
                Ok(value) => {
                    input = Some(value);
                    if *wait {
                        Event::Awaiting(self.head.deadline)
                    } else {
                        self.mocked(ix, context, "start a workflow", Event::Effect)?
                    }
                }
                Err(error) => failed(error)?,
            },
            NodeKind::Emit { event } => match self.render(ix, event, context).await {
                Ok(value) => {
                    input = Some(value);
                    Event::Effect(json!({"event_id": "test"}))
                }
                Err(error) => failed(error)?,
            },
            NodeKind::Respond { answer } => match self.render(ix, answer, context).await {
                Ok(answer) => {
                    let status = answer["status"].clone();
                    input = Some(answer);
                    Event::Answered(json!({"status": status}))
                }
                Err(error) => failed(error)?,
            },
            _ => return Err(Stopped::Illegal(self.path(ix, context))),
        };
        self.settle(strand, ix, attempt, event, input, context).map(Flow::Then)
    }

    /// Runs a block's strands one after the other, and records what they gave.
    async fn fork(&mut self, strand: &str, ix: NodeIx, context: &mut Context) -> Result<Flow, Stopped> {
        let plan = self.plan;
        let of_each = matches!(plan.node(ix).kind, NodeKind::ForEach(_));
        let all = match &plan.node(ix).kind {
            NodeKind::ForEach(each) => match self.render(ix, &each.items, context).await {
                Ok(value) => items(value),
                Err(error) => {
                    let event = failed(error)?;
                    return self.settle(strand, ix, 1, event, None, context).map(Flow::Then);
                }
            },
            NodeKind::Parallel { arms } => vec![Value::Null; arms.len()],
            _ => Vec::new(),
        };
        if all.len() > limits::MAX_ITEMS {
            let message = format!("{} items are too many; a loop takes {}", all.len(), limits::MAX_ITEMS);
            let event = Event::Failed(StepError::fatal("too_many_items", message));
            return self.settle(strand, ix, 1, event, None, context).map(Flow::Then);
        }
        let count = all.len() as u32;
        let lanes = lanes(plan, ix, count);
        if lanes == 0 {
            let event = Event::Joined(json!([]));
            return self.settle(strand, ix, 1, event, None, context).map(Flow::Then);
        }
        let digest = if of_each { digest(&all) } else { 0 };
        let before = context.clone();
        self.settle(strand, ix, 1, Event::Forking { lanes, count, digest }, None, context)?;
        let mut gathered = Gathered::default();
        for lane in 0..lanes {
            let inner = Strand::of(ix, lane, &before);
            let (begun, then) = outset(plan, ix, lane, &all, &before);
            let name = inner.name(plan);
            let ended = self.strand(name.clone(), begun, then).await?;
            let own: Vec<Entry> =
                self.entries.iter().filter(|(of, _)| *of == name).map(|(_, entry)| entry.clone()).collect();
            gathered.take(plan, outset(plan, ix, lane, &all, &before), &inner, &own, Millis(i64::MAX));
            match ended {
                End::Strand(Ok(())) => {}
                // The others stop when one fails.
                End::Strand(Err(_)) => break,
                end @ End::Run { .. } => return Ok(Flow::Ended(end)),
            }
        }
        let event = match gathered.outcome(plan, ix, &HashMap::new()) {
            Some(Ok(output)) => Event::Joined(output),
            Some(Err(error)) => Event::Failed(
                StepError::fatal(&error.code, error.message).with_details(json!({"step": error.step})),
            ),
            None => return Err(Stopped::Illegal(self.path(ix, context))),
        };
        self.settle(strand, ix, 2, event, None, context).map(Flow::Then)
    }

    /// What the test says that the step's effect comes to.
    fn mocked(
        &mut self,
        ix: NodeIx,
        context: &Context,
        what: &str,
        gives: impl FnOnce(Value) -> Event,
    ) -> Result<Event, Stopped> {
        let path = self.path(ix, context);
        let key = if self.mocks.contains_key(&path) { path.clone() } else { self.plan.node(ix).id.clone() };
        let Some(mocks) = self.mocks.get(&key) else {
            return Err(Stopped::NoMock { path, what: what.to_owned() });
        };
        let asked = self.asked.entry(key).or_default();
        let mock = mocks.get(*asked).or(mocks.last());
        *asked += 1;
        Ok(match mock {
            Some(Mock::Output(output)) => gives(output.clone()),
            Some(Mock::Error { code, message, retryable }) => {
                Event::Failed(StepError { retryable: *retryable, ..StepError::fatal(code, message) })
            }
            None => return Err(Stopped::NoMock { path, what: what.to_owned() }),
        })
    }

    fn settle(
        &mut self,
        strand: &str,
        ix: NodeIx,
        attempt: u16,
        event: Event,
        input: Option<Value>,
        context: &mut Context,
    ) -> Result<Then, Stopped> {
        let path = self.path(ix, context);
        let mark: Mark = decide(&self.plan.node(ix).kind, attempt, event, self.now, 0)
            .map_err(|_| Stopped::Illegal(path.clone()))?;
        let entry =
            Entry { path, attempt, started_at: self.now, finished_at: self.now, input, called: false, mark };
        let then = follow(self.plan, ix, &entry, context);
        self.entries.push((strand.to_owned(), entry));
        Ok(then)
    }

    async fn render(&self, ix: NodeIx, template: &Template, context: &Context) -> Result<Value, StepError> {
        self.pinned(ix, context).render(template).await
    }

    fn pinned<'t>(&'t self, ix: NodeIx, context: &'t Context) -> Pinned<'t> {
        Pinned {
            ix,
            plan: self.plan,
            head: &self.head,
            context,
            guard: &self.guard,
            variables: self.variables,
        }
    }

    fn path(&self, ix: NodeIx, context: &Context) -> String {
        self.plan.node(ix).instance(context)
    }
}

/// The failure of an expression; one that is not the expression's fault ends the test.
fn failed(error: StepError) -> Result<Event, Stopped> {
    if error.retryable { Err(Stopped::Busy) } else { Ok(Event::Failed(error)) }
}

fn failed_or(event: Result<Event, StepError>) -> Result<Event, Stopped> {
    event.map_or_else(failed, Ok)
}
