//! Ranges in A1 notation, in all forms: `Sheet1!A1:B2`, `'My sheet'!A1`, `A:B`, `2:5`, `A2:C`, `Sheet1`.

/// Columns have at most three letters.
const MOST_LETTERS: usize = 3;

/// A range as it is written. Ends that are not given are the sheet's own.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) sheet: Option<String>,
    pub(crate) rows: Side,
    pub(crate) columns: Side,
    /// One cell, where a writer may begin.
    pub(crate) is_cell: bool,
}

/// From the first on, up to and without the last; counted from nought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) from: Option<usize>,
    pub(crate) to: Option<usize>,
}

/// A range within a sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) top: usize,
    pub(crate) left: usize,
    /// The first row below, the first column to the right.
    pub(crate) bottom: usize,
    pub(crate) right: usize,
}

/// Reads a range; nothing, if it is none.
pub(crate) fn parse(text: &str) -> Option<Written> {
    if let Some(quoted) = text.strip_prefix('\'') {
        let (sheet, rest) = unquoted(quoted)?;
        return match rest.strip_prefix('!') {
            Some(cells) => parse_cells(cells).map(|written| Written { sheet: Some(sheet), ..written }),
            None if rest.is_empty() => Some(Written { sheet: Some(sheet), ..Written::default() }),
            None => None,
        };
    }
    match text.rsplit_once('!') {
        Some((sheet, cells)) if !sheet.is_empty() => {
            parse_cells(cells).map(|written| Written { sheet: Some(sheet.to_owned()), ..written })
        }
        Some(_) => None,
        // What could be cells is cells: a sheet of that name wants quotes.
        None => parse_cells(text).or_else(|| {
            let named = !text.is_empty() && !text.contains(':');
            named.then(|| Written { sheet: Some(text.to_owned()), ..Written::default() })
        }),
    }
}

/// A name up to its closing quote, which is doubled within it.
fn unquoted(text: &str) -> Option<(String, &str)> {
    let mut name = String::new();
    let mut rest = text;
    loop {
        let (before, after) = rest.split_once('\'')?;
        name.push_str(before);
        match after.strip_prefix('\'') {
            Some(more) => {
                name.push('\'');
                rest = more;
            }
            None => return Some((name, after)),
        }
    }
}

fn parse_cells(text: &str) -> Option<Written> {
    match text.split_once(':') {
        None => {
            let (Some(column), Some(row)) = corner(text)? else { return None };
            Some(Written {
                sheet: None,
                rows: Side { from: Some(row), to: Some(row + 1) },
                columns: Side { from: Some(column), to: Some(column + 1) },
                is_cell: true,
            })
        }
        Some((first, second)) => {
            let ((left, top), (right, bottom)) = (corner(first)?, corner(second)?);
            // `A:B`, `1:2`, `A1:B2`, and half open `A2:C` and `B1:3`; not `A:2`.
            if (left.is_none() && right.is_some()) || (top.is_none() && bottom.is_some()) {
                return None;
            }
            let side = |from: Option<usize>, to: Option<usize>| match (from, to) {
                (Some(from), Some(to)) => Side { from: Some(from.min(to)), to: Some(from.max(to) + 1) },
                (from, to) => Side { from, to: to.map(|to| to + 1) },
            };
            Some(Written { sheet: None, rows: side(top, bottom), columns: side(left, right), is_cell: false })
        }
    }
}

/// `$B$7` -> column 1, row 6; either may be absent, not both.
fn corner(text: &str) -> Option<(Option<usize>, Option<usize>)> {
    let text = text.strip_prefix('$').unwrap_or(text);
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letters, digits) = text.split_at(end);
    let digits = digits.strip_prefix('$').unwrap_or(digits);
    if letters.len() > MOST_LETTERS || (letters.is_empty() && digits.is_empty()) {
        return None;
    }
    let column =
        letters.bytes().fold(0, |sum, letter| sum * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    let row = if digits.is_empty() {
        None
    } else {
        if !digits.bytes().all(|digit| digit.is_ascii_digit()) || digits.len() > 8 {
            return None;
        }
        Some(digits.parse::<usize>().ok()?.checked_sub(1)?)
    };
    Some((column.checked_sub(1), row))
}

