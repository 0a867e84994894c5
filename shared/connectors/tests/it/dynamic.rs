//! Schemas out of the columns of tables: of documented answers, and of every type of column that a vendor documents.

use connectors::dynamic::Columns;
use connectors::{Manifest, built_in, schema};
use serde_json::{Value, json};
use std::sync::Arc;

/// Those of <https://airtable.com/developers/web/api/field-model>, and whether they can be written.
const AIRTABLE: [(&str, bool); 33] = [
    ("aiText", false),
    ("autoNumber", false),
    ("barcode", true),
    ("button", false),
    ("checkbox", true),
    ("count", false),
    ("createdBy", false),
    ("createdTime", false),
    ("currency", true),
    ("date", true),
    ("dateTime", true),
    ("duration", true),
    ("email", true),
    ("externalSyncSource", false),
    ("formula", false),
    ("lastModifiedBy", false),
    ("lastModifiedTime", false),
    ("multilineText", true),
    ("multipleAttachments", true),
    ("multipleCollaborators", true),
    ("multipleLookupValues", false),
    ("multipleRecordLinks", true),
    ("multipleSelects", true),
    ("number", true),
    ("percent", true),
    ("phoneNumber", true),
    ("rating", true),
    ("richText", true),
    ("rollup", false),
    ("singleCollaborator", true),
    ("singleLineText", true),
    ("singleSelect", true),
    ("url", true),
];

/// Those of <https://developers.notion.com/reference/property-object> and of Notion's own client.
const NOTION: [(&str, bool); 25] = [
    ("button", false),
    ("checkbox", true),
    ("created_by", false),
    ("created_time", false),
    ("date", true),
    ("email", true),
    ("files", true),
    ("formula", false),
    ("last_edited_by", false),
    ("last_edited_time", false),
    ("last_visited_time", false),
    ("multi_select", true),
    ("number", true),
    ("people", true),
    ("phone_number", true),
    ("place", true),
    ("relation", true),
    ("rich_text", true),
    ("rollup", false),
    ("select", true),
    ("status", true),
    ("title", true),
    ("unique_id", false),
    ("url", true),
    ("verification", true),
];

fn connector(name: &str) -> Arc<Manifest> {
    built_in(name, None).unwrap_or_else(|| panic!("{name} cannot be read"))
}

fn columns(manifest: &Manifest, source: &str, output: Value, filled: &Value) -> Columns {
    manifest.dynamic_schemas[source].columns(output, filled, 0).unwrap()
}

/// The schemas of an action, with what the answer says.
fn shaped(manifest: &Manifest, action: &str, output: &Value, filled: &Value) -> (Value, Value) {
    let mut shape = manifest.shape_of_action(action).unwrap();
    assert_eq!(shape.missing(filled), []);
    for (name, source) in shape.sources().collect::<Vec<_>>() {
        shape.put(name, &source.columns(output.clone(), filled, 0).unwrap());
    }
    shape.schemas()
}

fn answer(connector: &str, example: &str) -> Value {
    let file = format!("{}/catalog/{connector}/fixtures/{example}.json", env!("CARGO_MANIFEST_DIR"));
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    fixture["output"].clone()
}

#[test]
fn a_documented_base_says_what_a_record_takes_and_gives() {
    let airtable = connector("airtable");
    let filled = json!({"base_id": "appLkNDICXNqxSDhG", "table": "tbltp8DGLhqbUmjK1"});
    let source = &airtable.dynamic_schemas["columns"];
    assert_eq!(source.question(&airtable, &filled, 0).unwrap(), json!({"base_id": "appLkNDICXNqxSDhG"}));
    let output = answer("airtable", "list_tables");
    let (input, given) = shaped(&airtable, "create_record", &output, &filled);
    let fields = &input["properties"]["fields"];
    assert_eq!(
        fields["properties"]["Name"],
        json!({"type": "string", "title": "Name", "description": "Name of the apartment"})
    );
    assert_eq!(fields["properties"]["Pictures"]["items"]["properties"]["url"]["type"], "string");
    assert_eq!((&fields["title"], &fields["examples"]), (&json!("Cells"), &Value::Null));
    // What is shared with other actions is as it was, and what is referred to is there.
    assert_eq!(input["properties"]["base_id"]["$ref"], "#/schemas/base_id");
    assert_eq!(input["schemas"]["base_id"], airtable.schemas["base_id"]);
    assert_eq!(
        given["properties"]["fields"]["properties"]["Pictures"]["items"]["$ref"],
        "#/schemas/attachment"
    );
    assert_eq!(given["schemas"]["attachment"], airtable.schemas["attachment"]);
    // By its name, too; and in lists.
    let by_name =
        json!({"base_id": "appLkNDICXNqxSDhG", "table": "Apartments", "returnFieldsByFieldId": true});
    let (input, given) = shaped(&airtable, "create_records", &output, &by_name);
    for schema in [&input, &given] {
        let fields = &schema["properties"]["records"]["items"]["properties"]["fields"]["properties"];
        assert_eq!(fields["fld1VnoyuotSTyxW1"]["title"], "Name");
    }
    let (input, given) = shaped(&airtable, "list_records", &output, &filled);
    assert_eq!(input["properties"]["max_items"]["type"], "integer");
    assert_eq!(
        given["properties"]["items"]["items"]["properties"]["fields"]["properties"]["Name"]["type"],
        "string"
    );
    let other = json!({"base_id": "app", "table": "Houses"});
    assert!(columns(&airtable, "columns", output, &other).is_empty());
}

