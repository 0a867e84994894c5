//! The same seed gives the same bytes; nothing reads a clock or real chance.

use expr::{Expression, Limits, Seed, Template, evaluate_any};
use serde_json::{Value, json};

use crate::SEED;

fn with(source: &str, seed: &Seed) -> Value {
    let expression = Expression::parse(source).unwrap();
    evaluate_any(&expression, &json!({"list": [1, 2, 3, 4, 5, 6, 7, 8]}), seed, &Limits::default())
        .unwrap()
        .unwrap()
}

#[test]
fn time_is_the_seeds() {
    assert_eq!(with("$millis()", &SEED), json!(1_721_650_530_123_i64));
    assert_eq!(with("$now()", &SEED), json!("2024-07-22T12:15:30.123Z"));
    assert_eq!(with("$now('[Y]/[M]/[D] [H]', '+0200')", &SEED), json!("2024/7/22 14"));
    assert_eq!(with("($n := $now; $n())", &SEED), json!("2024-07-22T12:15:30.123Z"));
    assert_eq!(with("[1, 2].$millis()", &SEED), json!([1_721_650_530_123_i64, 1_721_650_530_123_i64]));
}

#[test]
fn a_time_of_day_alone_is_on_the_seeds_day() {
    for (source, expected) in [
        ("$fromMillis($toMillis('08:30', '[H]:[m]'))", "2024-07-22T08:30:00.000Z"),
        ("$fromMillis($toMillis('8:30 pm', '[h]:[m] [P]'))", "2024-07-22T20:30:00.000Z"),
        ("$fromMillis($toMillis('03-04', '[M]-[D]'))", "2024-03-04T00:00:00.000Z"),
        ("$fromMillis($toMillis('5', '[D]'))", "2024-07-05T00:00:00.000Z"),
        ("$fromMillis($toMillis('07', '[m]'))", "2024-07-22T12:07:00.000Z"),
        ("$fromMillis($toMillis('2020-02-03', '[Y]-[M]-[D]'))", "2020-02-03T00:00:00.000Z"),
        ("$fromMillis($toMillis('2020', '[Y]'))", "2020-01-01T00:00:00.000Z"),
        ("$fromMillis($toMillis('2020-02-03T01:02:03Z'))", "2020-02-03T01:02:03.000Z"),
    ] {
        assert_eq!(with(source, &SEED), json!(expected), "{source}");
    }
}

#[test]
fn chance_repeats_with_the_seed_only() {
    for source in [
        "[1..20].$random()",
        "$shuffle(list)",
        "[$uuid(), $uuid(), $random()]",
        "($r := $random; [$r(), $r()])",
        "$map(list, function($x){ $random() })",
        "list ~> $shuffle()",
    ] {
        let other = Seed { random: 43, ..SEED };
        assert_eq!(with(source, &SEED), with(source, &SEED), "{source}");
        assert_ne!(with(source, &SEED), with(source, &other), "{source}");
    }
    let numbers = with("[1..200].$random()", &SEED);
    let numbers: Vec<f64> = numbers.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(numbers.iter().all(|n| (0.0..1.0).contains(n)));
    let mean = numbers.iter().sum::<f64>() / 200.0;
    assert!((0.4..0.6).contains(&mean), "{mean}");
    let mut shuffled: Vec<i64> = serde_json::from_value(with("$shuffle(list)", &SEED)).unwrap();
    shuffled.sort_unstable();
    assert_eq!(shuffled, [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_uuid_has_the_form_of_version_4() {
    let Value::String(uuid) = with("$uuid()", &SEED) else { panic!("no text") };
    assert_eq!(uuid.len(), 36);
    assert_eq!(&uuid[14..15], "4");
    assert!("89ab".contains(&uuid[19..20]));
}

#[test]
fn two_places_of_a_template_differ_and_repeat() {
    let template = Template::parse(
        &json!({"a": "{{ $uuid() }}", "b": "{{ $uuid() }}", "c": "{{ $random() }}-{{ $random() }}"}),
    )
    .unwrap();
    let render = || template.render_in_place(&json!({}), &SEED, &Limits::default()).unwrap();
    let one = render();
    assert_eq!(one.to_string(), render().to_string());
    assert_ne!(one["a"], one["b"]);
    let (left, right) = one["c"].as_str().unwrap().split_once('-').unwrap();
    assert_ne!(left, right);
}
