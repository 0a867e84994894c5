//! The guard as callers see it.

use std::sync::{Arc, Mutex, PoisonError};

use expr::{EvalFailure, GuardedResults, Limits, Seed, Template, codes};
use serde_json::Value;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use crate::config::GuardConfig;
use crate::lanes::Lanes;
use crate::protocol::{Request, RequestItem, Response};
use crate::worker::{Loss, Unanswered, Worker};

/// Deepest scope that travels: JSON readers stop at 128 levels, the frame itself takes some.
const MAX_SCOPE_DEPTH: usize = 120;

/// Evaluates what must not run in this process. Cheap to clone; clones share the children.
#[derive(Debug, Clone)]
pub struct Guard {
    shared: Arc<Shared>,
    lane: Option<Arc<Semaphore>>,
}

/// One expression to evaluate.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// JSONata without braces.
    pub source: &'a str,
    /// Its time and chance.
    pub seed: Seed,
}

#[derive(Debug)]
struct Shared {
    config: GuardConfig,
    children: Semaphore,
    idle: Mutex<Vec<Worker>>,
    lanes: Lanes,
}

impl Guard {
    /// A guard without children yet: the first request starts one.
    pub fn new(config: GuardConfig) -> Guard {
        let children = config.max_children.max(1);
        Guard {
            shared: Arc::new(Shared {
                children: Semaphore::new(children),
                idle: Mutex::new(Vec::new()),
                lanes: Lanes::new(children),
                config,
            }),
            lane: None,
        }
    }

    /// The same guard for one tenant: however many requests it has, they never hold every child
    /// (unless there is only one).
    #[must_use]
    pub fn lane(&self, name: &str) -> Guard {
        Guard { shared: Arc::clone(&self.shared), lane: Some(self.shared.lanes.enter(name)) }
    }

    /// Renders any template: in place what may run in place, the rest in a child.
    pub async fn render(
        &self,
        template: &Template,
        scope: &Value,
        seed: &Seed,
    ) -> Result<Value, EvalFailure> {
        let config = &self.shared.config;
        if template.tier() < expr::Tier::Guarded {
            match template.render_in_place(scope, seed, &config.in_place) {
                Err(failure) if failure.needs_guard() => {}
                done => return done,
            }
        }
        let pending = template.pending(scope, seed, &config.in_place);
        let needed = expr::pruned(scope, pending.iter().map(|pending| pending.expression));
        let items: Vec<Item<'_>> = pending
            .iter()
            .map(|pending| Item { source: pending.expression.source(), seed: pending.seed })
            .collect();
        let values = self.ask(&items, needed, &config.guarded).await.map_err(|(item, failure)| {
            let pointer = pending.get(item).map_or("", |pending| pending.pointer);
            failure.at(pointer)
        })?;
        let results: GuardedResults = pending.iter().map(|pending| pending.index).zip(values).collect();
        template.render_with(scope, seed, &config.in_place, &results)
    }

    /// Evaluates expressions in a child, in order; `None` is JSONata's undefined. The first failure ends it.
    pub async fn evaluate(
        &self,
        items: &[Item<'_>],
        scope: &Value,
        limits: &Limits,
    ) -> Result<Vec<Option<Value>>, EvalFailure> {
        self.ask(items, scope.clone(), limits).await.map_err(|(_, failure)| failure)
    }

    /// A failure comes with the number of its item.
    async fn ask(
        &self,
        items: &[Item<'_>],
        scope: Value,
        limits: &Limits,
    ) -> Result<Vec<Option<Value>>, (usize, EvalFailure)> {
        let config = &self.shared.config;
        let source = |item: usize| items.get(item).map_or("", |item| item.source);
        let failure =
            |item: usize, code, message: &str| (item, EvalFailure::new(code, message, source(item)));
        if is_deeper(&scope, MAX_SCOPE_DEPTH) {
            return Err(failure(0, codes::TOO_DEEP, "the expression's input nests too deep"));
        }
        let items: Vec<RequestItem> = items
            .iter()
            .map(|item| RequestItem { source: item.source.to_owned(), seed: item.seed })
            .collect();
        let request = Request { items, scope, limits: limits.into() };
        let frame = serde_json::to_vec(&request).map_err(|error| {
            failure(0, codes::GUARD_UNAVAILABLE, &format!("the guard cannot be asked: {error}"))
        })?;
        if frame.len() > config.max_request_bytes {
            return Err(failure(0, codes::TOO_LARGE, "the expression's input is too large"));
        }
        let _turn = self.turn().await.map_err(|message| failure(0, codes::GUARD_UNAVAILABLE, message))?;
        let (worker, response) = self.exchange(&frame).await.map_err(|(code, message)| {
            tracing::warn!(guard.code = code, "a guarded child gave no answer");
            failure(0, code, &message)
        })?;
        if !response.last {
            self.shared.put_idle(worker);
        }
        if let Some(lost) = response.failure {
            let item = lost.item;
            return Err((item, lost.into_failure(source(item))));
        }
        if response.values.len() != request.items.len() {
            return Err(failure(0, codes::GUARD_UNAVAILABLE, "the guard answered another request"));
        }
        Ok(response.values.into_iter().map(|value| value.into_iter().next()).collect())
    }

    /// Asks an idle child, or a new one. A child that died while it was idle costs nobody an answer.
    async fn exchange(&self, frame: &[u8]) -> Result<(Worker, Response), Loss> {
        let config = &self.shared.config;
        loop {
            let mut worker = match self.shared.take_idle() {
                Some(worker) => worker,
                None => Worker::start(config).await?,
            };
            match worker.ask(frame, config).await {
                Ok(response) => return Ok((worker, response)),
                // At most once for each idle child: a new one is never dead before.
                Err(Unanswered::DeadBefore) => {}
                Err(Unanswered::Lost(loss)) => return Err(loss),
            }
        }
    }

    /// Waits for this lane's turn and then for a child; both queues are first come, first served.
    async fn turn(&self) -> Result<(Option<SemaphorePermit<'_>>, SemaphorePermit<'_>), &'static str> {
        const BUSY: &str = "the guard is busy, try again";
        let until = tokio::time::Instant::now() + self.shared.config.max_wait;
        let lane = match &self.lane {
            Some(lane) => Some(timeout_at(until, lane.acquire()).await.map_err(|_| BUSY)?.map_err(|_| BUSY)?),
            None => None,
        };
        let child =
            timeout_at(until, self.shared.children.acquire()).await.map_err(|_| BUSY)?.map_err(|_| BUSY)?;
        Ok((lane, child))
    }
}

impl Shared {
    fn take_idle(&self) -> Option<Worker> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut worker) = idle.pop() {
            if worker.is_fit(&self.config) {
                return Some(worker);
            }
        }
        None
    }

    fn put_idle(&self, mut worker: Worker) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < self.config.max_idle && worker.is_fit(&self.config) {
            idle.push(worker);
        }
    }
}

/// Whether a value nests deeper than `max` levels. Needs no stack.
fn is_deeper(value: &Value, max: usize) -> bool {
    let mut open = vec![(value, 0)];
    while let Some((value, depth)) = open.pop() {
        if depth > max {
            return true;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(fields) => open.extend(fields.values().map(|field| (field, depth + 1))),
            _ => {}
        }
    }
    false
}
