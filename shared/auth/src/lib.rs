#![doc = include_str!("../README.md")]

pub mod email;
#[cfg(feature = "axum")]
pub mod extract;
mod ids;
pub mod opaque;
pub mod password;
pub mod permission;
pub mod role;
pub mod token;

pub use email::{Email, InvalidEmail};
#[cfg(feature = "axum")]
pub use extract::{AuthRejection, AuthState, AuthUnavailable, Caller, Can, KeyHolder, Standing};
#[cfg(feature = "axum")]
pub use extract::{authenticate, record_of};
pub use ids::{OrgId, UserId};
pub use opaque::{Opaque, OpaqueKind};
pub use password::{NewPassword, PasswordCheck, PasswordError, Passwords};
pub use permission::{Permission, Permit, permit};
pub use role::Role;
pub use token::{
    AccessToken, Claims, KeyError, PublicKey, Realm, SignError, Signer, Subject, TokenError, Verifier,
};
