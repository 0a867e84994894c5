//! Assertions of service accounts (RFC 7523): what they sign instead of giving a secret.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use domain::Millis;
use domain::run::StepError;
use serde::Deserialize;
use serde_json::json;
use vault::Secret;

/// How long an assertion counts, in seconds; servers take an hour at most.
const LASTS: i64 = 600;

/// A key file as Google's console gives it. What else is in it is not needed: where tokens come from is the connector's to say.
#[derive(Deserialize)]
struct KeyFile {
    client_email: String,
    private_key: String,
    private_key_id: Option<String>,
}

/// An assertion for `audience`, signed with the key of this file; `subject` is for whom the account acts.
pub(crate) fn signed(
    key_file: &Secret<String>,
    audience: &str,
    scope: &str,
    subject: Option<&str>,
    now: Millis,
) -> Result<String, StepError> {
    let file: KeyFile = serde_json::from_str(key_file.expose()).map_err(|_| {
        // The reader's own words could hold the key.
        broken("it is not the JSON file of a service account")
    })?;
    let private = Secret::new(file.private_key);
    let body: String = private
        .expose()
        .trim()
        .strip_prefix("-----BEGIN PRIVATE KEY-----")
        .and_then(|rest| rest.strip_suffix("-----END PRIVATE KEY-----"))
        .ok_or_else(|| broken("`private_key` is not a PKCS #8 key in PEM"))?
        .split_whitespace()
        .collect();
    let der = STANDARD.decode(Secret::new(body).expose()).map(Secret::new);
    let der = der.map_err(|_| broken("`private_key` is not base64"))?;
    let key = RsaKeyPair::from_pkcs8(der.expose()).map_err(|_| broken("`private_key` is not an RSA key"))?;
    let mut header = json!({"alg": "RS256", "typ": "JWT"});
    if let Some(id) = file.private_key_id {
        header["kid"] = id.into();
    }
    let now = now.0.div_euclid(1000);
    let mut claims = json!({"iss": file.client_email, "aud": audience, "iat": now, "exp": now + LASTS});
    if !scope.is_empty() {
        claims["scope"] = scope.into();
    }
    if let Some(subject) = subject {
        claims["sub"] = subject.into();
    }
    let encoded = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encoded(&header), encoded(&claims));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).map_err(|_| {
        StepError::passing("connection_unavailable", "the assertion could not be signed just now")
    })?;
    Ok(format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

fn broken(why: &str) -> StepError {
    StepError::fatal("credentials_refused", format!("the key of the service account cannot be used: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(file: &str) -> String {
        let file = Secret::new(file.to_owned());
        signed(&file, "https://example.com/token", "", None, Millis(0)).unwrap_err().message
    }

    #[test]
    fn what_is_no_key_is_told_without_showing_it() {
        let canary = "canary-5d1e";
        for file in [
            canary.to_owned(),
            json!({"client_email": "a@b", "private_key": canary}).to_string(),
            json!({"client_email": "a@b",
                "private_key": format!("-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n")})
            .to_string(),
            json!({"client_email": "a@b",
                "private_key": "-----BEGIN PRIVATE KEY-----\nY2FuYXJ5\n-----END PRIVATE KEY-----\n"})
            .to_string(),
            json!({"private_key": canary}).to_string(),
        ] {
            let message = refused(&file);
            assert!(message.contains("service account") && !message.contains(canary), "{message}");
        }
    }
}
