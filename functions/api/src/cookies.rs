//! The cookies: one that keeps a browser signed in, one that knows it again, and two while somebody is at the provider, or at an app.

use axum::http::header::COOKIE;
use axum::http::{HeaderMap, HeaderValue};
use std::time::Duration;

/// The refresh token. Only the routes of signing in get it.
pub(crate) const REFRESH: &str = "pb_refresh";
/// Says that somebody signed in from this browser before, as one account: others cannot lock that account out here.
pub(crate) const DEVICE: &str = "pb_device";

/// A sign-in by the provider that is under way.
pub(crate) const PENDING: &str = "pb_sign_in";
/// A consent at an app that is under way.
pub(crate) const CONSENT: &str = "pb_consent";

/// The value of a cookie; of several with one name, the first.
pub(crate) fn get<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(found, _)| *found == name).map(|(_, value)| value)
}

/// A cookie that scripts cannot read, that other sites cannot send, and that stays on HTTPS where the deployment is.
pub(crate) fn set(name: &str, value: &str, kept: Duration, public_url: &str) -> Option<HeaderValue> {
    let secure = if public_url.starts_with("https://") { "; Secure" } else { "" };
    let age = kept.as_secs();
    let text = format!("{name}={value}; Path=/v1/auth; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
    HeaderValue::try_from(text).ok()
}

/// A cookie that comes along when the provider sends the browser back, which a strict one would not. Only the routes of that get it.
pub(crate) fn set_pending(value: &str, kept: Duration, public_url: &str) -> Option<HeaderValue> {
    set_lax(PENDING, "/v1/auth/oidc", value, kept, public_url)
}

/// The same for the consent of an app's user.
pub(crate) fn set_consent(value: &str, kept: Duration, public_url: &str) -> Option<HeaderValue> {
    set_lax(CONSENT, "/v1/oauth", value, kept, public_url)
}

fn set_lax(name: &str, path: &str, value: &str, kept: Duration, public_url: &str) -> Option<HeaderValue> {
    let secure = if public_url.starts_with("https://") { "; Secure" } else { "" };
    let age = kept.as_secs();
    let text = format!("{name}={value}; Path={path}; Max-Age={age}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(COOKIE, HeaderValue::from_static("a=1; pb_refresh=x.y=z"));
        headers.append(COOKIE, HeaderValue::from_static("pb_device=d"));
        assert_eq!(get(&headers, REFRESH), Some("x.y=z"));
        assert_eq!(get(&headers, DEVICE), Some("d"));
        assert_eq!(get(&headers, "pb_"), None);
    }

    #[test]
    fn cookies_stay_where_they_belong() {
        let set = |url| set(REFRESH, "v", Duration::from_mins(1), url).unwrap();
        let plain = "pb_refresh=v; Path=/v1/auth; Max-Age=60; HttpOnly; SameSite=Strict";
        assert_eq!(set("http://127.0.0.1:8787"), plain);
        assert_eq!(set("https://x.example"), format!("{plain}; Secure").as_str());
    }
}
