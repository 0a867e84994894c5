//! What starts functions apart from HTTP: event source mappings and the schedule.

use crate::filter;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use emulators::{ACCOUNT, Queue, REGION, Stream};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

const BATCH: usize = 10;
/// How many records of a stream one invocation gets, and how often the stream is looked at. A deployment gathers them for longer.
const RECORDS: usize = 1_000;
const LOOKS: Duration = Duration::from_secs(1);

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

/// Feeds a stream to the function that counts, batch by batch, each until it is dealt with: what comes after waits.
pub(crate) fn stream(mut changes: Stream, app: stream::App) {
    let patterns = filter::patterns();
    tokio::spawn(async move {
        let mut looks = tokio::time::interval(LOOKS);
        looks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            looks.tick().await;
            while let Some(full) = one_batch(&mut changes, &app, &patterns).await {
                if !full {
                    break;
                }
            }
        }
    });
}

/// Whether there may be more; `None` if it failed, and is to come again.
async fn one_batch(changes: &mut Stream, app: &stream::App, patterns: &[Value]) -> Option<bool> {
    let failed = |error: &dyn std::error::Error| tracing::error!(%error, "the stream could not be dealt with; it comes again");
    let records = changes.next(RECORDS).map_err(|e| failed(&e)).ok()?;
    let wanted: Vec<&Value> =
        records.iter().filter(|record| filter::lets_through(patterns, record)).collect();
    if !wanted.is_empty() {
        // Through text, as Lambda hands it over.
        let event = json!({"Records": wanted, "shardId": changes.shard(), "eventSourceARN": changes.arn()})
            .to_string();
        let event = serde_json::from_str(&event).map_err(|e| failed(&e)).ok()?;
        // In a task of its own: a panic fails this invocation only, as in Lambda.
        let app = app.clone();
        let done = tokio::spawn(async move { stream::batch(&app, event).await });
        done.await.map_err(|e| failed(&e)).ok()?.map_err(|e| failed(&e)).ok()?;
    }
    changes.done(&records).map_err(|e| failed(&e)).ok()?;
    Some(records.len() == RECORDS)
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
