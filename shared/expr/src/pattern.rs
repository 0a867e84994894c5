//! Event patterns with EventBridge's meaning: objects nest, leaf arrays list alternatives.

use serde_json::Value;

use crate::failure::TemplateFault;

/// Codes of the faults of patterns.
pub mod codes {
    /// A leaf that is not an array of alternatives.
    pub const LEAF: &str = "pattern_leaf";
    /// An empty array, which nothing could match.
    pub const EMPTY_ARRAY: &str = "pattern_empty_array";
    /// An empty object.
    pub const EMPTY_OBJECT: &str = "pattern_empty_object";
    /// An operator that is not supported.
    pub const OPERATOR_UNKNOWN: &str = "pattern_operator_unknown";
    /// An operator whose operand has the wrong type.
    pub const OPERAND: &str = "pattern_operand";
    /// The pattern is not an object.
    pub const NOT_OBJECT: &str = "pattern_not_object";
    /// The pattern nests too deep.
    pub const TOO_DEEP: &str = "pattern_too_deep";
}

/// Deepest accepted pattern.
const MAX_DEPTH: usize = 32;

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq)]
pub struct Pattern(Fields);

type Fields = Vec<(String, Matcher)>;

#[derive(Debug, Clone, PartialEq)]
enum Matcher {
    Fields(Fields),
    AnyOf(Vec<Test>),
}

/// One alternative of a leaf. A new operator is a new variant, parsed in `operator` and decided in `passes`.
#[derive(Debug, Clone, PartialEq)]
enum Test {
    Exactly(Value),
    Prefix(String),
}

impl Pattern {
    /// Compiles a pattern, or gives every fault in it.
    pub fn parse(value: &Value) -> Result<Pattern, Vec<TemplateFault>> {
        let mut parser = Parser { faults: Vec::new(), pointer: String::new() };
        let fields = parser.fields(value, MAX_DEPTH);
        if parser.faults.is_empty() { Ok(Pattern(fields)) } else { Err(parser.faults) }
    }

    /// Whether an event matches: every field of the pattern does.
    pub fn matches(&self, event: &Value) -> bool {
        all_match(&self.0, event)
    }
}

fn all_match(fields: &Fields, event: &Value) -> bool {
    match event {
        // An array of objects matches if any of them does.
        Value::Array(items) => items.iter().any(|item| all_match(fields, item)),
        Value::Object(object) => fields.iter().all(|(name, matcher)| match (matcher, object.get(name)) {
            (_, None) => false,
            (Matcher::Fields(inner), Some(value)) => all_match(inner, value),
            (Matcher::AnyOf(tests), Some(value)) => any_passes(tests, value),
        }),
        _ => false,
    }
}

fn any_passes(tests: &[Test], value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(|item| any_passes(tests, item)),
        Value::Object(_) => false,
        scalar => tests.iter().any(|test| test.passes(scalar)),
    }
}

impl Test {
    fn passes(&self, value: &Value) -> bool {
        match self {
            Test::Exactly(Value::Number(expected)) => match value {
                Value::Number(number) => {
                    number == expected
                        || (number.as_f64() == expected.as_f64() && !both_integers(number, expected))
                }
                _ => false,
            },
            Test::Exactly(expected) => value == expected,
            Test::Prefix(prefix) => value.as_str().is_some_and(|text| text.starts_with(prefix.as_str())),
        }
    }
}

/// Integers compare exactly, however big; `1` and `1.0` are the same number.
fn both_integers(a: &serde_json::Number, b: &serde_json::Number) -> bool {
    !a.is_f64() && !b.is_f64()
}

struct Parser {
    faults: Vec<TemplateFault>,
    pointer: String,
}

impl Parser {
    fn fields(&mut self, value: &Value, depth: usize) -> Fields {
        let Value::Object(object) = value else {
            self.fault(codes::NOT_OBJECT, "a pattern is an object".to_owned());
            return Fields::new();
        };
        if object.is_empty() {
            self.fault(codes::EMPTY_OBJECT, "an object of a pattern names at least one field".to_owned());
        }
        let Some(below) = depth.checked_sub(1) else {
            self.fault(codes::TOO_DEEP, format!("a pattern nests at most {MAX_DEPTH} levels"));
            return Fields::new();
        };
        object
            .iter()
            .map(|(name, value)| (name.clone(), self.inside(name, |parser| parser.matcher(value, below))))
            .collect()
    }

    fn matcher(&mut self, value: &Value, depth: usize) -> Matcher {
        match value {
            Value::Object(_) => Matcher::Fields(self.fields(value, depth)),
            Value::Array(alternatives) => {
                if alternatives.is_empty() {
                    self.fault(
                        codes::EMPTY_ARRAY,
                        "an empty list of alternatives matches nothing".to_owned(),
                    );
                }
                let tests = alternatives
                    .iter()
                    .enumerate()
                    .filter_map(|(at, test)| self.inside(&at.to_string(), |parser| parser.test(test)));
                Matcher::AnyOf(tests.collect())
            }
            leaf => {
                self.fault(
                    codes::LEAF,
                    format!("`{leaf}` stands alone: write the alternatives as a list, `[{leaf}]`"),
                );
                Matcher::AnyOf(Vec::new())
            }
        }
    }

    fn test(&mut self, value: &Value) -> Option<Test> {
        match value {
            Value::Array(_) => {
                self.fault(
                    codes::LEAF,
                    "a list of alternatives holds values and operators, not lists".to_owned(),
                );
                None
            }
            Value::Object(object) => {
                let mut entries = object.iter();
                let (Some((operator, operand)), None) = (entries.next(), entries.next()) else {
                    self.fault(
                        codes::OPERATOR_UNKNOWN,
                        "an operator is an object with one key, such as `{\"prefix\": \"a\"}`".to_owned(),
                    );
                    return None;
                };
                self.inside(operator, |parser| parser.operator(operator, operand))
            }
            scalar => Some(Test::Exactly(scalar.clone())),
        }
    }

    fn operator(&mut self, operator: &str, operand: &Value) -> Option<Test> {
        match (operator, operand) {
            ("prefix", Value::String(prefix)) => Some(Test::Prefix(prefix.clone())),
            ("prefix", other) => {
                self.fault(codes::OPERAND, format!("`prefix` takes a text, not `{other}`"));
                None
            }
            _ => {
                self.fault(codes::OPERATOR_UNKNOWN, format!("`{operator}` is not an operator of patterns"));
                None
            }
        }
    }

    fn inside<T>(&mut self, token: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        let result = work(self);
        self.pointer.truncate(length);
        result
    }

    fn fault(&mut self, code: &'static str, message: String) {
        self.faults.push(TemplateFault { pointer: self.pointer.clone(), code, message });
    }
}
