//! CSV that a spreadsheet shows and does not run (RFC 4180; OWASP: CSV injection).

use domain::cell::guarded;

/// One row, with its line end. A cell that a spreadsheet could take for a formula gets an apostrophe in front.
pub(super) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> String {
    let cells: Vec<String> = cells.into_iter().map(cell).collect();
    cells.join(",") + "\r\n"
}

fn cell(text: &str) -> String {
    let text = guarded(text);
    if text.contains(['"', ',', '\r', '\n', ';', '\t']) || text.starts_with(' ') || text.ends_with(' ') {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        assert_eq!(
            row(["a", "b,c", "say \"x\"", "two\nlines", ""]),
            "a,\"b,c\",\"say \"\"x\"\"\",\"two\nlines\",\r\n"
        );
    }

    #[test]
    fn no_cell_is_a_formula() {
        for evil in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "=HYPERLINK(\"http://x\")", "＝1"] {
            let shown = cell(evil);
            assert!(shown.trim_start_matches('"').starts_with('\''), "{evil:?}: {shown:?}");
        }
        assert_eq!(cell("2026-03-01"), "2026-03-01");
    }
}
