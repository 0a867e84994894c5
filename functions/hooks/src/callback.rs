//! The addresses by which a step that waits is answered: `GET` shows a page, only `POST` decides (mail scanners follow links).

use crate::App;
use crate::answer;
use crate::request::Incoming;
use dispatch::Answered;
use domain::callback::Token;
use domain::run::{Head, Mail, MailKind, Mark};
use domain::{OrgKey, Problem, Provenance};
use engine::NodeKind;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use serde_json::{Value, json};
use tracing::{error, info};

/// What such paths begin with.
pub(crate) const PREFIX: &str = "/hooks/callbacks/";
/// The longest comment of a decision, in characters.
const MAX_COMMENT: usize = 2000;

/// Answers one request to `token`.
pub(crate) async fn handle(app: &App, request: &Request, token: &str) -> Result<Response<Body>, Problem> {
    let token = Token::parse(token).ok_or_else(not_found)?;
    // Nothing but this run is looked at before its head has vouched for the token.
    let org = OrgKey::verified(token.org.clone(), Provenance::Callback);
    let head = app.runs.head(&org, &token.run, false).await.map_err(unavailable)?;
    let head = head.filter(|head| token.is_of(head)).ok_or_else(not_found)?;
    let plan = app.plans.get(&org, &head.workflow, head.version).await.map_err(unavailable)?;
    let node = plan.by_instance(&token.path).map(|ix| plan.node(ix)).ok_or_else(not_found)?;
    let approval = matches!(node.kind, NodeKind::Approval(_));
    match *request.method() {
        Method::GET | Method::HEAD => {
            let strand = plan.strand_of(&token.path).unwrap_or_default();
            page(app, &org, &head, &strand, &token.path, approval).await
        }
        Method::POST => decide(app, request, &org, &token, approval).await,
        _ => Err(Problem::new(405, "method_not_allowed", "look with `GET`, answer with `POST`")),
    }
}

async fn decide(
    app: &App,
    request: &Request,
    org: &OrgKey,
    token: &Token,
    approval: bool,
) -> Result<Response<Body>, Problem> {
    let mut incoming = Incoming::read(request)?;
    let body = incoming.trigger["body"].take();
    let (kind, payload) = if approval { decision(&body)? } else { (MailKind::Resumed, body) };
    if domain::nests_too_deep(&payload) {
        return Err(Problem::new(422, "input_too_deep", "the body nests deeper than 100 levels"));
    }
    let mail = Mail { kind, payload, at: app.clock.now(), by: None };
    let answered = app.starter.answer(&app.plans, org, &token.run, &token.path, &mail).await;
    match answered.map_err(unavailable)? {
        Answered::Taken(_) => {
            info!(run.id = %token.run, step = token.path, "a step that waited was answered");
            Ok(match request.headers().get("content-type") {
                Some(form) if form.as_bytes().starts_with(b"application/x-www-form-urlencoded") => {
                    answer::html(
                        200,
                        &document("Thank you", "<p>Your answer was taken. You can close this page.</p>"),
                    )
                }
                _ => answer::ok(&json!({"run": token.run.as_str(), "step": token.path, "status": "taken"})),
            })
        }
        Answered::TooLate(_) => Err(Problem::new(
            409,
            "already_answered",
            "somebody else was first, or the time was over: that answer counts",
        )),
        Answered::Gone => {
            Err(Problem::new(410, "callback_gone", "the run has ended: nothing waits for this answer"))
        }
    }
}

fn decision(body: &Value) -> Result<(MailKind, Value), Problem> {
    let kind = match body["decision"].as_str() {
        Some("approve") => MailKind::Approved,
        Some("reject") => MailKind::Rejected,
        _ => {
            let detail =
                "send `decision` as `approve` or `reject`, as a form or as JSON; `comment` is optional";
            return Err(Problem::new(422, "invalid_decision", detail));
        }
    };
    let comment = match &body["comment"] {
        Value::String(text) if !text.trim().is_empty() => {
            text.chars().take(MAX_COMMENT).collect::<String>().into()
        }
        _ => Value::Null,
    };
    Ok((kind, comment))
}

/// What a browser shows: the question and two buttons, or how to answer.
async fn page(
    app: &App,
    org: &OrgKey,
    head: &Head,
    strand: &str,
    path: &str,
    approval: bool,
) -> Result<Response<Body>, Problem> {
    let mail = app.runs.mail(org, &head.id, path).await.map_err(unavailable)?;
    if mail.is_some() || head.status.is_terminal() {
        let body = "<p>This was answered already, or its time is over. There is nothing left to decide.</p>";
        return Ok(answer::html(410, &document("Nothing to decide", body)));
    }
    if !approval {
        let body = "<p>A workflow waits for a call of this address. Send a <code>POST</code> with a JSON body to let it go on.</p>";
        return Ok(answer::html(200, &document("Waiting", body)));
    }
    let journal = app.runs.strand_journal(org, &head.id, strand).await.map_err(unavailable)?;
    let asked = journal.entries.iter().find(|e| e.path == path && matches!(e.mark, Mark::Awaiting { .. }));
    let question = asked.and_then(|e| e.input.clone()).unwrap_or_default();
    let title = text(&question["title"]);
    let body = format!(
        "<p>{}</p><form method=\"post\"><label>Comment<br><textarea name=\"comment\" maxlength=\"{MAX_COMMENT}\"></textarea></label>\
         <p><button name=\"decision\" value=\"approve\">Approve</button> <button name=\"decision\" value=\"reject\">Reject</button></p></form>",
        escape(&text(&question["message"])).replace('\n', "<br>"),
    );
    Ok(answer::html(200, &document(if title.is_empty() { "Your approval is needed" } else { &title }, &body)))
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn document(title: &str, body: &str) -> String {
    let title = escape(title);
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"viewport\" content=\"width=device-width\">\
         <title>{title}</title><style>body{{font:16px system-ui,sans-serif;max-width:36rem;margin:10vh auto;padding:0 1rem}}\
         textarea{{width:100%;height:5rem}}button{{font:inherit;padding:.5rem 1.5rem}}</style><h1>{title}</h1>{body}</html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

fn not_found() -> Problem {
    Problem::new(
        404,
        "callback_not_found",
        "no step is answered by this address; copy it whole, or ask for a new one",
    )
}

/// Nothing was promised: the sender may repeat.
fn unavailable(cause: impl std::fmt::Display) -> Problem {
    error!(error = %cause, "an answer could not be taken");
    Problem::new(503, "unavailable", "the answer could not be stored; send it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decision_is_one_of_two() {
        assert_eq!(decision(&json!({"decision": "approve"})).unwrap(), (MailKind::Approved, Value::Null));
        let rejected = decision(&json!({"decision": "reject", "comment": "no"})).unwrap();
        assert_eq!(rejected, (MailKind::Rejected, json!("no")));
        for body in [json!(null), json!({}), json!({"decision": "maybe"}), json!("approve")] {
            assert_eq!(decision(&body).unwrap_err().code, "invalid_decision");
        }
    }

    #[test]
    fn what_others_wrote_is_text_on_the_page() {
        let page = document("<script>", &escape("a & \"b\""));
        assert!(
            page.contains("&lt;script&gt;")
                && !page.contains("<script>")
                && page.contains("a &amp; &quot;b&quot;")
        );
    }
}
