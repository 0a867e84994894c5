//! What the API shows: one type per thing, the same in every answer.

use domain::Millis;
use domain::run::{Entry, Head, Mark, RunError, RunStatus, StepError, StepStatus};
use domain::secrecy::{hide_addresses, without_addresses};
use domain::workflow::Definition;
use engine::{Context, Plan};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Journal, Split, WorkflowMeta};
use utoipa::ToSchema;

/// A refusal (RFC 9457): the documentation of `domain::Problem`, which is what is sent.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemView {
    /// A page about this code.
    #[schema(example = "/docs/errors/invalid_definition")]
    r#type: String,
    title: String,
    #[schema(example = 422)]
    status: u16,
    /// Stable; programs may rely on it.
    #[schema(example = "invalid_definition")]
    code: String,
    /// What happened and what to do.
    detail: String,
    /// Each fault of the document that was sent.
    #[schema(required = false)]
    errors: Vec<FaultView>,
    /// The entity tag that the resource has now, where another was expected.
    #[schema(example = "\"4\"")]
    current: Option<String>,
}

/// One fault of a document.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Fault)]
pub(crate) struct FaultView {
    /// JSON pointer into the document.
    #[schema(example = "/steps/0/type")]
    pub(crate) pointer: String,
    #[schema(example = "step_type_unknown")]
    pub(crate) code: String,
    pub(crate) message: String,
}

impl From<domain::Fault> for FaultView {
    fn from(fault: domain::Fault) -> Self {
        Self { pointer: fault.pointer, code: fault.code, message: fault.message }
    }
}

/// A workflow.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Workflow)]
pub(crate) struct WorkflowView {
    #[schema(example = "wf_01jv3q8v0p7t4n6m2k9x5r1c3d")]
    pub(crate) id: String,
    pub(crate) name: String,
    /// The newest version, or the one that was asked for.
    pub(crate) version: u32,
    /// The version that new runs take, where no split says otherwise.
    pub(crate) live: u32,
    pub(crate) enabled: bool,
    pub(crate) triggers: Vec<TriggerView>,
    pub(crate) created_at: String,
    pub(crate) updated_at: String,
    /// The definition of the version that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) definition: Option<Value>,
}

/// A way in which a workflow is started.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trigger)]
pub(crate) struct TriggerView {
    pub(crate) id: String,
    #[schema(example = "webhook")]
    pub(crate) r#type: String,
    /// Where a webhook is sent: unguessable, so treat it as a secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) url: Option<String>,
    /// How its new runs are shared out among versions, where they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(crate) split: Vec<ShareView>,
}

/// One version's part of a trigger's runs.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = Share)]
pub(crate) struct ShareView {
    #[schema(example = 4)]
    pub(crate) version: u32,
    /// A whole number above 0; what it means depends on the other weights.
    #[schema(example = 10)]
    pub(crate) weight: u32,
}

impl WorkflowView {
    /// One version of a workflow.
    pub(crate) fn new(meta: &WorkflowMeta, version: u32, definition: &Definition, public_url: &str) -> Self {
        let triggers = definition.triggers.iter().map(|trigger| TriggerView {
            id: trigger.id.clone(),
            r#type: trigger.kind.name().to_owned(),
            url: meta.hooks.get(&trigger.id).map(|hook| format!("{public_url}/hooks/{hook}")),
            split: meta.splits.get(&trigger.id).map(shares).unwrap_or_default(),
        });
        Self {
            version,
            triggers: triggers.collect(),
            definition: Some(definition.document.clone()),
            ..Self::summary(meta)
        }
    }

    pub(crate) fn summary(meta: &WorkflowMeta) -> Self {
        Self {
            id: meta.id.to_string(),
            name: meta.name.clone(),
            version: meta.version,
            live: meta.live,
            enabled: meta.enabled,
            triggers: Vec::new(),
            created_at: meta.created_at.rfc3339(),
            updated_at: meta.updated_at.rfc3339(),
            definition: None,
        }
    }
}

