//! Actions that go on at their app: started once, asked until they are over, and called off when nobody waits for them any more.

use async_trait::async_trait;
use domain::run::{Entry, Mark, RunError, RunStatus, StepStatus};
use domain::{Millis, OrgKey, RunId};
use executor::App;
use harness::workflows::{map, with, workflow};
use harness::{Delivery, Fault, Reply, RunView, START, World};
use runtime::Clock;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use store::{ConnectorStore, DueKind, DueStore, KeptConnector, RunStore, StoreError};

const JOBS: &str = "https://api.jobs.example/jobs";
const JOB: &str = "https://api.jobs.example/jobs/7";
const STOP: &str = "https://api.jobs.example/jobs/7/stop";
const PACE: Duration = Duration::from_secs(30);

/// An organisation whose own connector is this one.
struct Own(Value);

#[async_trait]
impl ConnectorStore for Own {
    async fn own_connector(
        &self,
        _: &OrgKey,
        name: &str,
        version: u32,
    ) -> Result<Option<KeptConnector>, StoreError> {
        let document = self.0.clone();
        let (name, changed_by) = (name.to_owned(), "owner@example.com".to_owned());
        Ok(Some(KeptConnector { name, version, document, changed_at: START, changed_by }))
    }
}

fn jobs() -> Value {
    let job = json!({"type": "object", "required": ["id"], "properties": {"id": {"type": "integer"}, "of": {"type": "string"}}});
    json!({"name": "my_jobs", "title": "Jobs", "base_url": "https://api.jobs.example", "idempotency_header": "idempotency-key", "actions": {
        "run": {"title": "Run", "request": {"method": "POST", "path": "/jobs"},
            "input": {"type": "object", "properties": {"of": {"type": "string"}}},
            "completes": {"action": "get", "input": {"id": "{{ output.id }}", "of": "{{ input.of }}"}, "every": "PT30S",
                "done": "{{ status.state in ['ok', 'bad', 'poor'] }}", "failed": "{{ status.state != 'ok' }}",
                "retryable": "{{ status.state = 'poor' }}", "message": "{{ status.why }}",
                "output": "{{ {'id': output.id, 'pages': status.pages} }}",
                "cancel": {"action": "stop", "input": {"id": "{{ output.id }}"}}}},
        "get": {"title": "Get", "input": job, "request": {"method": "GET", "path": "/jobs/{id}"}},
        "stop": {"title": "Stop", "input": job, "request": {"method": "POST", "path": "/jobs/{id}/stop", "encoding": "none"}}}})
}

fn run(id: &str) -> Value {
    json!({"id": id, "type": "action", "use": "my_jobs.run", "input": {"of": "{{ trigger.of }}"}})
}

fn of(steps: Value) -> Value {
    with(workflow(steps), json!({"connectors": {"my_jobs": 1}}))
}

/// A world in which the job 7 is started, and is as is said, time by time; the last for ever.
async fn world(states: impl IntoIterator<Item = Reply>) -> World {
    let mut world = World::new().await;
    let connectors = calls::Connectors::new(Arc::new(Own(jobs())));
    world.executor = Arc::new(App { connectors, ..App::clone(&world.executor) });
    world.http.script(JOBS, [Reply::Json(202, json!({"id": 7}))]);
    world.http.script(JOB, states);
    world
}

fn busy() -> Reply {
    Reply::ok(json!({"state": "busy"}))
}

fn ok() -> Reply {
    Reply::ok(json!({"state": "ok", "pages": 3}))
}

async fn settled(world: &World, definition: &Value) -> RunView {
    let id = world.start_run(definition, json!({"of": "May"})).await;
    world.settle(std::slice::from_ref(&id)).await;
    world.run(&id).await
}

fn attempts(view: &RunView) -> Vec<u16> {
    view.entries("job").map(|entry| entry.attempt).collect()
}

async fn cancel(world: &World, id: &RunId) {
    let head = world.run(id).await.head;
    let end = domain::run::End {
        status: RunStatus::Cancelled,
        at: world.clock.now(),
        error: Some(RunError::new("cancelled", "by a test")),
        output: None,
        outbox: head.consequences(RunStatus::Cancelled),
    };
    world.store.finish(&world.org, id, &end).await.unwrap();
}

