//! Everything that the organisation has, as lines of JSON.

use super::api_keys::ApiKeyView;
use super::audit::RecordView;
use super::connections::ConnectionView;
use super::invitations::InvitationView;
use super::members::MemberView;
use super::oauth::ClientView;
use super::organization::{OrganizationView, find};
use super::service_accounts::ServiceAccountView;
use super::usage::UsageDay;
use super::variables::VariableView;
use crate::App;
use crate::body::QueryOf;
use crate::error::ApiResult;
use crate::page;
use crate::view::{ProblemView, RunView, VersionView, WorkflowView};
use auth::{Can, permit};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use dispatch::PlanError;
use domain::audit::Action;
use domain::run::{Head, KEPT_DAYS};
use domain::usage::Day;
use domain::{ApiKeyId, ConnectionId, InvitationId, Millis, OrgKey, RunId, ServiceId, UserId, WorkflowId};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::{
    ConnectorStore as _, Organization, RunFilter, RunPage, WorkflowFilter, WorkflowMeta, WorkflowStore,
};
use utoipa::IntoParams;

/// A page ends with the line that exceeds this: a function answers with 6 MB at most, and no line has more than 4 MB.
const BYTES: usize = 1024 * 1024;
/// A page ends after so long: the function may take 15 seconds.
const LONG: Duration = Duration::from_secs(6);
/// How many things are read at a time.
const AT_ONCE: usize = 50;
/// How many runs: each is read by itself.
const RUNS_AT_ONCE: usize = 10;
/// How long the address of a file is good.
const VALID: Duration = Duration::from_hours(1);
/// For so many days usage is kept.
const USAGE_DAYS: i64 = 400;
const NEXT: HeaderName = HeaderName::from_static("next-cursor");

/// The parts of an export, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Part {
    Organization,
    Members,
    Invitations,
    ServiceAccounts,
    ApiKeys,
    Variables,
    Connections,
    OAuthClients,
    Connectors,
    Workflows,
    Runs,
    Files,
    Usage,
    Ledger,
}

impl Part {
    fn next(self) -> Option<Self> {
        Some(match self {
            Self::Organization => Self::Members,
            Self::Members => Self::Invitations,
            Self::Invitations => Self::ServiceAccounts,
            Self::ServiceAccounts => Self::ApiKeys,
            Self::ApiKeys => Self::Variables,
            Self::Variables => Self::Connections,
            Self::Connections => Self::OAuthClients,
            Self::OAuthClients => Self::Connectors,
            Self::Connectors => Self::Workflows,
            Self::Workflows => Self::Runs,
            Self::Runs => Self::Files,
            Self::Files => Self::Usage,
            Self::Usage => Self::Ledger,
            Self::Ledger => return None,
        })
    }
}

/// Where a page begins. `after` and `inside` mean what the part makes of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    part: Part,
    after: Option<String>,
    /// How far the thing at `after` was told: `None` when it was told whole.
    inside: Option<usize>,
}

impl Place {
    fn of(part: Part) -> Self {
        Self { part, after: None, inside: None }
    }

    fn behind(part: Part, after: impl ToString) -> Self {
        Self { part, after: Some(after.to_string()), inside: None }
    }

    fn read(position: Option<&str>) -> ApiResult<Self> {
        let Some(position) = position else { return Ok(Self::of(Part::Organization)) };
        serde_json::from_str(position).map_err(|_| page::invalid())
    }

    /// The id of what the page goes on behind.
    fn id<T, E>(&self, parse: impl Fn(&str) -> Result<T, E>) -> Option<T> {
        self.after.as_deref().and_then(|id| parse(id).ok())
    }
}

/// A page that is being filled.
struct Lines {
    text: String,
    until: Millis,
}

impl Lines {
    fn add(&mut self, kind: &str, thing: impl Serialize) {
        let mut line = Map::from_iter([("kind".to_owned(), kind.into())]);
        if let Ok(Value::Object(fields)) = serde_json::to_value(thing) {
            line.extend(fields);
        }
        self.text += &Value::Object(line).to_string();
        self.text.push('\n');
    }

    fn add_all(&mut self, kind: &str, things: impl Iterator<Item = impl Serialize>) {
        for thing in things {
            self.add(kind, thing);
        }
    }

