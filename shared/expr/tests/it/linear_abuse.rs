//! Hunting for linear expressions that cost more than their bound: random ones over hostile inputs.

use std::time::{Duration, Instant};

use expr::{Expression, Limits, Tier};
use serde_json::{Value, json};

use crate::SEED;

/// A small generator with its own state, so that a failure names a seed that repeats it.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len() as u64) as usize]
    }

    fn source(&mut self, depth: u64) -> String {
        if depth == 0 || self.below(8) == 0 {
            let leaves = [
                "big",
                "text",
                "rows",
                "deep",
                "keys",
                "nums",
                "rows.a",
                "rows.b",
                "rows.t",
                "big.a",
                "$",
                "a",
                "b",
                "t",
                "$v",
                "'x'",
                "''",
                "1",
                "rows[0]",
                "deep.a.a",
                "nested",
                "*",
                "rows.*",
                "null",
                "wide",
                "[1..1000]",
            ];
            return self.pick(&leaves).to_owned();
        }
        let a = self.source(depth - 1);
        let b = self.source(depth - 1);
        match self.below(30) {
            0 => format!("({a}).({b})"),
            1 => format!("{a}[{b}]"),
            2 => format!("[{a}, {b}]"),
            3 => format!("({a}).{{'k': {b}, 'j': {a}}}"),
            4 => format!("({a}){{$string({b}): {a}}}"),
            5 => format!("($v := {a}; {b})"),
            6 => format!("$map({a}, function($v){{ {b} }})"),
            7 => format!("$filter({a}, function($v){{ {b} }})"),
            8 => format!("{a} & {b}"),
            9 => format!("{a} = {b}"),
            10 => format!("{a} in {b}"),
            11 => format!("$join({a}, {b})"),
            12 => format!("$replace({a}, 'x', {b})"),
            13 => format!("$append({a}, {b})"),
            14 => format!("$merge([{a}, {b}])"),
            15 => format!("$zip({a}, {b})"),
            16 => format!("$each({a}, function($v, $k){{ $k & {b} }})"),
            17 => format!("$sift({a}, function($v, $k){{ {b} }})"),
            18 => format!("({a})^({b})"),
            19 => format!("({a}).[{b}]"),
            20 => format!("({a}){{'k': {b}}}"),
            21 => format!("$lookup({a}, $string({b}))"),
            22 => format!("{a} ? {b} : {a}"),
            23 => format!("$split($string({a}), $string({b}))"),
            24 => format!("$contains($string({a}), $string({b}))"),
            25 => format!("$substringAfter($string({a}), $string({b}))"),
            26 => format!("$map({a}, $string)"),
            _ => {
                let name = self.pick(&[
                    "string",
                    "keys",
                    "distinct",
                    "reverse",
                    "count",
                    "sum",
                    "spread",
                    "uppercase",
                    "lowercase",
                    "trim",
                    "length",
                    "base64encode",
                    "encodeUrlComponent",
                    "encodeUrl",
                    "shuffle",
                    "boolean",
                    "not",
                    "exists",
                    "type",
                    "number",
                    "join",
                    "merge",
                    "max",
                    "base64decode",
                    "decodeUrl",
                ]);
                format!("${name}({a})")
            }
        }
    }
}

/// An input that is bad for somebody: many items, many keys, one huge text, equal prefixes, control characters.
pub(crate) fn input(scale: usize) -> Value {
    let rows: Vec<Value> = (0..scale)
        .map(|n| json!({"a": n % 7, "b": format!("x{n}"), "t": ["x", "xx"], format!("key{n}"): "x"}))
        .collect();
    let deep = (0..60).fold(json!({"a": "x"}), |inner, n| {
        if n % 2 == 0 { json!({"a": inner, "b": ["x"]}) } else { json!([inner, "x"]) }
    });
    let keys = Value::Object((0..scale * 2).map(|n| (format!("k{n}"), json!("x"))).collect());
    json!({
        "rows": rows, "text": "x".repeat(scale * 20), "big": {"a": "\u{1}".repeat(scale * 10)}, "deep": deep, "keys": keys,
        "nums": (0..scale * 8).collect::<Vec<_>>(), "nested": vec![vec!["x"; 5]; scale], "wide": vec!["x"; scale * 8],
        "a": "x", "b": [1, 2], "t": "xx",
    })
}

fn hunt(seed: u64, rounds: usize) -> (usize, Duration, String) {
    let limits = Limits { deadline_ms: 60_000, ..Limits::default() };
    let inputs = [1, 30, 1_000, 6_000].map(input);
    let (mut ran, mut slowest, mut culprit) = (0, Duration::ZERO, String::new());
    let mut dice = Dice(seed);
    for _ in 0..rounds {
        let depth = dice.below(4) + 1;
        let source = dice.source(depth);
        let Ok(expression) = Expression::parse(&source) else {
            continue;
        };
        if expression.tier() == Tier::Guarded {
            continue;
        }
        for input in &inputs {
            let start = Instant::now();
            let result = expression.evaluate_in_place(input, &SEED, &limits);
            let taken = start.elapsed();
            match &result {
                Err(failure) if failure.needs_guard() => {}
                Ok(Some(value)) => {
                    assert!(value.to_string().len() <= 2 * limits.max_output_bytes, "`{source}`");
                }
                _ => {}
            }
            ran += usize::from(!matches!(&result, Err(failure) if failure.needs_guard()));
            if taken > slowest {
                slowest = taken;
                culprit = format!("{source} on {} bytes", input.to_string().len());
            }
        }
    }
    (ran, slowest, culprit)
}

