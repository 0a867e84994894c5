#![doc = include_str!("../README.md")]

mod document;
mod errors;
mod names;
mod operations;
mod parameters;
mod references;
mod schemas;
mod security;
mod servers;

use domain::Fault;
use references::Import;
use serde_json::{Map, Value, json};

pub use document::MAX_BYTES;

/// What a document does not say itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options<'o> {
    /// What steps call the connector by.
    pub name: &'o str,
    /// Its title; absent, the document's.
    pub title: Option<&'o str>,
    /// Where requests go; absent, the document's servers.
    pub server: Option<&'o str>,
}

/// A manifest, and what of the document it does not say.
#[derive(Debug)]
pub struct Imported {
    pub manifest: Value,
    pub notes: Vec<Fault>,
}

/// Makes a manifest of an OpenAPI document, or tells every fault of it.
pub fn import(document: &str, options: &Options<'_>) -> Result<Imported, Vec<Fault>> {
    let read = document::read(document)?;
    let mut import = Import::new(&read.value);
    let manifest = manifest(&mut import, options);
    let (mut faults, notes) = import.finish();
    let manifest = match manifest {
        Some(manifest) if faults.is_empty() => manifest,
        _ => {
            for fault in &mut faults {
                read.place(fault);
            }
            return Err(faults);
        }
    };
    // What is given is a manifest for certain; nothing is known that would be refused only here.
    connectors::read(&manifest)?;
    Ok(Imported { manifest, notes })
}

fn manifest(import: &mut Import<'_>, options: &Options<'_>) -> Option<Value> {
    let document = import.document;
    if !document.is_object() {
        import.fault("", "type_mismatch", "an OpenAPI document is an object");
        return None;
    }
    let version = document["openapi"].as_str().unwrap_or_default();
    if !["3.0", "3.1"]
        .iter()
        .any(|known| version.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
    {
        let message = if document["swagger"].is_string() {
            "this is Swagger 2; convert it to OpenAPI 3 first".to_owned()
        } else {
            "`openapi` must be a version that begins with 3.0 or 3.1".to_owned()
        };
        import.fault("/openapi", "openapi_version", message);
        return None;
    }
    if document["webhooks"].as_object().is_some_and(|webhooks| !webhooks.is_empty()) {
        import.note("/webhooks", "what the app sends by itself is not imported");
    }
    let info = &document["info"];
    let title = options.title.or_else(|| info["title"].as_str()).unwrap_or(options.name);
    let mut manifest = Map::new();
    manifest.insert("name".into(), options.name.into());
    manifest.insert("title".into(), names::cut(title.trim(), 200).into());
    manifest.insert("version".into(), 1.into());
    if let Some(description) = info["description"].as_str() {
        manifest.insert("description".into(), names::cut(description, 10_000).into());
    }
    if let Some(docs) = references::docs(document) {
        manifest.insert("docs".into(), docs.into());
    }
    manifest.insert("categories".into(), json!(["own"]));
    let servers = servers::read(import, options.server);
    let base = servers.as_ref().map(|servers| servers.example.clone());
    if let Some(servers) = servers {
        manifest.insert("base_url".into(), servers.base_url.into());
        manifest.extend(servers.fields.map(|fields| ("fields".to_owned(), fields)));
    }
    manifest.insert("auth".into(), security::read(import, base.as_ref()).into());
    let operations = operations::read(import);
    manifest.extend(operations.test.map(|test| ("test".to_owned(), test.into())));
    manifest.extend(operations.idempotency_header.map(|name| ("idempotency_header".to_owned(), name.into())));
    if !operations.errors.is_empty() {
        manifest.insert("errors".into(), operations.errors.into());
    }
    let schemas = import.shared();
    if !schemas.is_empty() {
        manifest.insert("schemas".into(), schemas.into());
    }
    manifest.insert("actions".into(), operations.actions.into());
    Some(Value::Object(manifest))
}
