//! What differs between two versions of a definition.
//!
//! Steps and triggers are matched by their id, wherever they stand; lists of other things by what is equal in them.

mod align;

use align::{align, kept_in_order};
use domain::fault::join;
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use utoipa::ToSchema;

/// More differences than this within one value are told as one: the value is another.
const MOST_WITHIN: usize = 100;

/// One difference.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub(crate) struct Change {
    pub(crate) op: Op,
    /// JSON pointer: of a `remove` into the version `from`, else into the version `to`.
    #[schema(example = "/steps/0/input/url")]
    pub(crate) pointer: String,
    /// The step or trigger that it is in, or that came, went or moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "tell")]
    pub(crate) id: Option<String>,
    /// What was there; of a `move`, the pointer to where it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) from: Option<Value>,
    /// What is there now; of a `move`, the pointer to where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to: Option<Value>,
}

/// What became of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Op {
    Add,
    Remove,
    Replace,
    Move,
}

/// Every difference, in the order of `to`; what is gone comes behind its former neighbours.
pub(crate) fn diff(from: &Value, to: &Value) -> Vec<Change> {
    let mut old = Places::default();
    old.collect(from);
    let mut new = Places::default();
    new.collect(to);
    let mut walk = Walk { old, new, changes: Vec::new() };
    match (from, to) {
        (Value::Object(a), Value::Object(b)) => walk.holder(a, b, &At::root(), true),
        _ => walk.data(from, to, &At::root()),
    }
    walk.changes
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Thing {
    Step,
    Trigger,
}

/// What a member of a definition, a step or an arm holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Things(Thing),
    /// A list of what holds steps.
    Holders,
    Data,
}

fn member(name: &str, root: bool) -> Member {
    match name {
        "triggers" if root => Member::Things(Thing::Trigger),
        "steps" | "else" | "catch" | "finally" | "on_failure" => Member::Things(Thing::Step),
        "arms" | "branches" => Member::Holders,
        _ => Member::Data,
    }
}

/// Where the walk is, in both versions.
#[derive(Debug, Clone)]
struct At {
    old: String,
    new: String,
    id: Option<String>,
}

impl At {
    fn root() -> Self {
        Self { old: String::new(), new: String::new(), id: None }
    }

    fn to(&self, name: &str) -> Self {
        self.between(name, name)
    }

    fn between(&self, old: &str, new: &str) -> Self {
        Self { old: join(&self.old, old), new: join(&self.new, new), id: self.id.clone() }
    }

    fn items(&self, old: usize, new: usize) -> Self {
        self.between(&old.to_string(), &new.to_string())
    }

    fn about(self, id: &str) -> Self {
        Self { id: Some(id.to_owned()), ..self }
    }
}

/// Every step and trigger of one version.
#[derive(Debug, Default)]
struct Places<'a>(HashMap<(Thing, &'a str), (String, &'a Value)>);

impl<'a> Places<'a> {
    fn collect(&mut self, document: &'a Value) {
        each_thing(document, "", true, &mut |thing, pointer, id, value| {
            self.0.entry((thing, id)).or_insert((pointer, value));
            true
        });
    }
}

/// Calls `see` for each step and trigger below a holder; goes on inside those for which it says so.
fn each_thing<'a>(
    holder: &'a Value,
    pointer: &str,
    root: bool,
    see: &mut dyn FnMut(Thing, String, &'a str, &'a Value) -> bool,
) {
    for (name, value) in holder.as_object().into_iter().flatten() {
        each_thing_in(member(name, root), value, &join(pointer, name), see);
    }
}

fn each_thing_in<'a>(
    member: Member,
    value: &'a Value,
    pointer: &str,
    see: &mut dyn FnMut(Thing, String, &'a str, &'a Value) -> bool,
) {
    match (member, value) {
        (Member::Things(thing), Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                let pointer = join(pointer, &i.to_string());
                let inside = id_of(item).is_none_or(|id| see(thing, pointer.clone(), id, item));
                if inside && thing == Thing::Step {
                    each_thing(item, &pointer, false, see);
                }
            }
        }
        (Member::Things(Thing::Step), Value::Object(_)) => each_thing(value, pointer, false, see),
        (Member::Holders, Value::Array(items)) => {
            for (i, item) in items.iter().enumerate() {
                each_thing_in(Member::Things(Thing::Step), item, &join(pointer, &i.to_string()), see);
            }
        }
        _ => {}
    }
}

