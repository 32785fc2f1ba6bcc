//! The root of a repository: which snapshots and indices there are, and where.
//!
//! `index-N` since Elasticsearch 5; before, `index`, which has names only. `index.latest` is N as 8 bytes,
//! big-endian.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::{FormatError, State, Version, document, document::Wrapping, shape::Node};

/// What the root list says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Root {
    pub snapshots: Vec<Listed>,
    /// By name. Empty before Elasticsearch 5, where the directory of an index has its name.
    pub indices: BTreeMap<String, ListedIndex>,
    /// From what identifies a metadata of an index to the id of its blob (since 7.9).
    metadata_ids: BTreeMap<String, String>,
}

/// A snapshot as the root lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub name: String,
    /// The name, for a snapshot made before Elasticsearch 5.
    pub uuid: String,
    /// Since Elasticsearch 5.
    pub state: Option<State>,
    /// As text, since 7.6. A placeholder (8.11.0) for what Elasticsearch 8.11 and newer wrote.
    pub version: Option<String>,
    /// From an index's id to what identifies its metadata.
    lookup: BTreeMap<String, String>,
}

/// An index as the root lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedIndex {
    /// The name of its directory.
    pub id: String,
    pub paths: ShardPaths,
    /// The uuids of the snapshots that hold it.
    pub snapshots: Vec<String>,
}

/// How the directories of an index's shards are named (OpenSearch 2.17 and newer).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ShardPaths {
    /// `indices/<id>/<shard>`
    #[default]
    Fixed,
    /// `<hash>/indices/<id>/<shard>`
    HashedPrefix,
    /// `indices/<hash>/<id>/<shard>`
    HashedInfix,
}

impl ShardPaths {
    pub(crate) fn code(self) -> u8 {
        self as u8
    }
}

impl Listed {
    pub fn is_named_by_uuid(&self) -> bool {
        self.uuid != self.name
    }
}

impl Root {
    /// Parses `index-N` or `index`; `limit` bounds what is expanded.
    pub fn parse(bytes: &[u8], limit: usize) -> Result<Self, FormatError> {
        let value = document::parse(bytes, Wrapping::Bare, limit)?;
        Self::from_value(&value)
    }

    fn from_value(value: &Value) -> Result<Self, FormatError> {
        let root = Node::root(value);
        let mut found = Self::default();
        for snapshot in root.need("snapshots")?.items()? {
            found.snapshots.push(listed(&snapshot)?);
        }
        if let Some(indices) = root.get("indices")? {
            for (name, index) in indices.entries()? {
                found.indices.insert(name.clone(), listed_index(&index)?);
            }
        }
        if let Some(ids) = root.get("index_metadata_identifiers")? {
            for (key, id) in ids.entries()? {
                found.metadata_ids.insert(key.clone(), id.segment()?.to_owned());
            }
        }
        Ok(found)
    }

    /// The id in the name of the blob with an index's metadata.
    pub(crate) fn metadata_id<'a>(&'a self, snapshot: &'a Listed, index: &str) -> &'a str {
        let id = snapshot.lookup.get(index).and_then(|key| self.metadata_ids.get(key));
        id.unwrap_or(&snapshot.uuid)
    }
}

fn listed(node: &Node<'_>) -> Result<Listed, FormatError> {
    if node.value().is_string() {
        let name = node.segment()?.to_owned();
        let uuid = name.clone();
        return Ok(Listed { name, uuid, state: None, version: None, lookup: BTreeMap::new() });
    }
    let name = node.need("name")?.segment()?.to_owned();
    let uuid = match node.get("uuid")? {
        Some(uuid) => uuid.segment()?.to_owned(),
        None => name.clone(),
    };
    let state = match node.get("state")? {
        Some(state) => Some(
            State::from_code(state.number()?)
                .ok_or_else(|| state.error("not a state of a snapshot that is known (0 to 4)"))?,
        ),
        None => None,
    };
    let version = match node.get("version")? {
        Some(version) => Some(version.text()?.to_owned()),
        None => None,
    };
    let mut lookup = BTreeMap::new();
    if let Some(entries) = node.get("index_metadata_lookup")? {
        for (index, key) in entries.entries()? {
            lookup.insert(index.clone(), key.text()?.to_owned());
        }
    }
    Ok(Listed { name, uuid, state, version, lookup })
}

