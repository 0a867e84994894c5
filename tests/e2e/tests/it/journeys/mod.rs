//! What users do, from one end to the other.

mod bus;
mod calls;
mod challenges;
mod concurrency;
mod cycles;
mod failures;
mod gather;
mod large;
mod manual;
mod races;
mod repeats;
mod respond;
mod rollout;
mod samples;
mod sign_in;
mod smoke;
mod tests;
mod versions;
mod waiting;
mod webhook;
