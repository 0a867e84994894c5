//! What can go wrong, with stable codes.

use jsonata_core::evaluator::EvaluatorError;

/// Every code that this crate and `guard` give.
pub mod codes {
    /// `{{` without its `}}`.
    pub const UNCLOSED: &str = "expression_unclosed";
    /// Nothing between the braces.
    pub const EMPTY: &str = "expression_empty";
    /// Not JSONata.
    pub const SYNTAX: &str = "expression_syntax";
    /// The source is over the size limit.
    pub const TOO_LONG: &str = "expression_too_long";
    /// The source, an evaluation or a result nests too deep.
    pub const TOO_DEEP: &str = "expression_too_deep";
    /// An object key holds `{{`.
    pub const IN_KEY: &str = "expression_in_key";
    /// The expression itself failed: a type clash, `$error`, an unknown function.
    pub const FAILED: &str = "expression_failed";
    /// It did not end in time.
    pub const TIMEOUT: &str = "expression_timeout";
    /// Its input, a sequence in it or its result is over a size limit.
    pub const TOO_LARGE: &str = "expression_too_large";
    /// It used more memory than the guarded child may have, or ended that child otherwise.
    pub const MEMORY: &str = "expression_memory";
    /// It may cost more than is allowed in place: evaluate it in the guard.
    pub const NEEDS_GUARD: &str = "needs_guard";
    /// The guard itself is missing or busy: nothing is wrong with the expression, try again.
    pub const GUARD_UNAVAILABLE: &str = "expression_guard_unavailable";
}

/// One fault of a template, found when a definition is saved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct TemplateFault {
    /// JSON pointer relative to the parsed value.
    pub pointer: String,
    /// One of [`codes`] or of `pattern`'s codes.
    pub code: &'static str,
    /// A sentence for the author.
    pub message: String,
}

impl TemplateFault {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        TemplateFault { pointer: String::new(), code, message: message.into() }
    }

    pub(crate) fn at(mut self, pointer: &str) -> Self {
        pointer.clone_into(&mut self.pointer);
        self
    }
}

/// One evaluation that gave no value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, thiserror::Error)]
#[error("{message}")]
pub struct EvalFailure {
    /// One of [`codes`].
    pub code: &'static str,
    /// A sentence for the author; at most 500 characters.
    pub message: String,
    /// JSON pointer of the expression, relative to the rendered template.
    pub pointer: String,
    /// The expression's source, cut at 200 characters.
    pub expression: String,
}

impl EvalFailure {
    /// A failure of the expression `source`.
    pub fn new(code: &'static str, message: impl AsRef<str>, source: &str) -> Self {
        EvalFailure {
            code,
            message: cut(message.as_ref(), 500),
            pointer: String::new(),
            expression: cut(source, 200),
        }
    }

    /// The same failure, at `pointer`.
    #[must_use]
    pub fn at(mut self, pointer: &str) -> Self {
        pointer.clone_into(&mut self.pointer);
        self
    }

    /// Whether the guard should evaluate this expression instead.
    pub fn needs_guard(&self) -> bool {
        self.code == codes::NEEDS_GUARD
    }

    pub(crate) fn from_evaluator(error: &EvaluatorError, source: &str) -> Self {
        let code = match error.code() {
            Some("D1012" | "U1003") => codes::TIMEOUT,
            Some("D1011" | "U1001") => codes::TOO_DEEP,
            Some("D2015") => codes::TOO_LARGE,
            _ => codes::FAILED,
        };
        Self::new(code, lower_first(error.message()), source)
    }
}

/// `text` cut at `max` characters, with an ellipsis where it was cut.
pub(crate) fn cut(text: &str, max: usize) -> String {
    match text.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// House style for messages of the engine: JSONata's own code last, no capital first.
fn lower_first(message: &str) -> String {
    let (code, text) = match message.get(..6) {
        Some(prefix) if jsonata_core::evaluator::error_code_prefix(message).is_some() => {
            (Some(&prefix[..5]), message[6..].trim_start())
        }
        _ => (None, message),
    };
    let mut chars = text.trim_end_matches('.').chars();
    let mut out: String = chars.next().into_iter().flat_map(char::to_lowercase).collect();
    out.push_str(chars.as_str());
    let out = cut(&out, 460);
    match code {
        Some(code) => format!("{out} ({code})"),
        None => out,
    }
}
