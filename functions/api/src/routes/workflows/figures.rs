//! How the runs of each version went.

use super::find;
use crate::App;
use crate::body::{IdOf, QueryOf};
use crate::error::ApiResult;
use crate::page;
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::run::{Head, RunStatus};
use domain::{Millis, WorkflowId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use store::RunFilter;
use utoipa::{IntoParams, ToSchema};

/// How many of the workflow's runs are counted.
const MOST_RUNS: usize = 1000;
/// Runs are read so many at a time, since each may carry an output.
const PAGE: usize = 100;
/// A page is short where the organisation's newest thousand runs hold few of this workflow's.
const MOST_PAGES: usize = 10;

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct FiguresQuery {
    /// Only runs that this trigger started.
    trigger: Option<String>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Figures {
    /// How many runs were counted: the newest ones.
    runs: usize,
    /// How many were looked at, of whatever trigger; at most 1,000.
    looked_at: usize,
    /// When the oldest of those was started; absent without runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    since: Option<String>,
    /// Whether these are all runs that are kept. Otherwise there may be older ones.
    complete: bool,
    /// Newest version first; versions without runs are not there.
    versions: Vec<VersionFigures>,
}

/// The counted runs of one version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct VersionFigures {
    version: u32,
    runs: usize,
    /// How many runs have each status.
    #[schema(example = json!({"queued": 0, "running": 1, "waiting": 0, "succeeded": 97, "failed": 2, "cancelled": 0, "timed_out": 1}))]
    statuses: BTreeMap<&'static str, usize>,
    /// The part that succeeded of those that succeeded, failed or timed out, 0 to 1; absent without such runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 0.97)]
    success_rate: Option<f64>,
}

/// Counts the newest runs of each version by status.
#[utoipa::path(get, path = "/v1/workflows/{id}/figures", tag = "workflows", params(("id" = String, Path), FiguresQuery),
    security(("token" = [])), responses(
    (status = 200, body = Figures),
    (status = 404, description = "`workflow_not_found`", body = ProblemView),
))]
pub(crate) async fn figures(
    State(app): State<App>,
    caller: Can<permit::RunsRead>,
    IdOf(id): IdOf<WorkflowId>,
    QueryOf(query): QueryOf<FiguresQuery>,
) -> ApiResult<Json<Figures>> {
    let org = caller.org_key();
    find(&app, org, &id).await?;
    let now = app.now();
    let filter = RunFilter { workflow: Some(id), status: None };
    let mut count = Count::default();
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let limit = PAGE.min(MOST_RUNS - count.looked_at);
        let found = app.store.list_runs(org, &filter, cursor.as_deref(), limit, now).await?;
        let found = found.ok_or_else(page::invalid)?;
        for head in &found.heads {
            count.take(head, query.trigger.as_deref(), now);
        }
        cursor = found.next;
        if cursor.is_none() || count.looked_at >= MOST_RUNS {
            break;
        }
    }
    Ok(Json(count.figures(cursor.is_none())))
}

#[derive(Debug, Default)]
struct Count {
    looked_at: usize,
    counted: usize,
    oldest: Option<Millis>,
    versions: BTreeMap<u32, BTreeMap<&'static str, usize>>,
}

impl Count {
    /// Runs come newest first.
    fn take(&mut self, head: &Head, trigger: Option<&str>, now: Millis) {
        self.looked_at += 1;
        self.oldest = Some(head.started_at);
        if trigger.is_some_and(|trigger| trigger != head.trigger) {
            return;
        }
        self.counted += 1;
        let none = || RunStatus::ALL.map(|status| (status.as_str(), 0)).into();
        let statuses = self.versions.entry(head.version).or_insert_with(none);
        *statuses.entry(head.status_at(now).as_str()).or_default() += 1;
    }

    fn figures(self, complete: bool) -> Figures {
        let versions = self.versions.into_iter().rev().map(|(version, statuses)| {
            let of = |status: RunStatus| statuses.get(status.as_str()).copied().unwrap_or_default();
            let good = of(RunStatus::Succeeded);
            let ended = good + of(RunStatus::Failed) + of(RunStatus::TimedOut);
            let success_rate = (ended > 0).then(|| good as f64 / ended as f64);
            VersionFigures { version, runs: statuses.values().sum(), success_rate, statuses }
        });
        Figures {
            runs: self.counted,
            looked_at: self.looked_at,
            since: self.oldest.map(Millis::rfc3339),
            complete,
            versions: versions.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::run::NewRun;
    use domain::{OrgId, RunId};
    use serde_json::{Value, json};

    fn head(n: u8, version: u32, trigger: &str, status: RunStatus) -> Head {
        let run = NewRun {
            id: RunId::from_bytes([n; 16]),
            workflow: WorkflowId::from_bytes([1; 16]),
            version,
            trigger: trigger.to_owned(),
            input: Value::Null,
            started_at: Millis(1_772_366_430_000 - i64::from(n)),
            deadline: Millis(1_772_366_930_000),
            depth: 0,
            parent: None,
            origin: None,
            epoch: 0,
            secret: None,
            priority: domain::run::Priority::default(),
            variables: None,
            gathers_until: None,
        };
        Head { status, ..Head::begin(&OrgId::from_bytes([1; 16]), &run) }
    }

    fn count(heads: &[Head], trigger: Option<&str>) -> Value {
        let mut count = Count::default();
        for head in heads {
            count.take(head, trigger, Millis(1_772_366_430_000));
        }
        serde_json::to_value(count.figures(true)).unwrap()
    }

    #[test]
    fn runs_are_counted_by_version_and_status() {
        use RunStatus::*;
        let heads = [
            head(1, 3, "in", Succeeded),
            head(2, 4, "in", Running),
            head(3, 3, "in", Failed),
            head(4, 3, "by_hand", Succeeded),
            head(5, 3, "in", Cancelled),
            head(6, 3, "in", TimedOut),
        ];
        let figures = count(&heads, None);
        assert_eq!((&figures["runs"], &figures["complete"]), (&json!(6), &json!(true)));
        assert_eq!(figures["since"], "2026-03-01T12:00:29.994Z");
        let [four, three] = figures["versions"].as_array().unwrap().as_slice() else { panic!("{figures}") };
        assert_eq!(
            (&four["version"], &four["runs"], &four["statuses"]["running"]),
            (&json!(4), &json!(1), &json!(1))
        );
        assert!(four.get("success_rate").is_none(), "nothing has ended");
        assert_eq!(
            (&three["version"], &three["runs"], &three["success_rate"]),
            (&json!(3), &json!(5), &json!(0.5))
        );
        assert_eq!(three["statuses"].as_object().unwrap().len(), 7);
        let by_hand = count(&heads, Some("by_hand"));
        assert_eq!((&by_hand["runs"], &by_hand["versions"][0]["success_rate"]), (&json!(1), &json!(1.0)));
        let none =
            json!({"runs": 0, "looked_at": 6, "since": figures["since"], "complete": true, "versions": []});
        assert_eq!(count(&heads, Some("none")), none);
        assert_eq!(count(&[], None), json!({"runs": 0, "looked_at": 0, "complete": true, "versions": []}));
    }
}
