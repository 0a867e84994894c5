//! What makes a repetition the same: seeds and idempotency keys.

use crate::Context;
use domain::id::{base32, digest16};
use domain::run::Head;
use expr::Seed;

/// The seed of `$now`, `$random` and ids in a step: the same for every attempt and every machine (protocol rule 6).
pub fn seed(head: &Head, path: &str, context: &Context) -> Seed {
    let digest = digest16(&["seed", head.id.as_str(), path, &head.epoch.to_string()]);
    let mut random = [0; 8];
    random.copy_from_slice(&digest[..8]);
    Seed { now_ms: context.clock.0, random: u64::from_be_bytes(random) }
}

/// The key that every attempt of an effect is sent under (protocol rule 10).
pub fn idempotency_key(head: &Head, path: &str) -> String {
    format!("pb_{}", base32(digest16(&["effect", head.id.as_str(), path, &head.epoch.to_string()])))
}
