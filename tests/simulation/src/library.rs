//! The workflows that are simulated, and what each comes to when nothing goes wrong.

use crate::ports::{MAIL, connection, lock, slow_connection};
use crate::scenario::Scenario;
use crate::world::World;
use async_trait::async_trait;
use dispatch::Plans;
use domain::id::digest16;
use domain::run::{Head, Mark};
use domain::variables::{Held, Variable, Variables};
use domain::{OrgKey, WorkflowId};
use guard::{Guard, GuardConfig};
use harness::START;
use harness::workflows::{APP, Case, cases, each, get, map, wait, workflow};
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use store::{Current, Journal, StoreError, WorkflowStore, WorkflowVersion};

/// The workflows that are simulated, saved once.
#[derive(Debug)]
pub struct Library {
    pub cases: Vec<Case>,
    pub(crate) ids: Vec<WorkflowId>,
    documents: HashMap<WorkflowId, Value>,
    pub(crate) guard: Guard,
    /// What each workflow comes to when nothing goes wrong.
    expected: Mutex<HashMap<usize, Arc<Outcome>>>,
    /// How often variables were asked for by a start.
    revisions: AtomicU32,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Outcome {
    pub(crate) status: String,
    /// The final mark of every step instance.
    pub(crate) steps: BTreeMap<String, String>,
}

#[async_trait]
impl WorkflowStore for Library {
    async fn version(
        &self,
        _: &OrgKey,
        workflow: &WorkflowId,
        version: u32,
    ) -> Result<Option<WorkflowVersion>, StoreError> {
        Ok(self.documents.get(workflow).map(|document| WorkflowVersion {
            version,
            document: document.clone(),
            created_at: START,
            hooks: BTreeMap::new(),
        }))
    }

    async fn current(&self, _: &OrgKey, workflow: &WorkflowId) -> Result<Option<Current>, StoreError> {
        Ok(self.documents.contains_key(workflow).then_some(Current {
            hooks: BTreeMap::new(),
            version: 1,
            enabled: true,
            splits: BTreeMap::new(),
        }))
    }

    /// They change all the time: a run that read others than those of its start would come to something else.
    async fn variables_now(&self, _: &OrgKey, _: &str) -> Result<u32, StoreError> {
        Ok(self.revisions.fetch_add(1, Ordering::Relaxed))
    }

    async fn variables(&self, _: &OrgKey, _: &str, revision: u32) -> Result<Variables, StoreError> {
        let variable = |value: Value| Variable {
            held: Held::Plain(value),
            changed_at: START,
            changed_by: "somebody".to_owned(),
        };
        let values = [("same", json!("the same")), ("revision", json!(revision))];
        let values = values.map(|(name, value)| (name.to_owned(), variable(value)));
        Ok(Variables { values: values.into() })
    }
}

/// The trigger that gathers.
pub(crate) const GATHERS: &str = "in";

/// The case whose runs go on two at a time.
const LIMITED: &str = "two runs at a time";

impl Library {
    /// The case that limits its runs.
    pub fn limited(&self) -> usize {
        self.cases.iter().position(|case| case.name == LIMITED).expect("there is such a case")
    }

    pub fn new() -> Arc<Self> {
        let mut cases = cases();
        let child = workflow(json!([
            get("fetch", harness::workflows::GET),
            {"id": "done", "type": "stop", "output": {"n": "{{ steps.fetch.body.n }}"}},
        ]));
        let called = id(&child);
        let call = json!({"id": "call", "type": "workflow", "workflow": called.as_str(), "input": {"a": 1}});
        let case = |name, steps| Case {
            name,
            definition: workflow(steps),
            status: "succeeded",
            claimed: &[],
            at_most_once: None,
        };
        cases.push(Case { name: "a called workflow", definition: child, ..case("", json!([])) });
        cases.push(case("a call", json!([call, map("after", json!("{{ steps.call.output.n }}"))])));
        cases.push(case(
            "calls in a loop",
            json!([
                each("each", json!([1, 2, 3]), 2, json!([call])),
                map("after", json!("{{ $count(steps.each) }}"))
            ]),
        ));
        cases.push(case(
            "a callback that comes",
            json!([
                {"id": "answer", "type": "wait", "callback": true, "timeout": "PT6H"},
                map("after", json!("{{ $exists(steps.answer.body) }}")),
            ]),
        ));
        cases.push(case(
            "approvals that are given",
            json!([
                each(
                    "each",
                    json!([1, 2]),
                    2,
                    json!([
                        {"id": "answer", "type": "approval", "to": [], "title": "?", "timeout": "PT6H"},
                        map("gives", json!("{{ steps.answer.decision }}")),
                    ])
                ),
                map("after", json!("{{ steps.each }}")),
            ]),
        ));
        // Their revision is another with each start, and each time that somebody looks: steps must read the one of theirs.
        let mut reads = case(
            "variables",
            json!([
                map("one", json!({"is": "{{ vars.same }}", "of": "{{ vars.revision }}"})),
                get("fetch", harness::workflows::GET),
                wait("pause", "PT20S"),
                map("another", json!("{{ vars.revision = steps.one.of ? vars.same : 'of another start' }}")),
                {"id": "cond", "type": "branch", "arms": [{"when": "{{ vars.revision = steps.one.of }}", "steps": [
                    map("well", json!("{{ vars.same }}"))]}],
                 "else": [{"id": "torn", "type": "stop", "status": "failed", "message": "variables of two starts"}]},
                map("forgets", json!(null)),
            ]),
        );
        reads.definition["environment"] = json!("staging");
        cases.push(reads);
        // By a connection: what it is signed with is opened with each attempt, and seen nowhere.
        let mut app = case(
            "an app",
            json!([
                {"id": "make", "type": "action", "use": "stripe.create_customer", "connection": connection().as_str(),
                 "input": {"name": "{{ 'Ada ' & 'Lovelace' }}", "metadata": {"n": "{{ 1 + 1 }}"}}},
                wait("pause", "PT20S"),
                map("made", json!({"is": "{{ steps.make.id }}", "signed": "{{ steps.make.signed_with }}"})),
            ]),
        );
        app.claimed = &[APP];
        cases.push(app);
        let mut outlived =
            case("a wait outlives its run", json!([wait("long", "PT6H"), map("after", json!(1))]));
        outlived.definition["timeout"] = json!("PT2H");
        cases.push(Case { status: "timed_out", ..outlived });
        let mut limited =
            case(LIMITED, json!([get("fetch", harness::workflows::GET), wait("pause", "PT20S")]));
        limited.definition["concurrency"] = json!({"limit": 2, "key": "{{ trigger.n }}"});
        cases.push(limited);
        Self::of(cases)
    }

