//! A response of the stack, with what tests ask of one.

use reqwest::header::HeaderMap;
use serde_json::Value;

/// A response, read to its end.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    /// What was asked, for messages.
    pub asked: String,
}

impl Answer {
    pub(crate) async fn of(asked: String, response: reqwest::Response) -> reqwest::Result<Self> {
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        Ok(Self { status, headers, body: response.bytes().await?.to_vec(), asked })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// A cookie that the answer sets, as a request sends it back.
    #[track_caller]
    pub fn cookie(&self, name: &str) -> String {
        let set = self.headers.get_all("set-cookie").iter().filter_map(|value| value.to_str().ok());
        let pairs = set.filter_map(|cookie| cookie.split(';').next());
        let mut found = pairs.filter(|pair| pair.starts_with(&format!("{name}=")));
        found.next().unwrap_or_else(|| panic!("`{name}` is not set by {self}")).to_owned()
    }

    /// The body, which must be JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e}: {self}"))
    }

    /// The JSON body of a success.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self}");
        self.json()
    }

    /// A refusal: problem+json with this status and this stable code, which has its page.
    #[track_caller]
    pub fn refused(&self, status: u16, code: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(problem["code"], code, "{self}");
        assert_eq!(self.header("content-type"), "application/problem+json", "{self}");
        assert_eq!(problem["status"], status, "{self}");
        assert_eq!(problem["type"], format!("/docs/errors/{code}"), "{self}");
        assert!(problem["title"].as_str().is_some_and(|t| !t.is_empty()), "{self}");
        assert!(problem["detail"].as_str().is_some_and(|t| t.len() > 10), "{self}");
        has_page(code);
        problem
    }
}

/// Every code that a user can see is explained.
#[track_caller]
pub fn has_page(code: &str) {
    let page = crate::root().join(format!("docs/errors/{code}.md"));
    assert!(page.exists(), "`{code}` has no page at `{}`", page.display());
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.text().chars().take(2000).collect();
        write!(f, "{} answered {}: {text}", self.asked, self.status)
    }
}
