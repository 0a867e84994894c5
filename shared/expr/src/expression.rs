//! One compiled expression.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorOptions};
use jsonata_core::parser;
use serde_json::Value;

use crate::bound::Poly;
use crate::failure::{EvalFailure, TemplateFault, codes};
use crate::functions;
use crate::limits::{Limits, MAX_EXPRESSION_BYTES};
use crate::need::Need;
use crate::outline::Kind;
use crate::output::Room;
use crate::path::{Found, PlainPath};
use crate::references::References;
use crate::scan;
use crate::scope;
use crate::seed::Seed;
use crate::tier::Tier;

/// A parsed and classified JSONata expression. It is `Send` and `Sync`: keep it, sharing is cheap behind an `Arc`.
#[derive(Debug)]
pub struct Expression {
    source: String,
    ast: AstNode,
    plan: Plan,
    need: Need,
    references: References,
    functions: Vec<&'static str>,
}

#[derive(Debug)]
enum Plan {
    Path(PlainPath),
    Linear(Poly),
    Guarded,
}

/// Does once what the first evaluation would pay for: the engine builds a table of its builtins' signatures, which takes two or
/// three milliseconds. A program that will evaluate calls this on another thread while it waits for its first work.
pub fn warm_up() {
    if let Ok(expression) = Expression::parse("$string(1)") {
        let _only_its_side_effect =
            expression.evaluate_in_place(&Value::Null, &Seed { now_ms: 0, random: 0 }, &Limits::default());
    }
}

impl Expression {
    /// Parses a source without its braces.
    pub fn parse(source: &str) -> Result<Expression, TemplateFault> {
        if source.trim().is_empty() {
            return Err(TemplateFault::new(codes::EMPTY, "the expression is empty"));
        }
        if source.len() > MAX_EXPRESSION_BYTES {
            let message = format!(
                "the expression has {} bytes, at most {MAX_EXPRESSION_BYTES} are allowed",
                source.len()
            );
            return Err(TemplateFault::new(codes::TOO_LONG, message));
        }
        scan::check_nesting(source)?;
        let parsed = catch_unwind(|| parser::parse(source));
        let ast = match parsed {
            Ok(Ok(ast)) => ast,
            Ok(Err(error)) => return Err(syntax_fault(source, &error.to_string())),
            Err(_) => return Err(syntax_fault(source, "the expression cannot be read")),
        };
        crate::ast::check_depth(&ast)?;
        let plan = match PlainPath::of(&ast) {
            Some(path) => Plan::Path(path),
            None => crate::cost::bound(&ast).map_or(Plan::Guarded, Plan::Linear),
        };
        let need = Need::of(&ast);
        let references = References::of(&need);
        let functions = functions::named_in(&ast);
        Ok(Expression { source: source.to_owned(), ast, plan, need, references, functions })
    }

    /// What was parsed.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Where it may run.
    pub fn tier(&self) -> Tier {
        match self.plan {
            Plan::Path(_) => Tier::Path,
            Plan::Linear(_) => Tier::Linear,
            Plan::Guarded => Tier::Guarded,
        }
    }

    /// The kind of what it gives, where that shows without evaluating it.
    pub fn kind(&self) -> Option<Kind> {
        crate::outline::kind(&self.ast)
    }

    /// The names of the path that it is, if it is nothing but names: `steps.a.body`.
    pub fn names(&self) -> Option<Vec<&str>> {
        match &self.plan {
            Plan::Path(path) => path.names(),
            _ => None,
        }
    }

    /// The paths by which it reads the scope, each as far as it is names only.
    pub fn reads(&self) -> Vec<Vec<&str>> {
        self.need.paths()
    }

    /// What it may read of the scope.
    pub fn references(&self) -> &References {
        &self.references
    }

    /// Its value, `None` being JSONata's undefined. A guarded expression, and one that may cost too much for this
    /// scope, gives a failure that [`EvalFailure::needs_guard`].
    pub fn evaluate_in_place(
        &self,
        scope: &Value,
        seed: &Seed,
        limits: &Limits,
    ) -> Result<Option<Value>, EvalFailure> {
        self.evaluate_within(
            scope,
            seed,
            limits,
            &mut limits.max_in_place_cost.clone(),
            &mut Room::new(limits),
        )
    }