#[tokio::test]
async fn a_step_gives_what_came_of_what_it_started() {
    let world = world([busy(), busy(), ok()]).await;
    let view = settled(&world, &of(json!([run("job"), map("then", json!("{{ steps.job.pages }}"))]))).await;
    assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
    assert_eq!(view.output("job"), json!({"id": 7, "pages": 3}));
    assert_eq!(view.output("then"), json!(3));
    assert_eq!(world.http.sent_to(JOBS).len(), 1);
    let asked: Vec<Millis> = world.http.sent().iter().filter(|r| r.method == "GET").map(|r| r.at).collect();
    assert_eq!(asked, [1, 2, 3].map(|n| START.plus(PACE * n)));
    assert!(
        world.http.sent()[1].url.ends_with("/jobs/7?of=May"),
        "what the step was given is computed again"
    );
    assert!(world.http.sent_to(STOP).is_empty());
    assert!(view.journal.claims.is_empty());
    assert_eq!((attempts(&view), view.head.wake_at), (vec![1, 2], None));
}

#[tokio::test]
async fn what_the_step_was_given_is_computed_again_to_the_same() {
    let world = world([Reply::Slow(Duration::from_secs(5), Box::new(busy())), ok()]).await;
    let slow = Reply::Slow(Duration::from_secs(5), Box::new(Reply::Json(202, json!({"id": 7}))));
    world.http.script(JOBS, [slow]);
    let timed = with(run("job"), json!({"input": {"of": "{{ $string($millis()) & $string($random()) }}"}}));
    settled(&world, &of(json!([map("a", json!(1)), timed]))).await;
    let sent = world.http.sent();
    let given: Value = serde_json::from_slice(&sent[0].body).unwrap();
    let asked: Vec<&str> = sent[1..].iter().map(|r| r.url.split_once("of=").unwrap().1).collect();
    assert_eq!(asked, [given["of"].as_str().unwrap(); 2]);
}

#[tokio::test]
async fn it_is_shown_as_waiting_until_its_time_is_over() {
    let world = world([busy()]).await;
    let id = world.start_run(&of(json!([run("job")])), json!({"of": "May"})).await;
    world.deliver_until(Some(START.plus(PACE * 4)), Delivery::Once).await;
    let view = world.run(&id).await;
    let until = START.plus(Duration::from_hours(1));
    assert_eq!((view.head.status, view.head.wake_at), (RunStatus::Waiting, Some(until)));
    let entries: Vec<&Entry> = view.entries("job").collect();
    assert_eq!(entries[0].mark, Mark::Started { output: json!({"id": 7}), until });
    assert_eq!(entries[0].status(world.clock.now()), StepStatus::Waiting);
    assert!(entries[0].called && entries[0].input == Some(json!({"of": "May"})));
}

#[tokio::test]
async fn what_the_app_says_has_failed_fails_the_step() {
    let bad = json!({"state": "bad", "why": "no paper", "log": "x".repeat(1_000_000)});
    let world = world([busy(), Reply::ok(bad)]).await;
    let view = settled(&world, &of(json!([run("job")]))).await;
    let error = view.head.error.clone().unwrap();
    assert_eq!(error.code, "app_reported_failure");
    assert!(error.message.ends_with("has failed: no paper"), "{}", error.message);
    assert_eq!((world.http.sent_to(JOBS).len(), attempts(&view)), (1, vec![1, 2]));
    assert!(world.http.sent_to(STOP).is_empty(), "it is over");
}

#[tokio::test]
async fn a_failure_that_may_pass_is_started_anew_as_often_as_the_step_says() {
    let poor = || Reply::ok(json!({"state": "poor"}));
    let world = world([poor(), poor(), poor(), ok()]).await;
    let view = settled(&world, &of(json!([run("job")]))).await;
    assert_eq!(view.head.error.unwrap().code, "app_reported_failure");
    let starts = world.http.sent_to(JOBS);
    assert_eq!(starts.len(), 3, "a start and its end are one of the three attempts");
    assert!(
        starts[0].key != starts[1].key && starts[1].key != starts[2].key,
        "each is no repeat of the one before"
    );

    let world = self::world([poor(), ok()]).await;
    world.http.script(
        JOBS,
        [Reply::Json(202, json!({"id": 7})), Reply::Json(503, json!({})), Reply::Json(202, json!({"id": 7}))],
    );
    let view = settled(&world, &of(json!([run("job")]))).await;
    assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
    assert_eq!(attempts(&view), [1, 2, 3, 4, 5]);
    let starts = world.http.sent_to(JOBS);
    assert_eq!(starts[1].key, starts[2].key, "the second start was tried twice");
    assert_ne!(starts[0].key, starts[1].key);
}

