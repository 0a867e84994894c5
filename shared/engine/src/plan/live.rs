//! Which outputs something further on can still read.

use super::{Next, Node, NodeIx, NodeKind, Scope};
use expr::{References, Template};
use std::collections::BTreeSet;

/// Which parts of the scope can still be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    pub everything: bool,
    pub trigger: bool,
    pub steps: BTreeSet<String>,
}

impl Live {
    fn add(&mut self, references: &References) {
        self.everything |= references.everything;
        self.trigger |= references.trigger;
        self.steps.extend(references.steps.iter().cloned());
    }

    /// Whether that made it more.
    fn join(&mut self, other: &Live) -> bool {
        let before = (self.everything, self.trigger, self.steps.len());
        self.everything |= other.everything;
        self.trigger |= other.trigger;
        self.steps.extend(other.steps.iter().cloned());
        before != (self.everything, self.trigger, self.steps.len())
    }
}

/// Fills in what each node and all that can follow it in its strand may read.
///
/// A loop leads back to its beginning, a failure to whatever handles it: so this goes round until nothing changes.
pub(super) fn fill(nodes: &mut [Node], scopes: &[Scope], on_failure: Option<Next>) {
    let lasts: Vec<Option<String>> = nodes.iter().map(|node| last(nodes, scopes, node)).collect();
    for (node, last) in nodes.iter_mut().zip(lasts) {
        let mut live = Live::default();
        live.steps.extend(last);
        for references in node.kind.templates().into_iter().map(Template::references) {
            live.add(references);
        }
        node.live = live;
    }
    let follows = follows(nodes, scopes, on_failure);
    loop {
        let mut changed = false;
        // Nodes are compiled last first: their followers mostly come before them.
        for (ix, following) in follows.iter().enumerate() {
            for other in following {
                if *other != ix {
                    let live = std::mem::take(&mut nodes[ix].live);
                    let mut grown = live;
                    changed |= grown.join(&nodes[*other].live);
                    nodes[ix].live = grown;
                }
            }
        }
        if !changed {
            return;
        }
    }
}

/// The step whose output is what the strand around `node` gives: read when its list of steps is over.
fn last(nodes: &[Node], scopes: &[Scope], node: &Node) -> Option<String> {
    let mut scope = scopes[node.scope.0 as usize];
    loop {
        let block = match scope {
            Scope::Run | Scope::OnFailure => return None,
            Scope::Try(ix) | Scope::Catch(ix) | Scope::Finally(ix) | Scope::Iteration(ix) => ix,
            Scope::Item(ix) => match &nodes[ix.0 as usize].kind {
                NodeKind::ForEach(each) => return Some(each.last.clone()),
                _ => return None,
            },
            Scope::Arm(ix, arm) => match &nodes[ix.0 as usize].kind {
                NodeKind::Parallel { arms } => return Some(arms[usize::from(arm)].last.clone()),
                _ => return None,
            },
        };
        scope = scopes[nodes[block.0 as usize].scope.0 as usize];
    }
}

fn follows(nodes: &[Node], scopes: &[Scope], on_failure: Option<Next>) -> Vec<Vec<usize>> {
    let graph = Graph { nodes, scopes, on_failure };
    let mut all = Vec::with_capacity(nodes.len());
    for node in nodes {
        let mut into = BTreeSet::new();
        graph.next(node.next, &mut into);
        graph.next(node.skip, &mut into);
        graph.failure(scopes[node.scope.0 as usize], &mut into);
        match &node.kind {
            NodeKind::Branch { arms, otherwise } => {
                for next in arms.iter().map(|(_, next)| *next).chain([*otherwise]) {
                    graph.next(next, &mut into);
                }
            }
            NodeKind::Parallel { arms } => arms.iter().for_each(|arm| graph.next(arm.first, &mut into)),
            NodeKind::ForEach(each) => graph.next(each.first, &mut into),
            NodeKind::While { first, .. } => graph.next(*first, &mut into),
            NodeKind::Try { first, catch, finally } => {
                for next in [Some(*first), *catch, *finally].into_iter().flatten() {
                    graph.next(next, &mut into);
                }
            }
            _ => {}
        }
        all.push(into.into_iter().collect());
    }
    all
}

struct Graph<'a> {
    nodes: &'a [Node],
    scopes: &'a [Scope],
    on_failure: Option<Next>,
}

impl Graph<'_> {
    fn next(&self, next: Next, into: &mut BTreeSet<usize>) {
        match next {
            Next::Node(ix) => {
                into.insert(ix.0 as usize);
            }
            Next::End(scope) => match self.scopes[scope.0 as usize] {
                Scope::Run | Scope::OnFailure | Scope::Arm(..) => {}
                // Its node leads on to `catch`, `finally` and what comes after.
                Scope::Try(ix) | Scope::Catch(ix) | Scope::Finally(ix) => {
                    self.rest_of_try(ix.0 as usize, into);
                }
                Scope::Iteration(ix) => drop(into.insert(ix.0 as usize)),
                Scope::Item(ix) => self.next_item(ix, into),
            },
        }
    }

    /// A list without a step, which is a fault that the definition's reader tells, leads nowhere: not to itself, for ever.
    fn next_item(&self, ix: NodeIx, into: &mut BTreeSet<usize>) {
        if let NodeKind::ForEach(each) = &self.nodes[ix.0 as usize].kind
            && let Next::Node(first) = each.first
        {
            into.insert(first.0 as usize);
        }
    }

    fn rest_of_try(&self, ix: usize, into: &mut BTreeSet<usize>) {
        let node = &self.nodes[ix];
        if let NodeKind::Try { finally: Some(finally), .. } = &node.kind {
            self.next(*finally, into);
        }
        self.next(node.next, into);
        // A failure that `finally` raises again.
        self.failure(self.scopes[node.scope.0 as usize], into);
    }

    /// Where a failure in a scope leads.
    fn failure(&self, scope: Scope, into: &mut BTreeSet<usize>) {
        match scope {
            Scope::Run => {
                if let Some(next) = self.on_failure {
                    self.next(next, into);
                }
            }
            Scope::OnFailure | Scope::Arm(..) => {}
            Scope::Try(ix) => {
                if let NodeKind::Try { catch: Some(catch), .. } = &self.nodes[ix.0 as usize].kind {
                    self.next(*catch, into);
                }
                self.rest_of_try(ix.0 as usize, into);
            }
            Scope::Catch(ix) | Scope::Finally(ix) => self.rest_of_try(ix.0 as usize, into),
            Scope::Iteration(ix) => {
                let node = &self.nodes[ix.0 as usize];
                self.next(node.next, into);
                self.failure(self.scopes[node.scope.0 as usize], into);
            }
            Scope::Item(ix) => self.next_item(ix, into),
        }
    }
}
