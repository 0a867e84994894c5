//! What users do, from one end to the other.

mod sign_in;
mod webhook;