#[tokio::test]
async fn a_step_that_may_be_tried_once_starts_nothing_anew() {
    let world = world([Reply::ok(json!({"state": "poor"}))]).await;
    let view = settled(&world, &of(json!([with(run("job"), json!({"at_most_once": true}))]))).await;
    assert_eq!(
        (view.head.error.unwrap().code.as_str(), world.http.sent_to(JOBS).len()),
        ("app_reported_failure", 1)
    );
}

#[tokio::test]
async fn over_its_time_the_app_is_told_to_leave_off() {
    let world = world([busy()]).await;
    world.http.script(STOP, [Reply::Json(409, json!({})), Reply::Json(503, json!({})), Reply::ok(json!({}))]);
    let step = with(run("job"), json!({"wait": "PT2M", "on_error": "continue"}));
    let view = settled(&world, &of(json!([step, map("code", json!("{{ steps.job.error.code }}"))]))).await;
    assert_eq!(view.output("code"), json!("not_completed"));
    let Some(Mark::Failed(error)) = view.outcome("job") else { panic!() };
    assert_eq!(
        error.message,
        "Jobs was not done after 120 s with what the step started; it could not be told to leave off"
    );
    assert_eq!(world.http.sent_to(STOP).len(), 1, "a refusal for good is not tried again");
    assert_eq!(world.http.sent_to(STOP)[0].at, START.plus(Duration::from_mins(2)));

    let world = self::world([busy()]).await;
    world.http.script(STOP, [Reply::Json(503, json!({})), Reply::ok(json!({}))]);
    let view = settled(&world, &of(json!([with(run("job"), json!({"wait": "PT2M"}))]))).await;
    assert!(view.head.error.unwrap().message.ends_with("; it was told to leave off"));
    assert_eq!(world.http.sent_to(STOP).len(), 2);
}

#[tokio::test]
async fn what_is_over_at_the_last_moment_counts() {
    let world = world([busy(), busy(), busy(), ok()]).await;
    let view = settled(&world, &of(json!([with(run("job"), json!({"wait": "PT1M40S"}))]))).await;
    assert_eq!(view.output("job")["pages"], 3);
    assert!(world.http.sent_to(STOP).is_empty());
}

#[tokio::test]
async fn a_run_that_is_cancelled_has_its_app_leave_off() {
    let world = world([busy()]).await;
    world.http.script(STOP, [Reply::Json(503, json!({})), Reply::ok(json!({}))]);
    let id = world.start_run(&of(json!([run("job")])), json!({"of": "May"})).await;
    world.deliver_until(Some(START.plus(PACE * 2)), Delivery::Once).await;
    cancel(&world, &id).await;
    world.deliver_all().await;
    assert_eq!(world.run(&id).await.head.status, RunStatus::Cancelled);
    let told = world.http.sent_to(STOP);
    assert_eq!(told.len(), 2, "what fails for now is tried again");
    assert_eq!(told[0].at, START.plus(PACE * 3));
    let asked = world.http.sent().iter().filter(|r| r.method == "GET").count();
    assert_eq!(asked, 2, "how far it is interests nobody any more");
}

#[tokio::test]
async fn an_app_that_never_leaves_off_is_told_a_few_times_only() {
    let world = world([busy()]).await;
    world.http.script(STOP, [Reply::Json(503, json!({}))]);
    let id = world.start_run(&of(json!([run("job")])), json!({"of": "May"})).await;
    world.deliver_until(Some(START), Delivery::Once).await;
    cancel(&world, &id).await;
    world.deliver_all().await;
    assert_eq!(world.http.sent_to(STOP).len(), 6);
}

#[tokio::test]
async fn a_run_that_is_timed_out_has_its_app_leave_off() {
    let world = world([busy()]).await;
    let definition =
        with(of(json!([with(run("job"), json!({"wait": "PT10H"}))])), json!({"timeout": "PT10M"}));
    let view = settled(&world, &definition).await;
    assert_eq!(view.head.status, RunStatus::TimedOut);
    world.deliver_all().await;
    assert_eq!(world.http.sent_to(STOP).len(), 1);
}

