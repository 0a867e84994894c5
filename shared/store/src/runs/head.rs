//! The head of a run, its input and its answer.

use super::{ANSWER, Created, HEAD, INPUT, list, mail, partition};
use crate::attr::{self, Item, b, n, s};
use crate::{Appended, Attempt, Claim, Gather, Held, Journal, Pulse, RunStore, Store, StoreError, codec};
use async_trait::async_trait;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{
    AttributeValue, KeysAndAttributes, ReturnValuesOnConditionCheckFailure as OnFailure,
};
use domain::run::{
    Answer, End, GatherRule, Gathered, Gathering, Head, Limited, Mail, NewRun, Priority, RunStatus, Segment,
    SettledBy, Slot, Slots,
};
use domain::{Millis, OrgKey, RunId, WorkflowId, limits};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::Duration;

/// A packed input up to this size rides in the head: the head then still fits the kilobyte that DynamoDB bills.
pub(super) const INLINE_INPUT: usize = 600;

#[async_trait]
impl RunStore for Store {
    async fn create_run(&self, org: &OrgKey, run: &NewRun) -> Result<Created, StoreError> {
        let pk = partition(org, &run.id);
        let ttl = n(ttl(run.deadline));
        let packed = codec::pack(&run.input)?;
        let mut item = Item::from([
            ("pk".into(), s(&pk)),
            ("sk".into(), s(HEAD)),
            ("f".into(), n(1)),
            ("st".into(), s(RunStatus::Queued.as_str())),
            ("wf".into(), s(run.workflow.as_str())),
            ("v".into(), n(run.version)),
            ("tr".into(), s(&run.trigger)),
            ("ts".into(), n(run.started_at.0)),
            ("dl".into(), n(run.deadline.0)),
            ("lp".into(), s(list::partition(org, &run.id, run.started_at))),
            ("ls".into(), s(list::sort(&run.id, run.started_at))),
            ("ttl".into(), ttl.clone()),
        ]);
        if run.depth > 0 {
            item.insert("dp".into(), n(run.depth));
        }
        if run.epoch > 0 {
            item.insert("ep".into(), n(run.epoch));
        }
        if let Some(parent) = &run.parent {
            item.insert("pa".into(), b(codec::pack(parent)?));
        }
        if let Some(origin) = &run.origin {
            item.insert("og".into(), b(codec::pack(origin)?));
        }
        if !run.priority.is_usual() {
            item.insert("pr".into(), s(run.priority.as_str()));
        }
        if let Some(revision) = run.variables {
            item.insert("vr".into(), n(revision));
        }
        if let Some(due) = run.gathers_until {
            item.insert("gx".into(), s("open"));
            item.insert("gd".into(), n(due.0));
            item.insert("gc".into(), n(0));
            item.insert("gb".into(), n(0));
        }
        if let Some(secret) = run.secret {
            item.insert("se".into(), b(secret.to_vec()));
        }
        let mut input_is_ours = true;
        if packed.len() <= INLINE_INPUT {
            item.insert("in".into(), b(packed));
        } else {
            // Before the head: a head that exists has its input.
            let input = Item::from([
                ("pk".into(), s(&pk)),
                ("sk".into(), s(INPUT)),
                ("in".into(), b(packed)),
                ("ts".into(), n(run.started_at.0)),
                ("ttl".into(), ttl),
            ]);
            let existing = self
                .client
                .put_item()
                .table_name(&self.tables.runs)
                .set_item(Some(input))
                .condition_expression("attribute_not_exists(pk)")
                .send()
                .await;
            match existing {
                Ok(_) => {}
                // A repeated start, perhaps of a start that died half way: the first input stays.
                Err(SdkError::ServiceError(e)) if e.err().is_conditional_check_failed_exception() => {
                    input_is_ours = false;
                }
                Err(e) => return Err(StoreError::of("put_input", &e)),
            }
        }
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.runs)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .send()
            .await;
        match put {
            Ok(_) if input_is_ours => Ok(Created::New),
            // The head is ours, the input an earlier start's: whoever carries the run on must read it, not take ours for it.
            Ok(_) => Ok(Created::Existing(Box::new(Head { input: None, ..Head::begin(org.org(), run) }))),
            Err(SdkError::ServiceError(e)) => match e.into_err() {
                PutItemError::ConditionalCheckFailedException(failed) => {
                    let stored = failed.item.ok_or(StoreError::Corrupt("head"))?;
                    Ok(Created::Existing(Box::new(read_head(org, &stored)?)))
                }
                other => Err(StoreError::of::<_, ()>("put_head", &SdkError::service_error(other, ()))),
            },
            Err(e) => Err(StoreError::of("put_head", &e)),
        }
    }

    async fn head(&self, org: &OrgKey, run: &RunId, with_input: bool) -> Result<Option<Head>, StoreError> {
        let Some(item) = self.get_run_item(org, run, HEAD).await? else { return Ok(None) };
        let mut head = read_head(org, &item)?;
        if with_input && head.input.is_none() {
            let item = self.get_run_item(org, run, INPUT).await?.ok_or(StoreError::Corrupt("in"))?;
            head.input = Some(codec::unpack(attr::bytes(&item, "in")?)?);
        }
        Ok(Some(head))
    }

    async fn journal(&self, org: &OrgKey, run: &RunId) -> Result<Journal, StoreError> {
        self.read_journal(org, run, None).await
    }

    async fn pulse(&self, org: &OrgKey, run: &RunId) -> Result<Pulse, StoreError> {
        self.read_pulse(org, run).await
    }

    async fn strand_journal(&self, org: &OrgKey, run: &RunId, strand: &str) -> Result<Journal, StoreError> {
        self.read_journal(org, run, Some(strand)).await
    }

    async fn append(
        &self,
        org: &OrgKey,
        head: &Head,
        strand: &str,
        segment: &Segment,
        held: Option<Held>,
    ) -> Result<Appended, StoreError> {
        self.append_segment(org, head, strand, segment, held).await
    }

    async fn join(
        &self,
        org: &OrgKey,
        head: &Head,
        block: &str,
        lane: Option<u16>,
    ) -> Result<BTreeSet<u16>, StoreError> {
        self.join_strands(org, head, block, lane).await
    }

    async fn abort(&self, org: &OrgKey, run: &RunId, block: &str) -> Result<(), StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("ADD ab :block")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(fin)")
            .expression_attribute_values(":block", AttributeValue::Ss(vec![block.to_owned()]))
            .send()
            .await;
        unless_condition_failed("abort", update)
    }

    async fn put_mail(&self, org: &OrgKey, head: &Head, path: &str, mail: &Mail) -> Result<Mail, StoreError> {
        self.deliver_mail(org, head, path, mail).await
    }

    async fn mail(&self, org: &OrgKey, run: &RunId, path: &str) -> Result<Option<Mail>, StoreError> {
        let item = self.get_run_item(org, run, &mail::sort(path)).await?;
        item.map(|item| codec::unpack(attr::bytes(&item, "m")?)).transpose()
    }

    async fn claim(
        &self,
        org: &OrgKey,
        head: &Head,
        of: &Attempt<'_>,
        now: Millis,
        lease: Duration,
    ) -> Result<Claim, StoreError> {
        self.take_claim(org, head, of, now, lease).await
    }

    async fn mark_running(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("SET st = :running")
            .condition_expression("st = :queued")
            .expression_attribute_values(":running", s(RunStatus::Running.as_str()))
            .expression_attribute_values(":queued", s(RunStatus::Queued.as_str()))
            .send()
            .await;
        unless_condition_failed("mark_running", update)
    }

    async fn mark_resumed(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("SET st = :running REMOVE wk")
            .condition_expression("st = :waiting AND wk = :until")
            .expression_attribute_values(":running", s(RunStatus::Running.as_str()))
            .expression_attribute_values(":waiting", s(RunStatus::Waiting.as_str()))
            .expression_attribute_values(":until", n(until.0))
            .send()
            .await;
        unless_condition_failed("mark_resumed", update)
    }

    async fn mark_waiting(&self, org: &OrgKey, run: &RunId, until: Millis) -> Result<(), StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("SET st = :waiting, wk = :until REMOVE lm")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(fin)")
            .expression_attribute_values(":waiting", s(RunStatus::Waiting.as_str()))
            .expression_attribute_values(":until", n(until.0))
            .send()
            .await;
        unless_condition_failed("mark_waiting", update)
    }

    async fn mark_limited(&self, org: &OrgKey, run: &RunId, limited: &Limited) -> Result<(), StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("SET st = :waiting, wk = :until, lm = :limited")
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(fin)")
            .expression_attribute_values(":waiting", s(RunStatus::Waiting.as_str()))
            .expression_attribute_values(":until", n(limited.until.0))
            .expression_attribute_values(":limited", b(codec::pack(limited)?))
            .send()
            .await;
        unless_condition_failed("mark_limited", update)
    }

    async fn mark_slot(&self, org: &OrgKey, run: &RunId, slot: &Slot) -> Result<bool, StoreError> {
        self.say_slot(org, run, slot).await
    }

    async fn slots(&self, org: &OrgKey, name: &str) -> Result<(Slots, u64), StoreError> {
        self.read_slots(org, name).await
    }

    async fn put_slots(
        &self,
        org: &OrgKey,
        name: &str,
        slots: &Slots,
        seen: u64,
    ) -> Result<bool, StoreError> {
        self.write_slots(org, name, slots, seen).await
    }

    async fn window(&self, org: &OrgKey, group: &str) -> Result<u64, StoreError> {
        self.read_window(org, group).await
    }

    async fn set_window(
        &self,
        org: &OrgKey,
        group: &str,
        window: u64,
        until: Millis,
    ) -> Result<(), StoreError> {
        self.write_window(org, group, window, until).await
    }

    async fn gather(
        &self,
        org: &OrgKey,
        run: &RunId,
        group: Option<&str>,
        rule: &GatherRule,
        event: &Gathered,
    ) -> Result<Gather, StoreError> {
        self.add_gathered(org, run, group, rule, event).await
    }

    async fn close_gathering(&self, org: &OrgKey, run: &RunId) -> Result<(Vec<Gathered>, u32), StoreError> {
        self.close(org, run).await
    }

    async fn begin_gathered(&self, org: &OrgKey, run: &RunId, input: &Value) -> Result<bool, StoreError> {
        self.give_input(org, run, input).await
    }

    async fn finish(&self, org: &OrgKey, run: &RunId, end: &End) -> Result<SettledBy, StoreError> {
        let mut set = vec!["st = :st", "fin = :fin"];
        let mut request = self
            .update_head(org, run)
            .condition_expression("attribute_exists(pk) AND attribute_not_exists(fin)")
            .return_values_on_condition_check_failure(OnFailure::AllOld)
            .expression_attribute_values(":st", s(end.status.as_str()))
            .expression_attribute_values(":fin", n(end.at.0));
        if let Some(error) = &end.error {
            set.push("er = :er");
            request = request.expression_attribute_values(":er", b(codec::pack(error)?));
        }
        if let Some(output) = &end.output {
            set.push("ou = :ou");
            request = request.expression_attribute_values(":ou", b(codec::pack(output)?));
        }
        if !end.outbox.is_empty() {
            set.push("ob = :ob");
            request = request.expression_attribute_values(":ob", b(codec::pack(&end.outbox)?));
        }
        let update = request.update_expression(format!("SET {} REMOVE wk", set.join(", "))).send().await;
        match update {
            Ok(_) => Ok(SettledBy::Us),
            Err(SdkError::ServiceError(e)) => match e.into_err() {
                UpdateItemError::ConditionalCheckFailedException(failed) => {
                    let stored = failed.item.ok_or(StoreError::Corrupt("head"))?;
                    Ok(SettledBy::Another(Box::new(read_head(org, &stored)?)))
                }
                other => Err(StoreError::of::<_, ()>("finish", &SdkError::service_error(other, ()))),
            },
            Err(e) => Err(StoreError::of("finish", &e)),
        }
    }

    async fn clear_outbox(&self, org: &OrgKey, run: &RunId) -> Result<(), StoreError> {
        let update = self
            .update_head(org, run)
            .update_expression("REMOVE ob")
            .condition_expression("attribute_exists(pk)")
            .send()
            .await;
        unless_condition_failed("clear_outbox", update)
    }

    async fn answer(&self, org: &OrgKey, head: &Head, answer: &Answer) -> Result<(), StoreError> {
        let item = Item::from([
            ("pk".into(), s(partition(org, &head.id))),
            ("sk".into(), s(ANSWER)),
            ("an".into(), b(codec::pack(answer)?)),
            ("ttl".into(), n(ttl(head.deadline))),
        ]);
        let put = self
            .client
            .put_item()
            .table_name(&self.tables.runs)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(pk)")
            .send()
            .await;
        match put {
            Ok(_) => Ok(()),
            Err(SdkError::ServiceError(e)) if e.err().is_conditional_check_failed_exception() => Ok(()),
            Err(e) => Err(StoreError::of("answer", &e)),
        }
    }

    async fn peek_answer(
        &self,
        org: &OrgKey,
        run: &RunId,
    ) -> Result<(Option<Answer>, Option<Head>), StoreError> {
        let pk = partition(org, run);
        let keys = [HEAD, ANSWER].map(|sk| Item::from([("pk".into(), s(&pk)), ("sk".into(), s(sk))]));
        let wanted = KeysAndAttributes::builder()
            .set_keys(Some(keys.to_vec()))
            .build()
            .map_err(|_| StoreError::Corrupt("keys"))?;
        let found = self
            .client
            .batch_get_item()
            .request_items(&self.tables.runs, wanted)
            .send()
            .await
            .map_err(|e| StoreError::of("peek_answer", &e))?;
        let mut answer = None;
        let mut head = None;
        for item in found.responses.unwrap_or_default().remove(&self.tables.runs).unwrap_or_default() {
            match attr::text(&item, "sk")? {
                ANSWER => answer = Some(codec::unpack(attr::bytes(&item, "an")?)?),
                _ => head = Some(read_head(org, &item)?),
            }
        }
        Ok((answer, head))
    }
}

