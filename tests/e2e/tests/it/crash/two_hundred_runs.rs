//! 200 runs of four HTTP steps, killed in the middle, twice.

use e2e::{PATIENCE, Reply, Target, TestApp, text};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

const RUNS: usize = 200;
const STEPS: [(&str, &str); 4] = [("look", "GET"), ("make", "POST"), ("change", "PUT"), ("tell", "POST")];
const EFFECTS: usize = RUNS * STEPS.len();

fn definition(target: &Target) -> Value {
    let steps = STEPS.map(|(id, method)| {
        let headers = json!({"x-run": "{{ run.id }}", "x-step": id});
        let mut input = json!({"method": method, "url": target.url(&format!("/{id}")), "headers": headers});
        if method != "GET" {
            input["body"] = json!({"order": "{{ trigger.body.order }}", "looked": "{{ steps.look.body.n }}"});
        }
        json!({"id": id, "type": "action", "use": "http.request", "timeout": "PT5S", "input": input})
    });
    json!({"name": "four effects", "steps": steps,
           "triggers": [{"id": "in", "type": "webhook", "dedupe": "{{ trigger.body.order }}"}]})
}

/// Sends every order as a patient sender does: until it is taken.
fn send_orders(app: &TestApp, hook: &str) -> JoinSet<(usize, String)> {
    let turns = Arc::new(tokio::sync::Semaphore::new(16));
    let mut senders = JoinSet::new();
    for order in 0..RUNS {
        let (app, hook, turns) = (app.fork().with_token(""), hook.to_owned(), turns.clone());
        senders.spawn(async move {
            let _turn = turns.acquire().await.unwrap();
            loop {
                let body = json!({"order": order}).to_string();
                let request = app
                    .request(reqwest::Method::POST, &hook)
                    .header("content-type", "application/json")
                    .body(body);
                match app.try_send(request).await {
                    Ok(answer) if answer.status == 202 => {
                        return (order, text(&answer.json()["id"]).to_owned());
                    }
                    Ok(answer) => assert!(answer.status >= 500, "{answer}"),
                    Err(_) => {}
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    senders
}

async fn until_effects(target: &Target, count: usize) {
    let since = std::time::Instant::now();
    while target.count() < count {
        assert!(since.elapsed() < PATIENCE, "only {} effects", target.count());
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test]
async fn nothing_is_lost_and_repeats_come_under_the_same_key() {
    let mut app = TestApp::start().await;
    // Slow enough that a kill meets effects under way.
    let target = Target::start(|seen, _| {
        let reply = Reply::json(&json!({"n": 1, "did": seen.header("x-step")}));
        Reply::After(Duration::from_millis(30), Box::new(reply))
    })
    .await;
    let workflow = app.publish(&definition(&target)).await;

    let senders = send_orders(&app, &workflow.hook);
    // The first kill meets senders, too.
    until_effects(&target, EFFECTS / 4).await;
    app.kill();
    let at_first_kill = target.count();
    app.restart();
    until_effects(&target, EFFECTS * 5 / 8).await;
    app.kill();
    let at_second_kill = target.count();
    app.restart();

    let accepted: BTreeMap<usize, String> = senders.join_all().await.into_iter().collect();
    let promised: BTreeSet<&str> = accepted.values().map(String::as_str).collect();
    assert_eq!((accepted.len(), promised.len()), (RUNS, RUNS), "each order is a run of its own");

    let mut attempts = 0;
    for (order, run) in &accepted {
        let run = app.wait_until(run, "succeeded").await;
        assert_eq!(run["input"]["body"]["order"], *order);
        let steps = run["steps"].as_array().unwrap();
        let history: Vec<(&str, &str)> =
            steps.iter().map(|s| (text(&s["path"]), text(&s["status"]))).collect();
        assert_eq!(history, STEPS.map(|(id, _)| (id, "succeeded")), "{run:#}");
        for (step, (id, _)) in steps.iter().zip(STEPS) {
            assert_eq!(step["output"]["body"]["did"], id, "{run:#}");
            attempts += step["attempts"].as_u64().unwrap();
        }
    }
    let listed = app.runs(&format!("workflow={}", workflow.id)).await;
    let ids: BTreeSet<&str> = listed.iter().map(|r| text(&r["id"])).collect();
    assert_eq!((listed.len(), ids), (RUNS, promised), "the list has every run, and no other");

    let mut keys: BTreeMap<(String, String), BTreeSet<String>> = BTreeMap::new();
    let seen = target.seen();
    for effect in &seen {
        let of = (effect.header("x-run").to_owned(), effect.header("x-step").to_owned());
        keys.entry(of).or_default().insert(effect.key().to_owned());
    }
    assert_eq!(keys.len(), EFFECTS, "every step of every run had its effect");
    let torn: Vec<_> = keys.iter().filter(|(_, keys)| keys.len() != 1).collect();
    assert!(torn.is_empty(), "effects came under more than one key: {torn:?}");
    let distinct: BTreeSet<&String> = keys.values().flatten().collect();
    assert_eq!(distinct.len(), EFFECTS, "no two effects share a key");
    let repeats = seen.len() - EFFECTS;
    println!(
        "crash journey: {RUNS} runs, {EFFECTS} steps, {attempts} attempts in history; {} effects, {repeats} repeats; \
         killed after {at_first_kill} and {at_second_kill} effects",
        seen.len()
    );
}
