//! Bounds of the binary operators.

use jsonata_core::ast::{AstNode, BinaryOp};

use crate::bound::{Bound, Unbounded};
use crate::cost::{Costed, Costs, EACH, NUMBER, STEP, Shape};

impl Costs {
    /// An operator between two operands.
    pub(crate) fn binary(&mut self, op: BinaryOp, lhs: &AstNode, rhs: &AstNode) -> Result<Costed, Unbounded> {
        if op == BinaryOp::ColonEqual {
            let AstNode::Variable(name) = lhs else {
                return Err(Unbounded);
            };
            let (shape, work) = self.of(rhs)?;
            self.variables.push((name.clone(), shape));
            return Ok((shape, work.plus(2.0 * STEP)));
        }
        if op == BinaryOp::ChainPipe {
            let input = self.of(lhs)?;
            return match rhs {
                AstNode::Function { name, args, is_builtin: true } => self.call(name, args, Some(&input)),
                AstNode::Variable(name) => self.call(name, &[], Some(&input)),
                _ => Err(Unbounded),
            };
        }
        if op == BinaryOp::Range {
            let (AstNode::Number(from), AstNode::Number(to)) = (lhs, rhs) else {
                return Err(Unbounded);
            };
            let count = (to - from).max(0.0) + 1.0;
            if self.level > 0 || count.is_nan() || count > 1_000.0 {
                return Err(Unbounded);
            }
            let size = Bound::constant(NUMBER * (count + 1.0));
            return Ok((
                Shape { size, count: Bound::constant(count) },
                Bound::constant(EACH * (count + 1.0)),
            ));
        }
        let (left, left_work) = self.of(lhs)?;
        let (right, right_work) = self.of(rhs)?;
        let work = left_work.add(&right_work).plus(STEP);
        let numbers = Shape::number();
        Ok(match op {
            BinaryOp::Add
            | BinaryOp::Subtract
            | BinaryOp::Multiply
            | BinaryOp::Divide
            | BinaryOp::Modulo
            | BinaryOp::And
            | BinaryOp::Or => (numbers, work),
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::LessThan
            | BinaryOp::LessThanOrEqual
            | BinaryOp::GreaterThan
            | BinaryOp::GreaterThanOrEqual => {
                // A comparison reads no more than the smaller side.
                let read = match (left.size.as_constant(), right.size.as_constant()) {
                    (Some(_), _) => left.size,
                    (_, Some(_)) => right.size,
                    _ => left.size.add(&right.size),
                };
                (numbers, work.add(&read))
            }
            BinaryOp::In => (numbers, work.add(&right.size).add(&right.count.scale(EACH))),
            BinaryOp::Concatenate => {
                let size = left.size.add(&right.size).scale(6.0).plus(NUMBER);
                (Shape::scalar(size), work.add(&size))
            }
            BinaryOp::Coalesce | BinaryOp::Default => (left.or(&right), work),
            BinaryOp::ColonEqual
            | BinaryOp::ChainPipe
            | BinaryOp::Range
            | BinaryOp::FocusBind
            | BinaryOp::IndexBind => return Err(Unbounded),
        })
    }
}
