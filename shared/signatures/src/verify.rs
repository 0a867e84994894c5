//! From a scheme to the code that knows it.

use crate::refusal::Refusal;
use crate::request::Request;
use crate::{delivery, hmac, standard, stripe, token, twilio};
use domain::Millis;
use domain::workflow::verify::Scheme;
use std::time::Duration;

/// More secrets are not tried.
const MAX_SECRETS: usize = 10;
/// More signatures of one request are not looked at.
pub(crate) const MAX_SIGNATURES: usize = 20;
/// How far the time of a signature may be from now, where the vendor's own programs have this.
pub(crate) const WINDOW: Duration = Duration::from_mins(5);

/// A request that is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// How the sender names this delivery: the same when it is sent again.
    pub delivery: Option<String>,
}

/// Verifies a request. It is believed if it was made with any of the secrets.
pub fn verify(
    scheme: &Scheme,
    secrets: &[&str],
    request: &Request<'_>,
    now: Millis,
) -> Result<Verified, Refusal> {
    if secrets.len() > MAX_SECRETS {
        return Err(Refusal::TooMany);
    }
    match scheme {
        Scheme::Standard => standard::verify(secrets, request, now)?,
        Scheme::Stripe => stripe::verify(secrets, request, now)?,
        Scheme::Twilio => twilio::verify(secrets, request)?,
        Scheme::Token(token) => token::verify(token, secrets, request)?,
        others => {
            let hmac = hmac::of(others).ok_or(Refusal::NoKey)?;
            hmac::verify(&hmac, secrets, request, now)?;
        }
    }
    if *scheme == Scheme::Linear {
        let sent = delivery::of_linear(request.body);
        let sent = sent.ok_or_else(|| Refusal::Malformed("webhookTimestamp".to_owned()))?;
        fresh(sent, now, Duration::from_mins(1))?;
    }
    Ok(Verified { delivery: delivery::of(scheme, request) })
}

/// Digits and nothing else: seconds since 1970, or milliseconds where there are too many for that.
pub(crate) fn time(text: &str, name: &str) -> Result<Millis, Refusal> {
    let digits = !text.is_empty() && text.len() <= 14 && text.bytes().all(|b| b.is_ascii_digit());
    let number = text.parse::<i64>().ok().filter(|_| digits);
    let number = number.ok_or_else(|| Refusal::Malformed(name.to_owned()))?;
    Ok(Millis(if number < 100_000_000_000 { number * 1000 } else { number }))
}

/// Whether it was signed about now.
pub(crate) fn fresh(signed: Millis, now: Millis, window: Duration) -> Result<(), Refusal> {
    let age = now.0.saturating_sub(signed.0);
    let window = u64::try_from(window.as_millis()).unwrap_or(u64::MAX);
    if age.unsigned_abs() <= window { Ok(()) } else { Err(Refusal::Stale(age / 1000)) }
}
