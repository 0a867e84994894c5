//! Blocks: what pages are made of.

use super::values::rich_texts;
use super::{BOT, Fake, Kept, LONGEST_ARRAY, at, id, invalid, list, not_found, unmodelled};
use crate::call::Call;
use axum::extract::{Path, State};
use axum::response::Response;
use serde_json::{Value, json};

/// Adds blocks to a page or a block; gives them as they are shown.
pub(super) fn append(
    kept: &mut Kept,
    call: &Call,
    parent: &str,
    children: &Value,
) -> Result<Vec<Value>, Response> {
    let items = children.as_array().filter(|items| items.len() <= LONGEST_ARRAY);
    let items =
        items.ok_or_else(|| invalid("body failed validation: body.children.length should be ≤ `100`."))?;
    let mut new = Vec::new();
    for item in items {
        let kinds = [
            "paragraph",
            "heading_1",
            "heading_2",
            "heading_3",
            "bulleted_list_item",
            "numbered_list_item",
            "quote",
            "to_do",
            "code",
            "divider",
        ];
        let Some(kind) = kinds.into_iter().find(|kind| item.get(kind).is_some()) else {
            return Err(unmodelled(call, "this type of block"));
        };
        let mut content = item[kind].clone();
        if content.get("children").is_some() {
            return Err(unmodelled(call, "children of children in one request"));
        }
        if kind != "divider" {
            content["rich_text"] = rich_texts(&content["rich_text"])?;
            content["color"] = json!("default");
        }
        let by = json!({ "object": "user", "id": BOT });
        new.push(json!({
            "object": "block", "id": kept.id(), "type": kind, "parent": { "type": "page_id", "page_id": parent }, "created_time": at(call), "last_edited_time": at(call),
            "created_by": by, "last_edited_by": by, "has_children": false, "archived": false, "in_trash": false, kind: content
        }));
    }
    kept.children.entry(parent.to_owned()).or_default().extend(new.iter().cloned());
    Ok(new)
}

pub(super) async fn children(State(fake): Fake, Path(given): Path<String>, call: Call) -> Response {
    fake.enter(&call, |kept, asked| {
        let id = id(&given)?;
        let known = kept.pages.iter().any(|page| page["id"] == id.as_str())
            || kept.children.values().flatten().any(|block| block["id"] == id.as_str());
        if !known {
            return Err(not_found("block", &id));
        }
        if call.method == http::Method::GET {
            return list("block", kept.children.get(&id).map_or(&[], Vec::as_slice), asked);
        }
        for name in ["after", "position"] {
            if asked.get(name).is_some() {
                return Err(unmodelled(&call, name));
            }
        }
        let new = append(kept, &call, &id, &asked["children"])?;
        list("block", &new, &Value::Null)
    })
}

pub(super) async fn block(State(fake): Fake, Path(given): Path<String>, call: Call) -> Response {
    fake.enter(&call, |kept, _| {
        let id = id(&given)?;
        for blocks in kept.children.values_mut() {
            if let Some(at) = blocks.iter().position(|block| block["id"] == id.as_str()) {
                if call.method == http::Method::GET {
                    return Ok(blocks[at].clone());
                }
                let mut gone = blocks.remove(at);
                gone["in_trash"] = true.into();
                gone["archived"] = true.into();
                return Ok(gone);
            }
        }
        Err(not_found("block", &id))
    })
}
