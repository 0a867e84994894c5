//! An organisation with everything that one can have.

use domain::audit::{Action, Record, RequestOrigin};
use domain::connection::{Connection, ConnectionStatus};
use domain::id::digest16;
use domain::usage::{Day, Figures};
use domain::variables::{Held, Variable, Variables};
use domain::{
    Actor, ApiKeyId, ConnectionId, HookId, InvitationId, OrgId, OrgKey, Provenance, RecordId, RunId,
    ServiceId, SessionId, UserId,
};
use harness::workflows::{GET, get, map};
use harness::{Delivery, Reply, START, World};
use runtime::Clock;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use store::{
    ApiKey, Invitation, KeptAnswer, KeptConnection, KeptOAuthClient, Member, Organization, QuotaStore,
    Sequence, ServiceAccount, Session, UsageStore, User, Window, rate_name,
};
use vault::{Safe, Storage};

/// What a test knows of it.
pub(crate) struct Filled {
    pub(crate) org: OrgKey,
    pub(crate) name: String,
    /// The address of somebody who belongs to no other.
    pub(crate) only: String,
    pub(crate) hooks: Vec<HookId>,
    /// The first of them waits.
    pub(crate) runs: Vec<RunId>,
    pub(crate) key_hash: String,
    pub(crate) invitation_hash: String,
    /// What must be nowhere once it is erased: its id, its name, the ids and addresses of its people, what its runs were about.
    pub(crate) traces: Vec<String>,
}

pub(crate) fn record(action: Action) -> Record {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::SeqCst).to_string();
    Record {
        id: RecordId::from_bytes(digest16(&["record", &number])),
        at: START,
        action,
        actor: Actor::User(both().id),
        actor_name: "somebody".into(),
        key: None,
        target: None,
        before: Value::Null,
        after: Value::Null,
        origin: RequestOrigin::default(),
    }
}

pub(crate) fn user(email: &str, n: u8) -> User {
    User {
        id: UserId::from_bytes([n; 16]),
        email: email.into(),
        password: Some("$argon2id$hash".into()),
        identity: None,
        verified: true,
        created_at: START,
        incomplete: None,
    }
}

/// Belongs to both.
pub(crate) fn both() -> User {
    user("both@example.com", 50)
}

/// An event of the organisation's own comes.
pub(crate) async fn comes(world: &World, org: &OrgKey, id: &str) {
    let event = json!({"version": "0", "id": id, "source": "shop", "detail-type": "order",
        "resources": [format!("patchbay:org/{}", org.org())], "detail": {"of": org.org().as_str()}});
    ingest::one(&world.ingest(), &event.to_string()).await.unwrap();
}

pub(crate) async fn fill(world: &mut World, n: u8) -> Filled {
    let org = OrgKey::verified(OrgId::from_bytes([100 + n; 16]), Provenance::Token);
    world.org = org.clone();
    let name = format!("Organisation number {n}");
    let only = people(world, &org, n, &name).await;
    what_runs_read_and_use(world, &org, n).await;
    let (key_hash, invitation_hash) = programs(world, &org, n, &only).await;
    let (runs, hooks) = runs(world, &org, n).await;
    let traces = vec![
        org.org().to_string(),
        name.clone(),
        only.email.clone(),
        only.id.to_string(),
        format!("owner{n}@example.com"),
        format!("invited{n}@example.com"),
        UserId::from_bytes([60 + n; 16]).to_string(),
        format!("secret of {n}"),
        format!("reset{n}"),
        format!("identity{n}"),
    ];
    Filled { org, name, only: only.email, hooks, runs, key_hash, invitation_hash, traces }
}

/// Variables that were changed, what was used, and that somebody was told of a quota.
async fn what_runs_read_and_use(world: &World, org: &OrgKey, n: u8) {
    let store = &world.store;
    let mut variables = Variables::default();
    for revision in 0..2 {
        let held =
            [Held::Plain(json!(format!("secret of {n}"))), Held::Secret(format!("secret of {n}, sealed"))];
        for (name, held) in ["plain", "secret"].into_iter().zip(held) {
            let changed_by = format!("owner{n}@example.com");
            variables.values.insert(name.to_owned(), Variable { held, changed_at: START, changed_by });
        }
        let record = record(Action::VariableSet);
        assert!(store.change_variables(org, "staging", revision, &variables, START, &record).await.unwrap());
    }
    let day = Day::of(START);
    let used = [(Sequence::parse("100").unwrap(), Figures::start())];
    assert_eq!(store.add_usage(org, day, "shard-1", &used).await.unwrap(), 1);
    assert!(store.tell_once(org, day, &record(Action::QuotaReached)).await.unwrap());
}

