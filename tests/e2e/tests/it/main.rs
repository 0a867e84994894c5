//! Journeys through the real program.

mod journeys;
