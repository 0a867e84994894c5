//! The answer to a step that waits for one (protocol rule 15).

use crate::{Plans, StartError, StepMessage, StepQueue};
use domain::OrgKey;
use domain::RunId;
use domain::run::Mail;
use std::time::Duration;
use store::RunStore;

/// What became of an answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answered {
    /// This answer counts, or an equal one that came before.
    Taken(Mail),
    /// Another came first: it counts.
    TooLate(Mail),
    /// The run has ended, is not kept, or has no such step.
    Gone,
}

/// Answers the step of this path, whether it waits already or not yet, and sends the run on. Whoever is told of an error may
/// repeat it; the first answer stays.
pub async fn answer_step(
    runs: &dyn RunStore,
    queue: &dyn StepQueue,
    plans: &Plans,
    org: &OrgKey,
    run: &RunId,
    path: &str,
    mail: &Mail,
) -> Result<Answered, StartError> {
    let Some(head) = runs.head(org, run, false).await?.filter(|head| !head.status.is_terminal()) else {
        return Ok(Answered::Gone);
    };
    let plan = plans.get(org, &head.workflow, head.version).await?;
    let Some(strand) = plan
        .by_instance(path)
        .filter(|ix| plan.node(*ix).kind.is_answered_by_address())
        .and_then(|_| plan.strand_of(path))
    else {
        return Ok(Answered::Gone);
    };
    let counts = runs.put_mail(org, &head, path, mail).await?;
    // Also when another was first: its sender may have died before this.
    queue.send(&StepMessage::again_in(org.org(), run, &strand).on(head.priority), Duration::ZERO).await?;
    let same = (counts.kind, &counts.payload) == (mail.kind, &mail.payload);
    Ok(if same { Answered::Taken(counts) } else { Answered::TooLate(counts) })
}
