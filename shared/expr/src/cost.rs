//! What an expression can cost at most: its syntax tree as a polynomial in the weight of its input.
//!
//! Every construct that is not listed here has no bound and makes the expression guarded.

use jsonata_core::ast::{AstNode, PathStep, Stage, UnaryOp};
use jsonata_core::value::with_stack;

use crate::bound::{Bound, Caps, Poly, Unbounded};
use crate::scope::NODE;

/// Work of evaluating any node.
pub(crate) const STEP: f64 = 16.0;
/// Work of making one more value.
pub(crate) const EACH: f64 = 16.0;
/// Weight of a number or boolean.
pub(crate) const NUMBER: f64 = NODE as f64;

/// How large a value can be: the weight of its tree, shared parts counted each time, and how many items
/// an iteration over it makes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) size: Bound,
    pub(crate) count: Bound,
}

impl Shape {
    pub(crate) fn scalar(size: Bound) -> Shape {
        Shape { size, count: Bound::constant(1.0) }
    }

    pub(crate) fn number() -> Shape {
        Shape::scalar(Bound::constant(NUMBER))
    }

    /// Any value of that weight: each item weighs at least one node.
    pub(crate) fn of(size: Bound) -> Shape {
        Shape { size, count: size.scale(1.0 / NUMBER).plus(1.0) }
    }

    pub(crate) fn or(&self, other: &Shape) -> Shape {
        Shape { size: self.size.max(&other.size), count: self.count.max(&other.count) }
    }
}

/// A value and the work that made it.
pub(crate) type Costed = (Shape, Bound);

/// The bound of a whole expression, its input's conversion and its result's included.
pub(crate) fn bound(ast: &AstNode) -> Result<Poly, Unbounded> {
    let scope = Shape { size: Bound::input(), count: Bound::constant(1.0) };
    let mut costs = Costs { context: scope, level: 0, caps: Caps::default(), variables: Vec::new() };
    let (result, work) = costs.of(ast)?;
    let conversion = Bound::input().scale(4.0).plus(400.0);
    work.add(&conversion).add(&result.size.scale(2.0)).collapse(&costs.caps)
}

pub(crate) struct Costs {
    pub(crate) context: Shape,
    pub(crate) level: usize,
    pub(crate) caps: Caps,
    /// What `:=` and callbacks have bound so far.
    pub(crate) variables: Vec<(String, Shape)>,
}

impl Costs {
    pub(crate) fn of(&mut self, node: &AstNode) -> Result<Costed, Unbounded> {
        with_stack(|| self.of_here(node))
    }

    fn of_here(&mut self, node: &AstNode) -> Result<Costed, Unbounded> {
        let step = Bound::constant(STEP);
        Ok(match node {
            AstNode::String(text) => (Shape::scalar(Bound::constant(NUMBER + text.len() as f64)), step),
            AstNode::Number(_) | AstNode::Boolean(_) | AstNode::Null | AstNode::Undefined => {
                (Shape::number(), step)
            }
            AstNode::Name(_) => Self::name_in(&self.context),
            AstNode::Variable(name) if name.is_empty() => (self.context, step),
            AstNode::Variable(name) => (self.variable(name).ok_or(Unbounded)?, step),
            AstNode::Path { steps } => self.path(steps)?,
            AstNode::Binary { op, lhs, rhs } => self.binary(*op, lhs, rhs)?,
            AstNode::Unary { op: UnaryOp::Negate | UnaryOp::Not, operand } => {
                let (_, work) = self.of(operand)?;
                (Shape::number(), work.plus(STEP))
            }
            AstNode::Function { name, args, is_builtin: true } => self.call(name, args, None)?,
            AstNode::Array(items) | AstNode::ArrayGroup(items) => self.array(items)?,
            AstNode::Object(pairs) => {
                let input = self.context;
                self.group(&input, pairs, step)?
            }
            AstNode::ObjectTransform { input, pattern } => {
                let (input, work) = self.of(input)?;
                self.group(&input, pattern, work)?
            }
            AstNode::Block(items) => {
                let scope = self.variables.len();
                let mut last = (Shape::number(), step);
                for item in items {
                    let (shape, work) = self.of(item)?;
                    last = (shape, last.1.add(&work));
                }
                self.variables.truncate(scope);
                last
            }
            AstNode::FunctionApplication(inner) => self.of(inner)?,
            AstNode::Conditional { condition, then_branch, else_branch } => {
                let (_, work) = self.of(condition)?;
                let (mut shape, then_work) = self.of(then_branch)?;
                let mut work = work.add(&then_work).plus(STEP);
                if let Some(branch) = else_branch {
                    let (other, else_work) = self.of(branch)?;
                    shape = shape.or(&other);
                    work = work.add(&else_work);
                }
                (shape, work)
            }
            // Keys are evaluated once an item; merging compares each about 17 times in 100,000.
            AstNode::Sort { input, terms } if self.level == 0 => {
                let (input, work) = self.of(input)?;
                let (keys, total) = self.each(&input, |costs| {
                    let mut keys = Bound::default();
                    let mut total = Bound::constant(STEP);
                    for (term, _) in terms {
                        let (key, work) = costs.of(term)?;
                        keys = keys.add(&key.size);
                        total = total.add(&work).plus(4.0 * EACH);
                    }
                    Ok((Shape::scalar(keys), total))
                })?;
                let merging = keys.size.add(&input.count.scale(EACH)).scale(20.0);
                (input, work.add(&total).add(&merging))
            }
            AstNode::Sort { .. }
            | AstNode::Placeholder
            | AstNode::Regex { .. }
            | AstNode::ParentVariable(_)
            | AstNode::Parent(_)
            | AstNode::Function { .. }
            | AstNode::Call { .. }
            | AstNode::Lambda { .. }
            | AstNode::Wildcard
            | AstNode::Descendant
            | AstNode::Transform { .. } => return Err(Unbounded),
        })
    }

