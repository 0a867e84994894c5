//! Encodings and formats.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonata_core::value::{JMap, JValue};
use url::form_urlencoded;

use super::call::{Call, Fault, Outcome, Writer, object, said, text, texts};
use super::{Cost, Definition, define, eg};
use crate::need::Need;

pub(super) const ALL: [Definition; 15] = [
    define(
        "base64UrlDecode(text: string) -> string",
        "The UTF-8 text behind base64 of the alphabet for addresses, padded or not.",
        &[eg("$base64UrlDecode('w7w_')", "{}", r#""ü?""#)],
        Cost::Grows(2, 16),
        |call| {
            let bytes = from_base64(call.text(0));
            utf8(call, bytes, "base64url of UTF-8 text")
        },
    ),
    define(
        "base64UrlEncode(text: string) -> string",
        "The text as base64 of the alphabet for addresses, without padding.",
        &[eg("$base64UrlEncode('ü?')", "{}", r#""w7w_""#)],
        Cost::Grows(2, 16),
        |call| Ok(text(&URL_SAFE_NO_PAD.encode(call.text(0)))),
    ),
    define(
        "csvFormat(rows: list, delimiter?: string) -> string",
        "Objects as CSV with a header of all their names, or lists as CSV without one; lines end with a line feed.",
        &[
            eg("$csvFormat([{'a': 1, 'b': 'x,y'}, {'a': 2}])", "{}", r#""a,b\n1,\"x,y\"\n2,\n""#),
            eg("$csvFormat([[1, 'x'], [2, 'y']], ';')", "{}", r#""1;x\n2;y\n""#),
        ],
        Cost::Product,
        csv_format,
    ),
    define(
        "csvParse(text: string, delimiter?: string, header?: boolean) -> list",
        "The rows of CSV: objects named by its first line, or lists if `header` is false; all values are strings.",
        &[
            eg(
                "$csvParse(file)",
                r#"{"file": "id,note\n1,\"a, \"\"b\"\"\"\n2,c\n"}"#,
                r#"[{"id":"1","note":"a, \"b\""},{"id":"2","note":"c"}]"#,
            ),
            eg("$csvParse('1;2', ';', false)", "{}", r#"[["1","2"]]"#),
        ],
        Cost::Product,
        csv_parse,
    ),
    define(
        "escapeHtml(text: string) -> string",
        "The text with `&`, `<`, `>` and quotes as character references.",
        &[eg(
            "$escapeHtml('<b>\"Fish & chips\"</b>')",
            "{}",
            r#""&lt;b&gt;&quot;Fish &amp; chips&quot;&lt;/b&gt;""#,
        )],
        Cost::Grows(6, 16),
        |call| {
            let mut out = call.writer();
            for char in call.text(0).chars() {
                match char {
                    '&' => out.push("&amp;")?,
                    '<' => out.push("&lt;")?,
                    '>' => out.push("&gt;")?,
                    '"' => out.push("&quot;")?,
                    '\'' => out.push("&#39;")?,
                    other => out.push_char(other)?,
                }
            }
            Ok(out.done())
        },
    ),
    define(
        "hexDecode(text: string) -> string",
        "The UTF-8 text behind hexadecimal digits.",
        &[eg("$hexDecode('c3bc')", "{}", r#""ü""#)],
        Cost::Grows(2, 16),
        |call| {
            let digits: Option<Vec<u8>> =
                call.text(0).chars().map(|char| char.to_digit(16).map(|digit| digit as u8)).collect();
            let bytes = digits.filter(|digits| digits.len() % 2 == 0);
            let bytes = bytes.map(|digits| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect());
            utf8(call, bytes, "hexadecimal digits of UTF-8 text")
        },
    ),
    define(
        "hexEncode(text: string) -> string",
        "The bytes of the text as hexadecimal digits.",
        &[eg("$hexEncode('ü')", "{}", r#""c3bc""#)],
        Cost::Grows(2, 16),
        |call| Ok(text(&hex(call.text(0).as_bytes()))),
    ),
    define(
        "jsonParse(text: string) -> any",
        "The value that a JSON text describes.",
        &[eg("$jsonParse(body).id", r#"{"body": "{\"id\": 7}"}"#, "7")],
        Cost::Grows(16, 80),
        |call| json(call.text(0)),
    ),
    define(
        "jsonStringify(value: any) -> string",
        "The value as compact JSON; a string gets quotes.",
        &[eg("$jsonStringify({'a': [1, 'x', null]})", "{}", r#""{\"a\":[1,\"x\",null]}""#)],
        Cost::Grows(6, 60),
        |call| {
            let mut out = call.writer();
            call.print(&call.value(0), false, &mut out)?;
            Ok(out.done())
        },
    ),
    define(
        "jwtDecode(token: string) -> object",
        "The `header` and `payload` of a JSON Web Token. Its signature is not verified.",
        &[eg(
            "$jwtDecode(token).payload.sub",
            r#"{"token": "eyJhbGciOiJub25lIn0.eyJzdWIiOiJhZGEifQ."}"#,
            r#""ada""#,
        )],
        Cost::Grows(16, 100),
        |call| {
            let mut out = JMap::default();
            let mut parts = call.text(0).split('.');
            for name in ["header", "payload"] {
                let part = parts.next().and_then(from_base64).and_then(|bytes| String::from_utf8(bytes).ok());
                let Some(part) = part else { return call.wrong(0, "a JSON Web Token") };
                out.insert(name.to_owned(), json(&part)?);
            }
            Ok(object(out))
        },
    ),
    define(
        "queryFormat(fields: object) -> string",
        "The fields as a query string or form; a list repeats its name, and null is left out.",
        &[eg(
            "$queryFormat({'q': 'a b&c', 'tag': ['x', 'y'], 'page': null})",
            "{}",
            r#""q=a+b%26c&tag=x&tag=y""#,
        )],
        Cost::Product,
        query_format,
    ),
    define(
        "queryParse(text: string) -> object",
        "The fields of a query string or form; a name that is repeated has a list.",
        &[eg("$queryParse('?q=a+b%26c&tag=x&tag=y')", "{}", r#"{"q":"a b&c","tag":["x","y"]}"#)],
        Cost::Grows(16, 60),
        |call| Ok(object(query(call.text(0).trim_start_matches('?')))),
    ),
    define(
        "unescapeHtml(text: string) -> string",
        "The text with character references resolved: all numeric ones and the usual names.",
        &[eg("$unescapeHtml('Fish &amp; chips &#8364;5&nbsp;&hellip;')", "{}", "\"Fish & chips €5\u{a0}…\"")],
        Cost::Grows(2, 24),
        |call| Ok(text(&unescaped(call.text(0)))),
    ),
    define(
        "urlParse(url: string) -> object",
        "The parts of an absolute address of at most 8 KB: `scheme`, `username`, `host`, `port`, `path`, `query` as an object, `fragment`.",
        &[eg(
            "$urlParse('https://Example.org:8443/a%20b?x=1#top')",
            "{}",
            r#"{"scheme":"https","username":null,"host":"example.org","port":8443,"path":"/a%20b","query":{"x":"1"},"fragment":"top"}"#,
        )],
        Cost::Grows(16, 200),
        url_parse,
    ),
    define(
        "urlWithQuery(url: string, fields: object) -> string",
        "The address with the fields added to its query, before its fragment.",
        &[eg(
            "$urlWithQuery('https://example.org/a?x=1#top', {'q': 'a b'})",
            "{}",
            r#""https://example.org/a?x=1&q=a+b#top""#,
        )],
        Cost::Product,
        |call| {
            let (base, fragment) =
                call.text(0).split_once('#').map_or((call.text(0), None), |(a, b)| (a, Some(b)));
            let mut out = call.writer();
            out.push(base)?;
            let mut parting = match base.split_once('?') {
                None => "?",
                Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
                Some(_) => "&",
            };
            write_query(call, 1, &mut out, &mut parting)?;
            if let Some(fragment) = fragment {
                out.push("#")?;
                out.push(fragment)?;
            }
            Ok(out.done())
        },
    ),
];

pub(super) fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from_digit(value.into(), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()
}

fn utf8(call: &Call, bytes: Option<Vec<u8>>, what: &str) -> Outcome {
    match bytes.and_then(|bytes| String::from_utf8(bytes).ok()) {
        Some(plain) => Ok(text(&plain)),
        None => call.wrong(0, what),
    }
}

fn json(text: &str) -> Outcome {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(value) => Ok(crate::scope::convert(&value, &Need { whole: true, fields: Vec::new() })),
        Err(error) => said(format!("that is not JSON: {error}")),
    }
}

/// The text with its character references resolved.
pub(super) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let end = after.bytes().take(10).position(|byte| byte == b';');
        let resolved = end.and_then(|end| Some((reference(&after[..end])?, &after[end + 1..])));
        if let Some((char, after)) = resolved {
            out.push(char);
            rest = after;
        } else {
            out.push('&');
            rest = after;
        }
    }
    out.push_str(rest);
    out
}

fn reference(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let code = match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16),
            None => number.parse(),
        };
        return char::from_u32(code.ok()?).filter(|char| *char != '\0');
    }
    // Each name behind the character that it stands for.
    let names = "&amp <lt >gt \"quot 'apos \u{a0}nbsp ©copy ®reg ™trade €euro £pound …hellip –ndash —mdash ‘lsquo ’rsquo “ldquo ”rdquo •bull ·middot";
    names.split(' ').find_map(|known| {
        let mut chars = known.chars();
        let char = chars.next()?;
        (chars.as_str() == name).then_some(char)
    })
}

fn delimiter<'a>(call: &Call<'a>) -> Result<&'a str, Fault> {
    let delimiter = call.text_or(1, ",");
    if delimiter.chars().count() == 1 && !delimiter.contains(['"', '\n', '\r']) {
        return Ok(delimiter);
    }
    call.wrong(1, "one character that is no quote or line end")
}

fn csv_cell(out: &mut Writer, cell: &str, delimiter: &str) -> Result<(), Fault> {
    if !cell.contains(delimiter) && !cell.contains(['"', '\n', '\r']) {
        return out.push(cell);
    }
    out.push("\"")?;
    out.push(&cell.replace('"', "\"\""))?;
    out.push("\"")
}

fn csv_format(call: &Call) -> Outcome {
    let (rows, delimiter) = (call.list(0), delimiter(call)?);
    let mut columns = JMap::default();
    for row in rows {
        if let JValue::Object(fields) = row {
            for (name, _) in fields.iter() {
                if !columns.contains_key(name) {
                    columns.insert(name.clone(), JValue::Null);
                }
            }
        }
    }
    let mut out = call.writer();
    for (at, (name, _)) in columns.iter().enumerate() {
        out.push(if at == 0 { "" } else { delimiter })?;
        csv_cell(&mut out, name, delimiter)?;
    }
    out.push(if columns.is_empty() { "" } else { "\n" })?;
    for row in rows {
        let cells: Box<dyn Iterator<Item = &JValue>> = match row {
            JValue::Object(fields) => {
                Box::new(columns.iter().map(|(name, null)| fields.get(name).unwrap_or(null)))
            }
            JValue::Array(cells) if columns.is_empty() => Box::new(cells.iter()),
            _ => return call.wrong(0, "a list of objects, or of lists"),
        };
        for (at, cell) in cells.enumerate() {
            out.push(if at == 0 { "" } else { delimiter })?;
            csv_cell(&mut out, &call.plain(cell)?, delimiter)?;
        }
        out.push("\n")?;
    }
    Ok(out.done())
}

/// One row and what follows it.
fn csv_row<'t>(mut rest: &'t str, delimiter: &str) -> Result<(Vec<String>, &'t str), Fault> {
    let mut cells = Vec::new();
    loop {
        let mut cell = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let Some((inner, after)) = quoted.split_once('"') else {
                    return said("a quoted cell does not end");
                };
                cell.push_str(inner);
                rest = after;
                let Some(after) = after.strip_prefix('"') else { break };
                cell.push('"');
                quoted = after;
            }
        }
        let end = rest.find(|char: char| char == '\n' || char == '\r' || delimiter.contains(char));
        let (tail, after) = rest.split_at(end.unwrap_or(rest.len()));
        cell.push_str(tail);
        cells.push(cell);
        if let Some(next) = after.strip_prefix(delimiter) {
            rest = next;
            continue;
        }
        let after = after.strip_prefix('\r').unwrap_or(after);
        return Ok((cells, after.strip_prefix('\n').unwrap_or(after)));
    }
}

fn csv_parse(call: &Call) -> Outcome {
    let delimiter = delimiter(call)?;
    let named = call.given(2).and_then(JValue::as_bool).unwrap_or(true);
    let mut rest = call.text(0).trim_start_matches('\u{feff}');
    let mut header = None;
    let mut rows = Vec::new();
    // Each row repeats the names.
    let mut names = call.writer();
    while !rest.is_empty() {
        let (cells, after) = csv_row(rest, delimiter)?;
        rest = after;
        if cells.len() == 1 && cells[0].is_empty() {
            continue;
        }
        call.check_items(rows.len() + 1)?;
        if !named {
            rows.push(texts(&mut cells.iter().map(String::as_str)));
        } else if let Some(header) = &header {
            let header: &Vec<String> = header;
            let mut row = JMap::default();
            for (at, name) in header.iter().enumerate() {
                names.charge(name.len())?;
                call.step()?;
                row.insert(name.clone(), cells.get(at).map_or(JValue::Null, |cell| text(cell)));
            }
            rows.push(object(row));
        } else {
            header = Some(cells);
        }
    }
    Ok(JValue::array(rows))
}

fn query(text: &str) -> JMap {
    let mut out = JMap::default();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = self::text(&value);
        match out.get_mut(&*name) {
            None => {
                out.insert(name.into_owned(), value);
            }
            Some(JValue::Array(values)) => values.make_mut().push(value),
            Some(one) => *one = JValue::array(vec![one.clone(), value]),
        }
    }
    out
}

fn write_query(call: &Call, at: usize, out: &mut Writer, parting: &mut &'static str) -> Result<(), Fault> {
    for (name, value) in call.object(at)? {
        let values = match value {
            JValue::Array(values) => values.as_slice(),
            one => std::slice::from_ref(one),
        };
        for value in values.iter().filter(|value| !value.is_null() && !value.is_undefined()) {
            out.push(parting)?;
            *parting = "&";
            form_urlencoded::byte_serialize(name.as_bytes()).try_for_each(|part| out.push(part))?;
            out.push("=")?;
            let plain = call.plain(value)?;
            form_urlencoded::byte_serialize(plain.as_bytes()).try_for_each(|part| out.push(part))?;
        }
    }
    Ok(())
}

fn query_format(call: &Call) -> Outcome {
    let mut out = call.writer();
    write_query(call, 0, &mut out, &mut "")?;
    Ok(out.done())
}

fn url_parse(call: &Call) -> Outcome {
    let Some(url) =
        Some(call.text(0)).filter(|text| text.len() <= 8_192).and_then(|text| url::Url::parse(text).ok())
    else {
        return call.wrong(0, "an absolute address of at most 8192 bytes");
    };
    let or_null = |part: Option<&str>| part.map_or(JValue::Null, text);
    let mut out = JMap::default();
    for (name, value) in [
        ("scheme", text(url.scheme())),
        ("username", or_null(Some(url.username()).filter(|name| !name.is_empty()))),
        ("host", or_null(url.host_str())),
        ("port", url.port().map_or(JValue::Null, |port| JValue::Number(port.into()))),
        ("path", text(url.path())),
        ("query", object(query(url.query().unwrap_or_default()))),
        ("fragment", or_null(url.fragment())),
    ] {
        out.insert(name.to_owned(), value);
    }
    Ok(object(out))
}
