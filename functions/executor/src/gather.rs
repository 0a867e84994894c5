//! A run that gathers events: when it begins, and with what.

use crate::{App, ExecutorError};
use dispatch::StepMessage;
use domain::OrgKey;
use domain::limits::MAX_QUEUE_DELAY;
use domain::run::{Head, RunError, gathered_input};
use engine::GatherNode;

/// What becomes of the run now.
pub(crate) enum Gathers {
    /// It has its input.
    Begins,
    /// It goes on gathering, or has ended.
    Later,
    Ends(RunError),
}

/// Begins a run that has gathered for long enough, and notes its input in `head`.
///
/// All of it may be repeated: a run that is closed takes no more events, and what it has gathered gives the same input again.
pub(crate) async fn gather(
    app: &App,
    org: &OrgKey,
    of: Option<&GatherNode>,
    head: &mut Head,
) -> Result<Gathers, ExecutorError> {
    let (Some(of), Some(gathering)) = (of, head.gathering) else { return Ok(Gathers::Begins) };
    let due = gathering.due.min(of.rule.latest(head.started_at));
    let now = app.clock.now();
    if !gathering.closed && !of.is_full(gathering.count) && now < due && now < head.deadline {
        let again = StepMessage::again(org.org(), &head.id).on(head.priority);
        app.queue.send(&again, now.until(due).min(MAX_QUEUE_DELAY)).await?;
        return Ok(Gathers::Later);
    }
    let (events, count) = app.runs.close_gathering(org, &head.id).await?;
    let Some(input) = gathered_input(&of.rule, events, count) else {
        let message = "whoever opened this run for the events of its trigger was lost before one was in it";
        return Ok(Gathers::Ends(RunError::new("nothing_gathered", message)));
    };
    if !app.runs.begin_gathered(org, &head.id, &input).await? {
        return Ok(Gathers::Later);
    }
    head.input = Some(input);
    head.gathering = None;
    Ok(Gathers::Begins)
}
