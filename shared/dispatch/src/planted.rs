//! Bugs planted in the code itself, so that the simulation can show that it notices them.
//!
//! Only the copies in `tests/simulation/planted` are compiled with `cfg(planted)`: nothing of this is in what is deployed.

use std::cell::Cell;

/// What the code does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// Executor: a step that must not run twice is tried again by whoever takes over its claim (protocol rule 9).
    RepeatsAtMostOnce,
    /// Executor: a worker that lost the write of an outcome goes on with its own (rule 5).
    KeepsItsOwnOutcome,
    /// Executor: a run ends before its last outcomes are recorded (rule 7).
    EndsWithoutHistory,
    /// Executor: a strand counts as ended before its last outcomes are recorded (rule 14).
    JoinsTooEarly,
    /// Executor: a called run is named by the time of the call and not by its step (rule 10).
    CallsAnew,
    /// Outbox: what the end of a run brings about is taken off the list before it is sent (rule 13).
    ClearsOutboxFirst,
    /// Starter: the run comes without the due entry by which the sweeper finds it (rule 18).
    StartsUnwatched,
    /// Timer: the low-water mark passes a minute that could not be looked at (rule 17).
    PassesOverFailures,
    /// Timer: a run that was found alive is not looked at again (rule 18).
    LooksOnce,
    /// Timer: a run that is timed out tells nobody (rule 13).
    TimesOutSilently,
    /// Executor: a run goes on though it is told to wait for its slot (rule 13).
    GoesOnUnasked,
    /// Gathering: an event that comes again is gathered again (rule 1).
    GathersAgain,
}

impl Bug {
    pub const ALL: [Self; 12] = [
        Self::RepeatsAtMostOnce,
        Self::KeepsItsOwnOutcome,
        Self::EndsWithoutHistory,
        Self::JoinsTooEarly,
        Self::CallsAnew,
        Self::ClearsOutboxFirst,
        Self::StartsUnwatched,
        Self::PassesOverFailures,
        Self::LooksOnce,
        Self::TimesOutSilently,
        Self::GoesOnUnasked,
        Self::GathersAgain,
    ];
}

thread_local! {
    static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
}

/// Plants a bug in what this thread runs, or removes it.
pub fn plant(bug: Option<Bug>) {
    PLANTED.set(bug);
}

/// Whether this thread runs with that bug.
pub fn is_planted(bug: Bug) -> bool {
    PLANTED.get() == Some(bug)
}
