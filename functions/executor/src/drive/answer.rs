//! Steps that wait for somebody's answer, and those that call for others' work (protocol rules 15 and 16).

use super::effect::shown;
use super::pure::BUSY;
use super::{Drive, Flow, Flushed, check_inline_size};
use crate::ExecutorError;
use dispatch::{BusEvent, Chain, PlanError, SOURCE, StartRequest, Started};
use domain::run::{Mail, MailKind, Parent, RunStatus, StepError};
use domain::workflow::OnTimeout;
use domain::{Millis, WorkflowId, limits};
use engine::{ApprovalNode, Event, NodeIx, NodeKind, idempotency_key};
use expr::Template;
use serde_json::{Value, json};
use std::time::Duration;

/// The `source` of emitted events that name none.
const EMITTED: &str = "patchbay.workflows";
/// A message that comes this near to a reminder's time was meant for it.
const REMINDER_WINDOW: Duration = Duration::from_mins(1);

impl Drive<'_> {
    /// Goes on if a step's answer is there or its time is over; otherwise leaves the strand until then.
    pub(super) async fn await_answer(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        until: Millis,
    ) -> Result<Flow, ExecutorError> {
        let path = self.path(ix);
        let now = self.app.clock.now();
        let mail = match self.app.runs.mail(self.org, &self.head.id, &path).await? {
            Some(mail) => Some(mail),
            // Who answers now finds that it is too late: one conditional write decides.
            None if now >= until => {
                let late = Mail { kind: MailKind::TimedOut, payload: Value::Null, at: now, by: None };
                Some(self.app.runs.put_mail(self.org, self.head, &path, &late).await?)
            }
            None => None,
        };
        if let Some(mail) = mail {
            // A wait that ends before its time would be shown as one until then.
            if self.strand.is_none() && self.head.wake_at == Some(until) && now < until {
                self.app.runs.mark_resumed(self.org, &self.head.id, until).await?;
            }
            let event = answered(&self.plan.node(ix).kind, mail);
            return self.settle(ix, attempt, now, None, event, None).await;
        }
        let mut next = until;
        if let NodeKind::Approval(approval) = &self.plan.node(ix).kind
            && let Some(every) = approval.remind_every
        {
            next = next.min(self.remind(ix, approval, every, until).await?);
        }
        self.show_waiting(until).await?;
        self.come_back_at(next).await
    }

    /// Asks for a decision, and begins to wait for it.
    pub(super) async fn approval(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        approval: &ApprovalNode,
    ) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let until = started_at.plus(approval.timeout);
        match self.ask(ix, approval, ("Approval requested", None), until).await {
            Ok(question) => {
                self.settle(ix, attempt, started_at, Some(shown(question)), Event::Awaiting(until), None)
                    .await
            }
            Err(error) if error.retryable => self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => self.settle(ix, attempt, started_at, None, Event::Failed(error), None).await,
        }
    }

    /// Puts the question on the bus, for rules that bring it to people.
    async fn ask(
        &self,
        ix: NodeIx,
        approval: &ApprovalNode,
        (detail_type, reminder): (&str, Option<i64>),
        until: Millis,
    ) -> Result<Value, StepError> {
        let question = self.render(ix, &approval.question).await?;
        fits_the_bus(&question)?;
        let path = self.path(ix);
        let detail = json!({
            "run": self.head.id.as_str(),
            "workflow": self.head.workflow.as_str(),
            "step": path,
            "to": question["to"],
            "title": question["title"],
            "message": question["message"],
            "url": self.place.address(&path),
            "until": until.rfc3339(),
            "depth": self.head.depth,
        });
        // Each reminder is an event of its own.
        let key = reminder.map_or_else(|| path.clone(), |n| format!("{path}#{n}"));
        self.put(detail_type, SOURCE.to_owned(), detail, &key).await?;
        Ok(question)
    }

    /// Reminds those who were asked, if it is time; gives the time of the next reminder.
    async fn remind(
        &self,
        ix: NodeIx,
        approval: &ApprovalNode,
        every: Duration,
        until: Millis,
    ) -> Result<Millis, ExecutorError> {
        let now = self.app.clock.now();
        let asked_at = Millis(until.0 - i64::try_from(approval.timeout.as_millis()).unwrap_or(0));
        let every = i64::try_from(every.as_millis()).unwrap_or(i64::MAX).max(1);
        let so_far = asked_at.until(now).as_millis() as i64 / every;
        let last = Millis(asked_at.0.saturating_add(so_far.saturating_mul(every)));
        if so_far > 0 && last.until(now) < REMINDER_WINDOW
            // A reminder that fails is one fewer: the question stays.
            && let Err(error) = self.ask(ix, approval, ("Approval reminder", Some(so_far)), until).await
        {
            tracing::warn!(run.id = %self.head.id, error.code = error.code, "a reminder could not be sent");
        }
        Ok(Millis(last.0.saturating_add(every)))
    }

    /// Starts a run of another workflow, and waits for its end or not.
    pub(super) async fn workflow(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        workflow: &WorkflowId,
        input: &Template,
        wait: bool,
    ) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let input = match self.render(ix, input).await {
            Ok(input) => input,
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => {
                return self.settle(ix, attempt, started_at, None, Event::Failed(error), None).await;
            }
        };
        let history = Some(shown(input.clone()));
        let event = match self.call(ix, workflow, input, wait).await? {
            Ok(_) if wait => Event::Awaiting(self.head.deadline),
            Ok(started) => Event::Effect(json!({"run": started.run().as_str()})),
            Err(error) => Event::Failed(error),
        };
        self.settle(ix, attempt, started_at, history, event, None).await
    }

    async fn call(
        &self,
        ix: NodeIx,
        workflow: &WorkflowId,
        input: Value,
        wait: bool,
    ) -> Result<Result<Started, StepError>, ExecutorError> {
        if let Err(error) = check_inline_size(&input) {
            return Ok(Err(error));
        }
        let depth = self.head.depth.saturating_add(1);
        if depth > limits::MAX_DEPTH {
            let message =
                format!("{depth} runs, each started by the one before, led here; the chain was stopped");
            return Ok(Err(StepError::fatal("chain_too_deep", message)));
        }
        let Some(current) = self.app.plans.current(self.org, workflow).await.map_err(ExecutorError::Store)?
        else {
            let message = format!("there is no workflow `{workflow}`");
            return Ok(Err(StepError::fatal("workflow_not_found", message)));
        };
        if !current.enabled {
            let message = format!("the workflow `{workflow}` is disabled; enable it and redrive this run");
            return Ok(Err(StepError::fatal("workflow_disabled", message)));
        }
        let plan = match self.app.plans.get(self.org, workflow, current.version).await {
            Ok(plan) => plan,
            Err(PlanError::Store(error)) => return Err(error.into()),
            // The step fails, and not its message: what follows can deal with it.
            Err(error @ (PlanError::Missing { .. } | PlanError::Broken { .. })) => {
                return Ok(Err(StepError::fatal("workflow_broken", error.to_string())));
            }
        };
        let path = self.path(ix);
        let parent =
            Parent { run: self.head.id.clone(), strand: self.strand_name.clone(), path: path.clone() };
        let key = idempotency_key(self.head, &path);
        #[cfg(planted)]
        let key = if dispatch::is_planted(dispatch::Bug::CallsAnew) {
            format!("{key} at {}", self.app.clock.now().0)
        } else {
            key
        };
        let request = StartRequest {
            org: self.org,
            workflow,
            version: current.version,
            plan: &plan,
            trigger: dispatch::CALL_TRIGGER,
            key: &key,
            input: json!({"input": input}),
            depth,
            priority: plan.definition().priority.or(Some(self.head.priority)),
            now: self.app.clock.now(),
        };
        Ok(Ok(self.app.starter().start_for(request, wait.then_some(parent)).await?))
    }

    /// Puts an event on the bus.
    pub(super) async fn emit(
        &mut self,
        ix: NodeIx,
        attempt: u16,
        event: &Template,
    ) -> Result<Flow, ExecutorError> {
        let started_at = self.app.clock.now();
        if self.flush_if_large().await? == Flushed::Overruled {
            return self.yield_until(started_at).await;
        }
        let sent = match self.render(ix, event).await {
            Ok(event) => self.send_event(ix, &event).await.map(|id| (id, event)),
            Err(error) => Err(error),
        };
        let (event, input) = match sent {
            Ok((id, event)) => (Event::Effect(json!({"event_id": id})), Some(shown(event))),
            Err(error) if error.retryable => return self.yield_until(started_at.plus(BUSY)).await,
            Err(error) => (Event::Failed(error), None),
        };
        self.settle(ix, attempt, started_at, input, event, None).await
    }

    async fn send_event(&self, ix: NodeIx, event: &Value) -> Result<Value, StepError> {
        let invalid = |message: String| StepError::fatal("invalid_event", message);
        let source = match &event["source"] {
            Value::Null => EMITTED.to_owned(),
            // What Patchbay itself and AWS say must stay theirs.
            Value::String(s) if s == SOURCE || s.starts_with("aws.") || s.is_empty() || s.len() > 256 => {
                return Err(invalid(format!("`source` may not be `{s}`")));
            }
            Value::String(source) => source.clone(),
            other => return Err(invalid(format!("`source` gave {other}, not a text"))),
        };
        let detail_type = match &event["detail_type"] {
            Value::String(text) if !text.is_empty() && text.len() <= 128 => text.clone(),
            other => {
                return Err(invalid(format!(
                    "`detail_type` gave {other}, not a text of 1 to 128 characters"
                )));
            }
        };
        if !event["detail"].is_object() {
            return Err(invalid(format!("`detail` gave {}, not an object", event["detail"])));
        }
        fits_the_bus(event)?;
        self.put(&detail_type, source, event["detail"].clone(), &self.path(ix)).await
    }

    async fn put(
        &self,
        detail_type: &str,
        source: String,
        detail: Value,
        of: &str,
    ) -> Result<Value, StepError> {
        let event = BusEvent {
            org: self.head.org.clone(),
            source,
            detail_type: detail_type.to_owned(),
            detail,
            chain: Some(Chain {
                key: idempotency_key(self.head, of),
                depth: self.head.depth.saturating_add(1),
            }),
        };
        match self.app.bus.put(&[event]).await {
            Ok(ids) => Ok(ids.into_iter().next().map_or(Value::Null, Value::String)),
            Err(error) => Err(StepError::passing("unavailable", error.to_string())),
        }
    }
}

