//! DynamoDB by dynoxide, called in process.

use crate::cloud::{Answer, CloudError};
use crate::meter::Meter;
use crate::reads::{Plain, Reads};
use crate::stream::{Stream, Trim};
use dynoxide::{Database, DynoxideError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

pub(crate) struct DynamoDb {
    /// Where the tables are a file: closed before them.
    reads: Option<Reads>,
    database: Database,
    /// Where it is a file.
    file: Option<PathBuf>,
}

impl DynamoDb {
    pub(crate) fn open(file: &Path) -> Result<Self, CloudError> {
        let database =
            Database::new(&file.to_string_lossy()).map_err(|e| CloudError::Tables(e.to_string()))?;
        // A commit must survive `kill -9`, for which the write-ahead log is enough; that of a power cut is not asked of a local
        // stack, and would cost a disk flush for each step.
        database.disable_bulk_loading().map_err(|e| CloudError::Tables(e.to_string()))?;
        Ok(Self { reads: Some(Reads::of(file)), database, file: Some(file.to_owned()) })
    }

    pub(crate) fn memory() -> Result<Self, CloudError> {
        let database = Database::memory().map_err(|e| CloudError::Tables(e.to_string()))?;
        Ok(Self { reads: None, database, file: None })
    }

    /// Reads the stream of a table, from the oldest record that is kept.
    pub(crate) fn stream(&self, table: &str) -> Result<Stream, CloudError> {
        let trim = self.file.as_deref().map(Trim::open).transpose()?;
        Stream::open(self.database.clone(), table, trim)
    }

    pub(crate) fn answer(&self, operation: &str, body: &[u8], meter: &Meter) -> Answer {
        let Some(reads) = &self.reads else { return self.by_dynoxide(operation, body, meter) };
        let Some(plain) = Plain::parse(operation, body) else {
            return self.by_dynoxide(operation, body, meter);
        };
        if let Some(read) = reads.read(&plain) {
            if meter.is_on() {
                meter.add(&format!("dynamodb.{operation} {}", plain.table), read.units);
            }
            return read.answer;
        }
        let answer = self.by_dynoxide(operation, body, meter);
        if answer.status == 200 {
            reads.learn(plain);
        }
        answer
    }

    #[cfg(test)]
    pub(crate) fn reads(&self) -> Option<&Reads> {
        self.reads.as_ref()
    }

    pub(crate) fn by_dynoxide(&self, operation: &str, body: &[u8], meter: &Meter) -> Answer {
        if !meter.is_on() {
            return self.dispatch(operation, body);
        }
        let answer = self.dispatch(operation, &with_capacity(operation, body));
        count(operation, &answer.body, meter);
        answer
    }

    fn dispatch(&self, operation: &str, body: &[u8]) -> Answer {
        let db = &self.database;
        match operation {
            "PutItem" => run(body, |r| db.put_item(r)),
            "GetItem" => run(body, |r| db.get_item(r)),
            "UpdateItem" => run(body, |r| db.update_item(r)),
            "DeleteItem" => run(body, |r| db.delete_item(r)),
            "Query" if asks_for_an_empty_key(body) => Answer::error(
                400,
                "ValidationException",
                "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string value.",
            ),
            "Query" => run(body, |r| db.query(r)),
            "Scan" => run(body, |r| db.scan(r)),
            "BatchGetItem" => run(body, |r| db.batch_get_item(r)),
            "BatchWriteItem" => run(body, |r| db.batch_write_item(r)),
            "TransactWriteItems" => run(body, |r| db.transact_write_items(r)),
            "TransactGetItems" => run(body, |r| db.transact_get_items(r)),
            "CreateTable" => run(body, |r| db.create_table(r)),
            "DescribeTable" => run(body, |r| db.describe_table(r)),
            "UpdateTable" => run(body, |r| db.update_table(r)),
            "UpdateTimeToLive" => run(body, |r| db.update_time_to_live(r)),
            _ => Answer::error(400, "UnknownOperationException", &format!("`{operation}` is not emulated")),
        }
    }
}

/// DynamoDB takes no empty text for a key, not even for one to begin with it; dynoxide does.
fn asks_for_an_empty_key(body: &[u8]) -> bool {
    const EMPTY: &[u8] = br#"{"S":""}"#;
    if !body.windows(EMPTY.len()).any(|window| window == EMPTY) {
        return false;
    }
    let Ok(query) = serde_json::from_slice::<Value>(body) else { return false };
    let condition = query["KeyConditionExpression"].as_str().unwrap_or_default();
    let values = query["ExpressionAttributeValues"].as_object().into_iter().flatten();
    let mut empty = values.filter(|(_, value)| value["S"] == "").map(|(name, _)| name);
    empty.any(|name| {
        condition.split(|c: char| !(c.is_alphanumeric() || c == ':' || c == '_')).any(|word| word == name)
    })
}

fn run<Q: DeserializeOwned, R: Serialize>(
    body: &[u8],
    call: impl FnOnce(Q) -> Result<R, DynoxideError>,
) -> Answer {
    let request = match serde_json::from_slice(body) {
        Ok(request) => request,
        Err(e) => return Answer::error(400, "SerializationException", &e.to_string()),
    };
    match call(request) {
        Ok(response) => Answer::ok(serde_json::to_string(&response).unwrap_or_default()),
        Err(error) => Answer { status: error.status_code(), body: error.to_json() },
    }
}

/// Asks for the capacity that the call consumes.
fn with_capacity<'a>(operation: &str, body: &'a [u8]) -> Cow<'a, [u8]> {
    const ASKS: &[u8] = br#"{"ReturnConsumedCapacity":"INDEXES","#;
    let bills = !matches!(operation, "CreateTable" | "DescribeTable" | "UpdateTable" | "UpdateTimeToLive");
    match body.strip_prefix(b"{") {
        Some(rest) if bills => Cow::Owned([ASKS, rest].concat()),
        _ => Cow::Borrowed(body),
    }
}

