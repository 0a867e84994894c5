//! Erasing an organisation: the one list of everything that is kept of it, and the order in which it goes.
//!
//! What is kept, and how it is found without looking through whole tables:
//!
//! | What | Found by |
//! |---|---|
//! | webhooks' ids | the workflows that have them |
//! | rules, versions, variables, usage and quotas, records of the ledger, answers kept for repeats, counts of requests, turns at apps (those of a connection that was deleted go by themselves in hours) | partitions whose names are made of the organisation's and of what is in its own partition |
//! | runs, with all that is beside their heads, their slots and due entries | the index `list` |
//! | what groups gather, and what they remember of it | the index `list`, in which a group's window is, too |
//! | API keys, invitations | the organisation's own partition, whose items name the hashes |
//! | memberships, sessions, accounts of people who belong nowhere else, what ties them to the OpenID provider, links to set their passwords | the members |
//! | everything else in the organisation's own partition | that partition |
//! | objects | their keys begin with the organisation: the function `eraser` deletes them |
//! | secrets of Secrets Manager, those included that nothing refers to | their names: the function `eraser` deletes them |
//!
//! Who adds an item with a key of another kind adds it here: `close_one` if it leads to the organisation, and
//! `erase_of_org` if it is found by an item of the organisation's own partition.
//!
//! Nothing is deleted before what leads to it; an item that others are found by goes after them. So any step may be repeated, by
//! two at the same time as well, and whoever dies half way has lost nothing that a repetition needs.

mod delete;

use self::delete::key_of;
use crate::attr::{self, Item, n, s};
use crate::control::{
    email_key_item, hook_key_item, identity_item, membership_key, org_key_item, user_key,
    variables_partition, version_partition,
};
use crate::runs::{LIST_SHARDS, Listed, groups_partition, heads_partition, partition};
use crate::transact::{Change, Writes};
use crate::{DueEntry, DueKind, DueStore, Store, StoreError, codec, ledger, limits, tokens, usage};
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::ReturnValuesOnConditionCheckFailure as OnFailure;
use domain::audit::Record;
use domain::limits::EXECUTOR_TIMEOUT;
use domain::run::{Priority, RunStatus};
use domain::{ConnectionId, HookId, Millis, OrgId, OrgKey, RunId, UserId, WorkflowId};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// Between two looks for runs under way: nothing that had begun before the first one still goes on at the second. No function may
/// run for longer than the executor.
const QUIET: Duration = Duration::from_secs(EXECUTOR_TIMEOUT.as_secs() + 60);
/// Until the list of secrets surely has all of them: it may be five minutes late (AWS, `ListSecrets`), and whoever was still at work
/// when the organisation was shut has ended long before.
const LISTED: Duration = Duration::from_mins(6);
/// How many items a step looks at.
const PAGE: usize = 50;
/// How many calls are under way at a time.
const AT_ONCE: usize = 16;
const WEEK: i64 = 7 * 86_400_000;
/// What the organisation's item says of its erasure: when it began, how far it has come, and which change of that this is.
const MARK: &str = "er";
const STAGE: &str = "es";
const SEEN: &str = "en";

/// An organisation that is being erased.
#[derive(Debug, Clone, PartialEq)]
pub struct Erasure {
    /// When somebody asked for it.
    pub at: Millis,
    pub stage: EraseStage,
    created_at: Millis,
    seen: u32,
}

