//! What a step without effects comes to, and until when a wait waits: the same for a run and for a test of its workflow.

use crate::{Context, Event, NodeIx, NodeKind, Pausing, Plan, truthy};
use domain::run::StepError;
use domain::{Millis, duration};
use expr::Template;
use serde_json::Value;

/// What evaluates the templates of one step, in its scope.
pub trait Render: Sync {
    fn render(&self, template: &Template) -> impl Future<Output = Result<Value, StepError>> + Send;
}

/// Evaluates a step without effects.
pub async fn evaluate(
    plan: &Plan,
    ix: NodeIx,
    context: &Context,
    scope: &impl Render,
) -> Result<Event, StepError> {
    let node = plan.node(ix);
    match &node.kind {
        NodeKind::Map { output } => Ok(Event::Evaluated(scope.render(output).await?)),
        NodeKind::Branch { arms, .. } => {
            for (i, (when, _)) in arms.iter().enumerate() {
                if truthy(&scope.render(when).await?) {
                    return Ok(Event::Chosen(u16::try_from(i).ok()));
                }
            }
            Ok(Event::Chosen(None))
        }
        NodeKind::Stop { report, .. } => {
            let mut report = scope.render(report).await?;
            let message = report.get("message").filter(|m| !m.is_null()).map(text);
            let output = report.get_mut("output").map_or(Value::Null, Value::take);
            Ok(Event::Stopping { message, output })
        }
        NodeKind::Filter { when } => Ok(Event::Passed(truthy(&scope.render(when).await?))),
        NodeKind::While { when, max_iterations, .. } => {
            if !truthy(&scope.render(when).await?) {
                return Ok(Event::Chosen(None));
            }
            if context.iteration(&node.id) < *max_iterations {
                return Ok(Event::Chosen(Some(0)));
            }
            let message = format!(
                "the loop was not over after {max_iterations} iterations; mend `when` or raise `max_iterations`"
            );
            Err(StepError::fatal("too_many_iterations", message))
        }
        NodeKind::Try { .. }
        | NodeKind::ForEach(_)
        | NodeKind::Parallel { .. }
        | NodeKind::Approval(_)
        | NodeKind::Workflow { .. }
        | NodeKind::Code(_)
        | NodeKind::Emit { .. }
        | NodeKind::Action(_)
        | NodeKind::Wait { .. }
        | NodeKind::Respond { .. } => {
            Err(StepError::fatal("internal", "a step with an effect was taken for a pure one"))
        }
    }
}

/// Until when a wait waits that begins now.
pub async fn wait_until(pause: &Pausing, now: Millis, scope: &impl Render) -> Result<Millis, StepError> {
    match pause {
        Pausing::Callback { timeout } => Ok(now.plus(*timeout)),
        Pausing::For(template) => {
            let value = scope.render(template).await?;
            let length = value.as_str().and_then(|text| duration::parse(text).ok()).ok_or_else(|| {
                let message = format!("`for` gave {value}, which is not an ISO 8601 duration");
                StepError::fatal("invalid_duration", message)
            })?;
            Ok(now.plus(length))
        }
        Pausing::Until(template) => {
            let value = scope.render(template).await?;
            value.as_str().and_then(Millis::parse_rfc3339).ok_or_else(|| {
                let message = format!("`until` gave {value}, which is not an RFC 3339 time");
                StepError::fatal("invalid_time", message)
            })
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
