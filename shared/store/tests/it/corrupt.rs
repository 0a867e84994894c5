//! Items that this code did not write are refused, not run into.

use crate::tables::{Tables, segment};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use domain::run::RunStatus;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use store::{RunStore, StoreError};

fn blob(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

#[tokio::test]
async fn a_head_that_is_not_readable_is_corrupt() {
    let bad = [
        ("st", AttributeValue::S("paused".into())),
        ("st", AttributeValue::N("1".into())),
        ("wf", AttributeValue::S("wf_1".into())),
        ("v", AttributeValue::S("one".into())),
        ("v", AttributeValue::N("-1".into())),
        ("ts", AttributeValue::S("today".into())),
        ("in", blob(&[])),
        ("in", blob(&[9, 1, 2])),
        ("in", blob(b"\0{")),
        ("in", blob(&[1, 255, 255])),
        ("er", blob(b"\0[]")),
        ("ob", blob(b"\0[\"nothing\"]")),
    ];
    for (attribute, value) in bad {
        let t = Tables::new().await;
        let id = t.start(1).await.id;
        t.spoil(&id, "h", attribute, value).await;
        let read = t.store.head(&t.org, &id, true).await;
        assert!(matches!(read, Err(StoreError::Corrupt(_))), "{attribute}: {read:?}");
    }
}

#[tokio::test]
async fn a_journal_that_is_not_readable_is_corrupt() {
    for (attribute, value) in [("e", blob(&[1, 7, 7])), ("e", blob(b"\0[{\"p\":1}]")), ("e", blob(b"\0{}"))] {
        let t = Tables::new().await;
        let head = t.start(1).await;
        t.store.append(&t.org, &head, "", &segment("a", 1, json!(1)), None).await.unwrap();
        t.spoil(&head.id, "j#a#1", attribute, value).await;
        assert!(matches!(t.store.journal(&t.org, &head.id).await, Err(StoreError::Corrupt(_))));
        let lost = t.store.append(&t.org, &head, "", &segment("a", 1, json!(2)), None).await;
        assert!(matches!(lost, Err(StoreError::Corrupt(_))));
    }
}

#[tokio::test]
async fn an_input_that_is_lost_is_corrupt_and_not_null() {
    let t = Tables::new().await;
    let id = t.start(1).await.id;
    t.client
        .update_item()
        .table_name(&t.names.runs)
        .key("pk", AttributeValue::S(format!("{}#{id}", t.org.org())))
        .key("sk", AttributeValue::S("h".into()))
        .update_expression("REMOVE #in")
        .expression_attribute_names("#in", "in")
        .send()
        .await
        .unwrap();
    assert!(matches!(t.store.head(&t.org, &id, true).await, Err(StoreError::Corrupt("in"))));
    assert_eq!(t.store.head(&t.org, &id, false).await.unwrap().unwrap().status, RunStatus::Queued);
}

/// Any JSON value of a size that tests can hold.
fn json_value() -> impl Strategy<Value = Value> {
    let number = any::<f64>().prop_filter("JSON has no infinity", |f| f.is_finite());
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        number.prop_map(Value::from),
        ".{0,400}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 60, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::vec((".{0,12}", inner), 0..8)
                .prop_map(|o| Value::Object(o.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_recorded_reads_back_the_same(value in json_value()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let t = Tables::new().await;
            let head = t.start(1).await;
            t.store.append(&t.org, &head, "", &segment("a", 1, value.clone()), None).await.unwrap();
            let journal = t.store.journal(&t.org, &head.id).await.unwrap();
            assert_eq!(journal.entries, segment("a", 1, value).entries);
        });
    }
}
