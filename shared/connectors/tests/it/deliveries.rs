//! What apps tell by themselves: which of it starts a run, and what it is known by.

use super::NOW;
use connectors::{built_in, names};
use expr::{Limits, Seed, Template};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// `[{"of": "<app>.<trigger>", "source", "starts", "key"?, "headers"?, "query"?, "body"}]`, out of the vendors' documentation.
const DELIVERIES: &str = include_str!("deliveries.json");

#[test]
fn every_hook_tells_deliveries_from_pings_and_from_repeats() {
    let deliveries: Vec<Value> = serde_json::from_str(DELIVERIES).unwrap();
    let (mut wrong, mut seen) = (Vec::new(), BTreeSet::new());
    for delivery in &deliveries {
        let of = delivery["of"].as_str().unwrap();
        seen.insert(of.to_owned());
        if let Err(fault) = judged(of, delivery) {
            wrong.push(format!("{of}: {fault}"));
        }
    }
    for (name, version) in names() {
        let Some(manifest) = built_in(name, Some(version)) else { continue };
        let hooks = manifest.triggers.iter().filter(|(_, trigger)| trigger.hook.is_some());
        let named = hooks.map(|(trigger, _)| format!("{name}.{trigger}"));
        wrong.extend(named.filter(|of| !seen.contains(of)).map(|of| format!("{of}: no delivery is known")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn judged(of: &str, delivery: &Value) -> Result<(), String> {
    if !delivery["source"].as_str().is_some_and(|source| source.starts_with("https://")) {
        return Err("it does not say where it is documented: `source`".to_owned());
    }
    let (name, trigger) = of.split_once('.').ok_or("of no trigger")?;
    let manifest = built_in(name, None).ok_or("no such connector")?;
    let trigger = manifest.triggers.get(trigger).ok_or("no such trigger")?;
    let hook = trigger.hook.as_ref().ok_or("it has no hook")?;
    let or_empty = |field: &str| delivery.get(field).cloned().unwrap_or_else(|| json!({}));
    let scope = json!({"trigger": {"body": delivery["body"], "headers": or_empty("headers"), "query": or_empty("query")}});
    let asked = |field: &str| {
        let Some(template) = hook.deliveries.get(field) else { return Ok(None) };
        let template = Template::parse(template).map_err(|_| format!("`{field}` cannot be read"))?;
        let seed = Seed { now_ms: NOW, random: 0 };
        let read = template.render_in_place(&scope, &seed, &Limits::default());
        read.map(Some).map_err(|failure| format!("`{field}`: {}", failure.message))
    };
    let starts = asked("when")?.is_none_or(|when| when == json!(true));
    if json!(starts) != delivery["starts"] {
        return Err(format!("starts a run: {starts}, {}", delivery["body"]));
    }
    let key = asked("key")?.unwrap_or_default();
    if starts && key != delivery["key"] {
        return Err(format!("is known by {key}, not by {}", delivery["key"]));
    }
    Ok(())
}
