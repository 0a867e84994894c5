//! From what was metered to dollars, by the price table of `docs/cost.md`.

use serde_json::Value;
use std::collections::BTreeMap;

/// Dollars per unit.
pub(crate) struct Prices(BTreeMap<String, f64>);

impl Prices {
    /// Reads the rows `| `key` | … | dollars | per |` of the document's price table.
    pub(crate) fn read(document: &str) -> Self {
        let mut prices = BTreeMap::new();
        for row in document.lines().filter(|l| l.starts_with("| `")) {
            let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
            if let [key, _, dollars, per, ..] = cells[..]
                && let (Ok(dollars), Ok(per)) = (dollars.parse::<f64>(), per.replace(',', "").parse::<f64>())
            {
                prices.insert(key.trim_matches('`').to_owned(), dollars / per);
            }
        }
        Self(prices)
    }

    fn of(&self, key: &str) -> f64 {
        *self.0.get(key).unwrap_or_else(|| panic!("docs/cost.md has no price for `{key}`"))
    }
}

pub(crate) struct Bill {
    pub(crate) per_million_steps: f64,
    /// Dollars per million steps, each.
    pub(crate) lines: Vec<(String, f64)>,
}

/// The write capacity units that were metered.
pub(crate) fn write_units(metered: &Value) -> f64 {
    let writes = metered.as_object().into_iter().flatten().filter(|(name, _)| {
        let operation = name.split([' ', '.']).nth(1).unwrap_or_default();
        name.starts_with("dynamodb")
            && matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem" | "TransactWriteItems")
    });
    writes.map(|(_, count)| count["units"].as_f64().unwrap_or(0.0)).sum()
}

/// Steps of the reference workflow.
const STEPS: f64 = 10.0;

/// What `runs` runs of the reference workflow would have cost.
///
/// What the local stack does not do itself is added by the document's assumptions: the API request, the invocations with their
/// time and memory, receiving and deleting messages one by one (no batching), the later look at the due entry, log bytes.
pub(crate) fn bill(metered: &Value, runs: usize, prices: &Prices) -> Bill {
    let runs = runs as f64;
    let mut lines: Vec<(String, f64)> = Vec::new();
    let mut messages = 0.0;
    for (name, count) in metered.as_object().into_iter().flatten() {
        let (calls, units) = (count["calls"].as_f64().unwrap_or(0.0), count["units"].as_f64().unwrap_or(0.0));
        let operation = name.split([' ', '.']).nth(1).unwrap_or_default();
        let price = match (name.split('.').next(), operation) {
            (Some("dynamodb"), "GetItem" | "Query" | "BatchGetItem" | "Scan") => "read",
            (Some("dynamodb"), _) => "write",
            (Some("sqs"), "SendMessage") => {
                messages += calls;
                "queue"
            }
            (Some("events"), _) => "event",
            _ => continue,
        };
        // The API's own reads, while the bench waits for the runs, are not part of a run.
        if is_of_the_bench(name) {
            continue;
        }
        let label = format!("{name}: {:.2} calls, {:.2} units a run", calls / runs, units / runs);
        lines.push((label, units / runs * prices.of(price)));
    }
    let per_run = messages / runs;
    let http_seconds = 6.0 * prices.of("assumed_http_seconds");
    let executor_seconds = http_seconds + per_run * prices.of("assumed_executor_seconds");
    lines.extend([
        (
            format!("sqs receive and delete, one by one: {per_run:.2} messages a run"),
            per_run * 2.0 * prices.of("queue"),
        ),
        ("HTTP API request".to_owned(), prices.of("api_request")),
        (
            format!("Lambda invocations: {:.2} a run", per_run + 1.0),
            (per_run + 1.0) * prices.of("invocation"),
        ),
        (
            format!("Lambda time: {executor_seconds:.2} s of the executor"),
            executor_seconds * prices.of("memory_gb") * prices.of("gb_second"),
        ),
        (
            "Lambda time: the webhook".to_owned(),
            prices.of("assumed_hook_seconds") * prices.of("memory_gb") * prices.of("gb_second"),
        ),
        ("the later look at the due entry: 1 read".to_owned(), 1.5 * prices.of("read")),
        ("log bytes".to_owned(), prices.of("assumed_log_bytes") * prices.of("log_byte")),
    ]);
    for line in &mut lines {
        line.1 *= 1_000_000.0 / STEPS;
    }
    Bill { per_million_steps: lines.iter().map(|(_, dollars)| dollars).sum(), lines }
}

/// What a month of an idle stack costs, by the document's table of what is always there: dollars at list prices, and after the
/// allowances that are always free. `reads` and `writes` are the units that a tick of the timer takes.
pub(crate) fn idle(reads: f64, writes: f64, prices: &Prices) -> (f64, f64, Vec<(String, f64)>) {
    let ticks = prices.of("idle_ticks");
    let fixed = [
        ("the keyring secret", "idle_secrets", "secret", None),
        ("looks into empty queues", "idle_polls", "queue_request", Some("free_queue_requests")),
        ("the timer's invocations", "idle_ticks", "invocation", Some("free_invocations")),
        ("the timer's time", "idle_gb_seconds", "gb_second", Some("free_gb_seconds")),
        ("the schedule", "idle_ticks", "schedule", Some("free_schedules")),
        ("essential alarms", "idle_alarms", "alarm", Some("free_alarms")),
        ("log bytes", "idle_log_bytes", "log_byte", Some("free_log_bytes")),
    ];
    let mut lines = vec![
        (format!("the timer's reads: {reads:.1} units a tick"), reads * ticks * prices.of("read"), None),
        (format!("the timer's writes: {writes:.1} units a tick"), writes * ticks * prices.of("write"), None),
    ];
    for (name, count, price, free) in fixed {
        let (count, price) = (prices.of(count), prices.of(price));
        let left = free.map(|free| (count - prices.of(free)).max(0.0) * price);
        lines.push((name.to_owned(), count * price, left));
    }
    let list = lines.iter().map(|(_, dollars, _)| dollars).sum();
    let after = lines.iter().map(|(_, dollars, left)| left.unwrap_or(*dollars)).sum();
    (list, after, lines.into_iter().map(|(name, dollars, _)| (name, dollars)).collect())
}

/// Listing runs queries the index and reads heads in batches; nothing else does.
fn is_of_the_bench(name: &str) -> bool {
    name.starts_with("dynamodb.Query patchbay-runs")
        || name.starts_with("dynamodb.BatchGetItem patchbay-runs")
}
