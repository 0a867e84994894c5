//! Steps that no run ever comes to, because what stands before them always ends the run.

use domain::Fault;
use domain::workflow::{Step, StepKind};

/// Adds a fault for the first step of each list that cannot be reached; tells whether the run never gets past the list.
pub(super) fn block(steps: &[Step], faults: &mut Vec<Fault>) -> bool {
    let (mut ended_by, mut filtered) = (None, false);
    for step in steps {
        if let Some(id) = ended_by {
            let message = format!("no run comes here: it has always ended at step `{id}`");
            faults.push(Fault::new(&step.pointer, "unreachable_step", message));
            return !filtered;
        }
        filtered |= matches!(step.kind, StepKind::Filter { .. });
        if ends(step, faults) {
            ended_by = Some(&step.id);
        }
    }
    // A filter leaves out the rest of its own list only.
    ended_by.is_some() && !filtered
}

/// Whether no run gets past this step.
fn ends(step: &Step, faults: &mut Vec<Fault>) -> bool {
    match &step.kind {
        StepKind::Stop { .. } => true,
        StepKind::Branch { arms, otherwise } => {
            // Each list is looked at, whatever the others say.
            let arms: Vec<bool> = arms.iter().map(|arm| block(&arm.steps, faults)).collect();
            block(otherwise, faults) && arms.into_iter().all(|ends| ends)
        }
        StepKind::Parallel { arms } => {
            let arms: Vec<bool> = arms.iter().map(|arm| block(&arm.steps, faults)).collect();
            arms.into_iter().any(|ends| ends)
        }
        StepKind::Try { steps, catch, finally } => {
            let steps = block(steps, faults);
            // A step before the stop may fail, and `catch` goes on.
            let caught = block(catch, faults);
            block(finally, faults) || (steps && (caught || catch.is_empty()))
        }
        // There may be no item, or no iteration.
        StepKind::ForEach(each) => {
            block(&each.steps, faults);
            false
        }
        StepKind::While { steps, .. } => {
            block(steps, faults);
            false
        }
        _ => false,
    }
}
