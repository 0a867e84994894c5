//! Where requests go: the document's servers as a base address, and what of it each connection says.

use crate::names;
use crate::references::{Import, Part};
use serde_json::{Map, Value, json};
use url::Url;

/// How many servers may be chosen from.
const MAX_SERVERS: usize = 20;

pub(crate) struct Servers {
    pub(crate) base_url: String,
    /// A JSON Schema of what connections say of the address.
    pub(crate) fields: Option<Value>,
    /// An address that it can be, by which others are completed.
    pub(crate) example: Url,
}

/// Reads where requests go; `chosen` is said by whoever imports.
pub(crate) fn read(import: &mut Import<'_>, chosen: Option<&str>) -> Option<Servers> {
    if let Some(chosen) = chosen {
        let Some(example) = absolute(chosen) else {
            let message = "`server` must be an address that begins with https:// or http://";
            import.fault("", "openapi_server", message);
            return None;
        };
        return Some(Servers { base_url: chosen.to_owned(), fields: None, example });
    }
    let servers: Vec<Part<'_>> =
        import.root().get("servers").iter().flat_map(Part::items).take(MAX_SERVERS).collect();
    let plain: Vec<&str> = servers
        .iter()
        .filter_map(|server| server.text("url"))
        .filter(|url| !url.contains(['{', '}']) && absolute(url).is_some())
        .collect();
    let first = servers.first();
    if let Some(first) = first
        && first.text("url").is_some_and(|url| url.contains('{'))
    {
        return with_variables(import, first);
    }
    let Some((&default, others)) = plain.split_first() else {
        let at = if first.is_some() { "/servers/0/url" } else { "/servers" };
        let message = "the document does not say at which address its app is; say so with `server`";
        import.fault(at, "openapi_server", message);
        return None;
    };
    let example = absolute(default)?;
    if others.is_empty() || default.contains(['\'', '\\']) {
        return Some(Servers { base_url: default.to_owned(), fields: None, example });
    }
    let fields = json!({"type": "object", "additionalProperties": false, "properties": {"server": {
        "type": "string", "title": "Server", "enum": plain, "default": default, "examples": [default]}}});
    let base_url = format!("{{{{ connection.server ? connection.server : '{default}' }}}}");
    Some(Servers { base_url, fields: Some(fields), example })
}

/// A server whose address has parts that each connection says.
fn with_variables(import: &mut Import<'_>, server: &Part<'_>) -> Option<Servers> {
    let url = server.text("url").unwrap_or_default();
    let at = format!("{}/url", server.at);
    let (mut base_url, mut example) = (String::new(), String::new());
    let (mut properties, mut required) = (Map::new(), Vec::new());
    let mut taken = names::Taken::default();
    let mut rest = url;
    while let Some((before, after)) = rest.split_once('{') {
        base_url.push_str(before);
        example.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            import.fault(&at, "openapi_server", "a `{` of the address has no `}`");
            return None;
        };
        rest = after;
        let variable = server.get("variables").and_then(|variables| variables.get(name));
        let Some(variable) = variable else {
            let message = format!(
                "the address has `{{{}}}`, which `variables` does not describe",
                names::cut(name, 100)
            );
            import.fault(&at, "openapi_server", message);
            return None;
        };
        let plain = |text: &&str| {
            !text.is_empty()
                && text.len() <= 200
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~:/".contains(c))
        };
        let default = variable.text("default").filter(plain);
        let choices: Vec<&str> = variable
            .get("enum")
            .iter()
            .flat_map(Part::items)
            .filter_map(|choice| choice.value.as_str())
            .filter(plain)
            .take(100)
            .collect();
        let field = taken.unique(&names::name(name, "server"), 64);
        let mut schema = Map::new();
        schema.insert("type".into(), "string".into());
        schema.insert("title".into(), names::title(name).into());
        crate::references::put_text(&mut schema, "description", variable.text("description"), 2000);
        if choices.is_empty() {
            // Nothing that would end the host's name where it stands.
            schema.insert("pattern".into(), "^[A-Za-z0-9._~:/-]+$".into());
        } else {
            schema.insert("enum".into(), choices.into());
        }
        if let Some(default) = default {
            schema.insert("default".into(), default.into());
            base_url.extend(["{{ connection.", &field, " ? connection.", &field, " : '", default, "' }}"]);
        } else {
            required.push(field.clone());
            base_url.extend(["{{ connection.", field.as_str(), " }}"]);
        }
        example.push_str(default.unwrap_or("x"));
        properties.insert(field, schema.into());
    }
    base_url.push_str(rest);
    example.push_str(rest);
    let Some(example) = absolute(&example) else {
        let message = "this is no whole address; say with `server` at which one the app is";
        import.fault(&at, "openapi_server", message);
        return None;
    };
    let mut fields = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty() {
        fields["required"] = required.into();
    }
    Some(Servers { base_url, fields: Some(fields), example })
}

/// The address of a server of one operation alone, if it is a whole one.
pub(crate) fn own(import: &mut Import<'_>, of: &Part<'_>) -> Option<String> {
    let server = of.get("servers")?.items().next()?;
    let url = server.text("url").unwrap_or_default();
    if !url.contains(['{', '}']) && absolute(url).is_some() {
        return Some(url.to_owned());
    }
    import.note(&server.at, "this server is no whole address; the connector's own is used");
    None
}

/// A whole address of a server, without what belongs to requests.
fn absolute(text: &str) -> Option<Url> {
    if text.len() > 2000 || text.contains("{{") {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let whole = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.query().is_none()
        && url.fragment().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    whole.then_some(url)
}
