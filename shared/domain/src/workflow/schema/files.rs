//! What the built-in actions on files take.

use super::fields::{Field, boolean, integer, list_of, object, optional, required, text};
use crate::limits;
use serde_json::{Value, json};

/// What stands for a file, and beside it what an HTTP step gives as a body.
fn file() -> Field {
    required(
        "file",
        json!({"type": ["object", "string"]}),
        "A `$file`, or what a step was answered: a text, or `{\"base64\": …}`.",
        json!("{{ steps.get.body }}"),
    )
}

fn after() -> Field {
    optional(
        "after",
        json!({"type": ["object", "string"]}),
        "A file to go on with: what is written stands behind what it has.",
        json!("{{ steps.first.file }}"),
    )
}

fn rows(what: &str) -> Field {
    let rows = json!({"type": "array"});
    required("rows", rows, what, json!("{{ steps.orders.rows }}"))
}

fn columns() -> Field {
    optional(
        "columns",
        list_of(text(0, 1000), 0, limits::MAX_FILE_COLUMNS),
        "The fields that are written, in this order; of lists the names over them. All fields without it.",
        json!(["id", "total"]),
    )
}

fn header() -> Field {
    optional("header", boolean(true), "Whether the first row has the names of the columns.", json!(false))
}

fn delimiter() -> Field {
    optional("delimiter", text(1, 1), "The character between cells.", json!(";"))
}

fn encoding(words: &str) -> Field {
    optional("encoding", text(1, 40), words, json!("windows-1252"))
}

fn mark() -> Field {
    optional("bom", json!({"type": "boolean"}), "Whether it begins with a byte order mark.", json!(true))
}

fn part() -> [Field; 2] {
    [
        optional(
            "offset",
            integer(0, 1_000_000_000, 0),
            "How many rows are left out: `next` of the part before.",
            json!(10_000),
        ),
        optional(
            "limit",
            integer(1, limits::MAX_FILE_ROWS, limits::MAX_FILE_ROWS),
            "How many rows are given at most.",
            json!(500),
        ),
    ]
}

fn filename(example: &str) -> Field {
    optional("filename", text(1, limits::MAX_FILENAME_BYTES), "What people call the file.", json!(example))
}

/// Each action with its fields.
pub(super) fn all() -> [(&'static str, Vec<Field>); 10] {
    let name = "How it is written, by a name of the Encoding Standard; UTF-8 without it.";
    let with = |mut fields: Vec<Field>, more: Vec<Field>| {
        fields.extend(more);
        fields
    };
    let [offset, limit] = part();
    let [line_offset, line_limit] = part();
    let [cell_offset, cell_limit] = part();
    let sheet = object(&[
        optional("name", text(1, 31), "What the sheet is called.", json!("Orders")),
        rows("Objects, or lists."),
        columns(),
        header(),
    ]);
    let packed = object(&[
        required(
            "file",
            json!({"type": ["object", "string"]}),
            "A `$file`, a text, or `{\"base64\": …}`.",
            json!("{{ steps.write.file }}"),
        ),
        optional("name", text(1, 1000), "Its name in the archive.", json!("2026/orders.csv")),
    ]);
    [
        (
            "file.read_csv",
            vec![
                file(),
                delimiter(),
                optional("quote", text(1, 1), "The character around cells.", json!("'")),
                header(),
                encoding(name),
                optional(
                    "types",
                    boolean(false),
                    "Whether numbers and truth values are told from texts.",
                    json!(true),
                ),
                offset,
                limit,
            ],
        ),
        (
            "file.write_csv",
            vec![
                rows("Objects, or lists."),
                columns(),
                header(),
                delimiter(),
                optional("quote_all", boolean(false), "Whether each cell is quoted.", json!(true)),
                optional(
                    "guard_formulas",
                    boolean(true),
                    "Whether texts that a spreadsheet could take for a formula get an apostrophe in front.",
                    json!(false),
                ),
                encoding(name),
                mark(),
                after(),
                filename("orders.csv"),
            ],
        ),
        (
            "file.read_xlsx",
            vec![
                file(),
                optional("sheet", text(1, 200), "Which sheet; the first without it.", json!("Orders")),
                header(),
                cell_offset,
                cell_limit,
            ],
        ),
        (
            "file.write_xlsx",
            vec![
                optional(
                    "rows",
                    json!({"type": "array"}),
                    "Objects, or lists; not together with `sheets`.",
                    json!("{{ steps.orders.rows }}"),
                ),
                optional("sheet", text(1, 31), "What the sheet is called.", json!("Orders")),
                columns(),
                header(),
                optional(
                    "sheets",
                    list_of(sheet, 1, 100),
                    "Several sheets.",
                    json!([{"name": "Orders", "rows": []}]),
                ),
                filename("orders.xlsx"),
            ],
        ),
        ("file.read_json_lines", with(vec![file(), encoding(name)], vec![line_offset, line_limit])),
        ("file.write_json_lines", vec![rows("Any values, one a line."), after(), filename("orders.jsonl")]),
        ("file.read_text", vec![file(), encoding("The same, or `base64` for the bytes of any file.")]),
        (
            "file.write_text",
            vec![
                required(
                    "text",
                    json!({"type": "string"}),
                    "What is in the file.",
                    json!("Hello {{ steps.person.name }}"),
                ),
                encoding("The same, or `base64` if `text` is that."),
                mark(),
                after(),
                filename("hello.txt"),
                optional(
                    "type",
                    text(3, 200),
                    "Its media type, if the name does not tell.",
                    json!("text/html"),
                ),
            ],
        ),
        (
            "file.zip",
            vec![
                required(
                    "files",
                    list_of(packed, 1, limits::MAX_ARCHIVE_FILES),
                    "What is packed.",
                    json!([{"file": "{{ steps.write.file }}", "name": "orders.csv"}]),
                ),
                filename("orders.zip"),
            ],
        ),
        (
            "file.unzip",
            vec![
                file(),
                optional(
                    "only",
                    list_of(text(1, 1024), 1, limits::MAX_ARCHIVE_FILES),
                    "The names of the files that are wanted; all without it.",
                    json!(["orders.csv"]),
                ),
                optional("list_only", boolean(false), "Only tell what is in it.", json!(true)),
            ],
        ),
    ]
}

/// The schema of an action's input, as an evaluated input must be.
pub(super) fn input(action: &str) -> Option<Value> {
    all().into_iter().find(|(name, _)| *name == action).map(|(_, fields)| object(&fields))
}

/// The same for who writes a definition: anything may be an expression.
pub(super) fn written(fields: &[Field]) -> Value {
    let mut schema = object(fields);
    loosen(&mut schema);
    schema
}

fn loosen(schema: &mut Value) {
    for (_, field) in schema["properties"].as_object_mut().into_iter().flatten() {
        if field["items"]["properties"].is_object() {
            loosen(&mut field["items"]);
        }
        let Some(of) = field["type"].as_str().filter(|of| *of != "string").map(str::to_owned) else {
            continue;
        };
        field["type"] = json!([of, "string"]);
    }
}
