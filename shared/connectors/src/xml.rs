//! XML answers as JSON, so that templates read them as they read all others.
//!
//! An element is its text, or an object where it has attributes or elements: attributes as `@name`, elements by their names, text as `#text`.
//! What comes more than once under a name is a list. Names stay as they are written, prefixes included; declarations of namespaces are left
//! out. Entities are the five of XML and numbers: an answer cannot define its own, and nothing is fetched.

use base64::Engine;
use domain::limits::MAX_OUTPUT_BYTES;
use encoding_rs::Encoding;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use serde_json::{Map, Value};
use std::borrow::Cow;

/// How far elements nest. Each is two levels of JSON at most: an object, and a list in it.
const MAX_DEPTH: usize = 40;
/// How many elements and attributes are read: as JSON each takes more memory than as text.
const MAX_PARTS: usize = 200_000;

/// Whether a media type, without parameters and in small letters, is XML.
pub(crate) fn is_xml(media: &str) -> bool {
    matches!(media, "application/xml" | "text/xml") || media.ends_with("+xml")
}

/// The text of a body that came as text, or as base64 because it is not UTF-8. `None` where it is neither.
pub(crate) fn text<'b>(body: &'b Value, content_type: &str) -> Option<Result<Cow<'b, str>, String>> {
    if let Value::String(text) = body {
        return Some(Ok(text.into()));
    }
    let encoded = body.as_object().filter(|fields| fields.len() == 1)?.get("base64")?.as_str()?;
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).ok()?;
    Some(decoded(&bytes, content_type).map(Cow::Owned))
}

/// Bytes in the encoding that they begin with, that the header says, or that the document says.
fn decoded(bytes: &[u8], content_type: &str) -> Result<String, String> {
    let told = content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"').to_owned())
    });
    let told = told.or_else(|| {
        let head = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
        let (_, after) = head.split_once("<?xml")?.1.split_once("?>")?.0.split_once("encoding")?;
        let value = after.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        value[1..].split_once(quote).map(|(label, _)| label.to_owned())
    });
    let (encoding, bytes) = match (Encoding::for_bom(bytes), told) {
        (Some((encoding, mark)), _) => (encoding, &bytes[mark..]),
        (None, Some(label)) => {
            let found = Encoding::for_label(label.as_bytes());
            (found.ok_or_else(|| format!("its encoding `{label}` is not known"))?, bytes)
        }
        (None, None) => return Err("it is not in UTF-8, and says no other encoding".to_owned()),
    };
    let (text, wrong) = encoding.decode_without_bom_handling(bytes);
    if wrong { Err(format!("it is not in {}, as it says", encoding.name())) } else { Ok(text.into_owned()) }
}

/// An element that is open.
struct Open {
    name: String,
    fields: Map<String, Value>,
    /// What text there is before, between and behind the elements. Of nothing but space it is left out.
    text: Vec<String>,
    /// Whether an element came since the last of it.
    cut: bool,
    has_elements: bool,
}

impl Open {
    fn value(self) -> Value {
        let Self { mut fields, text, has_elements, .. } = self;
        let text: String = if has_elements {
            text.into_iter().filter(|piece| !piece.trim_matches(is_space).is_empty()).collect()
        } else {
            text.concat()
        };
        if fields.is_empty() {
            return text.into();
        }
        if !text.is_empty() {
            fields.insert("#text".to_owned(), text.into());
        }
        fields.into()
    }
}

