//! What is held against each part of a workbook before anything reads it: whoever reads one believes what it says of itself.

use crate::input::{too_large, unreadable};
use domain::limits;
use domain::run::StepError;

/// How many tags a part may have that is not a sheet: each may be a value in memory.
pub(super) const MOST_TAGS: u64 = 2_000_000;
/// How far apart two tags may be: a text between them is in memory as a whole. A cell of Excel holds 32,767 characters.
const LONGEST_RUN: u64 = 1024 * 1024;
/// The same of what is no XML by its name, such as a picture: a workbook could name it as one of its sheets.
const LONGEST_OTHER_RUN: u64 = 8 * 1024 * 1024;
/// The formats of cells: two lists of as many as Excel has.
const MOST_FORMATS: u64 = 131_072;
/// What the formats of cells come to, each of which is given the longest name of a font, or the longest format of numbers.
const MOST_FORMAT_BYTES: u64 = 32 * 1024 * 1024;
/// The attribute that says how many texts follow; room is made for so many.
const COUNT: &[u8] = b"uniqueCount";
/// More of a tag's name is not looked at.
const LONGEST_TAG: usize = 32;

/// A part, as its bytes come.
pub(super) struct Part {
    name: String,
    /// It is read cell by cell, or passed over.
    streams: bool,
    longest_run: u64,
    bytes: u64,
    tags: u64,
    /// The bytes since the last tag began.
    run: u64,
    /// The name of the last tag, without its namespace.
    tag: Vec<u8>,
    /// Whether the name goes on.
    naming: bool,
    count: Count,
    formats: u64,
    longest_format: u64,
}

/// Where in a count of texts the bytes are.
#[derive(Clone, Copy)]
enum Count {
    Name(usize),
    Equals,
    Quote,
    Digits(u64),
}

impl Part {
    pub(super) fn new(name: &str) -> Self {
        let name = name.to_ascii_lowercase().replace('\\', "/");
        let last = name.rsplit('/').next().unwrap_or_default();
        let end = last.rsplit_once('.').map_or("", |(_, end)| end);
        let is_xml = end == "xml" || end == "rels";
        // Names under which parts are read as a whole, whatever their folder: a workbook chooses that.
        let whole = end == "rels"
            || ["sharedstrings.xml", "styles.xml", "workbook.xml", "theme1.xml"].contains(&last);
        Self {
            streams: !whole && (!is_xml || name.contains("worksheets/")),
            longest_run: if is_xml { LONGEST_RUN } else { LONGEST_OTHER_RUN },
            name,
            bytes: 0,
            tags: 0,
            run: 0,
            tag: Vec::new(),
            naming: false,
            count: Count::Name(0),
            formats: 0,
            longest_format: 0,
        }
    }

    /// Takes the next bytes, or refuses the part.
    pub(super) fn see(&mut self, piece: &[u8]) -> Result<(), StepError> {
        self.bytes += piece.len() as u64;
        for byte in piece {
            self.run += 1;
            if *byte == b'<' {
                self.tags += 1;
                self.run = 0;
                self.tag.clear();
                self.naming = true;
            } else if self.naming {
                self.name_on(*byte)?;
            }
            if self.run > self.longest_run {
                let message =
                    format!("`{}` has a text of more than {} KB", self.name, self.longest_run / 1024);
                return Err(unreadable(message));
            }
            self.count_on(*byte)?;
            self.format_on()?;
        }
        let most = limits::MAX_WORKBOOK_PART_BYTES;
        if !self.streams && (self.bytes > most || self.tags > MOST_TAGS) {
            let message =
                format!("`{}` is larger than {} MB, or has too many values", self.name, most / 1_048_576);
            return Err(too_large(message));
        }
        Ok(())
    }

    fn name_on(&mut self, byte: u8) -> Result<(), StepError> {
        match byte {
            b':' => self.tag.clear(),
            b'>' | b'/' | b' ' | b'\t' | b'\r' | b'\n' if !self.tag.is_empty() => {
                self.naming = false;
                if self.tag == b"xf" {
                    self.formats += 1;
                }
                // What a workbook lists is in memory; a part that has such a list is measured as one.
                if self.streams && (self.tag == b"sheet" || self.tag == b"definedName") {
                    return Err(unreadable(format!("`{}` has the list of sheets in it", self.name)));
                }
            }
            _ if self.tag.len() < LONGEST_TAG => self.tag.push(byte),
            _ => {}
        }
        Ok(())
    }

    /// Looks for the number of texts, also where it begins in one piece and ends in another.
    fn count_on(&mut self, byte: u8) -> Result<(), StepError> {
        // A part in another encoding would hide what is looked for; pictures have such bytes.
        if byte == 0 && !self.streams {
            return Err(unreadable(format!("`{}` is not written in UTF-8", self.name)));
        }
        self.count = match self.count {
            Count::Name(known) if byte == COUNT[known] && known + 1 == COUNT.len() => Count::Equals,
            Count::Name(known) if byte == COUNT[known] => Count::Name(known + 1),
            Count::Name(_) => Count::Name(usize::from(byte == COUNT[0])),
            Count::Equals if byte == b'=' => Count::Quote,
            Count::Quote if matches!(byte, b'"' | b'\'') => Count::Digits(0),
            Count::Equals | Count::Quote if byte.is_ascii_whitespace() => self.count,
            Count::Digits(number) if !matches!(byte, b'"' | b'\'' | b'<') => {
                let digit = u64::from(byte.wrapping_sub(b'0'));
                let number =
                    if digit < 10 { number.saturating_mul(10).saturating_add(digit) } else { number };
                if number > MOST_TAGS {
                    let message = format!("`{}` says that it has more than {MOST_TAGS} texts", self.name);
                    return Err(unreadable(message));
                }
                Count::Digits(number)
            }
            _ => Count::Name(0),
        };
        Ok(())
    }

    /// Each format of cells has the name of its font and its format of numbers once more.
    fn format_on(&mut self) -> Result<(), StepError> {
        if !self.naming && self.run > self.longest_format && (self.tag == b"numFmt" || self.tag == b"name") {
            self.longest_format = self.run;
        }
        if self.formats > MOST_FORMATS || self.formats * self.longest_format > MOST_FORMAT_BYTES {
            return Err(too_large(format!(
                "`{}` has too many formats of cells, or too long ones",
                self.name
            )));
        }
        Ok(())
    }
}
