//! Bounds of the builtins that may run in place. One that is not here is guarded.

use jsonata_core::ast::AstNode;

use crate::bound::{Bound, Unbounded};
use crate::cost::{Costed, Costs, EACH, STEP, Shape};
use crate::transforms::{self, Cost};

/// Work of any call of a transform.
const TRANSFORM: f64 = 500.0;

/// Builtins that a higher-order function may be given by name: they read one argument.
pub(crate) fn takes_one(name: &str) -> bool {
    matches!(
        name,
        "uppercase"
            | "lowercase"
            | "trim"
            | "length"
            | "number"
            | "string"
            | "boolean"
            | "not"
            | "floor"
            | "ceil"
            | "abs"
            | "sqrt"
            | "count"
            | "sum"
            | "max"
            | "min"
            | "average"
            | "type"
            | "exists"
            | "base64encode"
            | "base64decode"
            | "encodeUrlComponent"
            | "decodeUrlComponent"
    ) || transforms::takes_one(name)
}

impl Costs {
    /// The call `$name(args)`, `piped` being the argument that `~>` puts first.
    pub(crate) fn call(
        &mut self,
        name: &str,
        args: &[AstNode],
        piped: Option<&Costed>,
    ) -> Result<Costed, Unbounded> {
        if self.is_bound(name) || args.iter().any(|arg| matches!(arg, AstNode::Placeholder)) {
            return Err(Unbounded);
        }
        let mut work = Bound::constant(2.0 * STEP);
        let mut shapes = Vec::with_capacity(args.len() + 1);
        if let Some((shape, before)) = piped {
            work = work.add(before);
            shapes.push(*shape);
        }
        let written = shapes.len();
        let higher_order = matches!(name, "map" | "filter" | "single" | "each" | "sift");
        for (at, arg) in args.iter().enumerate() {
            if higher_order && at + written == 1 {
                continue;
            }
            let (shape, before) = self.of(arg)?;
            work = work.add(&before);
            shapes.push(shape);
        }
        if higher_order {
            if args.len() + written != 2 {
                return Err(Unbounded);
            }
            let input = shapes[0];
            let (mapped, body) = self.callback(&input, &args[1 - written])?;
            let total = work.add(&body).add(&input.count.scale(EACH));
            // `map` and `each` give what the callback gives, the others some of their input.
            return Ok((if matches!(name, "map" | "each") { mapped } else { input }, total));
        }
        // The literal written at argument `at`, if it is one.
        let literal = |at: usize| at.checked_sub(written).and_then(|at| args.get(at));
        // An argument that is not given is the context.
        let given = shapes.len();
        let context = self.context;
        let arg = |at: usize| shapes.get(at).copied().unwrap_or(context);
        let mut all = shapes.iter().fold(Bound::constant(8.0), |sum, shape| sum.add(&shape.size));
        if given < 2 || (given == 2 && name == "substring") {
            all = all.add(&context.size);
        }
        let (first, second) = (arg(0), arg(1));
        let text = |size: Bound| Shape::scalar(size.plus(8.0));
        let (shape, own) = match name {
            "now" | "millis" | "random" | "uuid" if given == 0 => {
                (text(Bound::constant(36.0)), Bound::constant(400.0))
            }
            "sum" | "max" | "min" | "average" | "count" => (
                if name == "count" { Shape::number() } else { text(Bound::constant(8.0)) },
                // An item that is no number is printed into the failure's message.
                first.count.scale(2.0 * EACH).add(&first.size.scale(4.0)),
            ),
            "length" | "number" | "boolean" | "not" | "exists" | "type" => {
                (text(Bound::constant(8.0)), first.size)
            }
            "floor" | "ceil" | "abs" | "sqrt" | "round" | "power" => {
                (Shape::number(), Bound::constant(4.0 * STEP))
            }
            "uppercase" | "lowercase" => (text(first.size.scale(3.0)), first.size.scale(4.0)),
            "trim" | "substring" | "substringBefore" | "substringAfter" => (text(all), all.scale(8.0)),
            "contains" => (Shape::number(), all.scale(4.0)),
            "split" => {
                let size = all.scale(9.0).plus(16.0);
                (Shape { size, count: all.plus(2.0) }, all.scale(24.0))
            }
            "join" => {
                let size = first.size.add(&first.count.times(&second.size, &self.caps)?);
                let size = if given > 1 { size } else { first.size };
                (text(size), size.scale(2.0).add(&first.count.scale(EACH)))
            }
            "string" if given <= 1 => (text(first.size.scale(6.0)), first.size.scale(10.0)),
            "keys" => {
                // Each key is looked for among those found so far.
                let pairs = first.count.times(&first.size, &self.caps)?.scale(1.0 / 16.0);
                (Shape::of(first.size), first.size.scale(4.0).add(&pairs))
            }
            "lookup" => (Shape::of(all), all.scale(4.0)),
            "merge" | "append" | "reverse" | "shuffle" => {
                let size = shapes.iter().fold(Bound::constant(16.0), |sum, shape| sum.add(&shape.size));
                (Shape::of(size), size.scale(6.0))
            }
            "zip" => (Shape::of(all.scale(2.0).plus(16.0)), all.scale(6.0)),
            "spread" => (Shape::of(first.size.scale(2.0).plus(16.0)), first.size.scale(8.0)),
            "distinct" => {
                let pairs = first.count.times(&first.size, &self.caps)?.scale(0.5);
                (first, pairs.add(&first.count.scale(EACH)))
            }
            "base64encode" | "base64decode" | "encodeUrl" | "encodeUrlComponent" | "decodeUrl"
            | "decodeUrlComponent" => (text(first.size.scale(3.0)), first.size.scale(8.0)),
            "error" | "assert" => (Shape::number(), all),
            "toMillis" if given == 1 => (Shape::number(), first.size.scale(40.0).plus(1_000.0)),
            "fromMillis" if given == 1 => (text(Bound::constant(40.0)), Bound::constant(1_000.0)),
            "fromMillis" | "now"
                if picture_is_plain(literal(usize::from(name == "fromMillis"))) && given <= 3 =>
            {
                (text(Bound::constant(2_000.0)), Bound::constant(8_000.0))
            }
            "formatNumber" if given == 2 && number_picture_is_plain(literal(1)) => {
                (text(Bound::constant(2_000.0)), Bound::constant(4_000.0))
            }
            "pad" => {
                let width = match literal(1) {
                    Some(AstNode::Number(width)) => width.abs(),
                    Some(AstNode::Unary { operand, .. }) => match **operand {
                        AstNode::Number(width) => width.abs(),
                        _ => return Err(Unbounded),
                    },
                    _ => return Err(Unbounded),
                };
                if given < 2 || width > 1_000.0 {
                    return Err(Unbounded);
                }
                let size = all.plus(4.0 * width);
                (text(size), size.scale(4.0))
            }
            "replace" if given >= 3 => {
                let size = first.size.add(&first.size.times(&arg(2).size, &self.caps)?);
                (text(size), size.scale(4.0).add(&second.size))
            }
            _ => {
                let cost = transforms::cost(name).ok_or(Unbounded)?;
                self.transform(cost, &shapes)?
            }
        };
        Ok((shape, work.add(&own)))
    }

