//! A call of an action: its requests, one after the other, and what their answers come to.
//!
//! Nothing is sent here. Whoever runs it sends what [`Call::request`] gives and hands over what came back.

use crate::manifest::{
    Action, Answer, Auth, AuthKind, Body, Encoding, ErrorRule, Hosts, Manifest, PageBy, Place, Put, Query,
    Request, Style,
};
use crate::read::placeholders;
use crate::signing::Signing;
use crate::{encode, feed, schema, xml};
use base64::Engine;
use domain::limits::MAX_OUTPUT_BYTES;
use domain::run::{FileRef, StepError};
use expr::{Limits, Seed, Template, truthy};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use url::Url;

/// How many items a list gives that was not asked for more.
const DEFAULT_ITEMS: u64 = 100;
/// How many it gives at most.
pub const MAX_ITEMS: u64 = 10_000;
/// The field by which they are asked for.
pub const MAX_ITEMS_FIELD: &str = "max_items";
/// How many answers are asked for at most: an app whose pages lead in a circle comes to an end.
const MAX_PAGES: u32 = 200;

/// What a call may use of a connection.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// The way to sign in; `None` without a connection.
    pub auth: Option<String>,
    /// What stands for each secret field, and the values of the others.
    pub credentials: Map<String, Value>,
    /// What the connection keeps beside its credentials.
    pub fields: Value,
}

/// One call of an action.
#[derive(Debug)]
pub struct Call {
    manifest: Arc<Manifest>,
    action: String,
    input: Value,
    connection: Value,
    /// What the way to sign in adds, as the first request has it.
    signed: Signed,
    seed: Seed,
    pages: u32,
    items: Vec<Value>,
    /// Whether the list may end early.
    cut: bool,
    /// About how many bytes the items have.
    bytes: usize,
    next: Option<Next>,
    origin: Option<String>,
}

/// What a way to sign in adds to each request.
#[derive(Debug, Default)]
struct Signed {
    headers: Map<String, Value>,
    query: Map<String, Value>,
    /// Between the base address and the path.
    path: String,
    signing: Option<Signing>,
}

/// What the next part of a list is asked with.
#[derive(Debug)]
enum Next {
    Put(Put, Value),
    Url(String),
}

/// What an answer came to.
#[derive(Debug)]
pub enum Answered {
    /// The call gave this.
    Output(Value),
    /// There is more to ask for.
    More,
}

/// What came back.
#[derive(Debug, Clone, Default)]
pub struct Response {
    pub status: u16,
    /// Names in small letters.
    pub headers: Value,
    pub body: Value,
}

impl Call {
    /// Begins a call, or says what is wrong with its input. Without `access` the action is called as by nobody.
    pub fn begin(
        manifest: Arc<Manifest>,
        action: &str,
        mut input: Value,
        access: &Access,
        now_ms: i64,
    ) -> Result<Self, StepError> {
        let Some(of) = manifest.actions.get(action) else {
            let message = format!("{} has no action `{action}`", manifest.title);
            return Err(StepError::fatal("action_unknown", message));
        };
        if input.is_null() {
            input = json!({});
        }
        let wanted = if of.pages.is_some() { with_max_items(&of.input) } else { of.input.clone() };
        if let Some(fault) = schema::check(&input, &wanted, &manifest.schemas, "", false).into_iter().next() {
            return Err(invalid(fault.message));
        }
        let seed = Seed { now_ms, random: 0 };
        let connection = access.fields.clone();
        let auth = match &access.auth {
            Some(id) => Some(manifest.auth(id).ok_or_else(|| {
                let message = format!("{} has no way to sign in called `{id}` any more", manifest.title);
                StepError::fatal("connection_outdated", message)
            })?),
            None => None,
        };
        let signed = match auth {
            Some(auth) => sign(auth, &access.credentials, &connection, &seed)?,
            None => Signed::default(),
        };
        Ok(Self {
            action: action.to_owned(),
            input,
            connection,
            signed,
            seed,
            pages: 0,
            items: Vec::new(),
            cut: false,
            bytes: 0,
            next: None,
            origin: None,
            manifest,
        })
    }

    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    pub fn action(&self) -> &Action {
        // It was there when the call began, and manifests do not change.
        &self.manifest.actions[&self.action]
    }

