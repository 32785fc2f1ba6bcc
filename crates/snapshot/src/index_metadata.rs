//! An index as a snapshot describes it (`indices/<id>/meta-*.dat`).

use serde_json::{Map, Value};

use crate::{FormatError, Mapping, Version, document, document::Wrapping, mappings, shape::Node};

/// An index's definition, in one form for every version.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexMetadata {
    pub name: String,
    /// `index.uuid`; the name where there is none (before Elasticsearch 1.0).
    pub uuid: String,
    pub is_open: bool,
    /// Flat, with full keys (`index.number_of_shards`), however it is stored; values are texts, lists of texts or
    /// null.
    pub settings: Map<String, Value>,
    /// One for each type; from Elasticsearch 7 on a single one, `_doc` (or the name that its only type had).
    pub mappings: Vec<Mapping>,
    /// By name, each with `filter`, `index_routing`, `search_routing`, `is_write_index`, … where set.
    pub aliases: Map<String, Value>,
    pub number_of_shards: u32,
    /// `None` where it isn't recorded (before Elasticsearch 5).
    pub routing_num_shards: Option<u32>,
    pub created: Option<Version>,
    /// By shard; empty where they are not recorded (before Elasticsearch 5).
    pub primary_terms: Vec<u64>,
    /// OpenSearch and Elasticsearch 7.10 on: made by a plugin for itself.
    pub is_system: bool,
}

/// More shards than any server allows.
const MOST_SHARDS: u32 = 1 << 16;

impl IndexMetadata {
    /// Parses a `meta-*.dat` of an index, or a `snapshot-<name>` of Elasticsearch 1.
    pub fn parse(bytes: &[u8], wrapping: Wrapping, limit: usize) -> Result<Self, FormatError> {
        let value = document::parse(bytes, wrapping, limit)?;
        let document = Node::root(&value);
        let mut entries = document.entries()?;
        let (name, root) = match (entries.next(), entries.next()) {
            (Some(entry), None) => entry,
            _ => return Err(document.error("expected the definition of one index")),
        };
        let stored = root.need("settings")?;
        let mut settings = Map::new();
        flatten(&stored, "", &mut settings)?;
        let text = |key: &str| settings.get(key).and_then(Value::as_str);
        let number = |key: &str| {
            text(key)
                .map(|text| text.parse::<u64>())
                .transpose()
                .map_err(|_| stored.error(format!("`{key}` is no number")))
        };
        let number_of_shards = number("index.number_of_shards")?
            .and_then(|shards| u32::try_from(shards).ok())
            .filter(|shards| (1..=MOST_SHARDS).contains(shards))
            .ok_or_else(|| stored.error("`index.number_of_shards` is missing or out of range"))?;
        let routing_num_shards = match root.get("routing_num_shards")? {
            Some(shards) => Some(shards.small()?),
            None => None,
        };
        let mut primary_terms = Vec::new();
        if let Some(terms) = root.get("primary_terms")? {
            for term in terms.items()? {
                primary_terms.push(term.number()?);
            }
        }
        let state = root.need("state")?;
        let is_open = match state.text()? {
            "open" => true,
            "close" => false,
            _ => return Err(state.error("neither `open` nor `close`")),
        };
        Ok(Self {
            name: name.clone(),
            uuid: text("index.uuid").unwrap_or(name).to_owned(),
            is_open,
            mappings: match root.get("mappings")? {
                Some(stored) => mappings::parse(&stored, limit)?,
                None => Vec::new(),
            },
            aliases: match root.get("aliases")? {
                Some(aliases) => aliases.object()?.clone(),
                None => Map::new(),
            },
            number_of_shards,
            routing_num_shards,
            created: number("index.version.created")?.and_then(Version::from_id),
            primary_terms,
            is_system: match root.get("system")? {
                Some(flag) => flag.flag()?,
                None => false,
            },
            settings,
        })
    }

    /// A setting's text.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.get(key).and_then(Value::as_str)
    }

    /// Why the documents of this index are not in the repository, if they aren't.
    pub fn unsupported(&self) -> Option<&'static str> {
        let with_prefix = |prefix: &str| self.settings.keys().any(|key| key.starts_with(prefix));
        let store = self.setting("index.store.type").unwrap_or_default();
        if matches!(store, "snapshot" | "remote_snapshot")
            || with_prefix("index.store.snapshot.")
            || with_prefix("index.searchable_snapshot.")
        {
            return Some(
                "a searchable snapshot: the index only refers to files of another snapshot; \
                 run the backfill on that one",
            );
        }
        None
    }

    /// True for an index whose segments live in a remote store (OpenSearch). A full snapshot of one holds its files.
    pub fn is_remote_store(&self) -> bool {
        self.setting("index.remote_store.enabled") == Some("true")
    }
}

