//! Texts in other encodings, read and written in pieces.

use crate::input::{invalid, unreadable};
use domain::run::StepError;
use encoding_rs::{Decoder, DecoderResult, EncoderResult, Encoding, UTF_16BE, UTF_16LE};
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::rc::Rc;

const PIECE: usize = 64 * 1024;

/// The encoding of a name, as browsers know them (the WHATWG's Encoding Standard).
pub(crate) fn encoding(name: Option<&str>) -> Result<&'static Encoding, StepError> {
    let name = name.unwrap_or("utf-8");
    Encoding::for_label_no_replacement(name.as_bytes()).ok_or_else(|| {
        invalid(format!(
            "`{name}` is no encoding; such are `utf-8`, `utf-16le`, `windows-1252` and `shift_jis`"
        ))
    })
}

/// Bytes of an encoding, given as UTF-8. A byte order mark at the beginning is taken off, and decides where it says otherwise.
pub(crate) struct Decoding<R> {
    from: R,
    encoding: &'static Encoding,
    decoder: Decoder,
    input: Vec<u8>,
    taken: usize,
    ended: bool,
    output: Vec<u8>,
    given: usize,
    /// How many bytes were decoded.
    at: u64,
    done: bool,
}

impl<R: Read> Decoding<R> {
    pub(crate) fn new(from: R, encoding: &'static Encoding) -> Self {
        Self {
            from,
            encoding,
            decoder: encoding.new_decoder(),
            input: Vec::new(),
            taken: 0,
            ended: false,
            output: Vec::new(),
            given: 0,
            at: 0,
            done: false,
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        self.output.clear();
        self.given = 0;
        while self.output.is_empty() && !self.done {
            if self.taken == self.input.len() && !self.ended {
                self.input.resize(PIECE, 0);
                let read = self.from.read(&mut self.input)?;
                self.input.truncate(read);
                self.taken = 0;
                self.ended = read == 0;
            }
            self.output.resize(PIECE * 3, 0);
            let (result, read, written) = self.decoder.decode_to_utf8_without_replacement(
                &self.input[self.taken..],
                &mut self.output,
                self.ended,
            );
            self.output.truncate(written);
            self.taken += read;
            self.at += read as u64;
            match result {
                DecoderResult::InputEmpty => self.done = self.ended,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => {
                    let (name, at) = (self.encoding.name(), self.at);
                    let message =
                        format!("it is no {name} text near byte {at}; `encoding` says how it is written");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, message));
                }
            }
        }
        Ok(())
    }
}

impl<R: Read> Read for Decoding<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.given == self.output.len() {
            self.fill()?;
        }
        let some = (self.output.len() - self.given).min(to.len());
        to[..some].copy_from_slice(&self.output[self.given..self.given + some]);
        self.given += some;
        Ok(some)
    }
}

/// Reads no more than so many bytes between two resets: what reads rows resets it behind each of them, so that none is held in
/// memory that goes on for ever.
pub(crate) struct Leashed<R> {
    from: R,
    since: Rc<Cell<usize>>,
    most: usize,
}

impl<R> Leashed<R> {
    pub(crate) fn new(from: R, most: usize) -> (Self, Rc<Cell<usize>>) {
        let since = Rc::new(Cell::new(0));
        (Self { from, since: since.clone(), most }, since)
    }
}

impl<R: Read> Read for Leashed<R> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.since.get() > self.most {
            let message = format!("a row has more than {} KB", self.most / 1024);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let read = self.from.read(to)?;
        self.since.set(self.since.get() + read);
        Ok(read)
    }
}

/// What a failed read means: the file's own fault, or the disk's.
pub(crate) fn read_failed(error: &io::Error, where_: &str) -> StepError {
    if error.kind() == io::ErrorKind::InvalidData {
        return unreadable(format!("{where_}{error}"));
    }
    crate::input::disk(error)
}