    /// A workflow whose trigger gathers events by three.
    pub fn gathering() -> Arc<Self> {
        let mut definition = workflow(json!([get("fetch", harness::workflows::GET)]));
        definition["triggers"] = json!([{"id": GATHERS, "type": "event", "pattern": {"source": ["shop"]},
            "batch": {"for": "PT40S", "size": 3}}]);
        Self::of(vec![Case { name: "events", definition, status: "", claimed: &[], at_most_once: None }])
    }

    /// A workflow that sends two mails by an app that takes two a second.
    pub fn hurried() -> Arc<Self> {
        let mail = |id: &str| {
            json!({"id": id, "type": "action", "use": "resend.send_email", "connection": slow_connection().as_str(),
                "input": {"from": "a@example.com", "to": ["b@example.com"], "subject": "{{ 'Hello ' & trigger.n }}"}})
        };
        let definition = workflow(json!([mail("one"), get("fetch", harness::workflows::GET), mail("other")]));
        Self::of(vec![Case {
            name: "mails",
            definition,
            status: "succeeded",
            claimed: &[MAIL],
            at_most_once: None,
        }])
    }

    /// Definitions that chance made, one for each seed.
    pub fn grown(seeds: impl Iterator<Item = u64>) -> Arc<Self> {
        Self::of(seeds.map(crate::grow::case).collect())
    }

    fn of(cases: Vec<Case>) -> Arc<Self> {
        let ids: Vec<WorkflowId> = cases.iter().map(|case| id(&case.definition)).collect();
        let documents = ids.iter().cloned().zip(cases.iter().map(|c| c.definition.clone())).collect();
        let guard = Guard::new(GuardConfig::default());
        Arc::new(Self {
            cases,
            ids,
            documents,
            guard,
            expected: Mutex::default(),
            revisions: AtomicU32::new(1),
        })
    }

    pub(crate) fn waits_for_others(&self, case: usize) -> bool {
        let text = self.cases[case].definition.to_string();
        ["\"type\":\"workflow\"", "\"type\":\"approval\"", "\"callback\""]
            .iter()
            .any(|part| text.contains(part))
    }

    /// What a case comes to in calm weather.
    pub(crate) fn expected(self: &Arc<Self>, plans: &Plans, case: usize) -> Arc<Outcome> {
        if let Some(known) = lock(&self.expected).get(&case) {
            return known.clone();
        }
        let scenario = Scenario { cases: vec![case], ..Scenario::calm(1) };
        let mut world = World::new(self, plans, &scenario);
        world.run();
        let runs = world.ended();
        let outcome = Arc::new(outcome(&self.cases[case], &runs[0].head, &runs[0].journal));
        let (name, status) = (self.cases[case].name, self.cases[case].status);
        // What a grown one comes to, nobody knows before.
        if !status.is_empty() {
            assert_eq!(outcome.status, status, "{name}: {:?}", runs[0].head.error);
        }
        lock(&self.expected).insert(case, outcome.clone());
        outcome
    }
}

fn id(definition: &Value) -> WorkflowId {
    WorkflowId::from_bytes(digest16(&[&definition.to_string()]))
}

/// Final marks, without what differs from run to run.
pub(crate) fn outcome(case: &Case, head: &Head, journal: &Journal) -> Outcome {
    let chance = ["$random", "$now", "$millis"].iter().any(|name| case.definition.to_string().contains(name));
    let mut steps = BTreeMap::new();
    for entry in &journal.entries {
        let mark = match &entry.mark {
            Mark::Retrying { .. } | Mark::Awaiting { .. } | Mark::Started { .. } | Mark::Forked { .. } => {
                continue;
            }
            Mark::Waiting { .. } => "waited".to_owned(),
            Mark::Failed(error) => format!("failed {}", error.code),
            other => {
                let mut text = serde_json::to_string(other).unwrap_or_default();
                // The variables of the run's own start, and of no other's.
                if let Some(own) = head.variables {
                    text = text.replace(&format!("\"of\":{own}}}"), "\"of\":\"its start\"}");
                }
                // Ids and times are of the run.
                if chance || ["run_", "\"at\":\"20", "\"until\":\"20"].iter().any(|s| text.contains(s)) {
                    "succeeded".to_owned()
                } else {
                    text
                }
            }
        };
        steps.insert(entry.path.clone(), mark);
    }
    Outcome { status: head.status.as_str().to_owned(), steps }
}
