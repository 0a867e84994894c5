//! Logs: one JSON object a line in the cloud, readable text locally.

use crate::Vars;
use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Sets up logging for this process; later calls do nothing. Logs carry ids and codes, never a body or a token.
pub fn init_logs(vars: &Vars) {
    init_logs_at(vars, "info");
}

/// The same with another level for when `PATCHBAY_LOG` does not say.
pub fn init_logs_at(vars: &Vars, level: &str) {
    let filter = EnvFilter::try_new(vars.optional("PATCHBAY_LOG").unwrap_or(level))
        .unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second initialisation is harmless: tests and the local stack start several functions in one process.
    let _already = if vars.optional("AWS_LAMBDA_FUNCTION_NAME").is_some() {
        builder
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_span_list(false)
            .without_time()
            .try_init()
    } else {
        builder.with_target(true).with_ansi(std::io::stderr().is_terminal()).try_init()
    };
}