/// The letters of a column.
pub(crate) fn letters(mut column: usize) -> String {
    let mut letters = Vec::new();
    loop {
        letters.push(b'A' + u8::try_from(column % 26).unwrap_or_default());
        match (column / 26).checked_sub(1) {
            Some(next) => column = next,
            None => break,
        }
    }
    letters.iter().rev().map(|letter| char::from(*letter)).collect()
}

/// An area as answers write it: `Sheet1!A1:B2`, and `'My sheet'!A1` for a name with other characters.
pub(crate) fn written(sheet: &str, area: Area) -> String {
    let first = format!("{}{}", letters(area.left), area.top + 1);
    let last = format!("{}{}", letters(area.right - 1), area.bottom);
    let cells = if first == last { first } else { format!("{first}:{last}") };
    format!("{}!{cells}", quoted(sheet))
}

fn quoted(sheet: &str) -> String {
    let plain = sheet.chars().all(|c| c.is_alphanumeric() || c == '_')
        && sheet.chars().next().is_some_and(|c| !c.is_ascii_digit())
        && !matches!(corner(sheet), Some((Some(_), Some(_))));
    if plain { sheet.to_owned() } else { format!("'{}'", sheet.replace('\'', "''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(text: &str) -> (Option<String>, [Option<usize>; 4]) {
        let range = parse(text).unwrap_or_else(|| panic!("{text}"));
        (range.sheet, [range.rows.from, range.rows.to, range.columns.from, range.columns.to])
    }

    #[test]
    fn all_forms_are_read() {
        let sheet = |name: &str| Some(name.to_owned());
        assert_eq!(sides("A1"), (None, [Some(0), Some(1), Some(0), Some(1)]));
        assert_eq!(sides("$B$2:D4"), (None, [Some(1), Some(4), Some(1), Some(4)]));
        assert_eq!(sides("D4:B2"), sides("B2:D4"));
        assert_eq!(sides("d4:b2"), sides("B2:D4"));
        assert_eq!(sides("A:B"), (None, [None, None, Some(0), Some(2)]));
        assert_eq!(sides("2:5"), (None, [Some(1), Some(5), None, None]));
        assert_eq!(sides("A2:C"), (None, [Some(1), None, Some(0), Some(3)]));
        assert_eq!(sides("B1:3"), (None, [Some(0), Some(3), Some(1), None]));
        assert_eq!(sides("Sheet1"), (sheet("Sheet1"), [None; 4]));
        assert_eq!(sides("Sheet1!AA10"), (sheet("Sheet1"), [Some(9), Some(10), Some(26), Some(27)]));
        assert_eq!(sides("My sheet!A1"), (sheet("My sheet"), [Some(0), Some(1), Some(0), Some(1)]));
        assert_eq!(sides("'It''s! mine'!A1:A"), (sheet("It's! mine"), [Some(0), None, Some(0), Some(1)]));
        assert_eq!(sides("'A1'"), (sheet("A1"), [None; 4]));
    }

    #[test]
    fn what_is_no_range_is_none() {
        for text in [
            "",
            "A0",
            "A1:",
            ":B2",
            "A:2",
            "1:B",
            "Sheet1!",
            "!A1",
            "'open",
            "'a'b",
            "Sheet1!ABCD1",
            "A1:B2:C3",
            "A-1",
        ] {
            let read = parse(text);
            // A word without a colon may be the name of a sheet.
            assert!(read.is_none() || matches!(text, "A0" | "A-1"), "{text}: {read:?}");
        }
    }

    #[test]
    fn areas_are_written_as_google_writes_them() {
        let area = Area { top: 0, left: 25, bottom: 2, right: 28 };
        assert_eq!(written("Sheet1", area), "Sheet1!Z1:AB2");
        assert_eq!(written("It's mine", Area { bottom: 1, right: 26, ..area }), "'It''s mine'!Z1");
        assert_eq!(written("AB12", area), "'AB12'!Z1:AB2");
        for column in [0, 25, 26, 701, 702, 18_277] {
            assert_eq!(corner(&letters(column)), Some((Some(column), None)));
        }
    }
}
