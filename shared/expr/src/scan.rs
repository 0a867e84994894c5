//! Finds where an expression ends in a text, and refuses deep nesting before any parser recurses.

use crate::failure::{TemplateFault, codes};
use crate::limits::MAX_BRACKETS;

/// A stretch of a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// Literal text, `\{{` already turned into `{{`.
    Text(String),
    /// The source between `{{` and `}}`, trimmed.
    Expression(&'a str),
}

/// Splits a text into its pieces. `\{{` is a literal `{{`.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, TemplateFault> {
    let mut out = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{") {
        if let Some(before) = rest[..open].strip_suffix('\\') {
            literal.push_str(before);
            literal.push_str("{{");
            rest = &rest[open + 2..];
            continue;
        }
        literal.push_str(&rest[..open]);
        let body = &rest[open + 2..];
        let walk = walk(body, true);
        let Some(end) = walk.end else {
            let shown = crate::failure::cut(&rest[open..], 60);
            return Err(TemplateFault::new(codes::UNCLOSED, format!("`{shown}` has no closing `}}}}`")));
        };
        let source = body[..end].trim();
        if source.is_empty() {
            return Err(TemplateFault::new(codes::EMPTY, "there is no expression between `{{` and `}}`"));
        }
        if !literal.is_empty() {
            out.push(Piece::Text(std::mem::take(&mut literal)));
        }
        out.push(Piece::Expression(source));
        rest = &body[end + 2..];
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        out.push(Piece::Text(literal));
    }
    Ok(out)
}

/// Refuses a source whose brackets nest too deep.
pub(crate) fn check_nesting(source: &str) -> Result<(), TemplateFault> {
    let depth = walk(source, false).depth;
    if depth > MAX_BRACKETS {
        let message = format!("brackets nest {depth} levels deep, at most {MAX_BRACKETS} are allowed");
        return Err(TemplateFault::new(codes::TOO_DEEP, message));
    }
    Ok(())
}

struct Walk {
    end: Option<usize>,
    depth: usize,
}

/// Reads JSONata's lexical grammar as far as needed to tell code from strings, names, comments and regexes.
fn walk(source: &str, stop_at_close: bool) -> Walk {
    let bytes = source.as_bytes();
    let (mut at, mut braces, mut open, mut depth) = (0, 0_usize, 0_usize, 0_usize);
    // The last significant byte, and whether it ended the word `and`, `or` or `in`: a `/` after an operator starts a regex.
    let (mut last, mut after_word) = (0_u8, false);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => at = skip_quoted(bytes, at + 1, byte, true),
            b'`' => at = skip_quoted(bytes, at + 1, b'`', false),
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = find(bytes, at + 2, b"*/").map_or(bytes.len(), |end| end + 2);
                continue;
            }
            b'/' if last == 0 || after_word || b"([{,;:=<>+-&?".contains(&last) => {
                at = skip_quoted(bytes, at + 1, b'/', true);
            }
            b'}' if stop_at_close && braces == 0 && bytes.get(at + 1) == Some(&b'}') => {
                return Walk { end: Some(at), depth };
            }
            b'(' | b'[' | b'{' => {
                braces += usize::from(byte == b'{');
                open += 1;
                depth = depth.max(open);
                at += 1;
            }
            b')' | b']' | b'}' => {
                braces = braces.saturating_sub(usize::from(byte == b'}'));
                open = open.saturating_sub(1);
                at += 1;
            }
            _ if is_word(byte) => {
                let start = at;
                while bytes.get(at).copied().is_some_and(is_word) {
                    at += 1;
                }
                last = b'a';
                after_word = matches!(&bytes[start..at], b"and" | b"or" | b"in");
                continue;
            }
            _ => at += 1,
        }
        if !byte.is_ascii_whitespace() {
            last = byte;
            after_word = false;
        }
    }
    Walk { end: None, depth }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The place after the closing `quote`, or the end of the source.
fn skip_quoted(bytes: &[u8], mut at: usize, quote: u8, escapes: bool) -> usize {
    while let Some(&byte) = bytes.get(at) {
        if byte == quote {
            return at + 1;
        }
        at += if escapes && byte == b'\\' { 2 } else { 1 };
    }
    bytes.len()
}

fn find(bytes: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    bytes.get(from..)?.windows(needle.len()).position(|window| window == needle).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expressions(text: &str) -> Vec<&str> {
        pieces(text)
            .unwrap()
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Expression(source) => Some(source),
                Piece::Text(_) => None,
            })
            .collect()
    }

    #[test]
    fn the_end_is_found_whatever_the_expression_holds() {
        for source in [
            r#"{"a":{"b":1}}"#,
            r#"{"a":{"b":{"c":1}}}"#,
            r#""}}""#,
            r"'}}' & '\'}}'",
            "a.`}}`",
            "/* }} */ a",
            "$contains(a, /}}/)",
            "a / 2 / {\"x\":1}.x",
            r"$split(a, /[\/]}}/)",
            "x in /}}/",
            "a[b='}}']{c: {\"d\": e}}",
        ] {
            assert_eq!(expressions(&format!("{{{{ {source} }}}}")), [source]);
            assert_eq!(expressions(&format!("x {{{{{source} }}}} y {{{{z}}}}")), [source, "z"]);
        }
    }

    #[test]
    fn text_around_stays_verbatim() {
        assert_eq!(
            pieces(r"a }} \{{ b }} {{ c }}}").unwrap(),
            [Piece::Text("a }} {{ b }} ".into()), Piece::Expression("c"), Piece::Text("}".into())]
        );
        assert_eq!(pieces("").unwrap(), []);
    }

    #[test]
    fn unclosed_and_empty_are_faults() {
        for text in ["{{", "{{ a", "{{ 'a }}", "{{ {\"a\":1 }}", "x {{ a }} {{ /* }}"] {
            assert_eq!(pieces(text).unwrap_err().code, codes::UNCLOSED, "{text}");
        }
        for text in ["{{}}", "{{   }}", "a {{ b }} {{ }}"] {
            assert_eq!(pieces(text).unwrap_err().code, codes::EMPTY, "{text}");
        }
    }

    #[test]
    fn nesting_is_counted_outside_strings_only() {
        assert!(check_nesting(&"(".repeat(MAX_BRACKETS)).is_ok());
        assert_eq!(check_nesting(&"([{".repeat(40_000)).unwrap_err().code, codes::TOO_DEEP);
        assert!(check_nesting(&format!("'{}'", "(".repeat(1_000))).is_ok());
    }
}
