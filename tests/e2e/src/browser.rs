//! A browser, as far as signing in needs one: it follows redirects and keeps cookies, for each site its own.

use crate::PATIENCE;
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::redirect::Policy;
use reqwest::{Client, Method, Response};
use std::collections::BTreeMap;

#[derive(Debug, Clone)]
pub struct Browser {
    client: Client,
    /// By site and name.
    cookies: BTreeMap<(String, String), String>,
}

/// What the browser ended at.
#[derive(Debug)]
pub struct Page {
    pub url: String,
    pub status: u16,
    /// Where a redirect that was not followed leads.
    pub location: Option<String>,
    pub text: String,
}

impl Default for Browser {
    fn default() -> Self {
        let client = Client::builder().no_proxy().redirect(Policy::none()).timeout(PATIENCE).build();
        Self { client: client.expect("a plain client"), cookies: BTreeMap::new() }
    }
}

impl Browser {
    /// The value of a cookie of a site.
    pub fn cookie(&self, site: &str, name: &str) -> Option<&str> {
        self.cookies.get(&(site_of(site).to_owned(), name.to_owned())).map(String::as_str)
    }

    pub fn set_cookie(&mut self, site: &str, name: &str, value: &str) {
        self.cookies.insert((site_of(site).to_owned(), name.to_owned()), value.to_owned());
    }

    /// One request, without following where it leads.
    pub async fn ask(&mut self, method: Method, url: &str, form: Option<&str>) -> Page {
        let site = site_of(url).to_owned();
        let mine = self.cookies.iter().filter(|((of, _), _)| *of == site);
        let cookies: Vec<String> = mine.map(|((_, name), value)| format!("{name}={value}")).collect();
        let mut request = self.client.request(method, url);
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(form) = form {
            let form = form.to_owned();
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        let response = request.send().await.unwrap_or_else(|e| panic!("no answer of {url}: {e:?}"));
        self.keep(&site, &response);
        let location = response.headers().get(LOCATION).and_then(|l| l.to_str().ok());
        let location =
            location.map(|to| if to.starts_with('/') { format!("{site}{to}") } else { to.to_owned() });
        let status = response.status().as_u16();
        Page { url: url.to_owned(), status, location, text: response.text().await.unwrap_or_default() }
    }

    fn keep(&mut self, site: &str, response: &Response) {
        for cookie in response.headers().get_all(SET_COOKIE).iter().filter_map(|c| c.to_str().ok()) {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            let over = attributes.contains("Max-Age=0") || attributes.contains("1970");
            let key = (site.to_owned(), name.to_owned());
            if over {
                self.cookies.remove(&key);
            } else {
                self.cookies.insert(key, value.to_owned());
            }
        }
    }

    /// Follows redirects from `url` up to one that leads to an address beginning with `stop`, or to a page.
    pub async fn follow(&mut self, url: &str, stop: &str) -> Page {
        let mut page = self.ask(Method::GET, url, None).await;
        for _ in 0..20 {
            match &page.location {
                Some(to) if !to.starts_with(stop) => page = self.ask(Method::GET, &to.clone(), None).await,
                _ => return page,
            }
        }
        panic!("redirects without end from {url}");
    }
}

/// Scheme, host and port of an address.
fn site_of(url: &str) -> &str {
    let after = url.find("://").map_or(0, |at| at + 3);
    url[after..].find('/').map_or(url, |at| &url[..after + at])
}
