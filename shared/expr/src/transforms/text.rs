//! Text.

use jsonata_core::value::JValue;

use super::call::{Call, Fault, MANY, Outcome, Writer, text, texts};
use super::{Cost, Definition, define, eg};

pub(super) const ALL: [Definition; 27] = [
    define(
        "between(text: string, start: string, end: string) -> string",
        "The text after the first `start` and before the next `end`; undefined if either is missing.",
        &[eg("$between(subject, '[', ']')", r#"{"subject": "Re: [T-1042] Help"}"#, r#""T-1042""#)],
        Cost::Grows(2, 8),
        |call| Ok(between(call)),
    ),
    define(
        "camelCase(text: string) -> string",
        "The words of the text as `camelCase`.",
        &[eg("$camelCase('Order total (net)')", "{}", r#""orderTotalNet""#)],
        Cost::Grows(4, 40),
        |call| Ok(text(&camel(call.text(0)))),
    ),
    define(
        "capitalize(text: string) -> string",
        "The text with its first letter in upper case.",
        &[eg("$capitalize('hello World')", "{}", r#""Hello World""#)],
        Cost::Grows(4, 8),
        |call| Ok(text(&capitalized(call.text(0)))),
    ),
    define(
        "endsWith(text: string, end: string) -> boolean",
        "Whether the text ends with `end`.",
        &[eg("$endsWith(file, '.pdf')", r#"{"file": "invoice.pdf"}"#, "true")],
        Cost::Short(2),
        |call| Ok(JValue::Bool(call.text(0).ends_with(call.text(1)))),
    ),
    define(
        "extractEmails(text: string) -> list",
        "The e-mail addresses in the text, in their order.",
        &[eg(
            "$extractEmails('Ada <ada@example.org>, or bob@example.com.')",
            "{}",
            r#"["ada@example.org","bob@example.com"]"#,
        )],
        Cost::Grows(10, 40),
        |call| {
            Ok(texts(
                &mut call.text(0).split(|char| !in_address(char)).map(trimmed).filter(|part| is_email(part)),
            ))
        },
    ),
    define(
        "extractNumbers(text: string) -> list",
        "The numbers in the text, `.` being the decimal point.",
        &[eg("$extractNumbers('2 boxes at 3.50, -1 returned')", "{}", "[2,3.5,-1]")],
        Cost::Grows(10, 60),
        |call| Ok(extract_numbers(call.text(0))),
    ),
    define(
        "extractUrls(text: string) -> list",
        "The `http` and `https` addresses in the text, without the punctuation after them.",
        &[eg(
            "$extractUrls('See https://example.org/a?b=1, and (http://example.com).')",
            "{}",
            r#"["https://example.org/a?b=1","http://example.com"]"#,
        )],
        Cost::Grows(10, 40),
        |call| Ok(extract_urls(call.text(0))),
    ),
    define(
        "indexOf(text: string, search: string) -> number",
        "How many characters precede the first `search`, or -1 if it is not in the text.",
        &[eg("$indexOf('a-b', '-')", "{}", "1"), eg("$indexOf('ab', '-')", "{}", "-1")],
        Cost::Short(8),
        |call| {
            let before = call.text(0).split_once(call.text(1)).map(|(before, _)| before.chars().count());
            Ok(JValue::Number(before.map_or(-1.0, |count| count as f64)))
        },
    ),
    define(
        "isEmail(text: string) -> boolean",
        "Whether the text has the form of one e-mail address.",
        &[eg("$isEmail('ada@example.org')", "{}", "true"), eg("$isEmail('ada@example')", "{}", "false")],
        Cost::Short(8),
        |call| Ok(JValue::Bool(is_email(call.text(0)))),
    ),
    define(
        "kebabCase(text: string) -> string",
        "The words of the text in lower case with hyphens.",
        &[eg("$kebabCase('orderTotal')", "{}", r#""order-total""#)],
        Cost::Grows(4, 40),
        |call| Ok(text(&words(call.text(0)).join("-"))),
    ),
    define(
        "lines(text: string) -> list",
        "The lines of the text, without their ends.",
        &[eg("$lines(note)", r#"{"note": "one\r\ntwo\n"}"#, r#"["one","two"]"#)],
        Cost::Grows(10, 24),
        |call| Ok(texts(&mut call.text(0).lines())),
    ),
    define(
        "mask(text: string, visible?: number, with?: string) -> string",
        "The text with all but its last `visible` (4) characters replaced by `with` (`*`).",
        &[eg("$mask('4111111111111111')", "{}", r#""************1111""#)],
        Cost::Product,
        mask,
    ),
    define(
        "padEnd(text: string, width: number, with?: string) -> string",
        "The text filled up on its right to `width` characters, at most 1000.",
        &[eg("$padEnd('ab', 4, '.')", "{}", r#""ab..""#)],
        Cost::Grows(2, 16),
        |call| {
            let filling = filling(call)?;
            Ok(text(&(call.text(0).to_owned() + &filling)))
        },
    ),
    define(
        "padStart(text: string, width: number, with?: string) -> string",
        "The text filled up on its left to `width` characters, at most 1000.",
        &[eg("$padStart($string(7), 3, '0')", "{}", r#""007""#)],
        Cost::Grows(2, 16),
        |call| Ok(text(&(filling(call)? + call.text(0)))),
    ),
    define(
        "pascalCase(text: string) -> string",
        "The words of the text as `PascalCase`.",
        &[eg("$pascalCase('order_total')", "{}", r#""OrderTotal""#)],
        Cost::Grows(4, 40),
        |call| Ok(text(&words(call.text(0)).iter().map(|word| capitalized(word)).collect::<String>())),
    ),
    define(
        "removePrefix(text: string, prefix: string) -> string",
        "The text without `prefix`, if it begins with it.",
        &[eg("$removePrefix('mailto:ada@example.org', 'mailto:')", "{}", r#""ada@example.org""#)],
        Cost::Grows(2, 8),
        |call| Ok(text(call.text(0).strip_prefix(call.text(1)).unwrap_or(call.text(0)))),
    ),
    define(
        "removeSuffix(text: string, suffix: string) -> string",
        "The text without `suffix`, if it ends with it.",
        &[eg("$removeSuffix('report.csv', '.csv')", "{}", r#""report""#)],
        Cost::Grows(2, 8),
        |call| Ok(text(call.text(0).strip_suffix(call.text(1)).unwrap_or(call.text(0)))),
    ),
    define(
        "repeat(text: string, times: number) -> string",
        "The text `times` times.",
        &[eg("$repeat('ab', 3)", "{}", r#""ababab""#)],
        Cost::Guarded,
        |call| {
            let mut out = call.writer();
            for _ in 0..if call.text(0).is_empty() { 0 } else { call.whole(1, 0, MANY)? } {
                out.push(call.text(0))?;
            }
            Ok(out.done())
        },
    ),
    define(
        "replaceAll(text: string, replacements: object) -> string",
        "The text with every name of `replacements` replaced by its value, in one pass; of two that fit, the first.",
        &[eg("$replaceAll('a-b_c', {'-': ' ', '_': '/'})", "{}", r#""a b/c""#)],
        Cost::Product,
        replace_all,
    ),
    define(
        "slug(text: string) -> string",
        "The text as a part of an address: lower case, without accents, words joined by hyphens.",
        &[eg("$slug(title)", r#"{"title": "Crème brûlée, à la carte!"}"#, r#""creme-brulee-a-la-carte""#)],
        Cost::Grows(4, 60),
        |call| {
            let plain = without_accents(call.text(0)).to_lowercase().replace(['\'', '’'], "");
            let parts: Vec<&str> =
                plain.split(|char: char| !char.is_alphanumeric()).filter(|part| !part.is_empty()).collect();
            Ok(text(&parts.join("-")))
        },
    ),
    define(
        "snakeCase(text: string) -> string",
        "The words of the text in lower case with underscores.",
        &[eg("$snakeCase('HTTPServer name')", "{}", r#""http_server_name""#)],
        Cost::Grows(4, 40),
        |call| Ok(text(&snake(call.text(0)))),
    ),
    define(
        "startsWith(text: string, start: string) -> boolean",
        "Whether the text begins with `start`.",
        &[eg("$startsWith(ref, 'INV-')", r#"{"ref": "INV-7"}"#, "true")],
        Cost::Short(2),
        |call| Ok(JValue::Bool(call.text(0).starts_with(call.text(1)))),
    ),
    define(
        "stripAccents(text: string) -> string",
        "The text with accented Latin letters as plain ones.",
        &[eg("$stripAccents('Zoë Müller, Łódź')", "{}", r#""Zoe Muller, Lodz""#)],
        Cost::Grows(2, 40),
        |call| Ok(text(&without_accents(call.text(0)))),
    ),
    define(
        "stripHtml(html: string) -> string",
        "The text of a piece of HTML: no tags, no scripts, character references resolved, runs of space as one.",
        &[eg("$stripHtml('<p>Fish &amp; <b>chips</b></p><script>x()</script>')", "{}", r#""Fish & chips""#)],
        Cost::Grows(2, 60),
        |call| Ok(strip_html(call.text(0))),
    ),
    define(
        "titleCase(text: string) -> string",
        "The text with each word's first letter in upper case and the rest in lower case.",
        &[eg("$titleCase('the QUICK brown fox')", "{}", r#""The Quick Brown Fox""#)],
        Cost::Grows(4, 40),
        |call| Ok(title_case(call.text(0))),
    ),
    define(
        "truncate(text: string, length: number, end?: string) -> string",
        "The text if it has at most `length` characters, else cut so that it has, `end` (`…`) included.",
        &[
            eg("$truncate('A long sentence', 7)", "{}", r#""A long…""#),
            eg("$truncate('short', 7)", "{}", r#""short""#),
        ],
        Cost::Grows(2, 16),
        truncate,
    ),
    define(
        "words(text: string) -> list",
        "The words of the text in lower case, parted at anything that is no letter or digit and where `camelCase` rises.",
        &[eg("$words('orderTotal, net')", "{}", r#"["order","total","net"]"#)],
        Cost::Grows(12, 60),
        |call| Ok(texts(&mut words(call.text(0)).iter().map(String::as_str))),
    ),
];

/// The words of a text in lower case.
fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut before, mut chars) = (' ', text.chars().peekable());
    while let Some(char) = chars.next() {
        let next_lower = chars.peek().is_some_and(|next| next.is_lowercase());
        let rises = char.is_uppercase() && (!before.is_uppercase() || next_lower);
        if char.is_alphanumeric() {
            match words.last_mut() {
                Some(word) if before.is_alphanumeric() && !rises => word.extend(char.to_lowercase()),
                _ => words.push(char.to_lowercase().collect()),
            }
        }
        before = char;
    }
    words
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let mut out: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
    out.push_str(chars.as_str());
    out
}

pub(super) fn camel(text: &str) -> String {
    let mut out = String::new();
    for (at, word) in words(text).iter().enumerate() {
        out.push_str(&if at == 0 { word.clone() } else { capitalized(word) });
    }
    out
}

pub(super) fn snake(text: &str) -> String {
    words(text).join("_")
}

fn between(call: &Call) -> JValue {
    let found = call.text(0).split_once(call.text(1)).and_then(|(_, rest)| rest.split_once(call.text(2)));
    found.map_or(JValue::Undefined, |(inner, _)| text(inner))
}

fn in_address(char: char) -> bool {
    char.is_alphanumeric() || ".@_%+-".contains(char)
}

fn trimmed(part: &str) -> &str {
    part.trim_matches(['.', '-'])
}

fn is_email(text: &str) -> bool {
    let Some((name, host)) = text.split_once('@') else { return false };
    let label = |label: &str| !label.is_empty() && !label.starts_with('-') && !label.ends_with('-');
    text.len() <= 254
        && text.chars().all(in_address)
        && !name.is_empty()
        && name.split('.').all(|part| !part.is_empty())
        && host.contains('.')
        && host.split('.').all(label)
        && !host.contains(['@', '_', '%', '+'])
}

fn extract_numbers(written: &str) -> JValue {
    let mut out = Vec::new();
    let mut rest = written;
    let mut before = ' ';
    while let Some(start) = rest.find(|char: char| char.is_ascii_digit()) {
        let lead = &rest[..start];
        let negative = lead.ends_with('-') && {
            let further = lead[..lead.len() - 1].chars().next_back().unwrap_or(before);
            !further.is_alphanumeric()
        };
        let tail = &rest[start..];
        let whole = tail.find(|char: char| !char.is_ascii_digit()).unwrap_or(tail.len());
        let fraction = tail[whole..].strip_prefix('.').map_or(0, |after| {
            let digits = after.find(|char: char| !char.is_ascii_digit()).unwrap_or(after.len());
            if digits == 0 { 0 } else { digits + 1 }
        });
        let (number, after) = tail.split_at(whole + fraction);
        let value: f64 = number.parse().unwrap_or(f64::INFINITY);
        if value.is_finite() {
            out.push(JValue::Number(if negative { -value } else { value }));
        }
        before = '0';
        rest = after;
    }
    JValue::array(out)
}

fn extract_urls(written: &str) -> JValue {
    let mut out = Vec::new();
    let mut rest = written;
    while let Some(at) = rest.find("http") {
        let (_, from) = rest.split_at(at);
        let host = from.strip_prefix("https://").or_else(|| from.strip_prefix("http://"));
        let Some(host) = host.filter(|host| host.starts_with(char::is_alphanumeric)) else {
            rest = &from[4..];
            continue;
        };
        let ends = |char: char| char.is_whitespace() || char.is_control() || "<>\"'`{}|\\^".contains(char);
        let end = from.len() - host.len() + host.find(ends).unwrap_or(host.len());
        let mut url = &from[..end];
        // A bracket that was opened inside belongs to the address.
        let opened = url.contains('(');
        while let Some(shorter) = url.strip_suffix(['.', ',', ';', ':', '!', '?', ')', ']']) {
            if opened && url.ends_with(')') {
                break;
            }
            url = shorter;
        }
        out.push(text(url));
        rest = &from[end..];
    }
    JValue::array(out)
}

fn mask(call: &Call) -> Outcome {
    let count = call.text(0).chars().count();
    let hidden = count.saturating_sub(call.whole(1, 4, MANY)?);
    let mut out = call.writer();
    for (at, char) in call.text(0).chars().enumerate() {
        if at < hidden { out.push(call.text_or(2, "*"))? } else { out.push_char(char)? }
    }
    Ok(out.done())
}

fn filling(call: &Call) -> Result<String, Fault> {
    let width = call.whole(1, 0, 1_000)?;
    let missing = width.saturating_sub(call.text(0).chars().take(width).count());
    Ok(call.text_or(2, " ").chars().cycle().take(missing).collect())
}

fn replace_all(call: &Call) -> Outcome {
    let replacements: Vec<(&str, String)> = call
        .object(1)?
        .iter()
        .filter(|(from, _)| !from.is_empty())
        .map(|(from, to)| Ok((from.as_str(), call.plain(to)?)))
        .collect::<Result<_, Fault>>()?;
    let mut out = call.writer();
    let mut rest = call.text(0);
    while let Some(first) = rest.chars().next() {
        if let Some((from, to)) = replacements.iter().find(|(from, _)| rest.starts_with(from)) {
            out.push(to)?;
            rest = &rest[from.len()..];
        } else {
            out.push_char(first)?;
            rest = &rest[first.len_utf8()..];
        }
    }
    Ok(out.done())
}

fn strip_html(written: &str) -> JValue {
    let mut out = String::new();
    let mut rest = written;
    while let Some((before, tag)) = rest.split_once('<') {
        out.push_str(before);
        let name: String =
            tag.trim_start_matches('/').chars().take_while(char::is_ascii_alphanumeric).take(10).collect();
        if name.is_empty() && !tag.starts_with(['!', '?']) {
            out.push('<');
            rest = tag;
            continue;
        }
        let name = name.to_ascii_lowercase();
        let end = if tag.starts_with("!--") { "-->" } else { ">" };
        rest = tag.split_once(end).map_or("", |(_, after)| after);
        // What is between the tags of a script is no text.
        if matches!(name.as_str(), "script" | "style") && !tag.starts_with('/') {
            rest = skip_raw(rest, &name);
        }
        if !matches!(name.as_str(), "a" | "b" | "i" | "u" | "em" | "strong" | "span" | "code" | "sub" | "sup")
        {
            out.push(' ');
        }
    }
    out.push_str(rest);
    let plain = super::encoding::unescaped(&out);
    let parts: Vec<&str> = plain.split_whitespace().collect();
    text(&parts.join(" "))
}

/// What follows the end of a script or style.
fn skip_raw<'t>(mut text: &'t str, name: &str) -> &'t str {
    while let Some((_, after)) = text.split_once("</") {
        if after.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return after.split_once('>').map_or("", |(_, after)| after);
        }
        text = after;
    }
    ""
}

fn title_case(written: &str) -> JValue {
    let mut out = String::new();
    let mut inside = false;
    for char in written.chars() {
        if inside {
            out.extend(char.to_lowercase());
        } else {
            out.extend(char.to_uppercase());
        }
        inside = char.is_alphanumeric() || (inside && (char == '\'' || char == '’'));
    }
    text(&out)
}

fn truncate(call: &Call) -> Outcome {
    let (whole, length) = (call.text(0), call.whole(1, 0, MANY)?);
    if whole.chars().nth(length).is_none() {
        return Ok(text(whole));
    }
    let end: String = call.text_or(2, "…").chars().take(length).collect();
    let kept = length - end.chars().count();
    let mut out: Writer = call.writer();
    out.push(whole.char_indices().nth(kept).map_or(whole, |(at, _)| &whole[..at]).trim_end())?;
    out.push(&end)?;
    Ok(out.done())
}

/// The plain letters of U+00C0 to U+017F; `?` has none, or two.
const PLAIN: &[u8; 192] = b"AAAAAA?CEEEEIIIIDNOOOOO?OUUUUY??aaaaaa?ceeeeiiiidnooooo?ouuuuy?y\
    AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi??JjKkkLlLlLlLlLlNnNnNnn??OoOoOo??RrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

fn without_accents(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for char in text.chars() {
        let code = char as usize;
        // Vietnamese letters alternate between upper and lower case.
        let case = |letters: [u8; 2]| letters[code % 2];
        let plain = match code {
            0..0xc0 => b'?',
            0xc0..0x180 => PLAIN[code - 0xc0],
            0x1a0 | 0x1a1 | 0x1ecc..=0x1ee3 => case(*b"Oo"),
            0x1af | 0x1b0 => case(*b"uU"),
            0x218 | 0x219 => case(*b"Ss"),
            0x21a | 0x21b => case(*b"Tt"),
            0x1ea0..=0x1eb7 => case(*b"Aa"),
            0x1eb8..=0x1ec7 => case(*b"Ee"),
            0x1ec8..=0x1ecb => case(*b"Ii"),
            0x1ee4..=0x1ef1 => case(*b"Uu"),
            0x1ef2..=0x1ef9 => case(*b"Yy"),
            0x300..=0x36f => continue,
            _ => b'?',
        };
        match char {
            _ if plain != b'?' => out.push(char::from(plain)),
            'æ' => out.push_str("ae"),
            'Æ' => out.push_str("AE"),
            'œ' => out.push_str("oe"),
            'Œ' => out.push_str("OE"),
            'ß' => out.push_str("ss"),
            'þ' => out.push_str("th"),
            'Þ' => out.push_str("Th"),
            _ => out.push(char),
        }
    }
    out
}
