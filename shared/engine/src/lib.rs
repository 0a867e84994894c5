#![doc = include_str!("../README.md")]

mod context;
mod decide;
mod evaluate;
mod follow;
mod frontier;
mod inputs;
mod plan;
mod repeat;
mod retry;
mod seed;
mod strand;
mod variables;
mod walk;

pub use context::{Context, Given};
pub use decide::{Event, IllegalTransition, decide};
pub use evaluate::{Render, evaluate, wait_until};
pub use expr::truthy;
pub use follow::{Then, follow};
pub use frontier::{Frontier, frontier, replay, replay_to};
pub use inputs::inputs;
pub use plan::{
    ActionNode, ApprovalNode, ArmNode, CodeNode, ConcurrencyNode, ForEachNode, GatherNode, Live, Next, Node,
    NodeIx, NodeKind, Pausing, Plan,
};
pub use repeat::{CannotRepeat, Kept, before, but_failures};
pub use retry::delay;
pub use seed::{idempotency_key, seed};
pub use strand::{Gathered, Strand, digest, items, lanes, outset};
pub use variables::vars;
pub use walk::begin;
