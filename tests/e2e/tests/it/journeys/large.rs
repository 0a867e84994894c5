//! Bodies and outputs near their limits.

use e2e::{Options, Reply, Target, TestApp, http_get, http_post, manual, step, text, webhook};
use serde_json::{Value, json};

/// About 200 KB: more than a message carries, less than an item holds.
fn large() -> Value {
    json!({"rows": (0..2000).map(|n| json!({"n": n, "text": "some text of a row, and then some more of it, up to about a hundred"})).collect::<Vec<_>>()})
}

#[tokio::test]
async fn large_bodies_and_outputs_are_carried_through_every_step() {
    for chain_steps in [None, Some(1)] {
        let app = TestApp::start_with(Options { chain_steps, ..Options::default() }).await;
        let target = Target::start(|_, _| Reply::json(&large())).await;
        let workflow = app
            .publish(&webhook(
                "large",
                json!([
                    {"id": "copy", "type": "map", "output": "{{ trigger.body }}"},
                    {"id": "more", "type": "map", "output": {"rows": "{{ steps.copy.rows }}"}},
                    http_get("ask", &target.url("/ask")),
                    {"id": "pause", "type": "wait", "for": "PT1S"},
                    http_post("send", &target.url("/send"), json!("{{ steps.more.rows }}")),
                    {"id": "count", "type": "map", "output": "{{ $count(steps.copy.rows) + $count(steps.ask.body.rows) }}"}
                ]),
            ))
            .await;
        let run = app.hook_run(&workflow.hook, &large()).await;
        let run = app.wait_until(&run, "succeeded").await;
        assert_eq!(step(&run, "count")["output"], 4000);
        assert_eq!(run["input"]["body"], large());
        assert_eq!(step(&run, "ask")["output"]["body"], large());
        assert_eq!(target.seen_at("/send")[0].json(), large()["rows"]);
    }
}

#[tokio::test]
async fn answers_of_many_megabytes_become_files_and_larger_ones_are_refused() {
    let app = TestApp::shared().await;
    let target = Target::start(|seen, _| {
        let megabytes: usize = seen.path.trim_start_matches('/').parse().unwrap();
        let headers = vec![("content-type".to_owned(), "application/pdf".to_owned())];
        let body = (0..=255).cycle().take(megabytes * 1024 * 1024).collect();
        Reply::Answer { status: 200, headers, body }
    })
    .await;
    let steps = json!([
        http_get("fetch", &target.url("/{{ trigger.input }}")),
        {"id": "size", "type": "map", "output": "{{ steps.fetch.body.'$file'.bytes }}"}]);
    let workflow = app.publish(&manual("files", steps)).await;
    for megabytes in [1, 50] {
        let run = app.start_run(&workflow.id, &json!(megabytes)).await;
        let run = app.wait_until(&run, "succeeded").await;
        assert_eq!(step(&run, "size")["output"], megabytes * 1024 * 1024);
        let file = &step(&run, "fetch")["output"]["body"]["$file"];
        assert_eq!(file["type"], "application/pdf", "{file}");
        let path = format!("/v1/runs/{}/files/{}", text(&file["run"]), text(&file["name"]));
        let found = app.get(&path).await.expect(200);
        let kept = app.fork().with_token("").get(text(&found["url"])).await;
        assert_eq!((kept.status, kept.body.len()), (200, megabytes * 1024 * 1024));
        assert_eq!(kept.header("content-type"), "application/pdf");
        assert!(kept.body.iter().copied().eq((0..=255).cycle().take(kept.body.len())));
        let unsigned = text(&found["url"]).split('?').next().unwrap();
        assert_eq!(app.fork().with_token("").get(unsigned).await.status, 403);
    }
    let run = app.start_run(&workflow.id, &json!(51)).await;
    let run = app.wait_until(&run, "failed").await;
    assert_eq!(run["error"]["code"], "response_too_large");
    let none = format!("/v1/runs/{}/files/62-00000000000000000000000000x", text(&run["id"]));
    app.get(&none).await.refused(404, "file_not_found");
    app.assert_undisturbed().await;
}

#[tokio::test]
async fn what_is_too_large_to_run_in_place_is_read_by_the_guarded_process() {
    let app = TestApp::shared().await;
    let target = Target::start(|_, _| Reply::json(&large())).await;
    let steps = json!([
        http_get("ask", &target.url("/")),
        {"id": "sum", "type": "map", "output": "{{ $reduce(steps.ask.body.rows.n, function($a, $b) { $a + $b }) }}"},
        {"id": "twice", "type": "map", "output": ["{{ steps.ask.body }}", "{{ steps.ask.body }}"]},
        {"id": "counted", "type": "map", "output": "{{ $sum(steps.twice.($count(rows))) }}"}]);
    let run = app.run_steps(steps, &json!({}), "succeeded").await;
    assert_eq!(step(&run, "sum")["output"], 1999 * 1000);
    assert_eq!(step(&run, "counted")["output"], 4000);
    assert!(
        step(&run, "twice")["large"]["bytes"].as_u64().is_some_and(|bytes| bytes > 300_000),
        "{}",
        step(&run, "twice")
    );
}

