//! A model of the tables: what `Store` does on DynamoDB, on maps. The conformance test holds the two side by side.

use domain::run::{
    Answer, End, Entry, GatherRule, Gathered, Head, Limited, Mail, NewRun, RunStatus, Segment, SettledBy,
    Slot, Slots,
};
use domain::{ConnectionId, Millis, OrgId, OrgKey, RunId, WorkflowId, limits};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;
use store::{
    AppLimit, Appended, Attempt, Claim, ClaimView, Created, DueEntry, Gather, Held, Journal, KeptPoll,
    LowWater, Reading, StoreError, Turn,
};

/// A fault of a store that keeps less than it promises: the simulation must notice each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// The journal write asks for nothing: the last outcome stays.
    JournalOverwrites,
    /// A live claim is given to whoever asks.
    ClaimsAreShared,
    /// Who lost its claim may still record.
    FencesAreIgnored,
    /// A run that has ended is ended again.
    EndsAreOverwritten,
    /// A join counts arrivals instead of strands.
    JoinsCount,
    /// The last answer to a step stays.
    AnswersAreOverwritten,
    /// A start writes over the run that is there.
    StartsOverwrite,
    /// A due entry that is put is not there.
    DueEntriesGetLost,
    /// A run's end leaves nothing to send.
    OutboxIsForgotten,
    /// The low-water mark runs ahead of what was looked at.
    LowWaterRunsAhead,
    /// A turn at an app is given to whoever asks.
    TurnsAreShared,
}

#[derive(Debug, Default)]
struct Partition {
    head: Option<Head>,
    journal: BTreeMap<String, Item>,
    joins: BTreeMap<String, (BTreeSet<u16>, u16)>,
    mail: BTreeMap<String, Mail>,
    answer: Option<Answer>,
    /// What it has gathered, with the size of each; the number stays when it has begun.
    gathered: Vec<(Gathered, usize)>,
    count: u32,
    /// How the run ended first, whatever the bug.
    first_end: Option<(RunStatus, Millis)>,
}

/// What is gathered under one name.
#[derive(Debug, Default)]
struct Group {
    window: u64,
    /// The events, and the run that each is in.
    events: HashMap<String, RunId>,
}

#[derive(Debug, Clone)]
enum Item {
    Claim { view: ClaimView, fence: u32 },
    Segment(Vec<Entry>),
}

/// Whose limit it is.
type LimitKey = (OrgId, Option<ConnectionId>, String);

/// All items, and what was ever done to them.
#[derive(Debug, Default)]
pub struct MemoryStore {
    runs: HashMap<(OrgId, RunId), Partition>,
    due: BTreeMap<(i64, u8), BTreeMap<String, (DueEntry, Millis)>>,
    low: LowWater,
    slots: HashMap<(OrgId, String), (Slots, u64)>,
    groups: HashMap<(OrgId, String), Group>,
    /// When the next turn of each limit is, and the last of those that wait behind it, in microseconds; and how many found no place there.
    turns: HashMap<LimitKey, (i64, i64, u64)>,
    polls: HashMap<(OrgId, WorkflowId, String), KeptPoll>,
    bug: Option<Bug>,
    /// How often each key outside a run's own partition was written.
    pub(crate) shared_writes: HashMap<String, u64>,
}

fn sort(of: &Attempt<'_>) -> String {
    let Attempt { strand, path, attempt } = of;
    if strand.is_empty() { format!("j#{path}#{attempt}") } else { format!("l#{strand}|{path}#{attempt}") }
}

fn limit_key(org: &OrgKey, limit: &AppLimit) -> LimitKey {
    (org.org().clone(), limit.connection.clone(), limit.name.clone())
}

impl MemoryStore {
    pub fn new(bug: Option<Bug>) -> Self {
        Self { bug, ..Self::default() }
    }

