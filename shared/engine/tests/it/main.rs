//! The step machine: faults, transitions, replay, live sets.

mod compile;
mod decide;
mod replay;
mod validate;