#[tokio::test]
async fn a_strand_beside_one_that_failed_has_its_app_leave_off() {
    let world = world([busy()]).await;
    let broken = json!({"id": "broken", "type": "wait", "for": "{{ trigger.of }}"});
    let pause = json!({"id": "pause", "type": "wait", "for": "PT45S"});
    let arms = json!([{"id": "a", "steps": [run("job")]}, {"id": "b", "steps": [pause, broken]}]);
    let view = settled(&world, &of(json!([{"id": "both", "type": "parallel", "arms": arms}]))).await;
    assert_eq!(view.head.error.unwrap().code, "invalid_duration");
    assert!(!world.http.sent_to(STOP).is_empty());
    assert_eq!(world.http.sent_to(STOP)[0].at, START.plus(Duration::from_secs(45)), "it is told at once");
}

#[tokio::test]
async fn an_app_that_cannot_answer_just_now_is_asked_again() {
    let states = [Reply::RetryAfter(90), Reply::Json(503, json!({})), Reply::Refused, Reply::Lost, ok()];
    let world = world(states).await;
    let view = settled(&world, &of(json!([run("job")]))).await;
    assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
    let asked: Vec<Millis> = world.http.sent().iter().filter(|r| r.method == "GET").map(|r| r.at).collect();
    assert_eq!(
        asked[1],
        START.plus(PACE + Duration::from_secs(90)),
        "it is left alone for as long as it says"
    );
    assert_eq!((world.http.sent_to(JOBS).len(), attempts(&view)), (1, vec![1, 2]));
}

#[tokio::test]
async fn an_app_that_knows_nothing_of_it_fails_the_step() {
    let world = world([Reply::Json(404, json!({}))]).await;
    let view = settled(&world, &of(json!([run("job")]))).await;
    assert_eq!(view.head.error.unwrap().code, "app_error");
    assert_eq!((world.http.sent_to(JOBS).len(), world.http.sent_to(STOP).len()), (1, 1));
}

#[tokio::test]
async fn a_step_may_take_the_first_answer() {
    let world = world([ok()]).await;
    let view = settled(&world, &of(json!([with(run("job"), json!({"wait": false}))]))).await;
    assert_eq!(view.output("job"), json!({"id": 7}));
    assert_eq!(world.http.sent().len(), 1);
}

#[tokio::test]
async fn a_pace_of_an_hour_is_left_to_the_timer() {
    let mut world = world([busy(), ok()]).await;
    let mut slow = jobs();
    slow["actions"]["run"]["completes"]["every"] = json!("PT1H");
    let connectors = calls::Connectors::new(Arc::new(Own(slow)));
    world.executor = Arc::new(App { connectors, ..App::clone(&world.executor) });
    let id =
        world.start_run(&of(json!([with(run("job"), json!({"wait": "P1D"}))])), json!({"of": "May"})).await;
    world.deliver_all().await;
    let due = world.store.all_due().await.unwrap();
    assert!(due.iter().any(|d| d.kind == DueKind::Wake && d.at == START.plus(Duration::from_hours(1))));
    world.settle(std::slice::from_ref(&id)).await;
    let asked: Vec<Millis> = world.http.sent().iter().filter(|r| r.method == "GET").map(|r| r.at).collect();
    assert_eq!(asked, [1, 2].map(|n| START.plus(Duration::from_hours(n))));
    assert_eq!(world.run(&id).await.head.status.as_str(), "succeeded");
}

#[tokio::test]
async fn an_answer_that_the_journal_cannot_hold_is_called_off() {
    let world = world([ok()]).await;
    world.http.script(JOBS, [Reply::ok(json!({"id": 7, "text": "x".repeat(400_000)}))]);
    let view = settled(&world, &of(json!([run("job")]))).await;
    assert_eq!(view.head.error.unwrap().code, "output_too_large");
    assert_eq!(world.http.sent_to(STOP).len(), 1);
}

