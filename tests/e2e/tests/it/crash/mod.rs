//! What a crash, a stop and a start leave behind: everything that was promised.

mod restart;
mod two_hundred_runs;
