//! Whether an organisation may start another run today.
//!
//! What was started is counted by the stream of the runs table, some seconds later. A process asks for the count, together with the
//! quota, at most every [`KEPT`], and adds what it starts itself in between: so a quota is kept to within what others start in
//! about a minute, and costs no read for each start.

use crate::start::StartError;
use domain::audit::{Action, PLATFORM, Record, RequestOrigin};
use domain::{Actor, Day, Millis, OrgKey, RecordId, WorkflowId};
use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use store::QuotaStore;
use tracing::{error, warn};

/// How long what was read counts.
pub const KEPT: Duration = Duration::from_secs(30);
/// What is remembered of so many organisations; then all is forgotten.
const MANY: usize = 10_000;

/// A day's quota of runs that is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsedUp {
    pub limit: u32,
    /// When the next day begins.
    pub until: Millis,
    /// How long that is from now.
    pub left: Duration,
}

impl fmt::Display for UsedUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (limit, until) = (self.limit, self.until.rfc3339());
        write!(
            f,
            "the organisation may start {limit} runs a day, and has; the next day begins at {until}. "
        )?;
        f.write_str("Start it then, or ask whoever runs the deployment for a higher quota")
    }
}

/// The quotas of organisations, as far as this process knows them.
#[derive(Clone)]
pub struct Quotas {
    store: Arc<dyn QuotaStore>,
    kept: Duration,
    known: Arc<Mutex<HashMap<OrgKey, Known>>>,
}

#[derive(Debug, Clone, Copy)]
struct Known {
    day: Day,
    read_at: Millis,
    limit: Option<u32>,
    /// By everybody, as it was counted then.
    started: u64,
    /// By this process, since.
    here: u64,
    told: bool,
}

impl fmt::Debug for Quotas {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quotas").finish_non_exhaustive()
    }
}

impl Quotas {
    pub fn new(store: Arc<dyn QuotaStore>) -> Self {
        Self::kept_for(store, KEPT)
    }

    /// Quotas that are read anew after this time.
    pub fn kept_for(store: Arc<dyn QuotaStore>, kept: Duration) -> Self {
        Self { store, kept, known: Arc::default() }
    }

    /// Whether the quota of the day on which a run is to begin is used up. `now` is the time by which what was read grows old.
    pub(crate) async fn used_up(&self, org: &OrgKey, begins: Millis, now: Millis) -> Option<UsedUp> {
        let day = Day::of(begins);
        let known = self.known().get(org).copied();
        let known = known.filter(|known| known.day == day && known.read_at.until(now) < self.kept);
        let known = match known {
            Some(known) => known,
            None => self.read(org, day, now).await?,
        };
        let limit = known.limit.filter(|limit| known.started + known.here >= u64::from(*limit))?;
        let until = day.plus(1).start();
        Some(UsedUp { limit, until, left: now.until(until) })
    }

    async fn read(&self, org: &OrgKey, day: Day, now: Millis) -> Option<Known> {
        let standing = match self.store.standing(org, day).await {
            Ok(standing) => standing,
            // Runs are what the platform is for: who cannot be counted is let through.
            Err(error) => {
                warn!(%error, "a quota could not be read; the run is started");
                return None;
            }
        };
        let mut all = self.known();
        if all.len() >= MANY {
            all.clear();
        }
        let before = all.get(org).filter(|known| known.day == day);
        let told = before.is_some_and(|known| known.told);
        // All of these were started; those that the table does not tell of yet are ours still.
        let here = before.map_or(0, |known| (known.started + known.here).saturating_sub(standing.started));
        let limit = standing.quotas.runs_per_day;
        let known = Known { day, read_at: now, limit, started: standing.started, here, told };
        all.insert(org.clone(), known);
        Some(known)
    }

    /// Counts a run that was started here.
    pub(crate) fn count(&self, org: &OrgKey, begins: Millis) {
        if let Some(known) = self.known().get_mut(org).filter(|known| known.day == Day::of(begins)) {
            known.here += 1;
        }
    }

