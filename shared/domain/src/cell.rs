//! Cells of tables that spreadsheets open (OWASP: CSV injection).

use std::borrow::Cow;

/// A text as a cell that a spreadsheet shows and does not run: one that it could take for a formula gets an apostrophe in front.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']) {
        format!("'{text}").into()
    } else {
        text.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_be_a_formula_is_guarded_and_nothing_else() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1"] {
            assert_eq!(guarded(evil), format!("'{evil}"));
        }
        for plain in ["", "a=b", "2026-03-01", " x", "'=1"] {
            assert_eq!(guarded(plain), plain);
        }
    }
}