    fn is_full(&self, now: Millis) -> bool {
        self.text.len() >= BYTES || now >= self.until
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct WholeQuery {
    /// The header `next-cursor` of the page before.
    cursor: Option<String>,
}

/// Exports everything that the organisation has, a page at a time: each line is JSON with a `kind`. The last line of a page is of the
/// kind `page` and has the `next_cursor`, as the header `next-cursor` does; where it is null, that was all. Passwords, keys and tokens
/// are not in it. The export is put into the ledger.
#[utoipa::path(get, path = "/v1/organization/export", tag = "organization", params(WholeQuery), security(("token" = [])), responses(
    (status = 200, description = "A page", content((String = "application/x-ndjson"))),
    (status = 422, description = "`invalid_cursor`", body = ProblemView)))]
pub(crate) async fn export(
    State(app): State<App>,
    caller: Can<permit::OrgExport>,
    QueryOf(query): QueryOf<WholeQuery>,
) -> ApiResult<Response> {
    let org = caller.org_key();
    let pages = app.pages("export", org).await?;
    let position = pages.decode(query.cursor.as_deref())?;
    let mut place = Some(Place::read(position.as_deref())?);
    if position.is_none() {
        let record = caller.record(Action::OrgExported, app.now()).on("organization", org.org());
        app.store.record(org, &record).await?;
    }
    let found = find(&app, org).await?;
    let export = Export { app: &app, org, found };
    let mut lines = Lines { text: String::new(), until: app.now().plus(LONG) };
    while let Some(here) = place.take_if(|_| !lines.is_full(app.now())) {
        place = export.some(here, &mut lines).await?;
    }
    let next = place.map(|place| pages.encode(&json!(place).to_string()));
    lines.add("page", json!({"next_cursor": next}));
    let mut response = lines.text.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"));
    headers.extend(next.and_then(|next| HeaderValue::try_from(next).ok()).map(|next| (NEXT, next)));
    Ok(response)
}

struct Export<'a> {
    app: &'a App,
    org: &'a OrgKey,
    found: Organization,
}