    /// Tells the organisation, once a day, that something started no run.
    pub(crate) async fn tell(
        &self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        used_up: UsedUp,
        now: Millis,
    ) -> Result<(), StartError> {
        let day = Day::of(Millis(used_up.until.0 - 1));
        if self.known().get(org).is_some_and(|known| known.day == day && known.told) {
            return Ok(());
        }
        let record = Record {
            id: RecordId::from_bytes(crate::start::random()?),
            at: now,
            action: Action::QuotaReached,
            actor: Actor::Platform,
            actor_name: PLATFORM.to_owned(),
            key: None,
            target: None,
            before: serde_json::Value::Null,
            after: serde_json::json!({
                "runs_per_day": used_up.limit, "trigger": trigger, "until": used_up.until.rfc3339(),
            }),
            origin: RequestOrigin::default(),
        };
        if self.store.tell_once(org, day, &record.on("workflow", workflow)).await? {
            error!(org.id = %org.org(), runs_per_day = used_up.limit, "an organisation has used up its quota of runs");
        }
        if let Some(known) = self.known().get_mut(org).filter(|known| known.day == day) {
            known.told = true;
        }
        Ok(())
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<OrgKey, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_trait::async_trait;
    use domain::{OrgId, Provenance};
    use std::sync::atomic::{AtomicU32, Ordering};
    use store::{StoreError, UsageStanding};

    /// Noon of a day.
    const NOW: Millis = Millis(1_772_366_400_000);

    #[derive(Default)]
    struct Table {
        standing: Mutex<UsageStanding>,
        fails: Mutex<bool>,
        reads: AtomicU32,
        told: Mutex<Vec<(Day, Record)>>,
    }

    #[async_trait]
    impl QuotaStore for Table {
        async fn standing(&self, _: &OrgKey, _: Day) -> Result<UsageStanding, StoreError> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            if *self.fails.lock().unwrap() {
                return Err(StoreError::Throttled { operation: "standing" });
            }
            Ok(*self.standing.lock().unwrap())
        }

        async fn tell_once(&self, _: &OrgKey, day: Day, record: &Record) -> Result<bool, StoreError> {
            let mut told = self.told.lock().unwrap();
            let is_new = told.iter().all(|(of, _)| *of != day);
            if is_new {
                told.push((day, record.clone()));
            }
            Ok(is_new)
        }
    }

    fn table(limit: Option<u32>, started: u64) -> (Arc<Table>, Quotas, OrgKey) {
        let table = Arc::new(Table::default());
        let quotas = domain::Quotas { runs_per_day: limit, ..domain::Quotas::default() };
        *table.standing.lock().unwrap() = UsageStanding { quotas, started };
        let org = OrgKey::verified(OrgId::from_bytes([1; 16]), Provenance::Token);
        (table.clone(), Quotas::new(table), org)
    }

    #[tokio::test]
    async fn what_was_started_here_counts_at_once_and_is_not_read_again() {
        let (table, quotas, org) = table(Some(3), 1);
        for _ in 0..2 {
            assert_eq!(quotas.used_up(&org, NOW, NOW).await, None);
            quotas.count(&org, NOW);
        }
        let used_up = quotas.used_up(&org, NOW, NOW).await.unwrap();
        assert_eq!((used_up.limit, used_up.until.rfc3339().as_str()), (3, "2026-03-02T00:00:00.000Z"));
        assert_eq!(table.reads.load(Ordering::SeqCst), 1);
        // Read anew, the table tells of one of the two only: the other one was started all the same.
        table.standing.lock().unwrap().started = 2;
        assert!(quotas.used_up(&org, NOW, NOW.plus(KEPT)).await.is_some());
        assert_eq!(table.reads.load(Ordering::SeqCst), 2);
        // Others' are in what it tells, too.
        table.standing.lock().unwrap().quotas.runs_per_day = Some(5);
        table.standing.lock().unwrap().started = 4;
        assert_eq!(quotas.used_up(&org, NOW, NOW.plus(2 * KEPT)).await, None);
        quotas.count(&org, NOW);
        assert!(quotas.used_up(&org, NOW, NOW.plus(2 * KEPT)).await.is_some());
    }

    #[tokio::test]
    async fn another_day_has_a_quota_of_its_own() {
        let (table, quotas, org) = table(Some(1), 1);
        let midnight = Day::of(NOW).plus(1).start();
        let before = Millis(midnight.0 - 1);
        assert!(quotas.used_up(&org, before, before).await.is_some());
        table.standing.lock().unwrap().started = 0;
        assert!(quotas.used_up(&org, before, before).await.is_some(), "it is remembered");
        assert_eq!(quotas.used_up(&org, midnight, before).await, None, "a run that begins tomorrow");
    }

    #[tokio::test]
    async fn without_a_quota_or_when_it_cannot_be_read_everything_starts() {
        let (table_without, quotas, org) = table(None, 1_000_000);
        for _ in 0..10 {
            assert_eq!(quotas.used_up(&org, NOW, NOW).await, None);
        }
        assert_eq!(table_without.reads.load(Ordering::SeqCst), 1);
        let (table, quotas, org) = table(Some(0), 0);
        *table.fails.lock().unwrap() = true;
        assert_eq!(quotas.used_up(&org, NOW, NOW).await, None);
        *table.fails.lock().unwrap() = false;
        assert!(quotas.used_up(&org, NOW, NOW).await.is_some(), "0 lets nothing start");
    }

    #[tokio::test]
    async fn an_organisation_is_told_once_a_day() {
        let (table, quotas, org) = table(Some(0), 0);
        let workflow = WorkflowId::from_bytes([2; 16]);
        for _ in 0..3 {
            let used_up = quotas.used_up(&org, NOW, NOW).await.unwrap();
            quotas.tell(&org, &workflow, "minute", used_up, NOW).await.unwrap();
            // As another process would.
            Quotas::new(table.clone()).tell(&org, &workflow, "minute", used_up, NOW).await.unwrap();
        }
        let told = table.told.lock().unwrap();
        let [(day, record)] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(day.to_string(), "2026-03-01");
        assert_eq!((record.action, record.after["trigger"].as_str()), (Action::QuotaReached, Some("minute")));
    }
}
