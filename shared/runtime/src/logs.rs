//! Logs: one JSON object a line in the cloud, readable text locally.

use crate::Vars;
use std::io::IsTerminal;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::layer;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Sets up logging for this process; later calls do nothing. Logs carry ids and codes, never a body or a token.
pub fn init_logs(vars: &Vars) {
    init_logs_at(vars, "info");
}

/// The same with another level for when `PATCHBAY_LOG` does not say.
pub fn init_logs_at(vars: &Vars, level: &str) {
    let filter: Targets = [vars.optional("PATCHBAY_LOG").unwrap_or_default(), level]
        .iter()
        .find_map(|directives| directives.parse().ok().filter(|_| !directives.is_empty()))
        .unwrap_or_default();
    let layer = layer().with_writer(std::io::stderr);
    let subscriber = tracing_subscriber::registry().with(filter);
    // A second initialisation is harmless: tests and the local stack start several functions in one process.
    let _already = if vars.optional("AWS_LAMBDA_FUNCTION_NAME").is_some() {
        let json =
            layer.json().flatten_event(true).with_current_span(false).with_span_list(false).without_time();
        subscriber.with(json).try_init()
    } else {
        subscriber.with(layer.with_target(true).with_ansi(std::io::stderr().is_terminal())).try_init()
    };
}
