//! Which runs of a workflow may be under way at the same time: a set of run ids, and a line of those that wait (protocol rule 13).

use crate::id::{base32, digest16};
use crate::limits::MAX_LINE;
use crate::{Millis, RunId, WorkflowId};
use serde::{Deserialize, Serialize};

/// The runs that share one limit: those that hold a slot, and those that wait for one.
///
/// Every change can be repeated: what a run does twice changes nothing the second time.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slots {
    /// How many may hold one, as the version of the run that asked last says.
    #[serde(rename = "l")]
    limit: u16,
    /// Oldest first.
    #[serde(rename = "h", default)]
    holders: Vec<RunId>,
    /// Who has waited longest is first.
    #[serde(rename = "w", default, skip_serializing_if = "Vec::is_empty")]
    line: Vec<RunId>,
    /// The holders that were given a slot while they waited, and have not come for it yet: they must be told.
    #[serde(rename = "c", default, skip_serializing_if = "Vec::is_empty")]
    called: Vec<RunId>,
    /// The latest time limit of a run that was here.
    #[serde(rename = "u", default)]
    until: Millis,
}

/// What a run that asks for a slot is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It holds one.
    Holds,
    /// It stands in the line, and will be called.
    Waits,
    /// All slots are taken, and it does not stand in the line.
    Full,
}

impl Slots {
    /// A run comes. Where all `limit` slots are taken it goes to the end of the line, if it `may_wait` and the line has room.
    pub fn enter(&mut self, run: &RunId, limit: u16, may_wait: bool, deadline: Millis) -> Admission {
        self.limit = limit;
        self.until = self.until.max(deadline);
        self.call();
        if !self.holders.contains(run) && !self.line.contains(run) {
            if self.has_room() {
                self.holders.push(run.clone());
            } else if may_wait && self.line.len() < MAX_LINE {
                self.line.push(run.clone());
            }
        }
        if self.holders.contains(run) {
            self.called.retain(|called| called != run);
            return Admission::Holds;
        }
        if self.line.contains(run) { Admission::Waits } else { Admission::Full }
    }

    /// A run goes, from wherever it is; the first of the line gets its slot.
    pub fn leave(&mut self, run: &RunId) {
        for list in [&mut self.holders, &mut self.line, &mut self.called] {
            list.retain(|other| other != run);
        }
        self.call();
    }

    /// The holders that must be told of their slot.
    pub fn called(&self) -> &[RunId] {
        &self.called
    }

    /// Who has held a slot longest.
    pub fn oldest(&self) -> Option<&RunId> {
        self.holders.first()
    }

    /// Until when somebody may be here.
    pub fn until(&self) -> Millis {
        self.until
    }

    fn has_room(&self) -> bool {
        self.holders.len() < usize::from(self.limit)
    }

    fn call(&mut self) {
        while self.has_room() && !self.line.is_empty() {
            let first = self.line.remove(0);
            self.holders.push(first.clone());
            self.called.push(first);
        }
    }
}

/// The name of the slots that the runs of a workflow with the same key share.
pub fn slots_name(workflow: &WorkflowId, key: &str) -> String {
    base32(digest16(&["slots", workflow.as_str(), key]))
}

/// A run's part in the slots of its workflow, as its head has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The [name](slots_name) of the slots.
    pub of: String,
    /// Whether the run is known to hold one; before that it may, or may wait for one, or be neither.
    pub held: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: u8) -> RunId {
        RunId::from_bytes([n; 16])
    }

    fn enter(slots: &mut Slots, n: u8) -> Admission {
        slots.enter(&run(n), 2, true, Millis(i64::from(n)))
    }

    #[test]
    fn who_comes_first_holds_and_who_waits_is_called_in_order() {
        let mut slots = Slots::default();
        assert_eq!(
            [1, 2, 3, 4].map(|n| enter(&mut slots, n)),
            [Admission::Holds, Admission::Holds, Admission::Waits, Admission::Waits]
        );
        slots.leave(&run(2));
        assert_eq!(slots.called(), [run(3)]);
        // The slot is its own, though it has not come yet.
        assert_eq!(enter(&mut slots, 5), Admission::Waits);
        assert_eq!(enter(&mut slots, 3), Admission::Holds);
        assert_eq!((slots.called(), slots.oldest()), (&[][..], Some(&run(1))));
        slots.leave(&run(1));
        assert_eq!(slots.called(), [run(4)]);
        assert_eq!(slots.until(), Millis(5));
    }

    #[test]
    fn what_is_repeated_changes_nothing() {
        let mut slots = Slots::default();
        for n in [1, 2, 3] {
            enter(&mut slots, n);
        }
        let before = slots.clone();
        assert_eq!((enter(&mut slots, 3), enter(&mut slots, 1)), (Admission::Waits, Admission::Holds));
        assert_eq!(slots, before);
        slots.leave(&run(1));
        let before = slots.clone();
        slots.leave(&run(1));
        assert_eq!(slots, before);
    }

    #[test]
    fn who_may_not_wait_is_turned_away_and_leaves_no_trace() {
        let mut slots = Slots::default();
        enter(&mut slots, 1);
        enter(&mut slots, 2);
        assert_eq!(slots.enter(&run(3), 2, false, Millis(0)), Admission::Full);
        slots.leave(&run(1));
        assert_eq!((slots.called(), slots.oldest()), (&[][..], Some(&run(2))));
    }

    #[test]
    fn a_line_that_is_full_takes_nobody() {
        let mut slots = Slots::default();
        let many = |n: usize| RunId::from_bytes((n as u128 + 1).to_be_bytes());
        for n in 0..=MAX_LINE {
            slots.enter(&many(n), 1, true, Millis(0));
        }
        assert_eq!(slots.enter(&many(MAX_LINE + 1), 1, true, Millis(0)), Admission::Full);
    }

    #[test]
    fn another_limit_holds_for_who_comes_then() {
        let mut slots = Slots::default();
        for n in [1, 2, 3] {
            enter(&mut slots, n);
        }
        assert_eq!(slots.enter(&run(4), 4, true, Millis(0)), Admission::Holds);
        assert_eq!(slots.called(), [run(3)]);
        assert_eq!(slots.enter(&run(5), 1, true, Millis(0)), Admission::Waits);
    }
}
