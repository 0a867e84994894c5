//! Feeds of RSS 2.0 and before it, RSS 1.0 and Atom, read into one form.

use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::{Map, Value, json};

/// Feeds have days of the week that are not the date's.
const DATES: DateTimeParser = DateTimeParser::new().relaxed_weekday(true);

/// `{title, link, items}` of a document as [`crate::xml::read`] gives it; `None` where it is no feed.
pub(crate) fn read(document: &Value) -> Option<Value> {
    let fields = document.as_object()?;
    let (name, root) = fields.iter().next()?;
    match name.rsplit(':').next()? {
        "rss" => {
            let channel = first(&root["channel"]);
            Some(made(channel, all(&channel["item"]).map(of_rss)))
        }
        "RDF" => {
            let channel = first(child(root, "channel"));
            Some(made(channel, all(child(root, "item")).map(of_rss)))
        }
        "feed" => {
            let entries = all(child(root, "entry")).map(of_atom);
            let mut feed = made(root, entries);
            set(&mut feed, "link", link(root, "alternate"));
            Some(feed)
        }
        _ => None,
    }
}

fn made(channel: &Value, items: impl Iterator<Item = Value>) -> Value {
    let mut feed = json!({});
    set(&mut feed, "title", text(child(channel, "title")));
    set(&mut feed, "link", text(child(channel, "link")));
    feed["items"] = items.collect();
    feed
}

fn of_rss(item: &Value) -> Value {
    let guid = text(child(item, "guid"));
    let about = item["@rdf:about"].as_str().map(str::to_owned);
    let title = text(child(item, "title"));
    let summary = text(child(item, "description"));
    let date = text(child(item, "pubDate"));
    // A guid is an address unless it says that it is none.
    let permanent = guid.clone().filter(|_| first(child(item, "guid"))["@isPermaLink"] != "false");
    let link = text(child(item, "link"));
    let own = guid.or(about.clone()).or_else(|| link.clone());
    let id = own.or_else(|| digest([&title, &date, &summary]));
    let published = date.map(|date| iso(&date).unwrap_or(date)).or_else(|| text(&item["dc:date"]));
    let mut made = json!({});
    set(&mut made, "id", id);
    set(&mut made, "title", title);
    set(&mut made, "link", link.or(permanent).or(about));
    set(&mut made, "published", published);
    set(&mut made, "summary", summary);
    set(&mut made, "content", text(&item["content:encoded"]));
    set(&mut made, "author", text(child(item, "author")).or_else(|| text(&item["dc:creator"])));
    set(&mut made, "file", first(child(item, "enclosure"))["@url"].as_str().map(str::to_owned));
    made
}

fn of_atom(entry: &Value) -> Value {
    let title = text(child(entry, "title"));
    let summary = text(child(entry, "summary"));
    let published = text(child(entry, "published")).or_else(|| text(child(entry, "updated")));
    let link = link(entry, "alternate");
    let own = text(child(entry, "id")).or_else(|| link.clone());
    let mut made = json!({});
    set(&mut made, "id", own.or_else(|| digest([&title, &published, &summary])));
    set(&mut made, "title", title);
    set(&mut made, "link", link);
    set(&mut made, "published", published);
    set(&mut made, "summary", summary);
    set(&mut made, "content", text(child(entry, "content")));
    set(&mut made, "author", text(child(first(child(entry, "author")), "name")));
    set(&mut made, "file", self::link(entry, "enclosure"));
    made
}

/// The address of an Atom link of this kind; without a kind a link is `alternate`.
fn link(of: &Value, kind: &str) -> Option<String> {
    let rel = |link: &Value| link["@rel"].as_str().unwrap_or("alternate") == kind;
    all(child(of, "link")).find(|link| rel(link)).and_then(|link| link["@href"].as_str()).map(str::to_owned)
}