impl Export<'_> {
    /// Adds some lines; gives where to go on.
    async fn some(&self, place: Place, lines: &mut Lines) -> ApiResult<Option<Place>> {
        let (store, org) = (&self.app.store, self.org);
        let more = match place.part {
            Part::Organization => {
                lines.add("organization", OrganizationView::from(&self.found));
                None
            }
            Part::Members => {
                let found = store.members(org, place.id(UserId::parse).as_ref(), AT_ONCE).await?;
                lines.add_all("member", found.iter().map(MemberView::from));
                found.last().map(|last| Place::behind(place.part, &last.user))
            }
            Part::Invitations => {
                let found = store.invitations(org, place.id(InvitationId::parse).as_ref(), AT_ONCE).await?;
                lines.add_all("invitation", found.iter().map(InvitationView::from));
                found.last().map(|last| Place::behind(place.part, &last.id))
            }
            Part::ServiceAccounts => {
                let found = store.service_accounts(org, place.id(ServiceId::parse).as_ref(), AT_ONCE).await?;
                lines.add_all("service_account", found.iter().map(ServiceAccountView::from));
                found.last().map(|last| Place::behind(place.part, &last.id))
            }
            Part::ApiKeys => {
                let found = store.keys(org, place.id(ApiKeyId::parse).as_ref(), AT_ONCE).await?;
                lines.add_all("api_key", found.iter().map(ApiKeyView::from));
                found.last().map(|last| Place::behind(place.part, &last.key.id))
            }
            Part::Variables => self.variables(lines).await.map(|()| None)?,
            Part::Connections => {
                let found = store.connections(org, place.id(ConnectionId::parse).as_ref(), AT_ONCE).await?;
                lines.add_all("connection", found.iter().map(ConnectionView::from));
                found.last().map(|last| Place::behind(place.part, &last.id))
            }
            Part::OAuthClients => {
                let found = store.oauth_clients(org).await?;
                lines.add_all("oauth_client", found.iter().map(|client| ClientView::of(self.app, client)));
                None
            }
            Part::Connectors => self.connector(&place, lines).await?,
            Part::Workflows => self.workflow(&place, lines).await?,
            Part::Runs => self.runs(&place, lines).await?,
            Part::Files => self.files(&place, lines).await?,
            Part::Usage => self.usage(lines).await.map(|()| None)?,
            Part::Ledger => self.ledger(&place, lines).await?,
        };
        Ok(more.or_else(|| place.part.next().map(Place::of)))
    }

    /// The variables of all environments, without the values of secret ones.
    async fn variables(&self, lines: &mut Lines) -> ApiResult<()> {
        for (environment, revision) in self.app.store.environments(self.org).await? {
            let variables = self.app.store.variables(self.org, &environment, revision).await?;
            for (name, variable) in &variables.values {
                let mut line = json!(VariableView::of(name, variable));
                line["environment"] = environment.as_str().into();
                lines.add("variable", line);
            }
        }
        Ok(())
    }

    /// The next version of a connector of the organisation's own.
    async fn connector(&self, place: &Place, lines: &mut Lines) -> ApiResult<Option<Place>> {
        let after = place.after.as_deref().and_then(|after| after.rsplit_once('#'));
        let after = after.and_then(|(name, version)| Some((name.to_owned(), version.parse::<u32>().ok()?)));
        let names = self.app.store.connector_names(self.org).await?.into_iter();
        let mut all =
            names.flat_map(|of| of.held.versions.into_iter().map(move |version| (of.name.clone(), version)));
        let next = all.find(|of| after.as_ref().is_none_or(|after| of > after));
        let Some((name, version)) = next else { return Ok(None) };
        if let Some(kept) = self.app.store.own_connector(self.org, &name, version).await? {
            let line = json!({"name": name, "version": version, "manifest": kept.document,
                "changed_at": kept.changed_at.rfc3339(), "changed_by": kept.changed_by});
            lines.add("connector", line);
        }
        Ok(Some(Place::behind(place.part, format!("{name}#{version}"))))
    }

    /// What was used on each day that is still told.
    async fn usage(&self, lines: &mut Lines) -> ApiResult<()> {
        let today = Day::of(self.app.now());
        let (days, _) = self.app.store.usage(self.org, today.plus(-USAGE_DAYS), today).await?;
        for (day, figures) in &days {
            lines.add("usage", UsageDay::of(*day, figures));
        }
        Ok(())
    }

    /// One workflow, and then its versions, newest first.
    async fn workflow(&self, place: &Place, lines: &mut Lines) -> ApiResult<Option<Place>> {
        let (store, org) = (&self.app.store, self.org);
        let id = place.id(WorkflowId::parse);
        let (meta, below) = if let (Some(id), Some(below)) = (&id, place.inside) {
            // One that was erased meanwhile has no more versions.
            let Some(meta) = store.workflow(org, id).await? else {
                return Ok(Some(Place::behind(place.part, id)));
            };
            (meta, u32::try_from(below).ok())
        } else {
            let (found, _) = store.list_workflows(org, &WorkflowFilter::default(), id.as_ref(), 1).await?;
            let Some(meta) = found.into_iter().next() else { return Ok(None) };
            self.add_workflow(&meta, lines).await?;
            (meta, None)
        };
        let entries = store.list_versions(org, &meta.id, below, AT_ONCE).await?;
        for (i, entry) in entries.iter().enumerate() {
            let stored = store.version(org, &meta.id, entry.version).await?;
            if let Some(stored) = stored {
                let mut view = VersionView::summary(&meta, stored.version, stored.created_at);
                view.definition = Some(stored.document);
                let mut line = json!(view);
                line["workflow"] = meta.id.as_str().into();
                lines.add("workflow_version", line);
            }
            if entry.version == 1 {
                break;
            }
            if lines.is_full(self.app.now()) || i + 1 == AT_ONCE {
                let inside = usize::try_from(entry.version).ok();
                return Ok(Some(Place { inside, ..Place::behind(place.part, &meta.id) }));
            }
        }
        Ok(Some(Place::behind(place.part, &meta.id)))
    }

    /// As the API shows it: with the addresses and the traffic of its triggers.
    async fn add_workflow(&self, meta: &WorkflowMeta, lines: &mut Lines) -> ApiResult<()> {
        let app = self.app;
        let view = match app.plans.get(self.org, &meta.id, meta.live).await {
            Ok(plan) => WorkflowView::new(meta, meta.live, plan.definition(), &app.public_url),
            Err(PlanError::Store(error)) => return Err(error.into()),
            Err(_) => WorkflowView::summary(meta),
        };
        // Definitions follow, with the versions.
        lines.add("workflow", WorkflowView { definition: None, ..view });
        Ok(())
    }

    /// Runs, newest first. The steps of a large one follow it in lines of their own, which may go on on the next page.
    async fn runs(&self, place: &Place, lines: &mut Lines) -> ApiResult<Option<Place>> {
        let app = self.app;
        if let (Some(after), Some(told)) = (&place.after, place.inside) {
            let run = after
                .split_once('#')
                .and_then(|(_, run)| RunId::parse(run).ok())
                .ok_or_else(page::invalid)?;
            if let Some(head) = app.runs.head(self.org, &run, true).await?
                && let Some(told) = self.run(&head, Some(told), lines).await?
            {
                return Ok(Some(Place { inside: Some(told), ..place.clone() }));
            }
            return Ok(Some(Place { inside: None, ..place.clone() }));
        }
        let filter = RunFilter::default();
        let now = app.now().plus(Duration::from_mins(10));
        let found = app.store.list_runs(self.org, &filter, place.after.as_deref(), RUNS_AT_ONCE, now).await?;
        let found = found.ok_or_else(page::invalid)?;
        for head in &found.heads {
            let behind = Place::behind(place.part, RunPage::behind(head));
            // Read anew, with its input; one that was erased meanwhile is passed over.
            let Some(head) = app.runs.head(self.org, &head.id, true).await? else { continue };
            let told = self.run(&head, None, lines).await?;
            if told.is_some() || lines.is_full(app.now()) {
                return Ok(Some(Place { inside: told, ..behind }));
            }
        }
        Ok(found.next.map(|next| Place::behind(place.part, next)))
    }

    /// A run, or its steps from the one at `from` on; gives where to go on with the steps.
    async fn run(&self, head: &Head, from: Option<usize>, lines: &mut Lines) -> ApiResult<Option<usize>> {
        let (app, org) = (self.app, self.org);
        let now = app.now();
        let mut view = match app.plans.get(org, &head.workflow, head.version).await {
            Ok(plan) => RunView::whole(head, &app.runs.journal(org, &head.id).await?, &plan, now),
            Err(PlanError::Store(error)) => return Err(error.into()),
            // Its definition is no longer readable: what can be told without it.
            Err(_) => RunView::summary(head, now),
        };
        let steps = view.steps.take().unwrap_or_default();
        if from.is_none() {
            lines.add("run", &view);
            if head.gathering.is_some() {
                for event in app.store.gathered(org, &head.id).await? {
                    let line =
                        json!({"run": head.id.as_str(), "at": event.at.rfc3339(), "input": event.input});
                    lines.add("gathered", line);
                }
            }
        }
        for (i, step) in steps.iter().enumerate().skip(from.unwrap_or(0)) {
            let mut line = json!(step);
            line["run"] = head.id.as_str().into();
            lines.add("step", line);
            // Not by the time: a page that is late must come further than the one before.
            if lines.text.len() >= BYTES && i + 1 < steps.len() {
                return Ok(Some(i + 1));
            }
        }
        Ok(None)
    }

    /// Large outputs and files, by how long they are kept.
    async fn files(&self, place: &Place, lines: &mut Lines) -> ApiResult<Option<Place>> {
        let app = self.app;
        let prefixes = KEPT_DAYS.map(|days| format!("d{days}/{}/", self.org.org()));
        let at = place.after.as_deref().unwrap_or(&prefixes[0]);
        let at_prefix =
            prefixes.iter().position(|prefix| at.starts_with(prefix.as_str())).ok_or_else(page::invalid)?;
        let prefix = &prefixes[at_prefix];
        let found = app.blobs.list(prefix, Some(at).filter(|at| at != prefix), AT_ONCE).await?;
        for object in &found {
            let url = app.blobs.address(&object.key, VALID)?;
            let mut rest = object.key.split('/').skip(2);
            let (run, name) = (rest.next().unwrap_or_default(), rest.next().unwrap_or_default());
            let name = format!("{}-{name}", KEPT_DAYS[at_prefix]);
            let expires_at = app.now().plus(VALID).rfc3339();
            let line = json!({"run": run, "name": name, "bytes": object.bytes, "url": url, "expires_at": expires_at});
            lines.add("file", line);
        }
        let next = match found.last() {
            Some(last) if found.len() >= AT_ONCE => Some(last.key.clone()),
            _ => prefixes.get(at_prefix + 1).cloned(),
        };
        Ok(next.map(|next| Place::behind(place.part, next)))
    }

    /// What was done, newest first.
    async fn ledger(&self, place: &Place, lines: &mut Lines) -> ApiResult<Option<Place>> {
        let to = self.app.now().plus(Duration::from_mins(1));
        let from = self.found.created_at;
        let found = self.app.store.ledger(self.org, from, to, place.after.as_deref(), AT_ONCE).await?;
        let found = found.ok_or_else(page::invalid)?;
        lines.add_all("audit_record", found.records.into_iter().map(RecordView::from));
        Ok(found.next.map(|next| Place::behind(place.part, next)))
    }
}
