//! Sheets: the routes below `/v4/spreadsheets`, and what concerns a spreadsheet as a whole.

use super::refusal::Refusal;
use super::sheet::Sheet;
use super::state::{Spreadsheet, State, counted};
use super::values;
use crate::call::Call;
use crate::desk::Desk;
use crate::path::decoded;
use serde_json::{Map, Value, json};

const WRITERS: [&str; 3] = ["spreadsheets", "drive", "drive.file"];
const READERS: [&str; 5] = ["spreadsheets", "spreadsheets.readonly", "drive", "drive.readonly", "drive.file"];

pub(super) fn answer(state: &mut State, desk: &Desk, call: &Call) -> Result<Option<Value>, Refusal> {
    let Some(rest) = call.path.strip_prefix("/v4/spreadsheets") else { return Ok(None) };
    let caller = state.caller(call)?;
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    let method = call.method.as_str();
    let writes = method != "GET";
    caller.needs(if writes { &WRITERS } else { &READERS })?;
    counted(desk, &caller, writes)?;
    if let ("POST", []) = (method, parts.as_slice()) {
        let id = state.drawn.text("1", 43);
        let made = created(&id, &body(call)?, &caller.email)?;
        let answer = described(&made);
        state.spreadsheets.push(made);
        state.changed(&id, call.now);
        return Ok(Some(answer));
    }
    let Some((first, rest)) = parts.split_first() else { return Ok(None) };
    // What is to be done follows a colon that is not encoded.
    let (id, act) = first.split_once(':').unwrap_or((first, ""));
    let id = decoded(id);
    let spreadsheet = state.spreadsheet(&id, &caller, writes)?;
    let done = match (method, act, rest) {
        ("GET", "", []) => {
            if call.query_value("includeGridData").is_some_and(|asked| asked == "true") {
                return Err(Refusal::not_modelled("includeGridData"));
            }
            Some(described(spreadsheet))
        }
        ("POST", "batchUpdate", []) => Some(batch(spreadsheet, &body(call)?)?),
        (_, "", [path]) if *path == "values" || path.starts_with("values:") => {
            values::many(spreadsheet, method, path.strip_prefix("values").unwrap_or_default(), call)?
        }
        (_, "", ["values", range]) => values::one(spreadsheet, method, range, call)?,
        _ => None,
    };
    if writes && done.is_some() {
        state.changed(&id, call.now);
    }
    Ok(done)
}

/// The body of a request, which must be an object.
pub(super) fn body(call: &Call) -> Result<Map<String, Value>, Refusal> {
    if call.body.is_empty() {
        return Ok(Map::new());
    }
    match call.json() {
        Ok(Value::Object(body)) => Ok(body),
        _ => Err(Refusal::argument("Invalid JSON payload received.")),
    }
}

fn created(id: &str, body: &Map<String, Value>, owner: &str) -> Result<Spreadsheet, Refusal> {
    if let Some(other) = body.keys().find(|key| !matches!(key.as_str(), "properties" | "sheets")) {
        return Err(Refusal::not_modelled(format_args!("`{other}` of a new spreadsheet")));
    }
    let title = body.get("properties").and_then(|properties| properties["title"].as_str());
    let mut sheets = Vec::new();
    for (number, sheet) in (0..).zip(body.get("sheets").and_then(Value::as_array).into_iter().flatten()) {
        sheets.push(new_sheet(&sheet["properties"], number, sheets.len())?);
    }
    if sheets.is_empty() {
        sheets.push(Sheet::new(0, "Sheet1"));
    }
    Ok(Spreadsheet {
        id: id.to_owned(),
        title: title.unwrap_or("Untitled spreadsheet").to_owned(),
        sheets,
        writers: vec![owner.to_owned()],
        readers: Vec::new(),
    })
}

fn new_sheet(properties: &Value, id: i64, there: usize) -> Result<Sheet, Refusal> {
    let known = ["title", "sheetId", "gridProperties", "index"];
    if let Some(other) =
        properties.as_object().and_then(|all| all.keys().find(|key| !known.contains(&key.as_str())))
    {
        return Err(Refusal::not_modelled(format_args!("`{other}` of a new sheet")));
    }
    let title = properties["title"].as_str().map_or_else(|| format!("Sheet{}", there + 1), str::to_owned);
    let mut sheet = Sheet::new(properties["sheetId"].as_i64().unwrap_or(id), &title);
    let count = |name: &str| {
        properties["gridProperties"][name].as_u64().and_then(|count| usize::try_from(count).ok())
    };
    sheet.rows = count("rowCount").unwrap_or(sheet.rows);
    sheet.columns = count("columnCount").unwrap_or(sheet.columns);
    Ok(sheet)
}

