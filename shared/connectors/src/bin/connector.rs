//! `connector check FOLDER…`: reads the manifests in folders, names every fault with its line, and replays their examples.

use connectors::{fixture, read, yaml};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [command, folders @ ..] = arguments.as_slice() else { return usage() };
    if command != "check" || folders.is_empty() {
        return usage();
    }
    let mut faults = 0;
    for folder in folders {
        faults += check(Path::new(folder));
    }
    if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    eprintln!(
        "usage: connector check FOLDER…\nA folder has `manifest.yaml`, and examples in `fixtures/*.json`."
    );
    ExitCode::from(2)
}

/// How many faults there are.
fn check(folder: &Path) -> usize {
    let mut count = 0;
    let mut say = |text: String| {
        println!("{text}");
        count += 1;
    };
    let file = folder.join("manifest.yaml");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) => {
            say(format!("{}: {error}", file.display()));
            return count;
        }
    };
    let located = match yaml::read(&text) {
        Ok(located) => located,
        Err(fault) => {
            say(format!("{}:{}: {}", file.display(), fault.line, fault.message));
            return count;
        }
    };
    let manifest = match read(&located.value) {
        Ok(manifest) => Arc::new(manifest),
        Err(faults) => {
            for fault in faults {
                let line = yaml::line(&fault.pointer, &located.lines);
                say(format!(
                    "{}:{line}: {}: {} ({})",
                    file.display(),
                    fault.code,
                    fault.message,
                    fault.pointer
                ));
            }
            return count;
        }
    };
    let mut replayed = Vec::new();
    for example in examples(&folder.join("fixtures")) {
        let read = fs::read_to_string(&example).map_err(|error| error.to_string());
        match read.and_then(|text| serde_json::from_str::<Value>(&text).map_err(|error| error.to_string())) {
            Ok(fixture) => {
                for wrong in fixture::replay(&manifest, &fixture) {
                    say(format!("{}: {wrong}", example.display()));
                }
                replayed.extend(fixture["action"].as_str().map(str::to_owned));
            }
            Err(error) => say(format!("{}: {error}", example.display())),
        }
    }
    let bare: Vec<_> = manifest.actions.keys().filter(|name| !replayed.contains(name)).cloned().collect();
    println!(
        "{} {}: {} actions, {} examples{}",
        manifest.name,
        manifest.version,
        manifest.actions.len(),
        replayed.len(),
        if bare.is_empty() { String::new() } else { format!("; without one: {}", bare.join(", ")) }
    );
    count
}

fn examples(folder: &Path) -> Vec<PathBuf> {
    let found = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<_> = found.filter(|path| path.extension().is_some_and(|e| e == "json")).collect();
    found.sort();
    found
}
