//! HTTP steps to where nothing may go, and to targets that misbehave.

use e2e::{Options, Reply, Target, TestApp, assert_failed, http_get, http_post, manual, step, text};
use futures::future::join_all;
use serde_json::{Value, json};

/// Runs one step, which must fail with this code after one attempt.
async fn fails(app: &TestApp, step: Value, code: &str) -> Value {
    let run = app
        .run_steps(json!([step, {"id": "never", "type": "map", "output": 1}]), &json!(null), "failed")
        .await;
    assert_failed(&run, "ask", code);
    assert_eq!(run["steps"].as_array().unwrap().len(), 1, "{run:#}");
    run
}

#[tokio::test]
async fn addresses_that_are_not_public_are_refused() {
    let app = TestApp::start_with(Options { allow_loopback: false, ..Options::default() }).await;
    let target = Target::kind().await;
    let port = target.base.rsplit(':').next().unwrap().to_owned();
    let local = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://0x7f.1:{port}/"),
        format!("http://[::ffff:127.0.0.1]:{port}/"),
        format!("http://127.1:{port}/"),
    ];
    let elsewhere = [
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://192.168.1.1/",
        "http://172.16.0.1/",
        "http://100.64.0.1/",
        "http://[fd00::1]/",
        "http://[fe80::1]/",
        "http://[64:ff9b::a00:1]/",
        "http://metadata.google.internal/",
    ];
    let all = local.iter().map(String::as_str).chain(elsewhere);
    join_all(all.map(|url| {
        let app = &app;
        async move {
            let run = app.run_steps(json!([http_get("ask", url)]), &json!(null), "failed").await;
            let code = text(&run["error"]["code"]);
            // A name that this machine cannot resolve goes nowhere, either.
            let named = url.contains("google") && code == "dns_failed";
            assert!(code == "egress_blocked" || named, "{url}: {run:#}");
            assert_failed(&run, "ask", code);
        }
    }))
    .await;
    assert_eq!(target.count(), 0);
}

#[tokio::test]
async fn loopback_is_all_that_the_local_setting_opens() {
    let app = TestApp::shared().await;
    for url in [
        "http://169.254.169.254/",
        "http://10.0.0.1/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:169.254.169.254]/",
    ] {
        fails(&app, http_get("ask", url), "egress_blocked").await;
    }
}

#[tokio::test]
async fn redirects_lead_nowhere_that_a_request_may_not_go() {
    let app = TestApp::shared().await;
    let target = Target::start(|seen, before| match seen.path.as_str() {
        "/metadata" => Reply::redirect(302, "http://169.254.169.254/latest/meta-data/"),
        "/private" => Reply::redirect(307, "http://10.0.0.1/"),
        "/mapped" => Reply::redirect(301, "http://[::ffff:10.0.0.1]/"),
        "/file" => Reply::redirect(302, "file:///etc/passwd"),
        "/round" => Reply::redirect(302, "/round"),
        "/there" if before == 0 => Reply::redirect(303, "/here"),
        _ => Reply::json(&json!({"at": seen.path})),
    })
    .await;
    for path in ["/metadata", "/private", "/mapped", "/file"] {
        fails(&app, http_get("ask", &target.url(path)), "redirect_blocked").await;
        fails(&app, http_post("ask", &target.url(path), json!({"a": 1})), "redirect_blocked").await;
    }
    fails(&app, http_get("ask", &target.url("/round")), "redirect_limit").await;
    let run = app.run_steps(json!([http_get("ask", &target.url("/there"))]), &json!(null), "succeeded").await;
    assert_eq!(step(&run, "ask")["output"]["body"]["at"], "/here");
    let mut stay = http_get("ask", &target.url("/metadata"));
    stay["input"]["follow_redirects"] = json!(false);
    let run = app.run_steps(json!([stay]), &json!(null), "succeeded").await;
    assert_eq!(step(&run, "ask")["output"]["status"], 302);
}

