//! What the organisation used, by day, and how much of its quotas.

use crate::App;
use crate::body::QueryOf;
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::Json;
use axum::extract::State;
use domain::{Day, Figures, OrgKey, Quotas};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// How many days one request tells of.
const MOST_DAYS: i64 = 93;
/// How many it tells of unless asked otherwise.
const USUAL_DAYS: i64 = 30;

/// Which days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct UsageQuery {
    /// The first day (UTC), such as `2026-03-01`; default the 30th up to `to`.
    #[param(format = Date)]
    from: Option<String>,
    /// The last day, which is included; default today. At most 93 days.
    #[param(format = Date)]
    to: Option<String>,
}

/// Runs that were started on a day, and those that ended on it, however they did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RunsUsage {
    #[schema(example = 120)]
    started: u64,
    #[schema(example = 115)]
    succeeded: u64,
    #[schema(example = 3)]
    failed: u64,
    #[schema(example = 1)]
    cancelled: u64,
    #[schema(example = 0)]
    timed_out: u64,
}

/// What was used.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UsageFigures)]
pub(crate) struct FiguresView {
    runs: RunsUsage,
    /// Steps that came to an outcome.
    #[schema(example = 1200)]
    steps: u64,
    /// Attempts of steps: more, where some were tried again.
    #[schema(example = 1210)]
    attempts: u64,
    /// Requests that steps sent to other systems.
    #[schema(example = 720)]
    connector_calls: u64,
    /// How long the runs that ended had taken together, waits included, in milliseconds.
    #[schema(example = 90_000)]
    duration_ms: u64,
    /// What was written into the table of runs, in bytes.
    #[schema(example = 1_000_000)]
    table_bytes: u64,
    /// What was kept as large outputs and files, in bytes.
    #[schema(example = 400_000)]
    file_bytes: u64,
    /// About what AWS bills for it, in US dollars: an estimate from these counts at list prices (docs/cost.md).
    #[schema(example = 0.0019)]
    estimated_dollars: f64,
}

/// A day on which something was used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct UsageDay {
    #[schema(example = "2026-03-01")]
    date: String,
    #[serde(flatten)]
    figures: FiguresView,
}

impl UsageDay {
    pub(super) fn of(day: Day, figures: &Figures) -> Self {
        Self { date: day.to_string(), figures: figures.into() }
    }
}

/// A quota, and how much of it is used.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotaView {
    /// `null` is without bound.
    #[schema(example = 10_000)]
    limit: Option<u32>,
    #[schema(example = 120)]
    used: u64,
}

/// What the organisation may use.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct QuotasUsage {
    /// Runs started today (UTC).
    runs_per_day: QuotaView,
    workflows: QuotaView,
    members: QuotaView,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Usage {
    #[schema(example = "2026-02-01")]
    from: String,
    #[schema(example = "2026-03-01")]
    to: String,
    /// Days on which nothing was used are left out.
    days: Vec<UsageDay>,
    total: FiguresView,
    quotas: QuotasUsage,
}

/// Tells what the organisation used, by day. What happens now is in it after about half a minute.
#[utoipa::path(get, path = "/v1/usage", tag = "organization", params(UsageQuery), security(("token" = [])), responses(
    (status = 200, body = Usage),
    (status = 422, description = "`invalid_query`", body = ProblemView)))]
pub(crate) async fn usage(
    State(app): State<App>,
    caller: Can<permit::UsageRead>,
    QueryOf(query): QueryOf<UsageQuery>,
) -> ApiResult<Json<Usage>> {
    let org = caller.org_key();
    let today = Day::of(app.now());
    let to = day("to", query.to.as_deref())?.unwrap_or(today);
    let from = day("from", query.from.as_deref())?.unwrap_or(to.plus(1 - USUAL_DAYS));
    if !(0..MOST_DAYS).contains(&from.until(to)) {
        let detail =
            format!("`from` must not be after `to`, and they may be at most {MOST_DAYS} days, both included");
        return Err(ApiError::new(422, "invalid_query", detail));
    }
    let (days, quotas) = app.store.usage(org, from, to).await?;
    let started = if let Some(figures) = days.get(&today) {
        figures.started
    } else {
        app.store.usage(org, today, today).await?.0.get(&today).map_or(0, |figures| figures.started)
    };
    let mut total = Figures::default();
    for figures in days.values() {
        total.add(figures);
    }
    Ok(Json(Usage {
        from: from.to_string(),
        to: to.to_string(),
        days: days.iter().map(|(day, figures)| UsageDay::of(*day, figures)).collect(),
        total: (&total).into(),
        quotas: of_quotas(&app, org, &quotas, started).await?,
    }))
}

