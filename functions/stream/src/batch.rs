//! One batch of a shard.

use crate::App;
use crate::event::{Done, StreamEvent};
use aws_lambda_events::dynamodb::EventRecord;
use domain::{Day, Figures, OrgKey};
use futures::stream::{self, StreamExt};
use std::collections::HashMap;
use store::{Counted, Sequence, StoreError};
use tracing::{debug, error, warn};

/// How many items are written at a time.
const AT_ONCE: usize = 8;
/// What a shard is called that nobody named: a stream with one shard, and a mapping without a window.
const ONLY: &str = "only";

/// What the records of a batch tell of an organisation's day, in their order.
type Told = HashMap<(OrgKey, Day), Vec<(Sequence, Figures)>>;

/// Counts the records of a batch. An error means that the whole of it is to come again: what was counted is not counted anew.
pub async fn batch(app: &App, event: StreamEvent) -> Result<Done, StoreError> {
    if event.shard.is_none() && !event.records.is_empty() {
        warn!(
            "a batch does not say which shard it is of: without a window in the mapping, only a stream of one shard is counted right"
        );
    }
    let shard = event.shard.as_deref().unwrap_or(ONLY);
    let records = event.records.len();
    let mut told = Told::new();
    for record in event.records {
        let id = record.event_id.clone();
        match read(record) {
            Ok(Some((sequence, counted))) => {
                for (day, figures) in counted.days {
                    told.entry((counted.org.clone(), day)).or_default().push((sequence.clone(), figures));
                }
            }
            Ok(None) => {}
            // It will not be readable the next time either.
            Err(cause) => {
                error!(error = %cause, event.id = id, "a record of the stream is not readable; it is not counted");
            }
        }
    }
    let writes = told.into_iter().map(|((org, day), mut records)| async move {
        // They come in order; an item that would be told otherwise would count some of them twice.
        records.sort_by(|(one, _), (other, _)| one.cmp(other));
        app.usage.add_usage(&org, day, shard, &records).await
    });
    // All of them come to an end: what is written needs not to be written again.
    let written: Vec<_> = stream::iter(writes).buffer_unordered(AT_ONCE).collect().await;
    let mut counted = 0;
    for outcome in written {
        match outcome {
            Ok(records) => counted += records,
            // An item that cannot be read will not be readable the next time either, and would hold up all organisations.
            Err(StoreError::Corrupt(what)) => error!(
                item.attribute = what,
                "what was counted before is not readable; nothing is added to it"
            ),
            Err(error) => return Err(error),
        }
    }
    debug!(stream.records = records, stream.counted = counted, "usage was counted");
    Ok(Done::default())
}

fn read(record: EventRecord) -> Result<Option<(Sequence, Counted)>, StoreError> {
    let change = record.change;
    let sequence = change.sequence_number.as_deref().and_then(Sequence::parse);
    let sequence = sequence.ok_or(StoreError::Corrupt("SequenceNumber"))?;
    let counted = Counted::read(change.old_image.into(), change.new_image.into())?;
    Ok(counted.map(|counted| (sequence, counted)))
}
