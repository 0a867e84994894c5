//! How to sign in: the document's security schemes as ways that a connection may choose from.

use crate::names;
use crate::references::{Import, Part};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use url::Url;

/// How many ways there may be.
const MAX_WAYS: usize = 20;
/// How many scopes are asked for that no operation names.
const MAX_UNNAMED_SCOPES: usize = 20;

/// The ways to sign in, in the order in which the document asks for them.
pub(crate) fn read(import: &mut Import<'_>, base: Option<&Url>) -> Vec<Value> {
    let root = import.root();
    let schemes = root.get("components").and_then(|components| components.get("securitySchemes"));
    let mut asked = Asked::default();
    asked.add(&root);
    for (_, path) in root.get("paths").iter().flat_map(Part::members) {
        for (_, operation) in path.members().filter(|(_, operation)| operation.value.is_object()) {
            asked.add(&operation);
        }
    }
    if asked.ways.is_empty() {
        asked.ways.extend(schemes.iter().flat_map(Part::members).map(|(name, _)| vec![name.to_owned()]));
    }
    let mut ways = Vec::new();
    let mut taken = names::Taken::default();
    for names in asked.ways.iter().take(MAX_WAYS) {
        let mut parts = Vec::new();
        for name in names {
            let scheme = schemes.as_ref().and_then(|schemes| schemes.get(name));
            let Some(scheme) = scheme else {
                let message =
                    format!("`security` names `{}`, which is no scheme here", names::cut(name, 100));
                import.fault("/components/securitySchemes", "openapi_reference", message);
                continue;
            };
            parts.extend(import.follow(scheme).map(|scheme| (name.as_str(), scheme)));
        }
        match parts.as_slice() {
            [] => {}
            [(name, scheme)] => ways.extend(one(import, name, scheme, base, &asked.scopes, &mut taken)),
            several => ways.extend(together(import, several, &mut taken)),
        }
    }
    if ways.is_empty() {
        ways.push(json!({"id": "none", "type": "none", "title": "Without signing in"}));
    }
    ways
}

/// What operations ask for.
#[derive(Default)]
struct Asked {
    /// Names of schemes that are needed together.
    ways: Vec<Vec<String>>,
    scopes: BTreeSet<String>,
}

impl Asked {
    fn add(&mut self, of: &Part<'_>) {
        for requirement in of.get("security").iter().flat_map(Part::items) {
            let mut names = Vec::new();
            for (name, scopes) in requirement.members().take(10) {
                names.push(name.to_owned());
                self.scopes
                    .extend(scopes.items().filter_map(|scope| scope.value.as_str().map(str::to_owned)));
            }
            names.sort();
            if !names.is_empty() && self.ways.len() < 100 && !self.ways.contains(&names) {
                self.ways.push(names);
            }
        }
    }
}

fn one(
    import: &mut Import<'_>,
    name: &str,
    scheme: &Part<'_>,
    base: Option<&Url>,
    scopes: &BTreeSet<String>,
    taken: &mut names::Taken,
) -> Vec<Value> {
    let mut way = Map::new();
    let kind = scheme.text("type").unwrap_or_default();
    let title = match kind {
        "apiKey" => "API key",
        "oauth2" => "Sign in with OAuth 2",
        _ => "Access token",
    };
    way.insert("id".into(), names::name(name, "auth").into());
    way.insert("type".into(), Value::Null);
    way.insert("title".into(), title.into());
    crate::references::put_text(&mut way, "help", scheme.text("description"), 10_000);
    match (kind, scheme.text("scheme").map(str::to_ascii_lowercase).as_deref()) {
        ("apiKey", _) => {
            let Some((place, name, prefix)) = key(import, scheme) else { return Vec::new() };
            way.insert("type".into(), "api_key".into());
            way.insert(place.into(), name.into());
            way.extend(prefix.map(|prefix| ("prefix".to_owned(), prefix.into())));
        }
        ("http", Some("bearer")) => {
            way.insert("type".into(), "bearer".into());
        }
        ("http", Some("basic")) => {
            way.insert("type".into(), "basic".into());
            way.insert("title".into(), "User name and password".into());
        }
        ("oauth2", _) => {
            let ways = oauth2(import, &way, scheme, base, scopes);
            return ways.into_iter().map(|way| identified(way, taken)).collect();
        }
        _ => {
            import.note(&scheme.at, "connections cannot sign in by this scheme; it is left out");
            return Vec::new();
        }
    }
    vec![identified(way, taken)]
}

fn identified(mut way: Map<String, Value>, taken: &mut names::Taken) -> Value {
    let id = way.get("id").and_then(Value::as_str).unwrap_or("auth").to_owned();
    way.insert("id".into(), taken.unique(&id, 64).into());
    Value::Object(way)
}

