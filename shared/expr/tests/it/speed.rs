//! What a rendering costs. Printed always; asserted with ten-fold slack in optimised builds only.

use std::time::Instant;

use expr::{Limits, Template};
use serde_json::{Value, json};

use crate::SEED;

fn scope() -> Value {
    let items: Vec<Value> =
        (0..20).map(|n| json!({"id": n, "sku": format!("SKU-{n}"), "price": 9.5, "qty": n})).collect();
    // The rest of a scope of about 60 KB, which the expressions do not read.
    let ballast: Vec<Value> =
        (0..400).map(|n| json!({"n": n, "text": "x".repeat(100), "more": [1, 2, 3]})).collect();
    json!({
        "trigger": {"body": {"email": "ADA@example.org", "first": "Ada", "last": "Lovelace", "score": 91, "items": items}, "headers": {"webhook-id": "m"}},
        "steps": {"person": {"name": "Ada", "id": 7}, "ballast": ballast},
    })
}

fn microseconds(template: &Value) -> f64 {
    let template = Template::parse(template).unwrap();
    let (scope, limits) = (scope(), Limits::default());
    let rounds = 2_000;
    let mut best = f64::MAX;
    for _ in 0..5 {
        let start = Instant::now();
        for _ in 0..rounds {
            std::hint::black_box(template.render_in_place(&scope, &SEED, &limits).unwrap());
        }
        best = best.min(start.elapsed().as_secs_f64() * 1e6 / f64::from(rounds));
    }
    best
}

#[test]
fn paths_and_mappings_are_fast() {
    for (what, template, at_most) in [
        ("a path", json!("{{ trigger.body.email }}"), 2.0),
        ("a path through an array", json!("{{ trigger.body.items.sku }}"), 10.0),
        ("a function", json!("{{ $lowercase(trigger.body.email) }}"), 30.0),
        ("a comparison", json!("{{ trigger.body.score > 80 }}"), 30.0),
        (
            "a filter and a sum over 20 items",
            json!("{{ $sum(trigger.body.items[qty > 5].(price * qty)) }}"),
            60.0,
        ),
        (
            "a mapping of five fields",
            json!({"email": "{{ $lowercase(trigger.body.email) }}", "name": "{{ trigger.body.first & ' ' & trigger.body.last }}", "hot": "{{ trigger.body.score > 80 }}", "id": "{{ steps.person.id }}", "note": "Hot: {{ steps.person.name }}"}),
            30.0,
        ),
    ] {
        let taken = microseconds(&template);
        println!("{what}: {taken:.2} µs");
        if !cfg!(debug_assertions) {
            assert!(taken < at_most * 10.0, "{what}: {taken:.1} µs");
        }
    }
}
