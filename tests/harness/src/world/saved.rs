//! What is in a world before anything happens: its organisation, and workflows.

use super::{START, World};
use domain::audit::{Action, Record, RequestOrigin};
use domain::connection::{Connection, ConnectionStatus};
use domain::id::digest16;
use domain::variables::{Held, Variable, Variables, sealed_for};
use domain::{Actor, ConnectionId, HookId, RecordId, WorkflowId};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use store::{
    ConnectorKept, ConnectorName, EventRule, HeldName, Hook, KeptConnection, KeptConnector, Organization,
    User, WorkflowChange, WorkflowMeta, WorkflowVersion,
};

impl World {
    /// Sets up the first organisation, which events without one belong to.
    pub async fn set_up(&self) {
        let org =
            Organization { id: self.org.org().clone(), name: "Test".into(), created_at: START, revision: 1 };
        let owner = User {
            id: domain::UserId::from_bytes([1; 16]),
            email: "owner@example.com".into(),
            password: None,
            created_at: START,
            identity: None,
            verified: false,
            incomplete: None,
        };
        let made =
            self.store.create_first_owner(&org, &owner, &self.org, &self.record(Action::OrgCreated)).await;
        assert!(made.expect("the table takes an owner"));
    }

    /// What the owner did.
    fn record(&self, action: Action) -> Record {
        let number = u128::from(self.keys.fetch_add(1, Ordering::SeqCst));
        Record {
            id: RecordId::from_bytes(number.to_be_bytes()),
            at: START,
            action,
            actor: Actor::User(domain::UserId::from_bytes([1; 16])),
            actor_name: "owner@example.com".into(),
            key: None,
            target: None,
            before: Value::Null,
            after: Value::Null,
            origin: RequestOrigin::default(),
        }
    }

    /// Makes a connection to an app, with these credentials.
    pub async fn connect(&self, id: &ConnectionId, connector: &str, auth: &str, credentials: &Value) {
        let sealer = self.executor.secrets.sealer(0).await.expect("there is a key");
        let purpose = domain::connection::sealed_for(id);
        let sealed = sealer.seal(&self.org, &purpose, &credentials.to_string()).expect("it seals");
        let kept = KeptConnection {
            id: id.clone(),
            connection: Connection {
                name: connector.to_owned(),
                connector: connector.to_owned(),
                auth: auth.to_owned(),
                fields: serde_json::Map::new(),
                status: ConnectionStatus::Ready,
                reason: None,
                created_at: START,
                created_by: "owner@example.com".into(),
                changed_at: START,
                authorized_by: None,
            },
            credentials: Some(sealed),
            revision: 1,
            tokens: None,
            number: 0,
        };
        let record = self.record(Action::ConnectionCreated);
        let made = self.store.create_connection(&self.org, &kept, &record).await;
        assert!(made.expect("the table takes a connection"));
    }

    /// Keeps the first version of a connector of the organisation's own.
    pub async fn own_connector(&self, manifest: &Value) {
        let name = manifest["name"].as_str().expect("a manifest has a name").to_owned();
        let kept = KeptConnector {
            name: name.clone(),
            version: 1,
            document: manifest.clone(),
            changed_at: START,
            changed_by: "owner@example.com".into(),
        };
        let held = HeldName { versions: [1].into(), ..HeldName::default() };
        let name = ConnectorName { name, revision: 0, held };
        let record = self.record(Action::ConnectorSaved);
        let put = self.store.put_own_connector(&self.org, &name, &kept, &record).await;
        assert_eq!(put.expect("the table takes a connector"), ConnectorKept::Kept);
    }

    /// Makes these the variables of an environment, all of them secret. `before` is how often that was done before.
    pub async fn set_secrets(&self, environment: &str, before: u32, secrets: &[(&str, &str)]) {
        let sealer = self.executor.secrets.sealer(0).await.expect("there is a key");
        let mut variables = Variables::default();
        for (name, value) in secrets {
            let sealed = sealer.seal(&self.org, &sealed_for(environment, name), value).expect("it seals");
            let changed_by = "owner@example.com".to_owned();
            let variable = Variable { held: Held::Secret(sealed), changed_at: START, changed_by };
            variables.values.insert((*name).to_owned(), variable);
        }
        let record = self.record(Action::VariableSet);
        let changed = self.store.change_variables(&self.org, environment, before, &variables, START, &record);
        assert!(changed.await.expect("the table answers"), "they were changed {before} times before");
    }

