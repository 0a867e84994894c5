//! What the store and the keyring say of whoever asks.

use crate::App;
use auth::{AuthState, AuthUnavailable, KeyHolder, Permission, Role, Standing, Verifier, record_of};
use domain::audit::{Action, RequestOrigin};
use domain::{OrgKey, UserId};
use std::sync::Arc;
use store::{ADDRESSES, USE_NOTED, UsedKey};

impl AuthState for App {
    async fn verifier(&self) -> Result<Arc<Verifier>, AuthUnavailable> {
        let keyring = self.keyrings.get(AuthState::now(self)).await.map_err(|error| {
            tracing::error!(%error, error.code = error.code(), "the keyring cannot be read");
            AuthUnavailable
        })?;
        Ok(keyring.verifier().clone())
    }

    async fn standing(&self, org: &OrgKey, user: &UserId) -> Result<Option<Standing>, AuthUnavailable> {
        let member = self.store.member(org, user).await.map_err(|e| unavailable(&e))?;
        Ok(member.and_then(|member| {
            // A role that is no longer there gives nothing.
            let role = Role::parse(&member.role)?;
            Some(Standing { role, email: member.email, not_before: member.not_before, erased: member.erased })
        }))
    }

    async fn api_key(
        &self,
        hash: &str,
        origin: &RequestOrigin,
    ) -> Result<Option<KeyHolder>, AuthUnavailable> {
        let Some(used) = self.store.key_by_hash(hash).await.map_err(|e| unavailable(&e))? else {
            return Ok(None);
        };
        let Some(role) = Role::parse(&used.role) else { return Ok(None) };
        let now = self.now();
        if !used.erased && used.key.expires_at.is_none_or(|at| at > now) {
            note_use(self, &used, origin).await.map_err(|e| unavailable(&e))?;
        }
        let key = used.key;
        Ok(Some(KeyHolder {
            key: key.id,
            org: used.org,
            holder: key.holder,
            name: key.holder_name,
            role,
            scopes: key.scopes.iter().filter_map(|scope| Permission::parse(scope)).collect(),
            expires_at: key.expires_at,
            erased: used.erased,
        }))
    }

    fn now(&self) -> i64 {
        self.clock.now().0.div_euclid(1000)
    }
}

/// Notes that a key was used, unless that was noted lately; an address that is new goes into the ledger, before anything is done
/// with the key.
async fn note_use(app: &App, used: &UsedKey, origin: &RequestOrigin) -> Result<(), store::StoreError> {
    let now = app.now();
    let known = used.addresses.contains(&origin.ip);
    if known && used.used_at.is_some_and(|at| at.plus(USE_NOTED) > now) {
        return Ok(());
    }
    let mut noted = UsedKey { used_at: Some(now), ..used.clone() };
    let mut record = None;
    if !known {
        noted.addresses.insert(0, origin.ip.clone());
        noted.addresses.truncate(ADDRESSES);
        let key = &used.key;
        let of = record_of(key.holder.clone(), &key.holder_name, Action::ApiKeyUsed, now, origin);
        record = Some(domain::audit::Record { key: Some(key.id.clone()), ..of.on("api_key", &key.id) });
    }
    match app.store.note_key_use(&noted, record.as_ref()).await {
        // Somebody else notes the same use.
        Err(store::StoreError::Conflict { .. }) => Ok(()),
        outcome => outcome,
    }
}

fn unavailable(error: &store::StoreError) -> AuthUnavailable {
    tracing::error!(%error, "who asks cannot be found out");
    AuthUnavailable
}