#[tokio::test]
async fn endless_slow_huge_and_garbled_responses_fail_their_own_step_only() {
    let app = TestApp::shared().await;
    let target = Target::start(|seen, _| match seen.path.as_str() {
        "/endless" => Reply::Endless,
        "/drip" => Reply::Drip,
        "/silence" => Reply::Silence,
        "/huge" => Reply::status(200, &json!("x".repeat(51 * 1024 * 1024))),
        // Each of them is six bytes of JSON.
        "/escaped" => Reply::Answer { status: 200, headers: Vec::new(), body: vec![0; 2 * 1024 * 1024] },
        "/said-huge" => Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\nx".to_vec()),
        "/garbage" => Reply::Raw(b"\x00\xff not http at all\r\n\r\n".to_vec()),
        "/headers" => {
            Reply::Raw(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(2_000_000)).into_bytes())
        }
        "/cut" => Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this".to_vec()),
        "/nothing" => Reply::Raw(Vec::new()),
        "/bomb" => Reply::Raw(zeros_gzipped()),
        _ => Reply::json(&json!({"ok": true})),
    })
    .await;
    let cases = [
        // 50 MB may take longer than the step has.
        ("/endless", &["response_too_large", "request_timeout"][..]),
        ("/drip", &["request_timeout"]),
        ("/silence", &["request_timeout"]),
        ("/huge", &["response_too_large"]),
        ("/escaped", &["output_too_large"]),
        ("/said-huge", &["response_too_large"]),
        ("/garbage", &["invalid_response"]),
        ("/headers", &["invalid_response"]),
        ("/cut", &["connection_lost", "invalid_response"]),
        ("/nothing", &["connection_lost"]),
        ("/bomb", &["response_too_large", "invalid_response"]),
    ];
    let good = app
        .publish(&manual(
            "good",
            json!([http_get("ask", &target.url("/good")), http_post("send", &target.url("/good"), json!(1))]),
        ))
        .await;
    join_all(cases.iter().map(|(path, codes)| {
        let (app, target, good) = (&app, &target, &good);
        async move {
            for make in
                [http_get("ask", &target.url(path)), http_post("ask", &target.url(path), json!({"a": 1}))]
            {
                let mut step = make;
                step["timeout"] = json!("PT2S");
                let beside = app.start_run(&good.id, &json!(null)).await;
                let run = app.run_steps(json!([step]), &json!(null), "failed").await;
                let code = text(&run["error"]["code"]);
                assert!(codes.contains(&code), "{path}: {run:#}");
                assert_failed(&run, "ask", code);
                app.wait_until(&beside, "succeeded").await;
            }
        }
    }))
    .await;
    app.assert_undisturbed().await;
}

/// 64 MB of zeros, which are 64 KB as gzip.
fn zeros_gzipped() -> Vec<u8> {
    let body = include_bytes!("zeros.gz");
    let mut answer =
        format!("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: {}\r\n\r\n", body.len())
            .into_bytes();
    answer.extend(body);
    answer
}

#[tokio::test]
async fn nobody_listening_is_tried_again_and_then_told() {
    let app = TestApp::shared().await;
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let mut ask = http_post("ask", &closed, json!({}));
    ask["retry"] = json!({"max_attempts": 2, "initial": "PT0.01S"});
    let run = fails(&app, ask, "connect_failed").await;
    assert_eq!(step(&run, "ask")["attempts"], 2);
    let run =
        app.run_steps(json!([http_get("ask", "http://no-such-name.invalid/")]), &json!(null), "failed").await;
    assert_failed(&run, "ask", "dns_failed");
}

#[tokio::test]
async fn requests_that_cannot_be_sent_fail_their_step() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let with = |field: &str, value: Value| {
        let mut step = http_get("ask", &target.url("/"));
        step["input"][field] = value;
        step
    };
    fails(&app, with("method", json!("{{ 'BREW IT' }}")), "invalid_input").await;
    fails(&app, with("method", json!("{{ 'CONNECT' }}")), "invalid_method").await;
    fails(&app, with("headers", json!("{{ [1] }}")), "invalid_input").await;
    fails(&app, with("query", json!("{{ $trim('x') }}")), "invalid_input").await;
    fails(&app, with("headers", json!({"x": "{{ 'a\\r\\nb: c' }}"})), "invalid_header").await;
    fails(&app, with("headers", json!({"Host": "example.com"})), "invalid_header").await;
    fails(&app, with("headers", json!({"Transfer-Encoding": "chunked"})), "invalid_header").await;
    fails(&app, with("url", json!("http://user:password@127.0.0.1/")), "egress_invalid_url").await;
    assert_eq!(target.count(), 0);
}