    /// How its requests are signed by whoever sends them; `None` where they are not.
    pub fn signing(&self) -> Option<&Signing> {
        self.signed.signing.as_ref()
    }

    /// Whether repeating it has no further effect.
    pub fn is_idempotent(&self) -> bool {
        let action = self.action();
        action
            .idempotent
            .unwrap_or(matches!(action.request.method.as_str(), "GET" | "HEAD" | "PUT" | "DELETE"))
    }

    /// Whether a key tells the app of repeats: of a list each request is another, and one that changes nothing needs none.
    pub fn takes_key(&self) -> bool {
        let action = self.action();
        action.pages.is_none() && !matches!(action.request.method.as_str(), "GET" | "HEAD")
    }

    /// The next request, in the form of the input of `http.request`.
    pub fn request(&mut self) -> Result<Value, StepError> {
        let scope = json!({"input": self.input, "connection": self.connection});
        let action = &self.manifest.actions[&self.action];
        let spec = &action.request;
        let mut query = Map::new();
        let mut body = Value::Null;
        let mut used: Vec<&str> = placeholders(&spec.path).collect();
        if action.pages.is_some() {
            used.push(MAX_ITEMS_FIELD);
        }
        let url = if let Some(Next::Url(url)) = &self.next {
            url.clone()
        } else {
            let base = match &spec.base_url {
                // Where somebody signs in, the input does not say where that is sent.
                Some(base) if self.manifest.auth.iter().all(|auth| auth.kind == AuthKind::None) => {
                    self.render(base, &scope)?
                }
                base => {
                    let base = base.as_ref().unwrap_or(&self.manifest.base_url);
                    self.render(base, &json!({"connection": self.connection}))?
                }
            };
            let (base, behind) = (text(&base), path(&spec.path, &self.input)?);
            self.stays_with_the_app(spec, &base)?;
            let between = &self.signed.path;
            if between.is_empty() && behind.is_empty() {
                base
            } else {
                format!("{}{between}{behind}", base.trim_end_matches('/'))
            }
        };
        let asked_before = matches!(self.next, Some(Next::Url(_)));
        match &spec.query {
            Query::Template(template) => {
                query = object(self.render(template, &scope)?);
            }
            Query::Fields(fields) => {
                used.extend(fields.iter().map(String::as_str));
                let rest = fields.is_empty() && matches!(spec.body, Body::None);
                for (name, value) in self.input.as_object().into_iter().flatten() {
                    if fields.contains(name) || (rest && !used.contains(&name.as_str())) {
                        query.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        let mut named = Map::new();
        let mut cookies = Vec::new();
        for parameter in &spec.parameters {
            used.push(&parameter.field);
            let value = self.input.get(&parameter.field).filter(|value| !value.is_null());
            let Some(value) = value else { continue };
            match parameter.place {
                Place::Query => encode::styled(&parameter.name, value, parameter.style, &mut query),
                Place::Header => {
                    named.insert(parameter.name.clone(), encode::joined(value, parameter.style).into());
                }
                Place::Cookie => {
                    let value = encode::segment(&encode::joined(value, parameter.style));
                    cookies.push(format!("{}={value}", parameter.name));
                }
            }
        }
        if !cookies.is_empty() {
            named.insert("cookie".into(), cookies.join("; ").into());
        }
        let encoding = match &spec.body {
            Body::None => None,
            Body::Field(encoding, field) => {
                let given = self.input.get(field).filter(|value| !value.is_null());
                body = given.cloned().unwrap_or_default();
                given.map(|_| *encoding)
            }
            Body::Rest(encoding) => {
                let rest = self.input.as_object().into_iter().flatten();
                let rest: Map<_, _> = rest
                    .filter(|(name, _)| !used.contains(&name.as_str()))
                    .map(|(name, value)| (name.clone(), value.clone()))
                    .collect();
                body = Value::Object(rest);
                Some(*encoding)
            }
            Body::Template(encoding, template) => {
                body = self.render(template, &scope)?;
                Some(*encoding)
            }
        };
        if let Some(pages) = &action.pages {
            let mut put = |put: &Put, value: Value| match put {
                Put::Query(name) => {
                    query.insert(name.clone(), value);
                }
                Put::Body(name) => put_at(&mut body, name, value),
            };
            if let Some((place, max)) = &pages.size {
                put(place, self.size(&pages.by, *max).into());
            }
            match (&self.next, &pages.by) {
                (Some(Next::Put(place, value)), _) => put(place, value.clone()),
                (None, PageBy::Page { put: place, first }) => put(place, (*first).into()),
                _ => {}
            }
        }
        if asked_before {
            // The address has it all.
            query.clear();
        }
        query.extend(self.signed.query.clone());
        let mut headers =
            object(self.render(&self.manifest.headers, &json!({"connection": self.connection}))?);
        merge_headers(&mut headers, object(self.render(&spec.headers, &scope)?));
        merge_headers(&mut headers, named);
        merge_headers(&mut headers, self.signed.headers.clone());
        let mut request = Map::new();
        request.insert("method".into(), spec.method.clone().into());
        request.insert("url".into(), url.clone().into());
        match encoding {
            None => {}
            // One file is sent as it is, whatever a body is written as otherwise.
            Some(Encoding::Json | Encoding::Text) if FileRef::read(&body).is_some() => {
                request.insert("body".into(), body);
            }
            Some(Encoding::Form) => {
                request.insert("form".into(), Value::Object(encode::form(&body, &spec.styles)));
            }
            Some(Encoding::Multipart) => {
                request.insert("multipart".into(), Value::Object(encode::parts(body, &spec.styles)));
            }
            Some(Encoding::Json) => {
                let sent = headers.keys().any(|name| name.eq_ignore_ascii_case("content-type"));
                if !sent {
                    headers.insert("content-type".into(), "application/json".into());
                }
                // A text is sent as it is, so JSON is written out here.
                request.insert("body".into(), body.to_string().into());
            }
            Some(Encoding::Text) => {
                request.insert("body".into(), text(&body).into());
            }
        }
        request.insert("query".into(), Value::Object(encode::query(query)));
        request.insert("headers".into(), Value::Object(headers));
        request.insert("accept_any_status".into(), true.into());
        if spec.answer == Answer::File {
            request.insert("as_file".into(), true.into());
        }
        // Where the first request went is where further ones may go with the credentials.
        let origin = Url::parse(&url).map_err(|e| invalid(format!("`{url}` is no address: {e}")))?.origin();
        let origin = origin.ascii_serialization();
        if self.origin.get_or_insert_with(|| origin.clone()) != &origin {
            let message =
                "the app says that its list goes on at another origin, where no credentials are sent";
            return Err(StepError::fatal("app_response_invalid", message));
        }
        Ok(Value::Object(request))
    }

    /// What an answer means.
    pub fn answered(&mut self, response: &Response) -> Result<Answered, StepError> {
        let read = self.as_xml(response)?;
        let response = read.as_ref().unwrap_or(response);
        let scope = json!({"input": self.input, "connection": self.connection, "response": {
            "status": response.status, "headers": response.headers, "body": response.body}});
        let action = &self.manifest.actions[&self.action];
        for rule in action.errors.iter().chain(&self.manifest.errors) {
            if truthy(&self.render(&rule.when, &scope)?) {
                return Err(self.refused(rule, response, &scope)?);
            }
        }
        if response.status >= 400 {
            return Err(plainly_refused(&self.manifest.title, response));
        }
        if let Some(what) = no_data(response) {
            let message = format!("{} answered {what} where data is expected", self.manifest.title);
            let error = StepError::fatal("app_response_invalid", message);
            return Err(error.with_details(json!({"status": response.status, "body": response.body})));
        }
        let Some(pages) = &action.pages else {
            return Ok(Answered::Output(self.render(&action.response, &scope)?));
        };
        let items = match self.render(&pages.items, &scope)? {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            _ => {
                let message = format!("{} gave no list where one is expected", self.manifest.title);
                return Err(StepError::fatal("app_response_invalid", message));
            }
        };
        let came = items.len() as u64;
        self.pages += 1;
        let next =
            if came == 0 && !matches!(pages.by, PageBy::Cursor { .. } | PageBy::Url { .. } | PageBy::Link) {
                None
            } else {
                self.following(&pages.by, &scope, response, came, pages.size.as_ref().map(|(_, max)| *max))?
            };
        self.bytes += items.iter().map(weight).sum::<usize>();
        if self.bytes > MAX_OUTPUT_BYTES {
            if let Some(output) = self.so_far() {
                return Ok(Answered::Output(output));
            }
            let message = format!(
                "the list has more than {} MB; ask for fewer items with `{MAX_ITEMS_FIELD}`",
                MAX_OUTPUT_BYTES / 1_048_576
            );
            return Err(StepError::fatal("output_too_large", message));
        }
        let left = self.left();
        self.items.extend(items);
        let cut = came > left;
        self.items.truncate(usize::try_from(self.wanted()).unwrap_or(usize::MAX));
        if next.is_some() && self.left() > 0 && self.pages < MAX_PAGES {
            self.next = next;
            return Ok(Answered::More);
        }
        let more = cut || next.is_some();
        let items = std::mem::take(&mut self.items);
        Ok(Answered::Output(json!({"items": items, "more": more})))
    }

    /// An answer in XML with its body as JSON; `None` where it is none. A refusal that cannot be read stays as it is.
    /// Refuses an address that leads to another host than the manifest says, whatever the connection's fields are: credentials go there.
    fn stays_with_the_app(&self, spec: &Request, base: &str) -> Result<(), StepError> {
        let document = &self.manifest.document;
        let said = match &spec.base_url {
            Some(_) => &document["actions"][&self.action]["request"]["base_url"],
            None => &document["base_url"],
        };
        match said.as_str().and_then(Hosts::of) {
            Some(hosts) if !hosts.holds(base) => Err(invalid(format!(
                "with the fields of this connection, requests to {} would go to another host than the app's",
                self.manifest.title
            ))),
            _ => Ok(()),
        }
    }

    fn as_xml(&self, response: &Response) -> Result<Option<Response>, StepError> {
        let refused = response.status >= 400;
        let answer = self.action().request.answer;
        let content_type = response.headers["content-type"].as_str().unwrap_or_default();
        let is_xml = match answer {
            Answer::File if !refused => false,
            Answer::Xml | Answer::Feed if !refused => true,
            _ => xml::is_xml(&media_type(response)),
        };
        let Some(body) = xml::text(&response.body, content_type).filter(|_| is_xml) else {
            if is_xml && !refused && matches!(answer, Answer::Xml | Answer::Feed) {
                let message = format!(
                    "{} answered nothing, or something too large, where XML is expected",
                    self.manifest.title
                );
                return Err(StepError::fatal("app_response_invalid", message));
            }
            return Ok(None);
        };
        let read = body.and_then(|body| xml::read(&body)).and_then(|document| match answer {
            Answer::Feed if !refused => {
                feed::read(&document).ok_or_else(|| "it is no feed of RSS or Atom".to_owned())
            }
            _ => Ok(document),
        });
        match read {
            Ok(body) => {
                Ok(Some(Response { status: response.status, headers: response.headers.clone(), body }))
            }
            Err(_) if refused => Ok(None),
            Err(why) => {
                let message = format!("{} answered XML that cannot be read: {why}", self.manifest.title);
                let error = StepError::fatal("app_response_invalid", message);
                Err(error.with_details(json!({"status": response.status, "body": response.body})))
            }
        }
    }

    /// Lets a list end early, with `more`, where it would be too large or take too long. Whoever asks for it must be able to go on.
    pub fn may_be_cut(&mut self) {
        self.cut = true;
    }

    /// What a list that may end early has so far; `None` where it may not, or nothing came yet.
    pub fn so_far(&mut self) -> Option<Value> {
        (self.cut && !self.items.is_empty())
            .then(|| json!({"items": std::mem::take(&mut self.items), "more": true}))
    }

    fn following(
        &self,
        by: &PageBy,
        scope: &Value,
        response: &Response,
        came: u64,
        asked: Option<u32>,
    ) -> Result<Option<Next>, StepError> {
        // A part that is not full is the last one, where it is known what full is.
        let full = asked.is_none_or(|max| came >= self.size(by, max));
        Ok(match by {
            PageBy::Cursor { next, put } => {
                let next = self.render(next, scope)?;
                truthy(&next).then(|| Next::Put(put.clone(), next))
            }
            PageBy::Offset { put } => {
                full.then(|| Next::Put(put.clone(), (self.items.len() as u64 + came).into()))
            }
            PageBy::Page { put, first } => {
                full.then(|| Next::Put(put.clone(), (u64::from(*first) + u64::from(self.pages)).into()))
            }
            PageBy::Url { next } => {
                let next = self.render(next, scope)?;
                next.as_str().filter(|next| !next.is_empty()).map(|next| Next::Url(next.to_owned()))
            }
            PageBy::Link => response.headers["link"].as_str().and_then(encode::next_link).map(Next::Url),
        })
    }

    /// How many items are asked for at once. Pages are counted in their size, so that of one may not be another's.
    fn size(&self, by: &PageBy, max: u32) -> u64 {
        let wanted = if matches!(by, PageBy::Page { .. }) { self.wanted() } else { self.left() };
        wanted.min(u64::from(max))
    }

    /// How many items are wanted all together.
    fn wanted(&self) -> u64 {
        let asked = self.input.get(MAX_ITEMS_FIELD).and_then(Value::as_f64);
        asked.map_or(DEFAULT_ITEMS, |n| n as u64).clamp(1, MAX_ITEMS)
    }

    fn left(&self) -> u64 {
        self.wanted().saturating_sub(self.items.len() as u64)
    }

    fn refused(&self, rule: &ErrorRule, response: &Response, scope: &Value) -> Result<StepError, StepError> {
        let said = |template: &Option<Template>| {
            template.as_ref().map(|template| self.render(template, scope)).transpose()
        };
        let code = said(&rule.code)?.map(|code| text(&code)).filter(|code| !code.is_empty());
        let message = said(&rule.message)?.map(|message| text(&message)).filter(|text| !text.is_empty());
        let after = said(&rule.retry_after)?;
        let what = match (&code, &message) {
            (Some(code), Some(message)) if code != message => format!("{message} ({code})"),
            (_, Some(message)) => message.clone(),
            (Some(code), None) => code.clone(),
            (None, None) => format!("status {}", response.status),
        };
        let message = format!("{} refused: {what}", self.manifest.title);
        let retryable = rule.retryable.unwrap_or(is_passing(response.status));
        let stable = if rule.reconnect { "credentials_refused" } else { "app_error" };
        let mut error = if retryable && !rule.reconnect {
            StepError::passing(stable, message)
        } else {
            StepError::fatal(stable, message)
        };
        error.retry_after_ms = after
            .and_then(|after| after.as_f64().or_else(|| after.as_str()?.trim().parse().ok()))
            .filter(|seconds| *seconds >= 0.0)
            .map(|seconds| (seconds.min(86_400.0) * 1000.0) as u64);
        Ok(error.with_details(json!({"status": response.status, "app_code": code, "body": response.body})))
    }

    fn render(&self, template: &Template, scope: &Value) -> Result<Value, StepError> {
        render(template, scope, &self.seed)
    }
}

/// An answer was paid for, and nobody else computes here meanwhile: more work is allowed than an expression of a workflow may be.
const COST: u64 = 200_000_000;

fn render(template: &Template, scope: &Value, seed: &Seed) -> Result<Value, StepError> {
    let limits = Limits { max_in_place_cost: COST, max_output_bytes: MAX_OUTPUT_BYTES, ..Limits::default() };
    template.render_in_place(scope, seed, &limits).map_err(|failure| {
        let message =
            format!("the connector cannot read this: {} (`{}`)", failure.message, failure.expression);
        StepError::fatal("app_response_invalid", message)
    })
}

/// What signs a request, or says how whoever sends it does.
fn sign(
    auth: &Auth,
    credentials: &Map<String, Value>,
    connection: &Value,
    seed: &Seed,
) -> Result<Signed, StepError> {
    let scope = json!({"auth": credentials, "connection": connection});
    let path = auth.path.as_ref().map(|path| render(path, &scope, seed)).transpose()?;
    let region = auth.sigv4.as_ref().map(|sigv4| render(&sigv4.region, &scope, seed)).transpose()?;
    Ok(Signed {
        headers: object(render(&auth.headers, &scope, seed)?),
        query: object(render(&auth.query, &scope, seed)?),
        path: path.as_ref().map(text).unwrap_or_default(),
        signing: Signing::of(auth, &region.unwrap_or_default(), credentials)?,
    })
}

/// What a template gives, in this scope.
pub fn evaluate(template: &Template, scope: &Value, now_ms: i64) -> Result<Value, StepError> {
    render(template, scope, &Seed { now_ms, random: 0 })
}

/// `Basic` credentials (RFC 7617): what `auth.basic` is.
pub fn basic(username: &str, password: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(format!("{username}:{password}"))
}

/// An input's schema with the field that lists add to it.
pub fn with_max_items(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        let field = json!({"type": "integer", "title": "How many", "minimum": 1, "maximum": MAX_ITEMS,
            "default": DEFAULT_ITEMS, "description": "How many items to get at most; the pages of the app are put together."});
        properties.insert(MAX_ITEMS_FIELD.to_owned(), field);
    }
    schema
}

/// About how many bytes a value has as JSON, and never much fewer.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) => 5,
        Value::Number(_) => 8,
        Value::String(text) => text.len() + 2,
        Value::Array(items) => 2 + items.iter().map(|item| weight(item) + 1).sum::<usize>(),
        Value::Object(fields) => {
            2 + fields.iter().map(|(name, value)| name.len() + 4 + weight(value)).sum::<usize>()
        }
    }
}

/// Puts a value where `a.b` says, making the objects on the way.
fn put_at(body: &mut Value, place: &str, value: Value) {
    let mut at = body;
    for name in place.split('.') {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[name];
    }
    *at = value;
}

fn path(path: &str, input: &Value) -> Result<String, StepError> {
    let mut made = String::with_capacity(path.len());
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('{') {
        made.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        rest = after;
        let (name, parts) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
        let value = match &input[name] {
            Value::Array(items) if items.iter().any(|item| item.is_array() || item.is_object()) => {
                String::new()
            }
            Value::Null | Value::Object(_) => String::new(),
            value => encode::joined(value, Style::Comma),
        };
        // Such a segment would lead to another place than the path says.
        let leads_away = |segment: &str| segment == "." || segment == "..";
        if value.is_empty() || leads_away(&value) || (parts && value.split('/').any(leads_away)) {
            return Err(invalid(format!("`{name}` is needed for the address, and must be a name or number")));
        }
        if parts {
            made.push_str(&value.split('/').map(encode::segment).collect::<Vec<_>>().join("/"));
        } else {
            made.push_str(&encode::segment(&value));
        }
    }
    made.push_str(rest);
    Ok(made)
}

/// The media type of an answer, without parameters and in small letters.
fn media_type(response: &Response) -> String {
    let media = response.headers["content-type"].as_str().unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What an answer is, if it is a page for people, or JSON that was cut.
fn no_data(response: &Response) -> Option<&'static str> {
    let media = media_type(response);
    let text = response.body.as_str()?.trim_start();
    if media == "text/html" {
        return Some("a page for people");
    }
    ((media == "application/json" || media.ends_with("+json")) && text.starts_with(['{', '[']))
        .then_some("JSON that is cut or malformed")
}

fn plainly_refused(title: &str, response: &Response) -> StepError {
    let status = response.status;
    let message = format!("{title} refused: status {status}");
    let error = match status {
        401 => StepError::fatal("credentials_refused", format!("{title} refused the credentials (401)")),
        _ if is_passing(status) => StepError::passing("app_error", message),
        _ => StepError::fatal("app_error", message),
    };
    error.with_details(json!({"status": status, "body": response.body}))
}

fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500 | 502 | 503 | 504 | 529)
}

/// Headers have one name however it is written.
fn merge_headers(into: &mut Map<String, Value>, more: Map<String, Value>) {
    for (name, mut value) in more {
        // Cookies are one header for all, whoever sets them.
        if name.eq_ignore_ascii_case("cookie")
            && let Some((_, Value::String(known))) =
                into.iter().find(|(known, _)| known.eq_ignore_ascii_case(&name))
            && let Value::String(value) = &mut value
        {
            *value = format!("{known}; {value}");
        }
        into.retain(|known, _| !known.eq_ignore_ascii_case(&name));
        into.insert(name, value);
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        _ => Map::new(),
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn invalid(message: impl Into<String>) -> StepError {
    StepError::fatal("invalid_input", message)
}
