//! `fakes`: runs the fakes until it is stopped.

use fakes::Fakes;
use jiff::Timestamp;
use std::net::SocketAddr;
use std::process::ExitCode;

const USAGE: &str = "usage: fakes [--addr 127.0.0.1:8800] [--only NAME,…] [--clock TIME]";

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("fakes: {message}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), String> {
    let mut first = SocketAddr::from(([127, 0, 0, 1], 8800));
    let mut only = Vec::new();
    let mut stands_at = None;
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().ok_or(format!("`{flag}` needs a value\n{USAGE}"))?;
        match flag.as_str() {
            "--addr" => {
                first =
                    value.parse().map_err(|_| format!("`{value}` is not an address like 127.0.0.1:8800"))?;
                if !first.ip().is_loopback() {
                    return Err(format!(
                        "`{value}` is not a loopback address: fakes are for this machine only"
                    ));
                }
            }
            "--only" => only = value.split(',').map(str::to_owned).collect(),
            "--clock" => {
                let time: Timestamp = value
                    .parse()
                    .map_err(|_| format!("`{value}` is not a time like 2026-01-01T00:00:00Z"))?;
                stands_at = Some(time);
            }
            other => return Err(format!("`{other}` is not an option\n{USAGE}")),
        }
    }
    if let Some(unknown) = only.iter().find(|name| !fakes::names().any(|known| known == name.as_str())) {
        return Err(format!(
            "there is no fake `{unknown}`: there are {}",
            fakes::names().collect::<Vec<_>>().join(", ")
        ));
    }
    let fakes = Fakes::start(first, &only, stands_at).await.map_err(|error| error.to_string())?;
    for fake in fakes.running() {
        println!("{} {} (what it was asked: {}/_admin)", fake.vendor.name(), fake.desk.url, fake.desk.url);
    }
    println!("in their place: PATCHBAY_INSTEAD={}", fakes.instead());
    // One line for programs that start this one.
    println!("ready {}", fakes.described());
    tokio::signal::ctrl_c().await.map_err(|error| error.to_string())
}
