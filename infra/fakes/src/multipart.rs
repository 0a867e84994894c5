//! Bodies of several parts.

use bytes::Bytes;

/// One part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    pub name: Option<String>,
    pub file_name: Option<String>,
    pub content_type: Option<String>,
    pub bytes: Bytes,
}

/// The parts of a body, in their order; nothing if it is none that can be read.
pub fn parts(content_type: &str, body: &Bytes) -> Option<Vec<Part>> {
    let boundary = parameter(content_type, "boundary")?;
    let delimiter = format!("--{boundary}");
    let mut parts = Vec::new();
    let mut at = find(body, delimiter.as_bytes(), 0)? + delimiter.len();
    loop {
        if body.get(at..at + 2)? == b"--" {
            return Some(parts);
        }
        at += 2;
        let end = find(body, format!("\r\n{delimiter}").as_bytes(), at.checked_sub(2)?)?;
        let blank = find(body, b"\r\n\r\n", at.saturating_sub(2)).filter(|blank| *blank <= end)?;
        let head = String::from_utf8_lossy(body.get(at..blank).unwrap_or_default()).into_owned();
        let header = |wanted: &str| {
            head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
            })
        };
        let disposition = header("content-disposition").unwrap_or_default();
        parts.push(Part {
            name: parameter(&disposition, "name"),
            file_name: parameter(&disposition, "filename"),
            content_type: header("content-type"),
            bytes: body.slice((blank + 4).min(end)..end),
        });
        at = end + 2 + delimiter.len();
    }
}

/// A parameter of a header's value, with or without quotes.
pub fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|part| {
        let (key, value) = part.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"').to_owned())
    })
}

fn find(body: &[u8], wanted: &[u8], from: usize) -> Option<usize> {
    body.get(from..)?.windows(wanted.len()).position(|window| window == wanted).map(|at| at + from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_whatever_they_hold() {
        let body = Bytes::from_static(
            b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f.txt\"\r\nContent-Type: text/plain\r\n\r\none\r\n\r\n--two\r\n--x\r\n\r\n\r\n--x--\r\n",
        );
        let parts = parts("multipart/form-data; boundary=x", &body).unwrap();
        assert_eq!(parts.len(), 2);
        assert_eq!(parts[0].name.as_deref(), Some("a"));
        assert_eq!(parts[0].file_name.as_deref(), Some("f.txt"));
        assert_eq!(parts[0].content_type.as_deref(), Some("text/plain"));
        assert_eq!(&parts[0].bytes[..], b"one\r\n\r\n--two");
        assert_eq!((parts[1].name.as_deref(), parts[1].bytes.len()), (None, 0));
        assert_eq!(super::parts("multipart/form-data; boundary=x", &Bytes::from_static(b"--x\r\n")), None);
        assert_eq!(super::parts("text/plain", &body), None);
    }
}
