//! An event as EventBridge delivers it.

use dispatch::{DEPTH_RESOURCE, KEY_RESOURCE, ORG_RESOURCE, SOURCE};
use domain::OrgId;
use serde_json::Value;

/// An event, and what of it decides whose it is and whether it was seen before.
#[derive(Debug, Clone)]
pub struct BusRecord {
    /// The whole event: what patterns are matched against, and the scope's `trigger.event`.
    pub event: Value,
    /// The organisation that the event names.
    pub org: Option<OrgId>,
    /// Equal for deliveries of the same occurrence.
    pub key: String,
    /// How many runs led to the event.
    pub depth: u16,
}

/// A body on the event queue that is not an event.
#[derive(Debug, thiserror::Error)]
#[error("the body is not an EventBridge event: {0}")]
pub struct InvalidEvent(String);

impl BusRecord {
    pub fn parse(body: &str) -> Result<Self, InvalidEvent> {
        let event: Value = serde_json::from_str(body).map_err(|e| InvalidEvent(e.to_string()))?;
        let id = event["id"].as_str().ok_or_else(|| InvalidEvent("`id` is missing".to_owned()))?;
        let resource = |prefix: &str| {
            let mut resources = event["resources"].as_array().into_iter().flatten();
            resources.find_map(|r| r.as_str()?.strip_prefix(prefix).map(str::to_owned))
        };
        let org = resource(ORG_RESOURCE).and_then(|id| OrgId::parse(&id).ok());
        // An event that a step put names itself and says how deep it is; one that was put twice has the same name. A failed run's
        // is known by its run.
        let told = (event["source"].as_str(), event["detail"]["run"].as_str());
        let (key, depth) = if let Some(key) = resource(KEY_RESOURCE) {
            (
                format!("step:{key}"),
                resource(DEPTH_RESOURCE).and_then(|depth| depth.parse().ok()).unwrap_or(0),
            )
        } else if let (Some(SOURCE), Some(run)) = told {
            let kind = event["detail-type"].as_str().unwrap_or_default();
            let depth = event["detail"]["depth"].as_u64().unwrap_or(0);
            (format!("{kind}:{run}"), u16::try_from(depth.saturating_add(1)).unwrap_or(u16::MAX))
        } else {
            (format!("event:{id}"), 0)
        };
        Ok(Self { event, org, key, depth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn an_event_names_its_organisation_and_itself() {
        let org = OrgId::from_bytes([1; 16]);
        let body = json!({"id": "e1", "source": "shop", "resources": ["arn:aws:s3:::x", format!("patchbay:org/{org}")], "detail": {}});
        let record = BusRecord::parse(&body.to_string()).unwrap();
        assert_eq!((record.org, record.key.as_str(), record.depth), (Some(org), "event:e1", 0));
    }

    proptest! {
        /// Whatever comes off the bus is read or refused, and belongs to whom its resource names.
        #[test]
        fn any_body_is_read_or_refused(id in any_json(), resources in any_json(), source in any_json(), detail in any_json(), depth in any::<u64>()) {
            let with_depth = json!({"run": "run_x", "depth": depth});
            for detail in [detail, with_depth] {
                for source in [source.clone(), json!("patchbay")] {
                    let body = json!({"id": id, "resources": resources, "source": source, "detail-type": "Run failed", "detail": detail});
                    if let Ok(record) = BusRecord::parse(&body.to_string()) {
                        prop_assert!(id.is_string() && !record.key.is_empty() && record.event == body);
                        let named = resources.as_array().is_some_and(|r| r.iter().any(|r| r.as_str().is_some_and(|r| r.starts_with(ORG_RESOURCE))));
                        prop_assert!(record.org.is_none() || named);
                    }
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
            let _read_or_refused = BusRecord::parse(&text);
        }
    }

    /// Texts, numbers, lists and objects, some of them of our own making.
    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "\\PC{0,12}".prop_map(Value::from),
            "patchbay:(org/org_|key/|depth/)[0-9a-z]{0,26}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z]{1,6}", inner, 0..4).prop_map(|m| m.into_iter().collect()),
            ]
        })
    }

    #[test]
    fn our_own_events_are_known_by_their_run_and_go_deeper() {
        let body = json!({"id": "e1", "source": "patchbay", "detail-type": "Run failed", "detail": {"run": "run_x", "depth": 3}});
        let record = BusRecord::parse(&body.to_string()).unwrap();
        assert_eq!((record.key.as_str(), record.depth), ("Run failed:run_x", 4));
    }

    #[test]
    fn an_event_of_a_step_is_known_by_its_key() {
        let of = |key: &str| {
            let resources = [format!("patchbay:key/{key}"), "patchbay:depth/3".to_owned()];
            let body = json!({"id": "e1", "source": "patchbay", "detail-type": "Approval requested", "resources": resources, "detail": {"run": "run_x"}});
            BusRecord::parse(&body.to_string()).unwrap()
        };
        assert_eq!((of("a").key.as_str(), of("a").depth), ("step:a", 3));
        assert_ne!(of("a").key, of("b").key, "two questions of one run are two events");
    }

    #[test]
    fn what_is_no_event_is_refused() {
        assert!(BusRecord::parse("{").is_err());
        assert!(BusRecord::parse("{\"source\": \"x\"}").is_err());
    }
}
