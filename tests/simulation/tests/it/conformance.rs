//! The model of the tables does what the tables do: the same calls, on the embedded DynamoDB and on the model, give the same.

use domain::pace::Pace;
use domain::run::{
    Answer, End, Entry, GatherRule, Gathered, Mail, MailKind, Mark, NewRun, RunError, RunStatus, Segment,
    Slot,
};
use domain::{ConnectionId, Millis, OrgId, OrgKey, Provenance, RunId, WorkflowId};
use emulators::Cloud;
use harness::SeededDraw;
use runtime::Draw;
use serde_json::json;
use simulation::MemoryStore;
use std::time::Duration;
use store::{
    AppLimit, Attempt, Claim, DueEntry, DueKind, DueStore, Held, LimitStore, LowWater, Pulse, Reading,
    RunStore, Store, TableNames, Turn,
};

const NOW: Millis = Millis(1_772_366_430_000);
/// How many calls are compared.
const CALLS: u64 = 4000;

fn run(n: u64) -> NewRun {
    NewRun {
        id: RunId::from_bytes([n as u8 + 1; 16]),
        workflow: WorkflowId::from_bytes([3; 16]),
        version: 1,
        trigger: "manual".into(),
        input: json!({"n": n}),
        started_at: NOW,
        deadline: NOW.plus(Duration::from_hours(1)),
        depth: 0,
        parent: None,
        origin: None,
        epoch: 0,
        secret: (n == 1).then_some([7; 16]),
        priority: domain::run::Priority::default(),
        variables: n.is_multiple_of(3).then_some(n as u32),
        gathers_until: n.is_multiple_of(2).then_some(NOW),
    }
}

