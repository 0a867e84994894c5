//! Wrong passwords: a few are a person's, many are an attack.
//!
//! They are counted for the account and where they come from, in windows of a quarter of an hour. A browser from which somebody
//! signed in to the account before has a count of its own and is not bound by what others try: whoever guesses passwords of an
//! account locks out himself, and in the end all browsers that the account does not know, never those that it does (OWASP calls
//! this device cookies). Accounts that do not exist are counted like those that do.

use crate::App;
use crate::cookies;
use crate::error::{ApiError, ApiResult, internal};
use auth::{Email, PasswordCheck, record_of};
use axum::http::HeaderMap;
use domain::audit::{Action, RequestOrigin};
use domain::id::{base32, digest16};
use domain::{Actor, OrgKey, Provenance, UserId};
use std::net::IpAddr;
use std::time::Duration;
use store::{User, Window};
use uuid::Uuid;

const WINDOW: Duration = Duration::from_mins(15);
/// Wrong passwords of one account from one address, or from one browser that the account knows.
const FROM_ONE: u32 = 10;
/// Wrong passwords of one account from all browsers that it does not know.
const FROM_ALL: u32 = 100;

/// Somebody who says to be the owner of an account.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// What it is counted under.
    counts: Vec<String>,
    window: Window,
    pub(crate) known_device: bool,
}

/// Counts an attempt, and refuses it where there were too many. It is counted before the password is looked at, and taken back when
/// that is right: a thousand that come at the same moment are a thousand, whichever function each one meets.
pub(crate) async fn attempt(
    app: &App,
    email: Option<&Email>,
    headers: &HeaderMap,
    origin: &RequestOrigin,
) -> ApiResult<Attempt> {
    let text = email.map_or("", Email::as_str);
    let account = base32(digest16(&["account", text]));
    let keyring = app.keyring().await?;
    let device = cookies::get(headers, cookies::DEVICE)
        .and_then(|value| value.split_once('.'))
        .filter(|(nonce, mac)| keyring.codes().is_mac("device", &format!("{text} {nonce}"), mac))
        .map(|(nonce, _)| base32(digest16(&["device", nonce])));
    let counts = match &device {
        Some(device) => vec![(format!("sign_in#{account}#{device}"), FROM_ONE)],
        None => vec![
            (format!("sign_in#{account}#{}", network(&origin.ip)), FROM_ONE),
            (format!("sign_in#{account}"), FROM_ALL),
        ],
    };
    let window = Window::at(app.now(), WINDOW);
    for (name, most) in &counts {
        if app.store.count(name, window, 1).await? > *most {
            let left = window.left(app.now());
            let detail = format!(
                "there were too many wrong passwords; try again in {} minutes, or set another with `POST /v1/auth/password-reset`",
                (left + 59) / 60
            );
            return Err(ApiError::new(429, "too_many_attempts", detail).retry_after(left));
        }
    }
    let counts = counts.into_iter().map(|(name, _)| name).collect();
    Ok(Attempt { counts, window, known_device: device.is_some() })
}

/// Checks a password of an account, or of none. A wrong one goes into the ledger; it takes as long and asks the
/// tables as often where there is no account.
pub(crate) async fn check_password(
    app: &App,
    attempt: &Attempt,
    user: Option<&User>,
    password: String,
    origin: &RequestOrigin,
) -> ApiResult<bool> {
    let stored = user.and_then(|user| user.password.as_deref());
    let check = app.passwords.check(password, stored).await.map_err(|e| internal(&e))?;
    if check == PasswordCheck::Correct {
        for name in &attempt.counts {
            app.store.count(name, attempt.window, -1).await?;
        }
        return Ok(true);
    }
    let now = app.now();
    let nobody = UserId::from_bytes(*Uuid::new_v4().as_bytes());
    let orgs = app.store.memberships(user.map_or(&nobody, |user| &user.id)).await?;
    match (user, orgs.first()) {
        (Some(user), Some(org)) => {
            let org = OrgKey::verified(org.clone(), Provenance::SignIn);
            let actor = Actor::User(user.id.clone());
            let record = record_of(actor, &user.email, Action::SignInFailed, now, origin);
            app.store.record(&org, &record).await?;
        }
        _ => drop(app.store.count("sign_in#nobody", attempt.window, 1).await?),
    }
    Ok(false)
}

/// An address, or the network that one customer has of IPv6.
fn network(ip: &str) -> String {
    match ip.parse::<IpAddr>() {
        Ok(IpAddr::V6(v6)) if v6.to_ipv4_mapped().is_none() => {
            let [a, b, c, d, ..] = v6.segments();
            format!("{a:x}:{b:x}:{c:x}:{d:x}")
        }
        _ => ip.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::network;

    #[test]
    fn one_customer_has_one_network() {
        assert_eq!(network("192.0.2.7"), "192.0.2.7");
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2");
        assert_eq!(network("2001:db8:1:2::9"), "2001:db8:1:2");
        assert_eq!(network("::ffff:192.0.2.7"), "::ffff:192.0.2.7");
    }
}
