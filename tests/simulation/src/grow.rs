//! Definitions that chance made: every kind of step in every kind of block, valid as they stand.
//!
//! What their runs come to does not depend on faults: nothing reads times or ids, and where strands run side by side no failure
//! decides which of them still go on.

use harness::SeededDraw;
use harness::workflows::{Case, DOWN, GET, GONE, LARGE, POST, SHAKY, get, map, post, wait, with, workflow};
use runtime::Draw;
use serde_json::{Value, json};

/// How deep blocks are nested at most.
const DEEPEST: u32 = 4;

/// One definition; the same for the same seed.
pub fn definition(seed: u64) -> Value {
    let mut grower = Grower { draw: SeededDraw::new(seed), ids: 0, left: 25 };
    let mut steps = grower.block(&mut Around::default());
    if grower.one_in(4) {
        steps.push(json!({"id": "last", "type": "stop", "status": grower.pick(&["succeeded", "failed"])}));
    }
    workflow(steps.into())
}

/// The definition as a case of the library: what it comes to is what it comes to in calm weather.
pub(crate) fn case(seed: u64) -> Case {
    Case {
        name: format!("grown from {seed}").leak(),
        definition: definition(seed),
        status: "",
        claimed: &[],
        at_most_once: None,
    }
}

/// What stands around a list of steps.
#[derive(Debug, Clone, Default)]
struct Around {
    depth: u32,
    /// The steps that can be read here.
    readable: Vec<String>,
    /// Whether `item` and `index` have a meaning.
    in_loop: bool,
    /// Whether this is a strand beside others, where a failure would stop them at some point or other.
    beside_others: bool,
    /// Whether a failure is caught before it gets to another strand.
    caught: bool,
}

struct Grower {
    draw: SeededDraw,
    ids: u32,
    /// How many steps may still be made.
    left: u32,
}

impl Grower {
    fn below(&mut self, n: u64) -> u64 {
        self.draw.draw() % n
    }