fn listed_index(node: &Node<'_>) -> Result<ListedIndex, FormatError> {
    let paths = match node.get("shard_path_type")? {
        None => ShardPaths::Fixed,
        Some(code) => match code.number()? {
            0 => ShardPaths::Fixed,
            1 => ShardPaths::HashedPrefix,
            2 => ShardPaths::HashedInfix,
            _ => return Err(code.error("not a kind of shard paths that is known (0 to 2)")),
        },
    };
    let mut snapshots = Vec::new();
    for snapshot in node.need("snapshots")?.items()? {
        let uuid = match snapshot.value() {
            Value::Object(_) => snapshot.need("uuid")?.text()?.to_owned(), // 5.0 to 5.4.0
            _ => snapshot.text()?.to_owned(),
        };
        snapshots.push(uuid);
    }
    Ok(ListedIndex { id: node.need("id")?.segment()?.to_owned(), paths, snapshots })
}

/// The generation that `index.latest` names.
pub fn parse_latest(bytes: &[u8]) -> Option<u64> {
    let generation = u64::from_be_bytes(bytes.try_into().ok()?);
    (generation <= i64::MAX as u64).then_some(generation)
}

/// The generation in a blob's name `index-N`.
pub(crate) fn generation(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("index-")?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

/// The version in the root list, where it is one and not a placeholder.
pub(crate) fn version(text: &str) -> Option<Version> {
    let mut parts = text.split('.').map(|part| part.parse::<u64>().ok());
    let (major, minor, patch) = (parts.next()??, parts.next()??, parts.next()??);
    let small = major < 100 && minor < 100 && patch < 100;
    small.then(|| Version::from_id(major * 1_000_000 + minor * 10_000 + patch * 100 + 99))?
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn entries_of_every_age() {
        let value = json!({"snapshots": ["old", {"name": "a", "uuid": "U", "state": 3}], "indices": {
            "x": {"id": "X", "snapshots": [{"name": "a", "uuid": "U"}, "V"], "shard_path_type": 2}}});
        let root = Root::from_value(&value).unwrap();
        assert_eq!(root.snapshots[0].uuid, "old");
        assert!(!root.snapshots[0].is_named_by_uuid());
        assert_eq!(root.snapshots[1].state, Some(State::Partial));
        assert_eq!(root.indices["x"].snapshots, ["U", "V"]);
        assert_eq!(root.indices["x"].paths, ShardPaths::HashedInfix);
        assert_eq!(root.metadata_id(&root.snapshots[1], "X"), "U");
    }

    #[test]
    fn a_wrong_shape_names_its_path() {
        for (value, path) in [
            (json!({}), "`snapshots`"),
            (json!({"snapshots": [{"name": 1}]}), "`snapshots[0].name`"),
            (json!({"snapshots": ["../x"]}), "`snapshots[0]`"),
            (json!({"snapshots": [{"name": "a", "uuid": "x/y"}]}), "`snapshots[0].uuid`"),
            (json!({"snapshots": [{"name": "a", "state": 9}]}), "`snapshots[0].state`"),
            (json!({"snapshots": [], "indices": {"x": {"snapshots": []}}}), "`indices.x.id`"),
            (
                json!({"snapshots": [], "indices": {"x": {"id": "x", "snapshots": [], "shard_path_type": 7}}}),
                "`indices.x.shard_path_type`",
            ),
        ] {
            let error = Root::from_value(&value).unwrap_err().to_string();
            assert!(error.starts_with(path), "{error}");
        }
    }

    #[test]
    fn generations() {
        assert_eq!(parse_latest(&[0, 0, 0, 0, 0, 0, 1, 2]), Some(258));
        assert_eq!(parse_latest(&[0xFF; 8]), None);
        assert_eq!(parse_latest(b"12"), None);
        assert_eq!(generation("index-12"), Some(12));
        for name in
            ["index.latest", "index-", "index-x", "index-+1", "index", "index-99999999999999999999"]
        {
            assert_eq!(generation(name), None, "{name}");
        }
    }
}
