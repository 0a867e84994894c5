//! What holds for every route: tags, repeats, limits, ids of requests, cursors.

use e2e::{Options, TestApp, text};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let app = TestApp::shared().await;
    let made = app.post("/v1/workflows", &e2e::manual("one", json!([]))).await;
    let path = format!("/v1/workflows/{}", text(&made.expect(201)["id"]));
    let first = made.header("etag").to_owned();
    assert_eq!(app.get(&path).await.header("etag"), first);
    let put = async |tag: &str, name: &str| {
        let request = app.request(Method::PUT, &path).header("if-match", tag);
        let body = e2e::manual(name, json!([])).to_string();
        app.send(request.header("content-type", "application/json").body(body)).await
    };
    let second = put(&first, "two").await;
    second.expect(200);
    assert_ne!(second.header("etag"), first);
    let refused = put(&first, "three").await;
    let problem = refused.refused(412, "precondition_failed");
    assert_eq!(
        (text(&problem["current"]), refused.header("etag")),
        (second.header("etag"), second.header("etag"))
    );
    assert_eq!(app.get(&path).await.json()["name"], "two");
    for (tag, status) in [("*", 200), ("\"999\", *", 200), ("W/\"1\"", 412), ("", 412)] {
        assert_eq!(put(tag, "four").await.status, status, "{tag}");
    }
    // The other ways to change it look at the tag, too.
    for action in ["enable", "disable", "publish", "traffic"] {
        let method = if action == "traffic" { Method::PUT } else { Method::POST };
        let body = json!({"publish": {"version": 1}, "traffic": {"trigger": "manual", "split": []}});
        let body = body.get(action).cloned().unwrap_or_else(|| json!({}));
        let request = app.request(method, &format!("{path}/{action}")).header("if-match", &first);
        let answer =
            app.send(request.header("content-type", "application/json").body(body.to_string())).await;
        answer.refused(412, "precondition_failed");
    }
}

#[tokio::test]
async fn a_repeated_request_is_carried_out_once() {
    let app = TestApp::shared().await;
    let key = format!("key-{}", text(&app.get("/v1/me").await.json()["session"]));
    let definition = e2e::manual("repeated", json!([]));
    let create = async |body: &serde_json::Value| {
        app.post_with("/v1/workflows", &[("idempotency-key", &key)], body).await
    };
    let first = create(&definition).await;
    let again = create(&definition).await;
    assert_eq!((first.expect(201), first.header("etag")), (again.expect(201), again.header("etag")));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    assert_eq!(first.header("content-type"), again.header("content-type"));
    create(&e2e::manual("another", json!([]))).await.refused(422, "idempotency_key_reused");
    let bad = app.post_with("/v1/workflows", &[("idempotency-key", "")], &definition).await;
    bad.refused(422, "invalid_idempotency_key");

    // A refusal is an answer, too.
    let key = format!("{key}-refused");
    let refused =
        async || app.post_with("/v1/workflows", &[("idempotency-key", &key)], &json!({"name": 1})).await;
    let first = refused().await;
    assert_eq!(first.refused(422, "invalid_definition"), refused().await.refused(422, "invalid_definition"));

    // What holds a secret is given once, and kept nowhere.
    let key = format!("{key}-secret");
    let made = json!({"name": "k", "scopes": ["account.own"]});
    let make = async || app.post_with("/v1/api-keys", &[("idempotency-key", &key)], &made).await;
    let first = make().await;
    assert_eq!((first.status, first.header("cache-control")), (201, "no-store"), "{first}");
    make().await.refused(409, "answer_shown_once");

    // At the same moment, one is carried out; the others are told so, or get its answer.
    let key = format!("{key}-parallel");
    let workflow = app.publish(&definition).await;
    let path = format!("/v1/workflows/{}/runs", workflow.id);
    let headers = [("idempotency-key", key.as_str())];
    let body = json!({});
    let all = futures::future::join_all((0..8).map(|_| app.post_with(&path, &headers, &body))).await;
    let mut started = Vec::new();
    for answer in all {
        match answer.status {
            202 => started.push(answer.json()["id"].clone()),
            _ => drop(answer.refused(409, "idempotency_in_progress")),
        }
    }
    started.dedup();
    assert_eq!(started.len(), 1, "{started:?}");
    assert_eq!(app.runs(&format!("workflow={}", workflow.id)).await.len(), 1);
}

#[tokio::test]
async fn too_many_requests_are_refused_and_everybody_is_told_how_it_stands() {
    let app = TestApp::start_with(Options { rates: (40, 60), ..Options::default() }).await;
    let mut refused = None;
    for n in 0..45 {
        let answer = app.get("/v1/workflows").await;
        if answer.status == 429 {
            refused = Some((n, answer));
            break;
        }
        answer.expect(200);
        assert_eq!(answer.header("ratelimit-limit"), "40");
        assert!(answer.header("ratelimit-remaining").parse::<u32>().unwrap() < 40);
        assert!((1..=60).contains(&answer.header("ratelimit-reset").parse::<i64>().unwrap()));
    }
    let Some((n, refused)) = refused else {
        // The minute turned while we asked; then the next window takes the rest.
        return;
    };
    refused.refused(429, "rate_limited");
    assert!(n <= 40, "{n}");
    assert!((1..=60).contains(&refused.header("retry-after").parse::<i64>().unwrap()));
    assert_eq!(refused.header("ratelimit-remaining"), "0");
    // Nobody else is refused for that, until the organisation's own limit is reached.
    app.fork().with_token("").get("/v1/health").await.expect(200);
}

#[tokio::test]
async fn every_answer_names_its_request_and_every_record_too() {
    let app = TestApp::start().await;
    let made = app.post("/v1/workflows", &e2e::manual("one", json!([]))).await;
    let id = made.header("x-request-id").to_owned();
    assert!(id.len() > 10, "{made}");
    let told = app.get("/v1/audit?action=workflow.created").await.expect(200);
    assert_eq!(told["items"][0]["request"], id);
    let refused = app.get("/v1/nothing").await;
    assert!(!refused.header("x-request-id").is_empty());
    assert_ne!(refused.header("x-request-id"), id);
    assert_eq!(refused.header("access-control-allow-origin"), "", "other sites' scripts read nothing");
}

#[tokio::test]
async fn a_cursor_is_good_for_its_list_and_its_organisation_only() {
    let app = TestApp::start().await;
    for n in 0..3 {
        app.create_workflow(&e2e::manual(&format!("w{n}"), json!([]))).await;
    }
    let cursor = text(&app.get("/v1/workflows?limit=1").await.expect(200)["next_cursor"]).to_owned();
    app.get(&format!("/v1/workflows?cursor={cursor}")).await.expect(200);
    app.get(&format!("/v1/members?cursor={cursor}")).await.refused(422, "invalid_cursor");
    let mut spoiled = cursor.clone().into_bytes();
    spoiled[3] = if spoiled[3] == b'A' { b'B' } else { b'A' };
    let spoiled = String::from_utf8(spoiled).unwrap();
    app.get(&format!("/v1/workflows?cursor={spoiled}")).await.refused(422, "invalid_cursor");
    let bare = cursor.split('.').next().unwrap();
    app.get(&format!("/v1/workflows?cursor={bare}")).await.refused(422, "invalid_cursor");
}
