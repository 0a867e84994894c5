//! Rate limits of apps: whatever runs at the same time, the app is not asked more often than it takes.

use e2e::{Options, Reply, Seen, Target, TestApp, manual, step};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Requests by their times, and how many of them were refused.
#[derive(Default)]
struct Counted {
    lately: VecDeque<Instant>,
    all: usize,
    refused: usize,
}

/// What an app counts by: less than its second, as a machine that is busy with other tests sends a little late.
const SECOND: Duration = Duration::from_millis(850);

/// An app that takes so many requests in any second, as Airtable does.
async fn taking(most: usize) -> (TestApp, Target, Arc<Mutex<Counted>>) {
    let counted = Arc::new(Mutex::new(Counted::default()));
    let count = counted.clone();
    let target = Target::start(move |_: &Seen, _| {
        let mut count = count.lock().unwrap();
        let now = Instant::now();
        while count.lately.front().is_some_and(|at| now - *at >= SECOND) {
            count.lately.pop_front();
        }
        count.all += 1;
        if count.lately.len() >= most {
            count.refused += 1;
            return Reply::status(
                429,
                &json!({"errors": [{"error": "RATE_LIMIT_REACHED", "message": "slow down"}]}),
            );
        }
        count.lately.push_back(now);
        Reply::json(&json!({"id": "usr0123456789"}))
    })
    .await;
    let instead = format!("https://api.airtable.com={}", target.base);
    let app = TestApp::start_with(Options { instead, ..Options::default() }).await;
    (app, target, counted)
}

async fn connect(app: &TestApp) -> String {
    let body = json!({"name": "Bases", "connector": "airtable", "auth": "token", "credentials": {"token": "pat0123456789"}});
    app.post("/v1/connections", &body).await.expect(201)["id"].as_str().expect("it has an id").to_owned()
}

fn list(connection: &str) -> Value {
    json!([{"id": "list", "type": "action", "use": "airtable.whoami", "connection": connection, "input": {}}])
}

#[tokio::test]
async fn twenty_runs_at_once_keep_to_what_an_app_takes() {
    let (app, _target, counted) = taking(5).await;
    let workflow = app.publish(&manual("many", list(&connect(&app).await))).await;
    let input = json!({});
    let runs = futures::future::join_all((0..20).map(|_| app.start_run(&workflow.id, &input))).await;
    // Those that are put back say what they wait for.
    let views = futures::future::join_all(runs.iter().map(|run| app.run(run))).await;
    let waits = views.iter().find(|view| view["status"] == "waiting").expect("the app takes five a second");
    let waiting = step(waits, "list");
    assert_eq!((&waiting["status"], &waiting["attempts"]), (&json!("waiting"), &json!(0)), "{waits}");
    assert_eq!(waiting["output"]["rate_limit_of"], "Airtable");
    for run in &runs {
        let run = app.wait_until(run, "succeeded").await;
        assert_eq!(step(&run, "list")["attempts"], 1, "{run}");
    }
    let counted = counted.lock().unwrap();
    assert_eq!((counted.all, counted.refused), (20, 0));
}

#[tokio::test]
async fn what_an_app_refuses_nonetheless_is_tried_again() {
    // It takes fewer than its documentation says.
    let (app, _target, counted) = taking(2).await;
    let workflow = app.publish(&manual("many", list(&connect(&app).await))).await;
    let input = json!({});
    let runs = futures::future::join_all((0..4).map(|_| app.start_run(&workflow.id, &input))).await;
    for run in &runs {
        app.wait_until(run, "succeeded").await;
    }
    assert!(counted.lock().unwrap().refused > 0);
}
