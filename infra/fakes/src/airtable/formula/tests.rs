use super::{Fault, Formula, Record, Value};
use jiff::Timestamp;

struct Row;

impl Record for Row {
    fn cell(&self, field: &str) -> Value {
        match field {
            "Name" => Value::Text("Ada Lovelace".into()),
            "Guest's {x}" => Value::Text("it's".into()),
            "Age" => Value::Number(36.0),
            "Done" => Value::Bool(true),
            "Born" => Value::Moment("1815-12-10T00:00:00Z".parse().unwrap()),
            "Tags" => Value::List(vec![Value::Text("red".into()), Value::Text("blue".into())]),
            "None" => Value::List(vec![]),
            _ => Value::Blank,
        }
    }
    fn id(&self) -> &'static str {
        "rec00000000000001"
    }
    fn created(&self) -> Timestamp {
        "2026-01-01T00:00:00Z".parse().unwrap()
    }
    fn modified(&self, fields: &[String]) -> Timestamp {
        if fields.is_empty() { "2026-03-01T00:00:00Z" } else { "2026-02-01T00:00:00Z" }.parse().unwrap()
    }
    fn now(&self) -> Timestamp {
        "2026-04-05T06:07:08Z".parse().unwrap()
    }
}

fn value(formula: &str) -> Result<Value, Fault> {
    Formula::parse(formula, |field| !field.starts_with("Missing"))?.evaluate(&Row)
}

fn keeps(formula: &str) -> bool {
    value(formula).unwrap_or_else(|fault| panic!("{formula}: {fault:?}")).keeps()
}

#[test]
fn what_pyairtable_writes_for_a_match_is_understood() {
    for formula in [
        "{Name}='Ada Lovelace'",
        "AND({Name}='Ada Lovelace', {Age}=36)",
        "{Done}=TRUE()",
        r"{Guest's \{x\}}='it\'s'",
        "{Age}>=36",
        "{Born}=DATETIME_PARSE('1815-12-10')",
        "NOT({Name}='Bob')",
        "({Age}>1)=({Age}>2)",
        "RECORD_ID()='rec00000000000001'",
    ] {
        assert!(keeps(formula), "{formula}");
    }
    for formula in ["{Done}=FALSE()", "{Name}='ada lovelace'", "XOR({Age}=36, {Done}=TRUE())"] {
        assert!(!keeps(formula), "{formula}");
    }
}

#[test]
fn empty_cells_are_nothing_and_an_empty_text() {
    for formula in [
        "{Empty}=BLANK()",
        "Empty=''",
        "{Empty}=0",
        "NOT({Empty})",
        "{Empty}&''=''",
        "{Tags}",
        "{Age}!=BLANK()",
    ] {
        assert!(keeps(formula), "{formula}");
    }
    for formula in ["{Empty}", "''", "0", "{None}", "FALSE()", "ERROR()", "1=ERROR()", "{Name}*2", "0/0"] {
        assert!(!keeps(formula), "{formula}");
    }
}

#[test]
fn operators_bind_as_they_do_in_arithmetic() {
    assert_eq!(value("1+2*3-4/2"), Ok(Value::Number(5.0)));
    assert_eq!(value("-(1+2)*3"), Ok(Value::Number(-9.0)));
    assert_eq!(value("'a'&1+1"), Ok(Value::Text("a2".into())));
    assert!(keeps("'a'&'b'='ab'"));
}

#[test]
fn texts_are_found_and_cut() {
    assert_eq!(value("FIND('Love', {Name})"), Ok(Value::Number(5.0)));
    assert_eq!(value("FIND('love', {Name})"), Ok(Value::Number(0.0)));
    assert_eq!(value("SEARCH('love', {Name})"), Ok(Value::Number(5.0)));
    assert_eq!(value("SEARCH('Bob', {Name})"), Ok(Value::Blank));
    assert_eq!(value("FIND('a longer text than the other', 'x')"), Ok(Value::Number(0.0)));
    assert_eq!(value("FIND('blue', ARRAYJOIN({Tags}))"), Ok(Value::Number(5.0)));
    assert_eq!(value("MID({Name}, 5, 4)"), Ok(Value::Text("Love".into())));
    assert_eq!(value("RIGHT({Name}, 4)"), Ok(Value::Text("lace".into())));
    assert_eq!(value("SUBSTITUTE('a-b-c', '-', '+', 2)"), Ok(Value::Text("a-b+c".into())));
    assert_eq!(value("REPLACE('abcd', 2, 2, 'X')"), Ok(Value::Text("aXd".into())));
    assert_eq!(value("LEN({Name})"), Ok(Value::Number(12.0)));
}

#[test]
fn dates_are_compared() {
    assert!(keeps("IS_AFTER(LAST_MODIFIED_TIME(), '2026-02-15T00:00:00.000Z')"));
    assert!(!keeps("IS_AFTER(LAST_MODIFIED_TIME({Name}), '2026-02-15')"));
    assert!(keeps("IS_AFTER(LAST_MODIFIED_TIME(), DATETIME_PARSE('2026-02-15T00:00:00.000'))"));
    assert!(keeps("IS_BEFORE({Born}, TODAY())"));
    assert!(keeps("IS_SAME(NOW(), TODAY(), 'day')"));
    assert!(keeps("DATEADD(TODAY(), -1, 'days') < NOW()"));
    assert_eq!(value("DATETIME_DIFF(NOW(), TODAY(), 'hours')"), Ok(Value::Number(6.0)));
    assert_eq!(value("YEAR({Born})"), Ok(Value::Number(1815.0)));
}

#[test]
fn switch_and_if_choose() {
    assert_eq!(value("IF({Age}>30, 'old', 'young')"), Ok(Value::Text("old".into())));
    assert_eq!(value("IF({Empty}, 1)"), Ok(Value::Blank));
    assert_eq!(value("SWITCH({Age}, 1, 'a', 36, 'b', 'c')"), Ok(Value::Text("b".into())));
    assert_eq!(value("SWITCH({Age}, 1, 'a', 'c')"), Ok(Value::Text("c".into())));
}

#[test]
fn what_airtable_would_refuse_is_invalid() {
    for formula in [
        "",
        "{Name",
        "'open",
        "1+",
        "NO_SUCH(1)",
        "AND()",
        "1 2",
        "IF(1)",
        "(1",
        "LAST_MODIFIED_TIME(1)",
        "1..2",
    ] {
        assert_eq!(value(formula), Err(Fault::Invalid), "{formula}");
    }
    assert_eq!(
        value("{Missing A}=MissingB"),
        Err(Fault::UnknownFields(vec!["missing a".into(), "missingb".into()]))
    );
}

#[test]
fn what_is_not_modelled_is_said_and_never_guessed() {
    for formula in [
        "REGEX_MATCH({Name}, 'a')",
        "{Name}=36",
        "{Name}<'b'",
        "{Born}='1815-12-10'",
        "IS_AFTER({Born}, '10 Dec 1815')",
        "DATETIME_PARSE('1', 'X')",
        "DATEADD(NOW(), 1, 'fortnights')",
    ] {
        assert!(matches!(value(formula), Err(Fault::NotModelled(_))), "{formula}: {:?}", value(formula));
    }
    assert!(matches!(value(&"(".repeat(100_000)), Err(Fault::NotModelled(_))));
    assert!(matches!(value(&"-".repeat(100_000)), Err(Fault::NotModelled(_))));
}
