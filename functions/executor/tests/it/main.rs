//! The executor over a whole deployment: what a run comes to whatever is delivered twice, fails, or dies on the way.

mod batches;
mod blocks;
mod claims;
mod completions;
mod credentials;
mod endings;
mod examples;
mod faults;
mod files;
mod large;
mod limits;
mod messages;
mod polls;
mod retries;
mod slots;
mod turns;
mod twice;
mod waits;
