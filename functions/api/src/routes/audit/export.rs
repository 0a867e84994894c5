//! The ledger as a file.

use super::search::{Search, Wanted, query};
use super::{RecordView, csv};
use crate::App;
use crate::body::QueryOf;
use crate::error::{ApiError, ApiResult};
use crate::view::ProblemView;
use auth::{Can, permit};
use axum::extract::State;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, LINK};
use axum::http::{HeaderValue, Uri};
use axum::response::{IntoResponse, Response};
use domain::audit::Action;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

/// A function answers with 6 MB at most; a record is seldom above a kilobyte.
const RECORDS: usize = 2_000;
/// Where a file is cut off.
const BYTES: usize = 4 * 1024 * 1024;

const COLUMNS: [&str; 13] = [
    "at",
    "action",
    "actor",
    "actor_name",
    "api_key",
    "target_type",
    "target",
    "before",
    "after",
    "ip",
    "user_agent",
    "request",
    "id",
];

query! {
    /// Which records, and as what.
    ExportQuery {
        /// What the header `link` of the file before says.
        cursor: Option<String>,
        /// `csv` (the default) or `jsonl`.
        #[param(example = "csv")]
        format: Option<String>,
    }
}

/// Exports what was done in the organisation, newest first: as CSV, safe to open in a spreadsheet, or as JSON lines. A file has 2,000
/// records at most; the header `link` leads to the next. The export is itself put into the ledger.
#[utoipa::path(get, path = "/v1/audit/export", tag = "audit", params(ExportQuery), security(("token" = [])), responses(
    (status = 200, description = "The file", content((String = "text/csv"), (String = "application/jsonl"))),
    (status = 422, description = "a parameter that cannot be", body = ProblemView)))]
pub(crate) async fn export(
    State(app): State<App>,
    caller: Can<permit::AuditRead>,
    uri: Uri,
    QueryOf(mut query): QueryOf<ExportQuery>,
) -> ApiResult<Response> {
    let as_csv = match query.format.as_deref() {
        None | Some("csv") => true,
        Some("jsonl") => false,
        Some(_) => return Err(ApiError::new(422, "invalid_query", "`format` is `csv` or `jsonl`")),
    };
    let search = Search::of(&query.wanted(), app.now())?;
    let pages = app.pages("audit", caller.org_key()).await?;
    let after = pages.decode(query.cursor.as_deref())?;
    let record = caller.record(Action::LedgerExported, app.now()).after(json!({"format": query.format}));
    app.store.record(caller.org_key(), &record).await?;
    let found = search.find(&app, &caller, after, RECORDS).await?;
    let mut file = if as_csv { csv::row(COLUMNS) } else { String::new() };
    for record in found.records {
        let shown = serde_json::to_value(RecordView::from(record)).unwrap_or_default();
        if as_csv {
            let cells = COLUMNS.map(|column| match &shown[column] {
                Value::String(text) => text.clone(),
                Value::Null => String::new(),
                value => value.to_string(),
            });
            file += &csv::row(cells.iter().map(String::as_str));
        } else {
            file += &shown.to_string();
            file.push('\n');
        }
        if file.len() > BYTES {
            let detail =
                "the records of this export are very large; take a shorter time with `from` and `to`";
            return Err(ApiError::new(422, "export_too_large", detail));
        }
    }
    let (media, name) =
        if as_csv { ("text/csv; charset=utf-8", "audit.csv") } else { ("application/jsonl", "audit.jsonl") };
    let mut response = file.into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    if let Ok(value) = HeaderValue::try_from(format!("attachment; filename=\"{name}\"")) {
        headers.insert(CONTENT_DISPOSITION, value);
    }
    if let Some(next) = found.next {
        let link = next_link(uri.query().unwrap_or_default(), &pages.encode(&next));
        headers.extend(HeaderValue::try_from(link).ok().map(|link| (LINK, link)));
    }
    Ok(response)
}

/// The same request, from where this file ends.
fn next_link(query: &str, cursor: &str) -> String {
    let kept = query.split('&').filter(|part| !part.is_empty() && !part.starts_with("cursor="));
    let cursor = format!("cursor={cursor}");
    let query: Vec<&str> = kept.chain([cursor.as_str()]).collect();
    format!("</v1/audit/export?{}>; rel=\"next\"", query.join("&"))
}

#[cfg(test)]
mod tests {
    use super::next_link;

    #[test]
    fn the_link_asks_for_the_same_from_where_the_file_ends() {
        assert_eq!(next_link("", "a.b"), "</v1/audit/export?cursor=a.b>; rel=\"next\"");
        assert_eq!(
            next_link("format=jsonl&cursor=old&q=a%20b", "a.b"),
            "</v1/audit/export?format=jsonl&q=a%20b&cursor=a.b>; rel=\"next\""
        );
    }
}
