//! The time that a fake goes by.

use jiff::{SignedDuration, Timestamp};
use std::sync::{Mutex, PoisonError};

/// A clock that a test may move. It follows this machine's, or stands still between moves.
#[derive(Debug)]
pub struct Clock {
    /// Where a standing clock stands before it is moved.
    stands_at: Option<Timestamp>,
    moved: Mutex<SignedDuration>,
}

impl Clock {
    /// This machine's time.
    pub fn real() -> Self {
        Self { stands_at: None, moved: Mutex::new(SignedDuration::ZERO) }
    }

    /// A time that passes only when it is moved.
    pub fn standing_at(time: Timestamp) -> Self {
        Self { stands_at: Some(time), moved: Mutex::new(SignedDuration::ZERO) }
    }

    #[expect(clippy::disallowed_methods, reason = "vendors have a clock of their own")]
    pub fn now(&self) -> Timestamp {
        let moved = *self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        let from = self.stands_at.unwrap_or_else(Timestamp::now);
        from.checked_add(moved).unwrap_or(from)
    }

    /// Moves the clock on.
    pub fn advance(&self, by: SignedDuration) {
        let mut moved = self.moved.lock().unwrap_or_else(PoisonError::into_inner);
        *moved = moved.checked_add(by).unwrap_or(*moved);
    }

    /// Takes all moves back.
    pub fn reset(&self) {
        *self.moved.lock().unwrap_or_else(PoisonError::into_inner) = SignedDuration::ZERO;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standing_clock_moves_only_when_it_is_moved() {
        let start = Timestamp::from_second(1_000).unwrap();
        let clock = Clock::standing_at(start);
        assert_eq!(clock.now(), start);
        clock.advance(SignedDuration::from_secs(30));
        assert_eq!(clock.now().as_second(), 1_030);
        clock.reset();
        assert_eq!(clock.now(), start);
    }
}
