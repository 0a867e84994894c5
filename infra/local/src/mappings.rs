//! What starts functions apart from HTTP: event source mappings and the schedule.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use emulators::{ACCOUNT, Queue, REGION};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

const BATCH: usize = 10;

/// Feeds a queue to a handler, in batches, at most `concurrency` invocations at a time. Records that the handler does not report
/// as failed are deleted; the others become visible again when their time is over.
pub(crate) fn sqs<H, T>(queue: Arc<Queue>, concurrency: usize, handler: H)
where
    H: Fn(SqsEvent) -> T + Send + Sync + 'static,
    T: Future<Output = SqsBatchResponse> + Send + 'static,
{
    let handler = Arc::new(handler);
    let turns = Arc::new(Semaphore::new(concurrency));
    tokio::spawn(async move {
        loop {
            let Ok(turn) = turns.clone().acquire_owned().await else { return };
            let received = queue.receive(BATCH).await;
            let queue = queue.clone();
            let handler = handler.clone();
            tokio::spawn(async move {
                let records: Vec<&Value> = received.iter().map(|r| &r.record).collect();
                let event = json!({"Records": records}).to_string();
                match serde_json::from_str::<SqsEvent>(&event) {
                    Ok(event) => {
                        let response = handler(event).await;
                        let failed: HashSet<String> =
                            response.batch_item_failures.into_iter().map(|f| f.item_identifier).collect();
                        for message in &received {
                            if !message.record["messageId"].as_str().is_some_and(|id| failed.contains(id)) {
                                queue.delete(&message.handle);
                            }
                        }
                    }
                    Err(error) => tracing::error!(%error, "an SQS event could not be made"),
                }
                drop(turn);
            });
        }
    });
}

/// Calls a handler with each event of a rule, and does not wait for it, as EventBridge does with a function.
pub(crate) fn events<H, T>(mut events: UnboundedReceiver<Value>, handler: H)
where
    H: Fn(Value) -> T + Send + Sync + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            tokio::spawn(handler(event));
        }
    });
}

/// Calls the timer at each full minute, as the schedule does; at once for the first time.
pub(crate) fn every_minute(app: Arc<timer::App>) {
    tokio::spawn(async move {
        let mut minutes = tokio::time::interval(Duration::from_mins(1));
        minutes.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            minutes.tick().await;
            tracing::debug!(event = %scheduled_event(), "the schedule fires");
            match timer::tick(&app).await {
                Ok(done) if done.woken + done.checked > 0 => {
                    tracing::info!(
                        timer.woken = done.woken,
                        timer.checked = done.checked,
                        "looked at what was due"
                    );
                }
                Ok(_) => {}
                Err(error) => tracing::error!(%error, "the timer failed; the next minute goes on from there"),
            }
        }
    });
}

#[expect(clippy::disallowed_methods, reason = "EventBridge has a clock of its own")]
fn scheduled_event() -> Value {
    json!({
        "version": "0",
        "id": Uuid::new_v4().to_string(),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": ACCOUNT,
        "time": format!("{:.0}", jiff::Timestamp::now()),
        "region": REGION,
        "resources": [format!("arn:aws:events:{REGION}:{ACCOUNT}:rule/patchbay-every-minute")],
        "detail": {},
    })
}
