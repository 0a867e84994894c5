//! Documents that are broken give faults: none panics, none takes long.

use crate::{options, vendors};
use importer::{Options, import};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Instant;

fn document(paths: Value, components: Value) -> String {
    json!({"openapi": "3.1.0", "info": {"title": "Acme", "version": "1"}, "servers": [{"url": "https://api.acme.example"}],
        "paths": paths, "components": components})
    .to_string()
}

/// The place and the code of the first fault.
fn fault(document: &str) -> (String, String) {
    let fault = import(document, &options()).unwrap_err().into_iter().next().unwrap();
    (fault.pointer, fault.code)
}

fn answering(schema: Value) -> Value {
    json!({"/a": {"get": {"responses": {"200": {"content": {"application/json": {"schema": schema}}}}}}})
}

#[test]
fn a_fault_says_where_it_is() {
    let refers = |to: &str| answering(json!({ "$ref": to }));
    let at = "/paths/~1a/get/responses/200/content/application~1json/schema";
    let none = || json!({});
    for (text, pointer, code) in [
        (String::new(), "", "openapi_malformed"),
        ("{\"openapi\": ".to_owned(), "", "openapi_malformed"),
        ("a: [b".to_owned(), "", "openapi_malformed"),
        ("just a text".to_owned(), "", "type_mismatch"),
        ("{\"a\": 1, \"b\": {\"c/d\": 1, \"c/d\": 2}}".to_owned(), "/b/c~1d", "openapi_duplicate"),
        ("{\"swagger\": \"2.0\"}".to_owned(), "/openapi", "openapi_version"),
        ("{\"openapi\": \"3.10.0\"}".to_owned(), "/openapi", "openapi_version"),
        ("openapi: 3.1.0\nservers: [{url: https://a.example}]".to_owned(), "", "missing_field"),
        (document(json!([]), none()), "/paths", "type_mismatch"),
        (document(json!({}), none()), "/paths", "openapi_empty"),
        (document(json!({"/a": {"get": 1}}), none()), "/paths/~1a/get", "type_mismatch"),
        (document(json!({"/a": 1}), none()), "/paths/~1a", "type_mismatch"),
        (document(json!({"a": {"get": {}}}), none()), "/paths/a", "invalid_path"),
        (document(json!({"/a/{b": {"get": {}}}), none()), "/paths/~1a~1{b", "invalid_path"),
        (
            document(json!({"/a/{x}": {"get": {}}, "/a/{y}": {"get": {}}}), none()),
            "/paths/~1a~1{y}/get",
            "openapi_duplicate",
        ),
        (document(refers("#/components/schemas/No"), none()), &format!("{at}/$ref"), "openapi_reference"),
        (document(refers("other.yaml#/A"), none()), &format!("{at}/$ref"), "openapi_reference"),
        (document(answering(json!({"type": "thing"})), none()), &format!("{at}/type"), "invalid_schema"),
        (
            document(answering(json!({"properties": []})), none()),
            &format!("{at}/properties"),
            "invalid_schema",
        ),
        (document(answering(json!(7)), none()), at, "invalid_schema"),
        (
            document(
                refers("#/components/schemas/A"),
                json!({"schemas": {"A": {"allOf": [{"$ref": "#/components/schemas/A"}]}}}),
            ),
            "/components/schemas/A",
            "openapi_reference",
        ),
        (
            document(
                json!({"/a": {"get": {"parameters": [{"$ref": "#/components/parameters/P"}]}}}),
                json!({"parameters": {"P": {"$ref": "#/components/parameters/Q"}, "Q": {"$ref": "#/components/parameters/P"}}}),
            ),
            "/paths/~1a/get/parameters/0",
            "openapi_reference",
        ),
        (
            document(json!({"/a": {"get": {"parameters": [{"name": "x", "in": "air"}]}}}), none()),
            "/paths/~1a/get/parameters/0/in",
            "type_mismatch",
        ),
        (
            document(json!({"/a": {"get": {"security": [{"no": []}]}}}), none()),
            "/components/securitySchemes",
            "openapi_reference",
        ),
    ] {
        assert_eq!(fault(&text), (pointer.to_owned(), code.to_owned()), "{text}");
    }
}

#[test]
fn a_fault_of_yaml_says_its_line() {
    let text = "openapi: 3.1.0\nservers: [{url: https://a.example}]\npaths:\n  /a:\n    get: 1\n";
    let faults = import(text, &options()).unwrap_err();
    assert!(faults[0].message.starts_with("line 5: "), "{faults:?}");
}

