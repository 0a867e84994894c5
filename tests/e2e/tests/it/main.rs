//! Journeys through the real program.

mod bad_input;
mod crash;
mod journeys;
mod openapi;
mod quickstart;
