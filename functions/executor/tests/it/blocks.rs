//! Blocks: their results, whatever the order in which their strands end.

use dispatch::StepMessage;
use domain::run::{Mail, MailKind, Priority, RunStatus};
use executor::ChainBudget;
use harness::workflows::{GET, GONE, SHAKY, cases, get, map, prepare, workflow};
use harness::{RunView, World};
use serde_json::{Value, json};
use std::time::Duration;

async fn run(definition: &Value, budget: ChainBudget) -> (World, RunView) {
    let world = World::with_budget(budget).await;
    prepare(&world.http);
    let id = world.start_run(definition, json!({"n": 1})).await;
    world.settle(std::slice::from_ref(&id)).await;
    let view = world.run(&id).await;
    (world, view)
}

/// What the case of that name gives in its step `after`, on one message and with one for each effect.
async fn after(name: &str) -> Value {
    let case = cases().into_iter().find(|case| case.name == name).expect("there is such a case");
    let (_, whole) = run(&case.definition, ChainBudget::default()).await;
    let (_, hopping) = run(&case.definition, ChainBudget { steps: 1, ..ChainBudget::default() }).await;
    assert_eq!(whole.output("after"), hopping.output("after"), "{name}");
    whole.output("after")
}

#[tokio::test]
async fn results_are_in_the_order_of_the_items() {
    // 2·(1+2+3+4+5) + (0+1+2+3+4)
    assert_eq!(after("a loop").await, json!(40));
    assert_eq!(after("loops in loops").await, json!([30, 30]));
    assert_eq!(after("parallel arms").await, json!("left2"));
}

#[tokio::test]
async fn a_filter_leaves_an_item_out() {
    assert_eq!(after("a loop of pure steps").await, json!([1, 3, 5, 7]));
    assert_eq!(after("nothing to loop over").await, json!([]));
}

#[tokio::test]
async fn a_filter_ends_the_list_of_steps_it_stands_in() {
    let definition = workflow(json!([
        {"id": "pick", "type": "branch", "arms": [{"when": true, "steps": [
            {"id": "no", "type": "filter", "when": false}, {"id": "never", "type": "map", "output": 1}]}]},
        {"id": "goes_on", "type": "map", "output": 1},
        {"id": "stop_here", "type": "filter", "when": "{{ steps.goes_on = 2 }}"},
        {"id": "never_either", "type": "map", "output": 1},
    ]));
    let (_, view) = run(&definition, ChainBudget::default()).await;
    assert_eq!(view.head.status, RunStatus::Succeeded);
    let paths: Vec<String> = view.history().into_keys().collect();
    assert_eq!(paths, ["goes_on", "pick", "pick.no", "stop_here"]);
}

#[tokio::test]
async fn a_filter_in_an_arm_of_a_branch_ends_the_arm_and_no_more() {
    let definition = workflow(json!([
        {"id": "each", "type": "for_each", "items": [1, 2], "steps": [
            {"id": "pick", "type": "branch", "arms": [{"when": true, "steps": [
                {"id": "no", "type": "filter", "when": "{{ item = 1 }}"}, {"id": "in_arm", "type": "map", "output": 1}]}]}]},
    ]));
    let (_, view) = run(&definition, ChainBudget::default()).await;
    assert_eq!(view.output("each"), json!([{"arm": 0}, {"arm": 0}]), "no item is left out");
    assert!(view.outcome("each[0].pick.in_arm").is_some() && view.outcome("each[1].pick.in_arm").is_none());
}

#[tokio::test]
async fn a_finally_that_fails_is_the_failure_unless_the_try_goes_on() {
    let try_of = |on_error: &str| {
        workflow(json!([
            {"id": "careful", "type": "try", "on_error": on_error, "steps": [{"id": "a", "type": "map", "output": 1}],
                "finally": [{"id": "tidy", "type": "action", "use": "http.request", "input": {"url": GONE}}]},
            {"id": "after", "type": "map", "output": "{{ steps.careful.error.step }}"},
        ]))
    };
    let (_, failed) = run(&try_of("fail"), ChainBudget::default()).await;
    assert_eq!(failed.head.error.unwrap().step.unwrap(), "careful.tidy");
    let (_, view) = run(&try_of("continue"), ChainBudget::default()).await;
    assert_eq!(view.output("after"), json!("careful.tidy"));
}

