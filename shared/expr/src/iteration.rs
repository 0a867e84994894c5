//! Bounds of evaluating something for each item.

use jsonata_core::ast::AstNode;

use crate::bound::{Bound, LEVELS, Poly, Unbounded};
use crate::cost::{Costed, Costs, EACH, NUMBER, STEP, Shape};

impl Costs {
    /// Evaluates `body` for each item of `input`, the item being its context.
    pub(crate) fn each(
        &mut self,
        input: &Shape,
        body: impl FnOnce(&mut Costs) -> Result<Costed, Unbounded>,
    ) -> Result<Costed, Unbounded> {
        self.iterate(input, |costs, item| {
            let outer = std::mem::replace(&mut costs.context, item);
            let result = body(costs);
            costs.context = outer;
            result
        })
    }

    /// Evaluates `body` for each item of `input`; its shape is passed on.
    fn iterate(
        &mut self,
        input: &Shape,
        body: impl FnOnce(&mut Costs, Shape) -> Result<Costed, Unbounded>,
    ) -> Result<Costed, Unbounded> {
        let level = self.level;
        if level == LEVELS {
            return Err(Unbounded);
        }
        self.caps[level] = input.size.collapse(&self.caps)?;
        self.level += 1;
        let scope = self.variables.len();
        let result = body(self, Shape::of(Bound::item(level)));
        // What the body bound speaks of its item: gone with it.
        self.variables.truncate(scope);
        self.level -= 1;
        let (shape, work) = result?;
        let size = shape.size.summed(level, &input.count, &input.size, &self.caps)?;
        let count = shape.count.summed(level, &input.count, &input.size, &self.caps)?;
        let work = work.plus(EACH).summed(level, &input.count, &input.size, &self.caps)?;
        self.caps[level] = Poly::default();
        Ok((Shape { size, count }, work.plus(STEP)))
    }

    /// A higher-order builtin over `input` whose callback is written in place.
    pub(crate) fn callback(&mut self, input: &Shape, callback: &AstNode) -> Result<Costed, Unbounded> {
        let (params, body) = match callback {
            AstNode::Lambda { params, body, signature: None, .. } => (params.as_slice(), &**body),
            // `$map(names, $uppercase)`: the builtin takes the item only.
            AstNode::Variable(name) if !self.is_bound(name) && crate::builtins::takes_one(name) => {
                let name = name.clone();
                return self.iterate(input, |costs, item| {
                    costs.call(&name, &[], Some(&(item, Bound::constant(4.0 * STEP))))
                });
            }
            _ => return Err(Unbounded),
        };
        if params.len() > 3 {
            return Err(Unbounded);
        }
        let made = (crate::ast::count(body) + 8) as f64 * STEP;
        let whole = *input;
        let (shape, work) = self.iterate(input, |costs, item| {
            // Item, position or key, and the list itself. A key's bytes are part of the item's own weight.
            let shapes = [item, Shape::scalar(item.size.plus(NUMBER)), whole];
            costs.variables.extend(params.iter().cloned().zip(shapes));
            let (shape, work) = costs.of(body)?;
            Ok((shape, work.plus(6.0 * STEP)))
        })?;
        Ok((shape, work.plus(made)))
    }
}
