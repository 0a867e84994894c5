//! The catalogue: every manifest can be read, and does what the examples say.

mod answers;
mod calls;
mod signing;

use connectors::{built_in, fixture, names, read};
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
