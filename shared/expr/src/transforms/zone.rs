//! Time zones: the system's own data, since a copy of it would be larger than all transforms together.

use std::fs::File;
use std::io::Read;
use std::sync::Mutex;

use jiff::tz::{Offset, TimeZone};

use super::call::{Call, Fault, said};

const FOLDER: &str = "/usr/share/zoneinfo/";
/// The largest zones have about 4 KB.
const MAX_FILE: u64 = 64 * 1024;
/// Zones that are kept once they are read.
const MAX_KEPT: usize = 128;

static KEPT: Mutex<Vec<(String, TimeZone)>> = Mutex::new(Vec::new());

/// The zone of argument `at`: UTC if it is not given, else an IANA name or an offset such as `+02:00`.
pub(super) fn zone(call: &Call, at: usize) -> Result<TimeZone, Fault> {
    let name = call.text_or(at, "UTC");
    if let Some(offset) = offset(name) {
        return Ok(TimeZone::fixed(offset));
    }
    let mut kept = KEPT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, zone)) = kept.iter().find(|(known, _)| known == name) {
        return Ok(zone.clone());
    }
    let Some(zone) = read(name) else {
        return said(format!("the time zone `{}` is not known here", crate::failure::cut(name, 40)));
    };
    if kept.len() < MAX_KEPT {
        kept.push((name.to_owned(), zone.clone()));
    }
    Ok(zone)
}

/// `Z`, `UTC`, `+02:00` or `-0330`.
pub(super) fn offset(text: &str) -> Option<Offset> {
    if matches!(text, "Z" | "UTC") {
        return Some(Offset::UTC);
    }
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let digits = text.strip_prefix(['+', '-'])?.replace(':', "");
    if !matches!(digits.len(), 2 | 4) || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: i32 = digits.parse().ok()?;
    let minutes = if digits.len() == 2 { number * 60 } else { number / 100 * 60 + number % 100 };
    Offset::from_seconds(sign * minutes * 60).ok()
}

fn read(name: &str) -> Option<TimeZone> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"_+-/".contains(&byte);
    if name.is_empty() || name.len() > 64 || name.starts_with('/') || !name.bytes().all(is_name) {
        return None;
    }
    let mut data = Vec::new();
    File::open([FOLDER, name].concat()).ok()?.take(MAX_FILE).read_to_end(&mut data).ok()?;
    TimeZone::tzif(name, &data).ok()
}
