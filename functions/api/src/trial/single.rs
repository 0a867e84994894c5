//! One step by itself.

use domain::run::{Head, StepError};
use domain::variables::Variables;
use engine::{Context, Event, NodeIx, NodeKind, Pausing, Plan, Render, evaluate, seed, vars};
use expr::Template;
use guard::Guard;
use serde_json::{Value, json};

/// The data that a step is tried with.
#[derive(Clone, Copy)]
pub(crate) struct Pinned<'a> {
    pub(crate) ix: NodeIx,
    pub(crate) plan: &'a Plan,
    pub(crate) head: &'a Head,
    pub(crate) context: &'a Context,
    pub(crate) guard: &'a Guard,
    pub(crate) variables: &'a Variables,
}

/// What a step with an effect would be called with, or what one without gives.
pub(crate) async fn tried(pinned: Pinned<'_>) -> Result<(Option<Value>, Option<Value>), StepError> {
    let kind = &pinned.plan.node(pinned.ix).kind;
    if matches!(
        kind,
        NodeKind::Try { .. } | NodeKind::Parallel { .. } | NodeKind::Wait { pause: Pausing::Callback { .. } }
    ) {
        return Ok((None, None));
    }
    if kind.is_pure() {
        let output = match evaluate(pinned.plan, pinned.ix, pinned.context, &pinned).await? {
            Event::Evaluated(output) => output,
            Event::Chosen(arm) => json!({"arm": arm}),
            Event::Passed(passed) => json!({"passed": passed}),
            Event::Stopping { message, output } => json!({"message": message, "output": output}),
            _ => Value::Null,
        };
        return Ok((None, Some(output)));
    }
    // All others evaluate one template.
    let template = kind.templates().into_iter().next();
    let input = match template {
        Some(template) => pinned.render(template).await?,
        None => Value::Null,
    };
    Ok((Some(super::judge::redacted(input)), None))
}

impl Render for Pinned<'_> {
    /// A failure that is not the expression's fault may pass.
    async fn render(&self, template: &Template) -> Result<Value, StepError> {
        let seed = seed(self.head, &self.plan.node(self.ix).instance(self.context), self.context);
        let mut scope = None;
        let read = template.references();
        if read.vars || read.everything {
            let of_action = matches!(self.plan.node(self.ix).kind, NodeKind::Action(_));
            // Nothing is sent: the name stands where the secret would be.
            let stand_in = |name: &str| of_action.then(|| format!("[secret {name}]"));
            let mut with_vars = self.context.scope().clone();
            with_vars["vars"] = vars(template, self.variables, stand_in)?;
            scope = Some(with_vars);
        }
        let scope = scope.as_ref().unwrap_or_else(|| self.context.scope());
        self.guard.render(template, scope, &seed).await.map_err(|failure| {
            let message = format!("`{}` at `{}`: {}", failure.expression, failure.pointer, failure.message);
            if failure.code == expr::codes::GUARD_UNAVAILABLE {
                StepError::passing(failure.code, message)
            } else {
                StepError::fatal(failure.code, message)
            }
        })
    }
}
