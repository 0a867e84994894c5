//! One world: some runs, the functions' own code, a scheduler that lets one task at a time take one step.

use crate::blobs::SimBlobs;
use crate::check;
use crate::clock::{SimClock, WorkerClock};
use crate::gate::{Gate, Weather};
use crate::library::{Library, Outcome};
use crate::ports::{Message, SimBus, SimHttp, SimQueue, SimSandbox, SimStore, lock};
use crate::scenario::Scenario;
use crate::store::MemoryStore;
use calls::Connectors;
use dispatch::{Answered, Plans, StartRequest, Starter};
use domain::run::{Head, Mail, MailKind, Priority};
use domain::{Millis, OrgId, OrgKey, Provenance, RunId, WorkflowId, limits};
use harness::workflows::Case;
use harness::{ModelSecrets, START, SeededDraw};
use runtime::sqs::Record;
use runtime::{Clock, Draw};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use store::{Journal, LowWater};

const MINUTE: i64 = 60_000;
/// From when the faults stop, every run ends within so many ticks of the timer.
const TICKS: i64 = 400;

/// How long whoever starts a run may take.
const START_LIMIT: Duration = Duration::from_mins(1);

/// What became of a world.
#[derive(Debug, Clone, Copy, Default)]
pub struct Report {
    pub runs: u64,
    pub calls: u64,
    pub struck: u64,
    pub by_fault: [u64; 6],
    pub dead_letters: u64,
}

enum Work {
    Step(Message),
    Tick,
    DeadLetter(Message),
    Start(usize),
    Answer,
}

impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Step(m) => {
                let body = m.body.get(..m.body.len().min(160)).unwrap_or_default();
                write!(f, "step {} (received {}) {body}", m.id, m.receives)
            }
            Self::Tick => f.write_str("tick"),
            Self::DeadLetter(m) => write!(f, "dead letter {}", m.id),
            Self::Start(n) => write!(f, "start {n}"),
            Self::Answer => f.write_str("answer"),
        }
    }
}

struct Task {
    work: Work,
    future: Pin<Box<dyn Future<Output = bool> + Send>>,
    born: Millis,
    /// Whether it can go on; what sleeps cannot.
    awake: Arc<Awake>,
    /// How far the clock of its worker is ahead, in milliseconds.
    ahead: i64,
}

/// Set when a task is woken.
struct Awake(AtomicBool);

impl Wake for Awake {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Task {
    fn is_awake(&self) -> bool {
        self.awake.0.load(Ordering::Relaxed)
    }
}

/// A run as it ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) head: Head,
    pub(crate) journal: Journal,
    pub(crate) case: Option<usize>,
}

pub(crate) struct World {
    library: Arc<Library>,
    scenario: Scenario,
    pub(crate) clock: Arc<SimClock>,
    worker_clock: Arc<WorkerClock>,
    pub(crate) gate: Arc<Gate>,
    model: Arc<Mutex<MemoryStore>>,
    queue: Arc<SimQueue>,
    pub(crate) bus: Arc<SimBus>,
    pub(crate) http: Arc<SimHttp>,
    executor: Arc<executor::App>,
    timer: timer::App,
    deadletter: deadletter::App,
    starter: Starter,
    plans: Plans,
    draw: SeededDraw,
    tasks: Vec<Task>,
    /// The runs that were asked for: organisation, case, key.
    wanted: Vec<(OrgKey, usize, String)>,
    to_start: Vec<usize>,
    started: BTreeMap<usize, RunId>,
    next_tick: Millis,
    pub(crate) dead_letters: u64,
    taken: Arc<Mutex<Vec<(RunId, String, Value)>>>,
}

/// Simulates one world and checks it. Panics, naming the seed, when a promise is broken.
pub fn simulate(library: &Arc<Library>, plans: &Plans, scenario: &Scenario) -> Report {
    let mut world = World::new(library, plans, scenario);
    if scenario.gathers {
        world.run();
        check::gathered(&world);
    } else {
        let expected: Vec<Arc<Outcome>> =
            scenario.cases.iter().map(|case| library.expected(plans, *case)).collect();
        world.run();
        check::all(&world, &expected);
    }
    Report {
        runs: scenario.cases.len() as u64,
        calls: world.gate.calls(),
        struck: world.gate.struck(),
        by_fault: world.gate.by_fault(),
        dead_letters: world.dead_letters,
    }
}

