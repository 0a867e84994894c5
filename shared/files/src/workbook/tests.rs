use super::*;
use proptest::prelude::*;
use std::io::{Read, Seek, Write};

/// Written by openpyxl, and by hand: see `fixtures/make.py`.
const OPENPYXL: &[u8] = include_bytes!("../../fixtures/openpyxl.xlsx");
const BY_HAND: &[u8] = include_bytes!("../../fixtures/by_hand.xlsx");

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn rows(input: Value, bytes: &[u8]) -> Result<Value, StepError> {
    read(Input(&input), file(bytes))
}

fn written(input: &Value) -> Vec<u8> {
    let mut to = Growing::new().unwrap();
    write(Input(input), &mut to).unwrap();
    let mut bytes = Vec::new();
    to.finish().unwrap().0.read_to_end(&mut bytes).unwrap();
    bytes
}

/// An archive of these parts.
fn parts(parts: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut files: Vec<_> = parts.iter().map(|(name, bytes)| ((*name).to_owned(), file(bytes))).collect();
    let (mut file, _) = crate::archive::pack(&mut files, Growing::new().unwrap()).unwrap();
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_workbook_of_another_program_is_read() {
    let found = rows(json!({}), OPENPYXL).unwrap();
    assert_eq!(
        found,
        json!({
            "rows": [
                {"id": 1, "when": "2026-03-01T12:30:15", "day": "2026-03-01", "at": "06:45:00", "took": "PT91800S", "total": 12.5,
                 "paid": true, "note": "Grüße, =1+1", "column_9": "nameless", "id_2": "again"},
                {"id": 2, "when": null, "day": "1900-03-01", "at": null, "took": null, "total": -3, "paid": false,
                 "note": null, "column_9": null, "id_2": null}
            ],
            "columns": ["id", "when", "day", "at", "took", "total", "paid", "note", "column_9", "id_2"],
            "more": false, "next": null, "sheet": "Orders", "sheets": ["Orders", "Empty", "Far"]
        })
    );
    assert_eq!(rows(json!({"sheet": "Empty"}), OPENPYXL).unwrap()["rows"], json!([]));
    let error = rows(json!({"sheet": "None"}), OPENPYXL).unwrap_err();
    assert!(error.code == "invalid_input" && error.message.contains("`Far`"), "{}", error.message);
}

#[test]
fn a_cell_far_away_costs_no_more_than_its_row() {
    let found = rows(json!({"sheet": "Far", "header": false}), OPENPYXL).unwrap();
    assert_eq!(found["rows"][0], json!(["first"]));
    assert_eq!(found["rows"][1].as_array().unwrap().len(), 16_384);
    assert_eq!(found["rows"][1][16_383], "last");
}

#[test]
fn formulas_give_what_they_came_to() {
    let found = rows(json!({"header": false}), BY_HAND).unwrap();
    // The second is a day that only Excel has.
    assert_eq!(
        found["rows"],
        json!([
            ["sum", "rich text", "in line"],
            [2, "ab", "1900-02-29"],
            ["#DIV/0!", true, "2026-03-01T12:00:00"]
        ])
    );
    let found = rows(json!({"offset": 1, "limit": 1}), BY_HAND).unwrap();
    assert_eq!(found["rows"][0]["sum"], "#DIV/0!");
}

#[test]
fn what_is_written_is_read_again() {
    let rows_in =
        json!([{"a": "=1+1", "b": 1.5, "c": true}, {"a": null, "d": [1], "b": 123_456_789_012_345_678_u64}]);
    let bytes = written(&json!({"rows": rows_in, "sheet": "One"}));
    let found = rows(json!({}), &bytes).unwrap();
    assert_eq!(
        found["rows"],
        json!([{"a": "=1+1", "b": 1.5, "c": true, "d": null},
            {"a": null, "b": "123456789012345678", "c": null, "d": "[1]"}])
    );
    assert_eq!((&found["sheet"], &found["columns"]), (&json!("One"), &json!(["a", "b", "c", "d"])));
    // Nothing in it is a formula.
    let mut archive = Archive::open(file(&bytes), limits::MAX_WORKBOOK_BYTES).unwrap();
    for entry in archive.entries().unwrap() {
        let mut text = Vec::new();
        archive
            .unpack(entry.index, |piece| {
                text.extend_from_slice(piece);
                Ok(())
            })
            .unwrap();
        let text = String::from_utf8_lossy(&text);
        assert!(!text.contains("<f>") && !text.contains("<f "), "{}", entry.name);
    }
}

#[test]
fn a_workbook_has_several_sheets_and_the_same_bytes_each_time() {
    let input = json!({"sheets": [{"name": "Eins", "rows": [{"a": 1}]}, {"rows": [["x"]], "header": false}]});
    let bytes = written(&input);
    assert_eq!(bytes, written(&input));
    let found = rows(json!({"sheet": "Sheet2", "header": false}), &bytes).unwrap();
    assert_eq!((&found["rows"], &found["sheets"]), (&json!([["x"]]), &json!(["Eins", "Sheet2"])));
    let code = |input: Value| write(Input(&input), &mut Growing::new().unwrap()).unwrap_err().code;
    assert_eq!(code(json!({"sheets": []})), "invalid_input");
    assert_eq!(code(json!({"rows": [], "sheet": "a/b"})), "invalid_input");
    assert_eq!(code(json!({"rows": [["x".repeat(40_000)]]})), "invalid_input");
    assert_eq!(
        code(json!({"sheets": [{"name": "a", "rows": []}, {"name": "A", "rows": []}]})),
        "invalid_input"
    );
}

#[test]
fn what_is_no_workbook_is_refused() {
    let code = |bytes: &[u8]| rows(json!({}), bytes).unwrap_err().code;
    assert_eq!(code(b""), "file_unreadable");
    assert_eq!(code(b"a,b"), "file_unreadable");
    assert_eq!(code(&OPENPYXL[..OPENPYXL.len() / 2]), "file_unreadable");
    assert_eq!(code(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"), "file_encrypted");
    assert_eq!(code(&parts(&[("hello.txt", b"x".to_vec())])), "file_unreadable");
}

#[test]
fn bombs_are_refused_before_they_are_read() {
    let code = |bytes: &[u8]| rows(json!({}), bytes).unwrap_err().code;
    let noise = |bytes: u32| {
        (0..bytes).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8 | 0x40).collect::<Vec<u8>>()
    };
    let endless = format!("<{}", "a".repeat(500_000)).repeat(60).into_bytes();
    assert_eq!(code(&parts(&[("xl/sharedStrings.xml", endless)])), "archive_unsafe");
    // A text that no cell may have.
    assert_eq!(code(&parts(&[("xl/worksheets/sheet1.xml", noise(3_000_000))])), "file_unreadable");
    // More texts than memory should hold, each of a few bytes.
    let mut texts = Vec::new();
    for n in 0..2_200_000u32 {
        texts.extend_from_slice(&[b'<', b'a' + (n % 23) as u8, b'/', b'>']);
    }
    assert_eq!(code(&parts(&[("xl/sharedStrings.xml", texts)])), "file_too_large");
}

/// The workbook written by hand, with other parts, or more.
fn with(others: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut archive = Archive::open(file(BY_HAND), limits::MAX_WORKBOOK_BYTES).unwrap();
    let mut all = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut bytes = Vec::new();
        let keep = |piece: &[u8]| {
            bytes.extend_from_slice(piece);
            Ok(())
        };
        archive.unpack(entry.index, keep).unwrap();
        if !others.iter().any(|(name, _)| *name == entry.name) {
            all.push((entry.name, bytes));
        }
    }
    let all = all.iter().map(|(name, bytes)| (name.as_str(), bytes.clone()));
    parts(&all.chain(others.iter().cloned()).collect::<Vec<_>>())
}

fn texts(attributes: &str, texts: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\"?><sst {attributes}>{texts}</sst>").into_bytes()
}

