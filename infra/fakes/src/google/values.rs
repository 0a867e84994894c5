//! Sheets: values of one range, and of several.

use super::a1::{self, Area};
use super::refusal::Refusal;
use super::sheet::{Render, Sheet};
use super::spreadsheets::body;
use super::state::Spreadsheet;
use crate::call::Call;
use crate::path::{all, decoded};
use serde_json::{Map, Value, json};

/// `…/values/{range}`, with what is to be done after a colon that is not encoded.
pub(super) fn one(
    spreadsheet: &mut Spreadsheet,
    method: &str,
    path: &str,
    call: &Call,
) -> Result<Option<Value>, Refusal> {
    let act = [":append", ":clear"].into_iter().find(|act| path.ends_with(act)).unwrap_or_default();
    let range = decoded(path.strip_suffix(act).unwrap_or(path));
    let query = |name: &str| call.query_value(name);
    Ok(Some(match (method, act) {
        ("GET", "") => read(spreadsheet, &range, &query)?,
        ("PUT", "") => {
            let by_user = by_user(query("valueInputOption").as_deref())?;
            let mut answer = write(spreadsheet, &range, &body(call)?, by_user)?;
            if query("includeValuesInResponse").as_deref() == Some("true") {
                answer["updatedData"] =
                    read(spreadsheet, answer["updatedRange"].as_str().unwrap_or_default(), &query)?;
            }
            answer
        }
        ("POST", ":append") => {
            let by_user = by_user(query("valueInputOption").as_deref())?;
            let insert = match query("insertDataOption").as_deref() {
                None | Some("OVERWRITE") => false,
                Some("INSERT_ROWS") => true,
                Some(other) => return Err(unknown("insert_data_option", other)),
            };
            if query("includeValuesInResponse").as_deref() == Some("true") {
                return Err(Refusal::not_modelled("appended values in the answer"));
            }
            append(spreadsheet, &range, &body(call)?, by_user, insert)?
        }
        ("POST", ":clear") => {
            json!({"spreadsheetId": spreadsheet.id, "clearedRange": clear(spreadsheet, &range)?})
        }
        _ => return Ok(None),
    }))
}

/// `…/values:batchGet` and its like.
pub(super) fn many(
    spreadsheet: &mut Spreadsheet,
    method: &str,
    act: &str,
    call: &Call,
) -> Result<Option<Value>, Refusal> {
    Ok(Some(match (method, act) {
        ("GET", ":batchGet") => {
            let pairs = call.query_pairs();
            let mut found = Vec::new();
            for range in all(&pairs, "ranges") {
                found.push(read(spreadsheet, range, &|name| call.query_value(name))?);
            }
            json!({"spreadsheetId": spreadsheet.id, "valueRanges": found})
        }
        ("POST", ":batchUpdate") => {
            let body = body(call)?;
            let by_user = by_user(body.get("valueInputOption").and_then(Value::as_str))?;
            if body.get("includeValuesInResponse") == Some(&json!(true)) {
                return Err(Refusal::not_modelled("written values in the answer"));
            }
            // All or nothing.
            let before = spreadsheet.sheets.clone();
            let mut responses = Vec::new();
            for item in body.get("data").and_then(Value::as_array).into_iter().flatten() {
                let nothing = Map::new();
                let range = item["range"].as_str().unwrap_or_default().to_owned();
                match write(spreadsheet, &range, item.as_object().unwrap_or(&nothing), by_user) {
                    Ok(response) => responses.push(response),
                    Err(refusal) => {
                        spreadsheet.sheets = before;
                        return Err(refusal);
                    }
                }
            }
            let sum =
                |name: &str| responses.iter().filter_map(|response| response[name].as_u64()).sum::<u64>();
            let mut sheets: Vec<&str> = responses
                .iter()
                .filter_map(|response| {
                    response["updatedRange"].as_str()?.rsplit_once('!').map(|(sheet, _)| sheet)
                })
                .collect();
            sheets.sort_unstable();
            sheets.dedup();
            json!({
                "spreadsheetId": spreadsheet.id,
                "totalUpdatedRows": sum("updatedRows"), "totalUpdatedColumns": sum("updatedColumns"),
                "totalUpdatedCells": sum("updatedCells"), "totalUpdatedSheets": sheets.len(),
                "responses": responses,
            })
        }
        ("POST", ":batchClear") => {
            let body = body(call)?;
            let ranges: Vec<&str> = body
                .get("ranges")
                .and_then(Value::as_array)
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect();
            for range in &ranges {
                located(spreadsheet, range)?;
            }
            let mut cleared = Vec::new();
            for range in ranges {
                cleared.push(clear(spreadsheet, range)?);
            }
            json!({"spreadsheetId": spreadsheet.id, "clearedRanges": cleared})
        }
        _ => return Ok(None),
    }))
}

fn unknown(name: &str, value: &str) -> Refusal {
    Refusal::argument(format!("Invalid value at '{name}', \"{value}\""))
}

/// How values are taken: it must be said.
fn by_user(option: Option<&str>) -> Result<bool, Refusal> {
    match option {
        Some("RAW") => Ok(false),
        Some("USER_ENTERED") => Ok(true),
        None | Some("INPUT_VALUE_OPTION_UNSPECIFIED") => {
            Err(Refusal::argument("'valueInputOption' is required but not specified"))
        }
        Some(other) => Err(unknown("value_input_option", other)),
    }
}

