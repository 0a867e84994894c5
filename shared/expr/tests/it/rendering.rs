//! Templates: what comes out for what was written.

use expr::{GuardedResults, Limits, Template, Tier, codes};
use serde_json::{Value, json};

use crate::SEED;

fn scope() -> Value {
    json!({"trigger": {"body": {"n": 5, "big": 9_007_199_254_740_993_i64, "s": "x", "nil": null, "list": [1, {"a": true}], "f": 1.5, "o": {"k": [1]}}}})
}

#[expect(clippy::needless_pass_by_value, reason = "the cases read better without borrows")]
fn render(value: Value) -> Value {
    Template::parse(&value).unwrap().render_in_place(&scope(), &SEED, &Limits::default()).unwrap()
}

#[expect(clippy::needless_pass_by_value, reason = "the cases read better without borrows")]
fn faults(value: Value) -> Vec<(String, &'static str)> {
    Template::parse(&value).unwrap_err().into_iter().map(|fault| (fault.pointer, fault.code)).collect()
}

#[test]
fn one_expression_keeps_its_type() {
    let body = scope()["trigger"]["body"].clone();
    for (text, expected) in [
        ("{{ trigger.body.n }}", &body["n"]),
        ("  {{trigger.body.big}}\n", &body["big"]),
        ("{{ trigger.body.list }}", &body["list"]),
        ("{{ trigger.body.o }}", &body["o"]),
        ("{{ trigger.body.nil }}", &body["nil"]),
        ("{{ trigger.body.n + 1 }}", &json!(6)),
        ("{{ trigger.body.n / 2 }}", &json!(2.5)),
        ("{{ {\"a\":{\"b\":1}} }}", &json!({"a": {"b": 1}})),
        ("{{ trigger.body.missing }}", &Value::Null),
    ] {
        assert_eq!(&render(json!(text)), expected, "{text}");
    }
}

#[test]
fn mixed_text_becomes_text() {
    for (text, expected) in [
        ("a {{ trigger.body.s }} b", "a x b"),
        ("{{ trigger.body.n }}{{ trigger.body.f }}", "51.5"),
        ("[{{ trigger.body.nil }}|{{ trigger.body.missing }}]", "[|]"),
        ("l={{ trigger.body.list }}", "l=[1,{\"a\":true}]"),
        ("{{ trigger.body.big }}!", "9007199254740993!"),
        ("{{ trigger.body.n > 3 }} {{ 1e3 }}", "true 1000"),
        (r"\{{ not one }} {{ trigger.body.s }}", "{{ not one }} x"),
        (r"\{{ only text }}", "{{ only text }}"),
        ("no }} braces { here", "no }} braces { here"),
    ] {
        assert_eq!(render(json!(text)), json!(expected), "{text}");
    }
}

#[test]
fn undefined_leaves_a_key_out_and_is_null_elsewhere() {
    assert_eq!(
        render(
            json!({"gone": "{{ trigger.nothing }}", "nil": "{{ trigger.body.nil }}", "list": ["{{ trigger.nothing }}", 1], "text": "{{ trigger.nothing }}."})
        ),
        json!({"nil": null, "list": [null, 1], "text": "."})
    );
}

#[test]
fn constants_are_untouched() {
    let value = json!({"a": [1, "two", null, {"b": 1.50}], "big": 18_446_744_073_709_551_615_u64, "": ""});
    let template = Template::parse(&value).unwrap();
    assert!(template.is_constant());
    assert_eq!(template.tier(), Tier::Path);
    assert_eq!(template.expressions().count(), 0);
    assert_eq!(render(value.clone()).to_string(), value.to_string());
}

#[test]
fn every_fault_is_reported_with_its_pointer() {
    assert_eq!(
        faults(
            json!({"a": "{{ x", "b/c": ["ok", "{{ }}"], "~": "{{ 1 + }} {{ * * }}", "{{ k }}": 1, "deep": {"er": "{{ (1 }}"}})
        ),
        [
            ("/a".into(), codes::UNCLOSED),
            ("/b~1c/1".into(), codes::EMPTY),
            ("/~0".into(), codes::SYNTAX),
            ("/~0".into(), codes::SYNTAX),
            ("/{{ k }}".into(), codes::IN_KEY),
            ("/deep/er".into(), codes::SYNTAX),
        ]
    );
    assert_eq!(faults(json!("{{ {\"a\": }} }}")), [(String::new(), codes::SYNTAX)]);
}

#[test]
fn expressions_come_with_pointers_and_references_together() {
    let template =
        Template::parse(&json!({"a": ["{{ steps.x.y }}", "t {{ trigger.z }} {{ vars.q }}"]})).unwrap();
    let places: Vec<(&str, &str)> =
        template.expressions().map(|(pointer, e)| (pointer, e.source())).collect();
    assert_eq!(places, [("/a/0", "steps.x.y"), ("/a/1", "trigger.z"), ("/a/1", "vars.q")]);
    assert!(template.references().trigger && template.references().vars && template.references().step("x"));
    assert!(!template.references().step("y"));
}

