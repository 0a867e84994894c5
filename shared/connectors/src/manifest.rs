//! What a connector is: an app's API as data.

use crate::completes::Completes;
use crate::dynamic::{Dynamic, Source};
use crate::trigger::Trigger;
use expr::Template;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// An app's API, of one version.
#[derive(Debug)]
pub struct Manifest {
    /// Small letters, digits and `_`: what steps call it by.
    pub name: String,
    pub title: String,
    /// Raised by each change that breaks a workflow that uses it.
    pub version: u32,
    pub description: String,
    /// Where the vendor documents the API.
    pub docs: Option<String>,
    pub categories: Vec<String>,
    /// What every path is put behind; it may read `connection`.
    pub base_url: Template,
    /// What a connection keeps beside its credentials, such as a subdomain: a JSON Schema.
    pub fields: Value,
    /// How to sign in to the app; the first is offered first.
    pub auth: Vec<Auth>,
    /// Headers of every request.
    pub headers: Template,
    /// The action that tells whether a connection works.
    pub test: Option<String>,
    /// By name; `default` holds for actions that name none.
    pub rate_limits: BTreeMap<String, RateLimit>,
    /// The header by which the app knows a repeated request.
    pub idempotency_header: Option<String>,
    /// What answers mean, in this order; those of an action come first.
    pub errors: Vec<ErrorRule>,
    pub actions: BTreeMap<String, Action>,
    /// Where the choices of fields come from, for all actions that have a field of this name and say nothing else.
    pub options: BTreeMap<String, Options>,
    /// Where the columns of a user's own table come from, by name.
    pub dynamic_schemas: BTreeMap<String, Source>,
    /// What workflows can be started by.
    pub triggers: BTreeMap<String, Trigger>,
    /// Schemas that others refer to as `#/schemas/<name>`.
    pub schemas: Map<String, Value>,
    /// The document that this was read from, which is what is shown.
    pub document: Value,
}

/// A way to sign in to an app.
#[derive(Debug)]
pub struct Auth {
    /// What connections call it by.
    pub id: String,
    pub title: String,
    /// How to get what it asks for.
    pub help: Option<String>,
    pub kind: AuthKind,
    /// What the user gives, all of it secret unless `secret` is false.
    pub fields: Vec<AuthField>,
    /// What is added to each request; it reads `auth` and `connection`.
    pub headers: Template,
    pub query: Template,
    /// Put between the base address and the path of each request; it reads `auth` and `connection`.
    pub path: Option<Template>,
    /// For [`AuthKind::OAuth2`].
    pub oauth2: Option<OAuth2>,
    /// For [`AuthKind::AwsSigV4`].
    pub sigv4: Option<SigV4>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthKind {
    None,
    /// A token in the header `authorization`.
    Bearer,
    /// A key in a header or in the query.
    ApiKey,
    /// Name and password.
    Basic,
    /// Tokens that a server gives (RFC 6749).
    OAuth2,
    /// A signature over each request (AWS Signature Version 4).
    AwsSigV4,
}

/// For what requests to AWS are signed.
#[derive(Debug)]
pub struct SigV4 {
    /// The service's name in signatures: `s3`.
    pub service: String,
    /// Reads `connection`.
    pub region: Template,
}

/// How tokens are got.
#[derive(Debug)]
pub struct OAuth2 {
    pub grant: Grant,
    /// Where the user agrees; empty for grants without a user.
    pub authorize_url: Template,
    pub token_url: Template,
    /// Where new tokens are got with a refresh token, if not there.
    pub refresh_url: Option<Template>,
    pub scopes: Vec<String>,
    pub scope_separator: String,
    /// Proof key for code exchange (RFC 7636).
    pub pkce: bool,
    pub client_auth: ClientAuth,
    /// How requests for tokens are written: most servers take forms only.
    pub token_encoding: Encoding,
    /// Further parameters of the address where the user agrees.
    pub authorize_query: Map<String, Value>,
    /// What of the answer, `token`, the connection keeps beside the tokens.
    pub keep: Template,
    /// The names of that.
    pub kept: Vec<String>,
    /// Which hosts get a client's secret, whatever a connection's fields say.
    pub hosts: Vec<Hosts>,
    /// Where users may be sent to agree.
    pub asks_at: Option<Hosts>,
}

/// One host, or all whose names end in this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    One(String),
    /// Begins with a dot.
    Below(String),
}

