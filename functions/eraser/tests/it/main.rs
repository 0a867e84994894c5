//! Erasing an organisation over a whole deployment: whatever dies on the way, nothing is left of it, and nothing of another is touched.

mod dying;
mod filled;
mod scan;

use domain::audit::Action;
use domain::run::RunStatus;
use eraser::{Outcome, erase};
use filled::{Filled, both, fill, record};
use harness::{Fault, World};
use runtime::Clock;
use scan::{Everything, everything};
use serde_json::{Value, json};
use std::time::Duration;
use store::{DueEntry, DueStore, RunStore};

fn event(org: &domain::OrgKey) -> Value {
    json!({"source": "patchbay", "detail-type": "Organization erasing", "detail": {"organization": org.org().as_str()}})
}

/// What the API does when an owner asks for it.
async fn begin(world: &World, of: &Filled) {
    let now = world.clock.now();
    world.store.put_due(&DueEntry::erasure(&of.org, now.plus(DueEntry::SOONEST))).await.unwrap();
    assert!(
        !world.store.begin_erasure(&of.org, "another name", now, &record(Action::OrgErased)).await.unwrap()
    );
    assert!(world.store.begin_erasure(&of.org, &of.name, now, &record(Action::OrgErased)).await.unwrap());
    assert!(
        !world.store.begin_erasure(&of.org, &of.name, now, &record(Action::OrgErased)).await.unwrap(),
        "it is marked once"
    );
}

/// One step, as if the invocation's time were over then; how it went, if it was not cut off after `patience`.
async fn step(world: &World, of: &Filled, patience: Duration) -> Option<Outcome> {
    let (app, event, until) = (world.eraser(), event(&of.org), world.clock.now());
    tokio::time::timeout(patience, erase(&app, &event, until)).await.ok().and_then(Result::ok)
}

/// The same by a worker that dies at its `at`-th call of tables and secrets.
async fn dies_at(world: &World, of: &Filled, at: usize, takes_place: bool) -> Option<Outcome> {
    let (store, secrets) = dying::both(world, at, takes_place);
    let app = eraser::App { store, secrets, ..world.eraser() };
    let (event, until) = (event(&of.org), world.clock.now());
    tokio::time::timeout(Duration::from_millis(20), erase(&app, &event, until))
        .await
        .ok()
        .and_then(Result::ok)
}

/// Erases to the end.
async fn finish(world: &World, of: &Filled) {
    for _ in 0..100 {
        let until = world.clock.now().plus(Duration::from_secs(40));
        if erase(&world.eraser(), &event(&of.org), until).await.unwrap() == Outcome::Done {
            return;
        }
        world.pass(Duration::from_mins(1));
    }
    panic!("it was not erased in a hundred minutes");
}

async fn two() -> (World, Filled, Filled) {
    let mut world = World::new().await;
    let (first, second) = (fill(&mut world, 1).await, fill(&mut world, 2).await);
    (world, first, second)
}

/// Nothing anywhere is of the erased organisation or of its people; the other's is what it was.
async fn nothing_is_left(world: &World, erased: &Filled, other: &Filled, before: &Everything) {
    let after = everything(world).await;
    let told = ("control".to_owned(), "system".to_owned(), format!("erased#{}", erased.org.org()));
    assert!(world.store.erased_at(erased.org.org()).await.unwrap().is_some());
    for (place, text) in &after {
        if *place == told {
            assert!(!text.contains('@'), "{text}");
            continue;
        }
        if place.0 == "due" && place.2.starts_with(erased.org.org().as_str()) {
            // What was due and is no longer looked at: ids and times, until it is forgotten.
            assert!(scan::is_ids_and_times(text), "{place:?} {text}");
            continue;
        }
        let all = format!("{place:?} {text}");
        for trace in &erased.traces {
            assert!(!all.contains(trace.as_str()), "`{trace}` is left in {all}");
        }
    }
    let of_others = |all: &Everything| -> Everything {
        let mut kept = all.clone();
        kept.retain(|place, text| {
            let all = format!("{place:?} {text}");
            place.0 != "due" && !erased.traces.iter().any(|trace| all.contains(trace.as_str()))
        });
        kept
    };
    let (was, is) = (of_others(before), of_others(&after));
    assert_eq!(was, is, "what is not the organisation's is as it was");
    let others =
        is.iter().filter(|(place, text)| format!("{place:?} {text}").contains(other.org.org().as_str()));
    assert!(others.count() > 30, "there was something to leave alone");
    for kind in ["objects", "secrets"] {
        assert!(is.keys().any(|place| place.0 == kind), "the other has its {kind}");
    }
}