fn fits_the_bus(event: &Value) -> Result<(), StepError> {
    if crate::weight::weight(event) <= limits::MAX_BODY_BYTES - 8192 && !domain::nests_too_deep(event) {
        return Ok(());
    }
    Err(StepError::fatal(
        "invalid_event",
        "the event is larger than the bus takes (256 KB), or nests deeper than 100 levels",
    ))
}

/// What an answer means to the step that waited for it.
fn answered(kind: &NodeKind, mail: Mail) -> Event {
    let decision = |decision: &str, timed_out: bool| {
        Event::Resumed(json!({
            "decision": decision,
            "by": mail.by,
            "comment": mail.payload,
            "timed_out": timed_out,
            "at": mail.at.rfc3339(),
        }))
    };
    match (kind, mail.kind) {
        (NodeKind::Approval(_), MailKind::Approved) => decision("approved", false),
        (NodeKind::Approval(_), MailKind::Rejected) => decision("rejected", false),
        (NodeKind::Approval(approval), MailKind::TimedOut) => match approval.on_timeout {
            OnTimeout::Approve => decision("approved", true),
            OnTimeout::Reject => decision("rejected", true),
            OnTimeout::Fail => Event::Failed(StepError::fatal("approval_timeout", "nobody decided in time")),
        },
        (NodeKind::Workflow { .. }, MailKind::RunEnded) => {
            let status = mail.payload["status"].as_str().and_then(RunStatus::parse);
            if status == Some(RunStatus::Succeeded) {
                return Event::Resumed(json!({
                    "run": mail.payload["run"],
                    "status": mail.payload["status"],
                    "output": mail.payload["output"],
                }));
            }
            let why = mail.payload["error"]["message"].as_str().unwrap_or("no reason given");
            let status = status.map_or("lost", RunStatus::as_str);
            let message = format!("the run {} ended as {status}: {why}", mail.payload["run"]);
            Event::Failed(StepError::fatal("called_run_failed", message).with_details(mail.payload))
        }
        (_, MailKind::TimedOut) => {
            Event::Failed(StepError::fatal("callback_timeout", "nobody answered in time"))
        }
        (_, _) => Event::Resumed(json!({"body": mail.payload, "at": mail.at.rfc3339()})),
    }
}