    /// The same, taking its work and its output from what a template has left.
    pub(crate) fn evaluate_within(
        &self,
        scope: &Value,
        seed: &Seed,
        limits: &Limits,
        budget: &mut u64,
        room: &mut Room,
    ) -> Result<Option<Value>, EvalFailure> {
        self.charge(scope, limits, budget)?;
        match &self.plan {
            Plan::Path(path) => {
                let copied = match path.resolve(scope, &mut 0) {
                    Found::Nothing => return Ok(None),
                    Found::One(value) => room.copy(value),
                    Found::Many(values) => room
                        .take(2 + values.len())
                        .and_then(|()| values.into_iter().map(|value| room.copy(value)).collect())
                        .map(Value::Array),
                };
                copied.map(Some).map_err(|(code, message)| EvalFailure::new(code, message, &self.source))
            }
            Plan::Linear(_) | Plan::Guarded => self.run(scope, seed, limits, room),
        }
    }

    /// Takes the bound of the work for this scope from `budget`, or refuses.
    pub(crate) fn charge(&self, scope: &Value, limits: &Limits, budget: &mut u64) -> Result<(), EvalFailure> {
        let cost = match &self.plan {
            Plan::Path(path) => {
                let mut visited = 0;
                path.resolve(scope, &mut visited);
                32 + visited * 4
            }
            Plan::Linear(bound) => match scope::weigh(scope, &self.need, limits.max_input_nodes) {
                Some(weight) => {
                    let cost = bound.at(weight as f64);
                    if cost < 1e15 { cost as u64 } else { u64::MAX }
                }
                None => u64::MAX,
            },
            Plan::Guarded => u64::MAX,
        };
        *budget = budget.checked_sub(cost).ok_or_else(|| {
            let message = "the expression may cost too much to evaluate it in place";
            EvalFailure::new(codes::NEEDS_GUARD, message, &self.source)
        })?;
        Ok(())
    }

    pub(crate) fn need(&self) -> &Need {
        &self.need
    }

    /// Runs the engine, whatever the tier.
    fn run(
        &self,
        scope: &Value,
        seed: &Seed,
        limits: &Limits,
        room: &mut Room,
    ) -> Result<Option<Value>, EvalFailure> {
        let options = EvaluatorOptions {
            timeout_ms: Some(limits.deadline_ms),
            max_stack_depth: Some(limits.max_depth),
            max_sequence_length: Some(limits.max_sequence),
            cancel: None,
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let input = scope::convert(scope, &self.need);
            let mut evaluator = Evaluator::with_options(Context::new(), options);
            functions::register(&mut evaluator, &self.functions, seed, limits)
                .and_then(|()| evaluator.evaluate(&self.ast, &input))
                .map_err(|error| EvalFailure::from_evaluator(&error, &self.source))
                .and_then(|value| {
                    room.export(&value)
                        .map_err(|(code, message)| EvalFailure::new(code, message, &self.source))
                })
        }));
        outcome.unwrap_or_else(|_| {
            Err(EvalFailure::new(codes::FAILED, "the expression failed inside its engine", &self.source))
        })
    }
}

/// Runs an expression of any tier in this process. It may take all memory and not return: only for the guarded child.
pub fn evaluate_any(
    expression: &Expression,
    scope: &Value,
    seed: &Seed,
    limits: &Limits,
) -> Result<Option<Value>, EvalFailure> {
    expression.run(scope, seed, limits, &mut Room::new(limits))
}

fn syntax_fault(source: &str, error: &str) -> TemplateFault {
    let error = error.trim_end_matches('.');
    let code = if error.contains("U1002") { codes::TOO_DEEP } else { codes::SYNTAX };
    let shown = crate::failure::cut(source, 60);
    let message = match error.split_once(": ") {
        Some((jsonata, text)) if jsonata.len() == 5 => {
            format!("`{shown}` is not JSONata: {} ({jsonata})", text.to_lowercase())
        }
        _ => format!("`{shown}` is not JSONata: {}", error.to_lowercase()),
    };
    TemplateFault::new(code, crate::failure::cut(&message, 500))
}
