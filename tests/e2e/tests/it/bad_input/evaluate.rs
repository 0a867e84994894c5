//! `POST /v1/expressions/evaluate`: the usual, and the hostile.

use e2e::TestApp;
use serde_json::{Value, json};

#[tokio::test]
async fn expressions_give_what_jsonata_gives() {
    let app = TestApp::shared().await;
    let scope = json!({
        "trigger": {"body": {"name": "Ada", "score": 91, "tags": ["a", "b"], "big": 9_007_199_254_740_993_i64, "none": null}},
        "steps": {"one": {"n": 1}}, "items": [{"p": 2, "q": 3}, {"p": 4, "q": 5}]
    });
    for (expression, result) in [
        ("trigger.body.name", json!("Ada")),
        ("{{ trigger.body.name }}", json!("Ada")),
        ("{{trigger.body.score}}", json!(91)),
        ("Hi {{ trigger.body.name }}, {{ trigger.body.score }} points", json!("Hi Ada, 91 points")),
        ("trigger.body.score > 80 and steps.one.n = 1", json!(true)),
        ("$uppercase(trigger.body.name)", json!("ADA")),
        ("trigger.body.tags[1]", json!("b")),
        ("trigger.body.tags", json!(["a", "b"])),
        ("trigger.body.nothing", json!(null)),
        ("trigger.body.none", json!(null)),
        ("trigger.body.big", json!(9_007_199_254_740_993_i64)),
        ("$sum(items.(p * q))", json!(26)),
        ("items[p > 2].q", json!(5)),
        ("{'n': trigger.body.name, 'l': $length(trigger.body.name)}", json!({"n": "Ada", "l": 3})),
        ("[1..5]", json!([1, 2, 3, 4, 5])),
        ("$map(items, function($i) { $i.p + $i.q })", json!([5, 9])),
        ("$join($reverse($split('a,b,c', ',')), '-')", json!("c-b-a")),
        ("$replace('aXbX', /X/, '-')", json!("a-b-")),
        ("($f := function($n) { $n < 2 ? 1 : $n * $f($n - 1) }; $f(10))", json!(3_628_800)),
        ("1 / 4", json!(0.25)),
        ("'grüße 🦀' & $string($length('🦀'))", json!("grüße 🦀1")),
        ("", json!("the empty expression")),
    ] {
        let answer =
            app.post("/v1/expressions/evaluate", &json!({"expression": expression, "input": scope})).await;
        if expression.is_empty() {
            answer.refused(422, "expression_empty");
        } else {
            assert_eq!(answer.expect(200), json!({"result": result}), "{expression}");
        }
    }
    assert_eq!(
        app.post("/v1/expressions/evaluate", &json!({"expression": "1 + 1"})).await.expect(200),
        json!({"result": 2})
    );
}

#[tokio::test]
async fn hostile_expressions_fail_and_the_next_one_works() {
    let app = TestApp::shared().await;
    let rows: Vec<Value> = (0..2000).map(|n| json!({"id": n, "text": "some text of a row"})).collect();
    let input = json!({"rows": rows, "text": format!("{}!", "a".repeat(20_000)), "one": [1]});
    let any_bound = [
        "expression_timeout",
        "expression_too_deep",
        "expression_too_large",
        "expression_memory",
        "expression_failed",
    ];
    // A regular expression takes linear time: this one, catastrophic elsewhere, just does not match.
    let answer = app
        .post("/v1/expressions/evaluate", &json!({"expression": "$match(text, /(a+)+$/)", "input": input}))
        .await;
    assert_eq!(answer.expect(200), json!({"result": null}));
    let deep = format!("{}1{}", "(".repeat(100_000), ")".repeat(100_000));
    let long = format!("'{}'", "x".repeat(200_000));
    for (expression, codes) in [
        ("($f := function($n){$f($n)}; $f(1))", &["expression_timeout", "expression_too_deep"][..]),
        ("($f := function($n){1 + $f($n)}; $f(1))", &["expression_timeout", "expression_too_deep"]),
        (
            "($a := function($n){$b($n)}; $b := function($n){$a($n)}; $a(1))",
            &["expression_timeout", "expression_too_deep", "expression_failed"],
        ),
        ("[1..1e7]", &any_bound),
        ("$count([1..1e7])", &any_bound),
        ("$pad('x', 1e9)", &["expression_too_large", "expression_memory"]),
        ("$length($pad('x', 1e9))", &["expression_too_large", "expression_memory"]),
        ("$reduce([1..40], function($a, $b){$a & $a}, 'xxxxxxxxxx')", &any_bound),
        ("$reduce([1..40], function($a, $b){[$a, $a]}, [1])", &any_bound),
        ("$replace($pad('', 1000, 'x'), 'x', $pad('y', 1e6))", &any_bound),
        ("$join([1..100000].$pad('x', 10000), ',')", &any_bound),
        ("rows.($$.rows.($$.rows))", &any_bound),
        ("$eval('$eval(\"1 +\")')", &["expression_failed"]),
        ("$nothing(1)", &["expression_failed"]),
        ("1 + 'a'", &["expression_failed"]),
        ("$error('mine')", &["expression_failed"]),
        ("1 +", &["expression_syntax"]),
        ("{{ 1", &["expression_unclosed"]),
        (deep.as_str(), &["expression_too_deep", "expression_too_long"]),
        (long.as_str(), &["expression_too_long"]),
    ] {
        let shown: String = expression.chars().take(60).collect();
        let answer =
            app.post("/v1/expressions/evaluate", &json!({"expression": expression, "input": input})).await;
        let code = answer.json()["code"].as_str().unwrap_or_default().to_owned();
        assert!(codes.contains(&code.as_str()), "`{shown}`: {answer}");
        let problem = answer.refused(422, &code);
        assert!(problem["detail"].as_str().is_some_and(|d| d.chars().count() <= 500), "`{shown}`: {answer}");
        let next =
            app.post("/v1/expressions/evaluate", &json!({"expression": "one[0] + 1", "input": input})).await;
        assert_eq!(next.expect(200), json!({"result": 2}), "after `{shown}`");
    }
}

#[tokio::test]
async fn an_expression_reads_nothing_but_its_input() {
    let app = TestApp::shared().await;
    for (expression, result) in [
        ("$exists($env)", json!(false)),
        ("$exists(process)", json!(false)),
        ("$exists($$.secrets)", json!(false)),
        ("$keys($$)", json!("a")),
        ("__proto__", json!(null)),
        ("constructor", json!(null)),
    ] {
        let answer =
            app.post("/v1/expressions/evaluate", &json!({"expression": expression, "input": {"a": 1}})).await;
        assert_eq!(answer.expect(200)["result"], result, "{expression}");
    }
}
