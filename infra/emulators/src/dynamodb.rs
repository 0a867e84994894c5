//! DynamoDB by dynoxide, called in process.

use crate::cloud::{Answer, CloudError};
use crate::meter::Meter;
use crate::stream::{Stream, Trim};
use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

pub(crate) struct DynamoDb {
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
        Ok(Self { database, file: Some(file.to_owned()) })
    }

    pub(crate) fn memory() -> Result<Self, CloudError> {
        let database = Database::memory().map_err(|e| CloudError::Tables(e.to_string()))?;
        Ok(Self { database, file: None })
    }

    /// Reads the stream of a table, from the oldest record that is kept.
    pub(crate) fn stream(&self, table: &str) -> Result<Stream, CloudError> {
        let trim = self.file.as_deref().map(Trim::open).transpose()?;
        Stream::open(self.database.clone(), table, trim)
    }

    pub(crate) fn answer(&self, operation: &str, body: &[u8], meter: &Meter) -> Answer {
        let metered;
        let body = if meter.is_on() {
            metered = with_capacity(operation, body);
            metered.as_slice()
        } else {
            body
        };
        let answer = self.dispatch(operation, body);
        if meter.is_on() {
            count(operation, &answer.body, meter);
        }
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
fn with_capacity(operation: &str, body: &[u8]) -> Vec<u8> {
    let bills = !matches!(operation, "CreateTable" | "DescribeTable" | "UpdateTable" | "UpdateTimeToLive");
    match serde_json::from_slice::<Value>(body) {
        Ok(Value::Object(mut request)) if bills => {
            request.insert("ReturnConsumedCapacity".to_owned(), "INDEXES".into());
            serde_json::to_vec(&request).unwrap_or_else(|_| body.to_vec())
        }
        _ => body.to_vec(),
    }
}

/// Adds what a response says was consumed. A write whose condition failed consumes too, but its answer does not say how much:
/// one unit is counted, which is what our heads and journal items take.
fn count(operation: &str, answer: &str, meter: &Meter) {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let consumed = &answer["ConsumedCapacity"];
    let per_table = match consumed {
        Value::Array(tables) => tables.iter().collect(),
        Value::Object(_) => vec![consumed],
        _ => Vec::new(),
    };
    if per_table.is_empty()
        && answer["__type"].as_str().is_some_and(|t| t.ends_with("ConditionalCheckFailedException"))
    {
        meter.add(&format!("dynamodb.{operation} (condition failed)"), 1.0);
    }
    for table in per_table {
        let name = table["TableName"].as_str().unwrap_or("?");
        meter.add(&format!("dynamodb.{operation} {name}"), table["CapacityUnits"].as_f64().unwrap_or(0.0));
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
