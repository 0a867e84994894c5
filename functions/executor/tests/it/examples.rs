//! Every example of the documentation runs, and gives what it says.

use harness::{Reply, World};
use serde_json::{Value, json};
use std::path::Path;

#[tokio::test]
async fn every_example_of_the_documentation_gives_what_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples");
    let mut names = Vec::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        // Those with apps run against the fakes: see `tests/e2e`.
        if file.extension().is_none_or(|kind| kind != "json") {
            continue;
        }
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let example: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
        run(&name, &example).await;
        names.push(name);
    }
    // A step type without an example is a gap; a call needs another workflow's id, which no document knows, and code a sandbox,
    // which no deployment has yet: the model that the tests have instead runs none.
    let examples: String = names.join(" ");
    for step in domain::workflow::TYPES.into_iter().filter(|step| !["workflow", "code"].contains(step)) {
        assert!(names.iter().any(|name| name == step), "`{step}` has no example among {examples}");
    }
}

async fn run(name: &str, example: &Value) {
    let world = World::new().await;
    for (url, replies) in example["http"].as_object().into_iter().flatten() {
        let replies = replies.as_array().unwrap().iter();
        world.http.script(
            url,
            replies.map(|r| {
                Reply::Json(u16::try_from(r["status"].as_u64().unwrap()).unwrap(), r["body"].clone())
            }),
        );
    }
    let id = world.start_run(&example["definition"], json!({"input": example["input"]})).await;
    world.settle(std::slice::from_ref(&id)).await;
    let view = world.run(&id).await;
    assert_eq!(view.head.status.as_str(), example["expect"]["status"], "{name}: {:?}", view.head.error);
    for (path, output) in example["expect"]["steps"].as_object().unwrap() {
        assert_eq!(view.output(path), *output, "{name}: {path}");
    }
}
