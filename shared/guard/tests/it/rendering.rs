//! Templates through the guard: the same values wherever they were evaluated.

use expr::{Template, Tier, codes};
use serde_json::{Value, json};

use crate::{SEED, evaluate, guard, render};

#[tokio::test]
async fn a_template_of_all_tiers() {
    let template = Template::parse(&json!({
        "path": "{{ trigger.big }}",
        "linear": "{{ $uppercase(trigger.name) }}",
        "guarded": "{{ $reduce(trigger.n, function($a, $b){ $a + $b }) }}",
        "text": "<{{ $replace(trigger.name, /a/, 'A') }}> {{ trigger.name }}",
        "gone": "{{ $$.nothing }}",
        "list": ["{{ $$.nothing }}", "{{ $$.trigger.nil }}"],
    }))
    .unwrap();
    assert_eq!(template.tier(), Tier::Guarded);
    let scope =
        json!({"trigger": {"big": 9_007_199_254_740_993_i64, "name": "ada", "n": [1, 2, 3], "nil": null}});
    let rendered = guard().render(&template, &scope, &SEED).await.unwrap();
    assert_eq!(
        rendered,
        json!({"path": 9_007_199_254_740_993_i64, "linear": "ADA", "guarded": 6, "text": "<AdA> ada", "list": [null, null]})
    );
}

#[tokio::test]
async fn a_failure_names_its_place() {
    let template =
        Template::parse(&json!({"a": ["{{ 1 }}", {"b/c": "{{ $$.x & $error('no luck') }}"}]})).unwrap();
    let failure = guard().render(&template, &json!({}), &SEED).await.unwrap_err();
    assert_eq!((failure.code, failure.pointer.as_str()), (codes::FAILED, "/a/1/b~1c"));
    assert!(failure.expression.starts_with("$$.x"));
    assert!(failure.message.contains("no luck"), "{}", failure.message);
}

#[tokio::test]
async fn what_costs_too_much_in_place_is_done_in_a_child() {
    let source = "$count($distinct($map(trigger.list, function($x){ $string($count(trigger.list)) & $x })))";
    let template = Template::parse(&json!(format!("{{{{ {source} }}}}"))).unwrap();
    assert_eq!(template.tier(), Tier::Linear);
    let list: Vec<Value> = (0..3_000).map(|n| json!(n)).collect();
    let scope = json!({ "trigger": { "list": list } });
    assert!(template.render_in_place(&scope, &SEED, &expr::Limits::default()).unwrap_err().needs_guard());
    assert_eq!(render(&guard(), source, &scope).await, Ok(json!(3_000)));
}

#[tokio::test]
async fn the_same_value_in_place_and_in_a_child() {
    let guard = guard();
    let scope = json!({"trigger": {"x": 0.1, "y": 1e-7, "z": 123_456_789.123_456_78, "s": "ä\u{1F600}\u{0}\"\\", "list": [0.1, 0.2, 0.3], "nil": null, "o": {"b": 1, "a": 2}}});
    for source in [
        "trigger.x + trigger.y",
        "$sum(trigger.list)",
        "trigger.z * 3",
        "trigger.s & trigger.s",
        "trigger.o.{'k': b / 3}",
        "[trigger.x / 3, 1e300 * 10, -0.0, 2 / 3]",
        "$random()",
        "$uuid()",
        "$now()",
        "$map(trigger.list, function($v){ $v * $random() })",
        "trigger.missing",
        "trigger.nil",
    ] {
        let expression = expr::Expression::parse(source).unwrap();
        let here = expression.evaluate_in_place(&scope, &SEED, &expr::Limits::default()).unwrap();
        assert_eq!(evaluate(&guard, source, &scope).await, Ok(here), "{source}");
    }
}

#[tokio::test]
async fn only_what_is_read_travels() {
    // 20 MB of it would not be accepted.
    let scope = json!({"trigger": {"n": [1, 2]}, "steps": {"big": "x".repeat(20_000_000)}});
    assert_eq!(
        render(&guard(), "$reduce(trigger.n, function($a, $b){ $a + $b })", &scope).await,
        Ok(json!(3))
    );
    let failure = render(&guard(), "$length($$.steps.big)", &scope).await.unwrap_err();
    assert_eq!(failure.code, codes::TOO_LARGE);
}

#[tokio::test]
async fn a_deep_input_is_a_failure_not_a_lost_child() {
    let deep = (0..200).fold(json!(1), |inner, _| json!([inner]));
    let failure = evaluate(&guard(), "$count($$)", &json!({ "deep": deep })).await.unwrap_err();
    assert_eq!(failure.code, codes::TOO_DEEP);
}

#[tokio::test]
async fn the_results_of_one_template_have_one_size_limit() {
    let expressions: Vec<String> =
        (0..20).map(|n| format!("{{{{ $pad('x', 100000 + {n} * $number('1')) }}}}")).collect();
    let template = Template::parse(&json!(expressions)).unwrap();
    let failure = guard().render(&template, &json!({}), &SEED).await.unwrap_err();
    assert_eq!((failure.code, failure.pointer.as_str()), (codes::TOO_LARGE, "/10"));
}
