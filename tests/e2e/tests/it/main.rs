//! Journeys through the real program.

#![expect(clippy::needless_pass_by_value, reason = "definitions are written in place, as `json!(…)`")]

mod bad_input;
mod crash;
mod demo;
mod isolation;
mod journeys;
mod openapi;
mod quickstart;