fn cells(rows: &str) -> Vec<u8> {
    format!("<?xml version=\"1.0\"?><worksheet><sheetData>{rows}</sheetData></worksheet>").into_bytes()
}

#[test]
fn how_many_texts_a_workbook_says_it_has_is_not_believed() {
    let name = "xl/sharedStrings.xml";
    let book = |attributes: &str| with(&[(name, texts(attributes, "<si><t>a</t></si><si><t>b</t></si>"))]);
    let rows = |attributes: &str| rows(json!({"header": false}), &book(attributes));
    assert_eq!(rows("uniqueCount=\"2000000\"").unwrap()["rows"][0][0], "a");
    for attributes in [
        "uniqueCount=\"2000001\"",
        "count=\"2\" uniqueCount = '9223372036854775807'",
        "uniqueCount=\"00099999999999999999999999\"",
        "a=\"<>\" uniqueCount=\"9223372036854775807\"",
    ] {
        let error = rows(attributes).unwrap_err();
        assert_eq!(error.code, "file_unreadable", "{attributes}");
        assert!(error.message.contains("more than 2000000 texts"), "{}", error.message);
    }
    // Where the number lies in two pieces, wherever they are cut.
    let whole = texts("uniqueCount=\"9223372036854775807\"", "");
    for cut in 0..whole.len() {
        let mut part = Part::new(name);
        assert!(part.see(&whole[..cut]).and_then(|()| part.see(&whole[cut..])).is_err(), "{cut}");
    }
    // In another encoding it would not be found.
    let wide: Vec<u8> = whole.iter().flat_map(|byte| [*byte, 0]).collect();
    assert!(Part::new(name).see(&wide).is_err());
}

