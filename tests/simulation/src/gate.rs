//! What may happen at every call of every port: another task goes first, the call fails before or after it took place, or the
//! worker dies or freezes there.

use crate::SimClock;
use domain::Millis;
use harness::SeededDraw;
use runtime::{Clock, Draw};
use std::future::{pending, poll_fn};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

/// What goes wrong with one call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It fails, and did nothing; sometimes the table says that it is throttled.
    Before,
    /// It takes place, and the answer is lost.
    After,
    CrashBefore,
    CrashAfter,
    /// The worker freezes before it, long enough for others to take over.
    FreezeBefore,
    FreezeAfter,
}

impl Fault {
    pub const ALL: [Self; 6] = [
        Self::Before,
        Self::After,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::FreezeBefore,
        Self::FreezeAfter,
    ];
}

/// How much goes wrong.
#[derive(Debug, Clone, Copy)]
pub struct Weather {
    /// One call of so many is struck; 0 is never.
    pub one_in: u64,
    /// At these calls, this fault.
    pub at: [Option<(u64, Fault)>; 2],
    /// No fault strikes after this time.
    pub until: Millis,
}

impl Weather {
    pub const CALM: Self = Self { one_in: 0, at: [None; 2], until: Millis(i64::MAX) };
}

#[derive(Debug)]
struct State {
    weather: Weather,
    calls: u64,
    struck: u64,
    by_fault: [u64; 6],
    died: bool,
    sleepers: Vec<(Millis, Waker)>,
}

/// The one way to every port.
#[derive(Debug)]
pub struct Gate {
    clock: Arc<SimClock>,
    draw: SeededDraw,
    traced: bool,
    state: Mutex<State>,
}

/// How a call is told that it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    Throttled,
    Lost,
}

impl Gate {
    pub(crate) fn new(clock: Arc<SimClock>, weather: Weather, seed: u64) -> Self {
        let state =
            State { weather, calls: 0, struck: 0, by_fault: [0; 6], died: false, sleepers: Vec::new() };
        #[expect(
            clippy::disallowed_methods,
            reason = "for whoever looks into a seed; changes nothing that happens"
        )]
        let traced = std::env::var_os("PATCHBAY_TRACE").is_some();
        Self { clock, draw: SeededDraw::new(seed ^ 0xA5A5), traced, state: Mutex::new(state) }
    }

    /// Makes one call. `errors`: whether an error is an answer that the protocol must bear; with HTTP it is an outcome instead.
    pub(crate) async fn call<T, E>(
        &self,
        name: &'static str,
        errors: bool,
        apply: impl FnOnce() -> Result<T, E>,
        failed: impl Fn(Failure) -> E,
    ) -> Result<T, E> {
        let fault = self.strike(errors);
        self.trace(|| format!("  {name} {}", fault.map(|f| format!("{f:?}")).unwrap_or_default()));
        self.clock.advance(Duration::from_millis(1));
        others_first().await;
        match fault {
            Some(Fault::Before) => {
                let throttled = self.draw.draw().is_multiple_of(2);
                return Err(failed(if throttled { Failure::Throttled } else { Failure::Lost }));
            }
            Some(Fault::CrashBefore) => self.die().await,
            Some(Fault::FreezeBefore) => self.freeze().await,
            _ => {}
        }
        let done = apply();
        match fault {
            Some(Fault::After) => return Err(failed(Failure::Lost)),
            Some(Fault::CrashAfter) => self.die().await,
            Some(Fault::FreezeAfter) => self.freeze().await,
            _ => {}
        }
        done
    }

    /// With `PATCHBAY_TRACE`, tells what happens, for whoever looks into a seed.
    pub(crate) fn trace(&self, what: impl FnOnce() -> String) {
        if self.traced {
            let seconds = (self.clock.now().0 - harness::START.0) as f64 / 1000.0;
            println!("{seconds:>10.3} {}", what());
        }
    }

    fn strike(&self, errors: bool) -> Option<Fault> {
        let mut state = self.state();
        let n = state.calls;
        state.calls += 1;
        if self.clock.now() >= state.weather.until {
            return None;
        }
        let planned = state.weather.at.iter().flatten().find(|(at, _)| *at == n).map(|(_, fault)| *fault);
        let fault = planned.or_else(|| {
            let one_in = state.weather.one_in;
            (one_in > 0 && self.draw.draw().is_multiple_of(one_in))
                .then(|| Fault::ALL[(self.draw.draw() % 6) as usize])
        })?;
        if !errors && matches!(fault, Fault::Before | Fault::After) {
            return None;
        }
        state.struck += 1;
        state.by_fault[Fault::ALL.iter().position(|f| *f == fault).unwrap_or(0)] += 1;
        Some(fault)
    }

    async fn die(&self) {
        self.state().died = true;
        pending::<()>().await;
    }

    async fn freeze(&self) {
        // From seconds to longer than any lease and the queue's visibility.
        let seconds = [2, 20, 130, 800][(self.draw.draw() % 4) as usize];
        self.sleep_until(self.clock.now().plus(Duration::from_secs(seconds))).await;
    }

    /// The time, by no worker's clock.
    pub(crate) fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Parks the task.
    pub(crate) async fn sleep_until(&self, at: Millis) {
        poll_fn(|context| {
            if self.clock.now() >= at {
                return Poll::Ready(());
            }
            let mut state = self.state();
            state.sleepers.push((at, context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    /// Wakes what has slept long enough.
    pub(crate) fn wake(&self) {
        let now = self.clock.now();
        let mut state = self.state();
        let (over, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut state.sleepers).into_iter().partition(|(at, _)| *at <= now);
        state.sleepers = rest;
        drop(state);
        for (_, waker) in over {
            waker.wake();
        }
    }

    /// Whether the task that was just polled died; forgets it.
    pub(crate) fn has_died(&self) -> bool {
        std::mem::take(&mut self.state().died)
    }

    /// When the next sleeper wakes.
    pub(crate) fn next_wake(&self) -> Option<Millis> {
        self.state().sleepers.iter().map(|(at, _)| *at).min()
    }

    pub(crate) fn calls(&self) -> u64 {
        self.state().calls
    }

    pub(crate) fn struck(&self) -> u64 {
        self.state().struck
    }

    pub(crate) fn by_fault(&self) -> [u64; 6] {
        self.state().by_fault
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets the scheduler choose who goes on.
async fn others_first() {
    let mut asked = false;
    poll_fn(|context| {
        if std::mem::replace(&mut asked, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