impl Store {
    /// An update of the head of a run.
    pub(super) fn update_head(&self, org: &OrgKey, run: &RunId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(&self.tables.runs)
            .key("pk", s(partition(org, run)))
            .key("sk", s(HEAD))
    }

    pub(super) async fn get_run_item(
        &self,
        org: &OrgKey,
        run: &RunId,
        sk: &str,
    ) -> Result<Option<Item>, StoreError> {
        self.client
            .get_item()
            .table_name(&self.tables.runs)
            .key("pk", s(partition(org, run)))
            .key("sk", s(sk))
            .consistent_read(true)
            .send()
            .await
            .map(|got| got.item)
            .map_err(|e| StoreError::of("get_run", &e))
    }
}

/// When DynamoDB may forget the items of a run: never before its time limit and the retention are over (protocol rule 20).
pub(super) fn ttl(deadline: Millis) -> i64 {
    deadline.plus(limits::RETENTION).seconds_up()
}

pub(super) fn read_head(org: &OrgKey, item: &Item) -> Result<Head, StoreError> {
    let pk = attr::text(item, "pk")?;
    let (_, run) = pk.split_once('#').ok_or(StoreError::Corrupt("pk"))?;
    let status = RunStatus::parse(attr::text(item, "st")?).ok_or(StoreError::Corrupt("st"))?;
    Ok(Head {
        org: org.org().clone(),
        id: RunId::parse(run).map_err(|_| StoreError::Corrupt("pk"))?,
        workflow: attr::parsed(item, "wf", WorkflowId::parse)?,
        version: attr::number(item, "v")?,
        trigger: attr::text(item, "tr")?.to_owned(),
        status,
        epoch: attr::optional_number(item, "ep").unwrap_or(0),
        started_at: Millis(attr::number(item, "ts")?),
        deadline: Millis(attr::number(item, "dl")?),
        finished_at: attr::optional_number(item, "fin").map(Millis),
        wake_at: attr::optional_number(item, "wk").map(Millis),
        error: attr::optional_bytes(item, "er").map(codec::unpack).transpose()?,
        output: attr::optional_bytes(item, "ou").map(codec::unpack::<Value>).transpose()?,
        depth: attr::optional_number(item, "dp").unwrap_or(0),
        parent: attr::optional_bytes(item, "pa").map(codec::unpack).transpose()?,
        origin: attr::optional_bytes(item, "og").map(codec::unpack).transpose()?,
        secret: attr::optional_bytes(item, "se").and_then(|bytes| bytes.try_into().ok()),
        variables: attr::optional_number(item, "vr"),
        priority: attr::optional_text(item, "pr").and_then(Priority::parse).unwrap_or_default(),
        aborted: attr::texts(item, "ab"),
        slot: attr::optional_text(item, "sl")
            .map(|of| Slot { of: of.to_owned(), held: attr::flag(item, "sh") }),
        gathering: read_gathering(item),
        limited: attr::optional_bytes(item, "lm").map(codec::unpack).transpose()?,
        outbox: attr::optional_bytes(item, "ob").map(codec::unpack).transpose()?.unwrap_or_default(),
        input: attr::optional_bytes(item, "in").map(codec::unpack::<Value>).transpose()?,
    })
}

/// What a run has gathered that has not begun.
fn read_gathering(item: &Item) -> Option<Gathering> {
    let state = attr::optional_text(item, "gx").filter(|state| *state != "done")?;
    Some(Gathering {
        due: Millis(attr::optional_number(item, "gd")?),
        closed: state == "closed",
        count: attr::optional_number(item, "gc").unwrap_or(0),
    })
}

/// A condition that failed means that there was nothing to do.
pub(super) fn unless_condition_failed<T, R: std::fmt::Debug>(
    operation: &'static str,
    result: Result<T, SdkError<UpdateItemError, R>>,
) -> Result<(), StoreError> {
    condition_held(operation, result).map(drop)
}

/// Whether an update took place; not when its condition failed.
pub(crate) fn condition_held<T, R: std::fmt::Debug>(
    operation: &'static str,
    result: Result<T, SdkError<UpdateItemError, R>>,
) -> Result<bool, StoreError> {
    match result {
        Ok(_) => Ok(true),
        Err(SdkError::ServiceError(e)) if e.err().is_conditional_check_failed_exception() => Ok(false),
        Err(e) => Err(StoreError::of(operation, &e)),
    }
}