#[tokio::test]
async fn the_model_and_the_tables_give_the_same() {
    let cloud = Cloud::memory().unwrap();
    let tables = TableNames::with_prefix("t");
    let real = Store::new(aws_sdk_dynamodb::Client::new(&cloud.sdk_config()), tables);
    real.create_tables().await.unwrap();
    let mut model = MemoryStore::new(None);
    let draw = SeededDraw::new(5);
    let pick = |most: u64| draw.draw() % most;
    let orgs = [1, 2].map(|n| OrgKey::verified(OrgId::from_bytes([n; 16]), Provenance::Token));
    let mut held = Held { fence: 1 };
    let mut heads = 0;
    for n in 0..CALLS {
        let org = &orgs[pick(2) as usize];
        // New runs now and then: old ones end, and then little happens to them.
        let run = run(pick(3) + 3 * (n / 500));
        let id = &run.id;
        let at = NOW.plus(Duration::from_secs(pick(100)));
        let strand = ["", "each~0", "each~10", "each[1].in~0"][pick(4) as usize];
        let path = ["a", "b", "each[0].a"][pick(3) as usize];
        let of = Attempt { strand, path, attempt: 1 + pick(2) as u16 };
        let Some(head) = model.head(org, id) else {
            assert_eq!(format!("{:?}", real.head(org, id, true).await.unwrap()), "None");
            let (one, other) = (real.create_run(org, &run).await.unwrap(), model.create_run(org, &run));
            assert_eq!(format!("{one:?}"), format!("{other:?}"), "call {n}");
            continue;
        };
        match pick(17) {
            0 => {
                let (one, other) = (real.create_run(org, &run).await.unwrap(), model.create_run(org, &run));
                assert_eq!(format!("{one:?}"), format!("{other:?}"), "call {n}");
            }
            1 => {
                heads += 1;
                assert_eq!(real.head(org, id, true).await.unwrap(), Some(head), "call {n}");
            }
            2 => {
                let (one, other) = (real.journal(org, id).await.unwrap(), model.journal(org, id, None));
                assert_eq!(real.pulse(org, id).await.unwrap(), Pulse::of(&other), "call {n}");
                assert_eq!(sorted(one), sorted(other), "call {n}");
            }
            3 => {
                let one = real.strand_journal(org, id, strand).await.unwrap();
                assert_eq!(sorted(one), sorted(model.journal(org, id, Some(strand))), "call {n}: `{strand}`");
            }
            4..=6 => {
                let segment = segment(&of, pick(6), at);
                let held = (pick(2) == 0).then_some(held);
                let one = real.append(org, &head, strand, &segment, held).await;
                let other = model.append(org, &head, strand, &segment, held);
                assert_eq!(format!("{one:?}"), format!("{other:?}"), "call {n}");
            }
            7 | 8 => {
                let lease = Duration::from_secs(30);
                let one = real.claim(org, &head, &of, at, lease).await.unwrap();
                assert_eq!(one, model.claim(org, &head, &of, at, lease), "call {n}");
                if let Claim::Ours { held: ours, .. } = one {
                    held = ours;
                }
            }
            9 => {
                let lane = (pick(3) > 0).then_some(pick(4) as u16);
                let one = real.join(org, &head, path, lane).await.unwrap();
                assert_eq!(one, model.join(org, &head, path, lane), "call {n}");
            }
            10 => {
                real.abort(org, id, path).await.unwrap();
                model.abort(org, id, path);
            }
            11 => {
                let mail = Mail { kind: MailKind::Resumed, payload: json!(n), at, by: None };
                let one = real.put_mail(org, &head, path, &mail).await.unwrap();
                assert_eq!(one, model.put_mail(org, &head, path, &mail), "call {n}");
                assert_eq!(real.mail(org, id, "b").await.unwrap(), model.mail(org, id, "b"), "call {n}");
            }
            12 => match pick(5) {
                0 => {
                    real.mark_running(org, id).await.unwrap();
                    model.mark_running(org, id);
                }
                1 => {
                    let slot = Slot { of: "here".into(), held: pick(2) == 0 };
                    let said = real.mark_slot(org, id, &slot).await.unwrap();
                    assert_eq!(said, model.mark_slot(org, id, &slot), "call {n}");
                }
                2 => {
                    let name = ["one", "other"][pick(2) as usize];
                    let (mut slots, change) = real.slots(org, name).await.unwrap();
                    assert_eq!((slots.clone(), change), model.slots(org, name), "call {n}");
                    slots.enter(id, 1, true, at);
                    // Now and then by somebody who has not seen the last change.
                    let seen = change.saturating_sub(pick(2));
                    let written = real.put_slots(org, name, &slots, seen).await.unwrap();
                    assert_eq!(written, model.put_slots(org, name, &slots, seen), "call {n}");
                    assert_eq!(written, seen == change, "call {n}");
                }
                3 => {
                    let until = head.wake_at.unwrap_or(at);
                    real.mark_resumed(org, id, until).await.unwrap();
                    model.mark_resumed(org, id, until);
                }
                _ => {
                    real.mark_waiting(org, id, at).await.unwrap();
                    model.mark_waiting(org, id, at);
                }
            },
            13 if pick(4) == 0 => {
                let status = [RunStatus::Succeeded, RunStatus::Failed][pick(2) as usize];
                let error = (status == RunStatus::Failed).then(|| RunError::new("c", "m"));
                let end =
                    End { status, at, error, output: Some(json!(n)), outbox: head.consequences(status) };
                let one = real.finish(org, id, &end).await.unwrap();
                let other = model.finish(org, id, &end).unwrap();
                assert_eq!(one, other, "call {n}");
            }
            13 => {
                real.clear_outbox(org, id).await.unwrap();
                model.clear_outbox(org, id);
            }
            14 => {
                let answer = Answer { status: 200, headers: Vec::new(), body: json!(n) };
                real.answer(org, &head, &answer).await.unwrap();
                model.answer(org, &head, &answer);
                let (one, other) = (real.peek_answer(org, id).await.unwrap(), model.peek_answer(org, id));
                assert_eq!(one, other, "call {n}");
            }
            15 => {
                let group = [None, Some("here")][pick(2) as usize];
                let rule = if id.as_str().as_bytes()[8].is_multiple_of(2) {
                    GatherRule::Batch { size: 3, within: Duration::from_secs(9) }
                } else {
                    GatherRule::Debounce { quiet: Duration::from_secs(9), at_most: Duration::from_secs(30) }
                };
                let large = "x".repeat(usize::from(pick(4) == 0) * 200_000);
                let event = Gathered::new(&pick(6).to_string(), at, json!({"n": n, "large": large}));
                match pick(5) {
                    0 => {
                        let (mut one, mut other) =
                            (real.close_gathering(org, id).await.unwrap(), model.close_gathering(org, id));
                        one.0.sort_by(|a, b| a.id.cmp(&b.id));
                        other.0.sort_by(|a, b| a.id.cmp(&b.id));
                        assert_eq!(one, other, "call {n}");
                    }
                    1 => {
                        let one = real.begin_gathered(org, id, &json!({"n": n})).await.unwrap();
                        assert_eq!(one, model.begin_gathered(org, id, &json!({"n": n})), "call {n}");
                    }
                    2 => {
                        let window = pick(5);
                        real.set_window(org, "here", window, at).await.unwrap();
                        model.set_window(org, "here", window);
                        assert_eq!(real.window(org, "here").await.unwrap(), model.window(org, "here"));
                    }
                    _ => {
                        let one = real.gather(org, id, group, &rule, &event).await.unwrap();
                        assert_eq!(one, model.gather(org, id, group, &rule, &event), "call {n}: {rule:?}");
                    }
                }
            }
            _ => due(&real, &mut model, org, id, strand, pick(3), at).await,
        }
    }
    assert!(heads > 50);
    let low = LowWater::up_to(7);
    real.set_low_water(&low).await.unwrap();
    model.set_low_water(&low);
    assert_eq!(real.low_water().await.unwrap(), model.low_water());
}

