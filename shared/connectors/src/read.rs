//! From a document to a [`Manifest`], with every fault at once.

use crate::manifest::{
    Action, Answer, Auth, AuthField, AuthKind, Body, ClientAuth, Encoding, ErrorRule, Grant, Hosts, Manifest,
    OAuth2, Options, PageBy, Pages, Parameter, Place, Put, Query, RateLimit, Request, SigV4, Style,
};
use crate::{completes, dynamic, schema, signing, trigger};
use domain::fault::{self, Fault};
use domain::read::{Reader, Walk};
use expr::{Template, Tier};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
const KINDS: [(&str, AuthKind); 6] = [
    ("none", AuthKind::None),
    ("bearer", AuthKind::Bearer),
    ("api_key", AuthKind::ApiKey),
    ("basic", AuthKind::Basic),
    ("oauth2", AuthKind::OAuth2),
    ("aws_sigv4", AuthKind::AwsSigV4),
];
const ENCODINGS: [(&str, Encoding); 4] = [
    ("json", Encoding::Json),
    ("form", Encoding::Form),
    ("multipart", Encoding::Multipart),
    ("text", Encoding::Text),
];
/// How what is sent beside templates is written: of the whole input, or of one field.
const BODIES: [(&str, Option<Encoding>); 5] = [
    ("json", Some(Encoding::Json)),
    ("form", Some(Encoding::Form)),
    ("none", None),
    ("multipart", Some(Encoding::Multipart)),
    ("text", Some(Encoding::Text)),
];
const PLACES: [(&str, Place); 3] =
    [("query", Place::Query), ("header", Place::Header), ("cookie", Place::Cookie)];
const STYLES: [(&str, Style); 6] = [
    ("repeat", Style::Repeat),
    ("comma", Style::Comma),
    ("space", Style::Space),
    ("pipe", Style::Pipe),
    ("brackets", Style::Brackets),
    ("json", Style::Json),
];
const ANSWERS: [(&str, Answer); 3] = [("xml", Answer::Xml), ("feed", Answer::Feed), ("file", Answer::File)];
const MAX_TEXT: usize = 10_000;

/// Reads a manifest. Only one without faults is given.
pub fn read(document: &Value) -> Result<Manifest, Vec<Fault>> {
    let mut walk = Walk::default();
    let manifest = manifest(&mut walk, document);
    let mut faults = walk.finish();
    if let Some(manifest) = &manifest {
        faults.extend(cross(manifest));
    }
    match manifest {
        Some(manifest) if faults.is_empty() => Ok(manifest),
        _ => Err(faults),
    }
}

fn manifest(walk: &mut Walk, document: &Value) -> Option<Manifest> {
    let mut r = Reader::open(walk, document, String::new())?;
    let name = r.text("name");
    if name.as_deref().is_some_and(|name| !is_name(name)) {
        let message = "`name` is small letters, digits and `_`, 64 at most; it begins with a letter";
        r.fault_at("name", "invalid_id", message);
    }
    let title = r.text("title");
    let version = r.integer("version", 1, 1_000_000).unwrap_or(1) as u32;
    let description = r.optional_text("description", MAX_TEXT).unwrap_or_default();
    let docs = r.optional_text("docs", 2000);
    let categories = texts(&mut r, "categories");
    r.required("base_url");
    let base_url = template(&mut r, "base_url", Scope::Connection);
    let fields = r.take("fields").cloned().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    let auth = list(&mut r, "auth", auth);
    let headers = template(&mut r, "headers", Scope::Connection);
    let test = r.optional_text("test", 64);
    let rate_limits = named(&mut r, "rate_limits", |r| {
        r.required("requests");
        r.required("per");
        let requests = r.integer("requests", 1, 1_000_000)?;
        let per = r.duration("per", Duration::from_secs(1), Duration::from_hours(24))?;
        Some(RateLimit { requests: requests as u32, per })
    });
    let idempotency_header = r.optional_text("idempotency_header", 100);
    let errors = list(&mut r, "errors", error_rule);
    let schemas = match r.take("schemas").cloned() {
        Some(Value::Object(schemas)) => schemas,
        None => Map::new(),
        Some(_) => {
            r.fault_at("schemas", "type_mismatch", "`schemas` must be an object of JSON Schemas");
            Map::new()
        }
    };
    r.required("actions");
    let actions = named(&mut r, "actions", action);
    let options = named(&mut r, "options", options);
    let dynamic_schemas = named(&mut r, "dynamic_schemas", dynamic::source);
    let triggers = named(&mut r, "triggers", trigger::read);
    r.close();
    Some(Manifest {
        name: name?,
        title: title?,
        version,
        description,
        docs,
        categories,
        base_url,
        fields,
        auth,
        headers,
        test,
        rate_limits,
        idempotency_header,
        errors,
        actions,
        options,
        dynamic_schemas,
        triggers,
        schemas,
        document: document.clone(),
    })
}

