//! Functions that replace the engine's own, so that a result depends on the scope and the seed only, and those of the library.

use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Evaluator, EvaluatorError, HostFnResult};
use jsonata_core::value::JValue;

use crate::limits::Limits;
use crate::seed::{Seed, Stream};
use crate::transforms;

/// The replaced and added names.
const NAMES: [&str; 7] = ["now", "millis", "random", "shuffle", "uuid", "toMillis", "eval"];

/// Which of them an expression names; most name none, and then nothing is registered.
pub(crate) fn named_in(ast: &AstNode) -> Vec<&'static str> {
    let mut found = Vec::new();
    crate::ast::any(ast, |node| {
        if let AstNode::Function { name, .. } | AstNode::Variable(name) = node
            && let Some(name) =
                NAMES.iter().find(|known| *known == name).copied().or_else(|| transforms::known(name))
            && !found.contains(&name)
        {
            found.push(name);
        }
        false
    });
    found
}

/// Registers `names` on an evaluator.
pub(crate) fn register(
    evaluator: &mut Evaluator,
    names: &[&'static str],
    seed: &Seed,
    limits: &Limits,
) -> Result<(), EvaluatorError> {
    let seed = *seed;
    let stream = Rc::new(Stream::new(&seed));
    for name in names {
        let stream = Rc::clone(&stream);
        match *name {
            "now" => evaluator.register_fn_override("now", move |args: &[JValue]| now(&seed, args))?,
            "millis" => evaluator
                .register_fn_override("millis", move |_: &[JValue]| Ok(JValue::Number(seed.now_ms as f64)))?,
            "random" => evaluator
                .register_fn_override("random", move |_: &[JValue]| Ok(JValue::Number(stream.unit())))?,
            "shuffle" => {
                evaluator
                    .register_fn_override("shuffle", move |args: &[JValue]| Ok(shuffle(&stream, args)))?;
            }
            "uuid" => evaluator.register_fn("uuid", move |_: &[JValue]| Ok(uuid(&stream)))?,
            "toMillis" => {
                evaluator.register_fn_override("toMillis", move |args: &[JValue]| to_millis(&seed, args))?;
            }
            "eval" => evaluator.register_fn_override("eval", |_: &[JValue]| {
                Err(failed("`$eval` is not available: an expression is checked when it is saved"))
            })?,
            name => transforms::register(evaluator, name, stream, limits)?,
        }
    }
    Ok(())
}

fn failed(message: &str) -> EvaluatorError {
    EvaluatorError::EvaluationError(message.to_owned())
}

/// One builtin of the engine, with its own checks of the arguments.
fn builtin(name: &str, args: &[JValue]) -> HostFnResult {
    let mut evaluator = Evaluator::new();
    let names: Vec<String> = (0..args.len()).map(|at| format!("a{at}")).collect();
    let scope = names.iter().cloned().zip(args.iter().cloned()).collect();
    let call = AstNode::Function {
        name: name.to_owned(),
        args: names.into_iter().map(AstNode::Name).collect(),
        is_builtin: true,
    };
    evaluator.evaluate(&call, &JValue::object(scope))
}

fn now(seed: &Seed, args: &[JValue]) -> HostFnResult {
    let mut with_time = vec![JValue::Number(seed.now_ms as f64)];
    with_time.extend_from_slice(args);
    builtin("fromMillis", &with_time)
}

fn shuffle(stream: &Stream, args: &[JValue]) -> JValue {
    let mut items = match args.first() {
        None | Some(JValue::Undefined) => return JValue::Undefined,
        Some(JValue::Array(items)) => items.to_vec(),
        Some(one) => vec![one.clone()],
    };
    for last in (1..items.len()).rev() {
        items.swap(last, stream.below(last + 1));
    }
    JValue::array(items)
}

/// A version 4 UUID by its form; its bits come from the seed.
fn uuid(stream: &Stream) -> JValue {
    let (high, low) = (stream.next_u64(), stream.next_u64());
    let text = format!(
        "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
        high >> 32,
        (high >> 16) & 0xffff,
        high & 0xfff,
        (low >> 48) & 0x3fff | 0x8000,
        low & 0xffff_ffff_ffff,
    );
    JValue::string(text)
}

/// `$toMillis`: what a picture does not say comes from the seed's time, where the engine would read the clock.
fn to_millis(seed: &Seed, args: &[JValue]) -> HostFnResult {
    let [JValue::String(text), JValue::String(picture)] = args else {
        return builtin("toMillis", args);
    };
    let missing = unsaid(picture);
    if missing.is_empty() {
        return builtin("toMillis", args);
    }
    let parts = missing.iter().fold(String::new(), |parts, part| parts + "[" + part + "] ");
    let JValue::String(said) = now(seed, &[JValue::string(parts.as_str())])? else {
        return Err(failed("the time of the seed is out of range"));
    };
    builtin(
        "toMillis",
        &[JValue::string(format!("{said}{text}")), JValue::string(format!("{parts}{picture}"))],
    )
}

/// The leading date parts that a picture leaves open.
fn unsaid(picture: &str) -> Vec<&'static str> {
    let says = |part: char| picture.contains(&format!("[{part}"));
    let mut missing = Vec::new();
    let date: &[(char, &str)] =
        if says('d') { &[('Y', "Y0001")] } else { &[('Y', "Y0001"), ('M', "M01"), ('D', "D01")] };
    for (part, format) in date {
        if says(*part) {
            return missing;
        }
        missing.push(*format);
    }
    if says('d') {
        return missing;
    }
    if says('h') {
        if !says('P') {
            missing.push("P");
        }
    } else if says('m') || says('s') || says('f') {
        if !says('H') {
            missing.push("H01");
        }
        if !says('H') && !says('m') {
            missing.push("m01");
        }
        if !says('H') && !says('m') && !says('s') {
            missing.push("s01");
        }
    }
    missing
}