async fn due(
    real: &Store,
    model: &mut MemoryStore,
    org: &OrgKey,
    id: &RunId,
    strand: &str,
    pick: u64,
    at: Millis,
) {
    let kind = if strand.is_empty() { DueKind::Check } else { DueKind::Wake };
    let entry = DueEntry {
        org: org.clone(),
        run: id.clone(),
        strand: strand.into(),
        kind,
        at,
        of: (pick == 2).then_some(NOW),
        priority: [domain::run::Priority::Interactive, domain::run::Priority::Bulk][pick as usize % 2],
    };
    if pick == 0 {
        real.delete_due(&entry).await.unwrap();
        model.delete_due(&entry);
    } else {
        real.put_due(&entry).await.unwrap();
        model.put_due(&entry, NOW);
    }
    let one = real.due_in(entry.minute(), entry.shard(), Reading::Strong).await.unwrap();
    let other = model.due_in(entry.minute(), entry.shard(), Reading::Strong, NOW);
    let names = |entries: Vec<DueEntry>| {
        let mut names: Vec<String> = entries.iter().map(|e| format!("{e:?}")).collect();
        names.sort();
        names
    };
    assert_eq!(names(one), names(other));
}

fn segment(of: &Attempt<'_>, n: u64, at: Millis) -> Segment {
    let mark = match n {
        0 => Mark::Succeeded(json!({"n": n})),
        1 => Mark::Took(Some(1)),
        2 => Mark::Forked { lanes: 2, count: 9, digest: 7 },
        3 => Mark::Awaiting { until: at },
        4 => Mark::Started { output: json!({"n": n}), until: at },
        _ => Mark::Filtered(true),
    };
    let entry = Entry {
        path: of.path.into(),
        attempt: of.attempt,
        started_at: at,
        finished_at: at,
        input: None,
        called: false,
        mark,
    };
    Segment { entries: vec![entry] }
}

/// What is told of a journal, whatever the order of equal times.
fn sorted(journal: store::Journal) -> (Vec<String>, Vec<String>) {
    let mut entries: Vec<String> = journal.entries.iter().map(|e| format!("{e:?}")).collect();
    let mut claims: Vec<String> = journal.claims.iter().map(|c| format!("{c:?}")).collect();
    entries.sort();
    claims.sort();
    (entries, claims)
}

#[tokio::test]
async fn the_model_gives_the_turns_that_the_tables_give() {
    let cloud = Cloud::memory().unwrap();
    let client = aws_sdk_dynamodb::Client::new(&cloud.sdk_config());
    let real = Store::new(client, TableNames::with_prefix("t"));
    real.create_tables().await.unwrap();
    let mut model = MemoryStore::new(None);
    let draw = SeededDraw::new(6);
    let pick = |most: u64| draw.draw() % most;
    let org = OrgKey::verified(OrgId::from_bytes([1; 16]), Provenance::Token);
    let mut now = NOW;
    let mut late = 0;
    for n in 0..900 {
        // Of one each quarter of an hour, soon no place is left within the hour.
        let (requests, seconds) = [(2, 1), (30, 60), (1, 900)][pick(3) as usize];
        let limit = AppLimit {
            connection: (pick(2) == 0).then(|| ConnectionId::from_bytes([5; 16])),
            name: format!("an_app.{requests}"),
            pace: Pace::of(requests, Duration::from_secs(seconds)),
        };
        if pick(40) == 0 {
            let time = Duration::from_secs(pick(9));
            real.block(&org, &limit, time, now).await.unwrap();
            model.block(&org, &limit, time, now);
        }
        let patience = Duration::from_secs(pick(3));
        let one = real.turn(&org, &limit, patience, now).await.unwrap();
        assert_eq!(one, model.turn(&org, &limit, patience, now), "call {n}");
        if matches!(one, Turn::NotBefore(wait) if wait >= Duration::from_mins(30)) {
            late += 1;
        }
        // Now and then nobody comes for a while.
        now = now.plus(Duration::from_millis(if pick(30) == 0 { 70_000 } else { pick(700) }));
    }
    assert!(late > 100, "{late} found no place within the hour");
}