fn auth(r: &mut Reader<'_>) -> Option<Auth> {
    let id = r.id("id");
    r.required("type");
    let kind = r.choice("type", &KINDS.map(|(name, _)| name)).map(|i| KINDS[i].1);
    let title = r.text("title");
    let help = r.optional_text("help", MAX_TEXT);
    let own: Vec<AuthField> = list(r, "fields", |r| {
        let field = AuthField {
            name: r.id("name")?,
            title: r.optional_text("title", 200).unwrap_or_default(),
            secret: r.boolean("secret").unwrap_or(true),
            optional: r.boolean("optional").unwrap_or(false),
        };
        Some(field)
    });
    let header = r.optional_text("header", 100);
    let in_query = r.optional_text("query", 100);
    let prefix = r.optional_text("prefix", 100);
    let path = path_of(r);
    let kind = kind?;
    let oauth2 = (kind == AuthKind::OAuth2).then(|| oauth2(r));
    let sigv4 = (kind == AuthKind::AwsSigV4).then(|| sigv4(r));
    let asked = |names: &[(&str, &str, bool)]| {
        let made = names.iter().map(|(name, title, secret)| AuthField {
            name: (*name).to_owned(),
            title: (*title).to_owned(),
            secret: *secret,
            optional: *name == signing::SESSION_TOKEN,
        });
        made.collect::<Vec<_>>()
    };
    let (default, shown, prefix) = match kind {
        AuthKind::None => (Vec::new(), None, String::new()),
        AuthKind::Bearer => {
            (asked(&[("token", "Token", true)]), Some("token"), prefix.unwrap_or_else(|| "Bearer ".into()))
        }
        AuthKind::ApiKey => (asked(&[("key", "API key", true)]), Some("key"), prefix.unwrap_or_default()),
        AuthKind::OAuth2 if oauth2.as_ref().is_some_and(|of| of.grant == Grant::ClientCredentials) => (
            asked(&[("client_id", "Client ID", false), ("client_secret", "Client secret", true)]),
            Some("access_token"),
            prefix.unwrap_or_else(|| "Bearer ".into()),
        ),
        AuthKind::OAuth2 if oauth2.as_ref().is_some_and(|of| of.grant == Grant::ServiceAccount) => (
            asked(&[("key_file", "Key file (JSON)", true)]),
            Some("access_token"),
            prefix.unwrap_or_else(|| "Bearer ".into()),
        ),
        AuthKind::OAuth2 => (Vec::new(), Some("access_token"), prefix.unwrap_or_else(|| "Bearer ".into())),
        AuthKind::Basic => (
            asked(&[("username", "User name", false), ("password", "Password", true)]),
            Some("basic"),
            prefix.unwrap_or_else(|| "Basic ".into()),
        ),
        AuthKind::AwsSigV4 => (asked(&signing::FIELDS), None, String::new()),
    };
    let fields = if own.is_empty() { default } else { own };
    let mut headers = Map::new();
    let mut query = Map::new();
    // A secret in the path is in no header, unless that is said.
    let shown = shown.filter(|_| path.is_none() || header.is_some() || in_query.is_some());
    if let Some(shown) = shown {
        // A key of another name is meant where the connector names its fields itself.
        let shown = match kind {
            AuthKind::Bearer | AuthKind::ApiKey if !fields.iter().any(|field| field.name == shown) => {
                fields.first().map_or(shown, |field| &field.name)
            }
            _ => shown,
        };
        let value = format!("{prefix}{{{{ auth.{shown} }}}}");
        match in_query {
            Some(name) => query.insert(name, value.into()),
            None => headers.insert(header.unwrap_or_else(|| "authorization".to_owned()), value.into()),
        };
    }
    let mut extra = |field: &'static str, into: &mut Map<String, Value>| match r.take(field).cloned() {
        Some(Value::Object(more)) => into.extend(more),
        Some(_) => r.fault_at(field, "type_mismatch", format!("`{field}` must be an object of texts")),
        None => {}
    };
    extra("more_headers", &mut headers);
    extra("more_query", &mut query);
    let headers = of(r, "more_headers", &Value::Object(headers), Scope::Auth);
    let query = of(r, "more_query", &Value::Object(query), Scope::Auth);
    Some(Auth { id: id?, title: title?, help, kind, fields, headers, query, path, oauth2, sigv4 })
}

