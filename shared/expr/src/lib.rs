//! The crate's parts; its README is the page to read first.
#![doc = include_str!("../README.md")]

mod ast;
mod bound;
mod builtins;
mod cost;
mod expression;
mod failure;
mod functions;
mod iteration;
mod limits;
mod need;
mod operators;
mod outline;
mod output;
mod path;
pub mod pattern;
mod references;
mod render;
mod scan;
mod scope;
mod seed;
mod template;
mod tier;
mod transforms;
mod truth;

pub use expression::{Expression, evaluate_any, warm_up};
pub use failure::{EvalFailure, TemplateFault, codes};
pub use limits::Limits;
pub use outline::{Kind, Outline};
pub use references::References;
pub use render::{GuardedResults, Pending};
pub use scope::pruned;
pub use seed::Seed;
pub use template::Template;
pub use tier::Tier;
pub use transforms::{Example, Transform, transforms};
pub use truth::truthy;
