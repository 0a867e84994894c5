//! Polls: each new record starts one run, whoever dies and however often an app is asked.

use dispatch::{Asks, TriggerMessage};
use domain::run::RunStatus;
use domain::{ConnectionId, Millis, WorkflowId, limits};
use harness::{Delivery, Fault, Reply, START, World};
use serde_json::{Value, json};
use std::time::Duration;
use store::{DueEntry, DueStore, KeptPoll, RunFilter, TriggerStore};

const ISSUES: &str = "https://api.github.com/repos/acme/shop/issues";

fn connection() -> ConnectionId {
    ConnectionId::from_bytes([4; 16])
}

async fn world() -> World {
    let world = World::new().await;
    world.connect(&connection(), "github", "token", &json!({"token": "ghp_0123456789"})).await;
    world
}

fn definition(more: Value) -> Value {
    let mut trigger = json!({"id": "new", "type": "poll", "use": "github.new_issue", "connection": connection().as_str(),
        "input": {"owner": "acme", "repo": "shop"}});
    trigger.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"name": "issues", "triggers": [trigger], "connectors": {"github": 1},
        "steps": [{"id": "title", "type": "map", "output": "{{ trigger.record.title }}"}]})
}

/// An issue of this number, made a thousand minutes before the beginning and so many after that.
fn issue(number: i64) -> Value {
    json!({"id": number, "title": format!("Issue {number}"), "created_at": Millis(START.0 + (number - 1000) * 60_000).rfc3339()})
}

/// The newest first, as the app lists them.
fn listed(numbers: impl DoubleEndedIterator<Item = i64>) -> Reply {
    Reply::ok(numbers.rev().map(issue).collect())
}

async fn ask(world: &World, workflow: &WorkflowId) {
    ask_as(world, workflow, Delivery::Once).await;
}

async fn ask_as(world: &World, workflow: &WorkflowId, delivery: Delivery) {
    world
        .queue
        .put(TriggerMessage::of(Asks::Records, world.org.org(), workflow, "new").encode(), Duration::ZERO);
    world.deliver_all_as(delivery).await;
}

