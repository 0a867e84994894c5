//! One event.

use crate::App;
use crate::event::{BusRecord, InvalidEvent};
use dispatch::{StartError, StartRequest, Started};
use domain::run::{End, RunError, RunStatus};
use domain::{OrgKey, Provenance, limits};
use serde_json::json;
use store::EventRule;
use tracing::{info, warn};

/// Why an event could not be dealt with. It comes again.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Event(#[from] InvalidEvent),
    #[error(transparent)]
    Start(#[from] StartError),
}

/// Starts every run that the event starts; gives how many there are.
pub async fn one(app: &App, body: &str) -> Result<usize, IngestError> {
    let record = BusRecord::parse(body)?;
    let org = match record.org.clone() {
        Some(org) => org,
        None => {
            if let Some(org) = app.store.first_org().await.map_err(StartError::from)? {
                org
            } else {
                warn!("an event came before the first organisation was set up; it is nobody's");
                return Ok(0);
            }
        }
    };
    let org = OrgKey::verified(org, Provenance::Event);
    let rules = app.store.event_rules(&org).await.map_err(StartError::from)?;
    let mut started = 0;
    let mut failed = None;
    for rule in &rules {
        // A rule that fails keeps no other from its run.
        match start(app, &org, rule, &record).await {
            Ok(matched) => started += usize::from(matched),
            Err(error) => failed = failed.or(Some(error)),
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    info!(event.source = record.event["source"].as_str(), event.runs = started, "an event was taken");
    Ok(started)
}

/// Starts the run of one trigger if its pattern matches.
async fn start(app: &App, org: &OrgKey, rule: &EventRule, record: &BusRecord) -> Result<bool, IngestError> {
    let mut plan = app.plans.get(org, &rule.workflow, rule.version).await.map_err(StartError::from)?;
    if !plan.pattern(&rule.trigger).is_some_and(|pattern| pattern.matches(&record.event)) {
        return Ok(false);
    }
    // The live version's pattern decides whether, and the key which version: a repeat takes the same one.
    let trigger = json!({"event": record.event});
    let now = app.clock.now();
    let gathers = plan.gather(&rule.trigger).map(|of| of.key_of(&trigger, now));
    // Events that are gathered go by their common key.
    let version = rule.version_for(gathers.as_ref().unwrap_or(&record.key));
    if version != rule.version {
        plan = app.plans.get(org, &rule.workflow, version).await.map_err(StartError::from)?;
    }
    let request = StartRequest {
        org,
        workflow: &rule.workflow,
        version,
        plan: &plan,
        trigger: &rule.trigger,
        key: &record.key,
        input: trigger,
        depth: record.depth,
        priority: None,
        now,
    };
    if record.depth <= limits::MAX_DEPTH {
        let started = match plan.gather(&rule.trigger) {
            Some(of) => app.starter.gather(request, of, true).await,
            None => app.starter.start(request).await,
        };
        return match started {
            Ok(_) => Ok(true),
            // It would be refused again and again, until the next day: the event is taken, and that it started nothing is told.
            Err(StartError::QuotaUsedUp(used_up)) => {
                app.starter.passed_over(org, &rule.workflow, &rule.trigger, used_up, now).await;
                Ok(false)
            }
            Err(error) => Err(error.into()),
        };
    }
    // Visible in the list of runs, and without a failure event of its own: that would be the next hop.
    let message =
        format!("{} runs, each started by the one before, led here; the chain was stopped", record.depth);
    let end = End {
        status: RunStatus::Failed,
        at: now,
        error: Some(RunError::new("chain_too_deep", message)),
        output: None,
        outbox: Vec::new(),
    };
    let run = app.starter.start_ended(request, &end).await?;
    warn!(run.id = %Started::run(&run), "a chain of runs was stopped");
    Ok(true)
}