/// Brings nested and flat settings into one flat form.
fn flatten(node: &Node<'_>, prefix: &str, out: &mut Map<String, Value>) -> Result<(), FormatError> {
    for (key, child) in node.entries()? {
        let key = match prefix {
            "" => key.clone(),
            _ => format!("{prefix}.{key}"),
        };
        match child.value() {
            Value::Object(_) => flatten(&child, &key, out)?,
            Value::Array(items) => {
                let texts = items.iter().map(text).collect::<Option<Vec<_>>>();
                let texts = texts.ok_or_else(|| child.error("a list of more than texts"))?;
                out.insert(key, Value::Array(texts));
            }
            Value::Null => {
                out.insert(key, Value::Null);
            }
            value => {
                let text = text(value).ok_or_else(|| child.error("not a setting's value"))?;
                out.insert(key, text);
            }
        }
    }
    Ok(())
}

/// A setting's value as text, as every server takes it.
fn text(value: &Value) -> Option<Value> {
    match value {
        Value::String(_) => Some(value.clone()),
        Value::Number(number) => Some(Value::String(number.to_string())),
        Value::Bool(flag) => Some(Value::String(flag.to_string())),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(value: &Value) -> Result<IndexMetadata, FormatError> {
        IndexMetadata::parse(value.to_string().as_bytes(), Wrapping::Bare, 1 << 20)
    }

    fn with_settings(settings: Value) -> Value {
        json!({"logs": {"state": "open", "settings": settings, "mappings": []}})
    }

    #[test]
    fn nested_and_flat_settings_come_out_the_same() {
        let flat = parse(&with_settings(json!({"index.number_of_shards": "3", "index.uuid": "U",
            "index.version.created": "7100299", "index.analysis.filter.f.stopwords": ["a", "b"]})));
        let nested = parse(&with_settings(json!({"index": {"number_of_shards": 3, "uuid": "U",
            "version": {"created": "7100299"}, "analysis": {"filter": {"f": {"stopwords": ["a", "b"]}}}}})));
        let (flat, nested) = (flat.unwrap(), nested.unwrap());
        assert_eq!(flat, nested);
        assert_eq!(flat.created.unwrap().to_string(), "Elasticsearch 7.10.2");
        assert_eq!(flat.settings["index.analysis.filter.f.stopwords"], json!(["a", "b"]));
    }

    #[test]
    fn searchable_snapshots_are_refused_with_the_reason() {
        for settings in [
            json!({"index": {"number_of_shards": 1, "store": {"type": "snapshot"}}}),
            json!({"index": {"number_of_shards": 1, "store": {"snapshot": {"snapshot_uuid": "x"}}}}),
            json!({"index.number_of_shards": "1", "index.searchable_snapshot.repository": "r"}),
        ] {
            assert!(parse(&with_settings(settings)).unwrap().unsupported().is_some());
        }
        let plain = json!({"index": {"number_of_shards": 1, "store": {"type": "niofs"}}});
        assert_eq!(parse(&with_settings(plain)).unwrap().unsupported(), None);
    }

    #[test]
    fn a_wrong_shape_names_its_path() {
        for (value, path) in [
            (json!({}), "`the whole document`"),
            (json!({"a": {}, "b": {}}), "`the whole document`"),
            (json!({"logs": {"state": "open"}}), "`logs.settings`"),
            (with_settings(json!({})), "`logs.settings`"),
            (with_settings(json!({"index.number_of_shards": "0"})), "`logs.settings`"),
            (with_settings(json!({"index.number_of_shards": "99999999"})), "`logs.settings`"),
            (with_settings(json!({"index": [{}]})), "`logs.settings.index`"),
            (
                json!({"logs": {"state": "x", "settings": {"index.number_of_shards": "1"}}}),
                "`logs.state`",
            ),
        ] {
            let error = parse(&value).unwrap_err().to_string();
            assert!(error.starts_with(path), "{error}");
        }
    }
}