#[tokio::test]
async fn a_loop_goes_on_while_its_condition_holds() {
    assert_eq!(after("while").await, json!(4));
    let endless = workflow(json!([
        {"id": "loop", "type": "while", "when": true, "max_iterations": 4, "steps": [{"id": "n", "type": "map", "output": 1}]}
    ]));
    let (_, view) = run(&endless, ChainBudget::default()).await;
    assert_eq!(view.head.error.unwrap().code, "too_many_iterations");
    assert!(view.journal.entries.iter().any(|e| e.path == "loop[3].n"));
}

#[tokio::test]
async fn failures_are_caught_and_tidied_up_after() {
    assert_eq!(after("try, catch, finally").await, json!("http_statuscareful.gone"));
    let case = cases().into_iter().find(|c| c.name.starts_with("finally")).unwrap();
    let (_, view) = run(&case.definition, ChainBudget::default()).await;
    assert_eq!(view.head.error.clone().unwrap().step.unwrap(), "careful.gone");
    assert!(view.outcome("careful.tidy").is_some(), "`finally` ran");
    assert_eq!(view.output("told"), json!("http_status"), "`on_failure` ran");
}

#[tokio::test]
async fn failures_of_items_end_the_loop_or_are_results() {
    assert_eq!(after("failures of items are results").await, json!([2, "http_status", 2]));
    assert_eq!(after("an item fails, and so does the loop").await, json!("http_status"));
}

#[tokio::test]
async fn an_arm_that_fails_does_not_wait_for_one_that_sleeps() {
    let case = cases().into_iter().find(|c| c.name == "an arm fails while another waits").unwrap();
    let world = World::new().await;
    prepare(&world.http);
    let id = world.start_run(&case.definition, json!({})).await;
    world.settle(std::slice::from_ref(&id)).await;
    let view = world.run(&id).await;
    let took = view.head.started_at.until(view.head.finished_at.unwrap());
    assert!(took < Duration::from_mins(1), "{took:?}");
    assert_eq!(view.head.error.unwrap().step.unwrap(), "both.right.gone");
    assert!(world.http.sent_to(GET).is_empty());
}

#[tokio::test]
async fn at_most_so_many_items_are_under_way() {
    let definition = workflow(json!([
        {"id": "each", "type": "for_each", "items": "{{ [1..40] }}", "concurrency": 5, "steps": [
            {"id": "nap", "type": "wait", "for": "PT1M"}, {"id": "n", "type": "map", "output": "{{ item }}"}]}
    ]));
    let (_, view) = run(&definition, ChainBudget::default()).await;
    assert_eq!(view.output("each"), json!((1..=40).collect::<Vec<_>>()));
    let naps: Vec<_> = view.journal.entries.iter().filter(|e| e.path.contains("].nap")).collect();
    assert_eq!(naps.len(), 40);
    for nap in &naps {
        let beside = naps
            .iter()
            .filter(|o| o.started_at <= nap.started_at && nap.started_at.0 < o.started_at.0 + 60_000);
        assert!(beside.count() <= 5);
    }
    let took = view.head.started_at.until(view.head.finished_at.unwrap());
    assert!(took >= Duration::from_mins(8) && took < Duration::from_mins(9), "{took:?}");
}

#[tokio::test]
async fn too_many_items_are_refused() {
    let definition = workflow(json!([
        {"id": "each", "type": "for_each", "items": "{{ trigger.items }}", "steps": [{"id": "n", "type": "map", "output": 1}]}
    ]));
    let world = World::new().await;
    let id = world.start_run(&definition, json!({"items": vec![1; 10_001]})).await;
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!(view.head.error.unwrap().code, "too_many_items");
}

fn approval() -> Value {
    workflow(json!([
        {"id": "ok", "type": "approval", "to": ["boss@example.com"], "title": "May I?", "timeout": "P1D", "remind_every": "PT6H"},
        {"id": "after", "type": "map", "output": "{{ steps.ok.decision }}"},
    ]))
}

