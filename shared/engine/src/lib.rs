#![doc = include_str!("../README.md")]

mod context;
mod decide;
mod follow;
mod frontier;
mod inputs;
mod plan;
mod retry;
mod seed;
mod truth;

pub use context::Context;
pub use decide::{Event, IllegalTransition, decide};
pub use follow::{Then, follow};
pub use frontier::{Frontier, frontier};
pub use inputs::inputs;
pub use plan::{ActionNode, Live, Node, NodeIx, NodeKind, Pausing, Plan};
pub use retry::delay;
pub use seed::{idempotency_key, seed};
pub use truth::truthy;
