//! Whatever is sent: a clear refusal or a failed step with a stable code; nothing is lost, and nothing else is disturbed.

mod definitions;
mod evaluate;
mod expressions;
mod hooks;
mod requests;
mod sign_in;
mod targets;