    /// Stores a definition as an enabled workflow, with its webhooks and event rules; the same definition is the same workflow.
    pub async fn save(&self, definition: &Value) -> WorkflowId {
        let id = WorkflowId::from_bytes(digest16(&[&definition.to_string()]));
        if self.store.workflow(&self.org, &id).await.expect("the table answers").is_some() {
            return id;
        }
        let (mut hooks, mut rules) = (BTreeMap::new(), Vec::new());
        for trigger in definition["triggers"].as_array().into_iter().flatten() {
            let name = trigger["id"].as_str().unwrap_or_default().to_owned();
            match trigger["type"].as_str() {
                Some("webhook" | "app") => {
                    hooks.insert(name.clone(), HookId::from_bytes(digest16(&[id.as_str(), &name])));
                }
                Some("event") => rules.push(EventRule {
                    workflow: id.clone(),
                    trigger: name,
                    version: 1,
                    split: store::Split::default(),
                    pattern: trigger["pattern"].clone(),
                }),
                _ => {}
            }
        }
        let meta = WorkflowMeta {
            id: id.clone(),
            name: "test".into(),
            version: 1,
            live: 1,
            enabled: true,
            hooks: hooks.clone(),
            rules: rules.iter().map(|r| r.trigger.clone()).collect(),
            splits: BTreeMap::new(),
            created_at: START,
            updated_at: START,
            revision: 1,
        };
        let hooks = hooks.into_iter().map(|(trigger, hook)| Hook {
            id: hook,
            org: self.org.clone(),
            workflow: id.clone(),
            trigger,
            version: 1,
            split: store::Split::default(),
            enabled: true,
        });
        let change = WorkflowChange {
            new_version: Some(WorkflowVersion {
                version: 1,
                document: definition.clone(),
                created_at: START,
                hooks: BTreeMap::new(),
            }),
            hooks: hooks.collect(),
            rules,
            ..WorkflowChange::default()
        };
        let record = self.record(Action::WorkflowCreated);
        let saved = self.store.save_workflow(&self.org, &meta, &change, &record).await;
        saved.expect("the table takes a workflow");
        id
    }

    /// Makes this definition the live version of a workflow, whose triggers keep their addresses; on or off.
    pub async fn publish(&self, workflow: &WorkflowId, definition: &Value, enabled: bool) {
        let meta = self.store.workflow(&self.org, workflow).await.expect("the table answers");
        let mut meta = meta.expect("the workflow was saved");
        meta.version += 1;
        meta.live = meta.version;
        meta.revision += 1;
        meta.enabled = enabled;
        let version = WorkflowVersion {
            version: meta.version,
            document: definition.clone(),
            created_at: START,
            hooks: meta.hooks.clone(),
        };
        let hooks = meta.hooks.iter().map(|(trigger, hook)| Hook {
            id: hook.clone(),
            org: self.org.clone(),
            workflow: workflow.clone(),
            trigger: trigger.clone(),
            version: meta.live,
            split: store::Split::default(),
            enabled,
        });
        let change = WorkflowChange {
            new_version: Some(version),
            hooks: hooks.collect(),
            ..WorkflowChange::default()
        };
        let record = self.record(Action::WorkflowPublished);
        let saved = self.store.save_workflow(&self.org, &meta, &change, &record).await;
        saved.expect("the table takes a version");
    }

    /// Saves a second version of a workflow, and shares a trigger's runs out.
    pub async fn share_out(
        &self,
        workflow: &WorkflowId,
        trigger: &str,
        definition: &Value,
        shares: &[(u32, u32)],
    ) {
        let meta = self.store.workflow(&self.org, workflow).await.expect("the table answers");
        let mut meta = meta.expect("the workflow was saved");
        meta.version += 1;
        meta.revision += 1;
        let shares = shares.iter().copied().map(store::Share::from).collect();
        let split = store::Split::new(shares).expect("the shares are a split");
        meta.splits.insert(trigger.to_owned(), split);
        let version = WorkflowVersion {
            version: meta.version,
            document: definition.clone(),
            created_at: START,
            hooks: BTreeMap::new(),
        };
        let change = WorkflowChange { new_version: Some(version), ..WorkflowChange::default() };
        let record = self.record(Action::WorkflowChanged);
        let saved = self.store.save_workflow(&self.org, &meta, &change, &record).await;
        saved.expect("the table takes a version");
    }
}
