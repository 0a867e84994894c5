//! Where expressions run: decided from their source alone.

use expr::Tier;

use crate::expression;

#[test]
fn plain_paths() {
    for source in
        ["trigger", "trigger.body", "trigger.body.a.b[0]", "a[0][1]", "'a'.b", "`a-b`", "steps.person.name"]
    {
        assert_eq!(expression(source).tier(), Tier::Path, "{source}");
    }
}

#[test]
fn mappings_run_in_place() {
    for source in [
        "$lowercase(trigger.body.email)",
        "trigger.body.first & ' ' & trigger.body.last",
        "trigger.body.score > 80",
        "trigger.body.items[price > 10].sku",
        "$sum(trigger.body.items.(price * qty))",
        "trigger.body.items.{'id': id, 'total': price * qty, 'tags': $join(tags, ',')}",
        "$map(trigger.body.items, function($i){ {'id': $i.id, 'n': $count($i.tags)} })",
        "$filter(trigger.body.items, function($i, $n){ $i.price > 3 and $n < 10 })",
        "trigger.body.orders.{'id': id, 'total': $sum(lines.(qty * price)), 'hot': lines[qty > 5].sku}",
        "($x := trigger.body.a; $y := $x * 2; $y + $x)",
        "trigger.body.a ? 'yes' : 'no'",
        "trigger.body.a ?: 'default'",
        "trigger.body.a ?? 'default'",
        "a[-1]",
        "$.a",
        "$exists(steps.a)",
        "$split(trigger.body.csv, ',')",
        "$replace(trigger.body.s, 'a', 'b')",
        "$pad(trigger.body.n, -8, '0')",
        "$formatNumber(trigger.body.n, '#,##0.00')",
        "$fromMillis($millis(), '[Y0001]-[M01]-[D01]')",
        "$now()",
        "trigger.body.items^(>price)",
        "trigger.body.items{category: $sum(price)}",
        "trigger.body.tags ~> $map($uppercase) ~> $join('-')",
        "$each(trigger.body, function($v, $k){ $k & '=' & $v })",
        "$sift(trigger.body, function($v){ $v != null })",
        "$merge([trigger.body, {'a': 1}])",
        "[1..10]",
        "'x' in trigger.body.tags",
        "trigger.body.*",
        "-a",
    ] {
        assert_eq!(expression(source).tier(), Tier::Linear, "{source}");
    }
}

#[test]
fn everything_else_is_guarded() {
    for source in [
        "$$.a",
        "a.b.%.c",
        "**",
        "[1..n]",
        "[1..1e7]",
        "a.[1..3]",
        "$reduce(a, function($x, $y){ $x + $y })",
        "($f := function($n){ $f($n) }; $f(1))",
        "function($x){ $x }",
        "$match(a, /x/)",
        "$contains(a, /x/)",
        "$split(a, /x/)",
        "$replace(a, /x/, 'y')",
        "$pad(a, n)",
        "$pad(a, 1e9)",
        "$pad(a, -1e9)",
        "$sort(a, function($l, $r){ $l > $r })",
        "a.(b^(c))",
        "a ~> |b|{'c': 1}|",
        "$eval('1')",
        "a@$x.b[c = $x.d]",
        "a#$i.b",
        "$map(a, $f)",
        "($sum := function($x){ 1 }; $sum(a))",
        "$string(a, true)",
        "$formatInteger(a, 'I')",
        "$formatNumber(a, p)",
        "$fromMillis(a, '[Y,1000000000]')",
        "$toMillis(a, '[H]:[m]')",
        "$formatBase(a, 2)",
        "$lowercase(?)",
        "(function($x){ $x })(1)",
        "$nothing(a)",
        "a.b(c)",
        "a.a.(a.(a.(a.(a))))",
        "[$map(a, function($v){ $y := $v }), $y]",
    ] {
        assert_eq!(expression(source).tier(), Tier::Guarded, "{source}");
    }
}

#[test]
fn tiers_are_ordered() {
    assert!(Tier::Path < Tier::Linear && Tier::Linear < Tier::Guarded);
}