#[test]
fn every_documented_type_of_column_has_its_schema() {
    let airtable = connector("airtable");
    let fields: Vec<_> =
        AIRTABLE.iter().map(|(name, _)| json!({"id": name, "name": name, "type": name})).collect();
    let output = json!({"tables": [{"id": "tbl", "name": "T", "fields": fields}]});
    let filled = json!({"base_id": "app", "table": "tbl"});
    let (input, given) = shaped(&airtable, "update_record", &output, &filled);
    held(&AIRTABLE, &input["properties"]["fields"], &given["properties"]["fields"]);
    let notion = connector("notion");
    let property = |name: &str| (name.to_owned(), json!({"id": name, "name": name, "type": name, name: {}}));
    let properties: serde_json::Map<_, _> = NOTION.iter().map(|(name, _)| property(name)).collect();
    let filled = json!({"parent": {"data_source_id": "d"}, "page_id": "p"});
    for action in ["create_page", "update_page"] {
        let (input, given) = shaped(&notion, action, &json!({"properties": properties}), &filled);
        held(&NOTION, &input["properties"]["properties"], &given["properties"]["properties"]);
    }
}

fn held(types: &[(&str, bool)], input: &Value, output: &Value) {
    for (name, written) in types {
        let read = &output["properties"][name];
        assert!(read.get("type").or_else(|| read.get("$ref")).is_some(), "{name} is read as {read}");
        assert_eq!(read["readOnly"] == true, !written, "{name}");
        let taken = input["properties"].get(name);
        assert_eq!(taken.is_some(), *written, "{name}");
        assert!(taken.is_none_or(|taken| taken.get("type").is_some()), "{name} is written as {taken:?}");
    }
}

#[test]
fn choices_are_those_of_the_column() {
    let airtable = connector("airtable");
    let choices = json!({"choices": [{"id": "s1", "name": "Todo"}, {"id": "s2", "name": "Done"}]});
    let output = json!({"tables": [{"id": "tbl", "name": "T", "fields": [
        {"id": "f1", "name": "Status", "type": "singleSelect", "options": choices},
        {"id": "f2", "name": "Tags", "type": "multipleSelects", "options": {"choices": [{"id": "s3", "name": "One"}]}},
        {"id": "f3", "name": "Empty", "type": "singleSelect", "options": {"choices": []}},
        {"id": "f4", "name": "Stars", "type": "rating", "options": {"max": 7}},
        {"id": "f5", "name": "Later", "type": "brandNew"}]}]});
    let mut filled = json!({"base_id": "app", "table": "tbl"});
    let (input, given) = shaped(&airtable, "create_record", &output, &filled);
    let fields = &input["properties"]["fields"]["properties"];
    assert_eq!(fields["Status"]["enum"], json!(["Todo", "Done"]));
    assert_eq!(fields["Tags"]["items"]["enum"], json!(["One"]));
    assert_eq!(fields["Empty"], json!({"type": "string", "title": "Empty"}));
    assert_eq!(fields["Stars"]["maximum"], 7);
    assert_eq!(fields["Later"], json!({"title": "Later"}), "a type that is not known may be anything");
    assert_eq!(given["properties"]["fields"]["properties"]["Later"], json!({"title": "Later"}));
    let good =
        json!({"base_id": "app", "table": "tbl", "fields": {"Status": "Done", "Tags": ["One"], "Stars": 3}});
    assert_eq!(schema::check(&good, &input, &airtable.schemas, "", false), []);
    let bad = json!({"base_id": "app", "table": "tbl", "fields": {"Status": "Never"}});
    assert_eq!(schema::check(&bad, &input, &airtable.schemas, "", false)[0].pointer, "/fields/Status");
    // Texts that are converted may be new choices.
    filled["typecast"] = true.into();
    let (input, _) = shaped(&airtable, "create_record", &output, &filled);
    assert_eq!(input["properties"]["fields"]["properties"]["Status"].get("enum"), None);
}

