//! A repository made up in memory, one blob after the other.
#![allow(dead_code)] // each test file uses a part of it

use std::sync::Arc;

use object_store::{ObjectStore, ObjectStoreExt, memory::InMemory, path::Path};
use serde_json::{Value, json};
use snapshot::{Location, Repository, Settings, SnapshotError};

pub(crate) const PREFIX: &str = "backups/of it";
/// The id of the only index, `logs`.
pub(crate) const ID: &str = "IxId";

/// An envelope as servers write it.
pub(crate) fn wrap(codec: &str, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x3F, 0xD7, 0x6C, 0x17, u8::try_from(codec.len()).unwrap()];
    bytes.extend_from_slice(codec.as_bytes());
    bytes.extend_from_slice(&[0, 0, 0, 1]);
    bytes.extend_from_slice(body);
    with_footer(bytes)
}

/// A file as Lucene ends it.
pub(crate) fn with_footer(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.extend_from_slice(&[0xC0, 0x28, 0x93, 0xE8, 0, 0, 0, 0]);
    let checksum = u64::from(crc32fast::hash(&bytes));
    bytes.extend_from_slice(&checksum.to_be_bytes());
    bytes
}

pub(crate) fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    while number > 0 || digits.is_empty() {
        digits.push(char::from_digit(u32::try_from(number % 36).unwrap(), 36).unwrap());
        number /= 36;
    }
    digits.iter().rev().collect()
}

/// A file of Lucene with `length` bytes in all, no two blocks alike.
pub(crate) fn lucene_file(length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0u32..).flat_map(u32::to_le_bytes).take(length - 16).collect();
    bytes.shrink_to_fit();
    with_footer(bytes)
}

/// The entry of a file in a shard's list.
pub(crate) fn entry(physical_name: &str, blob: &str, bytes: &[u8], part_size: u64) -> Value {
    let checksum = u64::from_be_bytes(*bytes.last_chunk().unwrap());
    json!({"name": blob, "physical_name": physical_name, "length": bytes.len(),
        "checksum": base36(checksum), "part_size": part_size, "written_by": "9.12.1"})
}

pub(crate) async fn put(store: &dyn ObjectStore, name: &str, bytes: impl Into<Vec<u8>>) {
    let path = Path::parse(format!("{PREFIX}/{name}")).unwrap();
    store.put(&path, bytes.into().into()).await.unwrap();
}

/// Everything of a repository with a snapshot `snap` (uuid `SnUu`) of one index `logs` with two shards, but the
/// shards. `change` may change the root list, the snapshot's description and the index's definition.
pub(crate) async fn repository(
    change: impl FnOnce(&mut Value, &mut Value, &mut Value),
) -> InMemory {
    let store = InMemory::new();
    let mut root = json!({"snapshots": [{"name": "snap", "uuid": "SnUu", "state": 1}],
        "indices": {"logs": {"id": ID, "snapshots": ["SnUu"]}}});
    let mut info = json!({"snapshot": {"name": "snap", "uuid": "SnUu", "version_id": 136_407_827,
        "state": "SUCCESS", "indices": ["logs"], "start_time": 1, "end_time": 2,
        "total_shards": 2, "successful_shards": 2, "failures": []}});
    let mut index = json!({"logs": {"state": "open", "mappings": [],
        "settings": {"index.number_of_shards": "2", "index.uuid": "u"}}});
    change(&mut root, &mut info, &mut index);
    put(&store, "index.latest", 7u64.to_be_bytes()).await;
    put(&store, "index-7", root.to_string()).await;
    put(&store, "snap-SnUu.dat", wrap("snapshot", info.to_string().as_bytes())).await;
    let index = wrap("index-metadata", index.to_string().as_bytes());
    put(&store, &format!("indices/{ID}/meta-SnUu.dat"), index).await;
    store
}

/// Adds a shard's list to its directory.
pub(crate) async fn shard(store: &dyn ObjectStore, directory: &str, files: Value) {
    let list = wrap("snapshot", json!({ "files": files }).to_string().as_bytes());
    put(store, &format!("{directory}/snap-SnUu.dat"), list).await;
}

pub(crate) fn settings() -> Settings {
    Settings::new(Location::parse("s3://bucket/backups/of%20it").unwrap())
}

pub(crate) async fn open(store: impl ObjectStore) -> Result<Repository, SnapshotError> {
    Repository::open_in(Arc::new(store), settings()).await
}
