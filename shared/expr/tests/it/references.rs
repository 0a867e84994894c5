//! What an expression may read: never too little, or a step's output would be lost on the way.

use expr::{Expression, References};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{any, expression};

fn of(source: &str) -> References {
    expression(source).references().clone()
}

fn steps(ids: &[&str]) -> References {
    References { steps: ids.iter().map(ToString::to_string).collect(), ..References::default() }
}

#[test]
fn steps_by_name() {
    for source in [
        "steps.a",
        "steps.a.x[0].y",
        "steps.'a'",
        "steps.\"a\".b",
        "steps.`a`",
        "$.steps.a",
        "steps.a[x > 1]",
        "steps.a.(x + y)",
        "steps.a.{'x': y}",
        "steps.a{k: $sum(v)}",
        "steps.a^(>x).y",
        "steps.a.*",
        "steps.a.**.z",
        "($s := steps.a; $s.b)",
        "$map(steps.a, function($v){ $v.x })",
        "$lookup(steps.a, 'x')",
        "$lookup(steps.a, steps.a.key)",
        "steps.a ~> $keys()",
        "steps.a ~> |x|{'y': 1}|[0]",
        "[1, {'k': steps.a}][1].k",
        "true ? steps.a : 0",
        "$exists(steps.a)",
        "$f(steps.a)",
        "(function($x){ $x })(steps.a)",
        "-steps.a",
        "1 in steps.a",
        "steps.a#$i.b",
    ] {
        let mut found = of(source);
        found.unknown.clear();
        assert_eq!(found, steps(&["a"]), "{source}");
    }
}

#[test]
fn several_steps_and_the_rest_of_the_scope() {
    assert_eq!(of("steps.a & steps.`a-b` & steps.c[0]"), steps(&["a", "a-b", "c"]));
    assert_eq!(of("$filter(steps.a, function($v){ $v.id in steps.b.ids })"), steps(&["a", "b"]));
    let all = of("trigger.body & vars.x & run.id & org.name & item.id & index");
    let expected = References {
        trigger: true,
        vars: true,
        variables: ["x".to_owned()].into(),
        run: true,
        org: true,
        item: true,
        ..References::default()
    };
    assert_eq!(all, expected);
    assert_eq!(of("1 + 2"), References::default());
    assert!(of("trigger.body.items[steps = 3].org").steps.is_empty(), "names of an item are not the scope's");
    assert!(!of("trigger.body.items[steps = 3].org").org);
    assert!(of("tirgger.body").unknown.contains("tirgger"));
}

#[test]
fn whatever_may_read_all_says_so() {
    for source in [
        "$$",
        "$$.steps.a",
        "$",
        "*",
        "**",
        "steps",
        "steps.*",
        "steps.**",
        "$lookup(steps, x)",
        "$lookup(steps, 'a')",
        "$lookup('steps')",
        "$lookup($, 'steps')",
        "($s := steps; $s.a)",
        "($r := $; $r.steps.a)",
        "steps[a.x = 1]",
        "steps.(a)",
        "steps.{'x': a}",
        "steps{'x': a}",
        "$keys()",
        "$string()",
        "$spread()",
        "$each(function($v){ $v })",
        "$sift(function($v){ $v })",
        "$type($)",
        "$[steps.a = 1]",
        "$.*",
        "$^(a)",
        "${'a': steps}",
        "a.b.%.%.c",
        "trigger@$t.steps.a",
        "trigger.body.items@$i.steps.a[id = $i.id]",
        "trigger.body.items.($$.steps.a)",
        "$eval('steps.a')",
        "($e := $eval; $e('steps.a'))",
        "$map([1], function($x){ $ })",
        "($k := $keys; $k())",
        "$ ~> |steps|{'a': 1}|",
        "$merge([$])",
        "steps ~> $keys()",
        "(steps)",
        "[steps]",
        "{'all': steps}",
        "steps ?: 1",
    ] {
        assert!(of(source).everything, "{source}");
        assert!(of(source).step("anything"), "{source}");
    }
}