#[test]
fn notion_is_asked_for_the_data_source_or_the_page() {
    let notion = connector("notion");
    let output = answer("notion", "get_data_source");
    let filled = json!({"parent": {"data_source_id": "d1"}});
    let asked =
        |source: &str, filled: &Value| notion.dynamic_schemas[source].question(&notion, filled, 0).unwrap();
    assert_eq!(asked("properties_of_parent", &filled), json!({"data_source_id": "d1"}));
    let (input, given) = shaped(&notion, "create_page", &output, &filled);
    let name = &input["properties"]["properties"]["properties"]["Name"];
    assert_eq!(
        (&name["title"], &name["properties"]["title"]["$ref"]),
        (&json!("Name"), &json!("#/schemas/rich_text"))
    );
    let read =
        &given["properties"]["properties"]["properties"]["Description"]["properties"]["rich_text"]["$ref"];
    assert_eq!(
        (read, given["schemas"]["read_text"]["type"].as_str()),
        (&json!("#/schemas/read_text"), Some("array"))
    );
    let mut options = output.clone();
    options["properties"] = json!({"Status": {"id": "s", "type": "status", "status": {"options": [{"name": "Done"}]}},
        "Made": {"id": "m", "type": "created_time", "created_time": {}}});
    let filled = json!({"data_source_id": "d1"});
    assert_eq!(asked("properties", &filled), filled);
    let (_, given) = shaped(&notion, "query_data_source", &options, &filled);
    let properties = &given["properties"]["items"]["items"]["properties"]["properties"]["properties"];
    assert_eq!(properties["Status"]["properties"]["status"]["properties"]["name"]["enum"], json!(["Done"]));
    assert_eq!(properties["Made"]["readOnly"], true);
    let page = json!({"properties": {"Status": {"id": "s", "type": "status", "status": {"name": "Done"}}}});
    let (input, _) = shaped(&notion, "update_page", &page, &json!({"page_id": "p1"}));
    let status = &input["properties"]["properties"]["properties"]["Status"];
    assert_eq!(
        status["properties"]["status"]["properties"]["name"],
        json!({"type": "string", "title": "Choice"})
    );
    let shape = notion.shape_of_trigger("new_page").unwrap();
    assert_eq!(shape.sources().map(|(name, _)| name).collect::<Vec<_>>(), ["properties"]);
}

/// As large as bases and data sources are at most.
#[test]
fn large_bases_are_read_in_place() {
    let choices: Vec<_> = (0..10)
        .map(|i| json!({"id": format!("sel{i:014}"), "name": format!("Choice {i}"), "color": "blueLight2"}))
        .collect();
    let field = |i: usize| json!({"id": format!("fld{i:014}"), "name": format!("Field {i}"), "type": "singleSelect", "options": {"choices": choices}});
    let fields: Vec<_> = (0..500).map(field).collect();
    let table = |i: usize| json!({"id": format!("tbl{i:014}"), "name": format!("Table {i}"), "fields": fields, "views": []});
    let tables: Vec<_> = (0..10).map(table).collect();
    let airtable = connector("airtable");
    let found = columns(
        &airtable,
        "columns",
        json!({"tables": tables}),
        &json!({"base_id": "app", "table": "Table 7"}),
    );
    assert!(!found.is_empty());
    let options: Vec<_> = (0..100)
        .map(|i| json!({"id": format!("o{i}"), "name": format!("Choice {i}"), "color": "blue"}))
        .collect();
    let property = |i: usize| {
        (
            format!("Property {i}"),
            json!({"id": "x", "name": "x", "type": "select", "select": {"options": options}}),
        )
    };
    let properties: serde_json::Map<_, _> = (0..500).map(property).collect();
    let notion = connector("notion");
    let found =
        columns(&notion, "properties", json!({"properties": properties}), &json!({"data_source_id": "d"}));
    assert!(!found.is_empty());
}

#[test]
fn what_must_be_filled_in_first_is_named() {
    let notion = connector("notion");
    let missing = |filled: Value| {
        let shape = notion.shape_of_action("create_page").unwrap();
        shape.missing(&filled).into_iter().map(|fault| fault.pointer).collect::<Vec<_>>()
    };
    for empty in [
        json!({}),
        json!({"parent": {"page_id": "p"}}),
        json!({"parent": {"data_source_id": ""}}),
        json!({"parent": {"data_source_id": "{{ steps.find.output.id }}"}}),
    ] {
        assert_eq!(missing(empty), ["/input/parent/data_source_id"]);
    }
    assert_eq!(missing(json!({"parent": {"data_source_id": "d"}})), [""; 0]);
    assert_eq!(connector("slack").shape_of_action("post_message").unwrap().missing(&json!({})), []);
    assert!(notion.shape_of_action("no_such").is_none() && notion.shape_of_trigger("create_page").is_none());
}
