//! Sources that would hurt a parser: refused or parsed, quickly, on the 2 MiB stack of a tokio worker.

use std::time::{Duration, Instant};

use expr::{Expression, Template, codes};
use serde_json::json;

/// Parses on a small stack and gives the fault's code, if any.
fn parse(source: String) -> Option<&'static str> {
    let start = Instant::now();
    let shown = source.chars().take(30).collect::<String>();
    let worker = std::thread::Builder::new().stack_size(2 * 1024 * 1024);
    let code = worker
        .spawn(move || {
            // As a template it may end elsewhere, but must be as harmless.
            drop(Template::parse(&json!(format!("{{{{ {source} }}}}"))));
            Expression::parse(&source).err().map(|fault| fault.code)
        })
        .unwrap()
        .join()
        .unwrap_or_else(|_| panic!("`{shown}` ended its thread"));
    // A second in the slowest build; an optimised one needs milliseconds.
    assert!(start.elapsed() < Duration::from_secs(3), "`{shown}` took {:?}", start.elapsed());
    code
}

#[test]
fn deep_brackets_are_refused_before_the_parser_recurses() {
    for open in ["(", "[", "{", "([{", "f(", "a[", "{\"a\":", "function($x){", "(1;"] {
        let source = open.repeat(100_000 / open.len());
        let code = parse(source[..source.len().min(32 * 1024)].to_owned());
        assert_eq!(code, Some(codes::TOO_DEEP), "{open}");
        assert_eq!(parse(open.repeat(100_000)), Some(codes::TOO_LONG), "{open}");
    }
}

#[test]
fn long_chains_are_refused_or_parsed() {
    for link in [
        "1+",
        "a.",
        "-",
        "a&",
        "a ? b : ",
        "a ? ",
        "not ",
        "a and ",
        "a~>",
        "a ?? ",
        "a?:",
        "a := ",
        "$x := ",
        "a,",
        "a;",
        "a.%.",
        "%.",
        "*.",
        "**.",
        "a[0]",
        "a[]",
        "a{}",
        "a@$b.",
        "a#$b.",
        "a^(b).",
        "|a|b|~>",
        "function(){",
        "λ(){",
        "a(",
        "a()",
        "?",
        "!",
        "..",
        "1..",
        "1 in ",
        "/a/",
        "/",
        "\\",
        "\"",
        "'",
        "`",
        "/*",
        "a/",
        "a:",
        "$",
        "$$",
        "@",
        "#",
        "^",
        "~",
        "|",
        "%",
        "\u{1F600}",
        "\u{0}",
        "a b ",
        "a.b[c=1].",
        "x[y",
        "\"a\".",
        "- -",
        "1e",
        "0x",
        "'\\u",
    ] {
        for tail in ["", "1", "a", ")", "]", "}", "|"] {
            let source = format!("{}{tail}", link.repeat(32_000 / link.len()));
            parse(source);
        }
    }
}

#[test]
fn chains_of_ordinary_length_are_fine() {
    for link in ["1+", "a.", "a&", "a and ", "a ?? ", "a ? b : ", "a,", "a ~> "] {
        let inner = format!("{}a", link.repeat(100));
        let source = if link == "a," { format!("[{inner}]") } else { inner };
        assert_eq!(parse(source), None, "{link}");
    }
    assert_eq!(parse(format!("{}1{}", "(".repeat(60), ")".repeat(60))), None);
    assert_eq!(parse(format!("'{}'", "(".repeat(30_000))), None);
    assert_eq!(parse(format!("[{}]", vec!["1"; 10_000].join(","))), None);
}

#[test]
fn a_long_source_is_refused_unread() {
    assert_eq!(parse(format!("\"{}\"", "x".repeat(10_000_000))), Some(codes::TOO_LONG));
}

#[test]
fn random_tokens_never_hurt() {
    const TOKENS: [&str; 48] = [
        "a",
        "b",
        "$",
        "$$",
        "$x",
        "1",
        "1.5",
        "'s'",
        "\"t\"",
        "`q`",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        ".",
        "..",
        ",",
        ";",
        ":",
        ":=",
        "?",
        "??",
        "?:",
        "+",
        "-",
        "*",
        "**",
        "/",
        "%",
        "&",
        "=",
        "!=",
        "<",
        ">",
        "and",
        "or",
        "in",
        "^(",
        "@$v",
        "#$i",
        "|",
        "~>",
        "function($x){",
        "/re/",
        "null",
        "true",
    ];
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut parsed = 0;
    for _ in 0..40_000 {
        let length = next() % 24 + 1;
        let tokens: Vec<&str> = (0..length).map(|_| TOKENS[(next() % 48) as usize]).collect();
        parsed += usize::from(Expression::parse(&tokens.join(" ")).is_ok());
    }
    assert!(parsed > 500, "{parsed}");
}