/// A version of a workflow.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Version)]
pub(crate) struct VersionView {
    pub(crate) version: u32,
    pub(crate) created_at: String,
    /// Whether new runs take it, where no split says otherwise.
    pub(crate) live: bool,
    /// The triggers that share their runs out, and this version's weight.
    pub(crate) traffic: Vec<WeightView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) definition: Option<Value>,
}

/// What a version takes of a trigger's runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Weight)]
pub(crate) struct WeightView {
    #[schema(example = "form")]
    pub(crate) trigger: String,
    #[schema(example = 10)]
    pub(crate) weight: u32,
    /// All weights of the trigger together.
    #[schema(example = 100)]
    pub(crate) of: u64,
}

impl VersionView {
    pub(crate) fn summary(meta: &WorkflowMeta, version: u32, created_at: Millis) -> Self {
        let traffic = meta.splits.iter().filter_map(|(trigger, split)| {
            let share = split.shares().iter().find(|share| share.version == version)?;
            let of = split.shares().iter().map(|share| u64::from(share.weight)).sum();
            Some(WeightView { trigger: trigger.clone(), weight: share.weight, of })
        });
        Self {
            version,
            created_at: created_at.rfc3339(),
            live: version == meta.live,
            traffic: traffic.collect(),
            definition: None,
        }
    }
}

fn shares(split: &Split) -> Vec<ShareView> {
    split.shares().iter().map(|share| ShareView { version: share.version, weight: share.weight }).collect()
}

/// A run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Run)]
pub(crate) struct RunView {
    #[schema(example = "run_7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    pub(crate) id: String,
    /// `queued`, `running`, `waiting`, `succeeded`, `failed`, `cancelled` or `timed_out`.
    #[schema(example = "succeeded")]
    pub(crate) status: String,
    pub(crate) workflow: String,
    pub(crate) version: u32,
    /// The id of the trigger that started it.
    pub(crate) trigger: String,
    /// The run that this one repeats.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<String>,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<RunErrorView>,
    /// What expressions read as `trigger`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub(crate) input: Option<Value>,
    /// What a `stop` step gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) output: Option<Value>,
    /// Until when it gathers events, as far as is known now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) gathers_until: Option<String>,
    /// Whether it waits for others to end, because `concurrency` of its workflow lets no more run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) waits_for_slot: bool,
    /// In the order in which they began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) steps: Option<Vec<StepView>>,
}

/// Why a run ended otherwise than well.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RunError)]
pub(crate) struct RunErrorView {
    pub(crate) code: String,
    pub(crate) message: String,
    /// The path of the step that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) step: Option<String>,
}

impl RunErrorView {
    pub(crate) fn new(error: &RunError) -> Self {
        Self { code: error.code.clone(), message: error.message.clone(), step: error.step.clone() }
    }
}

/// One step of a run.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Step)]
pub(crate) struct StepView {
    #[schema(example = "hot.tell")]
    pub(crate) path: String,
    #[schema(example = "action")]
    pub(crate) r#type: String,
    /// `running`, `retrying`, `waiting`, `succeeded` or `failed`.
    pub(crate) status: String,
    pub(crate) attempts: u16,
    pub(crate) started_at: String,
    pub(crate) finished_at: Option<String>,
    /// What an action was called with; for other steps, what their expressions could read.
    pub(crate) input: Option<Value>,
    pub(crate) output: Option<Value>,
    /// In the place of an output that is too large for the history.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) large: Option<LargeView>,
    #[schema(value_type = Option<Object>)]
    pub(crate) error: Option<StepError>,
}

/// Where a large output is: `GET /v1/runs/{run}/files/{name}` gives its address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Large)]
pub(crate) struct LargeView {
    pub(crate) run: String,
    #[schema(example = "62-7zq2m4w8k1x5c9v3b6n0p2r4t8")]
    pub(crate) name: String,
    pub(crate) bytes: u64,
}

