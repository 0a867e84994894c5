//! The documents of three vendors.

use crate::{options, vendors};
use connectors::{read, yaml};
use importer::import;
use serde_json::Value;

const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

fn operations(document: &Value) -> usize {
    let items = document["paths"].as_object().unwrap().values();
    items.map(|item| METHODS.iter().filter(|method| item.get(**method).is_some()).count()).sum()
}

#[test]
fn every_operation_becomes_an_action() {
    for (file, actions) in [("asana.yaml.gz", 247), ("discord.json.gz", 242), ("resend.json.gz", 104)] {
        let text = vendors(file);
        let document = match serde_json::from_str(&text) {
            Ok(document) => document,
            Err(_) => yaml::read(&text).unwrap().value,
        };
        let imported = import(&text, &options()).unwrap_or_else(|faults| panic!("{file}: {faults:#?}"));
        let manifest = read(&imported.manifest).unwrap_or_else(|faults| panic!("{file}: {faults:#?}"));
        assert_eq!((operations(&document), manifest.actions.len()), (actions, actions), "{file}");
        // A manifest is shorter than its document: nothing that is shared is written out.
        assert!(imported.manifest.to_string().len() < text.len(), "{file}");
        let test = manifest.test.as_deref().unwrap();
        assert!(manifest.actions[test].input["required"].is_null(), "{file}: {test}");
    }
}

#[test]
fn asana_is_as_its_document_says() {
    let imported = import(&vendors("asana.yaml.gz"), &options()).unwrap();
    let manifest = &imported.manifest;
    assert_eq!(manifest["base_url"], "https://app.asana.com/api/1.0");
    let ways: Vec<_> = manifest["auth"].as_array().unwrap().iter().map(|way| &way["type"]).collect();
    assert_eq!(ways, ["bearer", "oauth2"]);
    let task = &manifest["actions"]["create_task"];
    assert_eq!(task["title"], "Create a task");
    assert_eq!((&task["request"]["method"], &task["request"]["path"]), (&"POST".into(), &"/tasks".into()));
    let fields: Vec<_> = task["input"]["properties"].as_object().unwrap().keys().collect();
    assert_eq!(fields, ["opt_pretty", "opt_fields", "data"]);
    // A list that is written with commas is so said.
    assert_eq!(task["request"]["parameters"][1]["style"], "comma");
    assert_eq!(manifest["errors"][0]["message"], "{{ response.body.errors[0].message }}");
    // What only answers have cannot be given.
    let has = |schema: &str| manifest["schemas"][schema].to_string().contains("\"created_at\"");
    assert!(has("TaskBase") && !has("TaskBase_request"));
    assert!(manifest["schemas"]["TaskBase_request"].is_object());
}