/// Simulates one world and gives how long the messages of each organisation (0 or 1) and priority had to wait.
pub fn waits(
    library: &Arc<Library>,
    plans: &Plans,
    scenario: &Scenario,
) -> HashMap<(usize, Priority), Vec<Duration>> {
    let mut world = World::new(library, plans, scenario);
    world.run();
    let number = |org: &OrgId| usize::from(*org == OrgId::from_bytes([2; 16]));
    world
        .queue
        .waits()
        .into_iter()
        .map(|((org, priority), waits)| ((number(&org), priority), waits))
        .collect()
}

impl World {
    pub(crate) fn new(library: &Arc<Library>, plans: &Plans, scenario: &Scenario) -> Self {
        let seed = scenario.seed;
        let clock = Arc::new(SimClock::at(START));
        let worker_clock = Arc::new(WorkerClock::new(clock.clone()));
        let gate = Arc::new(Gate::new(clock.clone(), scenario.weather, seed));
        let mut model = MemoryStore::new(scenario.bug);
        model.set_low_water(&LowWater::up_to(START.0.div_euclid(MINUTE)));
        let model = Arc::new(Mutex::new(model));
        let store = Arc::new(SimStore { gate: gate.clone(), clock: clock.clone(), model: model.clone() });
        let queue = Arc::new(SimQueue::new(gate.clone(), clock.clone(), seed, scenario.fair));
        let bus = Arc::new(SimBus { gate: gate.clone(), events: Mutex::default() });
        let http =
            Arc::new(SimHttp { gate: gate.clone(), effects: Mutex::default(), seen: Mutex::default() });
        let executor = Arc::new(executor::App {
            runs: store.clone(),
            due: store.clone(),
            queue: queue.clone(),
            bus: bus.clone(),
            http: http.clone(),
            sandbox: Arc::new(SimSandbox { gate: gate.clone() }),
            connections: store.clone(),
            limits: store.clone(),
            connectors: Connectors::new(store.clone()),
            triggers: store.clone(),
            quotas: None,
            // Nobody sleeps here: who would wait is put back.
            patience: Duration::ZERO,
            secrets: Arc::new(ModelSecrets::safe()),
            blobs: Arc::new(SimBlobs { gate: gate.clone(), objects: Mutex::default() }),
            memory: executor::Memory::default(),
            // So that a small output is a large one here.
            inline_bytes: 1000,
            plans: plans.clone(),
            guard: library.guard.clone(),
            clock: worker_clock.clone(),
            draw: Arc::new(SeededDraw::new(seed ^ 0x77)),
            budget: scenario.budget,
            public_url: "http://patchbay.test".into(),
        });
        let timer = timer::App {
            runs: store.clone(),
            due: store.clone(),
            queue: queue.clone(),
            bus: bus.clone(),
            clock: worker_clock.clone(),
            plans: plans.clone(),
            connections: store.clone(),
            mailer: Arc::new(mailer::NoMailer),
            quotas: None,
        };
        let deadletter =
            deadletter::App { runs: store.clone(), bus: bus.clone(), clock: worker_clock.clone() };
        let orgs = [1, 2].map(|n| OrgKey::verified(OrgId::from_bytes([n; 16]), Provenance::Token));
        let wanted: Vec<_> = scenario
            .cases
            .iter()
            .enumerate()
            .map(|(n, case)| (orgs[scenario.org_of(n)].clone(), *case, format!("key-{n}")))
            .collect();
        Self {
            library: library.clone(),
            scenario: scenario.clone(),
            to_start: (0..wanted.len()).rev().collect(),
            wanted,
            started: BTreeMap::new(),
            starter: Starter::new(store.clone(), store, queue.clone(), plans.clone()),
            plans: plans.clone(),
            draw: SeededDraw::new(seed),
            tasks: Vec::new(),
            next_tick: Millis((START.0.div_euclid(MINUTE) + 1) * MINUTE),
            dead_letters: 0,
            taken: Arc::default(),
            clock,
            worker_clock,
            gate,
            model,
            queue,
            bus,
            http,
            executor,
            timer,
            deadletter,
        }
    }

