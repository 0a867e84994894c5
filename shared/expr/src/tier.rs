//! Where an expression may run, decided when a definition is saved.

/// The three tiers, cheapest first; see the README for what each allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tier {
    /// A plain path of names and indexes: resolved on the JSON itself, so that big integers stay exact.
    Path,
    /// Bounded work and growth: evaluated in place, within limits.
    Linear,
    /// Everything else: evaluated by `guard` in a child process.
    Guarded,
}

impl Tier {
    /// The name used in the API and in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Tier::Path => "path",
            Tier::Linear => "linear",
            Tier::Guarded => "guarded",
        }
    }
}