/// What the runs of a workflow give, each with its status, in the order of the titles.
async fn runs(world: &World, workflow: &WorkflowId) -> Vec<(String, RunStatus)> {
    let filter = RunFilter { workflow: Some(workflow.clone()), status: None };
    let until = world.executor.clock.now().plus(Duration::from_hours(1));
    let page = world.store.list_runs(&world.org, &filter, None, 500, until).await.unwrap().unwrap();
    let mut found = Vec::new();
    for head in page.heads {
        let run = world.run(&head.id).await;
        found.push((run.output("title").as_str().unwrap_or_default().to_owned(), run.head.status));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

async fn titles(world: &World, workflow: &WorkflowId) -> Vec<String> {
    runs(world, workflow).await.into_iter().map(|(title, _)| title).collect()
}

async fn state(world: &World, workflow: &WorkflowId) -> KeptPoll {
    world.store.poll_state(&world.org, workflow, "new").await.unwrap().unwrap()
}

#[tokio::test]
async fn what_was_there_at_first_starts_nothing_and_what_comes_starts_one_run() {
    let world = world().await;
    let workflow = world.save(&definition(json!({}))).await;
    world.http.script(ISSUES, [listed(1..=3), listed(1..=3), listed(1..=5)]);
    ask(&world, &workflow).await;
    let first = state(&world, &workflow).await;
    assert!(titles(&world, &workflow).await.is_empty());
    assert_eq!((first.state.begun, first.state.known()), (true, 3));
    ask(&world, &workflow).await;
    assert_eq!(state(&world, &workflow).await, first, "nothing new: nothing is written");
    for _ in 0..3 {
        ask(&world, &workflow).await;
        assert_eq!(titles(&world, &workflow).await, ["Issue 4", "Issue 5"]);
    }
    let asked = world.http.sent();
    assert!(!asked[0].url.contains("since"), "{}", asked[0].url);
    // Five minutes before the third, so that what turns up late is seen.
    assert!(asked[1].url.contains("since=2026-02-28T19%3A18%3A30"), "{}", asked[1].url);
    assert!(asked.iter().all(|sent| sent.method == "GET"));
}

#[tokio::test]
async fn all_that_is_there_starts_runs_where_that_is_wished_for() {
    let world = world().await;
    let workflow = world.save(&definition(json!({"first": "all"}))).await;
    let with_pull_request = json!([{"id": 9, "title": "Pull", "pull_request": {}, "created_at": "2026-02-28T20:00:00Z"}, issue(2), issue(1)]);
    world.http.script(ISSUES, [Reply::ok(with_pull_request)]);
    ask(&world, &workflow).await;
    assert_eq!(titles(&world, &workflow).await, ["Issue 1", "Issue 2"]);
    let order: Vec<_> = world
        .queue
        .sent()
        .iter()
        .filter_map(|m| m.body.find("Issue ").map(|at| m.body[at..at + 7].to_owned()))
        .collect();
    assert_eq!(order[..2], ["Issue 1", "Issue 2"], "the oldest first");
}

#[tokio::test]
async fn an_old_record_that_is_changed_is_not_new() {
    let world = world().await;
    let workflow = world.save(&definition(json!({}))).await;
    // The app lists it since it was changed; nobody has seen it before.
    world.http.script(ISSUES, [listed(50..=60), Reply::ok(json!([issue(61), issue(1)]))]);
    ask(&world, &workflow).await;
    ask(&world, &workflow).await;
    assert_eq!(titles(&world, &workflow).await, ["Issue 61"]);
}

#[tokio::test]
async fn two_that_ask_at_once_start_each_run_once() {
    for delivery in [Delivery::TwiceInTurn, Delivery::TwiceAtOnce] {
        let world = world().await;
        let workflow = world.save(&definition(json!({"first": "all"}))).await;
        world.http.script(ISSUES, [listed(1..=20)]);
        ask_as(&world, &workflow, delivery).await;
        ask_as(&world, &workflow, delivery).await;
        let runs = runs(&world, &workflow).await;
        assert_eq!(runs.len(), 20);
        assert!(runs.iter().all(|(_, status)| *status == RunStatus::Succeeded), "{runs:?}");
    }
}

#[tokio::test]
async fn what_an_invocation_has_no_time_for_the_next_one_starts() {
    let world = world().await;
    let workflow = world.save(&definition(json!({"first": "all"}))).await;
    let slow = Reply::Slow(Duration::from_secs(110), Box::new(listed(1..=30)));
    world.http.script(ISSUES, [slow, listed(1..=30)]);
    ask(&world, &workflow).await;
    assert_eq!(runs(&world, &workflow).await.len(), 30);
    assert_eq!(world.http.sent().len(), 2, "asked once more, for the rest");
    assert_eq!(state(&world, &workflow).await.state.known(), 30);
}

#[tokio::test]
async fn that_an_app_refuses_is_kept_until_it_does_no_more() {
    let world = world().await;
    let workflow = world.save(&definition(json!({}))).await;
    let refused = || Reply::Json(404, json!({"message": "Not Found"}));
    world.http.script(ISSUES, [refused(), refused(), listed(1..=1), refused(), listed(1..=2)]);
    ask(&world, &workflow).await;
    let since = state(&world, &workflow).await.state.failing.expect("it fails");
    assert_eq!((since.code.as_str(), since.since), ("app_error", START));
    assert!(since.message.contains("Not Found"), "{}", since.message);
    world.pass(Duration::from_mins(5));
    ask(&world, &workflow).await;
    assert_eq!(state(&world, &workflow).await.state.failing.as_ref(), Some(&since), "since then");
    ask(&world, &workflow).await;
    assert_eq!(state(&world, &workflow).await.state.failing, None);
    ask(&world, &workflow).await;
    assert!(state(&world, &workflow).await.state.failing.is_some());
    ask(&world, &workflow).await;
    let after = state(&world, &workflow).await;
    assert_eq!((after.state.failing, titles(&world, &workflow).await), (None, vec!["Issue 2".to_owned()]));
}

#[tokio::test]
async fn another_question_begins_anew() {
    let world = world().await;
    let workflow = world.save(&definition(json!({}))).await;
    world.http.script(ISSUES, [listed(1..=2)]);
    ask(&world, &workflow).await;
    let before = state(&world, &workflow).await;
    // As if the state were of an earlier version that asked for something else.
    let mut other = before.clone();
    other.state.question = "another".into();
    assert!(world.store.keep_poll_state(&world.org, &workflow, "new", &other).await.unwrap());
    world.http.script(ISSUES, [listed(1..=4), listed(1..=5)]);
    ask(&world, &workflow).await;
    assert!(titles(&world, &workflow).await.is_empty(), "what is there is known from now on");
    ask(&world, &workflow).await;
    assert_eq!(titles(&world, &workflow).await, ["Issue 5"]);
}

#[tokio::test]
async fn a_record_that_no_run_can_hold_is_seen_to_have_come() {
    let world = world().await;
    let workflow = world.save(&definition(json!({"first": "all"}))).await;
    let mut large = issue(1);
    large["body"] = "x".repeat(limits::MAX_BODY_BYTES).into();
    world.http.script(ISSUES, [Reply::ok(json!([issue(2), large]))]);
    ask(&world, &workflow).await;
    let runs = runs(&world, &workflow).await;
    assert_eq!(
        runs.iter().map(|(_, status)| *status).collect::<Vec<_>>(),
        [RunStatus::Failed, RunStatus::Succeeded]
    );
    ask(&world, &workflow).await;
    assert_eq!(titles(&world, &workflow).await.len(), 2);
}

#[tokio::test]
async fn who_dies_or_fails_at_any_call_passes_over_no_record_and_starts_none_twice() {
    let every = Duration::from_mins(1);
    // Three polls with the timer between them; the app has more records each time.
    let go = async |world: &World| {
        let workflow = world.save(&definition(json!({"first": "all", "every": "PT1M"}))).await;
        world.http.script(ISSUES, [listed(1..=2), listed(1..=2), listed(1..=3)]);
        let of = format!("{workflow}/new");
        let first = domain::poll::next_after(&of, every, START);
        world.store.put_due(&DueEntry::poll(&world.org, &workflow, "new", first)).await.unwrap();
        for _ in 0..6 {
            let minute = Millis((world.executor.clock.now().0.div_euclid(60_000) + 1) * 60_000);
            world.deliver_until(Some(minute), Delivery::Once).await;
            world.clock.advance_to(minute);
            world.tick().await;
        }
        // A message that failed comes again after the queue's own time.
        world
            .deliver_until(
                Some(world.executor.clock.now().plus(limits::QUEUE_VISIBILITY * 2)),
                Delivery::Once,
            )
            .await;
        world.tick().await;
        world.deliver_all().await;
        workflow
    };
    let calls = {
        let world = world().await;
        let workflow = go(&world).await;
        assert_eq!(titles(&world, &workflow).await, ["Issue 1", "Issue 2", "Issue 3"]);
        world.faults.calls()
    };
    for wanted in [
        "poll_state",
        "keep_poll_state",
        "send_trigger",
        "put_due",
        "delete_due",
        "create_run",
        "send",
        "http",
    ] {
        assert!(calls.contains(&wanted), "{wanted}: {calls:?}");
    }
    for n in 0..calls.len() {
        for fault in Fault::ALL {
            let world = world().await;
            world.faults.plan(n, fault);
            let workflow = go(&world).await;
            assert_eq!(
                titles(&world, &workflow).await,
                ["Issue 1", "Issue 2", "Issue 3"],
                "{fault:?} at call {n}: {:?}",
                world.faults.struck()
            );
        }
    }
}

/// More than what an answer may have in memory where a step asks, which has files for the rest.
#[tokio::test]
async fn a_large_answer_is_read_whole() {
    let world = world().await;
    let workflow = world.save(&definition(json!({"first": "all"}))).await;
    let large = |count: i64, each: usize| {
        let issues = (1..=count).rev().map(|n| {
            let mut issue = issue(n);
            issue["body"] = "x".repeat(each).into();
            issue
        });
        Reply::ok(issues.collect())
    };
    world.http.script(ISSUES, [large(20, 40_000)]);
    ask(&world, &workflow).await;
    assert_eq!(runs(&world, &workflow).await.len(), 20);
    assert_eq!(state(&world, &workflow).await.state.failing, None);
}

/// The oldest first, so that a list that was cut is gone on with: from where it ended, and not from a little before.
#[tokio::test]
async fn a_list_that_is_too_large_is_gone_on_with_where_it_was_cut() {
    let world = World::new().await;
    world.connect(&connection(), "gitlab", "token", &json!({"key": "glpat-0123456789"})).await;
    let trigger = json!({"id": "new", "type": "poll", "use": "gitlab.new_issue", "connection": connection().as_str(),
        "input": {"project_id": "4"}, "first": "all"});
    let definition = json!({"name": "issues", "triggers": [trigger], "connectors": {"gitlab": 1},
        "steps": [{"id": "title", "type": "map", "output": "{{ trigger.record.title }}"}]});
    let workflow = world.save(&definition).await;
    let page = |numbers: std::ops::RangeInclusive<i64>| {
        let issues = numbers.map(|n| {
            let mut issue = issue(n);
            issue["description"] = "x".repeat(40_000).into();
            issue
        });
        Reply::ok(issues.collect())
    };
    let pages = [page(1..=100), page(101..=200), page(101..=200), page(201..=210)];
    world.http.script("https://gitlab.com/api/v4/projects/4/issues", pages);
    ask(&world, &workflow).await;
    let titles = titles(&world, &workflow).await;
    assert_eq!((titles.len(), world.http.sent().len()), (210, 4));
    let hundredth = issue(100)["created_at"].as_str().unwrap().replace(':', "%3A");
    let third = &world.http.sent()[2].url;
    assert!(third.contains(&format!("created_after={hundredth}")), "{third}");
    let state = state(&world, &workflow).await.state;
    assert!(state.begun && !state.cut && state.failing.is_none(), "{state:?}");
}