    pub(crate) fn variable(&self, name: &str) -> Option<Shape> {
        // A later binding of the name may not have happened (`c ? $x := 1 : 2`): it can be any of them.
        let bindings = self.variables.iter().filter(|(bound, _)| bound == name).map(|(_, shape)| *shape);
        bindings.reduce(|one, other| one.or(&other))
    }

    pub(crate) fn is_bound(&self, name: &str) -> bool {
        self.variable(name).is_some()
    }

    /// A name in a value: in each item, if that is an array, flattening what it finds.
    fn name_in(input: &Shape) -> Costed {
        let found = Shape::of(input.size);
        (found, input.count.scale(2.0 * EACH).plus(STEP))
    }

    fn path(&mut self, steps: &[PathStep]) -> Result<Costed, Unbounded> {
        let scope = self.variables.len();
        let mut here = self.context;
        let mut total = Bound::constant(STEP);
        for (at, step) in steps.iter().enumerate() {
            let bound = step.focus.is_some() || step.index_var.is_some() || step.ancestor_label.is_some();
            if bound || step.is_tuple || step.inner_tuple {
                return Err(Unbounded);
            }
            let (shape, work) = match &step.node {
                AstNode::Name(_) => Self::name_in(&here),
                AstNode::Wildcard => (Shape::of(here.size), here.size.scale(4.0).plus(STEP)),
                node if at == 0 => self.of(node)?,
                AstNode::Sort { .. } => return Err(Unbounded),
                node => self.each(&here, |costs| costs.of(node))?,
            };
            here = shape;
            total = total.add(&work);
            for stage in &step.stages {
                total = total.add(&self.stage(&here, stage)?);
            }
            // What a step made is flattened into the next step's input.
            total = total.add(&here.count.scale(EACH));
        }
        self.variables.truncate(scope);
        Ok((here, total))
    }

    /// The work of a predicate over `input`; what it keeps is no larger.
    fn stage(&mut self, input: &Shape, stage: &Stage) -> Result<Bound, Unbounded> {
        let filter = match stage {
            Stage::KeepArray => return Ok(Bound::constant(STEP)),
            Stage::Index(_) => return Err(Unbounded),
            Stage::Filter(filter) => &**filter,
        };
        let constant = match filter {
            AstNode::Number(_) => true,
            AstNode::Unary { op: UnaryOp::Negate, operand } => matches!(**operand, AstNode::Number(_)),
            _ => false,
        };
        if constant {
            return Ok(Bound::constant(STEP));
        }
        // A predicate that gives a list of positions is compared with each position.
        let (positions, work) = self.each(input, |costs| costs.of(filter))?;
        Ok(work.add(&positions.count.scale(EACH)))
    }

    /// `{key: value}` over `input`: keys for each item, values for each group of items.
    fn group(
        &mut self,
        input: &Shape,
        pairs: &[(AstNode, AstNode)],
        before: Bound,
    ) -> Result<Costed, Unbounded> {
        let literal = pairs.iter().all(|(key, _)| matches!(key, AstNode::String(_)));
        if literal {
            // One group: all of the input.
            let outer = std::mem::replace(&mut self.context, *input);
            let result = self.pairs(pairs);
            self.context = outer;
            let (shape, work) = result?;
            let regroup = input.count.scale(pairs.len() as f64 * EACH);
            return Ok((shape, before.add(&work).add(&regroup)));
        }
        let (shape, work) = self.each(input, |costs| costs.pairs(pairs))?;
        let regroup = input.count.scale(pairs.len() as f64 * 2.0 * EACH);
        Ok((Shape::scalar(shape.size), before.add(&work).add(&regroup)))
    }

    fn pairs(&mut self, pairs: &[(AstNode, AstNode)]) -> Result<Costed, Unbounded> {
        let mut size = Bound::constant(NUMBER);
        let mut total = Bound::constant(STEP);
        for (key, value) in pairs {
            let (key, key_work) = self.of(key)?;
            let (value, work) = self.of(value)?;
            size = size.add(&key.size).add(&value.size);
            total = total.add(&key_work).add(&key.size.scale(4.0)).add(&work).plus(EACH);
        }
        Ok((Shape::scalar(size), total))
    }

    fn array(&mut self, items: &[AstNode]) -> Result<Costed, Unbounded> {
        let mut size = Bound::constant(NUMBER);
        let mut count = Bound::constant(1.0);
        let mut total = Bound::constant(STEP);
        for item in items {
            let (shape, work) = self.of(item)?;
            size = size.add(&shape.size);
            count = count.add(&shape.count);
            total = total.add(&work).add(&shape.count.scale(EACH));
        }
        Ok((Shape { size, count }, total))
    }
}
