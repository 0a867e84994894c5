//! The timer over a whole deployment: what it must look at, it looks at, whatever was missed.

mod checks;
mod polls;
mod reconnects;
mod schedules;
mod ticks;
