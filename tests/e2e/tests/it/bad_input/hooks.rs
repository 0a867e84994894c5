//! Odd webhooks.

use e2e::{Answer, TestApp, text, webhook};
use reqwest::Method;
use serde_json::{Value, json};

async fn keeping(app: &TestApp) -> String {
    app.publish(&webhook("keeps", json!([{"id": "keep", "type": "map", "output": "{{ trigger }}"}])))
        .await
        .hook
}

/// What the workflow saw of a request.
async fn seen(app: &TestApp, answer: &Answer) -> Value {
    let run = app.wait_until(text(&answer.expect(202)["id"]), "succeeded").await;
    assert_eq!(run["steps"][0]["output"], run["input"], "{run:#}");
    run["input"].clone()
}

#[tokio::test]
async fn bodies_of_all_kinds_start_a_run() {
    let app = TestApp::shared().await;
    let hook = keeping(&app).await;
    for (content_type, body, want) in [
        ("application/json", &b"{\"a\": [1, null, \"\xc3\xa9\"]}"[..], json!({"a": [1, null, "é"]})),
        ("application/cloudevents+json; charset=utf-8", b"[1]", json!([1])),
        ("application/json", b"", json!(null)),
        ("application/json", b"\"text\"", json!("text")),
        ("application/json", b"12345678901234567890", json!(12_345_678_901_234_567_890_u64)),
        (
            "application/x-www-form-urlencoded",
            b"a=1&b=x+y&a=2&%C3%A9=%F0%9F%A6%80",
            json!({"a": ["1", "2"], "b": "x y", "é": "🦀"}),
        ),
        ("text/plain", "grüße".as_bytes(), json!("grüße")),
        ("", b"{\"a\": 1}", json!("{\"a\": 1}")),
        ("application/octet-stream", &[0xff, 0x00, 0xfe], json!({"base64": "/wD+"})),
    ] {
        let answer = app.post_raw(&hook, content_type, body).await;
        assert_eq!(seen(&app, &answer).await["body"], want, "{content_type} {body:?}");
    }
    // The largest body that is taken, and its run.
    let large = json!({"x": "y".repeat(255 * 1024)});
    let answer = app.hook(&hook, &large).await;
    let run = app.wait_until(text(&answer.expect(202)["id"]), "succeeded").await;
    assert_eq!(run["input"]["body"], large);
}

#[tokio::test]
async fn headers_and_queries_come_as_they_were_sent() {
    let app = TestApp::shared().await;
    let hook = keeping(&app).await;
    let path = format!("{hook}?a=1&a=2&b=&c=x%20y&%C3%A9=%F0%9F%A6%80&plus=1%2B1");
    let mut request = app.request(Method::POST, &path).header("X-Twice", "one").header("x-twice", "two");
    request =
        request.header("cookie", "session=s3cret").header("x-latin", &b"caf\xe9"[..]).header("x-empty", "");
    request = request.header("x-gitlab-token", "s3cret").header("x-api-key", "s3cret");
    let trigger = seen(&app, &app.send(request).await).await;
    let query = &trigger["query"];
    assert_eq!(
        (&query["b"], &query["c"], &query["é"], &query["plus"]),
        (&json!(""), &json!("x y"), &json!("🦀"), &json!("1+1"))
    );
    assert!(query["a"] == json!(["1", "2"]) || query["a"] == json!("1,2"), "{query}");
    let headers = &trigger["headers"];
    assert!(
        text(&headers["x-twice"]).contains("one") && text(&headers["x-twice"]).contains("two"),
        "{headers}"
    );
    assert_eq!(headers["x-empty"], "");
    // What would carry the sender's own secrets into the history does not get there.
    for name in ["authorization", "cookie", "x-gitlab-token", "x-api-key"] {
        assert_eq!(headers[name], "[redacted]", "{headers}");
    }
    assert!(!trigger.to_string().contains("s3cret"), "{trigger}");
    assert_eq!(trigger["body"], json!(null));

    let trailing = app.hook(&format!("{hook}/"), &json!({})).await;
    seen(&app, &trailing).await;
}

#[tokio::test]
async fn what_cannot_start_a_run_is_refused() {
    let app = TestApp::shared().await;
    let hook = keeping(&app).await;
    let nobody = "/hooks/hk_00000000000000000000000000";
    for path in [
        nobody,
        "/hooks/",
        "/hooks/nonsense",
        "/hooks/hk_%00",
        &format!("{hook}/more"),
        &hook.to_uppercase().replace("HOOKS", "hooks"),
    ] {
        app.hook(path, &json!({})).await.refused(404, "hook_not_found");
    }
    for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
        app.send(app.request(method, &hook)).await.refused(405, "method_not_allowed");
    }
    app.post_raw(&hook, "application/json", "{\"a\":").await.refused(400, "body_malformed");
    app.post_raw(&hook, "application/json", [0xff, 0xfe]).await.refused(400, "body_malformed");
    app.post_raw(&hook, "application/json", "[".repeat(100_000)).await.refused(400, "body_malformed");
    app.post_raw(&hook, "text/plain", "x".repeat(256 * 1024 + 1)).await.refused(413, "body_too_large");
    let huge = app.post_raw(&hook, "text/plain", vec![b'x'; 11 * 1024 * 1024]).await;
    assert_eq!(huge.expect(413)["message"], "Request Entity Too Large");
    app.assert_undisturbed().await;
}
