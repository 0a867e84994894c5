//! Puts the catalogue into the program: each manifest as JSON, which is read when somebody first asks for it.

#![expect(clippy::disallowed_methods, reason = "a build script gets its folders from the environment")]

#[path = "src/yaml.rs"]
#[expect(dead_code, unreachable_pub, reason = "it is a module of the crate, too")]
mod yaml;

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

const WRITTEN: &str = "#[expect(clippy::unreadable_literal, reason = \"written by the build\")]\n";

fn main() -> Result<(), Box<dyn Error>> {
    let catalog = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("catalog");
    println!("cargo::rerun-if-changed={}", catalog.display());
    let mut found = Vec::new();
    for app in fs::read_dir(&catalog)? {
        let folder = app?.path();
        if !folder.is_dir() {
            continue;
        }
        for file in fs::read_dir(&folder)? {
            let file = file?.path();
            let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if name.starts_with("manifest") && file.extension().is_some_and(|extension| extension == "yaml") {
                found.push(read(&file)?);
            }
        }
    }
    found.sort();
    // The manifests apart from their names: to look for a name must not bring their pages into memory.
    let (mut code, mut text) =
        (format!("{WRITTEN}static ENTRIES: [Entry; {}] = [\n", found.len()), String::new());
    for (name, version, json) in found {
        let begin = text.len();
        text.push_str(&json);
        let end = text.len();
        writeln!(code, "    Entry {{ name: {name:?}, version: {version}, json: {begin}..{end} }},")?;
    }
    code.push_str("];\n");
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("catalogue.rs"), code)?;
    fs::write(out.join("catalogue.json"), text)?;
    Ok(())
}

fn read(file: &Path) -> Result<(String, u64, String), Box<dyn Error>> {
    let shown = file.display();
    println!("cargo::rerun-if-changed={shown}");
    let located = yaml::read(&fs::read_to_string(file)?)
        .map_err(|fault| format!("{shown}:{}: {}", fault.line, fault.message))?;
    let name = located.value["name"].as_str().ok_or_else(|| format!("{shown}: it has no `name`"))?.to_owned();
    Ok((name, located.value["version"].as_u64().unwrap_or(1), located.value.to_string()))
}