/// Where a secret stands in the path.
fn path_of(r: &mut Reader<'_>) -> Option<Template> {
    let given = r.take("path")?.as_str().is_some_and(|path| path.starts_with('/'));
    if !given {
        r.fault_at("path", "invalid_path", "`path` begins with `/`; `base_url` says where");
    }
    Some(template(r, "path", Scope::Auth))
}

fn sigv4(r: &mut Reader<'_>) -> SigV4 {
    let service = r.text("service").unwrap_or_default();
    let region = match r.take("region") {
        Some(_) => template(r, "region", Scope::Connection),
        None => of(r, "region", &json!("{{ connection.region }}"), Scope::Connection),
    };
    SigV4 { service, region }
}

fn oauth2(r: &mut Reader<'_>) -> OAuth2 {
    let grants = [
        ("authorization_code", Grant::AuthorizationCode),
        ("client_credentials", Grant::ClientCredentials),
        ("service_account", Grant::ServiceAccount),
    ];
    let grant = r.choice("grant", &grants.map(|(name, _)| name)).map_or(grants[0].1, |i| grants[i].1);
    if grant == Grant::AuthorizationCode {
        r.required("authorize_url");
    }
    r.required("token_url");
    let authorize_query = match r.take("authorize_query").cloned() {
        Some(Value::Object(query)) => query,
        None => Map::new(),
        Some(_) => {
            r.fault_at("authorize_query", "type_mismatch", "`authorize_query` must be an object of texts");
            Map::new()
        }
    };
    let kept = match r.take("keep") {
        Some(Value::Object(keep)) => keep.keys().cloned().collect(),
        _ => Vec::new(),
    };
    let mut hosts = Vec::new();
    let mut asks_at = None;
    for field in ["authorize_url", "token_url", "refresh_url"] {
        let Some(url) = r.take(field).and_then(Value::as_str).map(str::to_owned) else { continue };
        match Hosts::of(&url) {
            Some(of) if field == "authorize_url" => asks_at = Some(of),
            Some(of) => hosts.push(of),
            None if grant == Grant::AuthorizationCode => r.fault_at(
                field,
                "host_open",
                format!(
                    "`{field}` must be an https address whose host ends in names of the app's own, such as `https://{{{{ connection.name }}}}.example.com/token`: people go there, or secrets"
                ),
            ),
            None => {}
        }
    }
    OAuth2 {
        grant,
        kept,
        hosts,
        asks_at,
        authorize_url: template(r, "authorize_url", Scope::Connection),
        token_url: template(r, "token_url", Scope::Connection),
        refresh_url: r.take("refresh_url").is_some().then(|| template(r, "refresh_url", Scope::Connection)),
        scopes: texts(r, "scopes"),
        scope_separator: r.optional_text("scope_separator", 2).unwrap_or_else(|| " ".to_owned()),
        pkce: r.boolean("pkce").unwrap_or(true),
        client_auth: match r.choice("client_auth", &["body", "basic"]) {
            Some(1) => ClientAuth::Basic,
            _ => ClientAuth::Body,
        },
        token_encoding: match r.choice("token_encoding", &["form", "json"]) {
            Some(1) => Encoding::Json,
            _ => Encoding::Form,
        },
        authorize_query,
        keep: template(r, "keep", Scope::Token),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it reads one of a list, as others do")]
fn error_rule(r: &mut Reader<'_>) -> Option<ErrorRule> {
    r.required("when");
    let when = template(r, "when", Scope::Response);
    let mut optional =
        |field: &'static str| r.take(field).is_some().then(|| template(r, field, Scope::Response));
    let (code, message, retry_after) = (optional("code"), optional("message"), optional("retry_after"));
    let retryable = r.boolean("retryable");
    let reconnect = r.boolean("reconnect").unwrap_or(false);
    Some(ErrorRule { when, code, message, retryable, reconnect, retry_after })
}

fn action(r: &mut Reader<'_>) -> Option<Action> {
    let title = r.text("title");
    let description = r.optional_text("description", MAX_TEXT).unwrap_or_default();
    let docs = r.optional_text("docs", 2000);
    let input = r.take("input").cloned().unwrap_or_else(|| json!({"type": "object", "properties": {}}));
    let output = r.take("output").cloned().unwrap_or_else(|| json!({}));
    r.required("request");
    let request = r.nested("request", request).flatten();
    let response = match r.take("response") {
        Some(_) => template(r, "response", Scope::Response),
        None => of(r, "response", &json!("{{ response.body }}"), Scope::Response),
    };
    let errors = list(r, "errors", error_rule);
    let pages = r.nested("pages", pages).flatten();
    let idempotent = r.boolean("idempotent");
    let rate_limit = r.optional_text("rate_limit", 64);
    let options = named(r, "options", options);
    let dynamic = dynamic::dynamic(r);
    let completes = r.nested("completes", completes::read).flatten();
    Some(Action {
        title: title?,
        description,
        docs,
        input,
        output,
        request: request?,
        response,
        errors,
        pages,
        idempotent,
        rate_limit,
        options,
        dynamic,
        completes,
    })
}

/// Where the choices of a field come from.
fn options(r: &mut Reader<'_>) -> Option<Options> {
    for field in ["action", "value"] {
        r.required(field);
    }
    let items = match r.take("items") {
        Some(_) => template(r, "items", Scope::Output),
        None => of(r, "items", &json!("{{ output.items }}"), Scope::Output),
    };
    let value = template(r, "value", Scope::Item);
    let label = match r.take("label") {
        Some(_) => template(r, "label", Scope::Item),
        None => template(r, "value", Scope::Item),
    };
    let action = r.text("action");
    Some(Options { action: action?, input: template(r, "input", Scope::Filled), items, value, label })
}

fn request(r: &mut Reader<'_>) -> Option<Request> {
    r.required("method");
    let method = r.choice("method", &METHODS).map(|i| METHODS[i].to_owned());
    let path = r.text("path");
    if path.as_deref().is_some_and(|path| !path.is_empty() && !path.starts_with('/')) {
        r.fault_at("path", "invalid_path", "`path` begins with `/`; `base_url` says where");
    }
    let base_url = r.take("base_url").is_some().then(|| template(r, "base_url", Scope::Input));
    let headers = template(r, "headers", Scope::Input);
    let query = match r.take("query").cloned() {
        None => Query::Fields(Vec::new()),
        Some(Value::Array(_)) => Query::Fields(texts(r, "query")),
        Some(_) => Query::Template(template(r, "query", Scope::Input)),
    };
    let parameters = list(r, "parameters", parameter);
    let styles = styles(r);
    let encoding = r.choice("encoding", &BODIES.map(|(name, _)| name)).map(|i| BODIES[i].1);
    let field = r.optional_text("body", 200);
    let given: Vec<&'static str> =
        ENCODINGS.iter().map(|(name, _)| *name).filter(|name| r.take(name).is_some()).collect();
    if given.len() + usize::from(field.is_some()) > 1 {
        r.fault("body_twice", "give one of `json`, `form`, `multipart`, `text` and `body`");
    }
    let sends = method.as_deref().is_some_and(|method| matches!(method, "POST" | "PUT" | "PATCH"));
    let body = match given.first() {
        Some(&name) => {
            let encoding = ENCODINGS.iter().find(|(n, _)| *n == name).map_or(Encoding::Json, |(_, e)| *e);
            Body::Template(encoding, template(r, name, Scope::Input))
        }
        None => match (field, encoding) {
            (Some(field), encoding) => Body::Field(encoding.flatten().unwrap_or(Encoding::Json), field),
            (None, Some(Some(encoding))) => Body::Rest(encoding),
            (None, None) if sends => Body::Rest(Encoding::Json),
            (None, Some(None) | None) => Body::None,
        },
    };
    let answer =
        r.choice("answer", &ANSWERS.map(|(name, _)| name)).map_or(Answer::AsItSays, |i| ANSWERS[i].1);
    Some(Request { method: method?, path: path?, base_url, query, headers, parameters, body, styles, answer })
}

fn parameter(r: &mut Reader<'_>) -> Option<Parameter> {
    let field = r.text("field");
    r.required("in");
    let place = r.choice("in", &PLACES.map(|(name, _)| name)).map(|i| PLACES[i].1)?;
    let name = r.optional_text("name", 200).or_else(|| field.clone());
    let usual = if place == Place::Query { Style::Repeat } else { Style::Comma };
    let style = r.choice("style", &STYLES.map(|(name, _)| name)).map_or(usual, |i| STYLES[i].1);
    Some(Parameter { field: field?, place, name: name?, style })
}

/// How fields of a form are written, by their names.
fn styles(r: &mut Reader<'_>) -> BTreeMap<String, Style> {
    let Some(value) = r.take("styles").cloned() else { return BTreeMap::new() };
    let style =
        |value: &Value| STYLES.iter().find(|(name, _)| value.as_str() == Some(name)).map(|(_, style)| *style);
    let read = value.as_object().and_then(|styles| {
        styles.iter().map(|(name, value)| Some((name.clone(), style(value)?))).collect::<Option<_>>()
    });
    read.unwrap_or_else(|| {
        let names = STYLES.map(|(name, _)| format!("`{name}`")).join(", ");
        r.fault_at("styles", "type_mismatch", format!("`styles` says for names of fields one of {names}"));
        BTreeMap::new()
    })
}

fn pages(r: &mut Reader<'_>) -> Option<Pages> {
    r.required("items");
    let items = template(r, "items", Scope::Response);
    let next = r.take("next").is_some().then(|| template(r, "next", Scope::Response));
    r.required("by");
    let by = r.choice("by", &["cursor", "offset", "page", "url", "link"]);
    let put = put(r, "query", "body");
    let first = r.integer("first", 0, 1).unwrap_or(1) as u32;
    let size = r
        .nested("size", |r| {
            r.required("max");
            let put = self::put(r, "query", "body");
            let max = r.integer("max", 1, 10_000);
            Some((put?, max? as u32))
        })
        .flatten();
    let mut missing = |field: &str| {
        r.fault("missing_field", &format!("`{field}` is missing: this kind of pages needs it"));
    };
    let by = match by? {
        0 | 3 if next.is_none() => {
            missing("next");
            return None;
        }
        0..=2 if put.is_none() => {
            missing("query");
            return None;
        }
        0 => PageBy::Cursor { next: next?, put: put? },
        1 => PageBy::Offset { put: put? },
        2 => PageBy::Page { put: put?, first },
        3 => PageBy::Url { next: next? },
        _ => PageBy::Link,
    };
    Some(Pages { items, by, size })
}

fn put(r: &mut Reader<'_>, query: &'static str, body: &'static str) -> Option<Put> {
    let in_query = r.optional_text(query, 100).map(Put::Query);
    let in_body = r.optional_text(body, 100).map(Put::Body);
    in_query.or(in_body)
}

/// What a template may read.
#[derive(Clone, Copy)]
pub(crate) enum Scope {
    Connection,
    Auth,
    Input,
    Response,
    Token,
    Filled,
    Output,
    Item,
    Poll,
    /// What asks an app to tell.
    Subscribe,
    /// What asks it to go on, or to stop.
    Subscribed,
    /// What it tells.
    Delivery,
    /// What an action gave, beside what it was given.
    Answered,
    Columns,
    Column,
    /// How far that is.
    Status,
}

pub(crate) fn template(r: &mut Reader<'_>, field: &'static str, scope: Scope) -> Template {
    let value = r.take(field).cloned().unwrap_or_else(|| json!({}));
    of(r, field, &value, scope)
}

pub(crate) fn of(r: &mut Reader<'_>, field: &'static str, value: &Value, scope: Scope) -> Template {
    let at = fault::join(r.pointer(), field);
    parse(r.walk(), &at, value, scope)
}

/// A template that can be computed where it stands: manifests have no guarded process to themselves.
pub(crate) fn parse(walk: &mut Walk, at: &str, value: &Value, scope: Scope) -> Template {
    let allowed: &[&str] = match scope {
        Scope::Connection => &["connection"],
        Scope::Auth => &["auth", "connection"],
        Scope::Input => &["input", "connection"],
        Scope::Token => &["token"],
        Scope::Filled => &["input"],
        Scope::Output => &["output"],
        Scope::Item => &["item"],
        Scope::Poll => &["input", "cursor"],
        Scope::Subscribe => &["input", "hook"],
        Scope::Subscribed => &["input", "hook", "kept"],
        Scope::Delivery => &["trigger"],
        Scope::Columns => &["input", "output", "table"],
        Scope::Column => &["input", "item", "key"],
        Scope::Answered => &["input", "output"],
        Scope::Status => &["status", "output"],
        Scope::Response => &["input", "response", "connection"],
    };
    match Template::parse(value) {
        Ok(template) => {
            if template.tier() == Tier::Guarded {
                let message = "this expression has no bound that is known before; use a simpler one";
                walk.fault(at, "expression_too_complex", message);
            }
            for (_, expression) in template.expressions() {
                for read in expression.reads() {
                    if let Some(first) = read.first()
                        && !allowed.contains(first)
                    {
                        let names = allowed.iter().map(|n| format!("`{n}`")).collect::<Vec<_>>().join(", ");
                        let message = format!("`{first}` cannot be read here; there are {names}");
                        walk.fault(at, "unknown_reference", message);
                    }
                }
            }
            template
        }
        Err(found) => {
            for one in found {
                walk.fault(&format!("{at}{}", one.pointer), one.code, one.message);
            }
            Template::parse(&Value::Null).expect("null holds no expression")
        }
    }
}

pub(crate) fn texts(r: &mut Reader<'_>, field: &'static str) -> Vec<String> {
    let Some(value) = r.take(field).cloned() else { return Vec::new() };
    let texts = value.as_array().and_then(|items| {
        items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<Vec<_>>>()
    });
    texts.unwrap_or_else(|| {
        r.fault_at(field, "type_mismatch", format!("`{field}` must be a list of texts"));
        Vec::new()
    })
}

/// The members of a list, each an object.
fn list<T>(r: &mut Reader<'_>, field: &'static str, read: impl Fn(&mut Reader<'_>) -> Option<T>) -> Vec<T> {
    let Some(value) = r.take(field).cloned() else { return Vec::new() };
    let at = fault::join(r.pointer(), field);
    let Value::Array(items) = value else {
        r.fault_at(field, "type_mismatch", format!("`{field}` must be a list"));
        return Vec::new();
    };
    let one = |(i, item): (usize, &Value)| {
        let mut inner = Reader::open(r.walk(), item, format!("{at}/{i}"))?;
        let read = read(&mut inner);
        inner.close();
        read
    };
    items.iter().enumerate().filter_map(one).collect()
}

/// The members of an object whose names are the writer's.
fn named<T>(
    r: &mut Reader<'_>,
    field: &'static str,
    read: impl Fn(&mut Reader<'_>) -> Option<T>,
) -> BTreeMap<String, T> {
    let Some(value) = r.take(field).cloned() else { return BTreeMap::new() };
    let at = fault::join(r.pointer(), field);
    let Value::Object(members) = value else {
        r.fault_at(field, "type_mismatch", format!("`{field}` must be an object"));
        return BTreeMap::new();
    };
    let mut found = BTreeMap::new();
    for (name, member) in &members {
        let at = fault::join(&at, name);
        if !is_name(name) {
            let message = format!("`{name}`: a name is small letters, digits and `_`, 64 at most");
            r.walk().fault(&at, "invalid_id", message);
        }
        let Some(mut inner) = Reader::open(r.walk(), member, at) else { continue };
        let read = read(&mut inner);
        inner.close();
        found.extend(read.map(|read| (name.clone(), read)));
    }
    found
}

/// What can be said only once all is read.
fn cross(manifest: &Manifest) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(test) = &manifest.test
        && !manifest.actions.contains_key(test)
    {
        faults.push(Fault::new("/test", "action_unknown", format!("there is no action `{test}`")));
    }
    let mut ids: Vec<&str> = Vec::new();
    for (i, auth) in manifest.auth.iter().enumerate() {
        if ids.contains(&auth.id.as_str()) {
            let message = format!("two ways to sign in are called `{}`", auth.id);
            faults.push(Fault::new(format!("/auth/{i}/id"), "duplicate_id", message));
        }
        ids.push(&auth.id);
    }
    schema::well_formed(&manifest.fields, "/fields", &manifest.schemas, &mut faults);
    for (field, options) in &manifest.options {
        faults.extend(harmless(manifest, &options.action, &fault::join("/options", field)));
    }
    for (name, schema) in &manifest.schemas {
        schema::well_formed(schema, &fault::join("/schemas", name), &manifest.schemas, &mut faults);
    }
    faults.extend(trigger::cross(manifest));
    faults.extend(dynamic::cross(manifest));
    for (name, action) in &manifest.actions {
        let at = fault::join("/actions", name);
        schema::well_formed(&action.input, &format!("{at}/input"), &manifest.schemas, &mut faults);
        schema::well_formed(&action.output, &format!("{at}/output"), &manifest.schemas, &mut faults);
        let known = schema::properties(&action.input, &manifest.schemas);
        for (field, options) in &action.options {
            let at = fault::join(&format!("{at}/options"), field);
            if !known.contains(field) {
                let message = format!("`{field}` is not a field of the action's input");
                faults.push(Fault::new(&at, "unknown_reference", message));
            }
            faults.extend(harmless(manifest, &options.action, &at));
        }
        if let Some(completes) = &action.completes {
            faults.extend(completes::cross(manifest, completes, &format!("{at}/completes")));
        }
        if let Some(limit) = &action.rate_limit
            && !manifest.rate_limits.contains_key(limit)
        {
            let message = format!("there is no rate limit `{limit}`");
            faults.push(Fault::new(format!("{at}/rate_limit"), "unknown_reference", message));
        }
        let reads_input = |base: &Template| {
            base.expressions().any(|(_, of)| of.reads().iter().any(|read| read.first() == Some(&"input")))
        };
        if action.request.base_url.as_ref().is_some_and(reads_input)
            && manifest.auth.iter().any(|auth| auth.kind != AuthKind::None)
        {
            let message = "credentials would be sent wherever the input says: `base_url` reads `input` only where nobody signs in";
            faults.push(Fault::new(format!("{at}/request/base_url"), "host_open", message));
        }
        let mut asked: Vec<(String, &str)> =
            placeholders(&action.request.path).map(|name| (format!("{at}/request/path"), name)).collect();
        if let Query::Fields(fields) = &action.request.query {
            asked.extend(fields.iter().map(|name| (format!("{at}/request/query"), name.as_str())));
        }
        let parameters = action.request.parameters.iter().enumerate();
        asked.extend(
            parameters.map(|(i, parameter)| {
                (format!("{at}/request/parameters/{i}/field"), parameter.field.as_str())
            }),
        );
        if let Body::Field(_, field) = &action.request.body {
            asked.push((format!("{at}/request/body"), field));
        }
        for (pointer, name) in asked {
            if !known.iter().any(|known| known == name) {
                let message = format!("the input has no field `{name}`");
                faults.push(Fault::new(pointer, "unknown_reference", message));
            }
        }
    }
    faults
}

/// Choices and columns are asked for whenever somebody fills in a form.
pub(crate) fn harmless(manifest: &Manifest, action: &str, at: &str) -> Option<Fault> {
    let listing = manifest.actions.get(action);
    let harmless = listing.is_some_and(Action::changes_nothing);
    let message = "`action` must be an action of this connector that changes nothing";
    (!harmless).then(|| Fault::new(format!("{at}/action"), "action_unknown", message))
}

/// The names between braces.
pub(crate) fn placeholders(path: &str) -> impl Iterator<Item = &str> {
    let between = path.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    between.map(|(name, _)| name.strip_suffix('+').unwrap_or(name))
}

fn is_name(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
