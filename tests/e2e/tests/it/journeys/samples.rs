//! What GitHub, Stripe and Standard Webhooks really send.

use e2e::{Answer, Target, TestApp, file, http_post, step, text};
use futures::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

/// A webhook as API Gateway got it, and what its body says.
struct Sample {
    headers: Vec<(String, String)>,
    body: String,
    json: Value,
}

impl Sample {
    fn read(name: &str) -> Self {
        let event: Value = serde_json::from_str(&file(&format!("events/{name}"))).unwrap();
        let own = ["host", "content-length"];
        let headers =
            event["headers"].as_object().unwrap().iter().filter(|(name, _)| !own.contains(&name.as_str()));
        let headers = headers.map(|(name, value)| (name.clone(), text(value).to_owned())).collect();
        let body = text(&event["body"]).to_owned();
        Self { headers, json: serde_json::from_str(&body).unwrap(), body }
    }

    async fn send(&self, app: &TestApp, hook: &str) -> Answer {
        let app = app.fork().with_token("");
        let mut request = app.request(Method::POST, hook).body(self.body.clone());
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        app.send(request).await
    }
}

fn definition(name: &str, dedupe: &str, steps: Value) -> Value {
    json!({"name": name, "triggers": [{"id": "in", "type": "webhook", "dedupe": dedupe}], "steps": steps})
}

#[tokio::test]
async fn a_github_push_tells_its_commits() {
    let app = TestApp::shared().await;
    let sample = Sample::read("apigw-v2-github-push.json");
    let steps = json!([
        {"id": "is_push", "type": "branch", "arms": [{"when": "{{ trigger.headers.'x-github-event' = 'push' }}", "steps": [
            {"id": "push", "type": "map", "output": {
                "repository": "{{ trigger.body.repository.full_name }}",
                "branch": "{{ $substringAfter(trigger.body.ref, 'refs/heads/') }}",
                "commits": "{{ $count(trigger.body.commits) }}",
                "messages": "{{ trigger.body.commits.message }}",
                "by": "{{ trigger.body.pusher.name }}"}}]}]}
    ]);
    let workflow = app.publish(&definition("push", "{{ trigger.headers.'x-github-delivery' }}", steps)).await;
    let first = sample.send(&app, &workflow.hook).await.expect(202);
    let again = sample.send(&app, &workflow.hook).await.expect(202);
    assert_eq!(first["id"], again["id"], "GitHub's redelivery has the same id");

    let run = app.wait_until(text(&first["id"]), "succeeded").await;
    let commits = sample.json["commits"].as_array().unwrap();
    let push = &step(&run, "is_push.push")["output"];
    assert_eq!(push["repository"], sample.json["repository"]["full_name"]);
    assert_eq!((&push["branch"], &push["commits"]), (&json!("main"), &json!(commits.len())));
    assert_eq!(push["messages"], Value::Array(commits.iter().map(|c| c["message"].clone()).collect()));
    assert_eq!(push["by"], sample.json["pusher"]["name"]);
    assert_eq!(run["input"]["body"], sample.json, "the body is kept as it came");
    for (name, value) in sample.headers.iter().filter(|(name, _)| name.starts_with("x-")) {
        assert_eq!(run["input"]["headers"][name], value.as_str(), "{name}");
    }
}

#[tokio::test]
async fn a_stripe_checkout_is_booked_once() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let sample = Sample::read("apigw-v2-stripe-checkout.json");
    let book = http_post(
        "book",
        &target.url("/bookings"),
        json!({
        "session": "{{ trigger.body.data.object.id }}",
        "amount": "{{ trigger.body.data.object.amount_total / 100 }}",
        "currency": "{{ $uppercase(trigger.body.data.object.currency) }}",
        "live": "{{ trigger.body.livemode }}",
        "note": "{{ trigger.body.type }} of {{ trigger.body.data.object.customer_details.email }}"}),
    );
    let workflow = app.publish(&definition("checkout", "{{ trigger.body.id }}", json!([book]))).await;
    let first = sample.send(&app, &workflow.hook).await.expect(202);
    app.wait_until(text(&first["id"]), "succeeded").await;
    assert_eq!(sample.send(&app, &workflow.hook).await.expect(202), first);

    let object = &sample.json["data"]["object"];
    let seen = target.seen();
    assert_eq!(seen.len(), 1);
    assert_eq!(
        seen[0].json(),
        json!({
        "session": object["id"], "amount": 119, "currency": "EUR", "live": false,
        "note": format!("checkout.session.completed of {}", text(&object["customer_details"]["email"]))})
    );
}

#[tokio::test]
async fn a_standard_webhook_that_comes_twenty_times_at_once_runs_once() {
    let app = TestApp::shared().await;
    let target = Target::kind().await;
    let mut sample = Sample::read("apigw-v2-standard-webhook.json");
    let steps = json!([http_post("save", &target.url("/contacts"), json!("{{ trigger.body.data }}"))]);
    let workflow = app.publish(&definition("contact", "{{ trigger.headers.'webhook-id' }}", steps)).await;

    let answers = join_all((0..20).map(|_| sample.send(&app, &workflow.hook))).await;
    let first = answers[0].expect(202);
    assert!(answers.iter().all(|a| a.expect(202) == first), "{answers:?}");
    app.wait_until(text(&first["id"]), "succeeded").await;
    // Another message is another run; when it is done, a second effect of the first would be, too.
    for (name, value) in &mut sample.headers {
        if name == "webhook-id" {
            value.push('x');
        }
    }
    let other = sample.send(&app, &workflow.hook).await.expect(202);
    assert_ne!(other, first);
    app.wait_until(text(&other["id"]), "succeeded").await;
    assert_eq!(app.runs(&format!("workflow={}", workflow.id)).await.len(), 2);
    let seen = target.seen();
    assert_eq!(seen.len(), 2, "one effect for each run");
    assert_eq!(seen[0].json(), sample.json["data"]);
    assert_ne!(seen[0].key(), seen[1].key());
}

#[tokio::test]
async fn a_dedupe_that_fails_starts_nothing_and_one_that_gives_nothing_always_starts() {
    let app = TestApp::shared().await;
    let failing = app.publish(&definition("failing", "{{ $error('no key') }}", json!([]))).await;
    app.hook(&failing.hook, &json!({})).await.refused(422, "dedupe_failed");
    assert!(app.runs(&format!("workflow={}", failing.id)).await.is_empty());

    let nothing = app.publish(&definition("nothing", "{{ trigger.body.id }}", json!([]))).await;
    let runs = [app.hook_run(&nothing.hook, &json!({})).await, app.hook_run(&nothing.hook, &json!({})).await];
    assert_ne!(runs[0], runs[1]);
    // A number and the same digits as text are different keys.
    let number = app.hook_run(&nothing.hook, &json!({"id": 1})).await;
    assert_eq!(app.hook_run(&nothing.hook, &json!({"id": 1})).await, number);
    assert_ne!(app.hook_run(&nothing.hook, &json!({"id": "1"})).await, number);
}