/// How far an erasure has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EraseStage {
    /// Shuts what leads to the organisation, from the item after this one in its own partition. `again`: not for the first time.
    Close {
        after: Option<String>,
        again: bool,
    },
    /// Ends runs under way. `found`: there was one on the way here.
    Stop {
        at: Listed,
        again: bool,
        found: bool,
        /// When this look began: what ended since then was under way.
        since: Millis,
    },
    /// Whatever had begun before then comes to its end.
    Wait {
        until: Millis,
    },
    Groups {
        shard: u8,
    },
    Runs {
        at: Listed,
    },
    /// Objects, which are not the store's.
    Files,
    /// The organisation's own partition, and what is found by it.
    Rest,
    /// Whoever had read a membership before it went may still write into the ledger, and a secret that was made last is listed late.
    Settle {
        until: Millis,
    },
    /// Secrets of Secrets Manager, which are not the store's.
    Secrets,
    /// The ledger, and the organisation's item.
    Last,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Erased {
    /// There is more to do.
    Some,
    /// Nothing can be done before then.
    NotBefore(Millis),
    /// The objects of the organisation are next; then [`files_erased`](Store::files_erased).
    Files,
    /// The secrets of the organisation are next; then [`secrets_erased`](Store::secrets_erased).
    Secrets,
    /// Nothing is left.
    All,
}

impl Store {
    /// Marks an organisation as being erased, if it is still called so and not marked yet; whether it did.
    pub async fn begin_erasure(
        &self,
        org: &OrgKey,
        name: &str,
        at: Millis,
        record: &Record,
    ) -> Result<bool, StoreError> {
        let stage = EraseStage::Close { after: None, again: false };
        let mut writes = Writes::default();
        writes.update(Change {
            table: self.tables.control.clone(),
            key: org_key_item(org.org()),
            expression: format!("SET {MARK} = :at, {STAGE} = :stage, {SEEN} = :seen"),
            condition: Some(format!("#name = :name AND attribute_not_exists({MARK})")),
            values: Item::from([
                (":at".into(), n(at.0)),
                (":stage".into(), attr::b(codec::pack(&stage)?)),
                (":seen".into(), n(0)),
                (":name".into(), s(name)),
            ]),
        })?;
        writes.record(&self.tables.ledger, org, record)?;
        Ok(self.transact("begin_erasure", writes).await?.held())
    }

