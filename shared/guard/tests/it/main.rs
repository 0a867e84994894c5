//! The promises of the crate, one file each.

mod corpus;
mod fairness;
mod lifecycle;
mod rendering;

use expr::{EvalFailure, Seed, Template};
use guard::{Guard, GuardConfig, Item};
use serde_json::{Value, json};

const SEED: Seed = Seed { now_ms: 1_721_650_530_123, random: 42 };

fn config() -> GuardConfig {
    GuardConfig { program: env!("CARGO_BIN_EXE_guard-child").into(), ..GuardConfig::default() }
}

fn guard() -> Guard {
    Guard::new(config())
}

/// One expression in a child, whatever its tier.
async fn evaluate(guard: &Guard, source: &str, scope: &Value) -> Result<Option<Value>, EvalFailure> {
    let limits = config().guarded;
    let mut values = guard.evaluate(&[Item { source, seed: SEED }], scope, &limits).await?;
    assert_eq!(values.len(), 1);
    Ok(values.remove(0))
}

/// One expression as a step would have it.
async fn render(guard: &Guard, source: &str, scope: &Value) -> Result<Value, EvalFailure> {
    let template = Template::parse(&json!(format!("{{{{ {source} }}}}"))).expect("the source parses");
    guard.render(&template, scope, &SEED).await
}

/// What another caller gets right after, or meanwhile.
async fn assert_works(guard: &Guard) {
    let scope = json!({"a": [1, 2, 3]});
    let sum = evaluate(guard, "$reduce(a, function($x, $y){ $x + $y })", &scope).await;
    assert_eq!(sum, Ok(Some(json!(6))));
}