impl RunView {
    pub(crate) fn summary(head: &Head, now: Millis) -> Self {
        Self {
            id: head.id.to_string(),
            status: head.status_at(now).as_str().to_owned(),
            workflow: head.workflow.to_string(),
            version: head.version,
            trigger: head.trigger.clone(),
            origin: head.origin.as_ref().map(|origin| origin.run.to_string()),
            started_at: head.started_at.rfc3339(),
            finished_at: head.finished_at.map(Millis::rfc3339),
            error: head.error.as_ref().map(RunErrorView::new),
            input: None,
            output: None,
            gathers_until: None,
            waits_for_slot: false,
            steps: None,
        }
    }

    pub(crate) fn whole(head: &Head, journal: &Journal, plan: &Plan, now: Millis) -> Self {
        let mut view = Self::summary(head, now);
        // "Queued" is not overwritten for runs that are over in a moment; what is journalled shows that it runs.
        if head.status == RunStatus::Queued && journal.newest().is_some() {
            RunStatus::Running.as_str().clone_into(&mut view.status);
        }
        let gathering = head.gathering.filter(|_| head.status == RunStatus::Queued);
        view.gathers_until = gathering.map(|gathering| gathering.due.rfc3339());
        view.waits_for_slot =
            head.status == RunStatus::Queued && head.slot.as_ref().is_some_and(|slot| !slot.held);
        view.input.clone_from(&head.input);
        view.output.clone_from(&head.output);
        let context = Context::begin(head, head.input.clone().unwrap_or_default());
        let mut inputs = engine::inputs(plan, context, &journal.entries, now);
        let mut steps = steps_of(journal, plan, now);
        show_limited(&mut steps, head, plan, now);
        for step in &mut steps {
            step.input = step.input.take().or_else(|| inputs.remove(&step.path));
        }
        view.steps = Some(steps);
        view.hide_addresses();
        view
    }

    /// Who may read a run may not answer for it.
    fn hide_addresses(&mut self) {
        let steps = self.steps.iter_mut().flatten();
        let of_steps = steps.flat_map(|step| {
            if let Some(error) = &mut step.error {
                error.message = without_addresses(&error.message);
            }
            let details = step.error.as_mut().and_then(|error| error.details.as_mut());
            [step.input.as_mut(), step.output.as_mut(), details]
        });
        for value in of_steps.chain([self.input.as_mut(), self.output.as_mut()]).flatten() {
            hide_addresses(value);
        }
        if let Some(error) = &mut self.error {
            error.message = without_addresses(&error.message);
        }
    }
}

/// One view per path, from all its attempts.
pub(crate) fn steps_of(journal: &Journal, plan: &Plan, now: Millis) -> Vec<StepView> {
    let mut order: Vec<&str> = Vec::new();
    let mut attempts: std::collections::HashMap<&str, Vec<&Entry>> = std::collections::HashMap::new();
    for entry in &journal.entries {
        let known = attempts.entry(&entry.path).or_insert_with(|| {
            order.push(&entry.path);
            Vec::new()
        });
        // A pure step may be journalled twice, with the same outcome.
        if known.iter().all(|e| e.attempt != entry.attempt) {
            known.push(entry);
        }
    }
    let mut views: Vec<(Millis, usize, StepView)> = Vec::with_capacity(order.len());
    for (i, path) in order.iter().enumerate() {
        let mut entries = attempts.remove(path).unwrap_or_default();
        entries.sort_by_key(|e| e.attempt);
        let (Some(&first), Some(&last)) = (entries.first(), entries.last()) else { continue };
        let claimed = journal.claims.iter().any(|c| c.path == *path && c.attempt > last.attempt)
            // Such a claim says who asks the app next.
            && !matches!(last.mark, Mark::Started { .. });
        views.push((first.started_at, i, view(plan, &entries, (first, last), claimed, now)));
    }
    for claim in &journal.claims {
        if order.contains(&claim.path.as_str()) {
            continue;
        }
        let view = StepView {
            path: claim.path.clone(),
            r#type: kind(plan, &claim.path),
            status: name(StepStatus::Running),
            attempts: claim.attempt,
            started_at: claim.since.rfc3339(),
            finished_at: None,
            input: None,
            output: None,
            large: None,
            error: None,
        };
        views.push((claim.since, usize::MAX, view));
    }
    views.sort_by_key(|(at, i, _)| (*at, *i));
    views.into_iter().map(|(_, _, view)| view).collect()
}