/// A document as JSON: an object with the name of its element. The error says what is wrong with it.
pub fn read(text: &str) -> Result<Value, String> {
    if text.len() > MAX_OUTPUT_BYTES {
        return Err(format!("it has more than {} MB", MAX_OUTPUT_BYTES / 1_048_576));
    }
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    reader.config_mut().allow_dangling_amp = true;
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Value> = None;
    let mut parts = 0;
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        let (begun, empty) = match event {
            Event::Start(start) => (start, false),
            Event::Empty(start) => (start, true),
            Event::End(_) => {
                close(&mut open, &mut root);
                continue;
            }
            Event::Text(piece) => {
                add(&mut open, &piece.xml10_content())?;
                continue;
            }
            Event::CData(piece) => {
                add(&mut open, &piece.xml10_content())?;
                continue;
            }
            Event::GeneralRef(name) => {
                add(&mut open, &referred(&name)?)?;
                continue;
            }
            // One that only names a document type elsewhere says nothing that is needed here.
            Event::DocType(declared) if declared.contains('[') => {
                return Err(
                    "it declares entities or a document type of its own, which is not read".to_owned()
                );
            }
            Event::DocType(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => continue,
            Event::Eof => break,
        };
        if open.is_empty() && root.is_some() {
            return Err("it goes on behind its end".to_owned());
        }
        if open.len() == MAX_DEPTH {
            return Err(format!("its elements nest more than {MAX_DEPTH} levels"));
        }
        let fields = attributes(&begun, &mut parts)?;
        let name = begun.name().0.to_owned();
        open.push(Open { name, fields, text: Vec::new(), cut: true, has_elements: false });
        if empty {
            close(&mut open, &mut root);
        }
    }
    match (open.last(), root) {
        (Some(open), _) => Err(format!("it ends inside of `{}`", open.name)),
        (None, Some(root)) => Ok(root),
        (None, None) => Err("it has no element".to_owned()),
    }
}

/// The attributes of an element, without what declares namespaces.
fn attributes(element: &BytesStart<'_>, parts: &mut usize) -> Result<Map<String, Value>, String> {
    let mut fields = Map::new();
    let mut count = || {
        *parts += 1;
        if *parts > MAX_PARTS {
            return Err(format!("it has more than {MAX_PARTS} elements and attributes"));
        }
        Ok(())
    };
    count()?;
    // The crate would hold each name against all others.
    for attribute in element.attributes().with_checks(false) {
        count()?;
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = attribute.key.0;
        if name == "xmlns" || name.starts_with("xmlns:") {
            continue;
        }
        let value = resolved(&attribute.value)?;
        if fields.insert(format!("@{name}"), value.into()).is_some() {
            return Err(format!("an element has the attribute `{name}` twice"));
        }
    }
    Ok(fields)
}

/// Adds text to the element that is open. Behind the last element only space may come.
fn add(open: &mut [Open], text: &str) -> Result<(), String> {
    match open.last_mut() {
        Some(open) if open.cut => {
            open.text.push(text.to_owned());
            open.cut = false;
        }
        // References and CDATA come one by one, and are of one text.
        Some(open) => {
            if let Some(last) = open.text.last_mut() {
                last.push_str(text);
            }
        }
        None if text.trim_matches(is_space).is_empty() => {}
        None => return Err("it has text outside of its element".to_owned()),
    }
    Ok(())
}

/// Closes the innermost element: the reader has seen that its names agree.
fn close(open: &mut Vec<Open>, root: &mut Option<Value>) {
    let Some(closed) = open.pop() else { return };
    let name = closed.name.clone();
    let value = closed.value();
    let Some(parent) = open.last_mut() else {
        *root = Some(Value::Object(Map::from_iter([(name, value)])));
        return;
    };
    parent.has_elements = true;
    parent.cut = true;
    match parent.fields.get_mut(&name) {
        None => {
            parent.fields.insert(name, value);
        }
        // No element is a list by itself.
        Some(Value::Array(several)) => several.push(value),
        Some(one) => *one = Value::Array(vec![one.take(), value]),
    }
}