#[test]
fn a_text_that_a_row_repeats_counts_each_time() {
    let long = texts("", &format!("<si><t>{}</t></si>", "x".repeat(30_000)));
    let cell = "<c t=\"s\"><v>0</v></c>";
    let book = |row: String| {
        with(&[("xl/sharedStrings.xml", long.clone()), ("xl/worksheets/sheet1.xml", cells(&row))])
    };
    let few = format!("<row>{}</row>", cell.repeat(20));
    let many = format!("<row>{}</row>", cell.repeat(16_384));
    assert_eq!(
        rows(json!({"header": false}), &book(few.repeat(3))).unwrap()["rows"][2][19],
        "x".repeat(30_000)
    );
    // As a row, as the header, and as a row that is passed over.
    for input in [json!({"header": false}), json!({}), json!({"header": false, "offset": 5})] {
        let error = rows(input, &book(many.clone())).unwrap_err();
        assert_eq!(error.code, "file_unreadable");
        assert!(error.message.contains("row 1 has more than 1024 KB"), "{}", error.message);
    }
    let text = format!("<si><t>{}</t></si>", "x".repeat(32_768));
    let book = with(&[("xl/sharedStrings.xml", texts("", &text))]);
    let error = rows(json!({}), &book).unwrap_err();
    assert!(error.message.contains("more than 32767 characters"), "{}", error.message);
}

#[test]
fn no_name_frees_a_part_from_its_limits() {
    let see = |name: &str, bytes: &[u8]| Part::new(name).see(bytes).map_err(|error| error.code);
    let too_large = Err("file_too_large".to_owned());
    let values = b"<si/>".repeat(2_000_001);
    for name in [
        "xl/worksheets/sharedStrings.xml",
        "xl\\worksheets\\STYLES.xml",
        "worksheets/workbook.xml",
        "worksheets/a.rels",
    ] {
        assert_eq!(see(name, &values), too_large, "{name}");
    }
    assert_eq!(see("xl/worksheets/sheet1.xml", &values), Ok(()));
    // A workbook may call its list of sheets as it likes.
    let unreadable = Err("file_unreadable".to_owned());
    for name in ["xl/worksheets/sheet1.xml", "xl/media/image1.png"] {
        assert_eq!(see(name, b"<worksheet><definedName name='a'>1</definedName>"), unreadable, "{name}");
        assert_eq!(see(name, b"<worksheet><x:sheet />"), unreadable, "{name}");
        assert_eq!(see(name, b"<worksheet><sheetData/>"), Ok(()));
    }
    // What is no XML by its name can be named as a sheet, and has no endless text either.
    assert_eq!(see("xl/media/image1.bmp", &vec![0xff; 2_000_000]), Ok(()));
    assert_eq!(see("xl/media/image1.bmp", &vec![0xff; 9_000_000]), unreadable);
}

#[test]
fn formats_that_repeat_a_long_name_are_refused() {
    let styles = |name: usize, formats: usize| {
        let name = "x".repeat(name);
        let text = format!(
            "<styleSheet><fonts><font><name val=\"{name}\"/></font></fonts><cellXfs>{}</cellXfs></styleSheet>",
            "<xf/>".repeat(formats)
        );
        Part::new("xl/styles.xml").see(text.as_bytes()).map_err(|error| error.code)
    };
    assert_eq!(styles(30, 65_000), Ok(()));
    assert_eq!(styles(900_000, 1000), Err("file_too_large".to_owned()));
    assert_eq!(styles(1, 140_000), Err("file_too_large".to_owned()));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn any_cells_are_written_and_read(cells in proptest::collection::vec(proptest::collection::vec("[^\\x00-\\x1f\\x7f\u{fffe}\u{ffff}_]{1,20}", 1..5), 1..5)) {
        let found = rows(json!({"header": false}), &written(&json!({"rows": cells, "header": false}))).unwrap();
        prop_assert_eq!(&found["rows"], &json!(cells));
    }

    #[test]
    fn changed_workbooks_are_read_or_refused(at: usize, byte: u8) {
        for book in [OPENPYXL, BY_HAND] {
            let mut book = book.to_vec();
            let at = at % book.len();
            book[at] = byte;
            let _ = rows(json!({"header": false}), &book);
        }
    }

    /// The parts themselves, without the archive's checksums in the way.
    #[test]
    fn changed_parts_are_read_or_refused(part in 0usize..20, at: usize, with in "[<>/\"a0-9&;=]{1,3}") {
        let mut archive = Archive::open(file(BY_HAND), limits::MAX_WORKBOOK_BYTES).unwrap();
        let mut all = Vec::new();
        for entry in archive.entries().unwrap() {
            let mut bytes = Vec::new();
            archive.unpack(entry.index, |piece| { bytes.extend_from_slice(piece); Ok(()) }).unwrap();
            all.push((entry.name, bytes));
        }
        let part = part % all.len();
        let bytes = &mut all[part].1;
        let at = at % (bytes.len() - with.len());
        bytes[at..at + with.len()].copy_from_slice(with.as_bytes());
        let all: Vec<_> = all.iter().map(|(name, bytes)| (name.as_str(), bytes.clone())).collect();
        let _ = rows(json!({"header": false}), &parts(&all));
    }
}
