//! What a snapshot says of itself (`snap-<uuid>.dat`).

use crate::{FormatError, Version, document, document::Wrapping, shape::Node};

/// How a snapshot ended, if it did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    InProgress,
    /// Everything is there.
    Success,
    Failed,
    /// Some shards are missing: see the failures.
    Partial,
    /// Made by a version that the server which rewrote the root could not read.
    Incompatible,
}

impl State {
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::InProgress),
            1 => Some(Self::Success),
            2 => Some(Self::Failed),
            3 => Some(Self::Partial),
            4 => Some(Self::Incompatible),
            _ => None,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        match name {
            "IN_PROGRESS" | "STARTED" => Some(Self::InProgress),
            "SUCCESS" => Some(Self::Success),
            "FAILED" => Some(Self::Failed),
            "PARTIAL" => Some(Self::Partial),
            "INCOMPATIBLE" => Some(Self::Incompatible),
            _ => None,
        }
    }
}

/// A snapshot's own description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Info {
    pub name: String,
    pub state: State,
    /// Why it failed as a whole, if it did.
    pub reason: Option<String>,
    /// The server that made it; `None` if the number stored is none that is known.
    pub version: Option<Version>,
    pub indices: Vec<String>,
    pub data_streams: Vec<String>,
    /// `None` where it isn't recorded (before Elasticsearch 6).
    pub include_global_state: Option<bool>,
    /// Milliseconds since 1970.
    pub start: u64,
    /// Milliseconds since 1970; `None` while it runs.
    pub end: Option<u64>,
    pub total_shards: u32,
    pub successful_shards: u32,
    pub failures: Vec<ShardFailure>,
    /// OpenSearch: the shards' files are in a remote store, not here.
    pub is_shallow: bool,
}

/// A shard that is not in the snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardFailure {
    pub index: String,
    pub shard: u32,
    pub reason: String,
}

impl Info {
    /// Parses a `snap-<uuid>.dat`, or a `snapshot-<name>` of Elasticsearch 1.
    pub fn parse(bytes: &[u8], wrapping: Wrapping, limit: usize) -> Result<Self, FormatError> {
        let value = document::parse(bytes, wrapping, limit)?;
        let document = Node::root(&value);
        let root = document.need("snapshot")?;
        let state = root.need("state")?;
        let mut info = Self {
            name: root.need("name")?.text()?.to_owned(),
            state: State::from_name(state.text()?)
                .ok_or_else(|| state.error("not a state of a snapshot that is known"))?,
            reason: None,
            version: None,
            indices: texts(&root, "indices")?,
            data_streams: texts(&root, "data_streams")?,
            include_global_state: None,
            start: 0,
            end: None,
            total_shards: 0,
            successful_shards: 0,
            failures: Vec::new(),
            is_shallow: false,
        };
        if let Some(reason) = root.get("reason")? {
            info.reason = Some(reason.text()?.to_owned());
        }
        if let Some(id) = root.get("version_id")? {
            info.version = Version::from_id(id.number()?);
        }
        if let Some(flag) = root.get("include_global_state")? {
            info.include_global_state = Some(flag.flag()?);
        }
        if let Some(flag) = root.get("remote_store_index_shallow_copy")? {
            info.is_shallow = flag.flag()?;
        }
        if let Some(start) = root.get("start_time")? {
            info.start = start.number()?;
        }
        if let Some(end) = root.get("end_time")? {
            info.end = Some(end.number()?).filter(|end| *end > 0);
        }
        if let Some(count) = root.get("total_shards")? {
            info.total_shards = count.small()?;
        }
        if let Some(count) = root.get("successful_shards")? {
            info.successful_shards = count.small()?;
        }
        if let Some(failures) = root.get("failures")? {
            for failure in failures.items()? {
                info.failures.push(shard_failure(&failure)?);
            }
        }
        Ok(info)
    }

    /// Whether every shard is there.
    pub fn is_complete(&self) -> bool {
        self.state == State::Success && self.failures.is_empty()
    }
}

fn texts(node: &Node<'_>, key: &str) -> Result<Vec<String>, FormatError> {
    let Some(list) = node.get(key)? else { return Ok(Vec::new()) };
    let texts = list.items()?.map(|item| item.text().map(str::to_owned));
    texts.collect()
}

fn shard_failure(node: &Node<'_>) -> Result<ShardFailure, FormatError> {
    let reason = match node.get("reason")? {
        Some(reason) => reason.text()?.to_owned(),
        None => String::new(),
    };
    Ok(ShardFailure {
        index: node.need("index")?.text()?.to_owned(),
        shard: node.need("shard_id")?.small()?,
        reason,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn parse(value: &Value) -> Result<Info, FormatError> {
        Info::parse(value.to_string().as_bytes(), Wrapping::Bare, 1 << 20)
    }

    #[test]
    fn a_partial_snapshot_names_its_failures() {
        let info = parse(
            &json!({"snapshot": {"name": "s", "version_id": 7100299, "state": "PARTIAL",
            "indices": ["a"], "total_shards": 3, "successful_shards": 2, "start_time": 5, "end_time": 9,
            "failures": [{"index": "a", "index_uuid": "a", "shard_id": 1, "reason": "gone", "node_id": "n"}]}}),
        );
        let info = info.unwrap();
        assert_eq!((info.state, info.is_complete()), (State::Partial, false));
        let failure = ShardFailure { index: "a".into(), shard: 1, reason: "gone".into() };
        assert_eq!(info.failures, [failure]);
        assert_eq!(info.end, Some(9));
    }

    #[test]
    fn one_that_runs_has_no_end() {
        let info =
            parse(&json!({"snapshot": {"name": "s", "version_id": 1070699, "state": "IN_PROGRESS",
            "indices": ["a"], "start_time": 5, "end_time": 0}}));
        let info = info.unwrap();
        assert_eq!((info.state, info.end), (State::InProgress, None));
    }

    #[test]
    fn a_wrong_shape_names_its_path() {
        let error = parse(&json!({"snapshot": {"name": "s", "state": "ODD"}})).unwrap_err();
        assert!(error.to_string().starts_with("`snapshot.state`"), "{error}");
        let error = parse(
            &json!({"snapshot": {"name": "s", "state": "SUCCESS", "failures": [{"index": "a"}]}}),
        );
        let error = error.unwrap_err();
        assert!(error.to_string().starts_with("`snapshot.failures[0].shard_id`"), "{error}");
    }
}
