//! Plain paths: exact on big integers, and JSONata's meaning in every shape of data.

use expr::{Limits, Tier};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{SEED, expression, plain};

fn resolve(source: &str, scope: &Value) -> Option<Value> {
    let expression = expression(source);
    assert_eq!(expression.tier(), Tier::Path, "{source}");
    expression.evaluate_in_place(scope, &SEED, &Limits::default()).unwrap()
}

#[test]
fn big_integers_stay_exact() {
    let scope = json!({"trigger": {"body": {"id": 9_007_199_254_740_993_i64, "max": u64::MAX, "items": [{"id": 9_007_199_254_740_993_i64}, {"id": 2}]}}});
    assert_eq!(resolve("trigger.body.id", &scope), Some(json!(9_007_199_254_740_993_i64)));
    assert_eq!(resolve("trigger.body.max", &scope), Some(json!(u64::MAX)));
    assert_eq!(resolve("trigger.body.items.id", &scope), Some(json!([9_007_199_254_740_993_i64, 2])));
    assert_eq!(resolve("trigger.body.items[0].id", &scope), Some(json!(9_007_199_254_740_993_i64)));
}

#[test]
fn odd_names_are_quoted_either_way() {
    let scope = json!({"trigger": {"headers": {"webhook-id": "msg_1", "a b": {"c": [1]}}}});
    for source in
        ["trigger.headers.'webhook-id'", "trigger.headers.\"webhook-id\"", "trigger.headers.`webhook-id`"]
    {
        assert_eq!(resolve(source, &scope), Some(json!("msg_1")));
    }
    assert_eq!(resolve("trigger.headers.'a b'.c[0]", &scope), Some(json!(1)));
}

#[test]
fn arrays_map_flatten_and_unwrap() {
    let scope = json!({"a": [{"b": [1, 2]}, {"b": 3}, {}, null, 7], "one": [{"b": 1}], "nested": [[{"b": 1}], [{"b": [2]}]], "empty": {"list": []}, "single": {"list": [5]}});
    for (source, expected) in [
        ("a.b", Some(json!([1, 2, 3]))),
        ("a.b[0]", Some(json!([1, 3]))),
        ("a[0].b", Some(json!([1, 2]))),
        ("a[0].b[1]", Some(json!(2))),
        ("a[9]", None),
        ("one.b", Some(json!(1))),
        ("nested.b", Some(json!([1, 2]))),
        ("empty.list", Some(json!([]))),
        ("single.list", Some(json!([5]))),
        ("single.list[0]", Some(json!(5))),
        ("empty.nothing.more", None),
    ] {
        assert_eq!(resolve(source, &scope), expected, "{source}");
        assert_eq!(plain(source, &scope).unwrap(), expected, "the engine on {source}");
    }
}

fn data() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-5_i64..5).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(5, 48, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[abc]", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn path() -> impl Strategy<Value = String> {
    let step = ("[abc]", prop::collection::vec(0_usize..3, 0..3));
    prop::collection::vec(step, 1..5).prop_map(|steps| {
        let steps = steps
            .into_iter()
            .map(|(name, indexes)| indexes.into_iter().fold(name, |step, index| format!("{step}[{index}]")));
        steps.collect::<Vec<_>>().join(".")
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_path_means_what_the_engine_means(a in data(), b in data(), c in data(), source in path()) {
        let scope = json!({"a": a, "b": b, "c": c});
        prop_assert_eq!(resolve(&source, &scope), plain(&source, &scope).unwrap(), "{}", source);
    }
}