#[tokio::test]
async fn a_decision_goes_on_at_once_and_the_first_one_counts() {
    let world = World::new().await;
    let id = world.start_run(&approval(), json!({})).await;
    world.deliver_all().await;
    assert_eq!(world.run(&id).await.head.status, RunStatus::Waiting);
    let asked = &world.bus.events()[0];
    assert_eq!(asked.detail_type, "Approval requested");
    let token = asked.detail["url"].as_str().unwrap().rsplit_once('/').unwrap().1.to_owned();
    let head = world.run(&id).await.head;
    assert!(domain::callback::Token::parse(&token).unwrap().is_of(&head));
    let decide = |kind| Mail { kind, payload: json!("fine"), at: world.executor.clock.now(), by: None };
    let first =
        world.executor.runs.put_mail(&world.org, &head, "ok", &decide(MailKind::Approved)).await.unwrap();
    let second =
        world.executor.runs.put_mail(&world.org, &head, "ok", &decide(MailKind::Rejected)).await.unwrap();
    assert_eq!(first, second, "the first decision stays");
    let again = StepMessage::again_in(world.org.org(), &id, "");
    world.queue.put(again.encode(), Duration::ZERO);
    world.deliver_all().await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status, RunStatus::Succeeded);
    assert_eq!(view.output("after"), json!("approved"));
}

#[tokio::test]
async fn a_run_that_was_answered_is_shown_as_running() {
    let definition = workflow(json!([
        {"id": "answer", "type": "wait", "callback": true, "timeout": "P1D"},
        {"id": "nap", "type": "parallel", "arms": [{"id": "a", "steps": [{"id": "sleep", "type": "wait", "for": "PT1H"}]}]},
    ]));
    let world = World::new().await;
    let id = world.start_run(&definition, json!({})).await;
    world.deliver_all().await;
    let now = world.executor.clock.now();
    let head = world.run(&id).await.head;
    assert_eq!(head.status_at(now), RunStatus::Waiting);
    let mail = Mail { kind: MailKind::Resumed, payload: json!(1), at: now, by: None };
    world.executor.runs.put_mail(&world.org, &head, "answer", &mail).await.unwrap();
    world.queue.put(StepMessage::again_in(world.org.org(), &id, "").encode(), Duration::ZERO);
    world.deliver_all().await;
    assert_eq!(world.run(&id).await.head.status_at(now), RunStatus::Running);
}

#[tokio::test]
async fn those_who_were_asked_are_reminded_until_it_is_too_late() {
    let (world, view) = run(&approval(), ChainBudget::default()).await;
    assert_eq!(view.output("after"), json!("rejected"));
    let kinds: Vec<String> = world.bus.events().into_iter().map(|e| e.detail_type).collect();
    assert_eq!(kinds, ["Approval requested", "Approval reminder", "Approval reminder", "Approval reminder"]);
}

#[tokio::test]
async fn an_answer_may_come_before_the_question() {
    let definition = workflow(json!([
        {"id": "nap", "type": "wait", "for": "PT1M"},
        {"id": "answer", "type": "wait", "callback": true, "timeout": "PT5M"},
        {"id": "after", "type": "map", "output": "{{ steps.answer.body.n }}"},
    ]));
    let world = World::new().await;
    let id = world.start_run(&definition, json!({})).await;
    world.deliver_until(Some(world.executor.clock.now()), harness::Delivery::Once).await;
    let head = world.run(&id).await.head;
    let early = Mail { kind: MailKind::Resumed, payload: json!({"n": 7}), at: head.started_at, by: None };
    world.executor.runs.put_mail(&world.org, &head, "answer", &early).await.unwrap();
    world.settle(std::slice::from_ref(&id)).await;
    assert_eq!(world.run(&id).await.output("after"), json!(7));
}