/// Random expressions over `steps` and `trigger`, in every construct that moves a context around.
fn source() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("steps.a".to_owned()),
        Just("steps.b.x".to_owned()),
        Just("trigger.x".to_owned()),
        Just("x".to_owned()),
        Just("steps".to_owned()),
        Just("$".to_owned()),
        Just("a".to_owned()),
        Just("$v".to_owned()),
        Just("$.steps.b".to_owned()),
        Just("$keys()".to_owned()),
        Just("$$.steps.a".to_owned()),
        Just("*".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let pair = (inner.clone(), inner.clone());
        prop_oneof![
            pair.clone().prop_map(|(a, b)| format!("({a}).({b})")),
            pair.clone().prop_map(|(a, b)| format!("{a}[{b}]")),
            pair.clone().prop_map(|(a, b)| format!("[{a}, {b}]")),
            pair.clone().prop_map(|(a, b)| format!("({a}).{{'k': {b}}}")),
            pair.clone().prop_map(|(a, b)| format!("({a}){{'k': {b}}}")),
            pair.clone().prop_map(|(a, b)| format!("($v := {a}; {b})")),
            pair.clone().prop_map(|(a, b)| format!("$map({a}, function($v){{ {b} }})")),
            pair.clone().prop_map(|(a, b)| format!("($f := function($v){{ {a} }}; ({b}).($f(1)))")),
            pair.clone().prop_map(|(a, b)| format!("(({a}).(function($v){{ {b} }}))(1)")),
            pair.clone().prop_map(|(a, b)| format!("$lookup({a}, $string({b}))")),
            pair.clone().prop_map(|(a, b)| format!("$exists({a}) ? {b} : {a}")),
            pair.clone().prop_map(|(a, b)| format!("({a})#$i.({b})")),
            pair.clone().prop_map(|(a, b)| format!("({a})@$v.({b})")),
            pair.prop_map(|(a, b)| format!("{a} ~> |{b}|{{'n': 1}}|")),
            inner.clone().prop_map(|a| format!("({a}).x")),
            inner.clone().prop_map(|a| format!("({a}).%")),
            inner.clone().prop_map(|a| format!("{a} ~> $keys()")),
            inner.clone().prop_map(|a| format!("$each({a}, function($v){{ $v }})")),
            inner.clone().prop_map(|a| format!("$string({a})")),
            inner.prop_map(|a| format!("({a})^(x)")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6_000))]

    /// An expression sees no difference between the whole scope and the parts it is said to read.
    #[test]
    fn the_parts_an_expression_reads_are_all_it_reads(source in source()) {
        let Ok(expression) = Expression::parse(&source) else { return Ok(()) };
        let scope = json!({
            "trigger": {"x": [1, {"x": 2, "a": "x"}], "steps": {"a": "not this one"}},
            "steps": {"a": {"x": "1", "a": [{"x": 3}]}, "b": {"x": [{"x": "y"}, {"a": 5}]}, "x": 8},
            "x": "a", "a": {"x": {"steps": 1}},
        });
        let pruned = expr::pruned(&scope, [&expression]);
        let direct = crate::plain(&source, &scope);
        if let Ok(direct) = &direct {
            // Our conversion refuses functions as results; the engine prints them as "".
            if let Ok(ours) = any(&source, &scope) {
                prop_assert_eq!(&ours, direct, "{}", source);
            }
        }
        prop_assert_eq!(&crate::plain(&source, &pruned).ok(), &direct.ok(), "{}\n{}", source, pruned);
        if !expression.references().everything {
            let read: Vec<&String> = pruned["steps"].as_object().map(|steps| steps.keys().collect()).unwrap_or_default();
            prop_assert!(read.iter().all(|id| expression.references().step(id)));
        }
    }
}

#[test]
fn pruning_keeps_positions() {
    let scope: Value = json!({"a": [{"x": 1, "y": 2}, 5, {"y": 3}, [{"x": 4}]], "b": 1});
    assert_eq!(expr::pruned(&scope, [&expression("a.x")]), json!({"a": [{"x": 1}, 5, {}, [{"x": 4}]]}));
}
