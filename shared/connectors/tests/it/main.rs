//! The catalogue: every manifest can be read, and does what the examples say.

mod answers;
mod calls;
mod signing;

use connectors::trigger::advanced;
use connectors::{built_in, fixture, names, read, schema, with_max_items};
use serde_json::Value;
use std::fs;
use std::path::Path;

#[test]
fn every_connector_does_what_its_examples_say() {
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog");
    let mut wrong = Vec::new();
    println!("{:<20} {:>7} {:>8}", "connector", "actions", "examples");
    for (name, version) in names() {
        let Some(manifest) = built_in(name, Some(version)) else {
            wrong.push(format!("{name}: it cannot be read"));
            continue;
        };
        let mut replayed = 0;
        let folder = catalog.join(name).join("fixtures");
        for example in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let text = fs::read_to_string(example.path()).unwrap();
            let fixture: Value = serde_json::from_str(&text).unwrap();
            let found = fixture::replay(&manifest, &fixture);
            wrong.extend(found.into_iter().map(|what| format!("{}: {what}", example.path().display())));
            replayed += 1;
        }
        println!("{name:<20} {:>7} {replayed:>8}", manifest.actions.len());
        if !folder.is_dir() || replayed == 0 {
            wrong.push(format!("{name}: it has no example"));
        }
        if let Some(test) = &manifest.test
            && !manifest.actions[test].input["required"].as_array().is_none_or(Vec::is_empty)
        {
            wrong.push(format!("{name}: its test asks for an input"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_version_that_is_not_there_is_not_another_one() {
    let (name, version) = names()[0];
    assert!(built_in(name, None).is_some());
    assert!(built_in(name, Some(version + 1)).is_none());
    assert!(built_in("no_such_app", None).is_none());
    assert!(read(&Value::Null).is_err());
}

/// What a trigger asks fits the action that it asks by, before its first answer and after; and of the documented answers of that action
/// it reads records that have keys, and a place of the cursor where they are to have one.
#[test]
fn every_trigger_reads_the_documented_answers_of_its_action() {
    let mut wrong = Vec::new();
    let mut found = 0;
    for (name, version) in names() {
        let Some(manifest) = built_in(name, Some(version)) else { continue };
        for (trigger, of) in &manifest.triggers {
            found += 1;
            let mut say = |what: String| wrong.push(format!("{name}.{trigger}: {what}"));
            let mut cursors = vec![Value::Null];
            let mut examples = 0;
            for output in outputs(name, &of.poll.action) {
                let records = match of.poll.records(output, NOW) {
                    Ok(records) => records.records,
                    Err(error) => {
                        say(error.message);
                        continue;
                    }
                };
                examples += records.len();
                if of.poll.cursor.is_some() {
                    if records.iter().any(|record| record.cursor.is_none()) {
                        say("a record has no place of the cursor".to_owned());
                    }
                    cursors.push(advanced(&Value::Null, &records, NOW));
                }
            }
            if examples == 0 {
                say(format!("no example of `{}` has a record", of.poll.action));
            }
            let wanted = with_max_items(&manifest.actions[&of.poll.action].input);
            for cursor in cursors {
                match of.poll.question(&manifest, &sample(&of.input), &of.poll.since(&cursor), NOW) {
                    Ok(question) => {
                        let faults = schema::check(&question, &wanted, &manifest.schemas, "", false);
                        let faults: Vec<_> = faults.into_iter().map(|fault| fault.message).collect();
                        if !faults.is_empty() {
                            say(format!("after {cursor} it asks {question}: {}", faults.join("; ")));
                        }
                        println!("{name}.{trigger} after {cursor}: {question}");
                    }
                    Err(error) => say(format!("after {cursor}: {}", error.message)),
                }
            }
        }
    }
    println!("{found} triggers");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const NOW: i64 = 1_772_366_400_000;

/// What the examples of an action give.
fn outputs(connector: &str, action: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("catalog").join(connector).join("fixtures");
    let examples = fs::read_dir(folder).into_iter().flatten().flatten();
    let read = examples.filter_map(|example| {
        let fixture: Value = serde_json::from_str(&fs::read_to_string(example.path()).ok()?).ok()?;
        (fixture["action"] == action && fixture["output"].is_object()).then(|| fixture["output"].clone())
    });
    read.collect()
}

/// An input with the examples of its schema.
fn sample(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let value = |of: &Value| of["examples"][0].as_str().map_or_else(|| "x".into(), Value::from);
    properties.map(|(name, of)| (name.clone(), value(of))).collect::<serde_json::Map<_, _>>().into()
}
