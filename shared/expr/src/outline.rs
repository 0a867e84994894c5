//! What a template and its expressions are known to give before anything is evaluated.

use crate::expression::Expression;
use crate::template::{Node, Template};
use jsonata_core::ast::{AstNode, BinaryOp, UnaryOp};
use serde_json::Value;

/// The shape in which a template is written.
#[derive(Debug)]
pub enum Outline<'a> {
    /// No expression in it.
    Constant(&'a Value),
    /// It gives what one expression gives.
    Expression(&'a Expression),
    /// Text with expressions in it.
    Text,
    List(Vec<Outline<'a>>),
    Object(Vec<(&'a str, Outline<'a>)>),
}

/// What kind of value an expression gives whenever it gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Null,
    Boolean,
    Number,
    Text,
}

impl Template {
    pub fn outline(&self) -> Outline<'_> {
        self.outline_of(&self.root)
    }

    fn outline_of<'a>(&'a self, node: &'a Node) -> Outline<'a> {
        match node {
            Node::Constant(value) => Outline::Constant(value),
            Node::Whole(slot) => Outline::Expression(&self.slots[*slot].expression),
            Node::Text(_) => Outline::Text,
            Node::Array(items) => Outline::List(items.iter().map(|item| self.outline_of(item)).collect()),
            Node::Object(fields) => Outline::Object(
                fields.iter().map(|(name, value)| (name.as_str(), self.outline_of(value))).collect(),
            ),
        }
    }
}

/// The kind that the operator or the literal at the top of an expression gives.
pub(crate) fn kind(ast: &AstNode) -> Option<Kind> {
    Some(match ast {
        AstNode::Null => Kind::Null,
        AstNode::Boolean(_) => Kind::Boolean,
        AstNode::Number(_) | AstNode::Unary { op: UnaryOp::Negate, .. } => Kind::Number,
        AstNode::String(_) => Kind::Text,
        AstNode::Binary { op, .. } => match op {
            BinaryOp::Add | BinaryOp::Subtract | BinaryOp::Multiply | BinaryOp::Divide | BinaryOp::Modulo => {
                Kind::Number
            }
            BinaryOp::Equal
            | BinaryOp::NotEqual
            | BinaryOp::LessThan
            | BinaryOp::LessThanOrEqual
            | BinaryOp::GreaterThan
            | BinaryOp::GreaterThanOrEqual
            | BinaryOp::And
            | BinaryOp::Or
            | BinaryOp::In => Kind::Boolean,
            BinaryOp::Concatenate => Kind::Text,
            _ => return None,
        },
        AstNode::Function { name, .. } => match name.as_str() {
            "string" | "join" | "uppercase" | "lowercase" | "now" | "fromMillis" => Kind::Text,
            "number" | "count" | "sum" | "length" | "millis" | "toMillis" => Kind::Number,
            "boolean" | "not" | "exists" | "contains" => Kind::Boolean,
            _ => return None,
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_expression_gives_is_known_where_it_shows() {
        for (source, expected) in [
            ("1 + a", Some(Kind::Number)),
            ("-a", Some(Kind::Number)),
            ("a = 1 and b", Some(Kind::Boolean)),
            ("'x' & a", Some(Kind::Text)),
            ("$count(a)", Some(Kind::Number)),
            ("null", Some(Kind::Null)),
            ("a.b", None),
            ("a ? 1 : 'x'", None),
            ("a.(1 + b)", None),
            ("[1]", None),
        ] {
            assert_eq!(Expression::parse(source).unwrap().kind(), expected, "{source}");
        }
    }

    #[test]
    fn names_and_reads_are_those_of_the_scope() {
        let reads = |source: &str| {
            let expression = Expression::parse(source).unwrap();
            let mut reads: Vec<String> = expression.reads().iter().map(|names| names.join(".")).collect();
            reads.sort();
            reads
        };
        assert_eq!(Expression::parse("a.b.c").unwrap().names().unwrap(), ["a", "b", "c"]);
        for source in ["a.b[0]", "a.b & ''", "$x", "a.*"] {
            assert_eq!(Expression::parse(source).unwrap().names(), None, "{source}");
        }
        assert_eq!(reads("a.b + a.c.d"), ["a.b", "a.c.d"]);
        assert_eq!(reads("a.b[c = 1].d"), ["a.b"], "`c` and `d` belong to what is in `b`");
        assert_eq!(reads("a.b.{'x': y}"), ["a.b"]);
        assert_eq!(reads("$map(a.b, function($v) { $v.c & a.d })"), ["a.b", "a.d"]);
    }
}