fn described(spreadsheet: &Spreadsheet) -> Value {
    let sheets: Vec<Value> = spreadsheet
        .sheets
        .iter()
        .enumerate()
        .map(|(index, sheet)| json!({"properties": properties(sheet, index)}))
        .collect();
    json!({
        "spreadsheetId": spreadsheet.id,
        "properties": {"title": spreadsheet.title, "locale": "en_US", "autoRecalc": "ON_CHANGE", "timeZone": "Etc/GMT"},
        "sheets": sheets,
        "spreadsheetUrl": format!("https://docs.google.com/spreadsheets/d/{}/edit", spreadsheet.id),
    })
}

fn properties(sheet: &Sheet, index: usize) -> Value {
    json!({
        "sheetId": sheet.id, "title": sheet.title, "index": index, "sheetType": "GRID",
        "gridProperties": {"rowCount": sheet.rows, "columnCount": sheet.columns},
    })
}

/// Does all requests, or none.
fn batch(spreadsheet: &mut Spreadsheet, body: &Map<String, Value>) -> Result<Value, Refusal> {
    let requests = body.get("requests").and_then(Value::as_array).filter(|all| !all.is_empty());
    let requests = requests.ok_or_else(|| Refusal::argument("Must specify at least one request."))?;
    if body.keys().any(|key| key != "requests") {
        return Err(Refusal::not_modelled("answers with the whole spreadsheet"));
    }
    let mut sheets = spreadsheet.sheets.clone();
    let mut title = spreadsheet.title.clone();
    let mut replies = Vec::new();
    for (number, request) in requests.iter().enumerate() {
        let mut parts = request.as_object().into_iter().flatten();
        let (Some((kind, asked)), None) = (parts.next(), parts.next()) else {
            return Err(Refusal::argument(format!(
                "Invalid requests[{number}]: exactly one kind of request is needed"
            )));
        };
        let find = |sheets: &[Sheet], id: &Value| {
            let id = id.as_i64().unwrap_or_default();
            let at = sheets.iter().position(|sheet| sheet.id == id);
            at.ok_or_else(|| {
                Refusal::argument(format!("Invalid requests[{number}].{kind}: No grid with id: {id}"))
            })
        };
        let reply = match kind.as_str() {
            "addSheet" => {
                let free = sheets.iter().map(|sheet| sheet.id).max().unwrap_or_default() + 1;
                let sheet = new_sheet(&asked["properties"], free, sheets.len())?;
                unused(&sheets, &sheet.title, number, kind)?;
                let index = asked["properties"]["index"].as_u64().and_then(|at| usize::try_from(at).ok());
                let index = index.unwrap_or(sheets.len()).min(sheets.len());
                let reply = json!({"addSheet": {"properties": properties(&sheet, index)}});
                sheets.insert(index, sheet);
                reply
            }
            "deleteSheet" => {
                let at = find(&sheets, &asked["sheetId"])?;
                if sheets.len() == 1 {
                    return Err(Refusal::argument(format!(
                        "Invalid requests[{number}].deleteSheet: You can't remove all the sheets in a document."
                    )));
                }
                sheets.remove(at);
                json!({})
            }
            "updateSheetProperties" => {
                if asked["fields"] != json!("title") {
                    return Err(Refusal::not_modelled("changes of a sheet other than its title"));
                }
                let at = find(&sheets, &asked["properties"]["sheetId"])?;
                let new = asked["properties"]["title"].as_str().unwrap_or_default().to_owned();
                if sheets[at].title != new {
                    unused(&sheets, &new, number, kind)?;
                }
                sheets[at].title = new;
                json!({})
            }
            "updateSpreadsheetProperties" => {
                if asked["fields"] != json!("title") {
                    return Err(Refusal::not_modelled("changes of a spreadsheet other than its title"));
                }
                asked["properties"]["title"].as_str().unwrap_or_default().clone_into(&mut title);
                json!({})
            }
            "deleteDimension" if asked["range"]["dimension"] == json!("ROWS") => {
                let at = find(&sheets, &asked["range"]["sheetId"])?;
                let end = |name: &str| asked["range"][name].as_u64().and_then(|at| usize::try_from(at).ok());
                match (end("startIndex"), end("endIndex")) {
                    (Some(from), Some(to)) if from < to && from < sheets[at].rows => {
                        sheets[at].delete_rows(from, to);
                    }
                    _ => {
                        return Err(Refusal::argument(format!("Invalid requests[{number}].deleteDimension")));
                    }
                }
                json!({})
            }
            other => return Err(Refusal::not_modelled(format_args!("the request `{other}`"))),
        };
        replies.push(reply);
    }
    spreadsheet.sheets = sheets;
    spreadsheet.title = title;
    Ok(json!({"spreadsheetId": spreadsheet.id, "replies": replies}))
}

fn unused(sheets: &[Sheet], title: &str, number: usize, kind: &str) -> Result<(), Refusal> {
    if sheets.iter().all(|sheet| sheet.title != title) {
        return Ok(());
    }
    Err(Refusal::argument(format!(
        "Invalid requests[{number}].{kind}: A sheet with the name \"{title}\" already exists. Please enter another name."
    )))
}
