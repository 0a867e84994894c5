//! What an organisation used, by day, and how much it may use.

use crate::Millis;
use crate::run::{Entry, Mark, RunStatus};
use serde::{Deserialize, Serialize};
use std::fmt;

const DAY: i64 = 86_400_000;

/// A day in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// The day of a moment.
    pub fn of(at: Millis) -> Self {
        Self(at.0.div_euclid(DAY))
    }

    /// Reads `2026-03-01`.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != 10 {
            return None;
        }
        Millis::parse_rfc3339(&format!("{text}T00:00:00Z")).map(Self::of)
    }

    /// When it begins.
    pub fn start(self) -> Millis {
        Millis(self.0.saturating_mul(DAY))
    }

    /// The day so many days later, or earlier.
    pub fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// How many days later the other is.
    pub fn until(self, later: Self) -> i64 {
        later.0 - self.0
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.start().rfc3339().split('T').next().unwrap_or_default())
    }
}

/// What was used: counts that add up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Figures {
    pub started: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub timed_out: u64,
    /// How long the runs that ended had taken, in milliseconds.
    pub duration_ms: u64,
    /// Steps that came to an outcome.
    pub steps: u64,
    /// Attempts of steps: more than steps where some were tried again.
    pub attempts: u64,
    /// Requests that steps sent to other systems.
    pub calls: u64,
    /// What was written into the table of runs.
    pub table_bytes: u64,
    /// What was kept as objects.
    pub file_bytes: u64,
}

impl Figures {
    /// A run that was started.
    pub fn start() -> Self {
        Self { started: 1, ..Self::default() }
    }

    /// A run that ended so, after this many milliseconds. Nothing for a status that is no end.
    pub fn end(status: RunStatus, duration_ms: u64) -> Self {
        let mut figures = Self { duration_ms, ..Self::default() };
        match status {
            RunStatus::Succeeded => figures.succeeded = 1,
            RunStatus::Failed => figures.failed = 1,
            RunStatus::Cancelled => figures.cancelled = 1,
            RunStatus::TimedOut => figures.timed_out = 1,
            RunStatus::Queued | RunStatus::Running | RunStatus::Waiting => return Self::default(),
        }
        figures
    }

    /// What one entry of a journal tells.
    pub fn of_entry(entry: &Entry) -> Self {
        let (steps, attempts) = match &entry.mark {
            Mark::Succeeded(_)
            | Mark::Spilled(_)
            | Mark::Took(_)
            | Mark::Filtered(_)
            | Mark::Failed(_)
            | Mark::Stopped { .. }
            | Mark::Waiting { .. } => (1, 1),
            Mark::Retrying { .. } => (0, 1),
            // The entry that records what these came to counts.
            Mark::Awaiting { .. } | Mark::Started { .. } | Mark::Forked { .. } => (0, 0),
        };
        let file_bytes = match &entry.mark {
            Mark::Spilled(blob) => blob.bytes,
            Mark::Succeeded(output) => kept_files(entry, output),
            _ => 0,
        };
        Self { steps, attempts, calls: u64::from(entry.called), file_bytes, ..Self::default() }
    }

    /// Adds what others tell.
    pub fn add(&mut self, other: &Self) {
        for ((_, one), (_, more)) in self.fields_mut().into_iter().zip(other.fields()) {
            *one = one.saturating_add(more);
        }
    }

