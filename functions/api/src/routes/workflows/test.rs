//! Running a workflow's tests, and trying one of its steps: nothing is sent and nothing is stored.

use super::find;
use super::uses::Known;
use crate::App;
use crate::body::{IdOf, JsonBody};
use crate::error::{ApiError, ApiResult};
use crate::trial::{Failure, Trial, failures};
use crate::view::{ProblemView, RunErrorView, StepView, steps_of};
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::run::{Entry, Head, NewRun, Priority};
use domain::workflow::Test;
use domain::{Millis, OrgKey, RunId, WorkflowId};
use engine::Plan;
use futures::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;
use store::Journal;
use utoipa::ToSchema;

/// How long all tests of a request may take: the function has 15 seconds.
const TIME: Duration = Duration::from_secs(10);
/// The largest output that an answer shows; an answer of all tests has to fit into 6 MB.
const SHOWN: usize = 20_000;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TestBody {
    /// The version whose tests are run; without it, the newest.
    version: Option<u32>,
    /// A definition that is not saved: its tests are run instead.
    #[schema(value_type = Option<Object>)]
    definition: Option<Value>,
    /// The names of the tests to run; without them, all are.
    tests: Option<Vec<String>>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestReport {
    /// Whether there is no test that failed.
    passed: bool,
    tests: Vec<TestResult>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TestResult {
    name: String,
    passed: bool,
    failures: Vec<Failure>,
    /// How the run ended; `running` if it could not be brought to an end.
    #[schema(example = "succeeded")]
    status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<RunErrorView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output: Option<Value>,
    steps: Vec<StepView>,
}

/// Runs the tests that a definition brings along, with mocks in the place of effects. Nothing is sent, and no time passes.
#[utoipa::path(post, path = "/v1/workflows/{id}/test", tag = "workflows", request_body = TestBody, params(("id" = String, Path)),
    security(("token" = [])), responses(
    (status = 200, body = TestReport),
    (status = 404, description = "`workflow_not_found`, `version_not_found` or `test_not_found`", body = ProblemView),
    (status = 422, description = "`invalid_definition`", body = ProblemView),
))]
pub(crate) async fn test(
    State(app): State<App>,
    caller: Can<permit::WorkflowsRead>,
    IdOf(id): IdOf<WorkflowId>,
    JsonBody(body): JsonBody<TestBody>,
) -> ApiResult<Json<TestReport>> {
    let org = caller.org_key();
    let meta = find(&app, org, &id).await?;
    let version = body.version.unwrap_or(meta.version);
    let plan = match &body.definition {
        Some(definition) => {
            let known = Known::of(&app, org, definition).await?;
            Arc::new(super::compile(definition, &known)?)
        }
        None => app.plans.get(org, &id, version).await?,
    };
    let all = &plan.definition().tests;
    for name in body.tests.iter().flatten() {
        if !all.iter().any(|test| test.name == *name) {
            let detail = format!("the definition has no test named `{name}`");
            return Err(ApiError::new(404, "test_not_found", detail));
        }
    }
    let chosen = |test: &&Test| body.tests.as_ref().is_none_or(|names| names.contains(&test.name));
    let until = app.now().plus(TIME);
    let variables = app.variables_of(org, &plan).await?;
    let mut tests = Vec::new();
    for test in all.iter().filter(chosen) {
        let head = head(org, &id, version, &plan, app.now());
        let guard = app.guard.lane(org.org().as_str());
        let trial = Trial::new(&plan, guard, head, &test.mocks, &variables, &*app.clock, until);
        let (ended, came) = trial.run(test.trigger.clone()).boxed().await;
        let failures = failures(test, &ended, &came);
        tests.push(TestResult {
            name: test.name.clone(),
            passed: failures.is_empty(),
            failures,
            status: came.status.as_str().to_owned(),
            error: came.error.as_ref().map(RunErrorView::new),
            output: came.output.map(shown),
            steps: views(&plan, came.entries, app.now()),
        });
    }
    Ok(Json(TestReport { passed: tests.iter().all(|test| test.passed), tests }))
}

fn views(plan: &Plan, entries: Vec<Entry>, now: Millis) -> Vec<StepView> {
    let journal = Journal { entries, claims: Vec::new() };
    let mut views = steps_of(&journal, plan, now.plus(Duration::from_hours(24 * 400)));
    for view in &mut views {
        view.output = view.output.take().map(shown);
        view.input = view.input.take().map(shown);
    }
    views
}

fn shown(value: Value) -> Value {
    let bytes = value.to_string().len();
    if bytes <= SHOWN { value } else { format!("[{} KB: too large to be shown here]", bytes / 1024).into() }
}

/// The head of a run that takes place nowhere.
pub(super) fn head(org: &OrgKey, workflow: &WorkflowId, version: u32, plan: &Plan, now: Millis) -> Head {
    let run = NewRun {
        id: RunId::from_bytes([0; 16]),
        workflow: workflow.clone(),
        version,
        trigger: "test".to_owned(),
        input: Value::Null,
        started_at: now,
        deadline: now.plus(plan.definition().timeout),
        depth: 0,
        parent: None,
        origin: None,
        epoch: 0,
        secret: None,
        priority: Priority::default(),
        variables: None,
        gathers_until: None,
    };
    Head::begin(org.org(), &run)
}