#[test]
fn an_address_is_said_by_the_document_or_by_who_imports() {
    let text = |servers: Value| {
        json!({"openapi": "3.0.3", "servers": servers, "paths": {"/a": {"get": {}}}}).to_string()
    };
    assert_eq!(fault(&text(json!([]))), ("/servers".into(), "openapi_server".into()));
    assert_eq!(fault(&text(json!([{"url": "/v1"}]))), ("/servers/0/url".into(), "openapi_server".into()));
    for url in ["https://{x}.example", "https://{x", "https://{{x}}.example", "{x}", "https://a.example?{x}"]
    {
        assert_eq!(fault(&text(json!([{"url": url}]))).1, "openapi_server", "{url}");
    }
    let said = |server: &'static str| {
        import(&text(json!([{"url": "/v1"}])), &Options { server: Some(server), ..options() })
    };
    assert_eq!(said("https://a.example/v1").unwrap().manifest["base_url"], "https://a.example/v1");
    for server in
        ["a.example", "ftp://a.example", "https://u:p@a.example", "https://a.example/{{ connection.x }}"]
    {
        assert_eq!(said(server).unwrap_err()[0].code, "openapi_server", "{server}");
    }
}

#[test]
fn bombs_are_told_and_cost_no_time() {
    let begun = Instant::now();
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for n in 1..12 {
        let inner = vec![format!("*a{}", n - 1); 9].join(", ");
        writeln!(laughs, "a{n}: &a{n} [{inner}]").unwrap();
    }
    assert_eq!(fault(&laughs).1, "openapi_malformed");
    let long = format!("a: &a {}\nb: [{}]\n", "x".repeat(1_000_000), vec!["*a"; 10_000].join(", "));
    assert_eq!(fault(&long).1, "openapi_malformed");
    let mut names = String::new();
    for depth in 0..60 {
        writeln!(names, "{}{}:", " ".repeat(depth), "x".repeat(900)).unwrap();
    }
    assert_eq!(fault(&names).1, "openapi_malformed");
    assert_eq!(fault(&format!("{}{}", "[".repeat(5_000_000), "]")).1, "openapi_malformed");
    assert_eq!(fault(&format!("{{\"a\": {}", "[".repeat(5_000_000))).1, "openapi_malformed");
    assert_eq!(fault(&format!("{{\"a\": [{}1]}}", "1,".repeat(2_000_000))).1, "openapi_too_large");
    assert_eq!(fault(&" ".repeat(11 * 1_048_576)).1, "openapi_too_large");
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

#[test]
fn what_few_words_repeat_often_is_bounded() {
    let begun = Instant::now();
    // A parameter of a megabyte that each of a thousand operations has.
    let choices: Vec<String> = (0..100_000).map(|n| format!("choice {n}")).collect();
    let mut paths = json!({});
    for n in 0..1000 {
        paths[format!("/{n}")] = json!({"get": {"parameters": [{"$ref": "#/components/parameters/P"}]}});
    }
    let parameters = json!({"parameters": {"P": {"name": "p", "in": "query", "schema": {"enum": choices}}}});
    assert_eq!(fault(&document(paths, parameters)).1, "openapi_too_large");
    // Schemas of which each refers to the next twice.
    let mut schemas = json!({});
    for n in 0..3000 {
        let next = format!("#/components/schemas/S{}", n + 1);
        schemas[format!("S{n}")] =
            json!({"anyOf": [{"$ref": next}, {"$ref": next}], "properties": {"x": {"$ref": next}}});
    }
    schemas["S3000"] = json!({"type": "string", "readOnly": true});
    let start = json!({"$ref": "#/components/schemas/S0"});
    let paths = json!({"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": start}}},
        "responses": {"200": {"content": {"application/json": {"schema": start}}}, "400": {"content": {"application/json": {"schema": start}}}}}}});
    assert!(import(&document(paths, json!({"schemas": schemas})), &options()).is_ok());
    // Parts that are put together out of each other.
    let mut schemas = json!({});
    for n in 0..40 {
        let next = format!("#/components/schemas/S{}", n + 1);
        schemas[format!("S{n}")] = json!({"allOf": [{"$ref": next}, {"$ref": next}, {"$ref": next}]});
    }
    schemas["S40"] = json!({"type": "object", "properties": {"x": {}}});
    let paths = json!({"/a": {"post": {"requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/S0"}}}}}}});
    let _ = import(&document(paths, json!({"schemas": schemas})), &options());
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}