#[tokio::test]
async fn nothing_is_left_and_the_other_organisation_is_as_it_was() {
    let (world, first, second) = two().await;
    let before = everything(&world).await;
    let of = |table: &str| {
        let of_table = before.iter().filter(|(place, _)| place.0 == table);
        of_table
            .filter(|(place, text)| format!("{place:?} {text}").contains(first.org.org().as_str()))
            .count()
    };
    for (table, least) in [
        ("control", 15),
        ("runs", 15),
        ("due", 5),
        ("ledger", 5),
        ("tokens", 4),
        ("objects", 1),
        ("secrets", 2),
    ] {
        assert!(of(table) >= least, "{table}: {}", of(table));
    }
    begin(&world, &first).await;
    finish(&world, &first).await;
    nothing_is_left(&world, &first, &second, &before).await;
    // Whoever belonged to both still has the account; whoever did not, has none.
    assert_eq!(world.store.memberships(&both().id).await.unwrap(), [second.org.org().clone()]);
    assert!(world.store.user(&both().id).await.unwrap().is_some());
    assert!(world.store.user_by_email(&first.only).await.unwrap().is_none());
    // It was the deployment's first: that can be set up anew, and events without an organisation are nobody's until then.
    assert_eq!(world.store.first_org().await.unwrap(), None);
    // Erasing what is not there is nothing.
    assert_eq!(step(&world, &first, Duration::from_secs(9)).await, Some(Outcome::Done));
    nothing_is_left(&world, &first, &second, &before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dying_anywhere_and_doing_it_twice_at_the_same_time_leaves_nothing_either() {
    let (world, first, second) = two().await;
    let before = everything(&world).await;
    begin(&world, &second).await;
    let mut died = 0;
    for n in 0..2_000 {
        // Further on the later it is, so that each call of a step is one at which somebody dies, and each step is done in the end.
        let one = dies_at(&world, &second, n % (3 + n / 8), n % 2 == 0);
        let another = dies_at(&world, &second, (n * 7) % (5 + n / 8), n % 3 == 0);
        if n % 11 == 0 {
            world.faults.plan_next(n % 3, Fault::After);
        }
        let (one, another) = tokio::join!(one, another);
        died += usize::from(one.is_none()) + usize::from(another.is_none());
        if one == Some(Outcome::Done) || another == Some(Outcome::Done) {
            break;
        }
        if n % 10 == 9 {
            world.pass(Duration::from_mins(1));
        }
    }
    world.faults.stop();
    finish(&world, &second).await;
    assert!(died > 100, "{died}");
    nothing_is_left(&world, &second, &first, &before).await;
    assert_eq!(world.store.first_org().await.unwrap().as_ref(), Some(first.org.org()));
}

#[tokio::test]
async fn while_it_is_erased_nobody_comes_in_and_nothing_happens() {
    let (world, first, second) = two().await;
    let sent = world.http.sent().len();
    begin(&world, &first).await;
    // As the API itself does before it answers.
    for _ in 0..3 {
        step(&world, &first, Duration::from_secs(9)).await;
    }
    let store = &world.store;
    for hook in &first.hooks {
        assert!(store.hook(hook).await.unwrap().is_none());
    }
    for hook in &second.hooks {
        assert!(store.hook(hook).await.unwrap().is_some());
    }
    assert!(store.event_rules(&first.org).await.unwrap().is_empty());
    assert!(store.member(&first.org, &both().id).await.unwrap().unwrap().erased);
    assert!(!store.member(&second.org, &both().id).await.unwrap().unwrap().erased);
    assert!(store.key_by_hash(&first.key_hash).await.unwrap().unwrap().erased);
    assert!(store.invitation_by_hash(&first.invitation_hash, world.clock.now()).await.unwrap().is_none());
    // Nobody is let in meanwhile.
    let late = filled::user("late@example.com", 99);
    assert!(store.create_user(&late).await.unwrap());
    let member = store::Member::new(&late, "editor", world.clock.now());
    assert!(!store.add_member(&first.org, &member, None, &record(Action::MemberAdded)).await.unwrap());
    let owner = store::Member::new(&late, "owner", world.clock.now());
    assert!(!store.add_member(&first.org, &owner, None, &record(Action::MemberAdded)).await.unwrap());
    // An event, a tick of the timer hours later, and every message that is still on its way: nothing is sent, nothing begins.
    filled::comes(&world, &first.org, "late-event").await;
    for _ in 0..60 {
        step(&world, &first, Duration::from_secs(9)).await;
    }
    for run in &first.runs {
        let head = world.store.head(&first.org, run, false).await.unwrap();
        assert!(head.is_none_or(|head| head.status.is_terminal() && head.outbox.is_empty()));
    }
    let waiting = world.store.head(&second.org, &second.runs[0], false).await.unwrap().unwrap();
    assert_eq!(waiting.status, RunStatus::Waiting);
    world.deliver_all().await;
    assert_eq!(world.http.sent().len(), sent);
    finish(&world, &first).await;
    world.deliver_all().await;
    assert_eq!(world.http.sent().len(), sent);
}

#[tokio::test]
async fn the_timer_tells_of_it_each_minute_until_nothing_is_left() {
    let (world, first, _) = two().await;
    let told = || {
        let all = world.bus.events();
        all.iter().filter(|event| event.detail_type == dispatch::ERASING).count()
    };
    begin(&world, &first).await;
    for minute in 1..=4 {
        world.pass(Duration::from_mins(2));
        assert!(world.tick().await);
        assert_eq!(told(), minute, "whatever became of the event before");
    }
    finish(&world, &first).await;
    let before = told();
    for _ in 0..3 {
        world.pass(Duration::from_mins(2));
        assert!(world.tick().await);
    }
    assert!(told() == before, "there is nothing to tell of any more");
    let due = world.store.all_due().await.unwrap();
    assert!(due.iter().all(|entry| entry.kind != store::DueKind::Erasure), "nor is there an entry");
}

#[tokio::test]
async fn an_event_gives_no_right_to_erase() {
    let (world, first, _) = two().await;
    let before = everything(&world).await;
    // As anybody might put it who may put events.
    assert_eq!(step(&world, &first, Duration::from_secs(9)).await, Some(Outcome::Done));
    assert_eq!(everything(&world).await, before);
    let until = world.clock.now();
    for forged in [json!({}), json!({"detail": {"organization": "org_x"}}), json!([])] {
        assert!(erase(&world.eraser(), &forged, until).await.is_err());
    }
    assert_eq!(everything(&world).await, before);
}
