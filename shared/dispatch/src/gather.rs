//! Events that are gathered before a run begins: many of them start one.

use crate::message::StepMessage;
use crate::start::{StartError, StartRequest, Started, Starter};
use domain::run::{Gathered, NewRun, RunStatus, group_name};
use domain::{Millis, RunId};
use engine::GatherNode;
use serde_json::Value;
use std::time::Duration;
use store::{Created, Gather, StoreError};

/// How often an event looks for a run that takes it: some are full, and others add to the same one.
const TRIES: u32 = 60;

impl Starter {
    /// Adds an event to the run that gathers the events of its trigger and key, and starts one where there is none.
    ///
    /// `request` is that of a run of its own. With `repeatable`, the same key of a request is the same event, and is gathered once.
    pub async fn gather(
        &self,
        request: StartRequest<'_>,
        of: &GatherNode,
        repeatable: bool,
    ) -> Result<Started, StartError> {
        let (org, now) = (request.org, request.now);
        let group = group_name(request.workflow, request.trigger, &of.rule, &of.key_of(&request.input, now));
        let event = Gathered::new(request.key, now, request.input.clone());
        let marked = repeatable.then_some(group.as_str());
        #[cfg(planted)]
        let marked = marked.filter(|_| !crate::is_planted(crate::Bug::GathersAgain));
        let mut window = self.runs.window(org, &group).await?.max(1);
        for _ in 0..TRIES {
            // The windows of a group follow each other: two workers that open the next one open the same.
            let key = format!("gather:{group}:{window}");
            let opening = StartRequest { key: &key, input: Value::Null, ..request.clone() };
            let run = opening.run_id();
            match self.runs.gather(org, &run, marked, &of.rule, &event).await {
                Ok(Gather::Added { count }) => {
                    if of.is_full(count) {
                        let message = StepMessage::again(org.org(), &run).on(request.priority_of_run());
                        self.queue.send(&message, Duration::ZERO).await?;
                    }
                    return Ok(if count == 1 { Started::New(run) } else { existing(run) });
                }
                Ok(Gather::Known(run)) => return Ok(existing(run)),
                Ok(Gather::Closed) => window += 1,
                Ok(Gather::Missing) => {
                    let until = self.open(&opening, of).await?;
                    self.runs.set_window(org, &group, window, until).await?;
                }
                // Others add to the same run just now: the way there and back is pause enough.
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(StoreError::Conflict { operation: "gather" }.into())
    }

    /// Makes a run that gathers, and gives its time limit; its message comes when it has gathered for long enough.
    async fn open(&self, request: &StartRequest<'_>, of: &GatherNode) -> Result<Millis, StartError> {
        self.may_start(request).await?;
        let due = of.rule.due(request.now);
        let entered = self.enter(request, of.rule.latest(request.now)).await?;
        let run = NewRun { gathers_until: Some(due), ..entered };
        let created = self.runs.create_run(request.org, &run).await?;
        if matches!(created, Created::New) {
            self.count(&run, request.org);
        }
        // A start that died half way may have made the head and sent nothing.
        if !matches!(&created, Created::Existing(head) if head.status != RunStatus::Queued) {
            let message = StepMessage::again(request.org.org(), &run.id).on(run.priority);
            self.queue.send(&message, request.now.until(due)).await?;
        }
        Ok(run.deadline)
    }
}

fn existing(run: RunId) -> Started {
    Started::Existing(run, RunStatus::Queued)
}
