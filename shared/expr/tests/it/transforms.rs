//! The transform library: its examples, its limits, and what arbitrary arguments do to it.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use expr::{Expression, Limits, Tier, Transform, codes, evaluate_any, transforms};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{SEED, any, expression, linear_abuse, plain};

fn parameters(transform: &Transform) -> Vec<(&str, &str, bool)> {
    let inner = transform.signature.strip_prefix('(').unwrap().split_once(") -> ").unwrap().0;
    inner
        .split(", ")
        .map(|parameter| {
            let (name, kind) = parameter.split_once(": ").unwrap();
            (name.trim_end_matches('?'), kind, name.ends_with('?'))
        })
        .collect()
}

#[test]
fn every_example_is_true() {
    let mut faults = Vec::new();
    for transform in transforms() {
        assert!(!transform.examples.is_empty(), "{} has no example", transform.name);
        for example in transform.examples {
            assert!(example.expression.contains(&format!("${}(", transform.name)), "{}", example.expression);
            let scope: Value = serde_json::from_str(example.input).unwrap();
            match any(example.expression, &scope).map(|value| value.map(|value| value.to_string())) {
                Ok(Some(written)) if written == example.output => {}
                other => {
                    faults.push(format!("{} gives {other:?}, not {}", example.expression, example.output));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn names_are_sorted_unique_and_new() {
    let names: Vec<&str> = transforms().iter().map(|transform| transform.name).collect();
    assert!(names.len() >= 60, "{}", names.len());
    assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_alphanumeric()), "{name}");
        // A builtin is a function to the engine alone.
        let is_function = plain(&format!("$type(${name})"), &json!({})).unwrap();
        assert_eq!(is_function, None, "${name} is a builtin");
        assert_ne!(name, "uuid");
    }
}

#[test]
fn the_table_is_fit_to_be_read() {
    for transform in transforms() {
        let Transform { name, signature, description, .. } = transform;
        assert!(description.ends_with('.') && description.len() < 260, "{name}");
        let kinds = ["string", "number", "boolean", "object", "list", "any", "anything", "time"];
        let mut optional = false;
        for (parameter, kind, may_be_left_out) in parameters(transform) {
            assert!(kinds.contains(&kind), "{name}: {kind}");
            assert!(may_be_left_out || !optional, "{name}: `{parameter}` follows an optional one");
            optional = may_be_left_out;
        }
        assert!(kinds.contains(&signature.split_once(") -> ").unwrap().1), "{name}");
    }
    let table = serde_json::to_value(transforms()).unwrap();
    assert_eq!(table[0]["name"], transforms()[0].name);
    assert!(table[0]["examples"][0]["expression"].is_string());
}

#[test]
fn undefined_in_undefined_out() {
    for transform in transforms() {
        let parameters = parameters(transform);
        if parameters[0].1 == "anything" {
            continue;
        }
        let rest =
            parameters[1..].iter().filter(|(_, _, optional)| !optional).map(|(_, kind, _)| match *kind {
                "string" | "time" => ", 'x'",
                "number" => ", 1",
                "object" => ", {}",
                _ => ", []",
            });
        let source = format!("${}(missing{})", transform.name, rest.collect::<String>());
        assert_eq!(any(&source, &json!({})).unwrap(), None, "{source}");
    }
}

#[test]
fn what_is_wrong_is_named() {
    for (source, message) in [
        ("$slug(7)", "`$slug`: argument 1 (`text`) must be a string, not a number"),
        ("$slug(null)", "`$slug`: argument 1 (`text`) must be a string, not null"),
        ("$slug('a', 'b')", "`$slug`: it takes 1 arguments at most, not 2"),
        ("$truncate('a')", "`$truncate`: argument 2 (`length`) is missing"),
        (
            "$truncate('a', -1)",
            "`$truncate`: argument 2 (`length`) must be a whole number from 0 to 1000000000",
        ),
        ("$pick([1], 'a')", "`$pick`: argument 1 (`object`) must be an object, not a list"),
        ("$unique($sum)", "`$unique`: argument 1 (`list`) must be a list, not a function"),
        (
            "$toIso('yesterday')",
            "`$toIso`: argument 1 (`time`) must be ISO 8601 text or milliseconds since 1970",
        ),
        ("$toZone(0, 'Mars/Olympus')", "`$toZone`: the time zone `Mars/Olympus` is not known here"),
        (
            "$toZone(0, '../../../etc/passwd')",
            "`$toZone`: the time zone `../../../etc/passwd` is not known here",
        ),
        ("$parseNumber('12 apples')", "`$parseNumber`: `12 apples` is not a number"),
        ("$chunk([1], 0)", "`$chunk`: argument 2 (`size`) must be at least 1"),
        ("$jsonParse('{')", "`$jsonParse`: that is not JSON: EOF while parsing an object at line 1 column 1"),
        ("$percent(1, 0)", "`$percent`: the result is not a finite number"),
        ("$formatDate(0, 'b')", "`$formatDate`: a pattern has no `b`; text stands in single quotes"),
        ("$parseDate('31.02.2024', 'dd.MM.yyyy')", "`$parseDate`: `31.02.2024` is no date of the calendar"),
        ("$parseDate('2024', 'dd.MM.yyyy')", "`$parseDate`: `2024` does not follow the pattern"),
    ] {
        let failure = any(source, &json!({})).unwrap_err();
        assert_eq!((failure.code, failure.message.as_str()), (codes::FAILED, message), "{source}");
    }
}

#[test]
fn growth_stops_at_the_limit() {
    let scope = json!({"text": "x".repeat(10_000)});
    for source in [
        "$repeat('ab', 1000000000)",
        "$repeat(text, 1000)",
        "$mask(text, 0, text)",
        "$replaceAll(text, {'x': text})",
        "($l := [1..20000]; $queryFormat({text: $l}))",
        "($a := [1, 1]; $b := [$a, $a]; $c := [$b, $b]; $d := [$c, $c, $c, $c]; $e := [$d, $d, $d, $d]; \
          $f := [$e, $e, $e, $e]; $g := [$f, $f, $f, $f]; $h := [$g, $g, $g, $g]; $i := [$h, $h, $h, $h]; \
          $j := [$i, $i, $i, $i]; $k := [$j, $j, $j, $j]; $flatten($k))",
        "$csvParse($repeat('a', 9000) & '\n' & $repeat('b\n', 9000))",
    ] {
        let failure = any(source, &scope).unwrap_err();
        assert_eq!(failure.code, codes::TOO_LARGE, "{source}: {failure}");
    }
}

#[test]
fn callbacks_and_pipes() {
    let scope = json!({"names": ["Ada Lovelace", "Bob"], "o": {"a": "X y"}});
    for (source, expected) in [
        ("$map(names, $slug)", json!(["ada-lovelace", "bob"])),
        ("names ~> $map($slug) ~> $first()", json!("ada-lovelace")),
        ("names.$slug($)", json!(["ada-lovelace", "bob"])),
        ("'a b' ~> $camelCase", json!("aB")),
        ("$each(o, $slug)", json!("x-y")),
        ("($f := $slug; $f('A B'))", json!("a-b")),
        ("($slug := function($x){ 1 }; $slug('A B'))", json!(1)),
        ("$truncate(?, 3)('abcdef')", json!("ab…")),
        ("$unique(names[0])", json!(["Ada Lovelace"])),
    ] {
        assert_eq!(any(source, &scope).unwrap(), Some(expected), "{source}");
    }
    assert_eq!(expression("$map(names, $slug)").tier(), Tier::Linear);
    assert_eq!(expression("$map(names, $truncate)").tier(), Tier::Guarded);
}

#[test]
fn chance_is_the_seeds() {
    let two = |seed| {
        let value =
            evaluate_any(&expression("[$shortId(20), $shortId(20)]"), &json!({}), seed, &Limits::default());
        value.unwrap().unwrap()
    };
    assert_eq!(two(&SEED), two(&SEED));
    assert_ne!(two(&SEED), two(&expr::Seed { random: 1, ..SEED }));
    assert_ne!(two(&SEED)[0], two(&SEED)[1]);
    assert!(!expression("$shortId(8)").references().everything);
}

#[test]
fn the_calendar_has_its_odd_days() {
    for (source, expected) in [
        // The clocks went forward in Berlin at two, and back at three.
        ("$addTime('2024-03-31T02:30', 'PT0S', 'Europe/Berlin')", "2024-03-31T01:30:00.000Z"),
        ("$endOf('2024-03-31', 'day', 'Europe/Berlin')", "2024-03-31T21:59:59.999Z"),
        ("$startOf('2024-10-27T01:30:00Z', 'hour', 'Europe/Berlin')", "2024-10-27T01:00:00.000Z"),
        ("$startOf('2024-08-15', 'quarter')", "2024-07-01T00:00:00.000Z"),
        ("$endOf('2024-08-15', 'quarter')", "2024-09-30T23:59:59.999Z"),
        ("$startOf('2024-08-15', 'year', 'Asia/Kolkata')", "2023-12-31T18:30:00.000Z"),
        ("$addTime('2024-02-29', 'P1Y')", "2025-02-28T00:00:00.000Z"),
        ("$addTime('2024-03-31', '-P1M')", "2024-02-29T00:00:00.000Z"),
        ("$addTime('2024-01-01', 'P1W2DT1H')", "2024-01-10T01:00:00.000Z"),
        ("$addWorkdays('2024-07-22', -1)", "2024-07-19T00:00:00.000Z"),
        ("$toZone('2030-07-01T00:00:00Z', 'America/New_York')", "2030-06-30T20:00:00.000-04:00"),
        ("$toZone('1900-01-01T00:00:00Z', 'UTC')", "1900-01-01T00:00:00.000Z"),
        ("$parseDate('12:05 am', 'hh:mm a')", "1970-01-01T00:05:00.000Z"),
        (
            "$parseDate('Mon 22 July 2024 10:00:00+02:00', 'EEE d MMMM yyyy HH:mm:ssXXX')",
            "2024-07-22T08:00:00.000Z",
        ),
    ] {
        assert_eq!(any(source, &json!({})).unwrap(), Some(json!(expected)), "{source}");
    }
    for (source, expected) in [
        ("$dateDiff('2024-03-30T12:00', '2024-03-31T12:00', 'days', 'Europe/Berlin')", 1),
        ("$dateDiff('2024-03-30T12:00', '2024-03-31T12:00', 'hours', 'Europe/Berlin')", 23),
        ("$dateDiff('2024-07-22', '1990-07-23', 'years')", -33),
        ("$dateDiff('2024-01-31', '2024-02-29', 'month')", 1),
        ("$dateDiff('2024-01-31', '2024-02-28', 'months')", 0),
        ("$dateDiff(0, -1500, 'seconds')", -1),
        ("$dateDiff(0, 1209600000, 'weeks')", 2),
    ] {
        assert_eq!(any(source, &json!({})).unwrap(), Some(json!(expected)), "{source}");
    }
}

#[test]
fn the_corners_of_some() {
    for (source, expected) in [
        (
            "$stripHtml('a < b <b>c</b>, <style>p{}</style><!-- <i> -->d<br/>e &lt;f&gt; <script>')",
            json!("a < b c, d e <f>"),
        ),
        (
            "$extractUrls('https://en.wikipedia.org/wiki/Rust_(language), http:// httpx')",
            json!(["https://en.wikipedia.org/wiki/Rust_(language)"]),
        ),
        ("$extractNumbers('v1.2.3, 5-3 = 2; -4 .5 1e5')", json!([1.2, 3, 5, 3, 2, -4, 5, 1, 5])),
        ("$extractEmails('a@b.c.. x@y z@@w.de -q@r.st-')", json!(["a@b.c", "q@r.st"])),
        ("$slug('  Straße & Co. — Łódź  ')", json!("strasse-co-lodz")),
        ("$words('parseHTTPResponse2xx')", json!(["parse", "http", "response2xx"])),
        ("$titleCase(\"l'été d'ADA\")", json!("L'été D'ada")),
        ("$truncate('abc', 0)", json!("")),
        ("$formatDecimal(-0.004, 2)", json!("0.00")),
        ("$formatDecimal(999999.995, 2)", json!("1,000,000.00")),
        ("$parseNumber('(1 234,5)', ',') ", Value::Null),
        ("$parseNumber('1 234,5 €', ',')", json!(1234.5)),
        ("$sortBy([{'a':'b'},{},{'a':2},{'a':1},{'a':'a'}], 'a', 'desc').a", json!([2, 1, "b", "a"])),
        ("$difference([{'a':1,'b':2}], [{'b':2,'a':1}])", json!([])),
        ("$difference([1, 2], missing)", json!([1, 2])),
        ("$intersection([{'id':1,'x':1},{'id':2}], [{'id':1}], 'id').x", json!(1)),
        ("$setPath({'a':[1]}, 'a.1', 2)", json!({"a": [1, 2]})),
        ("$setPath(missing, 'a.b', 2)", json!({"a": {"b": 2}})),
        ("$setPath({'a':1}, 'b', missing)", json!({"a": 1})),
        ("$mergeDeep({'a':{'b':1}}, missing)", json!({"a": {"b": 1}})),
        ("$csvParse('a;b\r\n\"x\ny\";\r\n', ';')", json!([{"a": "x\ny", "b": ""}])),
        ("$csvParse('a,b\n1')", json!([{"a": "1", "b": null}])),
        ("$jsonParse('[]')", json!([])),
        ("$queryParse('a&b=%zz')", json!({"a": "", "b": "%zz"})),
        (
            "$hmacSha256('Test Using Larger Than Block-Size Key - Hash Key First', $hexDecode($repeat('61', 131)))",
            json!("d021303c2f34bf3ae541b4ec9c672691694c6f71c5c0c55781545a66115b14a7"),
        ),
        ("$compact({'a': missing, 'b': [null]})", json!({"b": [null]})),
    ] {
        match any(source, &json!({})) {
            Ok(value) => assert_eq!(value, Some(expected), "{source}"),
            Err(failure) => assert!(expected.is_null(), "{source}: {failure}"),
        }
    }
}

#[test]
fn guarded_are_few() {
    let guarded: Vec<&str> = transforms()
        .iter()
        .filter(|transform| {
            let arguments = parameters(transform).iter().map(|_| "a").collect::<Vec<_>>().join(", ");
            expression(&format!("${}({arguments})", transform.name)).tier() == Tier::Guarded
        })
        .map(|transform| transform.name)
        .collect();
    assert_eq!(guarded, ["addWorkdays", "flattenKeys", "repeat", "unflattenKeys"]);
}

/// Arguments that are bad for somebody, for each kind of parameter.
fn hostile(kind: &str) -> &'static [&'static str] {
    match kind {
        "string" => &["text", "big.a", "dense", "'a'", "''", "markup", "'day'"],
        "number" => &["3", "1000"],
        "boolean" => &["true", "false"],
        "object" => &["keys", "big"],
        "list" => &["rows", "nums", "wide", "nested", "[keys, keys]"],
        "time" => &["'2024-07-22'", "0", "text"],
        _ => &["rows", "deep", "keys", "text", "nums", "nested", "big"],
    }
}

#[test]
fn each_keeps_its_bound_at_the_edge_of_the_budget() {
    let limits = Limits { deadline_ms: 60_000, ..Limits::default() };
    let mut slowest: Vec<(Duration, String)> = Vec::new();
    let mut edges = 0;
    let scaled: Vec<(usize, Value)> = std::iter::successors(Some(8_usize), |scale| Some(scale * 9 / 4))
        .take_while(|scale| *scale < 40_000)
        .map(|scale| {
            let mut input = linear_abuse::input(scale);
            input["dense"] = json!(format!("[{}1]", "1,".repeat(scale * 6)));
            input["markup"] = json!("<&http://)éA1 ,\n\"".repeat(scale));
            (scale, input)
        })
        .collect();
    for transform in transforms() {
        let parameters = parameters(transform);
        let mut calls = vec![String::new()];
        for (at, (_, kind, _)) in parameters.iter().enumerate() {
            let choices = hostile(kind);
            let few = if at == 0 { choices.len() } else { choices.len().min(4) };
            let grown = calls.iter().flat_map(|call| {
                choices[..few]
                    .iter()
                    .map(move |choice| format!("{call}{}{choice}", if at == 0 { "" } else { ", " }))
            });
            calls = grown.collect();
        }
        for arguments in calls.iter().take(60) {
            let source = format!("${}({arguments})", transform.name);
            let expression = Expression::parse(&source).unwrap();
            if expression.tier() == Tier::Guarded {
                continue;
            }
            let mut last = (Duration::ZERO, String::new());
            for (scale, input) in &scaled {
                let start = Instant::now();
                let result = expression.evaluate_in_place(input, &SEED, &limits);
                let taken = start.elapsed();
                if matches!(&result, Err(failure) if failure.needs_guard()) {
                    edges += 1;
                    break;
                }
                last = last.max((taken, format!("{source} at {scale}")));
            }
            slowest.push(last);
        }
    }
    slowest.sort_unstable();
    println!("{edges} met their bound; the slowest: {:#?}", &slowest[slowest.len() - 12..]);
    assert!(edges > 50, "{edges}");
    let at_most = if cfg!(debug_assertions) { Duration::from_secs(5) } else { Duration::from_millis(400) };
    assert!(slowest.last().unwrap().0 < at_most);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any_bool(),
        (-1_000_000_i64..1_000_000).prop_map(Value::from),
        prop_oneof![Just(0.5), Just(-1e300), Just(1e300), Just(1e-300), Just(9e15), Just(8.64e15)]
            .prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[ -~\n]{0,20}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "a.b",
            "a.0",
            "2024-02-29T23:59:60Z",
            "9999-12-31",
            "-009999-01-01",
            "P9999Y",
            "-P1M",
            "PT1e9S",
            "PT175307616H",
            "yyyy-MM-dd'",
            "month",
            "Europe/Berlin",
            "+25:99",
            "-00:00",
            "base64",
            "EUR",
            "dns",
            "<a href='",
            "<script>",
            "&#x110000;",
            "&#0;",
            "\"a,",
            "a,b\n\"",
            "http://[::1",
            "http://xn--a/",
            "%",
            "%zz",
            "{\"a\":[1e999]}",
            "ﬀ",
            "İ",
            "🇩🇪",
            "e\u{301}",
            "-",
            "1,2.3,4",
            ".",
            "desc",
            "eyJ9.e30.x",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 20, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec(("[ab.0]{0,3}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_bool() -> impl Strategy<Value = Value> {
    prop_oneof![Just(Value::Bool(true)), Just(Value::Bool(false))]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whatever it is given, a transform gives a bounded value or says what is wrong.
    #[test]
    fn no_argument_makes_a_transform_panic(args in prop::collection::vec(json_value(), 4)) {
        let scope = json!({"a": args[0], "b": args[1], "c": args[2], "d": args[3], "l": [args[0], args[1], args[2]]});
        for transform in transforms() {
            let parameters = parameters(transform);
            // Mostly of the right kind, so that more than the check of the arguments is tried.
            let fitting: Vec<String> = parameters
                .iter()
                .zip(["a", "b", "c", "d"])
                .map(|((_, kind, _), name)| match *kind {
                    "string" => format!("$string({name})"),
                    "number" => format!("($type({name}) = 'number' ? {name} : $length($string({name})))"),
                    "object" => format!("$merge([{{'k': {name}}}, {name}[$type($) = 'object']])"),
                    "list" => "l".to_owned(),
                    _ => name.to_owned(),
                })
                .collect();
            let plain = ["a", "b", "c", "d"][..parameters.len()].join(", ");
            for arguments in [fitting.join(", "), plain, fitting[..1].join("")] {
                let source = format!("${}({arguments})", transform.name);
                let limits = Limits { max_output_bytes: 20_000, ..Limits::default() };
                match evaluate_any(&expression(&source), &scope, &SEED, &limits) {
                    Ok(Some(value)) => prop_assert!(value.to_string().len() <= 100_000, "{}", source),
                    Ok(None) => {}
                    Err(failure) => prop_assert!(
                        !failure.message.contains("inside its engine"), "{} on {}: {}", source, scope, failure
                    ),
                }
            }
        }
    }
}

/// `docs/transforms.md`, from the table.
fn page() -> String {
    let mut page = String::from(include_str!("transforms.md"));
    for category in ["text", "number", "date", "list", "object", "encoding", "hash", "id"] {
        let of_it: Vec<_> = transforms().iter().filter(|transform| transform.category == category).collect();
        let title = category[..1].to_uppercase() + &category[1..];
        writeln!(page, "\n## {title}").unwrap();
        for transform in of_it {
            let Transform { name, signature, description, .. } = transform;
            writeln!(page, "\n### `${name}`\n\n`${name}{signature}`\n\n{description}\n\n```text").unwrap();
            for example in transform.examples {
                let given =
                    if example.input == "{}" { String::new() } else { format!("   with {}", example.input) };
                writeln!(page, "{}{given}\n  => {}", example.expression, example.output).unwrap();
            }
            page.push_str("```\n");
        }
    }
    page
}

#[test]
fn the_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/transforms.md");
    #[expect(clippy::disallowed_methods, reason = "a test that is told to write what it else compares")]
    let write = std::env::var_os("PATCHBAY_WRITE_DOCS").is_some();
    if write {
        std::fs::write(path, page()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/transforms.md is not the table: run this test with PATCHBAY_WRITE_DOCS=1"
    );
}
