//! Many at once, of whom one may win.

use e2e::{EMAIL, Options, PASSWORD, SETUP_TOKEN, Target, TestApp, http_post, manual, text};
use futures::future::join_all;
use reqwest::Method;
use serde_json::json;
use std::collections::BTreeSet;

#[tokio::test]
async fn one_of_ten_set_ups_makes_the_owner() {
    let app = TestApp::start_fresh(Options::default());
    let setups = join_all((0..10).map(|n| {
        let email = format!("{n}{EMAIL}");
        let body = json!({"token": SETUP_TOKEN, "email": email, "password": PASSWORD, "organization": format!("Org {n}")});
        let app = &app;
        async move { (app.post("/v1/setup", &body).await, email) }
    }))
    .await;
    let (won, lost): (Vec<_>, Vec<_>) = setups.into_iter().partition(|(answer, _)| answer.status == 201);
    assert_eq!(won.len(), 1);
    for (answer, email) in lost {
        answer.refused(409, "already_set_up");
        let login = app.post("/v1/auth/login", &json!({"email": email, "password": PASSWORD})).await;
        login.refused(401, "sign_in_failed");
    }
    app.post("/v1/auth/login", &json!({"email": won[0].1, "password": PASSWORD})).await.expect(200);
}

#[tokio::test]
async fn twenty_starts_with_one_key_have_one_effect() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let workflow =
        app.publish(&manual("once", json!([http_post("send", &target.url("/"), json!({"n": 1}))]))).await;
    let path = format!("/v1/workflows/{}/runs", workflow.id);
    let starts = (0..20).map(|_| {
        app.wait_for("the one answer", || async {
            let start = app.request(Method::POST, &path).header("idempotency-key", "same").body("{}");
            let answer = app.send(start).await;
            if answer.status == 409 {
                answer.refused(409, "idempotency_in_progress");
                return None;
            }
            Some(text(&answer.expect(202)["id"]).to_owned())
        })
    });
    let ids: BTreeSet<String> = join_all(starts).await.into_iter().collect();
    assert_eq!(ids.len(), 1);
    for run in &ids {
        app.wait_until(run, "succeeded").await;
    }
    let after = app.start_run(&workflow.id, &json!(null)).await;
    app.wait_until(&after, "succeeded").await;
    assert_eq!((target.count(), app.runs(&format!("workflow={}", workflow.id)).await.len()), (2, 2));
}

#[tokio::test]
async fn changes_at_the_same_moment_are_versions_or_conflicts() {
    let app = TestApp::shared().await;
    let workflow = app.publish(&manual("one", json!([]))).await;
    let path = format!("/v1/workflows/{}", workflow.id);
    let changes = join_all((0..10).map(|n| {
        let (app, path) = (&app, &path);
        async move { (n, app.put(path, &manual(&format!("change {n}"), json!([]))).await) }
    }))
    .await;
    let mut versions = BTreeSet::new();
    for (n, answer) in &changes {
        if answer.status == 200 {
            let version = answer.json()["version"].as_u64().unwrap();
            assert!(versions.insert(version), "two changes made version {version}");
            let stored = app.get(&format!("{path}?version={version}")).await.expect(200);
            assert_eq!(stored["definition"]["name"], format!("change {n}"));
        } else {
            answer.refused(409, "conflict");
        }
    }
    let newest = app.get(&path).await.expect(200)["version"].as_u64().unwrap();
    assert_eq!(versions.iter().copied().collect::<Vec<_>>(), (2..=newest).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_cancel_and_an_end_agree_on_one_outcome() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let steps =
        json!([http_post("one", &target.url("/"), json!(1)), http_post("two", &target.url("/"), json!(2))]);
    let workflow = app.publish(&manual("raced", steps)).await;
    let mut ended = BTreeSet::new();
    for _ in 0..40 {
        let run = app.start_run(&workflow.id, &json!(null)).await;
        let cancel = app.cancel(&run).await;
        let status = if cancel.status == 200 {
            "cancelled"
        } else {
            cancel.refused(409, "run_ended");
            "succeeded"
        };
        assert_eq!(app.run(&run).await["status"], status);
        ended.insert((run, status));
    }
    // What was under way has come to its end by now; no outcome has changed.
    app.assert_undisturbed().await;
    for (run, status) in ended {
        assert_eq!(app.run(&run).await["status"], status);
    }
}
