//! Everything that is in all tables, in the bucket and in secrets, unpacked, as text.

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_secretsmanager::operation::list_secrets::ListSecretsOutput;
use flate2::read::DeflateDecoder;
use harness::World;
use std::collections::{BTreeMap, HashMap};
use std::io::Read;

/// By table (or `objects` or `secrets`), partition key and sort key.
pub(crate) type Everything = BTreeMap<(String, String, String), String>;

pub(crate) async fn everything(world: &World) -> Everything {
    let client = aws_sdk_dynamodb::Client::new(&world.cloud.sdk_config());
    let mut all = Everything::new();
    let tables = [
        ("control", &world.tables.control),
        ("runs", &world.tables.runs),
        ("due", &world.tables.due),
        ("ledger", &world.tables.ledger),
        ("tokens", &world.tables.tokens),
    ];
    for (name, table) in tables {
        let pages = client.scan().table_name(table).consistent_read(true).into_paginator().items().send();
        for item in pages.collect::<Result<Vec<_>, _>>().await.unwrap() {
            let key = |name: &str| item[name].as_s().unwrap().clone();
            all.insert((name.to_owned(), key("pk"), key("sk")), text(&item));
        }
    }
    let secrets = aws_sdk_secretsmanager::Client::new(&world.cloud.sdk_config());
    let pages = secrets.list_secrets().into_paginator().send();
    let pages = pages.collect::<Result<Vec<_>, _>>().await.unwrap();
    for secret in pages.iter().flat_map(ListSecretsOutput::secret_list) {
        let name = secret.name().unwrap().to_owned();
        let held = secrets.get_secret_value().secret_id(&name).send().await.unwrap();
        all.insert(("secrets".to_owned(), name, String::new()), held.secret_string().unwrap().to_owned());
    }
    let mut after = None;
    loop {
        let found = world.blobs.list("", after.as_deref(), 2).await.unwrap();
        let Some(last) = found.last() else { return all };
        after = Some(last.key.clone());
        for object in found {
            let content = world.blobs.get(&object.key, 10_000_000).await.unwrap();
            let content = String::from_utf8_lossy(&content).into_owned();
            assert_eq!(object.bytes, content.len() as u64);
            all.insert(("objects".to_owned(), object.key, String::new()), content);
        }
    }
}

/// The attributes in the order of their names; what is packed, unpacked.
fn text(item: &HashMap<String, AttributeValue>) -> String {
    let sorted: BTreeMap<_, _> = item.iter().collect();
    let all = sorted.into_iter().map(|(name, value)| match value {
        AttributeValue::B(bytes) => format!("{name}: {:?} {}", bytes.as_ref(), plain(bytes.as_ref())),
        value => format!("{name}: {value:?}"),
    });
    all.collect::<Vec<_>>().join(", ")
}

fn plain(bytes: &[u8]) -> String {
    let mut plain = Vec::new();
    match bytes.split_first() {
        Some((1, packed)) if DeflateDecoder::new(packed).read_to_end(&mut plain).is_ok() => {}
        _ => plain = bytes.to_vec(),
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// Whether a due entry has nothing but what the timer needs: its keys, times and a priority.
pub(crate) fn is_ids_and_times(text: &str) -> bool {
    let known = ["at: N(", "of: N(", "ttl: N(", "pr: S(", "pk: S(", "sk: S("];
    !text.contains('@')
        && text.split(", ").all(|attribute| known.iter().any(|begin| attribute.starts_with(begin)))
}
