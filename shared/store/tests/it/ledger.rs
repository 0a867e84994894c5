//! The ledger: every record is told once, newest first, however the pages fall; none is ever replaced.

use crate::tables::{NOW, Tables, record};
use domain::Millis;
use domain::audit::{Action, Record};
use proptest::prelude::*;

const DAY: i64 = 24 * 3_600_000;
const END: Millis = Millis(NOW.0 + 400 * DAY);

async fn read(t: &Tables, from: Millis, to: Millis, limit: usize) -> Vec<Record> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = t.store.ledger(&t.org, from, to, after.as_deref(), limit).await.unwrap().unwrap();
        assert!(page.records.len() <= limit);
        all.extend(page.records);
        after = page.next;
        if after.is_none() {
            return all;
        }
    }
}

fn at(days: i64) -> Record {
    Record { at: Millis(NOW.0 + days * DAY), ..record(Action::WorkflowChanged) }
}

#[tokio::test]
async fn a_record_is_added_and_never_replaced() {
    let t = Tables::new().await;
    let one = record(Action::SignedIn);
    t.store.record(&t.org, &one).await.unwrap();
    assert!(t.store.record(&t.org, &Record { actor_name: "eve".into(), ..one.clone() }).await.is_err());
    assert_eq!(read(&t, Millis(0), END, 10).await, [one]);
    assert_eq!(t.store.ledger(&t.other, NOW, END, None, 10).await.unwrap().unwrap().records, []);
    for bad in ["", "2026-03", "x/y", "9999/1/"] {
        assert_eq!(t.store.ledger(&t.org, NOW, END, Some(bad), 10).await.unwrap(), None, "{bad}");
    }
}

/// Found by the test below: DynamoDB refuses a range that ends before it begins.
#[tokio::test]
async fn a_time_that_ends_before_it_begins_holds_nothing() {
    let t = Tables::new().await;
    t.store.record(&t.org, &at(0)).await.unwrap();
    assert_eq!(read(&t, Millis(NOW.0 + 5 * DAY), NOW, 10).await, []);
    assert_eq!(read(&t, NOW, NOW, 10).await, []);
}

#[test]
fn pages_tell_each_record_once_whatever_lies_between() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = ProptestConfig { cases: 12, ..ProptestConfig::default() };
    proptest!(config, |(days in prop::collection::vec(0_i64..380, 0..40), limit in 1_usize..8,
                        from in 0_i64..380, to in 0_i64..400)| {
        runtime.block_on(async {
            let t = Tables::new().await;
            let mut wanted = Vec::new();
            for day in days {
                let record = at(day);
                t.store.record(&t.org, &record).await.unwrap();
                if (from..to).contains(&day) {
                    wanted.push(record);
                }
            }
            wanted.sort_by(|a, b| (b.at, b.id.as_str()).cmp(&(a.at, a.id.as_str())));
            let edge = |days: i64| Millis(NOW.0 + days * DAY);
            assert_eq!(read(&t, edge(from), edge(to), limit).await, wanted);
        });
    });
}
