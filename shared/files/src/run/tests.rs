use super::*;
use std::io::{Read, Seek};

fn source(bytes: &[u8], name: Option<&str>) -> Source {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    Source { file, name: name.map(str::to_owned) }
}

fn bytes(made: &mut Made) -> Vec<u8> {
    let mut bytes = Vec::new();
    made.file.read_to_end(&mut bytes).unwrap();
    assert_eq!(bytes.len() as u64, made.bytes);
    bytes
}

#[test]
fn every_action_that_is_known_can_be_run() {
    for action in domain::workflow::FILE_ACTIONS {
        let outcome = run(action, &json!({}), Vec::new());
        assert!(
            outcome.as_ref().err().is_none_or(|error| error.code != "action_unknown"),
            "{action}: {outcome:?}"
        );
    }
    assert_eq!(run("file.eat", &json!({}), Vec::new()).unwrap_err().code, "action_unknown");
    assert_eq!(run("file.read_csv", &json!({}), Vec::new()).unwrap_err().code, "invalid_input");
}

#[test]
fn a_file_is_gone_on_with() {
    let rows = json!({"rows": [{"a": 2}], "filename": "x/rates.csv"});
    let mut done = run("file.write_csv", &rows, vec![source(b"a\r\n1\r\n", Some("old.csv"))]).unwrap();
    assert_eq!(bytes(&mut done.made[0]), b"a\r\n1\r\n2\r\n");
    assert_eq!((done.made[0].name.as_str(), done.made[0].media.as_str()), ("rates.csv", "text/csv"));
    assert_eq!(done.output, json!({"file": null, "rows": 1}));
    let mut done =
        run("file.write_json_lines", &json!({"rows": [1]}), vec![source(b"0\n", Some("n.jsonl"))]).unwrap();
    assert_eq!((bytes(&mut done.made[0]), done.made[0].name.as_str()), (b"0\n1\n".to_vec(), "n.jsonl"));
    let mut done = run("file.write_text", &json!({"text": "ä", "type": "text/x"}), Vec::new()).unwrap();
    assert_eq!((bytes(&mut done.made[0]), done.made[0].media.as_str()), ("ä".as_bytes().to_vec(), "text/x"));
}

#[test]
fn files_are_packed_and_unpacked() {
    let input = json!({"files": [{"name": "in/a.csv"}, {}, {}], "filename": "all.zip"});
    let sources = vec![source(b"1", None), source(b"22", Some("b.txt")), source(b"333", None)];
    let mut done = run("file.zip", &input, sources).unwrap();
    assert_eq!(done.output, json!({"file": null, "files": 3}));
    let archive = bytes(&mut done.made[0]);
    let mut done = run("file.unzip", &json!({}), vec![source(&archive, None)]).unwrap();
    let names: Vec<_> = done
        .made
        .iter()
        .map(|made| (made.pointer.as_str(), made.name.as_str(), made.media.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("/files/0/file", "a.csv", "text/csv"),
            ("/files/1/file", "b.txt", "text/plain"),
            ("/files/2/file", "file_3", "application/octet-stream")
        ]
    );
    assert_eq!(bytes(&mut done.made[2]), b"333");
    assert_eq!(done.output["files"][0], json!({"name": "in/a.csv", "bytes": 1, "file": null}));

    let done = run("file.unzip", &json!({"only": ["b.txt"]}), vec![source(&archive, None)]).unwrap();
    assert_eq!((done.made.len(), &done.output["files"][0]["bytes"]), (1, &json!(2)));
    let done = run("file.unzip", &json!({"list_only": true}), vec![source(&archive, None)]).unwrap();
    assert_eq!((done.made.len(), done.output["files"].as_array().unwrap().len()), (0, 3));
    let missing = run("file.unzip", &json!({"only": ["c"]}), vec![source(&archive, None)]);
    assert_eq!(missing.unwrap_err().code, "invalid_input");
}

#[test]
fn a_file_grows_to_its_limit_and_no_further() {
    let old = vec![b'x'; limits::MAX_FILE_BYTES];
    let outcome = run("file.write_text", &json!({"text": "y"}), vec![source(&old, None)]);
    assert_eq!(outcome.unwrap_err().code, "file_too_large");
}