#[test]
fn guarded_results_are_put_in_their_places() {
    let template = Template::parse(
        &json!({"a": "{{ trigger.body.n }}", "b": "{{ $$.x }}", "c": "<{{ $$.y }}>", "d": "{{ $$.z }}"}),
    )
    .unwrap();
    assert_eq!(template.tier(), Tier::Guarded);
    assert_eq!(template.guarded().len(), 3);
    let (scope, limits) = (scope(), Limits::default());
    let failure = template.render_in_place(&scope, &SEED, &limits).unwrap_err();
    assert!(failure.needs_guard());
    assert_eq!((failure.pointer.as_str(), failure.expression.as_str()), ("/b", "$$.x"));
    let pending = template.pending(&scope, &SEED, &limits);
    let results: GuardedResults =
        pending.iter().map(|p| p.index).zip([Some(json!({"r": 1})), Some(json!(2)), None]).collect();
    assert_eq!(
        template.render_with(&scope, &SEED, &limits, &results).unwrap(),
        json!({"a": 5, "b": {"r": 1}, "c": "<2>"})
    );
}

#[test]
fn costly_in_this_scope_goes_to_the_guard_then() {
    let template = Template::parse(
        &json!({"small": "{{ trigger.body.n }}", "pairs": "{{ $map(trigger.body.list, function($a){ $string($$$$list) }) }}"}),
    );
    assert!(template.is_ok(), "`$$$$list` is a variable like any other");
    let template = Template::parse(&json!({"n": "{{ trigger.n }}", "square": "{{ $map(trigger.list, function($a){ $join(trigger.list) }) }}"})).unwrap();
    assert_eq!(template.tier(), Tier::Linear);
    assert!(template.guarded().is_empty());
    let limits = Limits::default();
    let small = json!({"trigger": {"n": 1, "list": ["a", "b"]}});
    assert!(template.pending(&small, &SEED, &limits).is_empty());
    assert_eq!(
        template.render_in_place(&small, &SEED, &limits).unwrap(),
        json!({"n": 1, "square": ["ab", "ab"]})
    );
    let large = json!({"trigger": {"n": 1, "list": vec!["x"; 20_000]}});
    let pending = template.pending(&large, &SEED, &limits);
    assert_eq!(pending.iter().map(|p| p.pointer).collect::<Vec<_>>(), ["/square"]);
    assert!(template.render_in_place(&large, &SEED, &limits).unwrap_err().needs_guard());
    let results = [(pending[0].index, Some(json!("done")))].into();
    assert_eq!(
        template.render_with(&large, &SEED, &limits, &results).unwrap(),
        json!({"n": 1, "square": "done"})
    );
}

#[test]
fn the_result_as_a_whole_has_a_size_limit() {
    let copies: Vec<&str> = vec!["{{ trigger.text }}"; 40];
    let template = Template::parse(&json!(copies)).unwrap();
    let scope = json!({"trigger": {"text": "x".repeat(30_000)}});
    let failure = template.render_in_place(&scope, &SEED, &Limits::default()).unwrap_err();
    assert_eq!((failure.code, failure.pointer.as_str()), (codes::TOO_LARGE, "/34"));
    let results: GuardedResults = (0..40).map(|at| (at, Some(scope["trigger"]["text"].clone()))).collect();
    assert_eq!(
        template.render_with(&scope, &SEED, &Limits::default(), &results).unwrap_err().code,
        codes::TOO_LARGE
    );
}

#[test]
fn a_result_too_deep_for_json_readers_is_refused() {
    let mut deep = json!(1);
    for _ in 0..110 {
        deep = json!([deep]);
    }
    let scope = json!({"a": deep});
    for text in ["{{ a }}", "{{ [a] }}", "{{ {'x': a} }}"] {
        let failure = Template::parse(&json!(text))
            .unwrap()
            .render_in_place(&scope, &SEED, &Limits::default())
            .unwrap_err();
        assert_eq!(failure.code, codes::TOO_DEEP, "{text}");
    }
    assert_eq!(faults(scope["a"].clone())[0].1, codes::TOO_DEEP);
}

#[test]
fn functions_are_no_values() {
    for text in ["{{ $sum }}", "{{ [$sum] }}"] {
        let failure = Template::parse(&json!(text)).unwrap();
        let expression = failure.expressions().next().unwrap().1;
        assert_eq!(
            expr::evaluate_any(expression, &json!({}), &SEED, &Limits::default()).unwrap_err().code,
            codes::FAILED
        );
    }
}

#[test]
fn templates_cross_threads() {
    fn sendable<T: Send + Sync + 'static>(_: &T) {}
    sendable(&Template::parse(&json!("{{ a & b }}")).unwrap());
}