impl Hosts {
    /// The hosts of an address whose template this is: what the connection's fields cannot change. `None` if that is nothing.
    pub fn of(template: &str) -> Option<Self> {
        const MARK: &str = "x-filled-in-x";
        let (mut plain, mut rest) = (String::new(), template);
        while let Some((before, after)) = rest.split_once("{{") {
            plain.extend([before, MARK]);
            rest = after.split_once("}}")?.1;
        }
        plain.push_str(rest);
        let url = url::Url::parse(&plain).ok().filter(|url| url.scheme() == "https")?;
        let host = authority(&url)?;
        match host.rsplit_once(MARK) {
            None => Some(Self::One(host)),
            // One name alone would be a whole domain of others.
            Some((_, end)) if end.starts_with('.') && end[1..].contains('.') => {
                Some(Self::Below(end.to_owned()))
            }
            Some(_) => None,
        }
    }

    /// Whether an address leads there, as clients read it.
    pub fn holds(&self, url: &str) -> bool {
        let Ok(url) = url::Url::parse(url) else { return false };
        let plain = url.scheme() == "https" && url.username().is_empty() && url.password().is_none();
        plain
            && authority(&url).is_some_and(|host| match self {
                Self::One(one) => host == *one,
                Self::Below(end) => host.ends_with(end),
            })
    }
}

/// The host, with a port that is not the usual one.
fn authority(url: &url::Url) -> Option<String> {
    let host = url.host_str()?;
    Some(url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    AuthorizationCode,
    ClientCredentials,
    /// By an assertion that a service account signs (RFC 7523).
    ServiceAccount,
}

/// How a client tells who it is (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    Body,
    Basic,
}

/// One thing that is asked for to sign in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthField {
    pub name: String,
    pub title: String,
    pub secret: bool,
    /// Whether a connection may be without it.
    pub optional: bool,
}

/// So many requests in so much time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    pub requests: u32,
    pub per: Duration,
}

/// What an answer means that is no success.
#[derive(Debug)]
pub struct ErrorRule {
    /// Reads `response`; the rule holds where it is true.
    pub when: Template,
    /// The app's own code for it.
    pub code: Option<Template>,
    pub message: Option<Template>,
    /// Whether a later attempt may succeed; absent, the status tells.
    pub retryable: Option<bool>,
    /// Whether the credentials are refused.
    pub reconnect: bool,
    /// In how many seconds to try again.
    pub retry_after: Option<Template>,
}

/// One thing that the app can be asked to do.
#[derive(Debug)]
pub struct Action {
    pub title: String,
    pub description: String,
    pub docs: Option<String>,
    /// A JSON Schema of an object.
    pub input: Value,
    /// A JSON Schema of what it gives; of one that completes later, in the end.
    pub output: Value,
    pub request: Request,
    /// What it gives of an answer; reads `response` and `input`.
    pub response: Template,
    pub errors: Vec<ErrorRule>,
    pub pages: Option<Pages>,
    /// Whether a repeat has no further effect; absent, the method tells.
    pub idempotent: Option<bool>,
    /// Which of the connector's rate limits holds.
    pub rate_limit: Option<String>,
    /// Where the choices of a field of the input come from.
    pub options: BTreeMap<String, Options>,
    /// Where in `input` and `output` columns stand.
    pub dynamic: Dynamic,
    /// How it is told that it is over, where it goes on after its answer.
    pub completes: Option<Completes>,
}

impl Action {
    /// Whether it may be asked as often as one likes.
    pub fn changes_nothing(&self) -> bool {
        self.idempotent.unwrap_or(self.request.method == "GET")
    }
}

