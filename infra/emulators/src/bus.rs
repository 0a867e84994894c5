//! A bus: every event goes into a queue, and those of rules to their functions, as they would be delivered by EventBridge.

use crate::cloud::{ACCOUNT, Answer, REGION};
use crate::meter::Meter;
use crate::sqs::Queue;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::mpsc::UnboundedSender;
use uuid::Uuid;

#[derive(Default)]
pub(crate) struct Bus {
    target: Mutex<Option<Arc<Queue>>>,
    rules: Mutex<Vec<Rule>>,
}

/// Events of one source and kind go to a function, which EventBridge calls and does not wait for.
struct Rule {
    source: String,
    detail_type: String,
    target: UnboundedSender<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PutEvents {
    entries: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    source: Option<String>,
    detail_type: Option<String>,
    detail: Option<String>,
    #[serde(default)]
    resources: Vec<String>,
}

impl Bus {
    pub(crate) fn deliver_to(&self, queue: Arc<Queue>) {
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Some(queue);
    }

    pub(crate) fn call(&self, source: &str, detail_type: &str, target: UnboundedSender<Value>) {
        let rule = Rule { source: source.to_owned(), detail_type: detail_type.to_owned(), target };
        self.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule);
    }

    pub(crate) fn answer(&self, operation: &str, body: &[u8], meter: &Meter) -> Answer {
        if operation != "PutEvents" {
            return Answer::error(
                400,
                "UnknownOperationException",
                &format!("`{operation}` is not emulated"),
            );
        }
        let request: PutEvents = match serde_json::from_slice(body) {
            Ok(request) => request,
            Err(e) => return Answer::error(400, "ValidationException", &e.to_string()),
        };
        if request.entries.is_empty() || request.entries.len() > 10 {
            return Answer::error(400, "ValidationException", "1 to 10 entries are taken");
        }
        let results: Vec<Value> = request.entries.into_iter().map(|entry| self.put(entry, meter)).collect();
        let failed = results.iter().filter(|r| r.get("ErrorCode").is_some()).count();
        Answer::ok(json!({"FailedEntryCount": failed, "Entries": results}).to_string())
    }

    fn put(&self, entry: Entry, meter: &Meter) -> Value {
        let refuse = |code: &str, message: &str| json!({"ErrorCode": code, "ErrorMessage": message});
        let (Some(source), Some(detail_type), Some(detail)) = (entry.source, entry.detail_type, entry.detail)
        else {
            return refuse("InvalidArgument", "source, detail type and detail are required");
        };
        if source.len() + detail_type.len() + detail.len() > 1024 * 1024 {
            return refuse("InvalidArgument", "the entry is larger than an event may be");
        }
        let Ok(detail @ Value::Object(_)) = serde_json::from_str::<Value>(&detail) else {
            return refuse("MalformedDetail", "detail is malformed");
        };
        let id = Uuid::new_v4().to_string();
        let time = jiff::Timestamp::now();
        let event = json!({
            "version": "0", "id": id, "detail-type": detail_type, "source": source, "account": ACCOUNT,
            "time": format!("{time:.0}"), "region": REGION, "resources": entry.resources, "detail": detail,
        });
        meter.add("events.PutEvents", 1.0);
        if let Some(queue) = self.target.lock().unwrap_or_else(PoisonError::into_inner).as_ref()
            && let Err(error) = queue.send(event.to_string(), None, std::time::Duration::ZERO)
        {
            return refuse("InternalFailure", &format!("the event was not kept: {error}"));
        }
        for rule in self.rules.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            if event["source"] == rule.source && event["detail-type"] == rule.detail_type {
                // Where nobody listens any more, the stack is being stopped.
                let _stopping = rule.target.send(event.clone());
            }
        }
        json!({"EventId": id})
    }
}