/// A value of an attribute, without references, and each space a plain one (XML 1.0, 3.3.3).
fn resolved(raw: &str) -> Result<String, String> {
    let mut made = String::with_capacity(raw.len());
    let spaced = raw.replace("\r\n", " ").replace(['\t', '\r', '\n'], " ");
    let mut rest = spaced.as_str();
    while let Some((before, after)) = rest.split_once('&') {
        made.push_str(before);
        let name = after.split_once(';').filter(|(name, _)| {
            !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '#')
        });
        rest = after;
        match name {
            Some((name, behind)) => {
                made.push_str(&referred(name)?);
                rest = behind;
            }
            None => made.push('&'),
        }
    }
    made.push_str(rest);
    Ok(made)
}

/// What a reference stands for. One that XML does not know stays as it is written: HTML has many, and feeds use them.
fn referred(name: &str) -> Result<Cow<'static, str>, String> {
    Ok(match name {
        "lt" => "<".into(),
        "gt" => ">".into(),
        "amp" => "&".into(),
        "apos" => "'".into(),
        "quot" => "\"".into(),
        _ => match name.strip_prefix('#') {
            None => format!("&{name};").into(),
            Some(number) => {
                let code = match number.strip_prefix(['x', 'X']) {
                    Some(digits) => u32::from_str_radix(digits, 16),
                    None => number.parse(),
                };
                let found = code.ok().and_then(char::from_u32).filter(|found| *found != '\0');
                found.ok_or_else(|| format!("`&{name};` is no character"))?.to_string().into()
            }
        },
    })
}

