//! Drafts, publishing, going back, and versions that share the traffic.

use e2e::{TestApp, Workflow, step, text};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A workflow that says which version of it runs, started in every way there is. `source` is its own on the bus.
fn definition(source: &str, says: &str) -> Value {
    json!({
        "name": format!("says {says}"),
        "triggers": [
            {"id": "form", "type": "webhook", "dedupe": "{{ trigger.body.id }}"},
            {"id": "by_hand", "type": "manual"},
            {"id": "bus", "type": "event", "pattern": {"source": [source]}}
        ],
        "steps": [{"id": "say", "type": "map", "output": says}]
    })
}

async fn draft(app: &TestApp, workflow: &Workflow, definition: &Value) -> Value {
    app.put(&format!("/v1/workflows/{}?publish=false", workflow.id), definition).await.expect(200)
}

async fn make_live(app: &TestApp, workflow: &Workflow, version: u64) -> Value {
    let path = format!("/v1/workflows/{}/publish", workflow.id);
    app.post(&path, &json!({"version": version})).await.expect(200)
}

async fn split(app: &TestApp, workflow: &Workflow, trigger: &str, split: Value) -> Value {
    let path = format!("/v1/workflows/{}/traffic", workflow.id);
    app.put(&path, &json!({"trigger": trigger, "split": split})).await.expect(200)
}

/// Which version runs, started in each way.
async fn versions_that_run(app: &TestApp, workflow: &Workflow, source: &str, id: &str) -> [u64; 3] {
    let by_hook = app.hook_run(&workflow.hook, &json!({"id": id})).await;
    let by_hand = app.start_run(&workflow.id, &json!(null)).await;
    let event = app.put_event(source, "Asked", &json!({})).await;
    let by_event = app
        .wait_for("the event's run", || async {
            let runs = app.runs(&format!("workflow={}", workflow.id)).await;
            let by_bus =
                runs.iter().filter(|run| run["trigger"] == "bus").map(|run| text(&run["id"]).to_owned());
            for run in by_bus {
                if app.run(&run).await["input"]["event"]["id"] == event.as_str() {
                    return Some(run);
                }
            }
            None
        })
        .await;
    let mut versions = [0; 3];
    for (version, run) in versions.iter_mut().zip([by_hook, by_hand, by_event]) {
        let run = app.wait_until(&run, "succeeded").await;
        *version = run["version"].as_u64().unwrap();
        assert_eq!(step(&run, "say")["output"], format!("v{version}"), "the steps are that version's");
    }
    versions
}

#[tokio::test]
async fn a_draft_runs_when_it_is_published_and_going_back_is_publishing_an_older_one() {
    let app = TestApp::shared().await;
    let source = "rollout.draft";
    let workflow = app.publish(&definition(source, "v1")).await;
    let path = format!("/v1/workflows/{}", workflow.id);

    let saved = draft(&app, &workflow, &definition(source, "v2")).await;
    assert_eq!((&saved["version"], &saved["live"]), (&json!(2), &json!(1)));
    assert_eq!(versions_that_run(&app, &workflow, source, "a").await, [1, 1, 1]);
    let view = app.get(&path).await.expect(200);
    assert_eq!((&view["version"], &view["live"], &view["name"]), (&json!(2), &json!(1), &json!("says v1")));
    // A draft can be tried by hand.
    let tried = app.post(&format!("{path}/runs"), &json!({"version": 2})).await.expect(202);
    let tried = app.wait_until(text(&tried["id"]), "succeeded").await;
    assert_eq!((&tried["version"], &step(&tried, "say")["output"]), (&json!(2), &json!("v2")));
    app.post(&format!("{path}/runs"), &json!({"version": 3})).await.refused(404, "version_not_found");

    let live = make_live(&app, &workflow, 2).await;
    assert_eq!((&live["version"], &live["live"], &live["name"]), (&json!(2), &json!(2), &json!("says v2")));
    assert!(text(&live["triggers"][0]["url"]).ends_with(&workflow.hook), "the address stays");
    assert_eq!(versions_that_run(&app, &workflow, source, "b").await, [2, 2, 2]);

    let back = make_live(&app, &workflow, 1).await;
    assert_eq!((&back["version"], &back["live"]), (&json!(1), &json!(1)));
    assert_eq!(versions_that_run(&app, &workflow, source, "c").await, [1, 1, 1]);
    let again = make_live(&app, &workflow, 1).await;
    assert_eq!(again["updated_at"], back["updated_at"], "it was live: nothing was changed");

    // What is saved next is behind the newest, and live unless it is a draft.
    let third = app.change_workflow(&workflow.id, &definition(source, "v3")).await;
    assert_eq!(third.version, 3);
    assert_eq!(versions_that_run(&app, &workflow, source, "d").await, [3, 3, 3]);

    app.post(&format!("{path}/publish"), &json!({"version": 4})).await.refused(404, "version_not_found");
    app.post(&format!("{path}/publish"), &json!({})).await.refused(422, "invalid_body");
    let bad = app.put(&format!("{path}?publish=false"), &json!({"name": "x"})).await;
    bad.refused(422, "invalid_definition");
    app.put(&format!("{path}?publish=maybe"), &definition(source, "v4")).await.refused(422, "invalid_query");
}

