//! The promises of the crate, one file each.

mod hostile_source;
mod linear_abuse;
mod parity;
mod paths;
mod patterns;
mod references;
mod rendering;
mod seeds;
mod speed;
mod tiers;
mod transforms;

use expr::{EvalFailure, Expression, Limits, Seed};
use jsonata_core::evaluator::Evaluator;
use jsonata_core::value::JValue;
use serde_json::Value;

const SEED: Seed = Seed { now_ms: 1_721_650_530_123, random: 42 };

fn expression(source: &str) -> Expression {
    Expression::parse(source).unwrap_or_else(|fault| panic!("`{source}`: {fault}"))
}

/// Any tier, in this process.
fn any(source: &str, scope: &Value) -> Result<Option<Value>, EvalFailure> {
    expr::evaluate_any(&expression(source), scope, &SEED, &Limits::default())
}

/// The engine alone, without anything of ours.
fn plain(source: &str, scope: &Value) -> Result<Option<Value>, String> {
    let ast = jsonata_core::parser::parse(source).map_err(|error| error.to_string())?;
    let input = JValue::from_json_str(&scope.to_string()).map_err(|error| error.to_string())?;
    let value = Evaluator::new().evaluate(&ast, &input).map_err(|error| error.to_string())?;
    if value.is_undefined() {
        return Ok(None);
    }
    let text = value.to_json_string().map_err(|error| error.to_string())?;
    serde_json::from_str(&text).map(Some).map_err(|error| error.to_string())
}
