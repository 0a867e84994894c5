//! A request as it came.

use crate::refusal::Refusal;

/// No sender's signature header is longer.
const MAX_HEADER: usize = 4096;
/// The longest name of a delivery.
const MAX_ID: usize = 256;

/// What is verified. Nothing of it was read, decoded or put in order before.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    headers: Vec<(&'a str, &'a [u8])>,
    pub(crate) url: &'a str,
    pub(crate) body: &'a [u8],
}

impl<'a> Request<'a> {
    /// `headers` has a name for each value; `url` is the whole address that was asked, with scheme, host and query.
    pub fn new(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>, url: &'a str, body: &'a [u8]) -> Self {
        Self { headers: headers.into_iter().collect(), url, body }
    }

    /// The value of a header that must be there once. `name` is in lower case.
    pub(crate) fn header(&self, name: &str) -> Result<&'a str, Refusal> {
        self.optional_header(name)?.ok_or_else(|| Refusal::Missing(name.to_owned()))
    }

    /// The value of a header that is there once or not at all.
    pub(crate) fn optional_header(&self, name: &str) -> Result<Option<&'a str>, Refusal> {
        let mut values = self.headers.iter().filter(|(given, _)| given.eq_ignore_ascii_case(name));
        let Some((_, value)) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(Refusal::Repeated(name.to_owned()));
        }
        let plain = value.iter().all(|b| matches!(b, b' '..=b'~'));
        if value.is_empty() || value.len() > MAX_HEADER || !plain {
            return Err(Refusal::Malformed(name.to_owned()));
        }
        std::str::from_utf8(value).map(Some).map_err(|_| Refusal::Malformed(name.to_owned()))
    }

    /// A header that names the delivery.
    pub(crate) fn id(&self, name: &str) -> Result<&'a str, Refusal> {
        let id = self.header(name)?;
        if id.len() > MAX_ID { Err(Refusal::Malformed(name.to_owned())) } else { Ok(id) }
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name))
    }

    /// The address's part behind `?`, as it came.
    pub(crate) fn query(&self) -> &'a str {
        let without_fragment = self.url.split('#').next().unwrap_or_default();
        without_fragment.split_once('?').map_or("", |(_, query)| query)
    }

    pub(crate) fn is_form(&self) -> bool {
        let media = self.optional_header("content-type").ok().flatten().unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        media.eq_ignore_ascii_case("application/x-www-form-urlencoded")
    }
}
