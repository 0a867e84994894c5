//! Steps with effects: each attempt is recorded once.

use super::call::Begun;
use super::file::{Disk, Full, files_of};
use super::limit::Turns;
use super::pure::BUSY;
use super::{Drive, Flow, Flushed, check_inline_size, check_size, check_size_within};
use crate::ExecutorError;
use crate::open::OPENING;
use crate::started::{ASKED, Started};
use crate::weight::weight;
use blobs::Content;
use calls::Secrets;
use calls::http_request::{self, Prepared, Whole};
use domain::nests_too_deep;
use domain::run::{Answer, Entry, RunStatus, StepError};
use domain::workflow::{FILE_ACTIONS, HTTP_REQUEST};
use domain::{Millis, limits};
use engine::{ActionNode, Event, NodeIx, Pausing, idempotency_key};
use expr::Template;
use futures::future::{Either, select};
use serde_json::{Value, json};
use std::time::Duration;
use store::{Attempt, Claim, Held};
use tracing::warn;

/// The largest input that the history shows whole.
const SHOWN_INPUT: usize = 16 * 1024;
/// A run that is not over after this time is shown as running.
const SHOWN_AS_RUNNING: Duration = Duration::from_secs(1);

impl Drive<'_> {
    pub(super) async fn action(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        action: &ActionNode,
    ) -> Result<Flow, ExecutorError> {
        // A connection may need new tokens first, which must not be lost on the way.
        let opening = if action.connection.is_some() { OPENING } else { Duration::ZERO };
        if !self.covers(action.timeout.max(opening)) {
            // What was computed on the way here is kept: to compute it anew could use up the time again, and so for ever.
            self.flush().await?;
            return self.yield_until(self.app.clock.now()).await;
        }
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let effect = match self.prepare(ix, action, None).await {
            Ok(effect) => effect,
            // What is our own doing is no attempt of the step.
            Err(error) if error.retryable && error.code != "app_unavailable" => {
                return self.yield_until(started_at.plus(BUSY)).await;
            }
            Err(error) => {
                let starts = self.starts_before(ix, attempt).await?;
                let settled = Settled { attempt, failures: attempt.saturating_sub(starts), started_at };
                return self.settle_as(ix, settled, None, Event::Failed(error), None).await;
            }
        };
        let Effect { what, input, secrets } = effect;
        let until = started_at.plus(action.timeout);
        // What it took to open the connection is the step's time; another message finds it opened.
        if action.connection.is_some() && self.app.clock.now().until(until) < action.timeout / 2 {
            return self.yield_until(self.app.clock.now()).await;
        }
        let what = match what {
            What::Call(begun) => match self.first_turn((ix, attempt), action, &begun.call).await? {
                Ok(turns) => Ready::Call(begun, turns),
                Err(flow) => return Ok(flow),
            },
            What::Request(prepared) => match self.disk_for(files_of(&prepared)).await {
                Ok(disk) => Ready::Request(prepared, disk),
                Err(Full) => return self.yield_until(self.app.clock.now().plus(BUSY)).await,
            },
            What::Files(input) => match self.disk_for(u64::MAX).await {
                Ok(disk) => Ready::Files(input, disk),
                Err(Full) => return self.yield_until(self.app.clock.now().plus(BUSY)).await,
            },
        };
        let idempotent = match &what {
            Ready::Request(prepared, _) => http_request::is_idempotent(&prepared.request.method),
            Ready::Call(begun, _) => begun.call.is_idempotent(),
            Ready::Files(..) => true,
        };
        let goes_on = match &what {
            Ready::Call(begun, _) => action.wait.filter(|_| begun.call.action().completes.is_some()),
            Ready::Request(..) | Ready::Files(..) => None,
        };
        let starts = if goes_on.is_some() { self.starts_before(ix, attempt).await? } else { 0 };
        let held = if action.at_most_once || !action.idempotent.unwrap_or(idempotent) {
            match self.take(ix, attempt, action).await? {
                Ok(held) => Some(held),
                Err(Refused::Flow(flow)) => return Ok(flow),
                Err(Refused::OutcomeUnknown(held)) => {
                    let message = "the worker was lost while the effect was under way, and the step may not be tried twice";
                    let event = Event::Failed(StepError::fatal("outcome_unknown", message));
                    return self.settle(ix, attempt, started_at, Some(input), event, Some(held)).await;
                }
            }
        } else {
            None
        };
        // A file is worked on here: nobody else was asked.
        let called = !matches!(what, Ready::Files(..));
        let output = match what {
            Ready::Request(prepared, disk) => {
                let mut prepared = *prepared;
                // Should the address be a webhook of ours, the chain of runs is known there (protocol rule 16).
                prepared
                    .request
                    .headers
                    .insert(limits::DEPTH_HEADER, http::HeaderValue::from(self.head.depth.saturating_add(1)));
                self.send_request(ix, attempt, (prepared, disk), &secrets).await?
            }
            Ready::Call(begun, turns) => {
                let key = self.key_of(ix, starts);
                self.asked((ix, attempt), action, (*begun, until), &key, &turns, &secrets).await?
            }
            Ready::Files(input, disk) => self.work_on_files((ix, attempt), action, input, disk).await?,
        };
        let event = match (output, goes_on) {
            (Ok(output), Some(wait)) => self.started(ix, output, wait).await,
            (output, _) => output
                .and_then(|output| check_size(&output).map(|()| output))
                .map_or_else(Event::Failed, Event::Effect),
        };
        let settled = Settled { attempt, failures: attempt.saturating_sub(starts), started_at };
        let entry = self.outcome(ix, settled, Some(input), event).await?;
        self.record(ix, Entry { called, ..entry }, held).await
    }

    /// Calls an app. What it refuses for the tokens' sake it has not done: it is asked once more, with new ones.
    async fn asked(
        &self,
        (ix, attempt): (NodeIx, u16),
        action: &ActionNode,
        (mut begun, until): (Begun, Millis),
        key: &str,
        turns: &Turns,
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        let left = || self.app.clock.now().until(until);
        let first = self.call_app((ix, attempt), (&mut begun.call, turns), key, secrets, left()).await?;
        let refused = first.as_ref().is_err_and(|error| error.code == "credentials_refused");
        // Its claim ends soon after its time: new tokens are not begun with that cannot be got within it.
        if !refused || begun.tokens.is_none() || left() < OPENING.min(action.timeout / 2) {
            return Ok(first);
        }
        match self.prepare(ix, action, begun.tokens).await {
            Ok(Effect { what: What::Call(mut again), secrets, .. }) if !left().is_zero() => {
                self.call_app((ix, attempt), (&mut again.call, turns), key, &secrets, left()).await
            }
            Ok(_) => Ok(first),
            Err(error) => Ok(Err(error)),
        }
    }

    /// What tells the app of repeats. What is started once more, after what was started before failed, is no repeat of that.
    fn key_of(&self, ix: NodeIx, starts: u16) -> String {
        let path = self.path(ix);
        let of = if starts == 0 { path } else { format!("{path}#{starts}") };
        idempotency_key(self.head, &of)
    }

    /// What is told of an answer after which the app goes on: the journal must hold it until the end.
    async fn started(&self, ix: NodeIx, output: Value, wait: Duration) -> Event {
        match check_size_within(&output, self.app.inline_bytes) {
            Ok(()) => Event::Started { output, until: self.app.clock.now().plus(wait) },
            Err(error) => {
                let started = Started { place: self.place, ix, context: &self.context, output: &output };
                if self.covers(OPENING + ASKED)
                    && let Ok(manifest) = started.manifest().await
                {
                    // Whether that went well is logged; the step has failed either way.
                    let _ = started.call_off(&manifest).await;
                }
                Event::Failed(error)
            }
        }
    }

    /// Evaluates what an action is given, and makes of it what is to be sent.
    async fn prepare(
        &self,
        ix: NodeIx,
        action: &ActionNode,
        stale: Option<u32>,
    ) -> Result<Effect, StepError> {
        let (input, mut secrets) = self.place.render_with_secrets(ix, &action.input, &self.context).await?;
        if FILE_ACTIONS.contains(&action.uses.as_str()) {
            // A file is kept, and whoever reads the run reads it.
            if secrets.named(input.clone()) != input {
                let message =
                    "secret variables cannot be written into files; send them where they are needed";
                return Err(StepError::fatal("invalid_input", message));
            }
            super::file::check(&action.uses, &input)?;
            let what = What::Files(input.clone());
            return Ok(Effect { what, input: shown(input), secrets });
        }
        if action.uses != HTTP_REQUEST {
            let call = self.begin_call(action, &secrets.revealed(&input), &mut secrets, stale).await;
            let call = call.map_err(|error| secrets.hide_error(error))?;
            let input = shown(secrets.named(input));
            return Ok(Effect { what: What::Call(Box::new(call)), input, secrets });
        }
        let key = idempotency_key(self.head, &self.path(ix));
        let key = Some((http_request::KEY_HEADER, key.as_str()));
        let prepared = http_request::prepare(&secrets.revealed(&input), key, action.timeout);
        let mut prepared = prepared.map_err(|error| secrets.hide_error(error))?;
        http_request::guard(&mut prepared, &secrets);
        let input = shown(http_request::redacted(secrets.named(input)));
        Ok(Effect { what: What::Request(Box::new(prepared)), input, secrets })
    }

    /// Sends a request: what came back as a step's output, with a body that is no text, or too large for one, kept as a file.
    pub(super) async fn send_request(
        &self,
        ix: NodeIx,
        attempt: u16,
        (prepared, disk): (Prepared, Disk),
        secrets: &Secrets,
    ) -> Result<Result<Value, StepError>, ExecutorError> {
        let reading = prepared.reading;
        let (request, disk) = match self.attach(prepared, disk).await? {
            Ok(attached) => attached,
            Err(error) => return Ok(Err(error)),
        };
        let sending = self.app.http.send(request);
        let mut response = self.while_shown(sending).await;
        drop(disk);
        let filename = response.as_ref().ok().and_then(|response| http_request::name_of(response, secrets));
        // Held until the answer is read, after which it is the output's.
        let _room = match response.as_mut().map(|response| &response.file) {
            Ok(Some(file)) if file.bytes <= limits::MAX_OUTPUT_BYTES as u64 => {
                self.app.memory.room(file.bytes).await
            }
            _ => None,
        };
        let file = match &mut response {
            Ok(response) => http_request::take_file(response, reading, secrets)?,
            Err(_) => None,
        };
        Ok(match http_request::outcome(response, reading.any_status, self.app.clock.now(), secrets) {
            Ok(mut output) => {
                if let Some((file, media)) = file {
                    let content = match &file {
                        Whole::File(file) => Content::File(file.file.clone(), file.bytes),
                        Whole::Bytes(bytes) => Content::Bytes(bytes.clone()),
                    };
                    let path = self.path(ix);
                    output["body"] = self.place.keep_file(&path, attempt, content, media, filename).await?;
                }
                Ok(output)
            }
            Err(error) => Err(error),
        })
    }

    pub(super) async fn respond(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        answer: &Template,
    ) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let answer = self.render(ix, answer).await.and_then(|value| read_answer(&value));
        let event = match answer {
            Ok(answer) => {
                self.app.runs.answer(self.org, self.head, &answer).await?;
                Event::Answered(json!({"status": answer.status}))
            }
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => Event::Failed(error),
        };
        self.settle(ix, attempt, started_at, None, event, None).await
    }

    pub(super) async fn wait(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        pause: &Pausing,
    ) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let event = match self.wake_time(ix, pause, started_at).await {
            Ok(until) if matches!(pause, Pausing::Callback { .. }) => Event::Awaiting(until),
            Ok(until) => Event::Until(until),
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => Event::Failed(error),
        };
        self.settle(ix, attempt, started_at, None, event, None).await
    }

    /// Records what an attempt came to, and says what follows.
    pub(super) async fn settle(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        started_at: Millis,
        input: Option<Value>,
        event: Event,
        held: Option<Held>,
    ) -> Result<Flow, ExecutorError> {
        self.settle_as(ix, Settled { attempt, failures: attempt, started_at }, input, event, held).await
    }

    /// The same of an attempt that is not the number of failures.
    pub(super) async fn settle_as(
        &mut self,
        ix: NodeIx,
        settled: Settled,
        input: Option<Value>,
        event: Event,
        held: Option<Held>,
    ) -> Result<Flow, ExecutorError> {
        let entry = self.outcome(ix, settled, input, event).await?;
        self.record(ix, entry, held).await
    }

    /// The entry that tells what an attempt came to.
    async fn outcome(
        &mut self,
        ix: NodeIx,
        Settled { attempt, failures, started_at }: Settled,
        input: Option<Value>,
        event: Event,
    ) -> Result<Entry, ExecutorError> {
        let mark = self.decide(ix, failures, event)?;
        let mark = self.place.keep(&self.path(ix), attempt, mark).await?;
        Ok(self.entry(ix, attempt, started_at, input, mark))
    }

    async fn wake_time(&self, ix: NodeIx, pause: &Pausing, now: Millis) -> Result<Millis, StepError> {
        engine::wait_until(pause, now, &self.scope(ix)).await
    }

    /// Takes the claim that an effect needs which must not be caused twice (protocol rule 9).
    async fn take(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        action: &ActionNode,
    ) -> Result<Result<Held, Refused>, ExecutorError> {
        let path = self.path(ix);
        let of = Attempt { strand: &self.strand_name, path: &path, attempt };
        let now = self.app.clock.now();
        let lease = action.timeout + limits::STEP_START_MARGIN;
        let claim = self.app.runs.claim(self.org, self.head, &of, now, lease).await?;
        Ok(match claim {
            #[cfg(planted)]
            Claim::Ours { held, .. } if dispatch::is_planted(dispatch::Bug::RepeatsAtMostOnce) => Ok(held),
            Claim::Ours { held, taken_over: true } if action.at_most_once => {
                Err(Refused::OutcomeUnknown(held))
            }
            Claim::Ours { held, .. } => Ok(held),
            Claim::Busy { until } => Err(Refused::Flow(self.yield_until(until).await?)),
            Claim::Done(_) => Err(Refused::Flow(self.yield_until(now).await?)),
        })
    }

    /// Waits for an effect; once it has taken a while, the run is shown as running.
    pub(super) async fn while_shown<T>(&self, effect: impl Future<Output = T>) -> T {
        tokio::pin!(effect);
        if self.head.status != RunStatus::Queued {
            return effect.await;
        }
        if let Either::Left((done, _)) = select(&mut effect, self.app.clock.sleep(SHOWN_AS_RUNNING)).await {
            return done;
        }
        // The effect goes on meanwhile, and whatever becomes of the mark: to give it up would leave its outcome unknown.
        let (marked, done) = tokio::join!(self.app.runs.mark_running(self.org, &self.head.id), effect);
        if let Err(error) = marked {
            warn!(run.id = %self.head.id, %error, "the run could not be shown as running");
        }
        done
    }
}

