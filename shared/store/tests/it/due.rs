//! Due entries: minutes, shards, low water.

use crate::tables::{NOW, Tables, new_run};
use domain::{Millis, RunId};
use std::collections::BTreeSet;
use std::time::Duration;
use store::{DueEntry, DueKind, DueStore, LowWater, Reading, SHARDS};

fn due(t: &Tables, n: u128, kind: DueKind, at: Millis) -> DueEntry {
    DueEntry {
        org: t.org.clone(),
        run: RunId::from_bytes(
            n.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835).to_be_bytes(),
        ),
        strand: String::new(),
        kind,
        at,
        of: None,
        priority: domain::run::Priority::default(),
    }
}

async fn in_minute(t: &Tables, minute: i64) -> Vec<DueEntry> {
    let mut found = Vec::new();
    for shard in 0..SHARDS {
        found.extend(t.store.due_in(minute, shard, Reading::Strong).await.unwrap());
    }
    found
}

#[tokio::test]
async fn an_entry_is_found_in_its_minute_and_in_no_other() {
    let t = Tables::new().await;
    let entries: Vec<DueEntry> =
        (0..200).map(|n| due(&t, n, DueKind::Check, Millis(NOW.0 + n as i64 * 1000))).collect();
    for entry in &entries {
        t.store.put_due(entry).await.unwrap();
    }
    let mut found = 0;
    for minute in NOW.0 / 60_000..=(NOW.0 + 200_000) / 60_000 {
        for entry in in_minute(&t, minute).await {
            assert_eq!(entry.minute(), minute);
            assert!(entries.contains(&entry));
            found += 1;
        }
    }
    assert_eq!(found, 200);
}

#[tokio::test]
async fn a_minute_is_spread_over_all_its_shards() {
    let t = Tables::new().await;
    for n in 0..300 {
        t.store.put_due(&due(&t, n, DueKind::Wake, NOW)).await.unwrap();
    }
    let partitions: BTreeSet<String> =
        t.scan(&t.names.due).await.iter().map(|i| i["pk"].as_s().unwrap().clone()).collect();
    assert_eq!(partitions.len(), usize::from(SHARDS));
}

#[tokio::test]
async fn a_wake_and_a_check_of_the_same_minute_are_two() {
    let t = Tables::new().await;
    let (check, wake) = (due(&t, 1, DueKind::Check, NOW), due(&t, 1, DueKind::Wake, NOW));
    for entry in [&check, &wake, &wake] {
        t.store.put_due(entry).await.unwrap();
    }
    assert_eq!(in_minute(&t, NOW.0 / 60_000).await.len(), 2);
    t.store.delete_due(&wake).await.unwrap();
    t.store.delete_due(&wake).await.unwrap();
    assert_eq!(in_minute(&t, NOW.0 / 60_000).await, [check]);
}

#[tokio::test]
async fn low_water_is_durable_and_no_entry() {
    let t = Tables::new().await;
    assert_eq!(t.store.low_water().await.unwrap(), LowWater::default());
    let mut low = LowWater::default();
    low.over[3] = Some(7);
    low.over[15] = Some(29_000_000);
    low.ahead[3] = Some(9);
    t.store.set_low_water(&low).await.unwrap();
    assert_eq!(t.store.low_water().await.unwrap(), low);
    t.store.put_due(&due(&t, 1, DueKind::Check, NOW)).await.unwrap();
    assert_eq!(t.store.all_due().await.unwrap().len(), 1);
}

#[tokio::test]
async fn all_entries_are_found_whatever_their_minute() {
    let t = Tables::new().await;
    for n in 0..120 {
        t.store.put_due(&due(&t, n, DueKind::Check, Millis(NOW.0 + n as i64 * 3_600_000))).await.unwrap();
    }
    assert_eq!(t.store.all_due().await.unwrap().len(), 120);
}

#[tokio::test]
async fn the_first_check_is_at_the_deadline_or_soon() {
    let t = Tables::new().await;
    let run = new_run(1).id;
    let late = DueEntry::first_check(&t.org, &run, NOW, Millis(NOW.0 + 86_400_000));
    assert_eq!(late.at, NOW.plus(Duration::from_mins(10)));
    let soon = DueEntry::first_check(&t.org, &run, NOW, Millis(NOW.0 + 1000));
    assert_eq!(
        soon.at,
        NOW.plus(Duration::from_mins(1)),
        "yet in a minute that no tick has passed when it is stored"
    );
}
