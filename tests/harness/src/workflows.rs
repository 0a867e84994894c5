//! The workflows that the tests run.

use crate::{Reply, ScriptedHttp};
use serde_json::{Value, json};

/// Answers 200.
pub const GET: &str = "https://example.com/get";
/// Answers 201.
pub const POST: &str = "https://example.com/post";
/// Answers 503, then 200.
pub const SHAKY: &str = "https://example.com/shaky";
/// Answers 500.
pub const DOWN: &str = "https://example.com/down";
/// Answers 404.
pub const GONE: &str = "https://example.com/gone";

/// Answers 200 and a list of a hundred texts, about 2 KB.
/// Where an app is called that takes one token only.
pub const APP: &str = "https://api.stripe.com/v1/customers";
pub const LARGE: &str = "https://example.com/large";

/// What [`LARGE`] answers.
pub fn large() -> Value {
    (0..100).map(|n| json!(format!("a text, number {n}"))).collect()
}

/// A definition of `steps` that is started by hand.
pub fn workflow(steps: Value) -> Value {
    let on_failure = json!([map("told", json!("{{ error.code }}"))]);
    json!({"name": "test", "triggers": [{"id": "manual", "type": "manual"}], "steps": steps, "on_failure": on_failure})
}

pub fn map(id: &str, output: Value) -> Value {
    json!({"id": id, "type": "map", "output": output})
}

pub fn get(id: &str, url: &str) -> Value {
    json!({"id": id, "type": "action", "use": "http.request", "input": {"url": url}})
}

pub fn post(id: &str, url: &str, body: Value) -> Value {
    json!({"id": id, "type": "action", "use": "http.request", "input": {"method": "POST", "url": url, "body": body}})
}

pub fn wait(id: &str, length: &str) -> Value {
    json!({"id": id, "type": "wait", "for": length})
}

/// `step` with more fields.
pub fn with(mut step: Value, fields: Value) -> Value {
    let more = fields.as_object().expect("fields are an object").clone();
    step.as_object_mut().expect("a step is an object").extend(more);
    step
}

/// A workflow, and what becomes of its runs when nothing goes wrong.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    pub definition: Value,
    pub status: &'static str,
    /// Steps whose effects must not be caused twice without need.
    pub claimed: &'static [&'static str],
    /// The address of a step that must never be attempted twice.
    pub at_most_once: Option<&'static str>,
}

/// Lets the other side behave as the cases expect.
pub fn prepare(http: &ScriptedHttp) {
    http.script(GET, [Reply::ok(json!({"n": 2}))]);
    http.script(POST, [Reply::Json(201, json!({"id": "c1"}))]);
    http.script(SHAKY, [Reply::Json(503, json!("busy")), Reply::ok(json!("at last"))]);
    http.script(DOWN, [Reply::Json(500, json!("down"))]);
    http.script(GONE, [Reply::Json(404, json!("gone"))]);
    http.script(LARGE, [Reply::ok(large())]);
}