    /// Goes on until every run has ended.
    pub(crate) fn run(&mut self) {
        loop {
            self.gate.wake();
            self.enlist();
            let ready: Vec<usize> = (0..self.tasks.len()).filter(|i| self.tasks[*i].is_awake()).collect();
            if ready.is_empty() {
                if self.is_over() {
                    return;
                }
                self.pass();
                continue;
            }
            let pick = ready[(self.draw.draw() % ready.len() as u64) as usize];
            self.step(pick);
        }
    }

    /// Takes on what there is to do, as far as there are workers.
    fn enlist(&mut self) {
        let now = self.clock.now();
        if self.next_tick <= now && !self.tasks.iter().any(|t| matches!(t.work, Work::Tick)) {
            while self.next_tick <= now {
                self.next_tick = Millis(self.next_tick.0 + MINUTE);
            }
            let app = self.timer.clone();
            self.spawn(Work::Tick, async move { timer::tick(&app).await.is_ok() });
        }
        // What sleeps takes no worker from others: functions scale.
        while self.tasks.iter().filter(|t| t.is_awake()).count() < self.scenario.workers {
            if let Some(letter) = self.queue.dead_letter() {
                self.dead_letters += 1;
                let (app, body) = (self.deadletter.clone(), letter.body.clone());
                self.spawn(
                    Work::DeadLetter(letter),
                    async move { deadletter::one(&app, &body).await.is_ok() },
                );
                continue;
            }
            let due = self.to_start.iter().rposition(|n| self.scenario.begins(*n) <= now);
            if let Some(at) = due {
                let n = self.to_start.remove(at);
                self.start(n);
                continue;
            }
            let Some(message) = Priority::ALL.into_iter().find_map(|priority| self.receive(priority)) else {
                break;
            };
            let record = Record {
                id: message.id.to_string(),
                body: message.body.clone(),
                receive_count: message.receives,
            };
            let (app, deadline) = (self.executor.clone(), now.plus(limits::EXECUTOR_TIMEOUT));
            self.spawn(
                Work::Step(message),
                async move { executor::one(&app, &record, deadline).await.is_ok() },
            );
        }
    }

    /// Takes a message of a queue, if it has a worker for one.
    fn receive(&self, priority: Priority) -> Option<Message> {
        let mut busy = BTreeMap::new();
        let mut awake = 0;
        for task in &self.tasks {
            if let Work::Step(message) = &task.work
                && message.priority == priority
            {
                awake += usize::from(task.is_awake());
                *busy.entry(message.org.clone()).or_default() += 1;
            }
        }
        // Bulk work has workers of its own, and few.
        let most = match priority {
            Priority::Interactive => usize::MAX,
            Priority::Bulk => self.scenario.bulk_workers,
        };
        if awake >= most {
            return None;
        }
        self.queue.receive(priority, &busy)
    }

    fn start(&mut self, n: usize) {
        let (org, case, key) = self.wanted[n].clone();
        let (starter, plans, clock) = (self.starter.clone(), self.plans.clone(), self.worker_clock.clone());
        let workflow = self.library.ids[case].clone();
        let priority = self.scenario.priority_of(n);
        let run = RunId::derive(org.org(), &format!("{workflow}/manual"), &key);
        self.started.insert(n, run);
        let gathers = self.scenario.gathers;
        self.spawn(Work::Start(n), async move {
            let Ok(plan) = plans.get(&org, &workflow, 1).await else { return false };
            let trigger = if gathers { crate::library::GATHERS } else { "manual" };
            let request = StartRequest {
                org: &org,
                workflow: &workflow,
                version: 1,
                plan: &plan,
                trigger,
                key: &key,
                input: if gathers { json!({"event": n}) } else { json!({"n": 1, "input": {"n": 1}}) },
                depth: 0,
                priority: Some(priority),
                now: clock.now(),
            };
            match plan.gather(trigger) {
                Some(of) => starter.gather(request, of, true).await.is_ok(),
                None => starter.start(request).await.is_ok(),
            }
        });
        // Whoever was told nothing starts again; some do without need.
        if self.draw.draw().is_multiple_of(10) {
            self.to_start.push(n);
        }
        let answers = self.library.cases[case].definition.to_string().contains("\"answer\"")
            && self.library.cases[case].name.ends_with("that comes")
            || self.library.cases[case].name.ends_with("that are given");
        if answers {
            self.answer(n);
            // Somebody else may be as quick.
            if self.draw.draw().is_multiple_of(3) {
                self.answer(n);
            }
        }
    }