    /// A call of the library's: what it gives, and its work.
    fn transform(&self, cost: Cost, arguments: &[Shape]) -> Result<Costed, Unbounded> {
        let sum =
            |shapes: &[Shape]| shapes.iter().fold(Bound::constant(8.0), |sum, shape| sum.add(&shape.size));
        let all = sum(arguments);
        Ok(match cost {
            Cost::Short(work) => {
                (Shape::scalar(Bound::constant(128.0)), all.scale(work.into()).plus(TRANSFORM))
            }
            Cost::Grows(times, work) => {
                (Shape::of(all.scale(times.into()).plus(4_096.0)), all.scale(work.into()).plus(TRANSFORM))
            }
            Cost::Product => {
                let size = all.times(&all, &self.caps)?;
                (Shape::of(size), size.scale(2.0).add(&all.scale(60.0)).plus(TRANSFORM))
            }
            Cost::Time => (
                Shape { size: Bound::constant(1_024.0), count: Bound::constant(16.0) },
                all.scale(16.0).plus(6.0 * TRANSFORM),
            ),
            Cost::Guarded => return Err(Unbounded),
        })
    }
}

/// A date picture that cannot ask for widths, words or Roman numerals of unusual length.
fn picture_is_plain(picture: Option<&AstNode>) -> bool {
    matches!(picture, Some(AstNode::String(text)) if text.len() <= 100 && !text.contains([',', 'I', 'i', 'W', 'w']))
}

/// A number picture of plain digits.
fn number_picture_is_plain(picture: Option<&AstNode>) -> bool {
    matches!(picture, Some(AstNode::String(text)) if text.len() <= 40 && text.bytes().all(|b| b"#0,.-%$; ".contains(&b)))
}
