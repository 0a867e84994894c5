//! Other servers in the place of those that are named: for local development and tests, where no vendor is to be called.

use std::fmt;
use url::Url;

/// Requests for one origin go to another base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instead {
    /// Such as `https://slack.com`.
    origin: String,
    /// Such as `http://127.0.0.1:9001/slack`.
    base: Url,
}

/// Why a text names no such pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidInstead(String);

impl fmt::Display for InvalidInstead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is not two addresses with `=` between them", self.0)
    }
}

impl std::error::Error for InvalidInstead {}

impl Instead {
    /// Reads `https://slack.com=http://127.0.0.1:9001`.
    pub fn parse(text: &str) -> Result<Self, InvalidInstead> {
        let invalid = || InvalidInstead(text.to_owned());
        let (from, to) = text.split_once('=').ok_or_else(invalid)?;
        let origin = Url::parse(from).map_err(|_| invalid())?.origin();
        let base = Url::parse(to).map_err(|_| invalid())?;
        if !origin.is_tuple() || base.host().is_none() {
            return Err(invalid());
        }
        Ok(Self { origin: origin.ascii_serialization(), base })
    }

    /// Reads several with commas between them.
    pub fn parse_all(text: &str) -> Result<Vec<Self>, InvalidInstead> {
        text.split(',').map(str::trim).filter(|one| !one.is_empty()).map(Self::parse).collect()
    }

    /// Where a request for `url` goes, if this is its origin.
    pub(crate) fn of(&self, url: &Url) -> Option<Url> {
        if url.origin().ascii_serialization() != self.origin {
            return None;
        }
        let mut to = self.base.clone();
        to.set_path(&format!("{}{}", self.base.path().trim_end_matches('/'), url.path()));
        to.set_query(url.query());
        Some(to)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_origin_is_another() {
        let instead = Instead::parse("https://slack.com=http://127.0.0.1:9001/slack").unwrap();
        let to = |url: &str| instead.of(&Url::parse(url).unwrap()).map(String::from);
        assert_eq!(
            to("https://slack.com/api/a%2Fb?x=1").as_deref(),
            Some("http://127.0.0.1:9001/slack/api/a%2Fb?x=1")
        );
        assert_eq!(to("https://slack.com.evil.example/api"), None);
        assert_eq!(to("http://slack.com/api"), None);
        assert!(Instead::parse("https://slack.com").is_err());
        assert!(Instead::parse("data:x=http://127.0.0.1").is_err());
        assert_eq!(Instead::parse_all("").unwrap(), []);
    }
}
