//! `importing FILE NAME` imports an OpenAPI document and prints, a line each, the requests of its actions as JSON.

mod pattern;
mod sample;

use connectors::{Access, Call, Manifest, read};
use importer::{Options, import};
use serde_json::{Map, Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::{env, fs};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [file, name] = arguments.as_slice() else {
        eprintln!("usage: importing FILE NAME");
        return ExitCode::from(2);
    };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    let imported = match import(&text, &Options { name, ..Options::default() }) {
        Ok(imported) => imported,
        Err(faults) => {
            for fault in faults {
                eprintln!("{file}: {}: {} ({})", fault.code, fault.message, fault.pointer);
            }
            return ExitCode::FAILURE;
        }
    };
    let Ok(manifest) = read(&imported.manifest).map(Arc::new) else { return ExitCode::FAILURE };
    let access = access(&manifest);
    for (name, action) in &manifest.actions {
        for all in [true, false] {
            let input = sample::of(&action.input, &manifest.schemas, all);
            let made = Call::begin(manifest.clone(), name, input.clone(), &access, 1_767_225_600_000)
                .and_then(|mut call| call.request());
            let mut line = json!({"action": name, "path": action.request.path, "method": action.request.method,
                "all": all, "input": input});
            match made {
                Ok(mut request) => {
                    if let Some(header) = &manifest.idempotency_header {
                        request["headers"][header] = "one".into();
                    }
                    line["request"] = request;
                }
                Err(error) => line["error"] = error.message.into(),
            }
            println!("{line}");
        }
    }
    ExitCode::SUCCESS
}

/// The first way to sign in, with made-up credentials.
fn access(manifest: &Manifest) -> Access {
    let Some(auth) = manifest.auth.first() else { return Access::default() };
    // A key in the header of tokens is one, so that it serves where a document asks for a token as well.
    let mut credentials: Map<String, Value> =
        auth.fields.iter().map(|field| (field.name.clone(), "Bearer made-up".into())).collect();
    credentials.insert("token".into(), "made-up".into());
    credentials.insert("access_token".into(), "made-up".into());
    Access { auth: Some(auth.id.clone()), credentials, fields: json!({}) }
}
