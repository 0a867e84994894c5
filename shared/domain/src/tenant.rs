//! The tenant in whose name a store may be asked.
//!
//! Architecture invariant: a store key begins with an [`OrgKey`], and an `OrgKey` is made only where something was verified.
//! Each place that makes one names what it verified; there are no others (`git grep OrgKey::verified`).

use crate::OrgId;

/// Proof that the caller may act for an organisation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OrgKey(OrgId);

/// What was verified before an [`OrgKey`] was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provenance {
    /// An access token whose signature, issuer, audience and expiry were checked.
    Token,
    /// An API key whose hash the store knows.
    ApiKey,
    /// The token of an invitation, whose hash the store knows.
    Invitation,
    /// A webhook's unguessable id, resolved by the store.
    Hook,
    /// The address of a step that waits: good only for what the run's own head then vouches for.
    Callback,
    /// A message of our own queue, which only our functions may send to.
    Message,
    /// A due entry of our own table.
    Due,
    /// An event of our own bus: its organisation was set by the API, or it is the deployment's first.
    Event,
    /// A record of our own table's stream, which only the table writes.
    Stream,
    /// The set-up token: whoever has it decides what every organisation may use.
    SetupToken,
    /// The sign-in of a user whose password was verified or whom the provider vouches for, or the first owner's set-up.
    SignIn,
}

impl OrgKey {
    /// Makes a key for `org`, on the ground that `_provenance` names.
    pub fn verified(org: OrgId, _provenance: Provenance) -> Self {
        Self(org)
    }

    pub fn org(&self) -> &OrgId {
        &self.0
    }
}