pub fn cases() -> Vec<Case> {
    let calm = |url| json!({"method": "GET", "url": url});
    let retry = json!({"max_attempts": 2, "initial": "PT2S", "jitter": "none"});
    let case = |name, status, claimed, at_most_once, steps| Case {
        name,
        definition: workflow(steps),
        status,
        claimed,
        at_most_once,
    };
    vec![
        case("nothing to do", "succeeded", &[], None, json!([])),
        case(
            "pure steps only",
            "succeeded",
            &[],
            None,
            json!([map("a", json!("{{ trigger.n }}")), map("b", json!("{{ steps.a }}"))]),
        ),
        case(
            "map, branch, get, map",
            "succeeded",
            &[],
            None,
            json!([
                map("sum", json!({"n": "{{ trigger.n + 1 }}"})),
                {"id": "pick", "type": "branch", "arms": [
                    {"when": "{{ steps.sum.n = 2 }}", "steps": [get("fetch", GET), map("taken", json!("{{ steps.fetch.body.n }}"))]}
                ], "else": [map("not", json!(1))]},
                map("end", json!({"got": "{{ steps.fetch.body.n }}"})),
            ]),
        ),
        case(
            "large outputs",
            "succeeded",
            &[POST],
            None,
            json!([
                get("fetch", LARGE),
                map("copy", json!({"rows": "{{ steps.fetch.body }}"})),
                post("send", POST, json!({"rows": "{{ steps.copy.rows }}"})),
                each(
                    "each",
                    json!([1, 2]),
                    2,
                    json!([get("again", LARGE), map("both", json!("{{ steps.again.body }}"))])
                ),
                wait("pause", "PT1H"),
                map("count", json!("{{ $count(steps.copy.rows) + $count(steps.each) }}")),
            ]),
        ),
        case(
            "two posts",
            "succeeded",
            &[POST],
            None,
            json!([
                post("one", POST, json!({"a": 1})),
                post("two", POST, json!({"b": "{{ steps.one.body.id }}"}))
            ]),
        ),
        case(
            "post, respond, map",
            "succeeded",
            &[POST],
            None,
            json!([
                post("create", POST, json!({"a": 1})),
                {"id": "tell", "type": "respond", "status": 201, "body": "{{ steps.create.body.id }}"},
                map("end", json!("{{ steps.create.status }}")),
            ]),
        ),
        case(
            "a short wait",
            "succeeded",
            &[],
            None,
            json!([map("a", json!(1)), wait("nap", "PT5M"), get("fetch", GET)]),
        ),
        case(
            "a short wait at the end",
            "succeeded",
            &[],
            None,
            json!([get("fetch", GET), wait("nap", "PT30S")]),
        ),
        case(
            "a long wait",
            "succeeded",
            &[],
            None,
            json!([map("a", json!(1)), wait("sleep", "PT17M"), map("b", json!("{{ steps.a }}"))]),
        ),
        case("a long wait at the end", "succeeded", &[], None, json!([wait("sleep", "PT17M")])),
        case(
            "retry, then success",
            "succeeded",
            &[],
            None,
            json!([
                with(get("shaky", SHAKY), json!({"retry": retry})),
                map("b", json!("{{ steps.shaky.body }}"))
            ]),
        ),
        case(
            "retry of a post",
            "succeeded",
            &[SHAKY],
            None,
            json!([with(post("shaky", SHAKY, json!(1)), json!({"retry": retry})), map("b", json!(1))]),
        ),
        case(
            "retries used up",
            "failed",
            &[],
            None,
            json!([with(get("down", DOWN), json!({"retry": retry})), map("never", json!(1))]),
        ),
        case(
            "a failed post goes on",
            "succeeded",
            &[GONE],
            None,
            json!([
                with(post("gone", GONE, json!({})), json!({"on_error": "continue"})),
                map("after", json!("{{ steps.gone.error.code }}")),
            ]),
        ),
        case(
            "a fault of an expression",
            "failed",
            &[],
            None,
            json!([get("fetch", GET), map("bad", json!("{{ 1 + 'x' }}"))]),
        ),
        case(
            "at most once",
            "succeeded",
            &[POST],
            Some(POST),
            json!([
                with(
                    post("once", POST, json!({"pay": 1})),
                    json!({"at_most_once": true, "on_error": "continue"})
                ),
                map("after", json!(1)),
            ]),
        ),
        case(
            "stop as failed",
            "failed",
            &[],
            None,
            json!([
                map("a", json!(1)),
                {"id": "halt", "type": "stop", "status": "failed", "message": "no {{ steps.a }}"},
            ]),
        ),
        case(
            "everything",
            "succeeded",
            &[POST],
            None,
            json!([
                map("a", json!({"n": "{{ trigger.n }}", "at": "{{ $now() }}", "r": "{{ $random() }}"})),
                {"id": "read", "type": "action", "use": "http.request", "input": calm(GET)},
                {"id": "pick", "type": "branch", "arms": [
                    {"when": false, "steps": []},
                    {"when": "{{ steps.read.body.n = 2 }}", "steps": [post("write", POST, json!({"r": "{{ steps.a.r }}", "at": "{{ $now() }}"})), wait("nap", "PT1M")]}
                ]},
                {"id": "tell", "type": "respond", "body": {"id": "{{ steps.write.body.id }}"}},
                with(get("gone", GONE), json!({"on_error": "continue"})),
                {"id": "done", "type": "stop", "output": {"r": "{{ steps.a.r }}"}},
            ]),
        ),
        case(
            "a loop",
            "succeeded",
            &[],
            None,
            json!([
                each(
                    "each",
                    json!([1, 2, 3, 4, 5]),
                    2,
                    json!([
                        map("twice", json!("{{ item * 2 }}")),
                        post(
                            "send",
                            POST,
                            json!({"n": "{{ steps.twice }}", "i": "{{ index }}", "r": "{{ $random() }}"})
                        ),
                        map("gives", json!("{{ steps.twice + index }}")),
                    ])
                ),
                map("after", json!("{{ $sum(steps.each) }}")),
            ]),
        ),
        case(
            "a loop of pure steps",
            "succeeded",
            &[],
            None,
            json!([
                each(
                    "each",
                    json!("{{ [1, 2, 3, 4, 5, 6, 7] }}"),
                    3,
                    json!([
                        {"id": "odd", "type": "filter", "when": "{{ item % 2 = 1 }}"},
                        map("gives", json!("{{ item }}")),
                    ])
                ),
                map("after", json!("{{ steps.each }}")),
            ]),
        ),
        case(
            "nothing to loop over",
            "succeeded",
            &[],
            None,
            json!([
                each("each", json!([]), 2, json!([get("never", GET)])),
                map("after", json!("{{ steps.each }}"))
            ]),
        ),
        case(
            "parallel arms",
            "succeeded",
            &[POST],
            None,
            json!([
                map("a", json!(1)),
                {"id": "both", "type": "parallel", "arms": [
                    {"id": "left", "steps": [post("one", POST, json!({"a": "{{ steps.a }}"})), map("l", json!("left"))]},
                    {"id": "right", "steps": [wait("nap", "PT1M"), get("two", GET), map("r", json!("{{ steps.two.body.n }}"))]},
                ]},
                map("after", json!("{{ steps.both.left & steps.both.right }}")),
            ]),
        ),
        case(
            "an arm fails while another waits",
            "failed",
            &[],
            None,
            json!([
                {"id": "both", "type": "parallel", "arms": [
                    {"id": "left", "steps": [wait("nap", "PT3H"), get("never", GET)]},
                    {"id": "right", "steps": [get("gone", GONE)]},
                ]},
                map("never_either", json!(1)),
            ]),
        ),
        case(
            "loops in loops",
            "succeeded",
            &[],
            None,
            json!([
                each(
                    "outer",
                    json!([[1, 2], [3]]),
                    2,
                    json!([
                        each(
                            "inner",
                            json!("{{ item }}"),
                            2,
                            json!([get("fetch", GET), map("gives", json!("{{ item * 10 }}"))])
                        ),
                        map("sum", json!("{{ $sum(steps.inner) }}")),
                    ])
                ),
                map("after", json!("{{ steps.outer }}")),
            ]),
        ),
        case(
            "while",
            "succeeded",
            &[],
            None,
            json!([
                {"id": "loop", "type": "while", "when": "{{ steps.loop.iterations < 3 }}", "steps": [
                    get("fetch", GET), map("n", json!("{{ steps.loop.iterations + steps.fetch.body.n }}"))]},
                map("after", json!("{{ steps.n }}")),
            ]),
        ),
        case(
            "try, catch, finally",
            "succeeded",
            &[GONE, POST],
            None,
            json!([
                {"id": "careful", "type": "try", "steps": [post("gone", GONE, json!({})), map("never", json!(1))],
                    "catch": [map("caught", json!("{{ error.code & steps.careful.error.step }}"))],
                    "finally": [post("tidy", POST, json!({"c": "{{ steps.caught }}"}))]},
                map("after", json!("{{ steps.caught }}")),
            ]),
        ),
        case(
            "finally, and the failure goes on to on_failure",
            "failed",
            &[POST],
            None,
            json!([
                {"id": "careful", "type": "try", "steps": [get("gone", GONE)], "finally": [post("tidy", POST, json!({}))]},
                map("never", json!(1)),
            ]),
        ),
        case(
            "failures of items are results",
            "succeeded",
            &[],
            None,
            json!([
                with(
                    each(
                        "each",
                        json!([GET, GONE, GET]),
                        2,
                        json!([get("fetch", "{{ item }}"), map("n", json!("{{ steps.fetch.body.n }}"))])
                    ),
                    json!({"on_item_error": "continue"})
                ),
                map("after", json!("{{ [steps.each[0], steps.each[1].error.code, steps.each[2]] }}")),
            ]),
        ),
        case(
            "an item fails, and so does the loop",
            "succeeded",
            &[],
            None,
            json!([
                with(
                    each("each", json!([GET, GONE, GET, GET]), 2, json!([get("fetch", "{{ item }}")])),
                    json!({"on_error": "continue"})
                ),
                map("after", json!("{{ steps.each.error.code }}")),
            ]),
        ),
        case(
            "code, and code that throws",
            "succeeded",
            &[],
            None,
            json!([
                map("a", json!(2)),
                {"id": "twice", "type": "code", "source": "export default (input) => ({given: input})", "input": {"n": "{{ steps.a }}"}},
                with(json!({"id": "bad", "type": "code", "source": "export default () => { throw new Error() }"}), json!({"on_error": "continue"})),
                map("after", json!("{{ [steps.twice.given.n, steps.bad.error.code] }}")),
            ]),
        ),
        case(
            "an event and its own loop",
            "succeeded",
            &[],
            None,
            json!([each(
                "each",
                json!(["a", "b"]),
                1,
                json!([
                    {"id": "tell", "type": "emit", "source": "shop", "detail_type": "Said", "detail": {"what": "{{ item }}"}}])
            ),]),
        ),
        case(
            "an approval that nobody gives",
            "succeeded",
            &[],
            None,
            json!([
                {"id": "ok", "type": "approval", "to": ["boss@example.com"], "title": "May I?", "timeout": "PT20M", "remind_every": "PT15M"},
                map("after", json!("{{ steps.ok.decision }}")),
            ]),
        ),
        case(
            "a callback that does not come",
            "failed",
            &[],
            None,
            json!([
                post("ask", POST, json!({"url": "{{ callbacks.answer }}"})),
                {"id": "answer", "type": "wait", "callback": true, "timeout": "PT2M"},
                map("never", json!(1)),
            ]),
        ),
    ]
}

/// A loop.
pub fn each(id: &str, items: Value, concurrency: u32, steps: Value) -> Value {
    json!({"id": id, "type": "for_each", "items": items, "concurrency": concurrency, "steps": steps})
}
