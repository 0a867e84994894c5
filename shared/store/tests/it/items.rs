//! What every item has: a key that names its organisation, and a time to live.

use crate::accounts::owner;
use crate::tables::{NOW, Tables, failed, new_run, record, segment};
use crate::workflows::{first, meta, saved};
use domain::OrgId;
use domain::audit::Action;
use domain::limits::RETENTION;
use domain::run::{Answer, GatherRule, Gathered, NewRun, Slots};
use serde_json::json;
use std::time::Duration;
use store::{Claim, DueEntry, DueKind, DueStore, Gather, LowWater, RunStore};

/// One of everything.
async fn one_of_everything(t: &Tables) {
    let large = NewRun {
        input: json!((0..5000_u64).map(|n| n * n * 7919 % 10_007).collect::<Vec<_>>()),
        ..new_run(1)
    };
    t.store.create_run(&t.org, &large).await.unwrap();
    let head = t.head(&large.id).await;
    t.store.append(&t.org, &head, "", &segment("a", 1, json!(1)), None).await.unwrap();
    let Claim::Ours { held, .. } = t
        .store
        .claim(&t.org, &head, &store::Attempt::main("b", 1), NOW, Duration::from_secs(9))
        .await
        .unwrap()
    else {
        panic!()
    };
    t.store.append(&t.org, &head, "", &segment("b", 1, json!(1)), Some(held)).await.unwrap();
    t.store.claim(&t.org, &head, &store::Attempt::main("c", 1), NOW, Duration::from_secs(9)).await.unwrap();
    t.store
        .claim(
            &t.org,
            &head,
            &store::Attempt::main("c", 1),
            NOW.plus(Duration::from_secs(9)),
            Duration::from_secs(9),
        )
        .await
        .unwrap();
    let answer = Answer { status: 200, headers: Vec::new(), body: json!(1) };
    t.store.answer(&t.org, &head, &answer).await.unwrap();
    t.store.mark_waiting(&t.org, &head.id, NOW).await.unwrap();
    t.store.finish(&t.org, &head.id, &failed()).await.unwrap();
    for kind in [DueKind::Check, DueKind::Wake] {
        t.store
            .put_due(&DueEntry {
                org: t.org.clone(),
                run: head.id.clone(),
                strand: String::new(),
                kind,
                at: NOW,
                of: None,
                priority: domain::run::Priority::default(),
            })
            .await
            .unwrap();
    }
    let mut slots = Slots::default();
    slots.enter(&head.id, 1, true, head.deadline);
    assert!(t.store.put_slots(&t.org, "slots", &slots, 0).await.unwrap());
    let gathers = NewRun { gathers_until: Some(NOW), ..new_run(2) };
    t.store.create_run(&t.org, &gathers).await.unwrap();
    t.store.set_window(&t.org, "group", 1, gathers.deadline).await.unwrap();
    let event = Gathered::new("e1", NOW, json!({"n": 1}));
    let rule = GatherRule::Batch { size: 2, within: Duration::from_mins(1) };
    let added = t.store.gather(&t.org, &gathers.id, Some("group"), &rule, &event).await.unwrap();
    assert_eq!(added, Gather::Added { count: 1 });
    assert!(t.store.begin_gathered(&t.org, &gathers.id, &large.input).await.unwrap());
    t.store.set_low_water(&LowWater::up_to(1)).await.unwrap();
    let meta = meta(1);
    t.store.save_workflow(&t.org, &meta, &first(t, &meta), &saved()).await.unwrap();
    let (org, user) = owner(1);
    crate::accounts::one_of_everything(t, &user).await;
    t.store.create_first_owner(&org, &user, &t.org, &record(Action::OrgCreated)).await.unwrap();
}

#[tokio::test]
async fn no_item_of_a_run_is_forgotten_before_its_limit_and_the_retention_are_over() {
    let t = Tables::new().await;
    one_of_everything(&t).await;
    let items = t.scan(&t.names.runs).await;
    assert_eq!(
        items.len(),
        12,
        "two heads and inputs, answer, two segments, a claim, slots, a window, an event and its mark"
    );
    let run = new_run(1);
    let least = (run.deadline.plus(RETENTION).0 + 999) / 1000;
    for item in items {
        let ttl: i64 = item["ttl"].as_n().unwrap().parse().unwrap();
        // What a run gathers is in its input once it has begun: a day after the event at the latest.
        let gathered = item["sk"].as_s().unwrap().starts_with("ev#") && !item.contains_key("run");
        let least = if gathered { NOW.plus(RETENTION).0 / 1000 } else { least };
        assert!(ttl >= least, "{:?}: {ttl} < {least}", item["sk"]);
    }
    for item in t.scan(&t.names.due).await.iter().filter(|i| i["pk"].as_s().unwrap() != "low") {
        let ttl: i64 = item["ttl"].as_n().unwrap().parse().unwrap();
        assert!(ttl >= NOW.plus(Duration::from_hours(14 * 24)).0 / 1000);
    }
}

#[tokio::test]
async fn every_key_begins_with_an_organisation_or_a_system_prefix() {
    let t = Tables::new().await;
    one_of_everything(&t).await;
    let begins_with_org = |key: &str| key.split('#').next().is_some_and(|org| OrgId::parse(org).is_ok());
    let mut items = 0;
    for table in [&t.names.runs, &t.names.control, &t.names.due, &t.names.ledger] {
        for item in t.scan(table).await {
            let (pk, sk) = (item["pk"].as_s().unwrap(), item["sk"].as_s().unwrap());
            let system =
                ["hook#", "email#", "user#", "key#", "invite#", "reset#"].iter().any(|p| pk.starts_with(p))
                    || (pk == "system" && sk == "first");
            let due = table == &t.names.due && (pk == "low" || (pk.starts_with("m#") && begins_with_org(sk)));
            assert!(
                begins_with_org(pk) || (table == &t.names.control && system) || due,
                "{table}: {pk} {sk}"
            );
            assert!(item.get("lp").is_none_or(|lp| begins_with_org(lp.as_s().unwrap())));
            items += 1;
        }
    }
    assert_eq!(items, 12 + 3 + 18 + 5);
}
