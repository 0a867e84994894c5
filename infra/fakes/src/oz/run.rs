//! A run of an agent, and how it gets on while it is looked at.

use super::{PLAN, TERMINAL};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

/// From when a run is under way, and from when it is over, whoever looks.
const BEGINS: SignedDuration = SignedDuration::from_secs(10);
const ENDS: SignedDuration = SignedDuration::from_mins(1);

#[derive(Debug)]
pub(super) struct Run {
    pub(super) item: Value,
    pub(super) created: Timestamp,
    /// How often it was looked at.
    pub(super) looks: u32,
}

impl Run {
    pub(super) fn is(&self, state: &str) -> bool {
        self.item["state"] == state
    }

    pub(super) fn ended(&self) -> bool {
        TERMINAL.iter().any(|state| self.is(state))
    }

    pub(super) fn become_now(&mut self, state: &str, now: Timestamp) {
        self.item["state"] = json!(state);
        self.item["updated_at"] = json!(now.to_string());
    }

    /// Where the run is by now: a look moves it on, and so does time.
    pub(super) fn go_on(&mut self, now: Timestamp, looked: bool) {
        if self.ended() {
            return;
        }
        self.looks += u32::from(looked);
        let age = now.duration_since(self.created);
        if self.looks >= 3 || age >= ENDS {
            let prompt = self.item["prompt"].as_str().unwrap_or_default().to_owned();
            let (state, message) = if prompt.contains("[fail]") {
                (
                    "FAILED",
                    json!({ "message": "The agent gave up.", "error_code": "content_policy_violation", "retryable": false }),
                )
            } else if prompt.contains("[error]") {
                (
                    "ERROR",
                    json!({ "message": "The platform failed.", "error_code": "internal_error", "retryable": true }),
                )
            } else if prompt.contains("[block]") {
                ("BLOCKED", json!({ "message": "The agent waits for an answer." }))
            } else {
                ("SUCCEEDED", json!({ "message": "Done." }))
            };
            self.become_now(state, now);
            self.item["status_message"] = message;
            self.item["run_time"] = json!("PT42S");
            self.item["request_usage"] = json!({ "inference_cost": 1.5, "compute_cost": 0.5 });
            if state == "SUCCEEDED" {
                let at = now.to_string();
                self.item["artifacts"] = json!([
                    { "artifact_type": "PLAN", "created_at": at, "data": { "artifact_uid": PLAN, "document_uid": "document-fake", "title": "Plan" } },
                    { "artifact_type": "PULL_REQUEST", "created_at": at, "data": { "url": "https://github.com/example/repo/pull/1", "branch": "fake" } }
                ]);
            }
        } else if (self.looks >= 2 || age >= BEGINS) && !self.is("INPROGRESS") {
            self.become_now("INPROGRESS", now);
            self.item["started_at"] = json!(now.to_string());
        }
    }
}