    fn has(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    fn of(&mut self, org: &OrgKey, run: &RunId) -> &mut Partition {
        self.runs.entry((org.org().clone(), run.clone())).or_default()
    }

    pub fn create_run(&mut self, org: &OrgKey, run: &NewRun) -> Created {
        let overwrite = self.has(Bug::StartsOverwrite);
        let slot = &mut self.of(org, &run.id).head;
        match slot {
            Some(head) if !overwrite => Created::Existing(Box::new(head.clone())),
            _ => {
                *slot = Some(Head::begin(org.org(), run));
                Created::New
            }
        }
    }

    pub fn head(&mut self, org: &OrgKey, run: &RunId) -> Option<Head> {
        self.of(org, run).head.clone()
    }

    pub fn journal(&mut self, org: &OrgKey, run: &RunId, strand: Option<&str>) -> Journal {
        let prefix = match strand {
            None => String::new(),
            Some("") => "j#".to_owned(),
            Some(strand) => format!("l#{strand}|"),
        };
        let mut journal = Journal::default();
        let items = &self.of(org, run).journal;
        for (_, item) in items.range(prefix.clone()..).take_while(|(key, _)| key.starts_with(&prefix)) {
            match item {
                Item::Segment(entries) => journal.entries.extend(entries.iter().cloned()),
                Item::Claim { view, .. } => journal.claims.push(view.clone()),
            }
        }
        journal.entries.sort_by_key(|e| (e.finished_at, e.attempt));
        journal
    }

    pub fn append(
        &mut self,
        org: &OrgKey,
        head: &Head,
        strand: &str,
        segment: &Segment,
        held: Option<Held>,
    ) -> Result<Appended, StoreError> {
        let (overwrites, no_fences) = (self.has(Bug::JournalOverwrites), self.has(Bug::FencesAreIgnored));
        let (path, attempt) = segment.key().ok_or(StoreError::Corrupt("segment"))?;
        let key = sort(&Attempt { strand, path, attempt });
        let journal = &mut self.of(org, &head.id).journal;
        let won = match (journal.get(&key), held) {
            _ if overwrites => true,
            (None, None) => true,
            (Some(Item::Claim { fence, .. }), Some(held)) => no_fences || *fence == held.fence,
            (Some(Item::Segment(_)), Some(_)) => no_fences,
            (None, Some(_)) => return Err(StoreError::Corrupt("segment")),
            (Some(_), None) => false,
        };
        if won {
            journal.insert(key, Item::Segment(segment.entries.clone()));
            return Ok(Appended::Won);
        }
        Ok(match &journal[&key] {
            Item::Segment(entries) => Appended::Lost(Segment { entries: entries.clone() }),
            Item::Claim { view, .. } => Appended::Superseded { until: view.until },
        })
    }

    pub fn claim(
        &mut self,
        org: &OrgKey,
        head: &Head,
        of: &Attempt<'_>,
        now: Millis,
        lease: Duration,
    ) -> Claim {
        let shared = self.has(Bug::ClaimsAreShared);
        let key = sort(of);
        let journal = &mut self.of(org, &head.id).journal;
        let (fence, taken_over) = match journal.get(&key) {
            None => (1, false),
            Some(Item::Segment(entries)) => return Claim::Done(Segment { entries: entries.clone() }),
            Some(Item::Claim { fence, .. }) if shared => (*fence, false),
            Some(Item::Claim { view, .. }) if view.until > now => return Claim::Busy { until: view.until },
            Some(Item::Claim { fence, .. }) => (fence + 1, true),
        };
        let view = ClaimView {
            strand: of.strand.to_owned(),
            path: of.path.to_owned(),
            attempt: of.attempt,
            since: now,
            until: now.plus(lease),
        };
        journal.insert(key, Item::Claim { view, fence });
        Claim::Ours { held: Held { fence }, taken_over }
    }

    pub fn join(&mut self, org: &OrgKey, head: &Head, block: &str, lane: Option<u16>) -> BTreeSet<u16> {
        let counts = self.has(Bug::JoinsCount);
        let joins = &mut self.of(org, &head.id).joins;
        let Some(lane) = lane else {
            return joins.get(block).map(|(set, _)| set.clone()).unwrap_or_default();
        };
        let (set, arrivals) = joins.entry(block.to_owned()).or_default();
        *arrivals += 1;
        set.insert(if counts { *arrivals - 1 } else { lane });
        set.clone()
    }

    pub fn abort(&mut self, org: &OrgKey, run: &RunId, block: &str) {
        if let Some(head) = self.of(org, run).head.as_mut().filter(|head| head.finished_at.is_none())
            && !head.aborted.iter().any(|b| b == block)
        {
            head.aborted.push(block.to_owned());
            head.aborted.sort();
        }
    }

    pub fn mark_slot(&mut self, org: &OrgKey, run: &RunId, slot: &Slot) -> bool {
        let live = self.of(org, run).head.as_mut().filter(|head| head.finished_at.is_none());
        live.map(|head| head.slot = Some(slot.clone())).is_some()
    }

    pub fn slots(&mut self, org: &OrgKey, name: &str) -> (Slots, u64) {
        self.slots.get(&(org.org().clone(), name.to_owned())).cloned().unwrap_or_default()
    }

    pub fn put_slots(&mut self, org: &OrgKey, name: &str, slots: &Slots, seen: u64) -> bool {
        let (stored, change) = self.slots.entry((org.org().clone(), name.to_owned())).or_default();
        if *change != seen {
            return false;
        }
        (*stored, *change) = (slots.clone(), seen + 1);
        true
    }

    pub fn window(&mut self, org: &OrgKey, group: &str) -> u64 {
        self.groups.get(&(org.org().clone(), group.to_owned())).map_or(0, |group| group.window)
    }

    pub fn set_window(&mut self, org: &OrgKey, group: &str, window: u64) {
        let of = self.groups.entry((org.org().clone(), group.to_owned())).or_default();
        of.window = of.window.max(window);
    }

    pub fn gather(
        &mut self,
        org: &OrgKey,
        run: &RunId,
        group: Option<&str>,
        rule: &GatherRule,
        event: &Gathered,
    ) -> Gather {
        let marker = group.map(|group| (org.org().clone(), group.to_owned()));
        let marked = marker.clone().and_then(|of| self.groups.get(&of)?.events.get(&event.id).cloned());
        if let Some(by) = marked {
            return Gather::Known(by);
        }
        let partition = self.of(org, run);
        let batch = matches!(rule, GatherRule::Batch { .. });
        if batch && partition.gathered.iter().any(|(other, _)| other.id == event.id) {
            return Gather::Known(run.clone());
        }
        let bytes = event.input.to_string().len();
        let had: usize = partition.gathered.iter().map(|(_, bytes)| bytes).sum();
        let Some(head) = &mut partition.head else { return Gather::Missing };
        let Some(gathering) = head.gathering.as_mut().filter(|g| !g.closed && head.finished_at.is_none())
        else {
            return Gather::Closed;
        };
        match rule {
            GatherRule::Batch { size, .. } => {
                let room = gathering.count == 0 || had + bytes <= limits::MAX_GATHERED_BYTES;
                if gathering.count >= u32::from(*size) || !room {
                    return Gather::Closed;
                }
            }
            GatherRule::Debounce { .. } => {
                partition.gathered.clear();
                gathering.due = rule.due(event.at);
            }
        }
        gathering.count += 1;
        let count = gathering.count;
        partition.gathered.push((event.clone(), bytes));
        if let Some(marker) = marker {
            self.groups.entry(marker).or_default().events.insert(event.id.clone(), run.clone());
        }
        Gather::Added { count }
    }

    pub fn close_gathering(&mut self, org: &OrgKey, run: &RunId) -> (Vec<Gathered>, u32) {
        let partition = self.of(org, run);
        let gathering = partition.head.as_mut().and_then(|head| head.gathering.as_mut());
        if let Some(gathering) = gathering {
            gathering.closed = true;
            partition.count = gathering.count;
        }
        (partition.gathered.iter().map(|(event, _)| event.clone()).collect(), partition.count)
    }

    pub fn begin_gathered(&mut self, org: &OrgKey, run: &RunId, input: &Value) -> bool {
        let live = self.of(org, run).head.as_mut().filter(|head| head.finished_at.is_none());
        live.map(|head| {
            head.input = Some(input.clone());
            head.gathering = None;
        })
        .is_some()
    }

    pub fn put_mail(&mut self, org: &OrgKey, head: &Head, path: &str, mail: &Mail) -> Mail {
        let overwritten = self.has(Bug::AnswersAreOverwritten);
        let letters = &mut self.of(org, &head.id).mail;
        if overwritten {
            letters.insert(path.to_owned(), mail.clone());
        }
        letters.entry(path.to_owned()).or_insert_with(|| mail.clone()).clone()
    }

    pub fn mail(&mut self, org: &OrgKey, run: &RunId, path: &str) -> Option<Mail> {
        self.of(org, run).mail.get(path).cloned()
    }

    pub fn mark_running(&mut self, org: &OrgKey, run: &RunId) {
        if let Some(head) = self.of(org, run).head.as_mut().filter(|h| h.status == RunStatus::Queued) {
            head.status = RunStatus::Running;
        }
    }

    pub fn mark_waiting(&mut self, org: &OrgKey, run: &RunId, until: Millis) {
        if let Some(head) = self.of(org, run).head.as_mut().filter(|h| h.finished_at.is_none()) {
            head.status = RunStatus::Waiting;
            head.wake_at = Some(until);
            head.limited = None;
        }
    }

    pub fn mark_limited(&mut self, org: &OrgKey, run: &RunId, limited: &Limited) {
        self.mark_waiting(org, run, limited.until);
        if let Some(head) = self.of(org, run).head.as_mut().filter(|h| h.finished_at.is_none()) {
            head.limited = Some(limited.clone());
        }
    }

    pub fn poll_state(&self, org: &OrgKey, workflow: &WorkflowId, trigger: &str) -> Option<KeptPoll> {
        self.polls.get(&(org.org().clone(), workflow.clone(), trigger.to_owned())).cloned()
    }

    pub fn keep_poll_state(
        &mut self,
        org: &OrgKey,
        workflow: &WorkflowId,
        trigger: &str,
        kept: &KeptPoll,
    ) -> bool {
        let there = self.polls.entry((org.org().clone(), workflow.clone(), trigger.to_owned())).or_default();
        if there.revision != kept.revision {
            return false;
        }
        *there = KeptPoll { revision: kept.revision + 1, state: kept.state.clone() };
        true
    }

    /// As the generic cell rate algorithm has it (ITU-T I.371, annex A).
    pub fn turn(&mut self, org: &OrgKey, limit: &AppLimit, patience: Duration, now: Millis) -> Turn {
        let shared = self.has(Bug::TurnsAreShared);
        let (pace, patience, now) = (limit.pace, patience.as_micros() as i64, now.0 * 1000);
        let wait = |micros: i64| Duration::from_micros(micros.max(0) as u64);
        let (next, last, apart) = self.turns.entry(limit_key(org, limit)).or_default();
        if *next <= now + pace.early + patience {
            let turn = (*next).max(now);
            if !shared {
                *next = turn + pace.each;
            }
            return Turn::In(wait(turn - pace.early - now));
        }
        let hour = Duration::from_hours(1);
        // Whoever is the only one has a place, however late it is.
        if *last >= *next && *last > now + pace.early + hour.as_micros() as i64 {
            *apart += 1;
            let part = apart.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
            return Turn::NotBefore(hour / 2 + wait(((1_800_000_000 * part) >> 32).cast_signed()));
        }
        *last = (*last).max(*next) + pace.each;
        // In whole milliseconds, so that nobody comes a moment too soon.
        let soonest = (*last - pace.each - pace.early - patience - now + 999) / 1000 * 1000;
        Turn::NotBefore(wait(soonest).clamp(Duration::from_millis(100), hour))
    }

    pub fn block(&mut self, org: &OrgKey, limit: &AppLimit, time: Duration, now: Millis) {
        let (next, ..) = self.turns.entry(limit_key(org, limit)).or_default();
        let time = time.min(Duration::from_hours(1)).as_micros() as i64;
        *next = (*next).max(now.0 * 1000 + limit.pace.early + time);
    }

    pub fn mark_resumed(&mut self, org: &OrgKey, run: &RunId, until: Millis) {
        let waits = |h: &&mut Head| h.status == RunStatus::Waiting && h.wake_at == Some(until);
        if let Some(head) = self.of(org, run).head.as_mut().filter(waits) {
            head.status = RunStatus::Running;
            head.wake_at = None;
        }
    }

    pub fn finish(&mut self, org: &OrgKey, run: &RunId, end: &End) -> Result<SettledBy, StoreError> {
        let (overwrites, forgets) = (self.has(Bug::EndsAreOverwritten), self.has(Bug::OutboxIsForgotten));
        let partition = self.of(org, run);
        let head = partition.head.as_mut().ok_or(StoreError::Corrupt("head"))?;
        partition.first_end.get_or_insert((end.status, end.at));
        if head.finished_at.is_some() && !overwrites {
            return Ok(SettledBy::Another(Box::new(head.clone())));
        }
        head.status = end.status;
        head.finished_at = Some(end.at);
        head.wake_at = None;
        head.error = end.error.clone().or(head.error.take());
        head.output = end.output.clone().or(head.output.take());
        if !end.outbox.is_empty() && !forgets {
            head.outbox.clone_from(&end.outbox);
        }
        Ok(SettledBy::Us)
    }

    pub fn clear_outbox(&mut self, org: &OrgKey, run: &RunId) {
        if let Some(head) = self.of(org, run).head.as_mut() {
            head.outbox.clear();
        }
    }

    pub fn answer(&mut self, org: &OrgKey, head: &Head, answer: &Answer) {
        self.of(org, &head.id).answer.get_or_insert_with(|| answer.clone());
    }

    pub fn peek_answer(&mut self, org: &OrgKey, run: &RunId) -> (Option<Answer>, Option<Head>) {
        let partition = self.of(org, run);
        (partition.answer.clone(), partition.head.clone())
    }

    pub fn put_due(&mut self, entry: &DueEntry, now: Millis) {
        if self.has(Bug::DueEntriesGetLost) {
            return;
        }
        let minute = self.due.entry((entry.minute(), entry.shard())).or_default();
        minute.insert(Self::due_key(entry), (entry.clone(), now));
    }

    pub fn delete_due(&mut self, entry: &DueEntry) {
        if let Some(minute) = self.due.get_mut(&(entry.minute(), entry.shard())) {
            minute.remove(&Self::due_key(entry));
        }
    }

    /// What was written within the last second is missing from a read that is not strong.
    pub fn due_in(&self, minute: i64, shard: u8, reading: Reading, now: Millis) -> Vec<DueEntry> {
        let entries = self.due.get(&(minute, shard)).into_iter().flat_map(BTreeMap::values);
        let there =
            |written: &Millis| reading == Reading::Strong || written.until(now) >= Duration::from_secs(1);
        entries.filter(|(_, written)| there(written)).map(|(entry, _)| entry.clone()).collect()
    }

    pub fn all_due(&self) -> Vec<DueEntry> {
        self.due.values().flat_map(BTreeMap::values).map(|(entry, _)| entry.clone()).collect()
    }

    pub fn low_water(&self) -> LowWater {
        self.low.clone()
    }

    pub fn set_low_water(&mut self, low: &LowWater) {
        *self.shared_writes.entry("low".to_owned()).or_default() += 1;
        self.low = low.clone();
        if self.has(Bug::LowWaterRunsAhead) {
            self.low.over.iter_mut().for_each(|minute| *minute = minute.map(|m| m + 15));
        }
    }

    fn due_key(entry: &DueEntry) -> String {
        format!("{}#{}#{:?}#{}", entry.org.org(), entry.run, entry.kind, entry.strand)
    }

    /// The runs whose end did not stay what it was.
    pub(crate) fn ended_again(&self) -> Vec<RunId> {
        let changed = self.runs.values().filter_map(|p| {
            let head = p.head.as_ref()?;
            let (status, at) = p.first_end?;
            (head.status != status || head.finished_at != Some(at)).then(|| head.id.clone())
        });
        changed.collect()
    }

    /// Every run, whole.
    pub(crate) fn heads(&self) -> impl Iterator<Item = &Head> {
        self.runs.values().filter_map(|p| p.head.as_ref())
    }
}
