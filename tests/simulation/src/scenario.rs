//! What a world goes through: its runs, its weather, its workers.

use crate::gate::{Fault, Weather};
use crate::library::Library;
use crate::store::Bug;
use domain::Millis;
use domain::run::Priority;
use executor::ChainBudget;
use harness::{START, SeededDraw};
use runtime::Draw;
use std::time::Duration;

/// What one world is to go through.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    /// The case of each run.
    pub cases: Vec<usize>,
    pub weather: Weather,
    pub budget: ChainBudget,
    /// How many messages are under way at the same time.
    pub workers: usize,
    /// How many of bulk work.
    pub bulk_workers: usize,
    /// Whether the queue shares fairly between message groups.
    pub fair: bool,
    /// When each run is started, from the beginning; none for all at once.
    pub begin_after: Vec<Duration>,
    /// Whose each run is: 0 or 1; none for a mixture.
    pub orgs: Vec<usize>,
    /// The priority of each run; none for a mixture.
    pub priorities: Vec<Priority>,
    /// One message of so many gets lost outright; 0 is none.
    pub lost: u64,
    /// How far workers' clocks are ahead or behind, at most.
    pub clocks_differ_by: Duration,
    /// Whether starts are events that are gathered: many of them are one run.
    pub gathers: bool,
    pub bug: Option<Bug>,
}

impl Scenario {
    pub fn calm(seed: u64) -> Self {
        Self {
            seed,
            cases: Vec::new(),
            weather: Weather::CALM,
            budget: ChainBudget::default(),
            workers: 4,
            bulk_workers: 2,
            fair: true,
            begin_after: Vec::new(),
            orgs: Vec::new(),
            priorities: Vec::new(),
            lost: 0,
            clocks_differ_by: Duration::ZERO,
            gathers: false,
            bug: None,
        }
    }

    /// When the run is started.
    pub(crate) fn begins(&self, n: usize) -> Millis {
        START.plus(self.begin_after.get(n).copied().unwrap_or_default())
    }

    pub(crate) fn org_of(&self, n: usize) -> usize {
        self.orgs.get(n).copied().unwrap_or(usize::from(n.is_multiple_of(5)))
    }

    pub(crate) fn priority_of(&self, n: usize) -> Priority {
        let mixed = if n % 3 == 1 { Priority::Bulk } else { Priority::Interactive };
        self.priorities.get(n).copied().unwrap_or(mixed)
    }
}

impl Scenario {
    /// So many runs in a weather that the seed draws.
    pub fn stormy(seed: u64, library: &Library, runs: usize) -> Self {
        let draw = SeededDraw::new(seed);
        let minutes = 5 + draw.draw() % 60;
        // Some worlds lose messages, which SQS does not. There, no run waits for an answer: its message is the one that the
        // sweeper would miss until the wait is over, as it does not look into a million mailboxes.
        let lost = [0, 0, 150][(draw.draw() % 3) as usize];
        let allowed: Vec<usize> =
            (0..library.cases.len()).filter(|case| lost == 0 || !library.waits_for_others(*case)).collect();
        Self {
            seed,
            cases: (0..runs).map(|_| allowed[(draw.draw() % allowed.len() as u64) as usize]).collect(),
            weather: Weather {
                one_in: [12, 25, 60, 200][(draw.draw() % 4) as usize],
                at: [None; 2],
                until: START.plus(Duration::from_secs(minutes * 60)),
            },
            budget: if draw.draw().is_multiple_of(3) {
                ChainBudget { steps: 1, ..ChainBudget::default() }
            } else {
                ChainBudget::default()
            },
            workers: 2 + (draw.draw() % 8) as usize,
            bulk_workers: 1 + (seed % 2) as usize,
            fair: true,
            begin_after: Vec::new(),
            orgs: Vec::new(),
            priorities: Vec::new(),
            lost,
            clocks_differ_by: Duration::ZERO,
            gathers: false,
            bug: None,
        }
    }

    /// One run of a case with faults at one or two calls.
    pub fn struck(case: usize, at: [Option<(u64, Fault)>; 2], seed: u64) -> Self {
        let weather = Weather { one_in: 0, at, until: Millis(i64::MAX) };
        Self { cases: vec![case], weather, ..Self::calm(seed) }
    }
}