async fn people(world: &World, org: &OrgKey, n: u8, name: &str) -> User {
    let store = &world.store;
    let made = Organization { id: org.org().clone(), name: name.into(), created_at: START, revision: 1 };
    let owner = user(&format!("owner{n}@example.com"), 60 + n);
    if store.first_org().await.unwrap().is_none() {
        assert!(store.create_first_owner(&made, &owner, org, &record(Action::OrgCreated)).await.unwrap());
    } else {
        assert!(store.create_user(&owner).await.unwrap());
        store.create_organization(&made, &owner, org, &record(Action::OrgCreated)).await.unwrap();
    }
    let only = user(&format!("only{n}@example.com"), 10 + n);
    assert!(store.create_user(&only).await.unwrap());
    store.link_identity(&only, &format!("issuer.identity{n}")).await.unwrap();
    store.create_user(&both()).await.unwrap();
    for (i, member) in [&only, &both()].into_iter().enumerate() {
        let added = Member::new(member, "editor", START);
        assert!(store.add_member(org, &added, None, &record(Action::MemberAdded)).await.unwrap());
        let session = Session {
            id: SessionId::from_bytes([n * 10 + u8::try_from(i).unwrap(); 16]),
            user: member.id.clone(),
            org: org.org().clone(),
            created_at: START,
            used_at: START,
            expires_at: START.plus(Duration::from_hours(720)),
            ip: "192.0.2.1".into(),
            agent: "browser".into(),
        };
        store.create_session(&session, "hash").await.unwrap();
        let id = member.id.as_str();
        store.begin_repeatable(org, id, "key", "print", START).await.unwrap();
        let answer = KeptAnswer { status: 200, headers: Vec::new(), body: format!("secret of {n}").into() };
        store.keep_answer(org, id, "key", &answer).await.unwrap();
        for caller in [None, Some(id)] {
            store
                .count(&rate_name(org.org(), caller), Window::at(START, Duration::from_mins(1)), 1)
                .await
                .unwrap();
        }
    }
    store.create_reset(&format!("reset{n}"), &only, START.plus(Duration::from_hours(1))).await.unwrap();
    only
}

async fn programs(world: &World, org: &OrgKey, n: u8, only: &User) -> (String, String) {
    let store = &world.store;
    let service = ServiceAccount {
        id: ServiceId::from_bytes([n; 16]),
        name: format!("secret of {n}"),
        role: "operator".into(),
        created_at: START,
        revision: 1,
    };
    // In a secret of its own, as is one that nothing refers to: whoever made it died before saying so.
    let safe = Safe::new(world.executor.secrets.clone(), world.secrets.clone());
    let safe = safe.keeping(Storage::SecretsManager);
    let text = format!("secret of {n}");
    let credentials = safe.keep(org, "connection/lost", &text, 0).await.unwrap();
    safe.keep(org, "connection/lost", &text, 0).await.unwrap();
    let connection = KeptConnection {
        id: ConnectionId::from_bytes([n; 16]),
        connection: Connection {
            name: format!("secret of {n}"),
            connector: "slack".into(),
            auth: "bot".into(),
            fields: serde_json::Map::new(),
            status: ConnectionStatus::Ready,
            reason: None,
            created_at: START,
            created_by: only.email.clone(),
            changed_at: START,
            authorized_by: Some(only.email.clone()),
        },
        credentials: Some(credentials),
        revision: 1,
        tokens: Some(format!("sealed tokens {n}")),
        number: 1,
    };
    assert!(store.create_connection(org, &connection, &record(Action::ConnectionCreated)).await.unwrap());
    let client = KeptOAuthClient {
        connector: "slack".into(),
        client_id: format!("secret of {n}"),
        secret: Some(format!("sealed secret {n}")),
        changed_at: START,
    };
    assert!(store.put_oauth_client(org, None, &client, &record(Action::OAuthClientChanged)).await.unwrap());
    assert!(store.save_service_account(org, &service, &record(Action::ServiceCreated)).await.unwrap());
    for (i, holder) in
        [Actor::Service(service.id.clone()), Actor::User(only.id.clone())].into_iter().enumerate()
    {
        let id = ApiKeyId::from_bytes([n * 10 + u8::try_from(i).unwrap(); 16]);
        let key = ApiKey {
            id: id.clone(),
            name: "key".into(),
            holder,
            holder_name: only.email.clone(),
            scopes: vec!["runs.read".into()],
            prefix: "pb_".into(),
            created_at: START,
            expires_at: None,
            hash: format!("key{n}{i}"),
        };
        assert!(store.create_key(org, &key, "operator", &record(Action::ApiKeyCreated)).await.unwrap());
        store.begin_repeatable(org, id.as_str(), "key", "print", START).await.unwrap();
    }
    let invitation = Invitation {
        id: InvitationId::from_bytes([n; 16]),
        email: format!("invited{n}@example.com"),
        role: "viewer".into(),
        by: only.email.clone(),
        created_at: START,
        expires_at: START.plus(Duration::from_hours(72)),
        hash: format!("invitation{n}"),
    };
    store.create_invitation(org, &invitation, &record(Action::InvitationCreated)).await.unwrap();
    (format!("key{n}0"), invitation.hash)
}