#[tokio::test]
async fn versions_are_listed_shown_and_compared() {
    let app = TestApp::shared().await;
    let source = "rollout.list";
    let workflow = app.publish(&definition(source, "v1")).await;
    let path = format!("/v1/workflows/{}", workflow.id);
    app.change_workflow(&workflow.id, &definition(source, "v2")).await;
    let mut third = definition(source, "v3");
    third["steps"] = json!([{"id": "first", "type": "map", "output": 1}, third["steps"][0].clone()]);
    draft(&app, &workflow, &third).await;
    split(&app, &workflow, "form", json!([{"version": 2, "weight": 3}, {"version": 3, "weight": 1}])).await;

    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let page = app.get(&format!("{path}/versions?limit=2{cursor}")).await.expect(200);
        seen.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    let shown: Vec<(u64, bool, &Value)> =
        seen.iter().map(|v| (v["version"].as_u64().unwrap(), v["live"] == true, &v["traffic"])).collect();
    let (most, least) = (
        json!([{"trigger": "form", "weight": 3, "of": 4}]),
        json!([{"trigger": "form", "weight": 1, "of": 4}]),
    );
    assert_eq!(shown, [(3, false, &least), (2, true, &most), (1, false, &json!([]))]);
    assert!(seen.windows(2).all(|pair| text(&pair[0]["created_at"]) >= text(&pair[1]["created_at"])));
    let cursor = app.get(&format!("{path}/versions?cursor=eA")).await;
    cursor.refused(422, "invalid_cursor");
    app.get(&format!("{path}/versions?limit=0")).await.refused(422, "invalid_limit");

    let one = app.get(&format!("{path}/versions/1")).await.expect(200);
    assert_eq!((&one["definition"], &one["live"]), (&definition(source, "v1"), &json!(false)));
    for none in ["0", "4", "x", "-1", "99999999999"] {
        app.get(&format!("{path}/versions/{none}")).await.refused(404, "version_not_found");
    }
    let unknown = "/v1/workflows/wf_00000000000000000000000000";
    for rest in ["versions", "versions/1", "diff", "figures"] {
        app.get(&format!("{unknown}/{rest}")).await.refused(404, "workflow_not_found");
    }

    // Without a range: what publishing the newest would change.
    let changes = app.get(&format!("{path}/diff")).await.expect(200);
    assert_eq!(
        changes,
        json!({"from": 2, "to": 3, "changes": [
            {"op": "replace", "pointer": "/name", "from": "says v2", "to": "says v3"},
            {"op": "add", "pointer": "/steps/0", "id": "first", "to": {"id": "first", "type": "map", "output": 1}},
            {"op": "replace", "pointer": "/steps/1/output", "id": "say", "from": "v2", "to": "v3"}
        ]})
    );
    let same = app.get(&format!("{path}/diff?from=1&to=1")).await.expect(200);
    assert_eq!(same["changes"], json!([]));
    app.get(&format!("{path}/diff?from=1&to=7")).await.refused(404, "version_not_found");
}