    /// Each figure with the short name under which it is stored.
    pub fn fields(&self) -> [(&'static str, u64); 11] {
        let mut copy = *self;
        copy.fields_mut().map(|(name, figure)| (name, *figure))
    }

    /// The same, to be changed.
    pub fn fields_mut(&mut self) -> [(&'static str, &mut u64); 11] {
        [
            ("rs", &mut self.started),
            ("rk", &mut self.succeeded),
            ("rf", &mut self.failed),
            ("rc", &mut self.cancelled),
            ("rt", &mut self.timed_out),
            ("rd", &mut self.duration_ms),
            ("sn", &mut self.steps),
            ("sa", &mut self.attempts),
            ("sc", &mut self.calls),
            ("bt", &mut self.table_bytes),
            ("bf", &mut self.file_bytes),
        ]
    }
}

/// How much an organisation may use; `None` is without bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quotas {
    /// Runs that are started in a day (UTC).
    pub runs_per_day: Option<u32>,
    /// Workflows that there are.
    pub workflows: Option<u32>,
    /// People who belong to it.
    pub members: Option<u32>,
}

/// The bytes of the files that a step kept: of one that an answer was kept as, in the place of its body, or of those that an action on
/// files made. A step without effects, which has no input in the journal, only passes on what others kept.
fn kept_files(entry: &Entry, output: &serde_json::Value) -> u64 {
    let bytes = |file: &serde_json::Value| file["$file"]["bytes"].as_u64().unwrap_or(0);
    if entry.called {
        return bytes(&output["body"]);
    }
    if entry.input.is_none() {
        return 0;
    }
    let many = output["files"].as_array().into_iter().flatten().map(|listed| bytes(&listed["file"]));
    many.fold(bytes(&output["file"]), u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RunId;
    use crate::run::{BlobName, BlobRef, StepError};
    use serde_json::{Value, json};
    use std::time::Duration;

    #[test]
    fn a_day_is_read_shown_and_counted_in_utc() {
        let day = Day::parse("2026-03-01").unwrap();
        assert_eq!(day.to_string(), "2026-03-01");
        assert_eq!(day.start().rfc3339(), "2026-03-01T00:00:00.000Z");
        assert_eq!(Day::of(Millis(day.start().0 + DAY - 1)), day);
        assert_eq!(Day::of(Millis(day.start().0 - 1)).to_string(), "2026-02-28");
        assert_eq!((day.plus(31).to_string(), day.until(day.plus(31))), ("2026-04-01".to_owned(), 31));
        for text in ["", "2026-3-1", "2026-02-30", "2026-03-01T00", "20260301  ", "+026-03-01"] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    fn entry(mark: Mark, called: bool) -> Entry {
        let at = Millis(1);
        Entry { path: "a".into(), attempt: 1, started_at: at, finished_at: at, input: None, called, mark }
    }

    #[test]
    fn an_attempt_is_a_step_when_it_comes_to_an_outcome() {
        let retry = Mark::Retrying { error: StepError::passing("c", "m"), next_at: Millis(5) };
        let blob = BlobRef {
            run: RunId::from_bytes([1; 16]),
            name: BlobName::of(Duration::from_hours(1), "a", 1, "x"),
            bytes: 400_000,
        };
        let made = json!({"files": [{"file": {"$file": {"bytes": 7}}}, {"file": {"$file": {"bytes": 8}}}]});
        let mut step = entry(Mark::Succeeded(made), false);
        assert_eq!(Figures::of_entry(&step).file_bytes, 0);
        step.input = Some(json!({}));
        assert_eq!(Figures::of_entry(&step).file_bytes, 15);
        let file = json!({"status": 200, "body": {"$file": {"bytes": 77}}});
        for (mark, called, counts) in [
            (Mark::Succeeded(Value::Null), true, (1, 1, 1, 0)),
            (Mark::Succeeded(file), true, (1, 1, 1, 77)),
            (Mark::Spilled(blob), true, (1, 1, 1, 400_000)),
            (Mark::Failed(StepError::fatal("c", "m")), false, (1, 1, 0, 0)),
            (retry, true, (0, 1, 1, 0)),
            (Mark::Took(None), false, (1, 1, 0, 0)),
            (Mark::Waiting { until: Millis(3) }, false, (1, 1, 0, 0)),
            (Mark::Awaiting { until: Millis(3) }, false, (0, 0, 0, 0)),
            (Mark::Started { output: json!({}), until: Millis(3) }, true, (0, 0, 1, 0)),
            (Mark::Forked { lanes: 2, count: 2, digest: 0 }, false, (0, 0, 0, 0)),
        ] {
            let entry = entry(mark, called);
            let of = Figures::of_entry(&entry);
            assert_eq!((of.steps, of.attempts, of.calls, of.file_bytes), counts, "{entry:?}");
        }
    }

    #[test]
    fn figures_add_up_and_an_end_is_counted_by_its_status() {
        let mut sum = Figures::start();
        for (status, ms) in [
            (RunStatus::Succeeded, 5),
            (RunStatus::Failed, 6),
            (RunStatus::Cancelled, 7),
            (RunStatus::TimedOut, 8),
            (RunStatus::Running, 9),
        ] {
            sum.add(&Figures::end(status, ms));
        }
        let expected = Figures {
            started: 1,
            succeeded: 1,
            failed: 1,
            cancelled: 1,
            timed_out: 1,
            duration_ms: 26,
            ..Figures::default()
        };
        assert_eq!(sum, expected);
        let names: std::collections::BTreeSet<_> = sum.fields().map(|(name, _)| name).into();
        assert_eq!(names.len(), sum.fields().len());
    }
}
