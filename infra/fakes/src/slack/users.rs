//! People, and who the caller is.

use super::state::{BOT, BOT_USER, TEAM, TEAM_NAME, User, page, with_cursor};
use super::{Answer, Args, Caller, Refused, Request};
use serde_json::{Value, json};

/// Answered before anybody is asked who they are, by [`echo`].
pub(super) fn api_test(request: Request<'_>) -> Answer {
    echo(request.args)
}

pub(super) fn echo(args: &Args) -> Answer {
    if let Some(error) = args.text("error") {
        return Err(Refused(json!({ "ok": false, "error": error, "args": args.0 })));
    }
    Ok(json!({ "args": args.0 }))
}

#[expect(clippy::unnecessary_wraps, reason = "it is a method as the others are")]
pub(super) fn auth_test(request: Request<'_>) -> Answer {
    Ok(json!({
        "url": format!("{}/", request.url), "team": TEAM_NAME, "user": "patchbay", "team_id": TEAM,
        "user_id": BOT_USER, "bot_id": BOT, "is_enterprise_install": false
    }))
}

fn shown(user: &User, caller: &Caller) -> Value {
    let mut value = json!({
        "id": user.id, "team_id": TEAM, "name": user.name, "deleted": user.deleted, "real_name": user.real_name,
        "tz": "Europe/Berlin", "tz_label": "Central European Time", "tz_offset": 3600,
        "profile": { "real_name": user.real_name, "display_name": user.name, "team": TEAM },
        "is_admin": user.id == "U0FAKE00001", "is_owner": false, "is_bot": user.bot, "is_app_user": false,
        "updated": 1_700_000_000
    });
    if let Some(email) = user.email.as_ref().filter(|_| caller.has("users:read.email")) {
        value["profile"]["email"] = json!(email);
    }
    value
}

pub(super) fn list(request: Request<'_>) -> Answer {
    request.caller.needs("users:read")?;
    let all: Vec<_> = request.state.users.iter().map(|user| shown(user, request.caller)).collect();
    // Without a limit everybody is answered at once.
    let (members, next) = page(&all, request.args, 1_000, 1_000)?;
    Ok(with_cursor(json!({ "members": members, "cache_ts": request.now.as_second() }), &next))
}

pub(super) fn info(request: Request<'_>) -> Answer {
    request.caller.needs("users:read")?;
    let id = request.args.needed("user")?;
    let user = request.state.user(&id).ok_or_else(|| Refused::code("user_not_found"))?;
    Ok(json!({ "user": shown(user, request.caller) }))
}

pub(super) fn lookup(request: Request<'_>) -> Answer {
    request.caller.needs("users:read.email")?;
    let email = request.args.needed("email")?;
    let found = request.state.users.iter().find(|user| {
        !user.deleted && user.email.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(&email))
    });
    let user = found.ok_or_else(|| Refused::code("users_not_found"))?;
    Ok(json!({ "user": shown(user, request.caller) }))
}