/// Every pointer of a document.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    all.push(at.to_owned());
    match value {
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| pointers(item, &format!("{at}/{i}"), all));
        }
        Value::Object(fields) => {
            fields.iter().for_each(|(name, value)| pointers(value, &domain::fault::join(at, name), all));
        }
        _ => {}
    }
}

#[test]
fn a_document_with_a_part_replaced_is_read_or_told() {
    let document: Value = serde_json::from_str(&vendors("resend.json.gz")).unwrap();
    let mut all = Vec::new();
    pointers(&document, "", &mut all);
    let replaced = |seed: usize| match seed % 12 {
        0 => json!(null),
        1 => json!(7),
        2 => json!("{{ input.x }}"),
        3 => json!([]),
        4 => json!({}),
        5 => json!({"$ref": "#/components/schemas"}),
        6 => json!({"$ref": "#"}),
        7 => json!({"$ref": 1}),
        8 => json!([{"$ref": "#/paths"}]),
        9 => json!({"{{ x": {"$ref": "#/info"}}),
        10 => json!(true),
        _ => json!("\u{0}/{}"),
    };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(600));
    let chosen = prop::collection::vec((0..all.len(), 0..1000usize), 1..4);
    runner
        .run(&chosen, |chosen| {
            let mut changed = document.clone();
            for (at, seed) in chosen {
                if let Some(part) = changed.pointer_mut(&all[at]) {
                    *part = replaced(seed);
                }
            }
            // What is given is read again by `import` itself; a fault names a place.
            if let Err(faults) = import(&changed.to_string(), &options()) {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    prop_assert!(
                        !fault.code.is_empty()
                            && (fault.pointer.is_empty() || fault.pointer.starts_with('/'))
                    );
                    // No fault is one of the manifest that was made: those are the importer's own.
                    prop_assert!(!fault.pointer.starts_with("/actions"), "{fault:?}");
                    prop_assert!(!fault.pointer.starts_with("/schemas"), "{fault:?}");
                    prop_assert!(!fault.pointer.starts_with("/auth"), "{fault:?}");
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn a_text_with_a_hole_is_read_or_told() {
    let text = vendors("resend.json.gz");
    let yaml = "openapi: 3.0.0\nservers: [{url: 'https://{a}.example', variables: {a: {default: b}}}]\npaths:\n  /a/{b}:\n    \
        post:\n      parameters: [&p {name: b, in: path, required: true, schema: {type: string}}]\n      requestBody: {content: \
        {application/json: {schema: {$ref: '#/components/schemas/A'}}}}\ncomponents: {schemas: {A: {properties: {x: {nullable: true}}}}}\n";
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(300));
    runner
        .run(&(0.0..1.0f64, 0..200usize, 0..200usize), |(at, hole, kept)| {
            for text in [text.as_str(), yaml] {
                let from = (text.len() as f64 * at) as usize;
                let bytes = text.as_bytes();
                let end = (from + hole).min(bytes.len());
                let again = &bytes[from..(from + kept).min(bytes.len())];
                let changed = [&bytes[..from], again, &bytes[end..]].concat();
                let _ = import(&String::from_utf8_lossy(&changed), &options());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn names_that_are_all_the_same_cost_no_time() {
    let begun = Instant::now();
    let mut parts = json!({});
    let mut properties = json!({});
    for n in 0..60_000 {
        parts[format!("p{n}")] = json!({"same": {"type": "string"}});
        properties[format!("f{n}")] = json!({"$ref": format!("#/x-parts/p{n}/same")});
    }
    let mut read_only = json!({});
    let names: Vec<String> = (0..60_000).map(|n| format!("r{n}")).collect();
    for name in &names {
        read_only[name] = json!({"readOnly": true});
    }
    let mut paths = answering(json!({"properties": properties}));
    paths["/b"] = json!({"post": {"requestBody": {"content": {"application/json": {"schema": {"oneOf": [{"properties": read_only,
        "required": names}]}}}}}});
    let mut whole: Value = serde_json::from_str(&document(paths, json!({}))).unwrap();
    whole["x-parts"] = parts;
    assert!(import(&whole.to_string(), &options()).is_ok());
    assert!(begun.elapsed().as_secs() < 60, "{:?}", begun.elapsed());
}
