//! `import-openapi FILE NAME [SERVER]`: prints the manifest of an OpenAPI document (JSON, which is YAML), and says what it leaves out.

use importer::{Options, import};
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let (file, name, server) = match arguments.as_slice() {
        [file, name] => (file, name, None),
        [file, name, server] => (file, name, Some(server.as_str())),
        _ => {
            eprintln!("usage: import-openapi FILE NAME [SERVER]");
            return ExitCode::from(2);
        }
    };
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{file}: {error}");
            return ExitCode::FAILURE;
        }
    };
    match import(&text, &Options { name, title: None, server }) {
        Ok(imported) => {
            for note in imported.notes {
                eprintln!("{file}: {}: {} ({})", note.code, note.message, note.pointer);
            }
            println!("{:#}", imported.manifest);
            ExitCode::SUCCESS
        }
        Err(faults) => {
            for fault in faults {
                eprintln!("{file}: {}: {} ({})", fault.code, fault.message, fault.pointer);
            }
            ExitCode::FAILURE
        }
    }
}
