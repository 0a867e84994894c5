//! Faults that a test asks for: what goes wrong with the next requests.

use crate::call::Call;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What every fake can be made to do, next to any status from 400 to 599 and what the vendor itself offers.
pub(crate) const COMMON: [&str; 8] =
    ["timeout", "timeout_after_commit", "reset", "reset_after_commit", "html", "empty", "truncated", "slow"];

/// What is to go wrong, and with which requests.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    pub fault: String,
    /// With so many requests.
    #[serde(default = "one")]
    pub next: u32,
    /// After so many that it spares.
    #[serde(default)]
    pub after: u32,
    /// Only with requests whose path contains this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How long `timeout…` and `slow` take, and what `Retry-After` says of a status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seconds: Option<u64>,
}

const fn one() -> u32 {
    1
}

/// A fault that meets one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The vendor's own words for this status.
    Status(u16, Option<u64>),
    /// Nothing is done and nothing answered for this time; then the connection is closed.
    Timeout(Duration),
    /// The request is done; then as [`Fault::Timeout`].
    TimeoutAfterCommit(Duration),
    /// Nothing is done, and the connection is closed.
    Reset,
    ResetAfterCommit,
    /// A page of a proxy instead of an answer.
    Html,
    /// The request is done, and answered with nothing.
    Empty,
    /// The request is done, and half of the answer arrives.
    Truncated,
    Slow(Duration),
    /// What only this vendor does.
    Own(String),
}

impl Plan {
    fn fault(&self) -> Fault {
        let time = |default| Duration::from_secs(self.seconds.unwrap_or(default));
        if let Ok(status) = self.fault.parse() {
            return Fault::Status(status, self.seconds);
        }
        match self.fault.as_str() {
            "timeout" => Fault::Timeout(time(30)),
            "timeout_after_commit" => Fault::TimeoutAfterCommit(time(30)),
            "reset" => Fault::Reset,
            "reset_after_commit" => Fault::ResetAfterCommit,
            "html" => Fault::Html,
            "empty" => Fault::Empty,
            "truncated" => Fault::Truncated,
            "slow" => Fault::Slow(time(2)),
            own => Fault::Own(own.to_owned()),
        }
    }

    fn meets(&self, call: &Call) -> bool {
        self.path.as_ref().is_none_or(|part| call.path.contains(part.as_str()))
            && self.method.as_ref().is_none_or(|method| call.method.as_str().eq_ignore_ascii_case(method))
    }
}

/// The faults of a fake that have not happened yet.
#[derive(Debug, Default)]
pub struct Faults {
    plans: Mutex<Vec<Plan>>,
}

impl Faults {
    /// Plans a fault; `own` is what the vendor offers. What nobody knows is refused.
    pub fn plan(&self, plan: Plan, own: &[&str]) -> Result<(), String> {
        let status = plan.fault.parse::<u16>().is_ok_and(|status| (400..600).contains(&status));
        if !status && !COMMON.contains(&plan.fault.as_str()) && !own.contains(&plan.fault.as_str()) {
            return Err(format!(
                "`{}` is not a fault of this fake: it has a status from 400 to 599, {}{}{}",
                plan.fault,
                COMMON.join(", "),
                if own.is_empty() { "" } else { ", " },
                own.join(", ")
            ));
        }
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).push(plan);
        Ok(())
    }

    /// The fault that meets this request, if any: the plan that was made first.
    pub fn next(&self, call: &Call) -> Option<Fault> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        let at = plans.iter().position(|plan| plan.meets(call))?;
        let plan = &mut plans[at];
        if plan.after > 0 {
            plan.after -= 1;
            return None;
        }
        let fault = plan.fault();
        plan.next = plan.next.saturating_sub(1);
        if plan.next == 0 {
            plans.remove(at);
        }
        Some(fault)
    }

    pub fn planned(&self) -> Vec<Plan> {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn reset(&self) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn plan(value: serde_json::Value) -> Plan {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_fault_meets_the_requests_it_was_planned_for() {
        let faults = Faults::default();
        faults.plan(plan(json!({"fault": "503", "next": 2, "after": 1, "path": "/b"})), &[]).unwrap();
        let (a, b) = (Call::for_test("GET", "/a"), Call::for_test("GET", "/b"));
        assert_eq!(faults.next(&a), None);
        assert_eq!(faults.next(&b), None, "one is spared");
        assert_eq!(faults.next(&b), Some(Fault::Status(503, None)));
        assert_eq!(faults.next(&b), Some(Fault::Status(503, None)));
        assert_eq!(faults.next(&b), None);
        assert!(faults.planned().is_empty());
    }

    #[test]
    fn an_unknown_fault_is_refused_and_a_vendors_own_is_not() {
        let faults = Faults::default();
        assert!(faults.plan(plan(json!({"fault": "refusal"})), &[]).unwrap_err().contains("truncated"));
        assert!(faults.plan(plan(json!({"fault": "200"})), &[]).is_err());
        faults.plan(plan(json!({"fault": "refusal"})), &["refusal"]).unwrap();
        assert_eq!(faults.next(&Call::for_test("GET", "/")), Some(Fault::Own("refusal".into())));
    }
}
