//! `make up`.

use domain::limits;
use emulators::Cloud;
use executor::ChainBudget;
use patchbay_local::{Args, Settings, Stack};
use runtime::Vars;
use std::process::ExitCode;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use vault::Storage;

fn main() -> ExitCode {
    guard::child_entry();
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("patchbay-local: {message}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run() -> Result<(), String> {
    let args = Args::parse(std::env::args().skip(1))?;
    let vars = Vars::of_process();
    runtime::init_logs_at(&vars, "warn");
    if args.reset && args.data.exists() {
        if !Cloud::is_in(&args.data) {
            return Err(format!(
                "`{}` holds no data of a local stack; it is not removed",
                args.data.display()
            ));
        }
        std::fs::remove_dir_all(&args.data)
            .map_err(|e| format!("`{}` cannot be removed: {e}", args.data.display()))?;
    }
    std::fs::create_dir_all(&args.data)
        .map_err(|e| format!("`{}` cannot be made: {e}", args.data.display()))?;
    let cloud = Cloud::open(&args.data).await.map_err(|e| e.to_string())?;
    let settings = settings(&vars, &args).map_err(|e| e.to_string())?;
    let mut stack = Stack::start(cloud, args.addr, settings).await.map_err(|e| e.to_string())?;
    if let Some(token) = stack.setup_token.take() {
        println!("first start: make the owner with `POST http://{}/v1/setup`, token {token}", stack.addr);
    }
    println!("ready http://{}", stack.addr);
    stack.serve(stopped()).await;
    Ok(())
}

fn settings(vars: &Vars, args: &Args) -> Result<Settings, Box<dyn std::error::Error + Send + Sync>> {
    let default = ChainBudget::default();
    let milliseconds =
        vars.parsed("CHAIN_BUDGET_MS", default.time.as_millis() as u64, "a number of milliseconds")?;
    Ok(Settings {
        setup_token: vars.optional("PATCHBAY_SETUP_TOKEN").map(str::to_owned),
        allow_loopback: vars.optional("PATCHBAY_ALLOW_LOOPBACK") == Some("1"),
        instead: egress::Instead::parse_all(vars.optional("PATCHBAY_INSTEAD").unwrap_or_default())?,
        budget: ChainBudget {
            steps: vars.parsed("CHAIN_BUDGET_STEPS", default.steps, "a number of steps")?.max(1),
            time: Duration::from_millis(milliseconds).min(limits::EXECUTOR_TIMEOUT),
        },
        storage: vars.parsed("CREDENTIAL_STORAGE", Storage::default(), "`secrets-manager` or `sealed`")?,
        mail: args.data.join("mail"),
        rates: api::RateLimits::read(vars)?,
        meter: vars.optional("PATCHBAY_METER") == Some("1"),
    })
}

async fn stopped() {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        std::future::pending().await
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
