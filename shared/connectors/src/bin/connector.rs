//! `connector check FOLDER…`: reads the manifests in folders, names every fault with its line, and replays their examples.
//! `connector compare BEFORE AFTER`: says what the second of two manifests takes away from workflows that use the first.

use connectors::{Manifest, breaking, fixture, read, yaml};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [command, folders @ ..] = arguments.as_slice() else { return usage() };
    if let ("compare", [before, after]) = (command.as_str(), folders) {
        return compare(Path::new(before), Path::new(after));
    }
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
        "usage: connector check FOLDER…\n       connector compare MANIFEST MANIFEST\nA folder has `manifest.yaml`, and examples in `fixtures/*.json`."
    );
    ExitCode::from(2)
}

/// A change that breaks workflows needs a new version.
fn compare(before: &Path, after: &Path) -> ExitCode {
    let (Some(was), Some(now)) = (manifest(before), manifest(after)) else { return ExitCode::from(2) };
    let changes = breaking(&was, &now);
    for change in &changes {
        println!("{}: {}: {} ({})", after.display(), change.code, change.message, change.pointer);
    }
    if changes.is_empty() || now.version > was.version { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn manifest(file: &Path) -> Option<Manifest> {
    let text = fs::read_to_string(file).map_err(|error| error.to_string());
    let located =
        text.and_then(|text| yaml::read(&text).map_err(|fault| format!("{}: {}", fault.line, fault.message)));
    let read = located.and_then(|located| {
        read(&located.value).map_err(|_| "it has faults; `connector check` names them".to_owned())
    });
    read.map_err(|what| eprintln!("{}: {what}", file.display())).ok()
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