/// What an answer says of what it took; the rest is not looked at.
#[derive(Deserialize)]
struct Billed {
    #[serde(rename = "ConsumedCapacity")]
    consumed: Option<Consumed>,
    #[serde(rename = "__type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Consumed {
    One(OfTable),
    Each(Vec<OfTable>),
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OfTable {
    table_name: String,
    capacity_units: f64,
}

/// Adds what a response says was consumed. A write whose condition failed consumes too, but its answer does not say how much:
/// one unit is counted, which is what our heads and journal items take.
fn count(operation: &str, answer: &str, meter: &Meter) {
    let Ok(Billed { consumed, kind }) = serde_json::from_str(answer) else { return };
    let per_table = match consumed {
        Some(Consumed::Each(tables)) => tables,
        Some(Consumed::One(table)) => vec![table],
        None => Vec::new(),
    };
    if per_table.is_empty() && kind.is_some_and(|kind| kind.ends_with("ConditionalCheckFailedException")) {
        meter.add(&format!("dynamodb.{operation} (condition failed)"), 1.0);
    }
    for table in per_table {
        meter.add(&format!("dynamodb.{operation} {}", table.table_name), table.capacity_units);
    }
}

#[cfg(test)]
mod tests {
    use super::asks_for_an_empty_key;
    use serde_json::json;

    #[test]
    fn an_empty_text_is_refused_where_it_stands_for_a_key() {
        let query = |condition: &str, values| {
            json!({"KeyConditionExpression": condition, "ExpressionAttributeValues": values}).to_string()
        };
        let begins = "pk = :pk AND begins_with(sk, :prefix)";
        let asks = |text: String| asks_for_an_empty_key(text.as_bytes());
        assert!(asks(query(begins, json!({":pk": {"S": "a"}, ":prefix": {"S": ""}}))));
        assert!(asks(query("pk = :pk", json!({":pk": {"S": ""}}))));
        assert!(!asks(query(begins, json!({":pk": {"S": "a"}, ":prefix": {"S": "b"}}))));
        // In a filter it is a text like others.
        assert!(!asks(query("pk = :pk", json!({":pk": {"S": "a"}, ":pkx": {"S": ""}}))));
    }
}
