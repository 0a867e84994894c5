//! Calls of connectors' actions: as many requests as they take, one after the other.

use crate::aws;
use crate::http_request::{self, Prepared};
use crate::secrets::Secrets;
use connectors::{Answered, Call, Response};
use domain::run::StepError;
use runtime::Clock;
use serde_json::Value;
use std::future::Future;
use std::time::Duration;

/// Sends the requests of a call.
pub trait Sender: Send + Sync {
    /// Why a request could not be sent that is neither the app's fault nor the input's.
    type Broken;

    /// Waits until the app may be asked (again), no longer than `left`. An error ends the call.
    fn turn(&self, _left: Duration) -> impl Future<Output = Result<(), StepError>> + Send {
        std::future::ready(Ok(()))
    }

    /// Sends a request, and what is attached to it: `{status, headers, body}`, whatever the status.
    fn send(
        &self,
        request: Prepared,
        secrets: &Secrets,
    ) -> impl Future<Output = Result<Result<Value, StepError>, Self::Broken>> + Send;
}

/// Carries a call to its end within `timeout`. `key` tells the app of repeats, where it can be told.
pub async fn carry<S: Sender>(
    call: &mut Call,
    sender: &S,
    key: &str,
    secrets: &Secrets,
    clock: &dyn Clock,
    timeout: Duration,
) -> Result<Result<Value, StepError>, S::Broken> {
    let until = clock.now().plus(timeout);
    let left = || u64::try_from(until.0 - clock.now().0).unwrap_or(0);
    loop {
        if let Err(error) = sender.turn(Duration::from_millis(left())).await {
            return Ok(so_far(call, secrets).ok_or(error));
        }
        let left = left();
        if left == 0 {
            if let Some(output) = so_far(call, secrets) {
                return Ok(Ok(output));
            }
            let message = "the pages of the list took longer than the step's time limit";
            return Ok(Err(StepError::passing("request_timeout", message)));
        }
        let prepared = call.request().and_then(|request| {
            let header = call.manifest().idempotency_header.as_deref().filter(|_| call.takes_key());
            let key = header.map(|name| (name, key));
            let mut prepared =
                http_request::prepare(&secrets.revealed(&request), key, Duration::from_millis(left))?;
            if let Some(signing) = call.signing() {
                aws::sign(&mut prepared, signing, secrets, clock.now())?;
            }
            Ok(prepared)
        });
        let mut prepared = match prepared {
            Ok(prepared) => prepared,
            Err(error) => return Ok(Err(secrets.hide_error(error))),
        };
        http_request::guard(&mut prepared, secrets);
        let mut output = match sender.send(prepared, secrets).await? {
            Ok(output) => output,
            Err(error) => return Ok(so_far(call, secrets).ok_or(error)),
        };
        let response = Response {
            status: output["status"].as_u64().and_then(|status| u16::try_from(status).ok()).unwrap_or(0),
            headers: output["headers"].take(),
            body: output["body"].take(),
        };
        match call.answered(&response) {
            Ok(Answered::More) => {}
            // Once more: what was written otherwise on the wire, as in XML, may show a secret only when it was read.
            Ok(Answered::Output(mut output)) => {
                secrets.hide(&mut output);
                return Ok(Ok(output));
            }
            Err(error) => {
                let mut error = secrets.hide_error(error);
                if error.retryable && error.retry_after_ms.is_none() {
                    let after = response.headers["retry-after"].as_str();
                    error.retry_after_ms = after.and_then(|after| http_request::wait_of(after, clock.now()));
                }
                return Ok(Err(http_request::shortened(error)));
            }
        }
    }
}

/// What a list has that may end early.
fn so_far(call: &mut Call, secrets: &Secrets) -> Option<Value> {
    let mut output = call.so_far()?;
    secrets.hide(&mut output);
    Some(output)
}
