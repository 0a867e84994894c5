//! Memberships that follow what the identity provider says.

use crate::App;
use crate::error::{ApiError, ApiResult};
use crate::routes::members::end_sessions_in;
use crate::routes::usage::one_more_member;
use auth::{Role, record_of};
use domain::audit::{Action, Record, RequestOrigin};
use domain::{Actor, OrgId, OrgKey, Provenance};
use oidc::{Identity, Provider};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use store::{MAX_MEMBERSHIPS, Member, MemberChange, User};

/// Makes somebody a member of what the rules say, gives the roles that they say, and removes who came by a rule that does not fit any
/// more. Members who were invited stay what they are. Done again, it changes nothing.
pub(super) async fn follow(
    app: &App,
    provider: &Provider,
    user: &User,
    identity: &Identity,
    origin: &RequestOrigin,
) -> ApiResult<()> {
    let wanted = wanted(provider, identity);
    let belongs = app.store.memberships(&user.id).await?;
    let now = app.now();
    let record = |action, before: Value, after: Value| -> Record {
        let record = record_of(Actor::User(user.id.clone()), &user.email, action, now, origin);
        record.on("member", &user.id).before(before).after(after)
    };
    let mut full = None;
    for (org, role) in &wanted {
        let key = OrgKey::verified(org.clone(), Provenance::SignIn);
        match app.store.member(&key, &user.id).await? {
            None if belongs.len() >= MAX_MEMBERSHIPS => {}
            None => {
                // An organisation that is gone takes nobody in.
                if app.store.organization(&key).await?.is_none() {
                    continue;
                }
                // One that is full keeps nobody out of the others.
                if let Err(error) = one_more_member(app, &key).await {
                    full = Some(error);
                    continue;
                }
                let member = Member { managed: true, ..Member::new(user, role.as_str(), now) };
                let after = json!({"email": user.email, "role": role, "by": "provider"});
                let record = record(Action::MemberAdded, Value::Null, after);
                app.store.add_member(&key, &member, None, &record).await?;
            }
            Some(member) if member.managed && member.role != role.as_str() => {
                let after = json!({"role": role, "by": "provider"});
                let record = record(Action::MemberChanged, json!({"role": member.role}), after);
                noted(app.store.change_role(&key, &member, role.as_str(), &record).await?, &key)?;
            }
            Some(_) => {}
        }
    }
    for org in belongs.into_iter().filter(|org| !wanted.contains_key(org)) {
        let key = OrgKey::verified(org, Provenance::SignIn);
        let Some(member) = app.store.member(&key, &user.id).await?.filter(|member| member.managed) else {
            continue;
        };
        let before = json!({"email": member.email, "role": member.role});
        let record = record(Action::MemberRemoved, before, json!({"by": "provider"}));
        noted(app.store.remove_member(&key, &member, &record).await?, &key)?;
        end_sessions_in(app, &key, &user.id).await?;
    }
    match full {
        Some(error) if app.store.memberships(&user.id).await?.is_empty() => Err(error),
        _ => Ok(()),
    }
}

/// The role in each organisation: of several rules that fit, the one that may do most.
fn wanted(provider: &Provider, identity: &Identity) -> BTreeMap<OrgId, Role> {
    let mut wanted: BTreeMap<OrgId, Role> = BTreeMap::new();
    for rule in provider.matching(&identity.claims) {
        let Some(role) = Role::parse(&rule.role) else { continue };
        let held = wanted.entry(rule.organization.clone()).or_insert(role);
        if role.permissions().count() > held.permissions().count() {
            *held = role;
        }
    }
    wanted
}

/// An organisation keeps its last owner, whatever the provider says.
fn noted(change: MemberChange, org: &OrgKey) -> ApiResult<()> {
    match change {
        MemberChange::Done => Ok(()),
        MemberChange::LastOwner => {
            tracing::warn!(organization = %org.org(), "the provider takes the role from the last owner, who keeps it");
            Ok(())
        }
        MemberChange::Conflict => {
            Err(ApiError::from(store::StoreError::Conflict { operation: "follow_provider" }))
        }
    }
}