#[tokio::test]
async fn messages_that_come_besides_ask_nothing_and_end() {
    let world = world([busy()]).await;
    let id =
        world.start_run(&of(json!([with(run("job"), json!({"wait": "PT30M"}))])), json!({"of": "May"})).await;
    world.deliver_until(Some(START), Delivery::Once).await;
    for _ in 0..20 {
        let again = dispatch::StepMessage::again(world.org.org(), &id);
        world.queue.put(again.encode(), Duration::from_secs(40));
    }
    world.settle(std::slice::from_ref(&id)).await;
    let asked = world.http.sent().iter().filter(|r| r.method == "GET").count();
    assert_eq!(asked, 60);
    assert!(world.queue.sent().len() < 200, "{} messages", world.queue.sent().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_message_may_come_twice() {
    for delivery in [Delivery::TwiceInTurn, Delivery::TwiceAtOnce] {
        let world = world([busy(), busy(), ok()]).await;
        let id = world.start_run(&of(json!([run("job"), map("then", json!(1))])), json!({"of": "May"})).await;
        world.settle_as(std::slice::from_ref(&id), delivery).await;
        let view = world.run(&id).await;
        assert_eq!(view.head.status.as_str(), "succeeded", "{:?}", view.head.error);
        assert_eq!((world.http.sent_to(JOBS).len(), attempts(&view)), (1, vec![1, 2]), "{delivery:?}");
    }
}

/// Everything that a run with such a step calls is struck in turn, by each kind of fault.
#[tokio::test]
async fn every_call_may_fail_or_kill_its_worker() {
    let definition = of(json!([map("of", json!("{{ trigger.of }}")), run("job"), map("then", json!(1))]));
    let world = world([busy(), ok()]).await;
    settled(&world, &definition).await;
    let mut points = 0;
    for (n, call) in world.faults.calls().iter().enumerate() {
        for fault in Fault::ALL {
            let world = self::world([busy(), ok()]).await;
            world.faults.plan(n, fault);
            let view = settled(&world, &definition).await;
            let about = format!("{fault:?} at call {n}, `{call}`");
            assert_eq!(world.faults.struck().len(), 1, "{about}");
            assert_eq!(view.head.status.as_str(), "succeeded", "{about}: {:?}", view.head.error);
            assert_eq!(view.output("job"), json!({"id": 7, "pages": 3}), "{about}");
            let starts = world.http.sent_to(JOBS);
            // Between a start and its record lies what idempotency keys are for.
            assert!(starts.len() <= 2 && starts.iter().all(|r| r.key == starts[0].key), "{about}");
            let recorded = view.entries("job").filter(|e| matches!(e.mark, Mark::Started { .. })).count();
            assert_eq!(recorded, 1, "{about}: one start is recorded");
            assert!(view.journal.claims.is_empty(), "{about}: a claim without an outcome is left");
            points += 1;
        }
    }
    println!("{points} fault points");
}

#[tokio::test]
async fn of_a_start_that_died_under_way_nobody_knows_where_it_may_not_be_repeated() {
    let world = world([ok()]).await;
    let calls = {
        let world = self::world([ok()]).await;
        settled(&world, &of(json!([run("job")]))).await;
        world.faults.calls()
    };
    let http = calls.iter().position(|call| *call == "http").unwrap();
    world.faults.plan(http, Fault::CrashAfter);
    let view = settled(&world, &of(json!([with(run("job"), json!({"at_most_once": true}))]))).await;
    assert_eq!(
        (view.head.error.unwrap().code.as_str(), world.http.sent_to(JOBS).len()),
        ("outcome_unknown", 1)
    );
}

#[tokio::test]
async fn a_redrive_starts_anew_what_was_called_off() {
    let world = world([busy()]).await;
    let id = world.start_run(&of(json!([map("a", json!(1)), run("job")])), json!({"of": "May"})).await;
    world.deliver_until(Some(START.plus(PACE)), Delivery::Once).await;
    cancel(&world, &id).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    let definition = of(json!([map("a", json!(1)), run("job")]));
    let plan = engine::Plan::parse(&definition).unwrap();
    let context = engine::Context::begin(&view.head, view.head.input.clone().unwrap());
    let kept = engine::but_failures(&plan, context, &view.journal.entries, None);
    assert_eq!(kept.iter().map(|(_, entry)| entry.path.as_str()).collect::<Vec<_>>(), ["a"]);
}