fn id_of(item: &Value) -> Option<&str> {
    item.get("id")?.as_str()
}

struct Walk<'a> {
    old: Places<'a>,
    new: Places<'a>,
    changes: Vec<Change>,
}

impl<'a> Walk<'a> {
    /// Compares what holds steps: a definition, a step, an arm.
    fn holder(&mut self, a: &'a Map<String, Value>, b: &'a Map<String, Value>, at: &At, root: bool) {
        for (name, new) in b {
            let (kind, here) = (member(name, root), at.to(name));
            match a.get(name) {
                None => self.add(new, kind, &here),
                Some(old) => self.member(old, new, kind, &here),
            }
        }
        for (name, old) in a.iter().filter(|(name, _)| !b.contains_key(*name)) {
            self.remove(old, &at.to(name));
        }
    }

    fn member(&mut self, a: &'a Value, b: &'a Value, kind: Member, at: &At) {
        match (kind, a, b) {
            (Member::Things(thing), Value::Array(a), Value::Array(b)) => self.things(thing, a, b, at),
            (Member::Things(Thing::Step), Value::Object(a), Value::Object(b)) => self.holder(a, b, at, false),
            (Member::Holders, Value::Array(a), Value::Array(b)) => {
                for pair in align(a, b) {
                    match pair {
                        (Some(i), Some(j)) => {
                            self.member(&a[i], &b[j], Member::Things(Thing::Step), &at.items(i, j));
                        }
                        (None, Some(j)) => {
                            self.add(&b[j], Member::Things(Thing::Step), &at.items(j, j));
                        }
                        (Some(i), None) => self.remove(&a[i], &at.items(i, i)),
                        (None, None) => {}
                    }
                }
            }
            (Member::Data, _, _) => self.data(a, b, at),
            _ => {
                self.data(a, b, at);
                self.arrived(b, kind, at);
            }
        }
    }

    /// Compares two lists of steps or triggers.
    fn things(&mut self, thing: Thing, a: &'a [Value], b: &'a [Value], at: &At) {
        let was: HashMap<&str, usize> =
            a.iter().enumerate().filter_map(|(i, item)| Some((id_of(item)?, i))).collect();
        let both: Vec<(&str, usize)> =
            b.iter().filter_map(|item| id_of(item).and_then(|id| Some((id, *was.get(id)?)))).collect();
        let order: Vec<usize> = both.iter().map(|(_, i)| *i).collect();
        let stay: HashSet<&str> = kept_in_order(&order).into_iter().map(|k| both[k].0).collect();
        for (j, item) in b.iter().enumerate() {
            let here = at.items(j, j);
            match id_of(item) {
                Some(id) if stay.contains(id) => self.thing(thing, id, item, &here, false),
                Some(id) if self.old.0.contains_key(&(thing, id)) => self.thing(thing, id, item, &here, true),
                Some(id) => self.add_thing(thing, item, &here.about(id)),
                None => self.add_thing(thing, item, &here),
            }
        }
        for (i, item) in a.iter().enumerate() {
            let here = at.items(i, i);
            match id_of(item) {
                Some(id) if self.new.0.contains_key(&(thing, id)) => {}
                Some(id) => self.remove(item, &here.about(id)),
                None => self.remove(item, &here),
            }
        }
    }

    /// Compares a step or trigger with what it was, which may have stood elsewhere.
    fn thing(&mut self, thing: Thing, id: &str, new: &'a Value, at: &At, moved: bool) {
        let Some((pointer, old)) = self.old.0.get(&(thing, id)) else { return };
        let (pointer, old) = (pointer.clone(), *old);
        let at = At { old: pointer, ..at.clone() }.about(id);
        if moved {
            let (from, to) = (Some(at.old.clone().into()), Some(at.new.clone().into()));
            self.changes.push(Change { op: Op::Move, pointer: at.new.clone(), id: at.id.clone(), from, to });
        }
        match (thing, old, new) {
            (Thing::Step, Value::Object(a), Value::Object(b)) => self.holder(a, b, &at, false),
            _ => self.data(old, new, &at),
        }
    }