impl Manifest {
    /// Where the choices of a field of an action's input come from.
    pub fn options_of(&self, action: &str, field: &str) -> Option<&Options> {
        let action = self.actions.get(action)?;
        let common = || {
            let known = crate::schema::properties(&action.input, &self.schemas);
            self.options.get(field).filter(|_| known.iter().any(|known| known == field))
        };
        action.options.get(field).or_else(common)
    }
}

/// Choices of a field that the app is asked for.
#[derive(Debug)]
pub struct Options {
    /// The action that lists them.
    pub action: String,
    /// What it is given; reads `input`, which is what is filled in so far.
    pub input: Template,
    /// The list in what it gives, `output`.
    pub items: Template,
    /// What the field takes; reads `item`.
    pub value: Template,
    /// What people see; reads `item`.
    pub label: Template,
}

/// How an input becomes a request.
#[derive(Debug)]
pub struct Request {
    pub method: String,
    /// `{name}` stands for a field of the input; with `{name+}` its slashes are slashes of the path.
    pub path: String,
    /// Another base than the connector's. Where nobody signs in it may read `input`.
    pub base_url: Option<Template>,
    pub query: Query,
    pub headers: Template,
    /// Fields of the input that go elsewhere than their name says, or are written otherwise than it is usual.
    pub parameters: Vec<Parameter>,
    pub body: Body,
    /// How fields of a form are written that are no texts; absent, [`Style::Brackets`].
    pub styles: BTreeMap<String, Style>,
    pub answer: Answer,
}

/// How the body of an answer is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// As its media type says: JSON, XML, text, or base64 for what is no text.
    AsItSays,
    /// As XML, whatever its media type says.
    Xml,
    /// As a feed of RSS or Atom: `{title, link, items}`.
    Feed,
    /// Not at all: it is kept as a file. A refusal is read as it says.
    File,
}

/// A field of the input, and where in the request it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    pub field: String,
    pub place: Place,
    /// What the app calls it.
    pub name: String,
    pub style: Style,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Query,
    Header,
    Cookie,
}

/// How a list or an object is written where only texts can stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// `a=1&a=2`; of an object each field stands for itself.
    Repeat,
    /// `a=1,2`
    Comma,
    /// `a=1 2`
    Space,
    /// `a=1|2`
    Pipe,
    /// `a[b][0]=c`
    Brackets,
    /// As JSON.
    Json,
}

/// What is put into the query.
#[derive(Debug)]
pub enum Query {
    /// These fields of the input; of a request without a body all that are not in the path.
    Fields(Vec<String>),
    Template(Template),
}

/// What is sent.
#[derive(Debug)]
pub enum Body {
    /// Nothing.
    None,
    /// The fields of the input that are used nowhere else.
    Rest(Encoding),
    Template(Encoding, Template),
    /// This field of the input; nothing where it is not given.
    Field(Encoding, String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Json,
    /// `a[b][0]=c` for what is nested.
    Form,
    /// A form whose values may be files.
    Multipart,
    Text,
}

/// How a list that comes in parts is asked for to its end.
#[derive(Debug)]
pub struct Pages {
    /// The items of one answer.
    pub items: Template,
    pub by: PageBy,
    /// How many to ask for at once, and in which field of the query or body.
    pub size: Option<(Put, u32)>,
}

/// Where something is put of which the input knows nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    Query(String),
    Body(String),
}

#[derive(Debug)]
pub enum PageBy {
    /// The answer has what to ask with for the next part.
    Cursor { next: Template, put: Put },
    /// How many items to pass over.
    Offset { put: Put },
    /// The number of a page.
    Page { put: Put, first: u32 },
    /// The answer has the address of the next part.
    Url { next: Template },
    /// The header `link` has it (RFC 8288, `rel="next"`).
    Link,
}

