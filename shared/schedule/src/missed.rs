//! Times that passed while nobody started them.

use crate::Schedule;
use domain::Millis;
use std::time::Duration;

/// How late a time may be started and still counts as in time.
pub const TOLERANCE: Duration = Duration::from_mins(5);

/// What becomes of missed times: those that lie further back than the tolerance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Missed {
    /// They are dropped.
    Skip,
    /// The latest of them runs, for all.
    #[default]
    RunOnce,
    /// Each of them runs, the oldest first.
    RunAll,
}

impl Missed {
    /// Reads `skip`, `run_once` or `run_all`, in small letters; `None` for anything else. Where nothing is written, take the default,
    /// [`Missed::RunOnce`].
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Skip, Self::RunOnce, Self::RunAll].into_iter().find(|missed| missed.as_str() == text)
    }

    /// The word that [`parse`](Self::parse) reads.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::RunOnce => "run_once",
            Self::RunAll => "run_all",
        }
    }
}

/// The stretch of time that [`Schedule::due`] looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// Where a rate counts from; see [`Schedule::next_after`].
    pub anchor: Millis,
    /// Up to and with this moment, everything was seen to: the last `now`, or the last time that was given when there were `limit`.
    pub last: Millis,
    pub now: Millis,
    /// Times earlier than `now` less this are missed; [`TOLERANCE`] unless there is a reason.
    pub tolerance: Duration,
}

impl Schedule {
    /// The scheduled times after `since.last`, up to and with `since.now`, that are to be started now: all that are within the
    /// tolerance, and of the missed ones those that `missed` says.
    ///
    /// They are in ascending order, each once, at most `limit`. When there are `limit`, the rest comes with the last of them as the
    /// next `last`; with fewer, the next `last` is `now`. The work is bounded by `limit`, however long ago `last` is.
    pub fn due(&self, missed: Missed, since: Since, limit: usize) -> Vec<Millis> {
        let Since { anchor, last, now, tolerance } = since;
        let tolerance = i64::try_from(tolerance.as_millis()).unwrap_or(i64::MAX);
        // The earliest moment that is not missed.
        let in_time = Millis(now.0.saturating_sub(tolerance));
        let before = Millis(in_time.0.saturating_sub(1));

        let mut due = Vec::new();
        let mut after = last;
        if missed != Missed::RunAll && before > last {
            after = before;
            if missed == Missed::RunOnce {
                due.extend(self.latest(anchor, last, before));
            }
        }
        while due.len() < limit
            && let Some(time) = self.next_after(anchor, after).filter(|time| *time <= now)
        {
            due.push(time);
            after = time;
        }
        due.truncate(limit);
        due
    }

    /// The latest time after `from`, up to and with `to`.
    fn latest(&self, anchor: Millis, from: Millis, to: Millis) -> Option<Millis> {
        let next = |after| self.next_after(anchor, after).filter(|time| *time <= to);
        let mut latest = next(from)?;
        // Nothing fires after `none` and up to `to`.
        let mut none = to;
        while latest < none {
            let middle = Millis(latest.0.saturating_add_unsigned(latest.0.abs_diff(none.0) / 2));
            match next(middle) {
                Some(time) => latest = time,
                None => none = middle,
            }
        }
        Some(latest)
    }
}