#[tokio::test]
async fn a_called_workflow_gives_its_output_or_its_failure() {
    let world = World::new().await;
    prepare(&world.http);
    let child = workflow(json!([
        {"id": "fetch", "type": "action", "use": "http.request", "input": {"url": "{{ trigger.input.url }}"}},
        {"id": "done", "type": "stop", "output": {"n": "{{ steps.fetch.body.n }}"}},
    ]));
    let called = world.save(&child).await;
    let call = |id: &str, url: &str| json!({"id": id, "type": "workflow", "workflow": called.as_str(), "input": {"url": url}});
    let mut failing = call("bad", GONE);
    failing["on_error"] = json!("continue");
    let mut loose = call("loose", GET);
    loose["wait"] = json!(false);
    let definition = workflow(json!([
        call("good", GET), failing, loose,
        {"id": "each", "type": "for_each", "items": [GET, GET], "concurrency": 2, "steps": [
            {"id": "inner", "type": "workflow", "workflow": called.as_str(), "input": {"url": "{{ item }}"}}]},
        {"id": "after", "type": "map", "output":
            "{{ [steps.good.output.n, steps.bad.error.code, steps.each[0].output.n, $exists(steps.loose.run)] }}"},
    ]));
    let id = world.start_run(&definition, json!({})).await;
    world.settle(std::slice::from_ref(&id)).await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status, RunStatus::Succeeded, "{:?}", view.head.error);
    assert_eq!(view.output("after"), json!([2, "called_run_failed", 2, true]));
    assert_eq!(view.head.depth, 0);
}

#[tokio::test]
async fn a_chain_of_calls_is_stopped() {
    let world = World::new().await;
    prepare(&world.http);
    let mut called = world.save(&workflow(json!([{"id": "end", "type": "map", "output": 1}]))).await;
    // Each calls the one before.
    for n in 0..=domain::limits::MAX_DEPTH {
        let definition =
            workflow(json!([{"id": format!("call_{n}"), "type": "workflow", "workflow": called.as_str()}]));
        if n == domain::limits::MAX_DEPTH {
            let id = world.start_run(&definition, json!({})).await;
            world.settle(std::slice::from_ref(&id)).await;
            let error = world.run(&id).await.head.error.unwrap();
            assert_eq!(error.code, "called_run_failed");
            assert!(error.message.contains("the chain was stopped"), "{}", error.message);
            return;
        }
        called = world.save(&definition).await;
    }
}

#[tokio::test]
async fn all_messages_of_a_bulk_run_are_on_the_bulk_queue() {
    let child = workflow(json!([map("one", json!(1))]));
    let world = World::with_budget(ChainBudget { steps: 1, ..ChainBudget::default() }).await;
    prepare(&world.http);
    let called = world.save(&child).await;
    let mut definition = workflow(json!([
        {"id": "call", "type": "workflow", "workflow": called.as_str()},
        {"id": "each", "type": "for_each", "items": [1, 2, 3], "concurrency": 2, "steps": [get("fetch", SHAKY)]},
        {"id": "long", "type": "wait", "for": "PT1H"},
        map("after", json!(1)),
    ]));
    definition["priority"] = json!("bulk");
    let id = world.start_run(&definition, json!({})).await;
    world.settle(std::slice::from_ref(&id)).await;
    assert_eq!(world.run(&id).await.head.status, RunStatus::Succeeded);
    let sent = world.queue.sent();
    assert!(sent.len() > 6);
    for message in sent {
        assert_eq!(StepMessage::decode(&message.body).unwrap().priority, Priority::Bulk, "{}", message.body);
    }
}

#[tokio::test]
async fn a_called_workflow_that_cannot_be_run_fails_the_step() {
    let world = World::new().await;
    // Saved by a version that knew a step of this type.
    let broken = json!({"name": "later", "triggers": [], "steps": [{"id": "x", "type": "teleport"}]});
    let called = world.save(&broken).await;
    let definition = workflow(json!([
        {"id": "careful", "type": "try", "steps": [{"id": "call", "type": "workflow", "workflow": called.as_str()}],
         "catch": [map("why", json!("{{ error.code }}"))]},
    ]));
    let id = world.start_run(&definition, json!({})).await;
    world.deliver_all().await;
    assert_eq!(world.run(&id).await.output("careful.why"), json!("workflow_broken"));
    assert_eq!(world.queue.dead().len(), 0);
}