    /// Somebody answers the steps of a run that wait, some time or other, perhaps twice.
    fn answer(&mut self, n: usize) {
        let (org, case, _) = self.wanted[n].clone();
        let run = self.started[&n].clone();
        let each = self.library.cases[case].name.ends_with("given");
        let paths: &[&str] = if each { &["each[0].answer", "each[1].answer"] } else { &["answer"] };
        for path in paths {
            let minutes = self.draw.draw() % 40;
            let at = self.clock.now().plus(Duration::from_secs(minutes * 60 + 1));
            let (app, org, run, path) = (self.executor.clone(), org.clone(), run.clone(), (*path).to_owned());
            let (gate, clock) = (self.gate.clone(), self.clock.clone());
            let kind = if each { MailKind::Approved } else { MailKind::Resumed };
            let taken = self.taken.clone();
            let says = json!(["yes", "well", "fine"][(self.draw.draw() % 3) as usize]);
            self.spawn(Work::Answer, async move {
                gate.sleep_until(at).await;
                // Until it is told that it worked; the run may not have been started yet.
                for _ in 0..100 {
                    let mail = Mail { kind, payload: says.clone(), at: clock.now(), by: None };
                    match dispatch::answer_step(&*app.runs, &*app.queue, &app.plans, &org, &run, &path, &mail)
                        .await
                    {
                        Ok(Answered::Taken(mail) | Answered::TooLate(mail)) => {
                            lock(&taken).push((run, path, mail.payload));
                            return true;
                        }
                        Ok(Answered::Gone) | Err(_) => {}
                    }
                    gate.sleep_until(clock.now().plus(Duration::from_mins(1))).await;
                }
                true
            });
        }
    }

    fn spawn(&mut self, work: Work, future: impl Future<Output = bool> + Send + 'static) {
        let awake = Arc::new(Awake(AtomicBool::new(true)));
        let born = self.clock.now();
        let ahead = self.another_clock();
        self.tasks.push(Task { work, born, future: Box::pin(future), awake, ahead });
    }

    /// How far ahead the clock of some worker is: most are right.
    fn another_clock(&self) -> i64 {
        let most = self.scenario.clocks_differ_by.as_millis() as i64;
        if most == 0 || self.clock.now() >= self.scenario.weather.until || self.draw.draw().is_multiple_of(2)
        {
            return 0;
        }
        (self.draw.draw() % (2 * most as u64 + 1)).cast_signed() - most
    }

    /// One task takes one step.
    fn step(&mut self, pick: usize) {
        if !self.scenario.clocks_differ_by.is_zero() {
            // Now and then a clock is set right, or wrong, while its worker is at it.
            let jumps =
                self.draw.draw().is_multiple_of(20) || self.clock.now() >= self.scenario.weather.until;
            if jumps {
                self.tasks[pick].ahead = self.another_clock();
            }
            self.worker_clock.set(self.tasks[pick].ahead);
        }
        let task = &mut self.tasks[pick];
        task.awake.0.store(false, Ordering::Relaxed);
        if matches!(task.work, Work::Start(_)) && task.born.until(self.clock.now()) > START_LIMIT {
            // Lambda ends a start that takes longer than its function may. Executors are let live, against all likelihood.
            let Work::Start(n) = self.tasks.swap_remove(pick).work else { return };
            self.to_start.push(n);
            return;
        }
        self.gate.trace(|| task.work.to_string());
        let waker = Waker::from(task.awake.clone());
        let polled = task.future.as_mut().poll(&mut Context::from_waker(&waker));
        let done = match polled {
            Poll::Ready(done) => done,
            Poll::Pending if self.gate.has_died() => false,
            Poll::Pending => return,
        };
        let task = self.tasks.swap_remove(pick);
        self.gate.trace(|| format!("{}: {}", task.work, if done { "done" } else { "failed" }));
        match task.work {
            Work::Step(message) if done => self.queue.delete(message.id),
            // A message that failed comes again when its visibility is over.
            Work::Step(_) | Work::Tick => {}
            Work::DeadLetter(message) if !done => self.queue.bury(message),
            Work::Start(n) if !done => self.to_start.push(n),
            // Whoever answers and dies is a browser that is closed: asked again in the next life.
            Work::Answer if !done => {
                let answering = self.started.keys().copied().collect::<Vec<_>>();
                for n in answering {
                    let name = self.library.cases[self.wanted[n].1].name;
                    if name.ends_with("that comes") || name.ends_with("that are given") {
                        self.answer(n);
                    }
                }
            }
            Work::DeadLetter(_) | Work::Start(_) | Work::Answer => {}
        }
        if self.scenario.lost > 0
            && self.clock.now() < self.scenario.weather.until
            && self.draw.draw().is_multiple_of(self.scenario.lost)
        {
            self.queue.lose(self.draw.draw());
        }
    }

