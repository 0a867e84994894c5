//! Upper bounds as polynomials in the weight of the input.

/// Levels of iteration that may nest.
pub(crate) const LEVELS: usize = 3;
/// Highest power of the input's weight.
const DEGREE: usize = 3;

/// The work grows faster than a bound can say, or nests too deep: not an expression to evaluate in place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unbounded;

/// `p[0] + p[1]·S + p[2]·S² + p[3]·S³`, for an input of weight S.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Poly(pub(crate) [f64; DEGREE + 1]);

impl Poly {
    pub(crate) const INPUT: Poly = Poly([0.0, 1.0, 0.0, 0.0]);

    pub(crate) fn constant(value: f64) -> Poly {
        Poly([value, 0.0, 0.0, 0.0])
    }

    pub(crate) fn at(&self, weight: f64) -> f64 {
        self.0.iter().rev().fold(0.0, |sum, factor| sum * weight + factor)
    }

    fn add(&self, other: &Poly) -> Poly {
        Poly(std::array::from_fn(|power| self.0[power] + other.0[power]))
    }

    fn max(&self, other: &Poly) -> Poly {
        Poly(std::array::from_fn(|power| self.0[power].max(other.0[power])))
    }

    fn scale(&self, by: f64) -> Poly {
        Poly(self.0.map(|factor| factor * by))
    }

    fn times(&self, other: &Poly) -> Result<Poly, Unbounded> {
        let mut product = Poly::default();
        for (left, a) in self.0.iter().enumerate().filter(|(_, a)| **a != 0.0) {
            for (right, b) in other.0.iter().enumerate().filter(|(_, b)| **b != 0.0) {
                *product.0.get_mut(left + right).ok_or(Unbounded)? += a * b;
            }
        }
        Ok(product)
    }

    fn is_zero(&self) -> bool {
        self.0.iter().all(|factor| *factor == 0.0)
    }
}

/// `fixed + Σ items[k]·Tₖ`, where Tₖ is the weight of the current item of iteration level k.
/// Keeping the items apart is what makes a map over a list linear: the weights of its items add up to its own.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Bound {
    fixed: Poly,
    items: [Poly; LEVELS],
}

/// For each level, how heavy one item can be at most.
pub(crate) type Caps = [Poly; LEVELS];

impl Bound {
    pub(crate) fn constant(value: f64) -> Bound {
        Bound { fixed: Poly::constant(value), ..Bound::default() }
    }

    pub(crate) fn input() -> Bound {
        Bound { fixed: Poly::INPUT, ..Bound::default() }
    }

    /// The weight of the current item of a level.
    pub(crate) fn item(level: usize) -> Bound {
        let mut bound = Bound::default();
        bound.items[level] = Poly::constant(1.0);
        bound
    }

    pub(crate) fn add(&self, other: &Bound) -> Bound {
        Bound {
            fixed: self.fixed.add(&other.fixed),
            items: std::array::from_fn(|level| self.items[level].add(&other.items[level])),
        }
    }

    pub(crate) fn plus(&self, value: f64) -> Bound {
        self.add(&Bound::constant(value))
    }

    /// At least as large as both.
    pub(crate) fn max(&self, other: &Bound) -> Bound {
        Bound {
            fixed: self.fixed.max(&other.fixed),
            items: std::array::from_fn(|level| self.items[level].max(&other.items[level])),
        }
    }

    pub(crate) fn scale(&self, by: f64) -> Bound {
        Bound { fixed: self.fixed.scale(by), items: self.items.map(|item| item.scale(by)) }
    }

    /// The product; of two items' weights one is replaced by its cap.
    pub(crate) fn times(&self, other: &Bound, caps: &Caps) -> Result<Bound, Unbounded> {
        let mut product = Bound { fixed: self.fixed.times(&other.fixed)?, ..Bound::default() };
        for level in 0..LEVELS {
            let mut factor =
                self.fixed.times(&other.items[level])?.add(&self.items[level].times(&other.fixed)?);
            for (cap, item) in caps.iter().zip(&self.items) {
                if !item.is_zero() && !other.items[level].is_zero() {
                    factor = factor.add(&item.times(cap)?.times(&other.items[level])?);
                }
            }
            product.items[level] = factor;
        }
        Ok(product)
    }

    /// A bound without items: each is replaced by its cap.
    pub(crate) fn collapse(&self, caps: &Caps) -> Result<Poly, Unbounded> {
        let mut sum = self.fixed;
        for (item, cap) in self.items.iter().zip(caps) {
            sum = sum.add(&item.times(cap)?);
        }
        Ok(sum)
    }

    /// The sum of this bound over `count` items of `level` that weigh `weight` together.
    pub(crate) fn summed(
        &self,
        level: usize,
        count: &Bound,
        weight: &Bound,
        caps: &Caps,
    ) -> Result<Bound, Unbounded> {
        let mut each = *self;
        let per_item = Bound { fixed: std::mem::take(&mut each.items[level]), ..Bound::default() };
        Ok(each.times(count, caps)?.add(&per_item.times(weight, caps)?))
    }

    /// The constant this bound is, if it is one.
    pub(crate) fn as_constant(&self) -> Option<f64> {
        let constant =
            self.fixed.0[1..].iter().all(|factor| *factor == 0.0) && self.items.iter().all(Poly::is_zero);
        constant.then_some(self.fixed.0[0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_linear_in_its_item_is_linear_over_the_list() {
        // For each item: 5 + 2·T. The list has at most S/8 items and weighs S.
        let body = Bound::item(0).scale(2.0).plus(5.0);
        let total = body.summed(0, &Bound::input().scale(0.125), &Bound::input(), &Caps::default()).unwrap();
        assert_eq!(total.collapse(&Caps::default()).unwrap(), Poly([0.0, 2.625, 0.0, 0.0]));
    }

    #[test]
    fn a_body_that_copies_the_input_is_quadratic() {
        let total = Bound::input().summed(0, &Bound::input(), &Bound::input(), &Caps::default()).unwrap();
        assert_eq!(total.collapse(&Caps::default()).unwrap(), Poly([0.0, 0.0, 1.0, 0.0]));
        assert_eq!(total.times(&total, &Caps::default()), Err(Unbounded));
    }

    #[test]
    fn an_item_times_an_item_uses_the_cap() {
        let caps = [Poly::INPUT, Poly::default(), Poly::default()];
        let square = Bound::item(0).times(&Bound::item(0), &caps).unwrap();
        assert_eq!(square.collapse(&caps).unwrap(), Poly([0.0, 0.0, 1.0, 0.0]));
    }
}
