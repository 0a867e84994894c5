//! What is used, and what may be.

use crate::accounts::owner;
use crate::tables::{NOW, Tables, record};
use aws_sdk_dynamodb::types::AttributeValue;
use domain::audit::Action;
use domain::{Day, Figures, Quotas};
use store::{QuotaStore, Sequence, UsageStanding, UsageStore};

fn told(from: u32, to: u32) -> Vec<(Sequence, Figures)> {
    let one = Figures { steps: 2, ..Figures::start() };
    (from..=to).map(|n| (Sequence::parse(&n.to_string()).unwrap(), one)).collect()
}

#[tokio::test]
async fn what_is_counted_names_the_last_record_that_it_counts() {
    let t = Tables::new().await;
    let day = Day::of(NOW);
    let add =
        async |shard: &str, from, to| t.store.add_usage(&t.org, day, shard, &told(from, to)).await.unwrap();
    assert_eq!(add("a", 8, 12).await, 5);
    assert_eq!(add("a", 8, 12).await, 0, "twice");
    assert_eq!(add("a", 10, 15).await, 3, "overlapping");
    assert_eq!(add("a", 1, 7).await, 0, "what is older was counted before, or is another's");
    assert_eq!(add("b", 1, 100).await, 100, "another shard");
    assert_eq!(t.store.add_usage(&t.org, day, "a", &[]).await.unwrap(), 0);
    let (days, _) = t.store.usage(&t.org, day, day).await.unwrap();
    assert_eq!(days[&day], Figures { started: 108, steps: 216, ..Figures::default() });
    // Two items, which are forgotten after 400 days.
    let items = t.scan(&t.names.control).await;
    assert_eq!(items.len(), 2);
    let ttl = (day.plus(400).start().0 / 1000).to_string();
    for item in &items {
        assert_eq!(item["pk"], AttributeValue::S(format!("{}#usage", t.org.org())));
        assert_eq!(item["ttl"], AttributeValue::N(ttl.clone()));
        assert!(!item.contains_key("rf"), "what is nothing takes no room");
    }
}

#[tokio::test]
async fn days_are_told_apart_and_so_are_organisations() {
    let t = Tables::new().await;
    let day = Day::of(NOW);
    for (n, of) in [(1, -1), (2, 0), (3, 1)] {
        t.store.add_usage(&t.org, day.plus(of), "a", &told(1, n)).await.unwrap();
    }
    let started = async |from: i64, to: i64| {
        let (days, _) = t.store.usage(&t.org, day.plus(from), day.plus(to)).await.unwrap();
        days.values().map(|figures| figures.started).collect::<Vec<_>>()
    };
    assert_eq!(started(-5, 5).await, [1, 2, 3]);
    assert_eq!(started(0, 0).await, [2]);
    assert_eq!(started(-1, 0).await, [1, 2]);
    assert_eq!(started(2, 5).await, [0u64; 0]);
    assert!(t.store.usage(&t.other, day.plus(-5), day.plus(5)).await.unwrap().0.is_empty());
}

#[tokio::test]
async fn quotas_are_kept_with_the_record_that_tells_of_them() {
    let t = Tables::new().await;
    let (org, user) = owner(1);
    t.store.create_first_owner(&org, &user, &t.org, &record(Action::OrgCreated)).await.unwrap();
    let day = Day::of(NOW);
    assert_eq!(t.store.quotas(&t.org).await.unwrap(), Quotas::default());
    let quotas = Quotas { runs_per_day: Some(0), workflows: None, members: Some(u32::MAX) };
    t.store.set_quotas(&t.org, &quotas, &record(Action::QuotasChanged)).await.unwrap();
    t.store.add_usage(&t.org, day, "a", &told(1, 4)).await.unwrap();
    t.store.add_usage(&t.org, day.plus(1), "a", &told(1, 9)).await.unwrap();
    assert_eq!(t.store.quotas(&t.org).await.unwrap(), quotas);
    assert_eq!(t.store.standing(&t.org, day).await.unwrap(), UsageStanding { quotas, started: 4 });
    assert_eq!(t.store.usage(&t.org, day, day).await.unwrap().1, quotas);
    assert_eq!(t.store.standing(&t.other, day).await.unwrap(), UsageStanding::default());
    let ledger = t
        .store
        .ledger(&t.org, domain::Millis(0), domain::Millis(NOW.0 + 1), None, 10)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ledger.records.iter().filter(|r| r.action == Action::QuotasChanged).count(), 1);
    t.store.set_quotas(&t.org, &Quotas::default(), &record(Action::QuotasChanged)).await.unwrap();
    assert_eq!(t.store.quotas(&t.org).await.unwrap(), Quotas::default());
}

#[tokio::test]
async fn an_organisation_is_told_once_a_day_whoever_tells_it() {
    let t = Tables::new().await;
    let day = Day::of(NOW);
    let tell = async |day: Day| t.store.tell_once(&t.org, day, &record(Action::QuotaReached)).await.unwrap();
    assert!(tell(day).await);
    assert!(!tell(day).await);
    assert!(tell(day.plus(1)).await);
    assert!(t.store.tell_once(&t.other, day, &record(Action::QuotaReached)).await.unwrap());
    assert_eq!(t.scan(&t.names.ledger).await.len(), 3);
    assert!(t.scan(&t.names.tokens).await.iter().all(|item| item.contains_key("ttl")));
}
