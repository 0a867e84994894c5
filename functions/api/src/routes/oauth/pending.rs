//! A consent under way: what the browser keeps until it comes back.

use crate::error::{ApiResult, internal};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{ConnectionId, OrgId, SessionId, UserId};
use oidc::Proof;
use serde::{Deserialize, Serialize};

/// How long somebody may take at the app, in seconds.
pub(super) const LASTS: i64 = 600;

/// Kept in a cookie of the browser that began it, so that nobody ends what another began: neither gets a stranger's account into a
/// connection of his own, nor his own into a stranger's.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    #[serde(flatten)]
    pub(super) proof: Proof,
    #[serde(rename = "o")]
    pub(super) org: OrgId,
    #[serde(rename = "c")]
    pub(super) connection: ConnectionId,
    #[serde(rename = "u")]
    pub(super) user: UserId,
    /// Should it end meanwhile, the consent counts for nothing.
    #[serde(rename = "i")]
    pub(super) session: Option<SessionId>,
    /// Where the browser goes when it is done: a path of this deployment.
    #[serde(rename = "r")]
    pub(super) return_to: String,
    /// In seconds since 1970.
    #[serde(rename = "b")]
    pub(super) begun_at: i64,
}

impl Pending {
    pub(super) fn begin(
        org: OrgId,
        connection: ConnectionId,
        (user, session): (UserId, Option<SessionId>),
        return_to: String,
        now: i64,
    ) -> ApiResult<Self> {
        let proof = Proof::draw().map_err(|error| internal(&error))?;
        Ok(Self { proof, org, connection, user, session, return_to, begun_at: now })
    }

    /// Whether what came back with `state` at `now` belongs to this one.
    pub(super) fn is_answered_by(&self, state: &str, now: i64) -> bool {
        self.proof.is(state) && now < self.begun_at + LASTS
    }

    /// As the value of a cookie.
    pub(super) fn to_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_answered_by_its_own_state_and_in_time() {
        let begin = || {
            let user = (UserId::from_bytes([3; 16]), None);
            let (org, connection) = (OrgId::from_bytes([1; 16]), ConnectionId::from_bytes([2; 16]));
            Pending::begin(org, connection, user, "/".to_owned(), 1000).unwrap()
        };
        let (mine, other) = (begin(), begin());
        let read = Pending::parse(&mine.to_text()).unwrap();
        assert!(read.is_answered_by(mine.proof.state(), 1599));
        assert!(!read.is_answered_by(mine.proof.state(), 1600));
        assert!(!read.is_answered_by(other.proof.state(), 1001));
        assert!(!read.is_answered_by("", 1001));
        assert_ne!(mine.proof.challenge(), other.proof.challenge());
    }
}