/// Where a key is put: the field of the manifest, the name there, and what stands before the key.
fn key<'s>(import: &mut Import<'_>, scheme: &Part<'s>) -> Option<(&'static str, &'s str, Option<String>)> {
    let name = scheme
        .text("name")
        .filter(|name| !name.is_empty() && name.len() <= 100 && !name.contains(['{', '}']));
    let token = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&'*+-.^_`|~".contains(c));
    match (scheme.text("in"), name) {
        (Some("query"), Some(name)) => Some(("query", name, None)),
        (Some("header"), Some(name)) if token(&name) => Some(("header", name, None)),
        (Some("cookie"), Some(name)) if token(&name) => Some(("header", "cookie", Some(format!("{name}=")))),
        _ => {
            let message = "a key has a `name`, and is `in` a `query`, a `header` or a `cookie`";
            import.fault(&scheme.at, "type_mismatch", message);
            None
        }
    }
}

/// A way for each flow that connections can take.
fn oauth2(
    import: &mut Import<'_>,
    way: &Map<String, Value>,
    scheme: &Part<'_>,
    base: Option<&Url>,
    named: &BTreeSet<String>,
) -> Vec<Map<String, Value>> {
    let mut ways = Vec::new();
    for (name, flow) in scheme.get("flows").iter().flat_map(Part::members).take(10) {
        let grant = match name {
            "authorizationCode" => "authorization_code",
            "clientCredentials" => "client_credentials",
            _ => {
                import.note(&flow.at, "this flow is not for connections; it is left out");
                continue;
            }
        };
        let mut way = way.clone();
        way.insert("type".into(), "oauth2".into());
        way.insert("grant".into(), grant.into());
        if grant == "client_credentials" {
            way.insert("title".into(), "Sign in as an app".into());
        }
        let mut whole = true;
        for (from, to, needed) in [
            ("authorizationUrl", "authorize_url", grant == "authorization_code"),
            ("tokenUrl", "token_url", true),
        ] {
            if !needed {
                continue;
            }
            let address = flow.text(from).filter(|url| url.len() <= 2000 && !url.contains("{{"));
            let address = address.and_then(|url| match base {
                Some(base) => base.join(url).ok(),
                None => Url::parse(url).ok(),
            });
            // They get secrets.
            if let Some(address) = address.filter(|url| url.scheme() == "https") {
                way.insert(to.into(), address.as_str().into());
            } else {
                import.note(&flow.at, format!("`{from}` is no https address; this flow is left out"));
                whole = false;
            }
        }
        if !whole {
            continue;
        }
        let known: Vec<&str> =
            flow.get("scopes").iter().flat_map(Part::members).map(|(name, _)| name).collect();
        let mut scopes: Vec<&str> = known.iter().filter(|scope| named.contains(**scope)).copied().collect();
        if scopes.is_empty() && known.len() <= MAX_UNNAMED_SCOPES {
            scopes = known;
        }
        scopes.truncate(200);
        way.insert("scopes".into(), scopes.into());
        ways.push(way);
    }
    ways
}

/// Several keys that are needed in one request.
fn together(import: &mut Import<'_>, parts: &[(&str, Part<'_>)], taken: &mut names::Taken) -> Option<Value> {
    let mut ids = names::Taken::default();
    let (mut fields, mut headers, mut query, mut names_of) = (Vec::new(), Map::new(), Map::new(), Vec::new());
    for (name, scheme) in parts {
        let field = ids.unique(&names::name(name, "key"), 64);
        let value = format!("{{{{ auth.{field} }}}}");
        let bearer = scheme.text("type") == Some("http")
            && scheme.text("scheme").is_some_and(|scheme| scheme.eq_ignore_ascii_case("bearer"));
        if bearer {
            headers.insert("authorization".into(), format!("Bearer {value}").into());
        } else if scheme.text("type") == Some("apiKey") {
            let (place, header, prefix) = key(import, scheme)?;
            let value = format!("{}{value}", prefix.unwrap_or_default());
            if place == "query" { &mut query } else { &mut headers }.insert(header.to_owned(), value.into());
        } else {
            import.note(
                &scheme.at,
                "this scheme is asked for together with others, which connections cannot do",
            );
            return None;
        }
        fields.push(json!({"name": field, "title": names::title(name), "secret": true}));
        names_of.push(*name);
    }
    let id = taken.unique(&names::name(&names_of.join("_"), "auth"), 64);
    let mut way = json!({"id": id, "type": "api_key", "title": "API keys", "fields": fields,
        "more_headers": headers, "more_query": query});
    // A way has one place for a key by itself; what goes there is one of these.
    let first = |of: &Map<String, Value>| of.keys().next().cloned();
    match (first(&headers), first(&query)) {
        (Some(name), _) => way["header"] = name.into(),
        (None, Some(name)) => way["query"] = name.into(),
        (None, None) => return None,
    }
    Some(way)
}
