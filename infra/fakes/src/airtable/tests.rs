//! Requests as clients send them, without a network.

use super::seed::{BASE, TOKEN};
use super::state::State;
use super::{api, hooks};
use crate::call::Call;
use crate::clock::Clock;
use crate::desk::Desk;
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::FutureExt as _;
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

struct Asking {
    state: State,
    desk: Desk,
    token: String,
}

impl Asking {
    fn new() -> Self {
        let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let desk = Desk::new("http://127.0.0.1:1".into(), Clock::standing_at(start));
        let mut state = State::at_start(start);
        state.calls_per_second = 10_000;
        Self { state, desk, token: TOKEN.into() }
    }

    fn now(&self) -> Timestamp {
        self.desk.clock.now()
    }

    fn pass(&self, seconds: i64) {
        self.desk.clock.advance(SignedDuration::from_secs(seconds));
    }

    fn ask(&mut self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let request = http::Request::builder()
            .method(method)
            .uri(format!("http://127.0.0.1:1{path}"))
            .header("authorization", format!("Bearer {}", self.token))
            .body(())
            .unwrap();
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let call = Call::new(&request.into_parts().0, body.into(), self.now());
        let response = match api::answer(&mut self.state, &self.desk, &call) {
            Ok(Some(response)) => response,
            Ok(None) => return (501, Value::Null),
            Err(refusal) => refusal.into_response(),
        };
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().now_or_never().unwrap().unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    /// What is answered to a request that is taken.
    fn taken(&mut self, method: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert_eq!(status, 200, "{method} {path}: {answer}");
        answer
    }

    /// Status and type of a refusal.
    fn refused(&mut self, method: &str, path: &str, body: Value) -> (u16, String) {
        let (status, answer) = self.ask(method, path, body);
        let kind = answer["error"]["type"].as_str().or(answer["error"].as_str());
        (status, kind.unwrap_or("nothing").to_owned())
    }

    fn create(&mut self, fields: Value) -> String {
        self.taken("POST", &contacts(), json!({"fields": fields}))["id"].as_str().unwrap().to_owned()
    }

    fn names(&mut self, query: &str) -> Vec<String> {
        let page = self.taken("GET", &format!("{}?{query}", contacts()), Value::Null);
        let records = page["records"].as_array().unwrap();
        records.iter().map(|record| record["fields"]["Name"].as_str().unwrap().to_owned()).collect()
    }
}

fn contacts() -> String {
    format!("/v0/{BASE}/Contacts")
}

fn kind(status: u16, kind: &str) -> (u16, String) {
    (status, kind.to_owned())
}

#[test]
fn records_are_read_page_by_page_and_a_page_can_be_asked_for_again() {
    let mut asking = Asking::new();
    for batch in 0..25 {
        let records: Vec<Value> =
            (0..10).map(|at| json!({"fields": {"Name": format!("n{:03}", batch * 10 + at)}})).collect();
        asking.taken("POST", &contacts(), json!({"records": records}));
    }
    let mut seen = Vec::new();
    let mut offset = String::new();
    loop {
        let path = format!("{}?sort[0][field]=Name&offset={offset}", contacts());
        let path = path.trim_end_matches("&offset=").to_owned();
        let page = asking.taken("GET", &path, Value::Null);
        assert_eq!(
            page,
            asking
                .taken("GET", &path, Value::Null)
                .clone()
                .as_object()
                .map(|again| {
                    // The first page begins a new list each time; later ones are the same.
                    let mut again = again.clone();
                    if offset.is_empty() {
                        again.insert("offset".into(), page["offset"].clone());
                    }
                    Value::Object(again)
                })
                .unwrap()
        );
        seen.extend(
            page["records"]
                .as_array()
                .unwrap()
                .iter()
                .map(|r| r["fields"]["Name"].as_str().unwrap().to_owned()),
        );
        match page.get("offset") {
            Some(next) => offset = next.as_str().unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, (0..250).map(|at| format!("n{at:03}")).collect::<Vec<_>>());
    assert_eq!(
        asking.names("maxRecords=3&sort[0][field]=Name&sort[0][direction]=desc"),
        ["n249", "n248", "n247"]
    );
    assert_eq!(
        asking.refused("GET", &format!("{}?offset=x", contacts()), Value::Null),
        kind(422, "INVALID_OFFSET_VALUE")
    );
    let path = format!("{}?offset={offset}", contacts());
    assert!(asking.taken("GET", &path, Value::Null)["records"].is_array());
    asking.pass(300);
    assert_eq!(asking.refused("GET", &path, Value::Null), kind(422, "LIST_RECORDS_ITERATOR_NOT_AVAILABLE"));
}

#[test]
fn lists_are_filtered_by_formulas_views_and_fields() {
    let mut asking = Asking::new();
    asking.create(json!({"Name": "Ada", "Age": 36, "Stage": "Won", "Tags": ["red", "blue"]}));
    asking.create(json!({"Name": "bob", "Age": 20, "Done": true}));
    asking.create(json!({"Name": "Cy", "Stage": "New"}));
    assert_eq!(asking.names("filterByFormula=%7BAge%7D%3E30"), ["Ada"]);
    assert_eq!(asking.names("filterByFormula=FIND('blue',Tags)"), ["Ada"]);
    assert_eq!(asking.names("view=Won"), ["Ada"]);
    assert_eq!(asking.names("view=Grid+view&filterByFormula=NOT(Age%3E30)"), ["bob", "Cy"]);
    assert_eq!(asking.names("sort[0][field]=Stage&sort[1][field]=Name"), ["bob", "Cy", "Ada"]);
    let body = json!({"filterByFormula": "Done", "fields": ["Name", "Done"], "returnFieldsByFieldId": true, "method": "x"});
    let page = asking.taken("POST", &format!("{}/listRecords", contacts()), body);
    assert_eq!(page["records"][0]["fields"].as_object().unwrap().len(), 2);
    assert!(page["records"][0]["fields"].as_object().unwrap().keys().all(|key| key.starts_with("fld")));
    for (query, expected) in [
        ("filterByFormula=Nope%3D1", kind(422, "INVALID_FILTER_BY_FORMULA")),
        ("filterByFormula=REGEX_MATCH(Name,'a')", kind(501, "NOT_MODELLED")),
        ("fields[]=Nope", kind(422, "UNKNOWN_FIELD_NAME")),
        ("view=Nope", kind(422, "VIEW_NAME_NOT_FOUND")),
        ("pageSize=101", kind(422, "INVALID_REQUEST_UNKNOWN")),
        ("cellFormat=string", kind(422, "INVALID_REQUEST_UNKNOWN")),
        ("cellFormat=string&timeZone=utc&userLocale=en", kind(501, "NOT_MODELLED")),
    ] {
        assert_eq!(
            asking.refused("GET", &format!("{}?{query}", contacts()), Value::Null),
            expected,
            "{query}"
        );
    }
}

#[test]
fn cells_take_what_their_type_takes() {
    let mut asking = Asking::new();
    for (field, good, bad) in [
        ("Name", json!("x"), json!(1)),
        ("Email", json!("a@b.c"), json!(["a@b.c"])),
        ("Age", json!(1.5), json!("1")),
        ("Done", json!(true), json!("true")),
        ("Stage", json!("Won"), json!(["Won"])),
        ("Tags", json!(["red"]), json!("red")),
        ("Born", json!("1815-12-10"), json!("10.12.1815")),
        ("Seen", json!("2026-01-01T00:00:00.000Z"), json!(0)),
        ("Stars", json!(5), json!(6)),
        ("Files", json!([{"url": "https://example.com/a.png"}]), json!(["https://example.com/a.png"])),
        ("Owner", json!({"email": "ada@example.com"}), json!({"email": "eve@example.com"})),
    ] {
        // Fifty calls a second are a user's.
        asking.pass(1);
        let id = asking.create(json!({"Name": "x", field: good}));
        let read = asking.taken("GET", &format!("{}/{id}", contacts()), Value::Null);
        assert!(read["fields"].get(field).is_some(), "{field}");
        asking.taken("PATCH", &format!("{}/{id}", contacts()), json!({"fields": {field: null}}));
        let read = asking.taken("GET", &format!("{}/{id}", contacts()), Value::Null);
        assert!(read["fields"].get(field).is_none(), "{field} is absent when it is empty");
        assert_eq!(
            asking.refused("POST", &contacts(), json!({"fields": {field: bad}})),
            kind(422, "INVALID_VALUE_FOR_COLUMN"),
            "{field}"
        );
    }
    for computed in ["Company name", "Label", "Number", "Created", "Changed"] {
        let (status, refusal) = asking.ask("POST", &contacts(), json!({"fields": {computed: "x"}}));
        assert_eq!(status, 422);
        assert!(refusal["error"]["message"].as_str().unwrap().ends_with("because the field is computed"));
    }
    let id = asking.create(json!({"Name": "Ada", "Seen": "2026-07-01T12:00:00"}));
    let read = asking.taken("GET", &format!("{}/{id}", contacts()), Value::Null);
    assert_eq!(read["fields"]["Seen"], "2026-07-01T10:00:00.000Z", "the zone of the field is Berlin's");
    assert_eq!(read["fields"]["Label"], "ADA!");
}

#[test]
fn typecast_turns_texts_and_makes_options_for_those_who_may() {
    let mut asking = Asking::new();
    let body = json!({"typecast": true, "fields": {"Age": "36", "Done": "true", "Stage": "Lost?", "Tags": "red, green", "Company": ["Difference Works"]}});
    let read = asking.taken("POST", &contacts(), body);
    assert_eq!(
        (&read["fields"]["Age"], &read["fields"]["Done"], &read["fields"]["Tags"]),
        (&json!(36), &json!(true), &json!(["red", "green"]))
    );
    assert_eq!(read["fields"]["Company name"], json!(["Difference Works"]));
    let unknown = json!({"fields": {"Stage": "Nope"}});
    assert_eq!(asking.refused("POST", &contacts(), unknown), kind(422, "INVALID_MULTIPLE_CHOICE_OPTIONS"));
    asking.state.tokens[0].permission = super::access::Permission::Edit;
    let unknown = json!({"typecast": true, "fields": {"Stage": "Nope"}});
    assert_eq!(asking.refused("POST", &contacts(), unknown), kind(422, "INVALID_MULTIPLE_CHOICE_OPTIONS"));
}

#[test]
fn patch_keeps_and_put_clears() {
    let mut asking = Asking::new();
    let id = asking.create(json!({"Name": "Ada", "Age": 36}));
    let one = format!("{}/{id}", contacts());
    assert_eq!(asking.taken("PATCH", &one, json!({"fields": {"Age": 37}}))["fields"]["Name"], "Ada");
    let put = asking.taken("PUT", &one, json!({"fields": {"Age": 38}}));
    assert_eq!((put["fields"].get("Name"), &put["fields"]["Age"]), (None, &json!(38)));
    let batch = json!({"records": [{"id": id, "fields": {"Name": "Eve"}}]});
    assert_eq!(asking.taken("PATCH", &contacts(), batch)["records"][0]["fields"]["Age"], 38);
}

#[test]
fn an_upsert_finds_makes_and_refuses() {
    let mut asking = Asking::new();
    let id = asking.create(json!({"Name": "Ada", "Email": "ada@example.com"}));
    let upsert = |name: &str, keys: Value| json!({"performUpsert": {"fieldsToMergeOn": keys}, "records": [{"fields": {"Name": name, "Age": 1}}]});
    let found = asking.taken("PATCH", &contacts(), upsert("Ada", json!(["Name"])));
    assert_eq!((&found["updatedRecords"], &found["createdRecords"]), (&json!([id]), &json!([])));
    assert_eq!(found["records"][0]["fields"]["Email"], "ada@example.com");
    let made = asking.taken("PATCH", &contacts(), upsert("Bob", json!(["Name"])));
    assert_eq!(made["createdRecords"].as_array().unwrap().len(), 1);
    asking.create(json!({"Name": "Ada"}));
    assert_eq!(asking.refused("PATCH", &contacts(), upsert("Ada", json!(["Name"]))).0, 422, "two match");
    assert_eq!(asking.refused("PATCH", &contacts(), upsert("Ada", json!([]))).0, 422);
    assert_eq!(asking.refused("PATCH", &contacts(), upsert("Ada", json!(["Label"]))).0, 422, "computed");
    let by_id = json!({"performUpsert": {"fieldsToMergeOn": ["Name"]}, "records": [{"id": "rec00000000000000", "fields": {}}]});
    assert_eq!(asking.refused("PATCH", &contacts(), by_id), kind(422, "ROW_DOES_NOT_EXIST"));
}

#[test]
fn a_batch_has_ten_records_and_changes_all_or_nothing() {
    let mut asking = Asking::new();
    let records = |count: usize| json!({"records": vec![json!({"fields": {"Name": "x"}}); count]});
    asking.taken("POST", &contacts(), records(10));
    assert_eq!(asking.refused("POST", &contacts(), records(11)), kind(422, "INVALID_REQUEST_UNKNOWN"));
    assert_eq!(asking.refused("PATCH", &contacts(), records(1)), kind(422, "INVALID_RECORDS"));
    assert_eq!(asking.refused("POST", &contacts(), json!({})), kind(422, "INVALID_REQUEST_MISSING_FIELDS"));
    let half = json!({"records": [{"fields": {"Name": "y"}}, {"fields": {"Age": "z"}}]});
    assert_eq!(asking.refused("POST", &contacts(), half), kind(422, "INVALID_VALUE_FOR_COLUMN"));
    assert_eq!(asking.names("filterByFormula=Name%3D'y'").len(), 0);
    let all: Vec<String> = asking.taken("GET", &contacts(), Value::Null)["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| format!("records[]={}", r["id"].as_str().unwrap()))
        .collect();
    assert_eq!(
        asking.refused("DELETE", &format!("{}?{}&{}", contacts(), all.join("&"), all[0]), Value::Null).0,
        422
    );
    let gone = asking.taken("DELETE", &format!("{}?{}", contacts(), all.join("&")), Value::Null);
    assert_eq!(gone["records"].as_array().unwrap().len(), 10);
    assert_eq!(gone["records"][0]["deleted"], true);
    let one = format!("{}/{}", contacts(), all[0].trim_start_matches("records[]="));
    assert_eq!(asking.refused("DELETE", &one, Value::Null), kind(404, "MODEL_ID_NOT_FOUND"));
}

#[test]
fn links_have_two_ends() {
    let mut asking = Asking::new();
    let companies = asking.taken(
        "GET",
        &format!("/v0/{BASE}/Companies?filterByFormula=Name%3D'Analytical+Engines'"),
        Value::Null,
    );
    let company = companies["records"][0]["id"].as_str().unwrap().to_owned();
    let ada = asking.create(json!({"Name": "Ada", "Company": [company]}));
    let of_company = format!("/v0/{BASE}/Companies/{company}");
    let read = asking.taken("GET", &of_company, Value::Null);
    assert_eq!((&read["fields"]["People"], &read["fields"]["Number of people"]), (&json!([ada]), &json!(1)));
    asking.taken("DELETE", &format!("{}/{ada}", contacts()), Value::Null);
    assert_eq!(asking.taken("GET", &of_company, Value::Null)["fields"].get("People"), None);
    let stale = json!({"fields": {"Company": ["rec00000000000000"]}});
    assert_eq!(asking.refused("POST", &contacts(), stale), kind(422, "ROW_DOES_NOT_EXIST"));
}

#[test]
fn tokens_are_asked_what_they_may() {
    let mut asking = Asking::new();
    assert_eq!(asking.refused("GET", "/v0/appShort/Contacts", Value::Null), kind(404, "NOT_FOUND"));
    let forbidden = kind(403, "INVALID_PERMISSIONS_OR_MODEL_NOT_FOUND");
    assert_eq!(asking.refused("GET", "/v0/app00000000000000/Contacts", Value::Null), forbidden);
    assert_eq!(asking.refused("GET", &format!("/v0/{BASE}/Nope"), Value::Null), forbidden);
    asking.state.tokens[0].scopes = vec!["data.records:read".into()];
    assert_eq!(asking.refused("POST", &contacts(), json!({"fields": {}})), forbidden);
    asking.taken("GET", &contacts(), Value::Null);
    asking.state.tokens[0].scopes = vec!["data.records:write".into()];
    asking.state.tokens[0].permission = super::access::Permission::Read;
    assert_eq!(asking.refused("POST", &contacts(), json!({"fields": {}})), kind(403, "INVALID_PERMISSIONS"));
    asking.token = "patNobody".into();
    assert_eq!(asking.refused("GET", "/v0/meta/whoami", Value::Null), kind(401, "AUTHENTICATION_REQUIRED"));
    assert_eq!(asking.ask("POST", &format!("/v0/{BASE}/Contacts/sync/x"), json!({})).0, 401);
    asking.token = TOKEN.into();
    assert_eq!(asking.ask("POST", &format!("/v0/{BASE}/Contacts/sync/x"), json!({})).0, 501);
}

#[test]
fn five_calls_a_second_and_half_a_minute_of_silence() {
    let mut asking = Asking::new();
    asking.state.calls_per_second = 5;
    for _ in 0..5 {
        asking.taken("GET", &contacts(), Value::Null);
    }
    assert_eq!(asking.refused("GET", &contacts(), Value::Null), kind(429, "RATE_LIMIT_REACHED"));
    asking.pass(29);
    assert_eq!(asking.refused("GET", &contacts(), Value::Null), kind(429, "RATE_LIMIT_REACHED"));
    asking.pass(1);
    asking.taken("GET", &contacts(), Value::Null);
}

#[test]
fn a_webhook_tells_what_changed_and_signs_its_ping() {
    let mut asking = Asking::new();
    let ada = asking.create(json!({"Name": "Ada", "Stage": "New"}));
    let hooks_path = format!("/v0/bases/{BASE}/webhooks");
    let specification = json!({"options": {
        "filters": {"dataTypes": ["tableData", "tableFields"], "recordChangeScope": "tblContacts000001"},
        "includes": {"includePreviousCellValues": true, "includeCellValuesInFieldIds": "all"},
    }});
    let made = asking.taken(
        "POST",
        &hooks_path,
        json!({"notificationUrl": "http://127.0.0.1:9/ping", "specification": specification}),
    );
    let hook = made["id"].as_str().unwrap().to_owned();
    let stage = asking.state.bases[0].tables[1].field("Stage").unwrap().id.clone();
    let name = asking.state.bases[0].tables[1].field("Name").unwrap().id.clone();
    asking.taken("PATCH", &format!("{}/{ada}", contacts()), json!({"fields": {"Stage": "Won"}}));
    let bob = asking.create(json!({"Name": "Bob"}));
    asking.taken("DELETE", &format!("{}/{bob}", contacts()), Value::Null);
    let now = asking.now();
    let pings = hooks::due(&mut asking.state.bases[0], now);
    assert_eq!(pings.len(), 1, "one ping stands for three changes");
    let key = STANDARD.decode(made["macSecretBase64"].as_str().unwrap()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &pings[0].body);
    let hex = tag.as_ref().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(pings[0].signature, format!("hmac-sha256={hex}"));

    let path = format!("{hooks_path}/{hook}/payloads");
    let page = asking.taken("GET", &format!("{path}?cursor=1&limit=2"), Value::Null);
    assert_eq!((&page["cursor"], &page["mightHaveMore"]), (&json!(3), &json!(true)));
    let changed = &page["payloads"][0]["changedTablesById"]["tblContacts000001"]["changedRecordsById"][&ada];
    assert_eq!(changed["current"]["cellValuesByFieldId"][&stage]["name"], "Won", "options are objects here");
    assert_eq!(changed["previous"]["cellValuesByFieldId"][&stage]["name"], "New");
    assert_eq!(changed["unchanged"]["cellValuesByFieldId"][&name], "Ada");
    let created = &page["payloads"][1]["changedTablesById"]["tblContacts000001"]["createdRecordsById"][&bob];
    assert_eq!(created["cellValuesByFieldId"][&name], "Bob");
    assert_eq!(page["payloads"][0]["actionMetadata"]["source"], "publicApi");
    let last = asking.taken("GET", &format!("{path}?cursor=3"), Value::Null);
    assert_eq!(
        last["payloads"][0]["changedTablesById"]["tblContacts000001"]["destroyedRecordIds"],
        json!([bob])
    );
    assert_eq!((&last["cursor"], &last["mightHaveMore"]), (&json!(4), &json!(false)));
    let none = asking.taken("GET", &format!("{path}?cursor=4"), Value::Null);
    assert_eq!((&none["cursor"], &none["payloads"]), (&json!(4), &json!([])));
}

#[test]
fn a_ping_that_fails_comes_again_later_and_at_last_no_more() {
    let mut asking = Asking::new();
    let hooks_path = format!("/v0/bases/{BASE}/webhooks");
    let specification = json!({"options": {"filters": {"dataTypes": ["tableData"]}}});
    asking.taken(
        "POST",
        &hooks_path,
        json!({"notificationUrl": "http://127.0.0.1:9/ping", "specification": specification}),
    );
    asking.create(json!({"Name": "Ada"}));
    let mut wait = 0;
    for attempt in 0..14 {
        asking.pass(wait);
        let now = asking.now();
        let base = &mut asking.state.bases[0];
        assert_eq!(hooks::due(base, now).len(), 1, "attempt {attempt}");
        let hook = base.hooks[0].id.clone();
        hooks::settle(base, &hook, Ok(503), now);
        assert!(hooks::due(base, now).is_empty(), "not at once");
        wait = 10 << attempt;
    }
    let listed = asking.taken("GET", &hooks_path, Value::Null);
    assert_eq!(listed["webhooks"][0]["areNotificationsEnabled"], false);
    assert_eq!(listed["webhooks"][0]["lastNotificationResult"]["willBeRetried"], false);
}

#[test]
fn hooks_are_ten_expire_and_watch_what_there_is() {
    let mut asking = Asking::new();
    let path = format!("/v0/bases/{BASE}/webhooks");
    let of = |filters: Value| json!({"specification": {"options": {"filters": filters}}});
    for _ in 0..10 {
        asking.taken("POST", &path, of(json!({"dataTypes": ["tableData"]})));
    }
    assert_eq!(asking.refused("POST", &path, of(json!({"dataTypes": ["tableData"]}))).0, 422);
    for wrong in [
        json!({}),
        json!({"dataTypes": []}),
        json!({"dataTypes": ["x"]}),
        json!({"dataTypes": ["tableData"], "unknown": 1}),
    ] {
        assert_eq!(asking.refused("POST", &path, of(wrong.clone())).0, 422, "{wrong}");
    }
    let elsewhere = json!({"notificationUrl": "https://example.com/", "specification": {"options": {"filters": {"dataTypes": ["tableData"]}}}});
    asking.state.bases[0].hooks.pop();
    assert_eq!(asking.refused("POST", &path, elsewhere), kind(501, "NOT_MODELLED"));
    asking.pass(7 * 24 * 3600);
    assert_eq!(asking.taken("GET", &path, Value::Null)["webhooks"][0]["isHookEnabled"], false);
    let hook = asking.state.bases[0].hooks[0].id.clone();
    asking.taken("POST", &format!("{path}/{hook}/refresh"), Value::Null);
    assert_eq!(asking.taken("GET", &path, Value::Null)["webhooks"][0]["isHookEnabled"], true);
}

#[test]
fn a_file_is_uploaded_and_its_address_is_new_each_time() {
    let mut asking = Asking::new();
    let id = asking.create(json!({"Name": "Ada"}));
    let path = format!("/v0/{BASE}/{id}/Files/uploadAttachment");
    let body = json!({"contentType": "text/plain", "filename": "a.txt", "file": "aGVs\nbG8=\n"});
    let answer = asking.taken("POST", &path, body);
    let field = asking.state.bases[0].tables[1].field("Files").unwrap().id.clone();
    assert_eq!(answer["fields"][&field][0]["size"], 5);
    let first = answer["fields"][&field][0]["url"].clone();
    asking.pass(60);
    let read = asking.taken("GET", &format!("{}/{id}", contacts()), Value::Null);
    assert_ne!(read["fields"]["Files"][0]["url"], first);
    let large =
        json!({"contentType": "x/y", "filename": "a", "file": STANDARD.encode(vec![0; 5 * 1024 * 1024 + 1])});
    assert_eq!(asking.refused("POST", &path, large).0, 413);
}

#[test]
fn schemas_are_read_and_changed() {
    let mut asking = Asking::new();
    let path = format!("/v0/meta/bases/{BASE}/tables");
    let tables = asking.taken("GET", &path, Value::Null);
    assert_eq!(tables["tables"][0]["id"], "tblCompanies00001");
    assert_eq!(tables["tables"][0]["views"][0].get("visibleFieldIds"), None);
    let visible = asking.taken("GET", &format!("{path}?include[]=visibleFieldIds"), Value::Null);
    assert!(visible["tables"][0]["views"][0]["visibleFieldIds"].is_array());
    let made = asking.taken(
        "POST",
        &path,
        json!({"name": "New", "fields": [{"name": "Title", "type": "singleLineText"}]}),
    );
    let table = made["id"].as_str().unwrap().to_owned();
    let fields = format!("{path}/{table}/fields");
    let field =
        asking.taken("POST", &fields, json!({"name": "n", "type": "number", "options": {"precision": 2}}));
    assert_eq!(
        asking
            .refused("POST", &fields, json!({"name": "m", "type": "number", "options": {"precision": 9}}))
            .0,
        422
    );
    assert_eq!(
        asking
            .refused("POST", &fields, json!({"name": "f", "type": "formula", "options": {"formula": "1"}}))
            .0,
        501
    );
    assert_eq!(asking.refused("POST", &fields, json!({"name": "n", "type": "url"})).0, 422, "twice");
    let one = format!("{fields}/{}", field["id"].as_str().unwrap());
    assert_eq!(asking.taken("PATCH", &one, json!({"name": "count"}))["name"], "count");
    assert_eq!(asking.refused("PATCH", &one, json!({"type": "url"})).0, 422, "a type stays");
    assert_eq!(
        asking.taken("PATCH", &format!("{path}/{table}"), json!({"description": "d"}))["description"],
        "d"
    );
}
