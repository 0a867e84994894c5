//! A JSON value of a definition whose strings may hold `{{ JSONata }}`, compiled.

use serde_json::{Map, Value};

use crate::expression::Expression;
use crate::failure::{TemplateFault, codes};
use crate::limits::MAX_TEMPLATE_DEPTH;
use crate::references::References;
use crate::scan::{self, Piece};
use crate::tier::Tier;

/// The compiled form. `Send` and `Sync`, so that definitions can be cached across tasks.
#[derive(Debug)]
pub struct Template {
    pub(crate) root: Node,
    pub(crate) slots: Vec<Slot>,
    references: References,
}

/// One expression and its place.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) pointer: String,
    pub(crate) expression: Expression,
}

#[derive(Debug)]
pub(crate) enum Node {
    /// No expression in it.
    Constant(Value),
    /// A string that is exactly one expression: it keeps its type.
    Whole(usize),
    /// Text with expressions in it.
    Text(Vec<Part>),
    Array(Vec<Node>),
    Object(Vec<(String, Node)>),
}

#[derive(Debug)]
pub(crate) enum Part {
    Literal(String),
    Slot(usize),
}

impl Template {
    /// Compiles a value, or gives every fault in it.
    pub fn parse(value: &Value) -> Result<Template, Vec<TemplateFault>> {
        let mut compiler = Compiler { slots: Vec::new(), faults: Vec::new(), pointer: String::new() };
        let root = compiler.node(value, MAX_TEMPLATE_DEPTH);
        if !compiler.faults.is_empty() {
            return Err(compiler.faults);
        }
        let mut references = References::default();
        compiler.slots.iter().for_each(|slot| references.add(slot.expression.references()));
        Ok(Template { root, slots: compiler.slots, references })
    }

    /// Whether it holds no expression at all.
    pub fn is_constant(&self) -> bool {
        self.slots.is_empty()
    }

    /// What its expressions may read, together.
    pub fn references(&self) -> &References {
        &self.references
    }

    /// Its expressions with their JSON pointers, in document order.
    pub fn expressions(&self) -> impl Iterator<Item = (&str, &Expression)> {
        self.slots.iter().map(|slot| (slot.pointer.as_str(), &slot.expression))
    }

    /// The highest tier of its expressions.
    pub fn tier(&self) -> Tier {
        self.slots.iter().map(|slot| slot.expression.tier()).max().unwrap_or(Tier::Path)
    }

    /// The expressions that can only run in the guard. For a large scope there may be more: see [`Template::pending`].
    pub fn guarded(&self) -> Vec<&Expression> {
        self.slots
            .iter()
            .map(|slot| &slot.expression)
            .filter(|expression| expression.tier() == Tier::Guarded)
            .collect()
    }
}

struct Compiler {
    slots: Vec<Slot>,
    faults: Vec<TemplateFault>,
    pointer: String,
}

impl Compiler {
    fn node(&mut self, value: &Value, depth: usize) -> Node {
        let Some(below) = depth.checked_sub(1) else {
            let message = format!("the value nests deeper than {MAX_TEMPLATE_DEPTH} levels");
            self.fault(TemplateFault::new(codes::TOO_DEEP, message));
            return Node::Constant(Value::Null);
        };
        match value {
            Value::String(text) if text.contains("{{") => self.text(text),
            Value::Array(items) => {
                let nodes: Vec<Node> = items
                    .iter()
                    .enumerate()
                    .map(|(at, item)| self.inside(&at.to_string(), |compiler| compiler.node(item, below)))
                    .collect();
                match nodes.iter().map(Node::constant).collect::<Option<Vec<_>>>() {
                    Some(items) => Node::Constant(Value::Array(items.into_iter().cloned().collect())),
                    None => Node::Array(nodes),
                }
            }
            Value::Object(fields) => {
                let nodes: Vec<(String, Node)> = fields
                    .iter()
                    .map(|(name, value)| {
                        let node = self.inside(name, |compiler| {
                            if name.contains("{{") {
                                let message =
                                    format!("the key `{name}` holds an expression, only values may");
                                compiler.fault(TemplateFault::new(codes::IN_KEY, message));
                            }
                            compiler.node(value, below)
                        });
                        (name.clone(), node)
                    })
                    .collect();
                if nodes.iter().all(|(_, node)| node.constant().is_some()) {
                    let constant = |(name, node): (String, Node)| Some((name, node.constant()?.clone()));
                    Node::Constant(Value::Object(
                        nodes.into_iter().filter_map(constant).collect::<Map<_, _>>(),
                    ))
                } else {
                    Node::Object(nodes)
                }
            }
            constant => Node::Constant(constant.clone()),
        }
    }

    fn text(&mut self, text: &str) -> Node {
        let pieces = match scan::pieces(text) {
            Ok(pieces) => pieces,
            Err(fault) => {
                self.fault(fault);
                return Node::Constant(Value::Null);
            }
        };
        let blank = |piece: &Piece<'_>| matches!(piece, Piece::Text(text) if text.trim().is_empty());
        let expressions = pieces.iter().filter(|piece| matches!(piece, Piece::Expression(_))).count();
        if expressions == 0 {
            return Node::Constant(
                pieces
                    .into_iter()
                    .map(|piece| match piece {
                        Piece::Text(text) => text,
                        Piece::Expression(_) => String::new(),
                    })
                    .collect::<String>()
                    .into(),
            );
        }
        let whole = expressions == 1
            && pieces.iter().all(|piece| blank(piece) || matches!(piece, Piece::Expression(_)));
        let mut parts = Vec::with_capacity(pieces.len());
        for piece in pieces {
            match piece {
                Piece::Text(text) => parts.push(Part::Literal(text)),
                Piece::Expression(source) => match Expression::parse(source) {
                    Ok(expression) => {
                        parts.push(Part::Slot(self.slots.len()));
                        self.slots.push(Slot { pointer: self.pointer.clone(), expression });
                    }
                    Err(fault) => self.fault(fault),
                },
            }
        }
        if whole { Node::Whole(self.slots.len().saturating_sub(1)) } else { Node::Text(parts) }
    }

    fn inside<T>(&mut self, token: &str, work: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.pointer.len();
        self.pointer.push('/');
        self.pointer.push_str(&token.replace('~', "~0").replace('/', "~1"));
        let result = work(self);
        self.pointer.truncate(length);
        result
    }

    fn fault(&mut self, fault: TemplateFault) {
        let fault = fault.at(&self.pointer);
        self.faults.push(fault);
    }
}

impl Node {
    fn constant(&self) -> Option<&Value> {
        match self {
            Node::Constant(value) => Some(value),
            _ => None,
        }
    }
}
