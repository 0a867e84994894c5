//! The stream of a table, read as Lambda's event source mapping reads it.
//!
//! dynoxide keeps every record of a stream, and to number the next one looks at all that it keeps. So what was dealt with is deleted
//! behind its back, where the tables are a file: in memory they are small, and soon gone.

use crate::cloud::CloudError;
use dynoxide::actions::describe_stream::DescribeStreamRequest;
use dynoxide::actions::get_records::GetRecordsRequest;
use dynoxide::actions::get_shard_iterator::GetShardIteratorRequest;
use dynoxide::actions::list_streams::ListStreamsRequest;
use dynoxide::{Database, DynoxideError};
use rusqlite::{Connection, params};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;

/// The reader of a stream. It has one shard: dynoxide has no more.
#[allow(missing_debug_implementations, reason = "the database has none")]
pub struct Stream {
    database: Database,
    table: String,
    arn: String,
    shard: String,
    /// The last record that was dealt with.
    after: Option<String>,
    trim: Option<Trim>,
}

impl Stream {
    pub(crate) fn open(database: Database, table: &str, trim: Option<Trim>) -> Result<Self, CloudError> {
        let wanted = ListStreamsRequest { table_name: Some(table.to_owned()), ..Default::default() };
        let streams = database.list_streams(wanted).map_err(|e| failed(&e))?.streams;
        let arn = match streams.into_iter().next() {
            Some(stream) => stream.stream_arn,
            None => return Err(CloudError::Tables(format!("the table `{table}` has no stream"))),
        };
        let wanted = DescribeStreamRequest { stream_arn: arn.clone(), ..Default::default() };
        let shards = database.describe_stream(wanted).map_err(|e| failed(&e))?.stream_description.shards;
        let shard = match shards.into_iter().next() {
            Some(shard) => shard.shard_id,
            None => return Err(CloudError::Tables(format!("the stream of `{table}` has no shard"))),
        };
        Ok(Self { database, table: table.to_owned(), arn, shard, after: None, trim })
    }

    pub fn arn(&self) -> &str {
        &self.arn
    }

    pub fn shard(&self) -> &str {
        &self.shard
    }

    /// The next records, at most so many, as a function gets them.
    pub fn next(&self, limit: usize) -> Result<Vec<Value>, CloudError> {
        let from = GetShardIteratorRequest {
            stream_arn: self.arn.clone(),
            shard_id: self.shard.clone(),
            shard_iterator_type: if self.after.is_some() { "AFTER_SEQUENCE_NUMBER" } else { "TRIM_HORIZON" }
                .to_owned(),
            sequence_number: self.after.clone(),
        };
        let from = self.database.get_shard_iterator(from).map_err(|e| failed(&e))?;
        let from =
            GetRecordsRequest { shard_iterator: from.shard_iterator.unwrap_or_default(), limit: Some(limit) };
        let found = self.database.get_records(from).map_err(|e| failed(&e))?;
        let records = found.records.iter().map(|record| {
            let mut record = serde_json::to_value(record).map_err(|e| CloudError::Tables(e.to_string()))?;
            record["eventSourceARN"] = self.arn.clone().into();
            Ok(record)
        });
        records.collect()
    }

    /// Says that these records were dealt with: they do not come again.
    pub fn done(&mut self, records: &[Value]) -> Result<(), CloudError> {
        let Some(last) = records.last().and_then(|record| record["dynamodb"]["SequenceNumber"].as_str())
        else {
            return Ok(());
        };
        self.after = Some(last.to_owned());
        match &self.trim {
            Some(trim) => trim.up_to(&self.table, last),
            None => Ok(()),
        }
    }

    /// How many records are kept, and their size; in a file.
    pub fn kept(&self) -> Result<(u64, u64), CloudError> {
        self.trim.as_ref().map_or(Ok((0, 0)), |trim| trim.kept(&self.table))
    }
}

fn failed(error: &DynoxideError) -> CloudError {
    CloudError::Tables(error.to_string())
}

/// A second connection to the file of the tables.
pub(crate) struct Trim {
    connection: Connection,
}

/// What dynoxide adds to a number before it shows it.
const SHOWN: u128 = 100_000_000_000_000_000_000;

impl Trim {
    pub(crate) fn open(file: &Path) -> Result<Self, CloudError> {
        let open = || {
            let connection = Connection::open(file)?;
            // As long as dynoxide itself waits for whoever is writing.
            connection.busy_timeout(Duration::from_secs(5))?;
            connection.pragma_update(None, "synchronous", "NORMAL")?;
            // With it, numbering a record and finding the next ones do not look at all of them.
            connection.execute_batch(
                "CREATE INDEX IF NOT EXISTS patchbay_stream ON _stream_records (table_name, CAST(sequence_number AS INTEGER))",
            )?;
            Ok(Self { connection })
        };
        open().map_err(|e: rusqlite::Error| CloudError::Tables(e.to_string()))
    }

    /// Deletes the records up to this one, but for the newest of all, by which the next one is numbered.
    fn up_to(&self, table: &str, last: &str) -> Result<(), CloudError> {
        let last = last.parse::<u128>().ok().and_then(|n| i64::try_from(n.checked_sub(SHOWN)?).ok());
        let Some(last) = last else {
            return Err(CloudError::Tables("a record of a stream has a number that is none".to_owned()));
        };
        self.connection
            .execute(
                "DELETE FROM _stream_records WHERE table_name = ?1 AND CAST(sequence_number AS INTEGER) <= ?2
                 AND CAST(sequence_number AS INTEGER) <
                     (SELECT MAX(CAST(sequence_number AS INTEGER)) FROM _stream_records WHERE table_name = ?1)",
                params![table, last],
            )
            .map(|_| ())
            .map_err(|e| CloudError::Tables(e.to_string()))
    }

    fn kept(&self, table: &str) -> Result<(u64, u64), CloudError> {
        let counted = self.connection.query_row(
            "SELECT COUNT(*), COALESCE(SUM(LENGTH(keys_json) + COALESCE(LENGTH(new_image), 0) + COALESCE(LENGTH(old_image), 0)), 0)
             FROM _stream_records WHERE table_name = ?1",
            params![table],
            |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)),
        );
        let (count, bytes) = counted.map_err(|e| CloudError::Tables(e.to_string()))?;
        Ok((u64::try_from(count).unwrap_or(0), u64::try_from(bytes).unwrap_or(0)))
    }
}
