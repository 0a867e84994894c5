//! The bounds of one rendering.

/// Every bound of parsing and evaluating. The defaults are those of the product; tests lower them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// JSON values that the parts of the scope read by one expression may hold together.
    pub max_input_nodes: usize,
    /// Size of the rendered value as compact JSON.
    pub max_output_bytes: usize,
    /// Nesting of a result: below what every JSON reader accepts.
    pub max_output_depth: usize,
    /// Levels of nested evaluation.
    pub max_depth: usize,
    /// Items of one sequence.
    pub max_sequence: usize,
    /// Work that all in-place expressions of one template may cost together, in the units of `cost`:
    /// one unit is 1 to 10 ns of an optimised build, so the default is at most about a tenth of a second.
    pub max_in_place_cost: u64,
    /// Wall-clock bound that the evaluator checks between its steps.
    pub deadline_ms: u64,
}

/// Longest accepted source of one expression.
pub(crate) const MAX_EXPRESSION_BYTES: usize = 32 * 1024;
/// Deepest accepted nesting of brackets in a source.
pub(crate) const MAX_BRACKETS: usize = 64;
/// Deepest accepted syntax tree: a chain of 200 operators nests 200 levels.
pub(crate) const MAX_TREE_DEPTH: usize = 256;
/// Deepest accepted template value.
pub(crate) const MAX_TEMPLATE_DEPTH: usize = 96;

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_input_nodes: 200_000,
            max_output_bytes: 1024 * 1024,
            max_output_depth: 96,
            max_depth: 2_000,
            max_sequence: 200_000,
            max_in_place_cost: 10_000_000,
            deadline_ms: 500,
        }
    }
}