    fn one_in(&mut self, n: u64) -> bool {
        self.below(n) == 0
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len() as u64) as usize]
    }

    fn id(&mut self) -> String {
        self.ids += 1;
        format!("s{}", self.ids)
    }

    /// A list of one to four steps.
    fn block(&mut self, around: &mut Around) -> Vec<Value> {
        let many = 1 + self.below(4);
        (0..many).map(|_| self.step(around)).collect()
    }

    fn inside(&mut self, around: &Around) -> Vec<Value> {
        self.block(&mut Around { depth: around.depth + 1, ..around.clone() })
    }

    fn step(&mut self, around: &mut Around) -> Value {
        self.left = self.left.saturating_sub(1);
        let blocks = around.depth < DEEPEST && self.left > 0;
        match self.below(if blocks { 17 } else { 10 }) {
            0..=2 => self.map(around),
            3..=5 => self.action(around),
            6 => self.failing(around),
            7 => {
                // In loops of loops, long ones would take days.
                let lengths: &[&str] =
                    if around.depth == 0 { &["PT5S", "PT90S", "PT20M"] } else { &["PT0S", "PT1S", "PT30S"] };
                let id = self.id();
                wait(&id, self.pick(lengths))
            }
            8 => {
                let (id, when) = (self.id(), self.condition(around));
                json!({"id": id, "type": "filter", "when": when})
            }
            9 => {
                let (id, what) = (self.id(), self.expression(around));
                json!({"id": id, "type": "emit", "source": "shop", "detail_type": "Grown", "detail": {"what": what}})
            }
            10 | 11 => self.branch(around),
            12 => self.parallel(around),
            13 | 14 => self.for_each(around),
            15 => self.while_(around),
            _ => self.try_(around),
        }
    }

    fn map(&mut self, around: &mut Around) -> Value {
        let (id, read) = (self.id(), self.expression(around));
        let output = match self.below(3) {
            0 => json!(read),
            1 => json!({"a": read, "b": [1, "two", null]}),
            _ => json!(format!("text {read}")),
        };
        around.readable.push(id.clone());
        map(&id, output)
    }

    fn action(&mut self, around: &mut Around) -> Value {
        let id = self.id();
        let read = self.expression(around);
        let retry = json!({"retry": {"max_attempts": 2, "initial": "PT2S", "jitter": "none"}});
        let step = match self.below(5) {
            0 | 1 => get(&id, GET),
            2 => get(&id, LARGE),
            3 => with(get(&id, SHAKY), retry),
            _ => post(&id, POST, json!({"read": read})),
        };
        around.readable.push(id);
        step
    }

    /// A step that fails, where that may be; else one that goes on.
    fn failing(&mut self, around: &Around) -> Value {
        let id = self.id();
        let url = [DOWN, GONE][self.below(2) as usize];
        let step = with(get(&id, url), json!({"retry": {"max_attempts": 1}}));
        let may = around.caught || (!around.beside_others && self.one_in(4));
        if may { step } else { with(step, json!({"on_error": "continue"})) }
    }

    fn branch(&mut self, around: &mut Around) -> Value {
        let id = self.id();
        let mut step = json!({"id": id, "type": "branch", "arms": []});
        for _ in 0..=self.below(2) {
            let when = self.condition(around);
            let steps = self.inside(around);
            step["arms"].as_array_mut().expect("a list").push(json!({"when": when, "steps": steps}));
        }
        if self.one_in(2) {
            step["else"] = self.inside(around).into();
        }
        around.readable.push(id);
        step
    }

    fn parallel(&mut self, around: &mut Around) -> Value {
        let id = self.id();
        let beside = Around { beside_others: true, caught: false, ..around.clone() };
        let arms: Vec<Value> =
            ["left", "right"].map(|arm| json!({"id": arm, "steps": self.inside(&beside)})).into();
        json!({"id": id, "type": "parallel", "arms": arms})
    }

    fn for_each(&mut self, around: &mut Around) -> Value {
        let id = self.id();
        let items: Vec<u64> = (0..self.below(6)).collect();
        let concurrency = 1 + self.below(3);
        let beside = Around { beside_others: true, caught: false, in_loop: true, ..around.clone() };
        let steps = self.inside(&beside);
        json!({"id": id, "type": "for_each", "items": items, "concurrency": concurrency, "steps": steps})
    }

    fn while_(&mut self, around: &mut Around) -> Value {
        let id = self.id();
        let when = format!("{{{{ steps.{id}.iterations < {} }}}}", self.below(4));
        let steps = self.inside(around);
        json!({"id": id, "type": "while", "when": when, "steps": steps})
    }

    fn try_(&mut self, around: &mut Around) -> Value {
        let id = self.id();
        let mut step = json!({"id": id, "type": "try"});
        step["steps"] = self.inside(&Around { caught: true, ..around.clone() }).into();
        step["catch"] = self.inside(around).into();
        if self.one_in(2) {
            step["finally"] = self.inside(around).into();
        }
        step
    }

    /// `{{ … }}` that reads something and never fails.
    fn expression(&mut self, around: &Around) -> String {
        if around.in_loop && self.one_in(2) {
            return self.pick(&["{{ item }}", "{{ index + 1 }}", "{{ $string(item) }}"]).to_owned();
        }
        match around.readable.len() as u64 {
            0 => "{{ trigger.input.n + 1 }}".to_owned(),
            n => {
                let id = &around.readable[self.below(n) as usize];
                match self.below(3) {
                    0 => format!("{{{{ $length($string(steps.{id})) }}}}"),
                    1 => format!("{{{{ $exists(steps.{id}) }}}}"),
                    _ => format!("{{{{ steps.{id} }}}}"),
                }
            }
        }
    }

    fn condition(&mut self, around: &Around) -> String {
        if around.in_loop && self.one_in(2) {
            return "{{ item % 2 = 0 }}".to_owned();
        }
        match around.readable.last() {
            Some(id) if self.one_in(2) => format!("{{{{ $exists(steps.{id}) }}}}"),
            _ => self.pick(&["{{ trigger.input.n = 1 }}", "{{ trigger.input.n = 2 }}"]).to_owned(),
        }
    }
}