/// Shows the step that waits for its turn at an app, which the journal does not know: it is no attempt.
fn show_limited(steps: &mut Vec<StepView>, head: &Head, plan: &Plan, now: Millis) {
    let waits = head.status_at(now) == RunStatus::Waiting;
    let limited = head.limited.as_ref().filter(|limited| waits && head.wake_at == Some(limited.until));
    let Some(limited) = limited else { return };
    let output = serde_json::json!({"until": limited.until.rfc3339(), "rate_limit_of": limited.app});
    if let Some(step) = steps.iter_mut().find(|step| step.path == limited.path) {
        step.status = name(StepStatus::Waiting);
        step.output = Some(output);
        return;
    }
    steps.push(StepView {
        path: limited.path.clone(),
        r#type: kind(plan, &limited.path),
        status: name(StepStatus::Waiting),
        attempts: limited.attempt.saturating_sub(1),
        started_at: limited.since.rfc3339(),
        finished_at: None,
        input: None,
        output: Some(output),
        large: None,
        error: None,
    });
}

fn view(
    plan: &Plan,
    entries: &[&Entry],
    (first, last): (&Entry, &Entry),
    claimed: bool,
    now: Millis,
) -> StepView {
    // A start and the end of what it started are one attempt.
    let starts =
        entries.iter().filter(|e| e.attempt < last.attempt && matches!(e.mark, Mark::Started { .. }));
    let start = starts.clone().next_back().filter(|start| start.attempt + 1 == last.attempt);
    let status = if claimed { StepStatus::Running } else { last.status(now) };
    let output = match &last.mark {
        Mark::Succeeded(output) | Mark::Stopped { output, .. } => Some(output.clone()),
        Mark::Took(arm) => Some(serde_json::json!({"arm": arm})),
        Mark::Waiting { until } | Mark::Awaiting { until } | Mark::Started { until, .. } => {
            Some(serde_json::json!({"until": until.rfc3339()}))
        }
        Mark::Filtered(passed) => Some(serde_json::json!({"passed": passed})),
        Mark::Spilled(_) | Mark::Failed(_) | Mark::Retrying { .. } | Mark::Forked { .. } => None,
    };
    let large = match &last.mark {
        Mark::Spilled(blob) => {
            Some(LargeView { run: blob.run.to_string(), name: blob.name.to_string(), bytes: blob.bytes })
        }
        _ => None,
    };
    let finished_at = match (&last.mark, status) {
        (_, StepStatus::Running | StepStatus::Retrying | StepStatus::Waiting) => None,
        (Mark::Waiting { until }, _) => Some((*until).max(last.finished_at)),
        _ => Some(last.finished_at),
    };
    StepView {
        path: first.path.clone(),
        r#type: kind(plan, &first.path),
        status: name(status),
        attempts: last.attempt + u16::from(claimed) - starts.count() as u16,
        started_at: first.started_at.rfc3339(),
        finished_at: finished_at.map(Millis::rfc3339),
        input: last.input.clone().or_else(|| start?.input.clone()),
        output,
        large,
        error: last.error().cloned(),
    }
}

fn kind(plan: &Plan, path: &str) -> String {
    plan.by_instance(path).map_or("unknown", |ix| plan.node(ix).kind.name()).to_owned()
}

fn name(status: StepStatus) -> String {
    match status {
        StepStatus::Running => "running",
        StepStatus::Retrying => "retrying",
        StepStatus::Waiting => "waiting",
        StepStatus::Succeeded => "succeeded",
        StepStatus::Failed => "failed",
    }
    .to_owned()
}