/// A child by its name, which a few feeds write with a prefix.
fn child<'v>(of: &'v Value, name: &str) -> &'v Value {
    const NONE: &Value = &Value::Null;
    let Some(fields) = of.as_object() else { return NONE };
    let prefixed = || ["rss", "atom", "a"].iter().find_map(|prefix| fields.get(&format!("{prefix}:{name}")));
    match fields.get(name) {
        Some(found) => found,
        // Of RSS, `atom:link` is no link of the item's.
        None if name == "link" => NONE,
        None => prefixed().unwrap_or(NONE),
    }
}

/// One or several.
fn all(value: &Value) -> impl Iterator<Item = &Value> {
    let several = value.as_array().map_or(&[][..], Vec::as_slice);
    let one = (!value.is_array() && !value.is_null()).then_some(value);
    several.iter().chain(one)
}

fn first(value: &Value) -> &Value {
    all(value).next().unwrap_or(value)
}

/// The text of the first of them that has some, without the space around it.
fn text(value: &Value) -> Option<String> {
    let of =
        |value: &Value| value.as_str().or_else(|| value["#text"].as_str()).map(str::trim).map(str::to_owned);
    all(value).filter_map(of).find(|text| !text.is_empty())
}

/// A time as mail writes it as ISO 8601.
fn iso(date: &str) -> Option<String> {
    DATES.parse_timestamp(date).ok().map(|time| format!("{time:.3}"))
}

/// An id of what there is, where an entry has none; `None` where there is nothing.
fn digest(parts: [&Option<String>; 3]) -> Option<String> {
    let parts: Vec<&str> = parts.into_iter().map(|part| part.as_deref().unwrap_or_default()).collect();
    let some = parts.iter().any(|part| !part.is_empty());
    some.then(|| domain::id::base32(domain::id::digest16(&parts)))
}

fn set(fields: &mut Value, name: &str, value: Option<String>) {
    let fields = fields.as_object_mut().map(|fields: &mut Map<String, Value>| fields);
    if let (Some(fields), Some(value)) = (fields, value) {
        fields.insert(name.to_owned(), value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Value> {
        read(&crate::xml::read(text).unwrap())
    }

    #[test]
    fn an_entry_without_an_id_has_one_that_stays() {
        let id = |item: &str| {
            let feed = of(&format!("<rss><channel><item>{item}</item></channel></rss>")).unwrap();
            feed["items"][0]["id"].clone()
        };
        assert_eq!(id("<guid> g </guid><link>l</link>"), "g");
        assert_eq!(id("<guid isPermaLink='false'>g</guid>"), "g");
        assert_eq!(id("<guid/><link>\n l </link>"), "l");
        assert_eq!(id("<title>t</title>"), id("<title>t</title><author>somebody</author>"));
        assert_ne!(id("<title>t</title>"), id("<title>u</title>"));
        assert_ne!(id("<title>t</title>"), id("<description>t</description>"));
        assert_eq!(id("<author>somebody</author>"), Value::Null);
    }

    #[test]
    fn odd_feeds_are_read_as_far_as_they_go() {
        let feed = of("<rss xmlns:atom='u:a'><channel><title/><title>T</title><atom:link href='x'/>\
            <item><link/><link>l</link><title type='html'>a</title><pubDate>Sun, 22 Jul 2024 14:15 +0200</pubDate></item>\
            <item/></channel></rss>").unwrap();
        assert_eq!(
            feed,
            json!({"title": "T", "items": [
                {"id": "l", "title": "a", "link": "l", "published": "2024-07-22T12:15:00.000Z"}, {}]})
        );
        let prefixed = of("<a:feed xmlns:a='http://www.w3.org/2005/Atom'><a:title>T</a:title>\
            <a:entry><a:id>1</a:id><a:updated>2024-01-01T00:00:00Z</a:updated></a:entry></a:feed>")
        .unwrap();
        assert_eq!(prefixed["items"], json!([{"id": "1", "published": "2024-01-01T00:00:00Z"}]));
        assert_eq!(of("<rss/>").unwrap(), json!({"items": []}));
        assert_eq!(of("<html/>"), None);
        assert_eq!(of("<feed>text</feed>").unwrap(), json!({"items": []}));
    }
}
