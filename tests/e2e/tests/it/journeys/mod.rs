//! What users do, from one end to the other.

mod api_keys;
mod audit;
mod bus;
mod calls;
mod challenges;
mod concurrency;
mod conventions;
mod cycles;
mod erasure;
mod failures;
mod gather;
mod large;
mod manual;
mod members;
mod races;
mod repeats;
mod respond;
mod rollout;
mod samples;
mod sessions;
mod sign_in;
mod smoke;
mod tests;
mod versions;
mod waiting;
mod webhook;