#[tokio::test]
async fn half_of_forty_webhooks_take_each_version_and_repeats_take_the_same() {
    let app = TestApp::shared().await;
    let source = "rollout.split";
    let workflow = app.publish(&definition(source, "v1")).await;
    draft(&app, &workflow, &definition(source, "v2")).await;
    let half = json!([{"version": 1, "weight": 50}, {"version": 2, "weight": 50}]);
    let view = split(&app, &workflow, "form", half.clone()).await;
    assert_eq!((&view["live"], &view["triggers"][0]["split"]), (&json!(1), &half));
    // Switching it off and on again changes nothing about it.
    app.disable(&workflow.id).await;
    app.enable(&workflow.id).await;

    let send = |n: u32| {
        let (app, workflow) = (&app, &workflow);
        async move { app.hook_run(&workflow.hook, &json!({"id": format!("order-{n}")})).await }
    };
    let runs = join_all((0..40).map(send)).await;
    let repeats = join_all((0..40).map(send)).await;
    assert_eq!(runs, repeats);
    let mut versions = BTreeMap::<u64, u32>::new();
    for run in &runs {
        let run = app.wait_until(run, "succeeded").await;
        let version = run["version"].as_u64().unwrap();
        assert_eq!(step(&run, "say")["output"], format!("v{version}"));
        *versions.entry(version).or_default() += 1;
    }
    assert_eq!(versions.keys().copied().collect::<Vec<_>>(), [1, 2]);
    assert!(versions.values().all(|n| (8..=32).contains(n)), "{versions:?}");

    // The other triggers have no split.
    let by_hand = app.start_run(&workflow.id, &json!(null)).await;
    assert_eq!(app.wait_until(&by_hand, "succeeded").await["version"], 1);

    let path = format!("/v1/workflows/{}", workflow.id);
    let figures = app.get(&format!("{path}/figures?trigger=form")).await.expect(200);
    assert_eq!(
        (&figures["runs"], &figures["looked_at"], &figures["complete"]),
        (&json!(40), &json!(41), &json!(true))
    );
    for (figure, version) in figures["versions"].as_array().unwrap().iter().zip([2, 1]) {
        assert_eq!((&figure["version"], &figure["success_rate"]), (&json!(version), &json!(1.0)));
        assert_eq!(
            (&figure["runs"], &figure["statuses"]["succeeded"]),
            (&json!(versions[&version]), &figure["runs"])
        );
    }
    let first = app.runs(&format!("workflow={}", workflow.id)).await.pop().unwrap();
    assert_eq!(figures["since"], first["started_at"]);

    // Publishing ends the split: all that is new takes one version. A repeat finds the run that it started.
    make_live(&app, &workflow, 2).await;
    let view = app.get(&path).await.expect(200);
    assert!(view["triggers"][0].get("split").is_none(), "{view:#}");
    assert_eq!(join_all((0..40).map(send)).await, runs);
    for run in join_all((40..50).map(send)).await {
        assert_eq!(app.wait_until(&run, "succeeded").await["version"], 2);
    }
}

