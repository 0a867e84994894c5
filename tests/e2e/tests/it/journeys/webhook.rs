//! A webhook runs a workflow.

use e2e::{Target, TestApp, step, text, webhook};
use serde_json::json;

#[tokio::test]
async fn a_webhook_runs_map_branch_and_http_and_all_of_it_is_kept() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let workflow = app
        .publish(&webhook(
            "Lead to CRM",
            json!([
                {"id": "person", "type": "map", "output": {
                    "email": "{{ $lowercase(trigger.body.email) }}",
                    "name": "{{ trigger.body.first & ' ' & trigger.body.last }}",
                    "score": "{{ trigger.body.score }}"}},
                {"id": "hot", "type": "branch",
                 "arms": [{"when": "{{ steps.person.score > 80 }}", "steps": [
                    {"id": "tell", "type": "action", "use": "http.request", "input": {
                        "method": "POST", "url": target.url("/leads"),
                        "headers": {"authorization": "Bearer s3cret", "x-run": "{{ run.id }}"},
                        "query": {"from": "patchbay"},
                        "body": {"text": "Hot: {{ steps.person.name }}", "score": "{{ steps.person.score }}"}}}]}],
                 "else": [{"id": "cold", "type": "map", "output": "cold"}]},
                {"id": "said", "type": "map", "output": "{{ steps.tell.body.ok }}"}
            ]),
        ))
        .await;
    let run = app
        .hook_run(
            &workflow.hook,
            &json!({"email": "ADA@Example.com", "first": "Ada", "last": "Lovelace", "score": 91}),
        )
        .await;
    let run = app.wait_until(&run, "succeeded").await;

    assert_eq!((&run["workflow"], &run["version"]), (&json!(workflow.id), &json!(1)));
    assert_eq!(run["trigger"], "in");
    assert_eq!(run["input"]["body"]["first"], "Ada");
    assert_eq!(run["input"]["method"], "POST");
    assert_eq!(run["input"]["headers"]["content-type"], "application/json");
    assert!(run["error"].is_null());
    let paths: Vec<&str> = run["steps"].as_array().unwrap().iter().map(|s| text(&s["path"])).collect();
    assert_eq!(paths, ["person", "hot", "hot.tell", "said"]);
    let types: Vec<&str> = run["steps"].as_array().unwrap().iter().map(|s| text(&s["type"])).collect();
    assert_eq!(types, ["map", "branch", "action", "map"]);
    for step in run["steps"].as_array().unwrap() {
        assert_eq!(
            (&step["status"], &step["attempts"], &step["error"]),
            (&json!("succeeded"), &json!(1), &json!(null))
        );
        assert!(text(&step["started_at"]) <= text(&step["finished_at"]), "{step:#}");
        assert!(text(&run["started_at"]) <= text(&step["started_at"]), "{run:#}");
        assert!(text(&step["finished_at"]) <= text(&run["finished_at"]), "{run:#}");
    }
    assert_eq!(
        step(&run, "person")["output"],
        json!({"email": "ada@example.com", "name": "Ada Lovelace", "score": 91})
    );
    assert_eq!(
        step(&run, "person")["input"]["trigger"]["body"]["email"],
        "ADA@Example.com",
        "a step's input is what it read"
    );
    assert_eq!(step(&run, "hot")["input"], json!({"steps": {"person": {"score": 91}}}));
    assert_eq!(step(&run, "said")["input"], json!({"steps": {"tell": {"body": {"ok": true}}}}));
    assert_eq!(step(&run, "hot")["output"], json!({"arm": 0}));
    let tell = step(&run, "hot.tell");
    assert_eq!(tell["input"]["body"], json!({"text": "Hot: Ada Lovelace", "score": 91}));
    assert_eq!(tell["input"]["headers"]["authorization"], "[redacted]");
    assert_eq!((&tell["output"]["status"], &tell["output"]["body"]), (&json!(200), &json!({"ok": true})));
    assert_eq!(step(&run, "said")["output"], true);
    assert!(!run.to_string().contains("s3cret"), "a secret is in the history: {run:#}");

    let seen = target.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!((seen[0].method.as_str(), seen[0].path.as_str()), ("POST", "/leads?from=patchbay"));
    assert_eq!(
        (seen[0].header("authorization"), seen[0].header("x-run")),
        ("Bearer s3cret", text(&run["id"]))
    );
    assert_eq!(seen[0].json(), json!({"text": "Hot: Ada Lovelace", "score": 91}));
    assert!(seen[0].key().starts_with("pb_"), "{:?}", seen[0]);
}

#[tokio::test]
async fn the_other_arm_is_taken_and_the_first_is_not() {
    let app = TestApp::shared().await;
    let workflow = app
        .publish(&webhook(
            "arms",
            json!([{"id": "size", "type": "branch", "arms": [
                {"when": "{{ trigger.body.n > 100 }}", "steps": [{"id": "big", "type": "map", "output": "big"}]},
                {"when": "{{ trigger.body.n > 10 }}", "steps": [
                    {"id": "odd", "type": "branch", "arms": [{"when": "{{ trigger.body.n % 2 = 1 }}", "steps": []}],
                     "else": [{"id": "even", "type": "map", "output": "even"}]}]}]}]),
        ))
        .await;
    for (n, paths) in [
        (1000, vec!["size", "size.big"]),
        (12, vec!["size", "size.odd", "size.odd.even"]),
        (13, vec!["size", "size.odd"]),
        (1, vec!["size"]),
    ] {
        let run = app.hook_run(&workflow.hook, &json!({"n": n})).await;
        let run = app.wait_until(&run, "succeeded").await;
        let ran: Vec<&str> = run["steps"].as_array().unwrap().iter().map(|s| text(&s["path"])).collect();
        assert_eq!(ran, paths, "{run:#}");
    }
}