/// Where a connector's requests and credentials go, of its document: its addresses without their paths, and its ways to sign in as they
/// stand there, since these say what becomes of a secret.
pub fn hosts(document: &Value) -> BTreeSet<String> {
    let values = |field: &str| -> Vec<&Value> {
        match &document[field] {
            Value::Object(members) => members.values().collect(),
            Value::Array(members) => members.iter().collect(),
            _ => Vec::new(),
        }
    };
    let mut addresses = vec![&document["base_url"]];
    addresses.extend(values("actions").into_iter().map(|action| &action["request"]["base_url"]));
    let addresses = addresses.into_iter().filter(|address| !address.is_null()).map(without_path);
    let ways = values("auth").into_iter().map(|auth| {
        let mut auth = auth.clone();
        if let Some(fields) = auth.as_object_mut() {
            fields.retain(|name, _| !matches!(name.as_str(), "title" | "help"));
            fields.sort_keys();
        }
        auth.to_string()
    });
    addresses.chain(ways).collect()
}

/// What stands before the path of an address; all of one in which there is an expression.
fn without_path(address: &Value) -> String {
    let Some(text) = address.as_str() else { return address.to_string() };
    match url::Url::parse(text) {
        Ok(url) if !text.contains("{{") => url.origin().ascii_serialization(),
        _ => text.to_owned(),
    }
}

impl Manifest {
    /// The way to sign in that connections call `id`.
    pub fn auth(&self, id: &str) -> Option<&Auth> {
        self.auth.iter().find(|auth| auth.id == id)
    }

    /// The limit that holds for an action, and what it is called: its own, or else the connector's `default`.
    pub fn rate_limit(&self, action: &Action) -> Option<(&str, RateLimit)> {
        let name = action.rate_limit.as_deref().unwrap_or("default");
        self.rate_limits.get_key_value(name).map(|(name, limit)| (name.as_str(), *limit))
    }
}

#[cfg(test)]
mod tests {
    use super::{Hosts, hosts};
    use serde_json::json;

    #[test]
    fn where_a_connector_leads_is_told_without_paths() {
        let of = |base: &str, header: &str| {
            hosts(
                &json!({"base_url": base, "auth": [{"id": "key", "type": "api_key", "title": "any", "header": header}]}),
            )
        };
        assert_eq!(
            of("https://API.example.com/v1", "x-key"),
            of("https://api.example.com:443/v2?a=1", "x-key")
        );
        let good = of("https://api.example.com/v1", "x-key");
        for other in [
            of("https://api.example.com/v1", "x-text"),
            of("http://api.example.com/v1", "x-key"),
            of("https://api.example.com:8443/v1", "x-key"),
            of("https://api.example.com@evil.org/v1", "x-key"),
            of("https://{{ /* }}/ */ 'api.example.com' }}/v1", "x-key"),
        ] {
            assert!(!other.is_subset(&good), "{other:?}");
        }
        let by_expression = |host: &str| of(&format!("https://{{{{ /* }}}}/ */ '{host}' }}}}/v1"), "x-key");
        assert_ne!(by_expression("good.com"), by_expression("evil.org"));
    }

    #[test]
    fn a_host_is_the_apps_own_whatever_fields_say() {
        let below = Hosts::of("https://{{ connection.name }}.example.com/token").unwrap();
        assert_eq!(below, Hosts::Below(".example.com".into()));
        assert!(below.holds("https://acme.example.com/token"));
        for other in [
            "https://evil.org/x.example.com/token",
            "https://evil.org?.example.com/token",
            "https://evil.org#.example.com/token",
            "https://evil.org\\.example.com/token",
            "https://a@evil.org/.example.com",
            "https://a.example.com@evil.org/token",
            "https://a:b@acme.example.com/token",
            "https://acme.example.com:8443/token",
            "http://acme.example.com/token",
            "https://example.com/token",
            "acme.example.com",
        ] {
            assert!(!below.holds(other), "{other}");
        }
        let one = Hosts::of("https://example.com/{{ connection.tenant }}/token").unwrap();
        assert_eq!(one, Hosts::One("example.com".into()));
        assert!(one.holds("https://EXAMPLE.com/x/token") && !one.holds("https://example.com.evil.org/x"));
        for open in [
            "https://{{ connection.host }}/token",
            "https://{{ connection.host }}.com/token",
            "https://{{ connection.host }}example.com/token",
            "http://example.com/token",
            "{{ connection.url }}",
            "https://{{ connection.url",
        ] {
            assert_eq!(Hosts::of(open), None, "{open}");
        }
    }
}