    /// Nothing can be done now: time goes on to where something can.
    fn pass(&mut self) {
        let now = self.clock.now();
        let next = [self.queue.next_at(), self.gate.next_wake(), Some(self.next_tick)].into_iter().flatten();
        let next = next.chain(self.to_start.iter().map(|n| self.scenario.begins(*n)));
        self.clock.advance_to(next.filter(|at| *at > now).min().unwrap_or(self.next_tick));
        let calm_since = self.scenario.weather.until.min(Millis(START.0 + 6 * 60 * MINUTE));
        assert!(
            self.clock.now().0 < calm_since.0 + TICKS * MINUTE,
            "seed {}: a run has not ended {TICKS} ticks after the faults stopped: {:?}",
            self.scenario.seed,
            self.unfinished()
        );
    }

    fn unfinished(&self) -> Vec<String> {
        let model = lock(&self.model);
        let open = model.heads().filter(|h| !h.status.is_terminal() || !h.outbox.is_empty());
        open.map(|h| format!("{} {} {:?}", self.name_of(&h.workflow), h.status, h.outbox)).collect()
    }

    fn name_of(&self, workflow: &WorkflowId) -> &'static str {
        let at = self.library.ids.iter().position(|id| id == workflow);
        at.map_or("?", |at| self.library.cases[at].name)
    }

    fn is_over(&self) -> bool {
        let model = lock(&self.model);
        self.to_start.is_empty()
            && !self.tasks.iter().any(|t| !matches!(t.work, Work::Tick))
            && self.started.len() == self.wanted.len()
            && model.heads().all(|h| h.status.is_terminal() && h.outbox.is_empty())
            && (self.scenario.gathers || model.heads().count() >= self.wanted.len())
    }

    /// Every run, the ones that were asked for first and in that order.
    pub(crate) fn ended(&self) -> Vec<Ended> {
        let mut model = lock(&self.model);
        let heads: Vec<Head> = model.heads().cloned().collect();
        let mut ended: Vec<Ended> = heads
            .into_iter()
            .map(|head| {
                let org = OrgKey::verified(head.org.clone(), Provenance::Message);
                let journal = model.journal(&org, &head.id, None);
                let case = self.started.iter().find(|(_, run)| **run == head.id).map(|(n, _)| *n);
                Ended { head, journal, case }
            })
            .collect();
        ended.sort_by_key(|run| run.case.unwrap_or(usize::MAX));
        ended
    }

    pub(crate) fn case_of(&self, n: usize) -> &Case {
        &self.library.cases[self.wanted[n].1]
    }

    pub(crate) fn seed(&self) -> u64 {
        self.scenario.seed
    }

    pub(crate) fn wanted(&self) -> usize {
        self.wanted.len()
    }

    pub(crate) fn ended_again(&self) -> Vec<RunId> {
        lock(&self.model).ended_again()
    }

    /// What was told to those who answered a step: run, path, and the answer that they were told counts.
    pub(crate) fn taken(&self) -> Vec<(RunId, String, Value)> {
        lock(&self.taken).clone()
    }

    pub(crate) fn shared_writes(&self) -> HashMap<String, u64> {
        lock(&self.model).shared_writes.clone()
    }

    pub(crate) fn ticks(&self) -> u64 {
        (START.until(self.clock.now()).as_millis() as i64 / MINUTE) as u64 + 2
    }

    /// By how much what two workers say of the same moment may differ.
    pub(crate) fn clocks_differ_by(&self) -> Duration {
        2 * self.scenario.clocks_differ_by
    }

    pub(crate) fn weather(&self) -> Weather {
        self.scenario.weather
    }
}

impl std::fmt::Debug for World {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("seed", &self.scenario.seed).finish_non_exhaustive()
    }
}