/// An attempt that has an outcome.
pub(super) struct Settled {
    pub(super) attempt: u16,
    /// How many attempts have failed, should this one have.
    pub(super) failures: u16,
    pub(super) started_at: Millis,
}

/// What an action is about to do, and its input as the history shows it.
struct Effect {
    what: What,
    input: Value,
    secrets: Secrets,
}

enum What {
    Request(Box<Prepared>),
    Call(Box<Begun>),
    /// A built-in action on files, with its input.
    Files(Value),
}

/// The same, with its turn at the app, or its room on the worker's disk.
enum Ready {
    Request(Box<Prepared>, Disk),
    Call(Box<Begun>, Turns),
    Files(Value, Disk),
}

enum Refused {
    Flow(Flow),
    OutcomeUnknown(Held),
}

/// The input as the history keeps it: beside an output of the largest size it must still fit into an item.
pub(super) fn shown(input: Value) -> Value {
    let bytes = weight(&input);
    if bytes <= SHOWN_INPUT && !nests_too_deep(&input) {
        return input;
    }
    format!("[about {} KB: too large for the history]", bytes.div_ceil(1024)).into()
}

fn read_answer(value: &Value) -> Result<Answer, StepError> {
    let status = match &value["status"] {
        Value::String(text) => text.trim().parse().ok(),
        number => number.as_u64().or_else(|| number.as_f64().filter(|n| n.fract() == 0.0).map(|n| n as u64)),
    };
    let status =
        status.and_then(|n| u16::try_from(n).ok()).filter(|n| (200..=599).contains(n)).ok_or_else(|| {
            StepError::fatal("invalid_answer", format!("`status` is {}, not 200 to 599", value["status"]))
        })?;
    let mut headers = Vec::new();
    for (name, value) in value["headers"].as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let valid = http::HeaderName::from_bytes(name.as_bytes()).is_ok()
            && http::HeaderValue::from_str(&text).is_ok();
        if !valid {
            return Err(StepError::fatal("invalid_answer", format!("the header `{name}` cannot be sent")));
        }
        headers.push((name.to_ascii_lowercase(), text));
    }
    check_inline_size(value)?;
    Ok(Answer { status, headers, body: value["body"].clone() })
}