    /// How far the erasure of an organisation has come; `None` of one that is not being erased, or is no longer there.
    pub async fn erasure(&self, org: &OrgKey) -> Result<Option<Erasure>, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), "org".to_owned()).await?;
        let Some(item) = item.filter(|item| item.contains_key(MARK)) else { return Ok(None) };
        Ok(Some(Erasure {
            at: Millis(attr::number(&item, MARK)?),
            stage: codec::unpack(attr::bytes(&item, STAGE)?)?,
            created_at: Millis(attr::number(&item, "ca")?),
            seen: attr::number(&item, SEEN)?,
        }))
    }

    /// Whether an organisation is marked, whatever its stage is: also one that another version wrote.
    pub(crate) async fn is_erasure_marked(&self, org: &OrgKey) -> Result<bool, StoreError> {
        let item = self.get_control(org.org().as_str().to_owned(), "org".to_owned()).await?;
        Ok(item.is_some_and(|item| item.contains_key(MARK)))
    }

    /// When an organisation was erased, if it was.
    pub async fn erased_at(&self, org: &OrgId) -> Result<Option<Millis>, StoreError> {
        let item = self.get_control("system".to_owned(), erased_sort(org)).await?;
        item.map(|item| attr::number(&item, "at").map(Millis)).transpose()
    }

    /// Erases a bounded part of an organisation that is marked, and of no other. Repeating a step changes nothing.
    pub async fn erase_step(&self, org: &OrgKey, now: Millis) -> Result<Erased, StoreError> {
        let Some(erasure) = self.erasure(org).await? else { return Ok(Erased::All) };
        let next = match erasure.stage.clone() {
            EraseStage::Close { after, again } => match self.close_some(org, after).await? {
                Some(after) => EraseStage::Close { after: Some(after), again },
                None => EraseStage::Stop { at: first_listed(&erasure), again, found: false, since: now },
            },
            EraseStage::Stop { at, again, found, since } => {
                let (stopped, next) = self.stop_some(org, &at, since, now).await?;
                let found = found || stopped;
                match next {
                    Some(at) => EraseStage::Stop { at, again, found, since },
                    // What was under way may have started more; and the index tells of a run a moment late.
                    None if found || !again => EraseStage::Wait { until: now.plus(QUIET) },
                    None => EraseStage::Groups { shard: 0 },
                }
            }
            EraseStage::Wait { until } if now < until => return Ok(Erased::NotBefore(until)),
            EraseStage::Wait { .. } => EraseStage::Close { after: None, again: true },
            EraseStage::Groups { shard } => match self.erase_groups(org, shard).await? {
                Some(shard) => EraseStage::Groups { shard },
                None => EraseStage::Runs { at: first_listed(&erasure) },
            },
            EraseStage::Runs { at } => match self.erase_runs(org, &at, now).await? {
                Some(at) => EraseStage::Runs { at },
                None => EraseStage::Files,
            },
            EraseStage::Files => return Ok(Erased::Files),
            EraseStage::Rest => {
                if self.erase_rest(org).await? {
                    EraseStage::Rest
                } else {
                    EraseStage::Settle { until: now.plus(LISTED) }
                }
            }
            EraseStage::Settle { until } if now < until => return Ok(Erased::NotBefore(until)),
            EraseStage::Settle { .. } => EraseStage::Secrets,
            EraseStage::Secrets => return Ok(Erased::Secrets),
            EraseStage::Last => {
                return Ok(if self.erase_last(org, &erasure, now).await? {
                    Erased::All
                } else {
                    Erased::Some
                });
            }
        };
        self.advance(org, &erasure, &next).await?;
        Ok(Erased::Some)
    }

    /// Says that the objects of an organisation are gone.
    pub async fn files_erased(&self, org: &OrgKey) -> Result<(), StoreError> {
        self.is_done(org, &EraseStage::Files, &EraseStage::Rest).await
    }

    /// Says that the secrets of an organisation are gone.
    pub async fn secrets_erased(&self, org: &OrgKey) -> Result<(), StoreError> {
        self.is_done(org, &EraseStage::Secrets, &EraseStage::Last).await
    }

    async fn is_done(&self, org: &OrgKey, stage: &EraseStage, next: &EraseStage) -> Result<(), StoreError> {
        match self.erasure(org).await? {
            Some(erasure) if erasure.stage == *stage => self.advance(org, &erasure, next).await,
            _ => Ok(()),
        }
    }

    /// Where another was faster, its word counts: steps may be repeated.
    async fn advance(&self, org: &OrgKey, from: &Erasure, to: &EraseStage) -> Result<(), StoreError> {
        if from.stage == *to {
            return Ok(());
        }
        let change = format!("SET {STAGE} = :stage, {SEEN} = :next");
        let values = Item::from([
            (":stage".into(), attr::b(codec::pack(to)?)),
            (":next".into(), n(from.seen + 1)),
            (":seen".into(), n(from.seen)),
        ]);
        self.change_if(org_key_item(org.org()), &change, &format!("{SEEN} = :seen"), values).await
    }

    /// Shuts what leads to the organisation: 50 items of its own partition after `after`. Gives where to go on.
    async fn close_some(&self, org: &OrgKey, after: Option<String>) -> Result<Option<String>, StoreError> {
        if after.is_none() {
            // What events start: all of it, since nothing else keeps an event from starting a run.
            while self.erase_partition(&self.tables.control, &rules_partition(org), PAGE * AT_ONCE).await? {}
        }
        let items = self.list_control(org.org().as_str(), "", after.as_deref(), PAGE).await?;
        let last = items.last().and_then(|item| attr::optional_text(item, "sk")).map(str::to_owned);
        let more = last.filter(|_| items.len() >= PAGE);
        let closed = stream::iter(items).map(|item| self.close_one(org, item)).buffer_unordered(AT_ONCE);
        closed.try_collect::<()>().await?;
        Ok(more)
    }

    async fn close_one(&self, org: &OrgKey, item: Item) -> Result<(), StoreError> {
        let kind = attr::text(&item, "sk")?.split('#').next().unwrap_or_default().to_owned();
        let marked = || Item::from([(":one".into(), n(1))]);
        let mark = format!("SET {MARK} = :one");
        match kind.as_str() {
            // People and programs are told why they are refused, without a read more for those of other organisations.
            "m" | "a" => self.change_if(key_of(&item)?, &mark, "attribute_exists(pk)", marked()).await,
            "k" => {
                let by_hash = key_by_hash(&item)?;
                self.change_if(by_hash, &mark, "attribute_exists(pk)", marked()).await?;
                self.change_if(key_of(&item)?, &mark, "attribute_exists(pk)", marked()).await
            }
            "i" => self.erase_invitation(&item).await,
            "wf" => {
                for hook in hooks_of(&item)? {
                    self.erase_hook(org, &hook).await?;
                }
                // Whoever has read it before finds its change refused.
                let off = Item::from([
                    (":off".into(), aws_sdk_dynamodb::types::AttributeValue::Bool(false)),
                    (":one".into(), n(1)),
                ]);
                self.change_if(key_of(&item)?, "SET #on = :off, rv = rv + :one", "attribute_exists(pk)", off)
                    .await
            }
            _ => Ok(()),
        }
    }

    /// Ends the runs of a part of the list that are under way, without anything that follows from an end. Whether any was since this
    /// look began, whoever ended it: who dies before that is written down has a successor who finds it ended. And where to go on.
    async fn stop_some(
        &self,
        org: &OrgKey,
        at: &Listed,
        since: Millis,
        now: Millis,
    ) -> Result<(bool, Option<Listed>), StoreError> {
        let page = self.listed(&heads_partition(org, at.week, at.shard), at.after.as_deref(), PAGE).await?;
        let after = page.last().filter(|_| page.len() >= PAGE).map(|(_, sort)| sort.clone());
        let stopped: Vec<bool> = stream::iter(page)
            .map(|(pk, _)| async move {
                let update = self
                    .client
                    .update_item()
                    .table_name(&self.tables.runs)
                    .key("pk", s(pk))
                    .key("sk", s("h"))
                    .update_expression("SET st = :ended, fin = :now REMOVE ob, wk")
                    .condition_expression(
                        "attribute_exists(pk) AND (attribute_not_exists(fin) OR attribute_exists(ob))",
                    )
                    .expression_attribute_values(":ended", s(RunStatus::Cancelled.as_str()))
                    .expression_attribute_values(":now", n(now.0))
                    .return_values_on_condition_check_failure(OnFailure::AllOld)
                    .send()
                    .await;
                match update {
                    Ok(_) => Ok(true),
                    Err(SdkError::ServiceError(e)) => match e.into_err() {
                        UpdateItemError::ConditionalCheckFailedException(failed) => {
                            let ended =
                                failed.item.and_then(|head| attr::optional_number::<i64>(&head, "fin"));
                            Ok(ended.is_some_and(|at| at >= since.0))
                        }
                        other => {
                            Err(StoreError::of::<_, ()>("stop_runs", &SdkError::service_error(other, ())))
                        }
                    },
                    Err(e) => Err(StoreError::of("stop_runs", &e)),
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        Ok((stopped.contains(&true), at.next(after, last_week(now))))
    }

    /// Erases what the groups of a shard remember, and the runs that gathered it: also those whose heads were forgotten. Gives the
    /// shard to go on with.
    async fn erase_groups(&self, org: &OrgKey, shard: u8) -> Result<Option<u8>, StoreError> {
        for (pk, _) in self.listed(&groups_partition(org, shard), None, PAGE).await? {
            loop {
                let items = self.first_of(&self.tables.runs, &pk, PAGE).await?;
                let markers: Vec<&Item> = items.iter().filter(|item| item.contains_key("run")).collect();
                for marker in &markers {
                    let run = attr::parsed(marker, "run", RunId::parse)?;
                    while self.erase_run(org, &partition(org, &run)).await? {}
                }
                let none = markers.is_empty();
                let keys: Vec<Item> = markers.into_iter().map(key_of).collect::<Result<_, _>>()?;
                self.delete_all(&self.tables.runs, keys).await?;
                if none {
                    // The window is what the group is found by.
                    self.erase_partition(&self.tables.runs, &pk, PAGE).await?;
                    break;
                }
            }
        }
        // The index tells of what was deleted a moment ago; then another look finds nothing to do.
        let left = self.listed(&groups_partition(org, shard), None, 1).await?;
        let shard = if left.is_empty() { shard + 1 } else { shard };
        Ok((shard < LIST_SHARDS).then_some(shard))
    }

    /// Erases the runs of a part of the list; gives where to go on.
    async fn erase_runs(&self, org: &OrgKey, at: &Listed, now: Millis) -> Result<Option<Listed>, StoreError> {
        let page = self.listed(&heads_partition(org, at.week, at.shard), at.after.as_deref(), PAGE).await?;
        let after = page.last().filter(|_| page.len() >= PAGE).map(|(_, sort)| sort.clone());
        stream::iter(page)
            .map(|(pk, _)| async move {
                while self.erase_run(org, &pk).await? {}
                Ok::<_, StoreError>(())
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(at.next(after, last_week(now)))
    }

    /// Erases some of a run's items, its head last, since the run is found by that; whether there are more.
    async fn erase_run(&self, org: &OrgKey, pk: &str) -> Result<bool, StoreError> {
        let items = self.first_of(&self.tables.runs, pk, PAGE * 4).await?;
        let mut others = Vec::with_capacity(items.len());
        let mut head = None;
        for item in &items {
            if attr::text(item, "sk")? == "h" { head = Some(item) } else { others.push(key_of(item)?) }
        }
        let more = !others.is_empty();
        self.delete_all(&self.tables.runs, others).await?;
        let Some(head) = head.filter(|_| !more) else { return Ok(more) };
        if let Some(slots) = attr::optional_text(head, "sl") {
            let slots = format!("{}#slots_{slots}", org.org());
            self.erase_partition(&self.tables.runs, &slots, PAGE).await?;
        }
        let run = pk
            .split_once('#')
            .and_then(|(_, run)| RunId::parse(run).ok())
            .ok_or(StoreError::Corrupt("pk"))?;
        let (started, deadline) = (Millis(attr::number(head, "ts")?), Millis(attr::number(head, "dl")?));
        self.delete_due(&DueEntry::first_check(org, &run, started, deadline)).await?;
        if let Some(at) = attr::optional_number(head, "wk") {
            let (kind, priority) = (DueKind::Wake, Priority::default());
            let wake = DueEntry {
                org: org.clone(),
                run,
                strand: String::new(),
                kind,
                at: Millis(at),
                of: None,
                priority,
            };
            self.delete_due(&wake).await?;
        }
        self.delete_all(&self.tables.runs, vec![key_of(head)?]).await?;
        Ok(false)
    }

    /// Erases some of the organisation's own partition, with what is found by it; whether there is more.
    async fn erase_rest(&self, org: &OrgKey) -> Result<bool, StoreError> {
        let mut items = self.list_control(org.org().as_str(), "", None, PAGE).await?;
        items.retain(|item| attr::optional_text(item, "sk") != Some("org"));
        let more = !items.is_empty();
        let erased = stream::iter(items).map(|item| self.erase_of_org(org, item)).buffer_unordered(AT_ONCE);
        erased.try_collect::<()>().await?;
        Ok(more)
    }

    /// Erases an item of the organisation's own partition, after what is found by it.
    async fn erase_of_org(&self, org: &OrgKey, item: Item) -> Result<(), StoreError> {
        let sort = attr::text(&item, "sk")?.to_owned();
        let (kind, id) = sort.split_once('#').unwrap_or((&sort, ""));
        match kind {
            "m" => {
                let user = UserId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?;
                self.erase_membership(org, &user, attr::text(&item, "em")?).await?;
                self.erase_caller(org, id).await?;
            }
            "a" => self.erase_caller(org, id).await?,
            "k" => {
                self.delete_all(&self.tables.control, vec![key_by_hash(&item)?]).await?;
                self.erase_caller(org, id).await?;
            }
            "i" => self.erase_invitation(&item).await?,
            "wf" => {
                for hook in hooks_of(&item)? {
                    self.erase_hook(org, &hook).await?;
                }
                let workflow = WorkflowId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?;
                let versions = version_partition(org, &workflow);
                while self.erase_partition(&self.tables.control, &versions, PAGE).await? {}
            }
            "cn" => {
                let connection = ConnectionId::parse(id).map_err(|_| StoreError::Corrupt("sk"))?;
                let limits = limits::partition(org, Some(&connection));
                while self.erase_partition(&self.tables.tokens, &limits, PAGE).await? {}
            }
            // Whatever else is there is found by nothing else, and nothing is found by it.
            _ => {}
        }
        self.delete_all(&self.tables.control, vec![key_of(&item)?]).await
    }

    /// What is kept for a while of the requests of a person, a program or a key: counts, and answers.
    async fn erase_caller(&self, org: &OrgKey, id: &str) -> Result<(), StoreError> {
        for pk in [
            tokens::answers_partition(org, id),
            tokens::counts_partition(&tokens::rate_name(org.org(), Some(id))),
        ] {
            while self.erase_partition(&self.tables.tokens, &pk, PAGE).await? {}
        }
        Ok(())
    }

    /// A member's sessions here and membership, and the account of one who belongs nowhere else.
    async fn erase_membership(&self, org: &OrgKey, user: &UserId, email: &str) -> Result<(), StoreError> {
        let pk = user_key(user);
        let sessions = self.list_control(&pk, "s#", None, usize::MAX).await?;
        let here = |item: &&Item| attr::optional_text(item, "org") == Some(org.org().as_str());
        let keys: Vec<Item> = sessions.iter().filter(here).map(key_of).collect::<Result<_, _>>()?;
        self.delete_all(&self.tables.control, keys).await?;
        self.delete_all(&self.tables.control, vec![membership_key(org, user)]).await?;
        // Once the account says that it is about to go, nobody can add it to an organisation.
        let account = Item::from([("pk".to_owned(), s(&pk)), ("sk".to_owned(), s("u"))]);
        // Another organisation of the same person may be erased at the same time: each takes back its own word only.
        let ours = || Item::from([(":org".into(), s(org.org().as_str()))]);
        self.change_if(account.clone(), "SET cl = :org", "attribute_exists(pk)", ours()).await?;
        if !self.list_control(&pk, "o#", None, 1).await?.is_empty() {
            return self.change_if(account, "REMOVE cl", "cl = :org", ours()).await;
        }
        // Only what is this user's: another may have made an account of the same address since.
        if let Some(account) = self.user_by_email(email).await?.filter(|account| account.id == *user)
            && let Some(identity) = &account.identity
        {
            self.delete_all(&self.tables.control, vec![identity_item(identity)]).await?;
        }
        let own = Item::from([(":id".into(), s(user.as_str()))]);
        self.delete_if(email_key_item(email), "id = :id", own).await?;
        for link in self.list_control(&pk, "r#", None, usize::MAX).await? {
            let hash = attr::text(&link, "sk")?.trim_start_matches("r#");
            let by_hash = Item::from([("pk".into(), s(format!("reset#{hash}"))), ("sk".into(), s("r"))]);
            self.delete_all(&self.tables.control, vec![by_hash]).await?;
        }
        while self.erase_partition(&self.tables.control, &pk, PAGE).await? {}
        Ok(())
    }

    async fn erase_invitation(&self, item: &Item) -> Result<(), StoreError> {
        let hash = attr::text(item, "h")?;
        let by_hash = Item::from([("pk".into(), s(format!("invite#{hash}"))), ("sk".into(), s("i"))]);
        self.delete_all(&self.tables.control, vec![by_hash]).await?;
        self.delete_all(&self.tables.control, vec![key_of(item)?]).await
    }

    async fn erase_hook(&self, org: &OrgKey, hook: &HookId) -> Result<(), StoreError> {
        let own = Item::from([(":org".into(), s(org.org().as_str()))]);
        self.delete_if(hook_key_item(hook), "org = :org", own).await
    }

    /// The ledger, then the item by which all of this is found; whether that is all. What stays is a record that says when, and
    /// nothing of anybody.
    async fn erase_last(&self, org: &OrgKey, erasure: &Erasure, now: Millis) -> Result<bool, StoreError> {
        let counts = tokens::counts_partition(&tokens::rate_name(org.org(), None));
        let rules = rules_partition(org);
        let (control, tokens) = (&self.tables.control, &self.tables.tokens);
        for (table, pk) in [
            (control, rules),
            (control, variables_partition(org)),
            (control, usage::partition(org)),
            (tokens, counts),
            (tokens, limits::partition(org, None)),
            (tokens, usage::told_partition(org)),
        ] {
            if self.erase_partition(table, &pk, PAGE * AT_ONCE).await? {
                return Ok(false);
            }
        }
        // The clocks of those who wrote may have been before or behind ours.
        let day = Duration::from_hours(24);
        let first = Millis(erasure.created_at.0.saturating_sub(86_400_000));
        for month in ledger::months(first, now.plus(day)) {
            let pk = ledger::partition(org, &month);
            if self.erase_partition(&self.tables.ledger, &pk, PAGE * AT_ONCE).await? {
                return Ok(false);
            }
        }
        let table = &self.tables.control;
        let mut writes = Writes::default();
        let marked = format!("attribute_exists({MARK})");
        writes.delete(table, org_key_item(org.org()), Some((&marked, Item::new())))?;
        let told = Item::from([
            ("pk".into(), s("system")),
            ("sk".into(), s(erased_sort(org.org()))),
            ("at".into(), n(now.0)),
        ]);
        writes.put(table, told)?;
        if self.first_org().await?.as_ref() == Some(org.org()) {
            // The deployment can be set up anew.
            let first = Item::from([("pk".into(), s("system")), ("sk".into(), s("first"))]);
            writes.delete(table, first, None)?;
        }
        // Refused when another eraser was faster.
        self.transact("erase_last", writes).await.map(|_| true)
    }
}

/// A week before the organisation was made: the clocks of functions differ.
fn first_listed(erasure: &Erasure) -> Listed {
    Listed { week: erasure.created_at.0.div_euclid(WEEK) - 1, shard: 0, after: None }
}

/// Schedules start runs a little ahead of their time.
fn last_week(now: Millis) -> i64 {
    now.0.div_euclid(WEEK) + 1
}

fn rules_partition(org: &OrgKey) -> String {
    format!("{}#rules", org.org())
}

fn erased_sort(org: &OrgId) -> String {
    format!("erased#{org}")
}

/// Where an API key is found by its hash.
fn key_by_hash(item: &Item) -> Result<Item, StoreError> {
    let key: crate::ApiKey = codec::unpack(attr::bytes(item, "key")?)?;
    Ok(Item::from([("pk".to_owned(), s(format!("key#{}", key.hash))), ("sk".to_owned(), s("k"))]))
}

fn hooks_of(item: &Item) -> Result<Vec<HookId>, StoreError> {
    let hooks: BTreeMap<String, HookId> = codec::unpack(attr::bytes(item, "hk")?)?;
    Ok(hooks.into_values().collect())
}

/// Whether an item of somebody or something of an organisation says that this is being erased.
pub(crate) fn is_marked(item: &Item) -> bool {
    item.contains_key(MARK)
}