/// What XML takes for space.
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn elements_are_texts_and_objects() {
        let read = |text: &str| read(text).unwrap_or_else(|why| panic!("{text}: {why}"));
        assert_eq!(read("<a/>"), json!({"a": ""}));
        assert_eq!(read("<?xml version='1.0'?>\n<!-- x --><a>b</a>\n"), json!({"a": "b"}));
        assert_eq!(read("<a> b </a>"), json!({"a": " b "}));
        assert_eq!(read("<a>\n <b>1</b>\n <c/>\n</a>"), json!({"a": {"b": "1", "c": ""}}));
        assert_eq!(read("<a><b>1</b><c/><b>2</b><b/></a>"), json!({"a": {"b": ["1", "2", ""], "c": ""}}));
        assert_eq!(
            read("<a k='v' n:k=\"w\" xmlns='u:x' xmlns:n='u:y'>t</a>"),
            json!({"a": {"@k": "v", "@n:k": "w", "#text": "t"}})
        );
        assert_eq!(read("<a xmlns='u:x'>t</a>"), json!({"a": "t"}));
        assert_eq!(read("<a>x<b>1</b>\n y</a>"), json!({"a": {"b": "1", "#text": "x\n y"}}));
        assert_eq!(
            read("<a>&lt; &gt;<b/> <!-- x --> &#x20;<b/>\n</a>"),
            json!({"a": {"b": ["", ""], "#text": "< >"}})
        );
        assert_eq!(read("<a k='1'> </a>"), json!({"a": {"@k": "1", "#text": " "}}));
        // The order is that of the document.
        let order = read("<a><z/><b/><m/></a>");
        assert_eq!(order["a"].as_object().unwrap().keys().collect::<Vec<_>>(), ["z", "b", "m"]);
    }

    #[test]
    fn references_are_the_five_and_numbers() {
        let text = "<a k='&lt;&#65;&nbsp;&amp;x=1&y=2'>1 &lt; 2 &amp;&amp; &#x1F600; &nbsp; a&b <![CDATA[<b>&amp;</b>]]></a>";
        assert_eq!(
            read(text).unwrap(),
            json!({"a": {"@k": "<A&nbsp;&x=1&y=2", "#text": "1 < 2 && 😀 &nbsp; a&b <b>&amp;</b>"}})
        );
        for bad in ["<a>&#0;</a>", "<a>&#xD800;</a>", "<a k='&#x110000;'/>", "<a>&#q;</a>"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_answer_defines_no_entities_and_no_type() {
        let bomb = "<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;'>]><a>&y;</a>";
        assert!(read(bomb).unwrap_err().contains("entities"));
        let file = "<!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>";
        assert!(read(file).unwrap_err().contains("entities"));
        // What old feeds begin with: it is not fetched.
        let named =
            "<!DOCTYPE rss PUBLIC '-//N//DTD RSS 0.91//EN' 'http://example.com/rss.dtd'><rss>&x;</rss>";
        assert_eq!(read(named).unwrap(), json!({"rss": "&x;"}));
    }

    #[test]
    fn what_is_no_document_is_refused() {
        for bad in [
            "",
            "text",
            "<a>",
            "<a><b></a>",
            "</a>",
            "<a/><b/>",
            "<a/>text",
            "<a k='1' k='2'/>",
            "<a k=1/>",
            "<a",
            "<a><![CDATA[x</a>",
            "{\"a\": 1}",
        ] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_document_may_end_anywhere() {
        let text = "<?xml version='1.0'?><!DOCTYPE a><a k='v&amp;' x:y=\"ä\"><!-- c --><b>1 &lt; &#x2; <![CDATA[x]]></b><?p q?><c/></a>";
        assert!(read(text).is_ok());
        for (end, _) in text.char_indices() {
            assert!(read(&text[..end]).is_err(), "{}", &text[..end]);
            // What is left out of the middle may make another document, and no panic.
            let _ = read(&[&text[..end], text[end..].get(3..).unwrap_or_default()].concat());
        }
    }

    #[test]
    fn what_is_large_or_deep_is_refused() {
        let nested = |levels: usize| format!("{}x{}", "<a>".repeat(levels), "</a>".repeat(levels));
        let deepest = read(&nested(MAX_DEPTH)).unwrap();
        assert!(!domain::nests_too_deep(&json!({"body": [deepest]})));
        assert!(read(&nested(MAX_DEPTH + 1)).unwrap_err().contains("nest"));
        assert!(read(&nested(1_000_000 / 7)).unwrap_err().contains("nest"));
        let wide = format!("<a>{}</a>", "<b/>".repeat(MAX_PARTS));
        assert!(read(&wide).unwrap_err().contains("more than"));
        let attributes: Vec<_> = (0..=MAX_PARTS).map(|i| format!("k{i}=''")).collect();
        assert!(read(&format!("<a {}/>", attributes.join(" "))).unwrap_err().contains("more than"));
        assert!(read(&" ".repeat(MAX_OUTPUT_BYTES + 1)).unwrap_err().contains("MB"));
    }

    #[test]
    fn other_encodings_are_read_as_they_say() {
        let body = |bytes: &[u8]| json!({"base64": base64::engine::general_purpose::STANDARD.encode(bytes)});
        let text = |bytes: &[u8], media: &str| text(&body(bytes), media).unwrap().map(Cow::into_owned);
        assert_eq!(text(b"<a>\xe4</a>", "text/xml; charset=\"ISO-8859-1\"").unwrap(), "<a>ä</a>");
        assert!(
            text(b"<?xml version='1.0' encoding='windows-1251'?><a>\xd4</a>", "text/xml")
                .unwrap()
                .ends_with("<a>Ф</a>")
        );
        assert_eq!(text(b"\xff\xfe<\0a\0/\0>\0", "text/xml").unwrap(), "<a/>");
        assert!(text(b"<a>\xe4</a>", "text/xml").unwrap_err().contains("UTF-8"));
        assert!(text(b"<a>\xe4</a>", "text/xml; charset=utf-8").unwrap_err().contains("UTF-8"));
        assert!(text(b"<a>\xe4</a>", "text/xml; charset=x-unknown").unwrap_err().contains("x-unknown"));
        assert!(super::text(&json!({"$file": {}}), "text/xml").is_none());
        assert_eq!(super::text(&json!("<a/>"), "").unwrap().unwrap(), "<a/>");
    }
}
