//! Event patterns.

use expr::pattern::{Pattern, codes};
use serde_json::{Value, json};

#[expect(clippy::needless_pass_by_value, reason = "the cases read better without borrows")]
fn matches(pattern: Value, event: Value) -> bool {
    Pattern::parse(&pattern).unwrap().matches(&event)
}

#[test]
fn every_field_must_match_one_alternative() {
    let order = || json!({"source": "shop", "detail": {"state": "paid", "total": 12.5, "test": false, "note": null, "id": 9_007_199_254_740_993_i64}});
    for (pattern, expected) in [
        (json!({"source": ["shop"]}), true),
        (json!({"source": ["other", "shop"]}), true),
        (json!({"source": ["Shop"]}), false),
        (json!({"source": ["shop"], "detail": {"state": ["paid"]}}), true),
        (json!({"source": ["shop"], "detail": {"state": ["open"]}}), false),
        (json!({"detail": {"total": [12.5]}}), true),
        (json!({"detail": {"total": ["12.5"]}}), false),
        (json!({"detail": {"test": [false]}}), true),
        (json!({"detail": {"test": [true]}}), false),
        (json!({"detail": {"note": [null]}}), true),
        (json!({"detail": {"missing": [null]}}), false),
        (json!({"detail": {"state": [{"prefix": "pa"}]}}), true),
        (json!({"detail": {"state": [{"prefix": ""}]}}), true),
        (json!({"detail": {"state": [{"prefix": "x"}, {"prefix": "paid"}]}}), true),
        (json!({"detail": {"total": [{"prefix": "1"}]}}), false),
        (json!({"detail": {"id": [9_007_199_254_740_993_i64]}}), true),
        (json!({"detail": {"id": [9_007_199_254_740_992_i64]}}), false),
        (json!({"detail": {"state": {"x": [1]}}}), false),
        (json!({"detail": ["paid"]}), false),
    ] {
        assert_eq!(matches(pattern.clone(), order()), expected, "{pattern}");
    }
    assert!(matches(json!({"n": [1]}), json!({"n": 1.0})));
    assert!(!matches(json!({"n": [1]}), json!({"n": [2, "1"]})));
}

#[test]
fn arrays_of_events_match_by_any_element() {
    assert!(matches(json!({"tags": ["b"]}), json!({"tags": ["a", "b"]})));
    assert!(matches(json!({"tags": [{"prefix": "b"}]}), json!({"tags": ["a", "bc"]})));
    assert!(!matches(json!({"tags": ["c"]}), json!({"tags": ["a", "b"]})));
    assert!(!matches(json!({"tags": ["c"]}), json!({"tags": []})));
    assert!(matches(json!({"lines": {"sku": ["x"]}}), json!({"lines": [{"sku": "y"}, {"sku": "x"}]})));
    // One element has to satisfy all its fields.
    assert!(!matches(
        json!({"lines": {"sku": ["x"], "n": [1]}}),
        json!({"lines": [{"sku": "x", "n": 2}, {"sku": "y", "n": 1}]})
    ));
}

#[test]
fn faults_have_codes_and_pointers() {
    let faults = Pattern::parse(&json!({
        "a": "x", "b": [], "c": {}, "d": [{"suffix": "x"}], "e": [{"prefix": 1}], "f": {"g/h": [[1]]}, "i": [{"prefix": "a", "x": 1}], "ok": ["y"],
    }))
    .unwrap_err();
    let faults: Vec<(&str, &str)> = faults.iter().map(|fault| (fault.pointer.as_str(), fault.code)).collect();
    assert_eq!(
        faults,
        [
            ("/a", codes::LEAF),
            ("/b", codes::EMPTY_ARRAY),
            ("/c", codes::EMPTY_OBJECT),
            ("/d/0/suffix", codes::OPERATOR_UNKNOWN),
            ("/e/0/prefix", codes::OPERAND),
            ("/f/g~1h/0", codes::LEAF),
            ("/i/0", codes::OPERATOR_UNKNOWN),
        ]
    );
    assert_eq!(Pattern::parse(&json!([])).unwrap_err()[0].code, codes::NOT_OBJECT);
    assert_eq!(Pattern::parse(&json!({})).unwrap_err()[0].code, codes::EMPTY_OBJECT);
    let deep = (0..40).fold(json!(["x"]), |inner, _| json!({ "a": inner }));
    assert_eq!(Pattern::parse(&deep).unwrap_err()[0].code, codes::TOO_DEEP);
}