    /// Compares what holds no steps.
    fn data(&mut self, a: &Value, b: &Value, at: &At) {
        if a == b {
            return;
        }
        let before = self.changes.len();
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                for (name, new) in b {
                    match a.get(name) {
                        None => self.push(Op::Add, &at.to(name), None, Some(new)),
                        Some(old) => self.data(old, new, &at.to(name)),
                    }
                }
                for (name, old) in a.iter().filter(|(name, _)| !b.contains_key(*name)) {
                    self.remove(old, &at.to(name));
                }
            }
            (Value::Array(a), Value::Array(b)) => {
                for pair in align(a, b) {
                    match pair {
                        (Some(i), Some(j)) => self.data(&a[i], &b[j], &at.items(i, j)),
                        (None, Some(j)) => self.push(Op::Add, &at.items(j, j), None, Some(&b[j])),
                        (Some(i), None) => self.remove(&a[i], &at.items(i, i)),
                        (None, None) => {}
                    }
                }
            }
            _ => self.push(Op::Replace, at, Some(a), Some(b)),
        }
        if self.changes.len() - before > MOST_WITHIN {
            self.changes.truncate(before);
            self.push(Op::Replace, at, Some(a), Some(b));
        }
    }

    fn add(&mut self, new: &'a Value, kind: Member, at: &At) {
        self.push(Op::Add, at, None, Some(new));
        self.arrived(new, kind, at);
    }

    fn add_thing(&mut self, thing: Thing, new: &'a Value, at: &At) {
        self.push(Op::Add, at, None, Some(new));
        if thing == Thing::Step {
            self.arrived(new, Member::Things(Thing::Step), at);
        }
    }

    /// Finds the steps that moved into something new.
    fn arrived(&mut self, new: &'a Value, kind: Member, at: &At) {
        let mut found = Vec::new();
        each_thing_in(kind, new, &at.new, &mut |thing, pointer, id, value| {
            let known = self.old.0.contains_key(&(thing, id));
            if known {
                found.push((thing, pointer, id, value));
            }
            !known
        });
        for (thing, pointer, id, value) in found {
            self.thing(thing, id, value, &At { new: pointer, ..at.clone() }, true);
        }
    }

    fn remove(&mut self, old: &Value, at: &At) {
        let change = Change {
            op: Op::Remove,
            pointer: at.old.clone(),
            id: at.id.clone(),
            from: Some(old.clone()),
            to: None,
        };
        self.changes.push(change);
    }

    fn push(&mut self, op: Op, at: &At, from: Option<&Value>, to: Option<&Value>) {
        let (from, to) = (from.cloned(), to.cloned());
        self.changes.push(Change { op, pointer: at.new.clone(), id: at.id.clone(), from, to });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(from: &Value, to: &Value) -> Value {
        serde_json::to_value(diff(from, to)).unwrap()
    }

    fn steps(steps: Value) -> Value {
        json!({"name": "n", "triggers": [], "steps": steps})
    }

    fn map(id: &str, output: Value) -> Value {
        json!({"id": id, "type": "map", "output": output})
    }

    #[test]
    fn nothing_differs_from_itself() {
        let document = steps(json!([map("a", json!(1)), map("b", json!([1, {"x": null}]))]));
        assert_eq!(of(&document, &document), json!([]));
        let other_order = json!({"steps": document["steps"], "triggers": [], "name": "n"});
        assert_eq!(of(&document, &other_order), json!([]));
    }

    #[test]
    fn members_and_steps_come_go_and_change() {
        let from = json!({"name": "old", "description": "x", "triggers": [{"id": "in", "type": "manual"}],
            "steps": [map("a", json!({"n": 1})), map("gone", json!(null)), map("z", json!(0))]});
        let to = json!({"name": "new", "timeout": "P1D",
            "triggers": [{"id": "form", "type": "webhook"}, {"id": "in", "type": "manual"}],
            "steps": [map("a", json!({"n": 2, "m": [1]})), map("z", json!(0)), map("b", json!(1))]});
        let want = json!([
            {"op": "replace", "pointer": "/name", "from": "old", "to": "new"},
            {"op": "add", "pointer": "/timeout", "to": "P1D"},
            {"op": "add", "pointer": "/triggers/0", "id": "form", "to": {"id": "form", "type": "webhook"}},
            {"op": "replace", "pointer": "/steps/0/output/n", "id": "a", "from": 1, "to": 2},
            {"op": "add", "pointer": "/steps/0/output/m", "id": "a", "to": [1]},
            {"op": "add", "pointer": "/steps/2", "id": "b", "to": map("b", json!(1))},
            {"op": "remove", "pointer": "/steps/1", "id": "gone", "from": map("gone", json!(null))},
            {"op": "remove", "pointer": "/description", "from": "x"}
        ]);
        assert_eq!(of(&from, &to), want);
    }

    #[test]
    fn steps_that_change_places_are_moved_and_their_neighbours_are_not() {
        let [a, b, c] = ["a", "b", "c"].map(|id| map(id, json!(1)));
        let changed = map("c", json!(2));
        let found = of(&steps(json!([a, b, c])), &steps(json!([changed, a, b])));
        assert_eq!(
            found,
            json!([
                {"op": "move", "pointer": "/steps/0", "id": "c", "from": "/steps/2", "to": "/steps/0"},
                {"op": "replace", "pointer": "/steps/0/output", "id": "c", "from": 1, "to": 2}
            ])
        );
    }

    #[test]
    fn a_step_is_found_again_inside_a_new_branch() {
        let [a, b] = ["a", "b"].map(|id| map(id, json!(1)));
        let branch = json!({"id": "if", "type": "branch", "arms": [{"when": true, "steps": [map("a", json!(5))]}], "else": [map("new", json!(0))]});
        let found = of(&steps(json!([a, b])), &steps(json!([branch, b])));
        assert_eq!(
            found,
            json!([
                {"op": "add", "pointer": "/steps/0", "id": "if", "to": branch},
                {"op": "move", "pointer": "/steps/0/arms/0/steps/0", "id": "a", "from": "/steps/0", "to": "/steps/0/arms/0/steps/0"},
                {"op": "replace", "pointer": "/steps/0/arms/0/steps/0/output", "id": "a", "from": 1, "to": 5}
            ])
        );
        // And outside again, when the branch goes.
        let back = of(&steps(json!([branch, b])), &steps(json!([map("a", json!(5)), b])));
        assert_eq!(
            back,
            json!([
                {"op": "move", "pointer": "/steps/0", "id": "a", "from": "/steps/0/arms/0/steps/0", "to": "/steps/0"},
                {"op": "remove", "pointer": "/steps/0", "id": "if", "from": branch}
            ])
        );
    }

    #[test]
    fn an_arm_in_front_moves_no_step_of_the_others() {
        let arm = |when: &str, id: &str| json!({"when": when, "steps": [map(id, json!(1))]});
        let branch = |arms: Value| steps(json!([{"id": "if", "type": "branch", "arms": arms}]));
        let found = of(
            &branch(json!([arm("a", "x"), arm("b", "y")])),
            &branch(json!([arm("new", "z"), arm("a", "x"), arm("b", "y")])),
        );
        assert_eq!(
            found,
            json!([{"op": "add", "pointer": "/steps/0/arms/0", "id": "if", "to": arm("new", "z")}])
        );
        let found = of(&branch(json!([arm("a", "x")])), &branch(json!([arm("c", "x")])));
        assert_eq!(
            found,
            json!([{"op": "replace", "pointer": "/steps/0/arms/0/when", "id": "if", "from": "a", "to": "c"}])
        );
    }

    #[test]
    fn data_that_looks_like_steps_is_data() {
        let data =
            |ids: [&str; 2]| steps(json!([map("m", json!({"steps": ids.map(|id| json!({"id": id}))}))]));
        let found = of(&data(["a", "b"]), &data(["b", "a"]));
        assert!(found.as_array().unwrap().iter().all(|c| c["id"] == "m" && c["op"] != "move"), "{found:#}");
    }

    #[test]
    fn a_value_that_is_another_is_told_as_one() {
        let numbers = |from: u32| steps(json!([map("m", json!((from..from + 500).collect::<Vec<_>>()))]));
        let found = diff(&numbers(0), &numbers(1000));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].op, found[0].pointer.as_str()), (Op::Replace, "/steps/0/output"));
    }

    #[test]
    fn what_is_no_definition_is_compared_too() {
        assert_eq!(of(&json!(1), &json!([])), json!([{"op": "replace", "pointer": "", "from": 1, "to": []}]));
        let found = of(&json!({"steps": 1, "triggers": {}}), &json!({"steps": [{}], "triggers": [1]}));
        assert_eq!(found.as_array().unwrap().len(), 2);
    }

    /// A definition whose steps stand in blocks of each other.
    fn definition() -> impl Strategy<Value = Value> {
        let step = (0..12_u8, any::<prop::sample::Index>(), 0..4_u8, 0..3_u8);
        prop::collection::vec(step, 0..14).prop_map(|plan| {
            let mut document = steps(json!([]));
            let mut lists = vec!["/steps".to_owned()];
            let mut seen = HashSet::new();
            for (id, list, kind, content) in plan {
                if !seen.insert(id) {
                    continue;
                }
                let list = list.get(&lists).clone();
                let items = document.pointer_mut(&list).and_then(Value::as_array_mut).unwrap();
                let at = format!("{list}/{}", items.len());
                let (step, inner): (Value, &[&str]) = match kind {
                    0 => (
                        json!({"arms": [{"when": content, "steps": []}], "else": []}),
                        &["/arms/0/steps", "/else"],
                    ),
                    1 => (json!({"branches": [[], []]}), &["/branches/0", "/branches/1"]),
                    2 => (json!({"steps": [], "catch": {"steps": []}}), &["/steps", "/catch/steps"]),
                    _ => (json!({"output": {"n": content, "list": vec![1; content.into()]}}), &[]),
                };
                let mut step = step;
                step["id"] = format!("s{id}").into();
                items.push(step);
                lists.extend(inner.iter().map(|inner| format!("{at}{inner}")));
            }
            document
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn every_difference_is_where_it_says(from in definition(), to in definition()) {
            let changes = diff(&from, &to);
            prop_assert_eq!(changes.is_empty(), from == to);
            prop_assert!(diff(&to, &to).is_empty());
            let mut told = HashSet::new();
            for change in &changes {
                prop_assert!(told.insert((change.pointer.clone(), change.op == Op::Move, change.op == Op::Remove)), "{:?} twice", change);
                let old = |pointer: &str| from.pointer(pointer).cloned();
                let new = to.pointer(&change.pointer).cloned();
                match change.op {
                    Op::Add => prop_assert_eq!(&change.to, &new),
                    Op::Remove => prop_assert_eq!(&change.from, &old(&change.pointer)),
                    Op::Replace => prop_assert_eq!(&change.to, &new),
                    Op::Move => {
                        let was = old(change.from.as_ref().and_then(Value::as_str).unwrap_or_default());
                        prop_assert_eq!(&was.unwrap_or_default()["id"], &new.unwrap_or_default()["id"]);
                        prop_assert_eq!(change.to.as_ref().and_then(Value::as_str), Some(change.pointer.as_str()));
                    }
                }
            }
            // Each step is in both versions, or told as having come or gone.
            let (mut old, mut new) = (Places::default(), Places::default());
            old.collect(&from);
            new.collect(&to);
            for ((thing, id), (pointer, _)) in &new.0 {
                let came = changes.iter().any(|c| c.op == Op::Add && pointer.starts_with(&c.pointer));
                prop_assert!(old.0.contains_key(&(*thing, *id)) || came, "{} came unseen", id);
            }
            for ((thing, id), (pointer, _)) in &old.0 {
                let went = changes.iter().any(|c| c.op == Op::Remove && pointer.starts_with(&c.pointer));
                prop_assert!(new.0.contains_key(&(*thing, *id)) || went, "{} went unseen", id);
            }
        }
    }
}
