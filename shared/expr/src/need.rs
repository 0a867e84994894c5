//! Which parts of the scope an expression may read, found from its syntax tree and never too few.
//!
//! A context is either the scope itself or something derived from a part that is needed as a whole. Names count
//! in the first only. Whatever could carry the scope itself elsewhere (`$`, `$$`, `%`, `@`, `$eval`, a builtin
//! that falls back to its context) makes the whole scope needed, so a derived context never hides the scope.

use std::collections::HashSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep};
use jsonata_core::value::with_stack;

/// The needed part of one value of the scope.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Need {
    /// All of it; then `fields` says nothing.
    pub(crate) whole: bool,
    /// The needed fields, if not all of it.
    pub(crate) fields: Vec<(String, Need)>,
}

impl Need {
    /// What `ast` may read.
    pub(crate) fn of(ast: &AstNode) -> Need {
        let mut walk = Walk { need: Need::default(), lambdas: HashSet::new() };
        if crate::ast::any(ast, carries_scope) {
            walk.need.whole = true;
        }
        crate::ast::any(ast, |node| {
            if let AstNode::Binary { op: BinaryOp::ColonEqual, lhs, rhs } = node
                && let (AstNode::Variable(name), AstNode::Lambda { .. }) = (&**lhs, &**rhs)
            {
                walk.lambdas.insert(name.clone());
            }
            false
        });
        walk.visit(ast, Context::Scope, 0);
        walk.need
    }

    /// The need of a field, created if it is new.
    pub(crate) fn field(&mut self, name: &str) -> &mut Need {
        let at = self.fields.iter().position(|(field, _)| field == name).unwrap_or_else(|| {
            self.fields.push((name.to_owned(), Need::default()));
            self.fields.len() - 1
        });
        &mut self.fields[at].1
    }

    /// Every path that is needed as a whole.
    pub(crate) fn paths(&self) -> Vec<Vec<&str>> {
        let mut paths = Vec::new();
        let mut open = vec![(self, Vec::new())];
        while let Some((need, names)) = open.pop() {
            for (name, field) in &need.fields {
                let mut names = names.clone();
                names.push(name.as_str());
                if field.whole {
                    paths.push(names.clone());
                }
                open.push((field, names));
            }
        }
        paths
    }

    /// Adds all that `other` needs.
    pub(crate) fn add(&mut self, other: &Need) {
        self.whole |= other.whole;
        for (name, need) in &other.fields {
            self.field(name).add(need);
        }
    }

    fn add_path(&mut self, names: &[&str]) {
        names.iter().fold(self, |need, name| need.field(name)).whole = true;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Scope,
    Derived,
}

struct Walk {
    need: Need,
    /// Variables that are only ever bound to lambdas written in place.
    lambdas: HashSet<String>,
}

/// Operators that can reach the scope from anywhere.
fn carries_scope(node: &AstNode) -> bool {
    match node {
        AstNode::ParentVariable(_) | AstNode::Parent(_) | AstNode::Binary { op: BinaryOp::FocusBind, .. } => {
            true
        }
        AstNode::Function { name, .. } | AstNode::Variable(name) => name == "eval",
        AstNode::Path { steps } => {
            steps.iter().any(|step| step.focus.is_some() || step.ancestor_label.is_some() || step.inner_tuple)
        }
        _ => false,
    }
}

impl Walk {
    fn visit(&mut self, node: &AstNode, context: Context, piped: usize) {
        with_stack(|| self.visit_here(node, context, piped));
    }

    fn visit_here(&mut self, node: &AstNode, context: Context, piped: usize) {
        match node {
            AstNode::Name(name) => {
                if context == Context::Scope {
                    self.need.add_path(&[name]);
                }
            }
            AstNode::Variable(name) if name.is_empty() => self.whole_if_scope(context),
            AstNode::Wildcard | AstNode::Descendant => self.whole_if_scope(context),
            AstNode::Path { steps } => self.visit_path(steps, context),
            AstNode::Function { name, args, .. } => {
                self.visit_context_read(name, args.len() + piped, context);
                for arg in args {
                    match arg {
                        // Called by the builtin, over the context it is written in.
                        AstNode::Lambda { body, .. } => self.visit(body, context, 0),
                        _ => self.visit(arg, context, 0),
                    }
                }
            }
            AstNode::Call { procedure, args } => {
                if args.len() + piped == 0 && !matches!(**procedure, AstNode::Lambda { .. }) {
                    self.whole_if_scope(context);
                }
                self.visit(procedure, context, 0);
                for arg in args {
                    self.visit(arg, context, 0);
                }
            }
            // A lambda that is kept may run anywhere; count its names as the scope's.
            AstNode::Lambda { body, .. } => self.visit(body, Context::Scope, 0),
            AstNode::Transform { location, update, delete } => {
                self.visit(location, Context::Scope, 0);
                self.visit(update, Context::Scope, 0);
                if let Some(delete) = delete {
                    self.visit(delete, Context::Scope, 0);
                }
            }
            AstNode::Binary { op: BinaryOp::ChainPipe, lhs, rhs } => {
                self.visit(lhs, context, piped);
                self.visit(rhs, context, 1);
            }
            AstNode::ObjectTransform { input, pattern } => {
                self.visit(input, context, 0);
                for (key, value) in pattern {
                    self.visit(key, Context::Derived, 0);
                    self.visit(value, Context::Derived, 0);
                }
            }
            AstNode::Sort { input, terms } => {
                self.visit(input, context, 0);
                for (term, _) in terms {
                    self.visit(term, Context::Derived, 0);
                }
            }
            other => crate::ast::children(other, &mut |child| self.visit(child, context, 0)),
        }
    }

    fn visit_path(&mut self, steps: &[PathStep], context: Context) {
        let Some(first) = steps.first() else { return };
        let mut rest = 0;
        if context == Context::Scope {
            // `$.a.b` reads like `a.b`; `$[…]` filters the scope itself and so needs all of it.
            let start = usize::from(
                matches!(&first.node, AstNode::Variable(name) if name.is_empty()) && first.stages.is_empty(),
            );
            let mut names = Vec::new();
            for step in &steps[start..] {
                let AstNode::Name(name) = &step.node else { break };
                names.push(name.as_str());
                if !step.stages.is_empty() {
                    break;
                }
            }
            if !names.is_empty() {
                self.need.add_path(&names);
                rest = start + names.len();
                let last = &steps[rest - 1];
                crate::ast::filters(last).for_each(|filter| self.visit(filter, Context::Derived, 0));
            }
        }
        for (at, step) in steps.iter().enumerate().skip(rest) {
            let here = if at == 0 { context } else { Context::Derived };
            self.visit(&step.node, here, 0);
            crate::ast::filters(step).for_each(|filter| self.visit(filter, Context::Derived, 0));
        }
    }

    /// Builtins that take the context for an argument that is not given.
    fn visit_context_read(&mut self, name: &str, args: usize, context: Context) {
        let reads = match name {
            "now" | "millis" | "random" | "uuid" => false,
            "lookup" | "each" | "sift" => args < 2,
            _ => args == 0 && !self.lambdas.contains(name),
        };
        if reads {
            self.whole_if_scope(context);
        }
    }

    fn whole_if_scope(&mut self, context: Context) {
        self.need.whole |= context == Context::Scope;
    }
}
