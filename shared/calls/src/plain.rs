//! Requests outside any run.

use crate::http_request::{self, Prepared};
use crate::secrets::Secrets;
use domain::Millis;
use domain::limits::MAX_OUTPUT_BYTES;
use domain::run::StepError;
use egress::HttpPort;
use serde_json::Value;

/// Sends a request of a call that belongs to no step: `{status, headers, body}`, whatever the status. Files are not sent.
pub async fn send_plain(
    http: &dyn HttpPort,
    prepared: Prepared,
    secrets: &Secrets,
    now: Millis,
) -> Result<Value, StepError> {
    let Prepared { mut request, attached, .. } = prepared;
    if !attached.is_empty() {
        return Err(StepError::fatal("invalid_input", "files are sent by steps of runs only"));
    }
    // Nothing here reads an answer out of a file: one that is too large for memory is an error, and not an empty answer.
    request.max_bytes_in_memory = usize::MAX;
    request.max_response_bytes = MAX_OUTPUT_BYTES;
    http_request::outcome(http.send(request).await, true, now, secrets)
}
