//! Walking a syntax tree of the engine.

use jsonata_core::ast::{AstNode, PathStep, Stage};

use crate::failure::{TemplateFault, codes};
use crate::limits::MAX_TREE_DEPTH;

/// Calls `visit` with each direct child, in source order.
pub(crate) fn children<'a>(node: &'a AstNode, visit: &mut dyn FnMut(&'a AstNode)) {
    match node {
        AstNode::String(_)
        | AstNode::Name(_)
        | AstNode::Number(_)
        | AstNode::Boolean(_)
        | AstNode::Null
        | AstNode::Undefined
        | AstNode::Placeholder
        | AstNode::Regex { .. }
        | AstNode::Variable(_)
        | AstNode::ParentVariable(_)
        | AstNode::Wildcard
        | AstNode::Descendant
        | AstNode::Parent(_) => {}
        AstNode::Path { steps } => {
            for step in steps {
                visit(&step.node);
                filters(step).for_each(&mut *visit);
            }
        }
        AstNode::Binary { lhs, rhs, .. } => {
            visit(lhs);
            visit(rhs);
        }
        AstNode::Unary { operand, .. } => visit(operand),
        AstNode::Function { args, .. } => args.iter().for_each(visit),
        AstNode::Call { procedure, args } => {
            visit(procedure);
            args.iter().for_each(visit);
        }
        AstNode::Lambda { body, .. } => visit(body),
        AstNode::Array(items) | AstNode::ArrayGroup(items) | AstNode::Block(items) => {
            items.iter().for_each(visit);
        }
        AstNode::Object(pairs) => pairs.iter().for_each(|(key, value)| {
            visit(key);
            visit(value);
        }),
        AstNode::ObjectTransform { input, pattern } => {
            visit(input);
            for (key, value) in pattern {
                visit(key);
                visit(value);
            }
        }
        AstNode::Conditional { condition, then_branch, else_branch } => {
            visit(condition);
            visit(then_branch);
            if let Some(branch) = else_branch {
                visit(branch);
            }
        }
        AstNode::FunctionApplication(inner) => visit(inner),
        AstNode::Sort { input, terms } => {
            visit(input);
            for (term, _) in terms {
                visit(term);
            }
        }
        AstNode::Transform { location, update, delete } => {
            visit(location);
            visit(update);
            if let Some(delete) = delete {
                visit(delete);
            }
        }
    }
}

/// The predicates of a step.
pub(crate) fn filters(step: &PathStep) -> impl Iterator<Item = &AstNode> {
    step.stages.iter().filter_map(|stage| match stage {
        Stage::Filter(filter) => Some(&**filter),
        Stage::KeepArray | Stage::Index(_) => None,
    })
}

/// Whether any node of the tree satisfies `test`. Needs no stack, however deep the tree is.
pub(crate) fn any(root: &AstNode, mut test: impl FnMut(&AstNode) -> bool) -> bool {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if test(node) {
            return true;
        }
        children(node, &mut |child| open.push(child));
    }
    false
}

/// How many nodes the tree has.
pub(crate) fn count(root: &AstNode) -> usize {
    let mut nodes = 0;
    any(root, |_| {
        nodes += 1;
        false
    });
    nodes
}

/// Refuses a tree that later walks could not recurse over on a small stack.
pub(crate) fn check_depth(root: &AstNode) -> Result<(), TemplateFault> {
    let mut open = vec![(root, 1)];
    while let Some((node, depth)) = open.pop() {
        if depth > MAX_TREE_DEPTH {
            let message = format!("the expression nests more than {MAX_TREE_DEPTH} operations");
            return Err(TemplateFault::new(codes::TOO_DEEP, message));
        }
        children(node, &mut |child| open.push((child, depth + 1)));
    }
    Ok(())
}