/// Writes a text in an encoding; with `mark`, a byte order mark of UTF-8 or UTF-16 before it.
pub(crate) fn write(
    text: &str,
    encoding: &'static Encoding,
    mark: bool,
    to: &mut impl Write,
) -> io::Result<()> {
    if encoding == UTF_16LE || encoding == UTF_16BE {
        let unit = |unit: u16| if encoding == UTF_16LE { unit.to_le_bytes() } else { unit.to_be_bytes() };
        if mark {
            to.write_all(&unit(0xFEFF))?;
        }
        return text.encode_utf16().try_for_each(|code| to.write_all(&unit(code)));
    }
    if encoding == encoding_rs::UTF_8 {
        if mark {
            to.write_all("\u{FEFF}".as_bytes())?;
        }
        return to.write_all(text.as_bytes());
    }
    let mut encoder = encoding.new_encoder();
    let mut rest = text;
    let mut piece = vec![0; PIECE];
    loop {
        let (result, read, written) = encoder.encode_from_utf8_without_replacement(rest, &mut piece, true);
        to.write_all(&piece[..written])?;
        rest = &rest[read..];
        match result {
            EncoderResult::InputEmpty => return Ok(()),
            EncoderResult::OutputFull => {}
            EncoderResult::Unmappable(c) => {
                let message = format!("`{c}` cannot be written in {}", encoding.name());
                return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
            }
        }
    }
}

/// Whether a text of this encoding begins with a byte order mark unless asked otherwise: without one, UTF-16 is often not recognised.
pub(crate) fn is_marked(encoding: &'static Encoding) -> bool {
    encoding == UTF_16LE || encoding == UTF_16BE
}

/// The same into a file that grows.
pub(crate) fn write_to(
    text: &str,
    encoding: &'static Encoding,
    mark: bool,
    to: &mut crate::bounded::Growing,
) -> Result<(), StepError> {
    write(text, encoding, mark, to).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidInput => invalid(error.to_string()),
        _ => to.failed(&error),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(bytes: &[u8], name: &str) -> io::Result<String> {
        let mut text = String::new();
        // Through a reader that gives a byte at a time: characters are cut everywhere.
        let slow = Slow(bytes);
        Decoding::new(slow, encoding(Some(name)).unwrap()).read_to_string(&mut text).map(|_| text)
    }

    struct Slow<'a>(&'a [u8]);

    impl Read for Slow<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let some = self.0.len().min(1).min(to.len());
            to[..some].copy_from_slice(&self.0[..some]);
            self.0 = &self.0[some..];
            Ok(some)
        }
    }

    #[test]
    fn texts_of_common_encodings_are_read() {
        assert_eq!(decoded(b"caf\xe9 \x80", "windows-1252").unwrap(), "café €");
        assert_eq!(decoded(b"\xef\xbb\xbfa\xc3\xa4", "utf-8").unwrap(), "aä");
        assert_eq!(decoded(b"\xff\xfea\0\xe4\0", "utf-16").unwrap(), "aä");
        // The mark knows better than the name.
        assert_eq!(decoded(b"\xfe\xff\0a\0\xe4", "utf-16le").unwrap(), "aä");
        assert_eq!(decoded(b"\xff\xfea\0", "utf-8").unwrap(), "a");
        assert_eq!(decoded(b"\x93\xfa\x96{", "shift_jis").unwrap(), "日本");
        assert_eq!(decoded(b"", "utf-8").unwrap(), "");
    }

    #[test]
    fn what_is_no_text_says_where() {
        let error = decoded(b"abc\xff", "utf-8").unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        assert!(error.to_string().contains("near byte 4"), "{error}");
        // Cut in the middle of a character.
        assert!(decoded(b"ab\xc3", "utf-8").is_err());
        assert!(decoded(b"\xff\xfea\0\xe4", "utf-16le").is_err());
        assert_eq!(encoding(Some("klingon")).unwrap_err().code, "invalid_input");
    }

    #[test]
    fn what_an_encoding_lacks_is_not_replaced_in_silence() {
        let mut to = Vec::new();
        let error = write("日", encoding(Some("windows-1252")).unwrap(), false, &mut to).unwrap_err();
        assert!(error.to_string().contains('日'), "{error}");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(text in ".*", mark: bool) {
            for name in ["utf-8", "utf-16le", "utf-16be"] {
                let mut bytes = Vec::new();
                write(&text, encoding(Some(name)).unwrap(), mark, &mut bytes).unwrap();
                // Without a mark of ours, one of the text's own would be taken for it.
                if !text.starts_with('\u{FEFF}') || mark {
                    prop_assert_eq!(decoded(&bytes, name).unwrap(), text.clone());
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            for name in ["utf-8", "utf-16le", "windows-1252", "shift_jis", "gb18030"] {
                let _ = decoded(&bytes, name);
            }
        }
    }
}
