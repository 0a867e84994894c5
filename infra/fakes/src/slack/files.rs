//! Files: an address to upload to, the bytes, and then that it is complete.

use super::state::{BOT_USER, File};
use super::{Answer, Refused, Request, Slack, unmodelled};
use crate::call::Call;
use crate::multipart;
use crate::reply;
use axum::extract::{Path, State as Extension};
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn upload_url(request: Request<'_>) -> Answer {
    request.caller.needs("files:write")?;
    let name = request.args.needed("filename")?;
    let length = request.args.needed("length")?;
    let length: u64 = length.parse().ok().filter(|length| *length > 0).ok_or_else(|| {
        Refused::because("invalid_arguments", "must be greater than 0 [json-pointer:/length]")
    })?;
    let id = request.state.id("F");
    let upload_key = format!("fake-{}", uuid::Uuid::new_v4().simple());
    let url = format!("{}/upload/v1/{upload_key}", request.url);
    let title = name.clone();
    request
        .state
        .files
        .insert(id.clone(), File { name, title, length, upload_key, bytes: None, complete: false });
    Ok(json!({ "upload_url": url, "file_id": id }))
}

/// Takes the bytes as they are, whatever type they are said to be, or as the only part of a form.
pub(super) async fn upload(
    Extension(slack): Extension<Arc<Slack>>,
    Path(key): Path<String>,
    call: Call,
) -> Response {
    let bytes = if call.content_type() == "multipart/form-data" {
        let parts = multipart::parts(call.header("content-type").unwrap_or_default(), &call.body);
        match parts.as_deref() {
            Some([part]) => part.bytes.clone(),
            _ => return reply::typed(StatusCode::BAD_REQUEST, "text/plain", "expected one part"),
        }
    } else {
        call.body.clone()
    };
    let mut state = slack.state();
    let Some(file) = state.files.values_mut().find(|file| file.upload_key == key && !file.complete) else {
        return reply::typed(StatusCode::NOT_FOUND, "text/plain", "no such upload");
    };
    if bytes.len() as u64 != file.length {
        return reply::typed(StatusCode::BAD_REQUEST, "text/plain", "not the length that was announced");
    }
    let answer = format!("OK - {}", bytes.len());
    file.bytes = Some(bytes);
    reply::typed(StatusCode::OK, "text/plain", answer)
}

pub(super) fn complete(request: Request<'_>) -> Answer {
    request.caller.needs("files:write")?;
    let files = request.args.json("files").ok().flatten();
    let files = files.as_ref().and_then(Value::as_array).filter(|files| !files.is_empty());
    let files =
        files.ok_or_else(|| Refused::because("invalid_arguments", "missing required field: files"))?;
    if request.args.0.contains_key("blocks") {
        return Err(unmodelled("`blocks` of files"));
    }
    let mut channels = request.args.names("channels");
    channels.extend(request.args.text("channel_id"));
    if channels.len() > 100 {
        return Err(Refused::code("channels_limit_exceeded"));
    }
    for id in &channels {
        let channel = request.state.channel(id)?;
        if !channel.has(BOT_USER) {
            return Err(Refused::code("not_in_channel"));
        }
    }
    for file in files {
        let known = file["id"].as_str().and_then(|id| request.state.files.get(id));
        if known.is_none_or(|file| file.bytes.is_none() || file.complete) {
            return Err(Refused::code("file_not_found"));
        }
    }
    let mut shown = Vec::new();
    for given in files {
        let id = given["id"].as_str().unwrap_or_default();
        if let Some(file) = request.state.files.get_mut(id) {
            file.complete = true;
            if let Some(title) = given["title"].as_str() {
                title.clone_into(&mut file.title);
            }
            shown.push(json!({
                "id": id, "created": request.now.as_second(), "timestamp": request.now.as_second(), "name": file.name,
                "title": file.title, "size": file.length, "user": BOT_USER, "mode": "hosted", "is_external": false,
                "url_private": format!("{}/files-pri/{id}/download/{}", request.url, file.name),
                "url_private_download": format!("{}/files-pri/{id}/download/{}", request.url, file.name),
                "channels": channels,
            }));
        }
    }
    for id in &channels {
        let ts = request.state.ts(request.now);
        let mut message = json!({
            "type": "message", "text": request.args.text("initial_comment").unwrap_or_default(), "files": shown,
            "upload": true, "user": BOT_USER, "ts": ts
        });
        if let Some(thread) = request.args.text("thread_ts") {
            message["thread_ts"] = json!(thread);
        }
        request.state.channel(id)?.messages.insert(ts, message);
    }
    Ok(json!({ "files": shown }))
}

pub(super) async fn download(
    Extension(slack): Extension<Arc<Slack>>,
    Path((id, _)): Path<(String, String)>,
    call: Call,
) -> Response {
    // Without a token Slack shows its sign-in page, with status 200.
    let Ok(caller) = slack.caller(&call, &super::Args::default()) else {
        return reply::typed(
            StatusCode::OK,
            "text/html; charset=utf-8",
            "<html><title>Sign in</title></html>",
        );
    };
    let state = slack.state();
    match state.files.get(&id).filter(|file| file.complete && caller.has("files:read")) {
        Some(File { bytes: Some(bytes), .. }) => {
            reply::typed(StatusCode::OK, "application/octet-stream", bytes.clone())
        }
        _ => reply::typed(StatusCode::NOT_FOUND, "text/plain", "file_not_found"),
    }
}