/// Runs of every kind, ended and not, and the addresses of webhooks.
async fn runs(world: &World, org: &OrgKey, n: u8) -> (Vec<RunId>, Vec<HookId>) {
    let secret = format!("secret of {n}");
    let rows = |of: &str| {
        json!((0..4000).map(|i| json!({"n": i, "of": of, "text": "x".repeat(80)})).collect::<Vec<_>>())
    };
    let by_hand = |steps: Value, more: Value| {
        let mut definition =
            json!({"name": secret, "triggers": [{"id": "manual", "type": "manual"}], "steps": steps});
        definition.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        definition
    };
    let wait = json!({"id": "later", "type": "wait", "for": "PT6H"});
    let mut runs = vec![world.start_run(&by_hand(json!([wait]), json!({})), json!({"about": secret})).await];
    // With an input of its own, a large output, and strands.
    world.http.script(GET, [Reply::ok(rows(&secret))]);
    let large = json!([get("ask", GET), map("copy", json!("{{ trigger.input }}"))]);
    runs.push(world.start_run(&by_hand(large, json!({})), json!({"about": secret.repeat(300)})).await);
    let parallel =
        json!([{"id": "both", "type": "for_each", "items": [1, 2, 3], "concurrency": 3, "steps": [wait]}]);
    runs.push(world.start_run(&by_hand(parallel, json!({})), json!({"about": secret})).await);
    let approval = json!([{"id": "ok", "type": "approval", "to": ["boss@example.com"], "title": "May I?", "timeout": "P1D"}]);
    runs.push(world.start_run(&by_hand(approval, json!({})), json!({"about": secret})).await);
    // One has the slot, one stands in line.
    let limited = by_hand(
        json!([wait, map("told", json!(secret))]),
        json!({"concurrency": {"limit": 1, "when_full": "queue"}}),
    );
    for _ in 0..2 {
        runs.push(world.start_run(&limited, json!({"about": secret})).await);
    }
    // Webhooks, events, and events that are gathered.
    let triggers = json!([{"id": "form", "type": "webhook"}, {"id": "bus", "type": "event", "pattern": {"source": ["shop"]}}]);
    let hooked = json!({"name": secret, "triggers": triggers, "steps": [map("a", json!("{{ trigger }}"))]});
    let workflow = world.save(&hooked).await;
    let gathers =
        json!([{"id": "in", "type": "event", "pattern": {"source": ["shop"]}, "batch": {"for": "PT15M"}}]);
    world.save(&json!({"name": secret, "triggers": gathers, "steps": [wait]})).await;
    for event in ["e1", "e2"] {
        comes(world, org, &format!("{n}{event}")).await;
    }
    world.deliver_until(Some(world.clock.now()), Delivery::Once).await;
    (runs, vec![HookId::from_bytes(digest16(&[workflow.as_str(), "form"]))])
}