fn by_columns(dimension: Option<&str>) -> Result<bool, Refusal> {
    match dimension {
        None | Some("ROWS" | "DIMENSION_UNSPECIFIED") => Ok(false),
        Some("COLUMNS") => Ok(true),
        Some(other) => Err(unknown("major_dimension", other)),
    }
}

/// The sheet and the area of a range, and whether it is one cell.
fn located(spreadsheet: &Spreadsheet, text: &str) -> Result<(usize, Area, bool), Refusal> {
    let range = a1::parse(text).ok_or_else(|| Refusal::range(text))?;
    let at = match &range.sheet {
        None => Some(0),
        // Names of sheets do not tell capital letters from small ones.
        Some(name) => {
            let exact = spreadsheet.sheets.iter().position(|sheet| sheet.title == *name);
            let folded =
                || spreadsheet.sheets.iter().position(|s| s.title.to_lowercase() == name.to_lowercase());
            exact.or_else(folded)
        }
    };
    let at = at.ok_or_else(|| Refusal::range(text))?;
    Ok((at, spreadsheet.sheets[at].area(&range)?, range.is_cell))
}

fn read(
    spreadsheet: &Spreadsheet,
    range: &str,
    query: &dyn Fn(&str) -> Option<String>,
) -> Result<Value, Refusal> {
    let columns_first = by_columns(query("majorDimension").as_deref())?;
    let serials = match query("dateTimeRenderOption").as_deref() {
        None | Some("SERIAL_NUMBER") => true,
        Some("FORMATTED_STRING") => false,
        Some(other) => return Err(unknown("date_time_render_option", other)),
    };
    let render = match query("valueRenderOption").as_deref() {
        None | Some("FORMATTED_VALUE") => Render::Formatted,
        // There are no formulas here, so a formula reads as its value.
        Some("UNFORMATTED_VALUE" | "FORMULA") => Render::Unformatted { serials },
        Some(other) => return Err(unknown("value_render_option", other)),
    };
    let (at, area, _) = located(spreadsheet, range)?;
    let sheet = &spreadsheet.sheets[at];
    let values = sheet.values(area, columns_first, render);
    let mut answer = json!({
        "range": a1::written(&sheet.title, area), "majorDimension": if columns_first { "COLUMNS" } else { "ROWS" },
    });
    // Of an empty range there are no values, not even none.
    if !values.is_empty() {
        answer["values"] = json!(values);
    }
    Ok(answer)
}

/// The lines of a body, and whether they are columns. The body may say the range again, but no other one.
fn lines(body: &Map<String, Value>, range: &str) -> Result<(Vec<Vec<Value>>, bool), Refusal> {
    if let Some(other) = body.get("range").and_then(Value::as_str)
        && other != range
        && !other.is_empty()
    {
        return Err(Refusal::argument(format!(
            "Requested writing within range [{range}], but the body says range [{other}]"
        )));
    }
    let columns_first = by_columns(body.get("majorDimension").and_then(Value::as_str))?;
    let values = body.get("values").cloned().unwrap_or_else(|| json!([]));
    let lines = serde_json::from_value(values);
    Ok((lines.map_err(|_| Refusal::argument("Invalid value at 'data.values'"))?, columns_first))
}

fn update(spreadsheet: &str, sheet: &Sheet, area: Area, values: &[Vec<Value>]) -> Value {
    let cells: usize = values.iter().flatten().filter(|value| !value.is_null()).count();
    json!({
        "spreadsheetId": spreadsheet, "updatedRange": a1::written(&sheet.title, area),
        "updatedRows": area.bottom - area.top, "updatedColumns": area.right - area.left, "updatedCells": cells,
    })
}

fn write(
    spreadsheet: &mut Spreadsheet,
    range: &str,
    body: &Map<String, Value>,
    by_user: bool,
) -> Result<Value, Refusal> {
    let (values, columns_first) = lines(body, range)?;
    let (at, area, is_cell) = located(spreadsheet, range)?;
    let id = spreadsheet.id.clone();
    let sheet = &mut spreadsheet.sheets[at];
    let written = sheet.write(area, is_cell, &values, columns_first, by_user)?;
    Ok(update(&id, sheet, written, &values))
}

fn append(
    spreadsheet: &mut Spreadsheet,
    range: &str,
    body: &Map<String, Value>,
    by_user: bool,
    insert: bool,
) -> Result<Value, Refusal> {
    let (values, columns_first) = lines(body, range)?;
    let (at, area, _) = located(spreadsheet, range)?;
    let id = spreadsheet.id.clone();
    let sheet = &mut spreadsheet.sheets[at];
    let (table, written) = sheet.append(area, &values, columns_first, by_user, insert)?;
    let mut answer = json!({"spreadsheetId": id, "updates": update(&id, sheet, written, &values)});
    if let Some(table) = table {
        answer["tableRange"] = json!(a1::written(&sheet.title, table));
    }
    Ok(answer)
}

fn clear(spreadsheet: &mut Spreadsheet, range: &str) -> Result<String, Refusal> {
    let (at, area, _) = located(spreadsheet, range)?;
    let sheet = &mut spreadsheet.sheets[at];
    sheet.clear(area);
    Ok(a1::written(&sheet.title, area))
}