#[tokio::test]
async fn starts_by_hand_and_events_are_split_too() {
    let app = TestApp::shared().await;
    let source = "rollout.others";
    let workflow = app.publish(&definition(source, "v1")).await;
    draft(&app, &workflow, &definition(source, "v2")).await;
    let half = json!([{"version": 1, "weight": 1}, {"version": 2, "weight": 1}]);
    split(&app, &workflow, "by_hand", half.clone()).await;
    split(&app, &workflow, "bus", half).await;
    for n in 0..20 {
        let key = format!("hand-{n}");
        let request = || {
            let request = app.request(Method::POST, &format!("/v1/workflows/{}/runs", workflow.id));
            app.send(request.header("idempotency-key", &key).body("{}"))
        };
        let started = request().await.expect(202);
        assert_eq!(started["id"], request().await.expect(202)["id"]);
        app.put_event(source, "Asked", &json!({"n": n})).await;
    }
    let runs = app.runs_of(&workflow.id, 40).await;
    assert_eq!(runs.len(), 40);
    for trigger in ["by_hand", "bus"] {
        let versions: BTreeSet<u64> =
            runs.iter().filter(|r| r["trigger"] == trigger).map(|r| r["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, BTreeSet::from([1, 2]), "{trigger}");
    }
    for _ in 0..5 {
        let path = format!("/v1/workflows/{}/runs", workflow.id);
        let named = app.post(&path, &json!({"version": 2})).await.expect(202);
        assert_eq!(app.run(text(&named["id"])).await["version"], 2, "who names a version gets it");
    }
    let view = split(&app, &workflow, "by_hand", json!([])).await;
    assert!(
        view["triggers"][1].get("split").is_none() && view["triggers"][2].get("split").is_some(),
        "{view:#}"
    );
    for _ in 0..5 {
        let run = app.start_run(&workflow.id, &json!(null)).await;
        assert_eq!(app.run(&run).await["version"], 1);
    }
}

#[tokio::test]
async fn traffic_goes_only_where_it_can() {
    let app = TestApp::shared().await;
    let source = "rollout.refused";
    let workflow = app.publish(&definition(source, "v1")).await;
    let other = json!({"name": "other", "triggers": [{"id": "form", "type": "manual"}], "steps": []});
    draft(&app, &workflow, &other).await;
    let path = format!("/v1/workflows/{}/traffic", workflow.id);
    let share = |version: u32, weight: u32| json!({"version": version, "weight": weight});
    let eleven: Vec<Value> = (1..12).map(|n| share(n, 1)).collect();
    for (trigger, split, pointers) in [
        ("form", json!([share(1, 0)]), vec!["/split/0/weight"]),
        ("form", json!([share(1, 1), share(1, 2)]), vec!["/split/1/version"]),
        (
            "form",
            json!([share(1, 1), share(2, 1), share(9, 1)]),
            vec!["/split/1/version", "/split/2/version"],
        ),
        ("by_hand", json!([share(2, 1)]), vec!["/split/0/version"]),
        ("form", json!(eleven), vec!["/split"]),
        ("none", json!([share(1, 1)]), vec!["/trigger"]),
        ("none", json!([]), vec!["/trigger"]),
    ] {
        let answer = app.put(&path, &json!({"trigger": trigger, "split": split})).await;
        let problem = answer.refused(422, "invalid_split");
        let found: Vec<&str> =
            problem["errors"].as_array().unwrap().iter().map(|e| text(&e["pointer"])).collect();
        assert_eq!(found, pointers, "{problem:#}");
    }
    for body in [
        json!({"trigger": "form"}),
        json!({"trigger": "form", "split": [{"version": 1, "weight": -1}]}),
        json!({"trigger": "form", "split": [{"version": 1, "weight": 1.5}]}),
        json!({"trigger": "form", "split": [{"version": 1, "weight": 1, "name": "a"}]}),
    ] {
        app.put(&path, &body).await.refused(422, "invalid_body");
    }
    let view = app.get(&format!("/v1/workflows/{}?version=1", workflow.id)).await.expect(200);
    assert!(view["triggers"].as_array().unwrap().iter().all(|t| t.get("split").is_none()), "{view:#}");
}

#[tokio::test]
async fn going_back_to_a_version_with_a_webhook_gives_its_address_back() {
    let app = TestApp::shared().await;
    let source = "rollout.address";
    let workflow = app.publish(&definition(source, "v1")).await;
    app.change_workflow(&workflow.id, &e2e::manual("without", json!([]))).await;
    app.hook(&workflow.hook, &json!({"id": 1})).await.refused(404, "hook_not_found");
    app.post(&format!("/v1/workflows/{}/runs", workflow.id), &json!({"version": 1})).await.expect(202);
    make_live(&app, &workflow, 1).await;
    assert_eq!(versions_that_run(&app, &workflow, source, "back").await, [1, 1, 1]);
}

#[tokio::test]
async fn of_changes_at_the_same_moment_all_or_nothing_is_there() {
    let app = TestApp::shared().await;
    let source = "rollout.race";
    let workflow = app.publish(&definition(source, "v1")).await;
    draft(&app, &workflow, &definition(source, "v2")).await;
    let path = format!("/v1/workflows/{}", workflow.id);
    for round in 0..5 {
        let publishes = [1, 2, 1, 2].map(|version| (format!("{path}/publish"), json!({"version": version})));
        let publishes = publishes.iter().map(|(path, body)| app.post(path, body));
        let half =
            json!({"trigger": "form", "split": [{"version": 1, "weight": 1}, {"version": 2, "weight": 1}]});
        let traffic_path = format!("{path}/traffic");
        let (answers, traffic) = tokio::join!(join_all(publishes), app.put(&traffic_path, &half));
        for answer in answers.iter().chain([&traffic]).filter(|answer| answer.status != 200) {
            answer.refused(409, "conflict");
        }
        let view = app.get(&path).await.expect(200);
        let live = view["live"].as_u64().unwrap();
        if view["triggers"][0].get("split").is_none() {
            let run = app.hook_run(&workflow.hook, &json!({"id": format!("round-{round}")})).await;
            assert_eq!(app.run(&run).await["version"], live, "the address leads to the live version");
        }
    }
}

#[tokio::test]
async fn the_live_version_says_what_a_repeat_is() {
    let app = TestApp::shared().await;
    let source = "rollout.key";
    let workflow = app.publish(&definition(source, "v1")).await;
    let mut other = definition(source, "v2");
    other["triggers"][0]["dedupe"] = "{{ trigger.body.nonce }}".into();
    other["triggers"][2]["pattern"] = json!({"source": ["nobody"]});
    draft(&app, &workflow, &other).await;
    split(&app, &workflow, "form", json!([{"version": 2, "weight": 1}])).await;
    split(&app, &workflow, "bus", json!([{"version": 2, "weight": 1}])).await;
    let first = app.hook_run(&workflow.hook, &json!({"id": 7, "nonce": "a"})).await;
    let again = app.hook_run(&workflow.hook, &json!({"id": 7, "nonce": "b"})).await;
    let another = app.hook_run(&workflow.hook, &json!({"id": 8, "nonce": "a"})).await;
    assert!(first == again && first != another);
    assert_eq!(app.wait_until(&first, "succeeded").await["version"], 2);
    app.put_event(source, "Asked", &json!({})).await;
    let runs = app.runs_of(&workflow.id, 3).await;
    assert_eq!((&runs[0]["trigger"], &runs[0]["version"]), (&json!("bus"), &json!(2)));
}