#[tokio::test]
async fn deep_json_is_refused_or_carried_but_breaks_nothing() {
    let app = TestApp::shared().await;
    let steps = json!([
        {"id": "copy", "type": "map", "output": "{{ trigger.body }}"},
        {"id": "inner", "type": "map", "output": {"in": {"in": ["{{ steps.copy }}"]}}},
        {"id": "guarded", "type": "map", "output": "{{ ($f := function($x) { $type($x) }; $f(steps.inner)) }}"}
    ]);
    let workflow = app.publish(&webhook("deep", steps)).await;
    for levels in [10, 60, 90, 96, 100, 110, 120, 126, 127, 128, 1000] {
        let answer = app.post_raw(&workflow.hook, "application/json", nested(levels)).await;
        if answer.status != 202 {
            assert!(levels > 60, "{answer}");
            let code = text(&answer.json()["code"]).to_owned();
            answer.refused(answer.status, &code);
            assert!((400..500).contains(&answer.status), "{answer}");
            continue;
        }
        let run = text(&answer.json()["id"]).to_owned();
        let run = app
            .wait_for("the run to end", || async {
                let view = app.run(&run).await;
                view["finished_at"].is_string().then_some(view)
            })
            .await;
        if levels <= 60 {
            assert_eq!(step(&run, "guarded")["output"], "object", "{levels}");
        }
        if run["status"] != "succeeded" {
            let code = text(&run["error"]["code"]);
            assert!(
                code.starts_with("expression_") || code.ends_with("_too_deep"),
                "{levels}: {}",
                run["error"]
            );
            e2e::has_page(code);
        }
    }
    app.assert_undisturbed().await;
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

#[tokio::test]
async fn deep_answers_events_inputs_and_definitions_break_nothing() {
    let app = TestApp::shared().await;
    let target = Target::start(|seen, _| {
        let levels = seen.path.trim_start_matches('/').parse().unwrap();
        Reply::Raw(
            format!("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{}", nested(levels))
                .into_bytes(),
        )
    })
    .await;
    let steps = json!([
        http_get("ask", &target.url("/{{ trigger.input }}")),
        {"id": "pause", "type": "wait", "for": "PT0.1S"},
        {"id": "copy", "type": "map", "output": {"in": "{{ steps.ask.body }}"}}
    ]);
    let asking = app.publish(&manual("asks", steps)).await;
    let taking = app
        .publish(&manual("takes", json!([{"id": "copy", "type": "map", "output": "{{ trigger.input }}"}])))
        .await;
    let source = "deep-events";
    let listening = json!({"name": "listens", "triggers": [{"id": "e", "type": "event", "pattern": {"source": [source]}}],
                           "steps": [{"id": "copy", "type": "map", "output": "{{ trigger.event.detail }}"}]});
    let listening = app.publish(&listening).await;
    let mut events = 0;
    for levels in [1, 50, 90, 100, 118, 120, 122, 124, 125, 126, 127, 128, 5000] {
        let run = app.start_run(&asking.id, &json!(levels)).await;
        let run = app
            .wait_for("the run to end", || async {
                let view = app.run(&run).await;
                view["finished_at"].is_string().then_some(view)
            })
            .await;
        assert!(run["status"] == "succeeded" || levels > 90, "{levels}: {}", run["error"]);

        let start = app
            .post_raw(
                &format!("/v1/workflows/{}/runs", taking.id),
                "application/json",
                format!("{{\"input\": {}}}", nested(levels)),
            )
            .await;
        if start.status == 202 {
            let run = text(&start.json()["id"]).to_owned();
            app.wait_for("the run to end", || async {
                app.run(&run).await["finished_at"].is_string().then_some(())
            })
            .await;
        } else {
            let code = if levels < 127 { "input_too_deep" } else { "body_malformed" };
            start.refused(if levels < 127 { 422 } else { 400 }, code);
        }

        let event = format!(
            "{{\"source\": \"{source}\", \"detail_type\": \"Deep\", \"detail\": {{\"in\": {}}}}}",
            nested(levels)
        );
        let put = app.post_raw("/v1/events", "application/json", event).await;
        events += usize::from(put.status == 202);
        assert!(put.status == 202 || (levels > 90 && (400..500).contains(&put.status)), "{put}");

        let definition = format!(
            "{{\"name\": \"deep\", \"triggers\": [], \"steps\": [{{\"id\": \"a\", \"type\": \"map\", \"output\": {}}}]}}",
            nested(levels)
        );
        let made = app.post_raw("/v1/workflows", "application/json", definition).await;
        if made.status == 201 {
            app.get(&format!("/v1/workflows/{}", text(&made.json()["id"]))).await.expect(200);
        } else {
            assert!(levels > 80 && (400..500).contains(&made.status), "{made}");
        }
    }
    for run in app.runs_of(&listening.id, events).await {
        app.wait_for("the run to end", || async {
            app.run(text(&run["id"])).await["finished_at"].is_string().then_some(())
        })
        .await;
    }
    app.get("/v1/workflows").await.expect(200);
    app.assert_undisturbed().await;
}