#[test]
fn what_runs_in_place_is_quick_whatever_the_input() {
    let rounds = if cfg!(debug_assertions) { 700 } else { 5_000 };
    for seed in [0x9e37_79b9_7f4a_7c15, 0x1234_5678_9abc_def1] {
        let (ran, slowest, culprit) = hunt(seed, rounds);
        println!("{ran} evaluations in place; the slowest took {slowest:?}: {culprit}");
        assert!(ran > rounds / 2, "too few ran in place: {ran}");
        // The bound is a tenth of a second in an optimised build; the assertion leaves room for a busy machine.
        let at_most =
            if cfg!(debug_assertions) { Duration::from_secs(5) } else { Duration::from_millis(400) };
        assert!(slowest < at_most, "{slowest:?}: {culprit}");
    }
}

/// One of each construct, to be given the largest input that is still accepted in place.
const SHAPES: [&str; 76] = [
    "rows",
    "rows.b",
    "rows.t",
    "rows.*",
    "rows[a = 3]",
    "rows[b = 'x7']",
    "rows[b > a]",
    "rows[[1, 2, 3]]",
    "rows.(b & b)",
    "rows.{'a': a, 'b': b}",
    "rows.[a, b]",
    "rows{b: a}",
    "rows{b: $count($)}",
    "rows{'all': b}",
    "rows^(b)",
    "rows^(>a, b)",
    "wide^($)",
    "$count(rows)",
    "$sum(nums)",
    "$max(nums)",
    "$average(nums)",
    "$string($)",
    "$string(rows)",
    "$string(big)",
    "$string($string(big))",
    "$length(text)",
    "$uppercase(text)",
    "$trim(text)",
    "$substring(text, 5, 9)",
    "$substringAfter(text, 'y')",
    "$substringAfter(text, text & 'y')",
    "$contains(text, 'xxxxxxxxy')",
    "$contains(text & text, text & 'y')",
    "$split(text, '')",
    "$split(text, 'x')",
    "$split(text, 'xxxxxy')",
    "$join(wide)",
    "$join(wide, 'xxxxxxxxxx')",
    "$join(wide, text)",
    "$replace(text, 'x', 'yyyyyyyy')",
    "$replace(text, 'x', text)",
    "$keys(rows)",
    "$keys(keys)",
    "$distinct(nums)",
    "$distinct(wide)",
    "$distinct(rows)",
    "$distinct(rows.b)",
    "$reverse(nums)",
    "$append(rows, nums)",
    "$merge(rows)",
    "$merge([keys, keys])",
    "$zip(nums, wide, nums)",
    "$spread(keys)",
    "$spread(rows)",
    "$shuffle(nums)",
    "$base64encode(text)",
    "$base64decode($base64encode(text))",
    "$encodeUrlComponent(big.a)",
    "$decodeUrlComponent(text)",
    "$lookup(rows, 'b')",
    "$map(rows, function($v, $i){ $v.b & $i })",
    "$map(rows, $string)",
    "$map(nums, function($v){ $count(nums) })",
    "$map(wide, function($v){ $string(nums) })",
    "$map(rows, function($v, $i, $a){ $count($a) })",
    "$filter(nums, function($v){ $v in nums })",
    "$filter(rows, function($v){ $v.b in rows.b })",
    "$each(keys, function($v, $k){ $k & $v })",
    "$sift(keys, function($v, $k){ $k > 'k5' })",
    "rows.(t.($ & %.b))",
    "rows.t.($ & 'x')",
    "rows = rows",
    "[rows, rows] = [rows, rows]",
    "($v := rows; [$v, $v, $v, $v])",
    "nested.$sum($count($))",
    "rows ~> $map(function($v){ $v ~> $string }) ~> $join(',')",
];

#[test]
fn each_construct_keeps_its_bound_at_the_edge_of_the_budget() {
    let limits = Limits { deadline_ms: 60_000, ..Limits::default() };
    let mut slowest = (Duration::ZERO, String::new());
    let mut edges = 0;
    for source in SHAPES {
        let expression = Expression::parse(source).unwrap();
        if expression.tier() == Tier::Guarded {
            assert!(source.contains('%'), "`{source}` is guarded");
            continue;
        }
        let mut scale = 8;
        loop {
            let input = input(scale);
            let start = Instant::now();
            let result = expression.evaluate_in_place(&input, &SEED, &limits);
            let taken = start.elapsed();
            if matches!(&result, Err(failure) if failure.needs_guard()) {
                edges += 1;
                break;
            }
            if taken > slowest.0 {
                slowest = (taken, format!("{source} at {scale}"));
            }
            if scale > 60_000 {
                break;
            }
            scale = scale * 5 / 3;
        }
    }
    println!("{edges} constructs met their bound; the slowest took {slowest:?}");
    assert!(edges > 50, "{edges}");
    let at_most = if cfg!(debug_assertions) { Duration::from_secs(5) } else { Duration::from_millis(400) };
    assert!(slowest.0 < at_most, "{slowest:?}");
}
