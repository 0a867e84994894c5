//! Tokens that say nothing by themselves: API keys, refresh tokens, and what is mailed to people.
//!
//! A token is a prefix that names its kind, 256 random bits, and four characters that tell a mistyped one without asking the store.
//! The store knows it by its SHA-256 only; with so many random bits a slow hash would add nothing.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use domain::id::base32;
use thiserror::Error;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpaqueKind {
    ApiKey,
    Refresh,
    Invitation,
    PasswordReset,
}

impl OpaqueKind {
    pub fn prefix(self) -> &'static str {
        match self {
            Self::ApiKey => "pb_",
            Self::Refresh => "pbr_",
            Self::Invitation => "pbi_",
            Self::PasswordReset => "pbp_",
        }
    }
}

/// A new token; shown once.
#[derive(Clone)]
pub struct Opaque {
    pub token: String,
    /// What the store knows it by.
    pub hash: String,
}

impl std::fmt::Debug for Opaque {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Opaque(…)")
    }
}

/// There are no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("no random bytes could be drawn")]
pub struct NoRandomness;

const SECRET_CHARS: usize = 52;
const CHECK_CHARS: usize = 4;

impl Opaque {
    pub fn draw(kind: OpaqueKind) -> Result<Self, NoRandomness> {
        let mut bytes = [0; 32];
        rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
        let half = |at: usize| {
            let mut half = [0; 16];
            half.copy_from_slice(&bytes[at..at + 16]);
            base32(half)
        };
        let body = format!("{}{}{}", kind.prefix(), half(0), half(16));
        let token = format!("{body}{}", check(&body));
        let hash = hash(&token);
        Ok(Self { token, hash })
    }
}

/// The hash of a token of this kind, or `None` if the text cannot be one.
pub fn hash_of(kind: OpaqueKind, text: &str) -> Option<String> {
    let secret = text.strip_prefix(kind.prefix())?;
    if secret.len() != SECRET_CHARS + CHECK_CHARS || !secret.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let (body, checked) = text.split_at(text.len() - CHECK_CHARS);
    (check(body) == checked).then(|| hash(text))
}

/// The beginning of a token, to tell it from others.
pub fn shown(token: &str) -> String {
    token.chars().take(9).collect()
}

fn hash(token: &str) -> String {
    let digits = digest(&SHA256, token.as_bytes());
    digits.as_ref().iter().flat_map(|byte| [byte >> 4, byte & 15]).map(hex).collect()
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0')
}

fn check(body: &str) -> String {
    let mut sixteen = [0; 16];
    sixteen.copy_from_slice(&digest(&SHA256, format!("check:{body}").as_bytes()).as_ref()[..16]);
    base32(sixteen)[26 - CHECK_CHARS..].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_hash_and_a_mistyped_one_is_none() {
        let drawn = Opaque::draw(OpaqueKind::ApiKey).unwrap();
        assert!(drawn.token.starts_with("pb_") && drawn.token.len() == 59, "{}", drawn.token);
        assert_eq!(hash_of(OpaqueKind::ApiKey, &drawn.token), Some(drawn.hash.clone()));
        assert_eq!(hash_of(OpaqueKind::Refresh, &drawn.token), None);
        assert_ne!(Opaque::draw(OpaqueKind::ApiKey).unwrap().token, drawn.token);
        for at in 3..drawn.token.len() {
            let mut typed: Vec<char> = drawn.token.chars().collect();
            typed[at] = if typed[at] == 'x' { 'y' } else { 'x' };
            let typed: String = typed.into_iter().collect();
            assert_eq!(hash_of(OpaqueKind::ApiKey, &typed), None, "{at}");
        }
        for text in ["", "pb_", "pb_ö", &drawn.token[..58], &format!("{}x", drawn.token)] {
            assert_eq!(hash_of(OpaqueKind::ApiKey, text), None, "{text}");
        }
        assert!(!format!("{drawn:?}").contains(&drawn.token[3..]));
        assert_eq!(shown(&drawn.token).len(), 9);
    }
}
