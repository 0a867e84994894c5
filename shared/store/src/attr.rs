//! Short hands for DynamoDB attribute values.

use crate::StoreError;
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::HashMap;
use std::fmt::Display;

pub(crate) type Item = HashMap<String, AttributeValue>;

pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

pub(crate) fn n(number: impl Display) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

pub(crate) fn b(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

pub(crate) fn text<'a>(item: &'a Item, name: &'static str) -> Result<&'a str, StoreError> {
    optional_text(item, name).ok_or(StoreError::Corrupt(name))
}

pub(crate) fn optional_text<'a>(item: &'a Item, name: &str) -> Option<&'a str> {
    item.get(name)?.as_s().ok().map(String::as_str)
}

pub(crate) fn number<T: std::str::FromStr>(item: &Item, name: &'static str) -> Result<T, StoreError> {
    optional_number(item, name).ok_or(StoreError::Corrupt(name))
}

pub(crate) fn optional_number<T: std::str::FromStr>(item: &Item, name: &str) -> Option<T> {
    item.get(name)?.as_n().ok()?.parse().ok()
}

pub(crate) fn flag(item: &Item, name: &str) -> bool {
    item.get(name).and_then(|v| v.as_bool().ok()).copied().unwrap_or(false)
}

pub(crate) fn bytes<'a>(item: &'a Item, name: &'static str) -> Result<&'a [u8], StoreError> {
    optional_bytes(item, name).ok_or(StoreError::Corrupt(name))
}

pub(crate) fn optional_bytes<'a>(item: &'a Item, name: &str) -> Option<&'a [u8]> {
    item.get(name)?.as_b().ok().map(Blob::as_ref)
}

/// A set of texts; empty when there is none.
pub(crate) fn texts(item: &Item, name: &str) -> Vec<String> {
    item.get(name).and_then(|v| v.as_ss().ok()).cloned().unwrap_or_default()
}

/// A set of numbers; those that do not fit are left out.
pub(crate) fn numbers<T: std::str::FromStr + Ord>(item: &Item, name: &str) -> std::collections::BTreeSet<T> {
    let numbers = item.get(name).and_then(|v| v.as_ns().ok()).into_iter().flatten();
    numbers.filter_map(|n| n.parse().ok()).collect()
}

/// About how many bytes of a table an item takes, as DynamoDB counts them.
pub(crate) fn size(item: &Item) -> u64 {
    let bytes = item.iter().map(|(name, value)| name.len() + value_size(value)).sum::<usize>();
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

fn value_size(value: &AttributeValue) -> usize {
    let number = |text: &String| text.len() / 2 + 1;
    match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(text) => number(text),
        AttributeValue::B(bytes) => bytes.as_ref().len(),
        AttributeValue::Ss(texts) => texts.iter().map(String::len).sum(),
        AttributeValue::Ns(texts) => texts.iter().map(number).sum(),
        AttributeValue::Bs(all) => all.iter().map(|bytes| bytes.as_ref().len()).sum(),
        AttributeValue::L(values) => 3 + values.iter().map(|value| 1 + value_size(value)).sum::<usize>(),
        AttributeValue::M(map) => {
            3 + map.iter().map(|(name, value)| 1 + name.len() + value_size(value)).sum::<usize>()
        }
        _ => 1,
    }
}

/// Reads a value that was parsed when it was written.
pub(crate) fn parsed<T, E>(
    item: &Item,
    name: &'static str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<T, StoreError> {
    parse(text(item, name)?).map_err(|_| StoreError::Corrupt(name))
}