async fn of_quotas(app: &App, org: &OrgKey, quotas: &Quotas, started: u64) -> ApiResult<QuotasUsage> {
    let (workflows, members) =
        futures::future::try_join(app.store.count_workflows(org), app.store.count_members(org)).await?;
    Ok(QuotasUsage {
        runs_per_day: QuotaView { limit: quotas.runs_per_day, used: started },
        workflows: QuotaView { limit: quotas.workflows, used: workflows },
        members: QuotaView { limit: quotas.members, used: members },
    })
}

fn day(name: &str, text: Option<&str>) -> ApiResult<Option<Day>> {
    let invalid =
        || ApiError::new(422, "invalid_query", format!("`{name}` must be a day, such as `2026-03-01`"));
    text.map(|text| Day::parse(text).ok_or_else(invalid)).transpose()
}

impl From<&Figures> for FiguresView {
    fn from(figures: &Figures) -> Self {
        Self {
            runs: RunsUsage {
                started: figures.started,
                succeeded: figures.succeeded,
                failed: figures.failed,
                cancelled: figures.cancelled,
                timed_out: figures.timed_out,
            },
            steps: figures.steps,
            attempts: figures.attempts,
            connector_calls: figures.calls,
            duration_ms: figures.duration_ms,
            table_bytes: figures.table_bytes,
            file_bytes: figures.file_bytes,
            estimated_dollars: dollars(figures),
        }
    }
}

/// Dollars for a million of these: the table of docs/cost.md, with which a test compares them.
const ESTIMATES: [(&str, f64); 5] = [
    ("estimate_run", 6.00),
    ("estimate_step", 0.06),
    ("estimate_call", 1.30),
    ("estimate_table_megabyte", 1100.0),
    ("estimate_file_megabyte", 50.0),
];
const MEGABYTE: f64 = 1_000_000.0;

/// About what AWS bills for it.
fn dollars(figures: &Figures) -> f64 {
    let counts = [
        figures.started as f64,
        figures.steps as f64,
        figures.calls as f64,
        figures.table_bytes as f64 / MEGABYTE,
        figures.file_bytes as f64 / MEGABYTE,
    ];
    let millionths: f64 = ESTIMATES.iter().zip(counts).map(|((_, dollars), count)| dollars * count).sum();
    // To a hundred-millionth: what is behind it is no more than arithmetic.
    (millionths * 100.0).round() / 100_000_000.0
}

/// Refuses one member more than the organisation may have.
pub(crate) async fn one_more_member(app: &App, org: &OrgKey) -> ApiResult<()> {
    match app.store.quotas(org).await?.members {
        Some(quota) => within("members", Some(quota), app.store.count_members(org).await?),
        None => Ok(()),
    }
}

/// Refuses what would be one more than the organisation may have.
pub(super) fn within(what: &str, quota: Option<u32>, there: u64) -> ApiResult<()> {
    match quota.filter(|quota| there >= u64::from(*quota)) {
        None => Ok(()),
        Some(quota) => {
            let detail = format!(
                "the organisation may have {quota} {what}, and has {there}; remove one, or ask whoever runs the deployment for a higher quota"
            );
            Err(ApiError::new(409, "quota_exceeded", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_is_that_of_the_documentation() {
        let page =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cost.md")).unwrap();
        for (key, dollars) in ESTIMATES {
            let row = page.lines().find(|line| line.starts_with(&format!("| `{key}` |"))).expect(key);
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            assert_eq!((cells[2].parse(), cells[3]), (Ok(dollars), "1,000,000"), "{row}");
        }
    }

    #[test]
    fn a_million_reference_runs_cost_about_what_the_bench_says() {
        let million = 1_000_000;
        let figures =
            Figures { started: million, steps: 10 * million, calls: 6 * million, ..Figures::default() };
        // 1.44 dollars for a million steps, without what is kept.
        assert!((dollars(&figures) - 14.4).abs() < 0.01, "{}", dollars(&figures));
        let kept = Figures { table_bytes: 1_000_000_000, file_bytes: 1_000_000_000, ..Figures::default() };
        assert!((dollars(&kept) - 1.15).abs() < 0.001, "{}", dollars(&kept));
        assert!(dollars(&Figures::default()).abs() < f64::EPSILON);
    }

    #[test]
    fn one_more_than_the_quota_is_refused() {
        assert!(within("workflows", None, 1_000_000).is_ok());
        assert!(within("workflows", Some(2), 1).is_ok());
        for there in [2, 3] {
            assert!(within("workflows", Some(2), there).is_err());
        }
        assert!(within("workflows", Some(0), 0).is_err());
    }
}
