//! The catalogue: every manifest can be read, and does what the examples say.

mod answers;
mod calls;
mod deliveries;
mod dynamic;
mod published;
mod signing;

use connectors::hook::{Asking, Hook};
use connectors::trigger::advanced;
use connectors::{Manifest, built_in, fixture, names, read, schema, with_max_items};
use serde_json::{Value, json};
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
            let Some(poll) = &of.poll else { continue };
            found += 1;
            let mut say = |what: String| wrong.push(format!("{name}.{trigger}: {what}"));
            let mut cursors = vec![Value::Null];
            let mut examples = 0;
            for output in outputs(name, &poll.action) {
                let records = match poll.records(output, NOW) {
                    Ok(records) => records.records,
                    Err(error) => {
                        say(error.message);
                        continue;
                    }
                };
                examples += records.len();
                if poll.cursor.is_some() {
                    if records.iter().any(|record| record.cursor.is_none()) {
                        say("a record has no place of the cursor".to_owned());
                    }
                    cursors.push(advanced(&Value::Null, &records, NOW));
                }
            }
            if examples == 0 {
                say(format!("no example of `{}` has a record", poll.action));
            }
            let wanted = with_max_items(&manifest.actions[&poll.action].input);
            for cursor in cursors {
                match poll.question(&manifest, &sample(&of.input), &poll.since(&cursor), NOW) {
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

/// What a trigger asks its app to tell, to go on telling and to stop fits the actions that it asks by, and their documented answers say
/// what is kept of them.
#[test]
fn every_hook_is_asked_for_and_ended_by_documented_actions() {
    let mut wrong = Vec::new();
    let mut found = 0;
    for (name, version) in names() {
        let Some(manifest) = built_in(name, Some(version)) else { continue };
        for (trigger, of) in &manifest.triggers {
            let Some(hook) = &of.hook else { continue };
            found += 1;
            if let Err(fault) = hook_is_documented(&manifest, &of.input, hook) {
                wrong.push(format!("{name}.{trigger}: {fault}"));
            }
        }
    }
    println!("{found} hooks");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn hook_is_documented(manifest: &Manifest, input: &Value, hook: &Hook) -> Result<(), String> {
    let mut scope = json!({"input": sample(input),
        "hook": {"url": ADDRESS, "secret": "s".repeat(64), "name": "patchbay-1"}});
    let asks = |asking: &Asking, scope: &Value| {
        let question = asking.question(scope, NOW).map_err(|error| error.message)?;
        let action = &manifest.actions[&asking.action];
        let faults = schema::check(&question, &action.input, &manifest.schemas, "", false);
        println!("{}.{} asks {question}", manifest.name, asking.action);
        match faults.first() {
            None => Ok(()),
            Some(fault) => {
                Err(format!("asks `{}` for {question}: {} {}", asking.action, fault.pointer, fault.message))
            }
        }
    };
    asks(&hook.subscribe, &scope)?;
    let documented = outputs(&manifest.name, &hook.subscribe.action);
    if documented.is_empty() {
        return Err(format!("no example of `{}`", hook.subscribe.action));
    }
    for output in documented {
        // Documented times are long past.
        let told = hook.told(output, 0).map_err(|error| error.message)?;
        if hook.unsubscribe.is_some()
            && told.kept.as_object().is_none_or(|kept| kept.values().any(Value::is_null))
        {
            return Err(format!("keeps {} of an answer", told.kept));
        }
        scope["kept"] = told.kept;
    }
    for asking in [&hook.renew, &hook.unsubscribe].into_iter().flatten() {
        asks(asking, &scope)?;
    }
    let Some(find) = &hook.find else { return Ok(()) };
    asks(&find.asking, &scope)?;
    for output in outputs(&manifest.name, &find.asking.action) {
        find.found(output, ADDRESS, NOW).map_err(|error| error.message)?;
    }
    Ok(())
}

const ADDRESS: &str = "https://patchbay.example.com/hooks/hk_1";

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
    let value = |of: &Value| of["examples"].get(0).cloned().unwrap_or_else(|| "x".into());
    properties.map(|(name, of)| (name.clone(), value(of))).collect::<serde_json::Map<_, _>>().into()
}
