//! Indices: what they are, what they are called, whether they are the ones we think they are.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Cluster, ClusterError, Reply, Request};

/// What it takes to create an index again: the answer of `GET /index`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct IndexDefinition {
    #[serde(default)]
    pub aliases: Map<String, Value>,
    #[serde(default)]
    pub mappings: Map<String, Value>,
    /// Nested form, `{"index": {…}}`.
    #[serde(default)]
    pub settings: Map<String, Value>,
    /// The data stream that it is a backing index of.
    #[serde(default)]
    pub data_stream: Option<String>,
}

impl IndexDefinition {
    /// The UUID under `settings.index.uuid`.
    pub fn uuid(&self) -> Option<&str> {
        self.settings.get("index")?.get("uuid")?.as_str()
    }

    /// How many primary shards it has; 1 when it doesn't say.
    pub fn shards(&self) -> u32 {
        let count = self.settings.get("index").and_then(|index| index.get("number_of_shards"));
        count.and_then(Value::as_str).and_then(|count| count.parse().ok()).unwrap_or(1)
    }
}

/// The data stream whose backing index has this name, `.ds-NAME-2026.11.28-000001` or `.ds-NAME-000001`; `None` of any other
/// index.
pub fn data_stream_of(index: &str) -> Option<&str> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let (name, generation) = index.strip_prefix(".ds-")?.rsplit_once('-')?;
    if !digits(generation) {
        return None;
    }
    match name.rsplit_once('-') {
        Some((stream, day)) if day.len() == 10 && digits(day) => Some(stream),
        _ => Some(name),
    }
}

/// Which index stands behind a name at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexIdentity {
    pub uuid: String,
    pub shards: u32,
    /// `None` when there is none; `_none` counts as none.
    pub default_pipeline: Option<String>,
    pub final_pipeline: Option<String>,
}

impl IndexIdentity {
    /// True when a write to the index may store something else than what was sent.
    pub fn rewrites_documents(&self) -> bool {
        self.default_pipeline.is_some() || self.final_pipeline.is_some()
    }
}

/// One index behind an alias.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasedIndex {
    pub index: String,
    /// What the alias adds to a write without a routing.
    pub index_routing: Option<String>,
}

impl Cluster {
    /// Every concrete index that `name` (an index, an alias, a pattern) stands for, with its definition.
    /// Empty when there is none.
    pub async fn index_definitions(
        &self,
        name: &str,
    ) -> Result<BTreeMap<String, IndexDefinition>, ClusterError> {
        let path = format!("/{}?expand_wildcards=all", encode_segment(name));
        let Some(reply) = self.find(Request::new(Method::GET, path.clone())).await? else {
            return Ok(BTreeMap::new());
        };
        serde_json::from_slice(&reply.body).map_err(|e| self.answer_error(&path, e))
    }

    /// Every index of the cluster with its UUID and pipelines, hidden ones included.
    pub async fn index_identities(&self) -> Result<BTreeMap<String, IndexIdentity>, ClusterError> {
        let path = "/_all/_settings/index.uuid,index.number_of_shards,index.default_pipeline,\
                    index.final_pipeline?expand_wildcards=all";
        let reply = self.call(Request::new(Method::GET, path)).await?;
        parse_identities(&reply.body).map_err(|e| self.answer_error(path, e))
    }

    /// Every alias of the cluster with the concrete indices behind it, the write index first.
    pub async fn aliases(&self) -> Result<BTreeMap<String, Vec<AliasedIndex>>, ClusterError> {
        let path = "/_all/_alias?expand_wildcards=all";
        let reply = self.call(Request::new(Method::GET, path)).await?;
        parse_aliases(&reply.body).map_err(|e| self.answer_error(path, e))
    }

    /// Creates an index. The answer is returned as it is: `resource_already_exists_exception` is the
    /// caller's to judge, and may come of our own repeat.
    pub async fn create_index(&self, name: &str, body: &Value) -> Result<Reply, ClusterError> {
        let path = format!("/{}", encode_segment(name));
        let request = Request::json(Method::PUT, path, body.to_string());
        self.send_retrying(request, crate::Repeat::Safe, self.patience()).await
    }

    /// Makes an index of our own unless it is there: one shard with a copy where there is a node for it, hidden, so
    /// that no pattern of a client's request finds it.
    pub async fn make_index(&self, name: &str, mappings: &Value) -> Result<(), ClusterError> {
        if !self.index_definitions(name).await?.is_empty() {
            return Ok(());
        }
        let body = serde_json::json!({
            "settings": {
                "index.number_of_shards": 1,
                "index.auto_expand_replicas": "0-1",
                "index.hidden": true,
            },
            "mappings": mappings,
        });
        let reply = self.create_index(name, &body).await?;
        // 400: another process was faster, or we were and the answer was lost.
        if reply.is_success() || reply.status == 400 {
            return Ok(());
        }
        Err(ClusterError::Status {
            url: self.url().to_owned(),
            method: "PUT".into(),
            path: format!("/{name}"),
            status: reply.status,
            body: reply.excerpt(),
        })
    }

    /// Adds fields to a mapping.
    pub async fn put_mapping(
        &self,
        name: &str,
        mapping: &Map<String, Value>,
    ) -> Result<Reply, ClusterError> {
        let body = serde_json::to_vec(mapping).map_err(|e| self.answer_error("_mapping", e))?;
        let path = format!("/{}/_mapping", encode_segment(name));
        self.send_retrying(
            Request::json(Method::PUT, path, body),
            crate::Repeat::Safe,
            self.patience(),
        )
        .await
    }

    /// Makes everything written so far visible to searches.
    pub async fn refresh(&self, name: &str) -> Result<(), ClusterError> {
        self.call(refresh(name)).await.map(drop)
    }

    /// As [`Cluster::refresh`]; `false`: the index isn't there.
    pub(crate) async fn refresh_if_there(&self, name: &str) -> Result<bool, ClusterError> {
        Ok(self.find(refresh(name)).await?.is_some())
    }
}

fn refresh(name: &str) -> Request {
    Request::new(Method::POST, format!("/{}/_refresh", encode_segment(name)))
}

fn parse_identities(body: &[u8]) -> Result<BTreeMap<String, IndexIdentity>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Entry {
        settings: Nested,
    }
    #[derive(Deserialize)]
    struct Nested {
        index: Raw,
    }
    #[derive(Deserialize)]
    struct Raw {
        uuid: String,
        number_of_shards: Option<String>,
        default_pipeline: Option<String>,
        final_pipeline: Option<String>,
    }
    let entries: BTreeMap<String, Entry> = serde_json::from_slice(body)?;
    let named = |pipeline: Option<String>| pipeline.filter(|p| p != "_none");
    Ok(entries
        .into_iter()
        .map(|(name, Entry { settings: Nested { index } })| {
            let identity = IndexIdentity {
                uuid: index.uuid,
                shards: index.number_of_shards.and_then(|n| n.parse().ok()).unwrap_or(1),
                default_pipeline: named(index.default_pipeline),
                final_pipeline: named(index.final_pipeline),
            };
            (name, identity)
        })
        .collect())
}

fn parse_aliases(body: &[u8]) -> Result<BTreeMap<String, Vec<AliasedIndex>>, serde_json::Error> {
    #[derive(Deserialize)]
    struct Entry {
        #[serde(default)]
        aliases: BTreeMap<String, Alias>,
    }
    #[derive(Deserialize)]
    struct Alias {
        #[serde(default)]
        is_write_index: bool,
        index_routing: Option<String>,
    }
    let entries: BTreeMap<String, Entry> = serde_json::from_slice(body)?;
    let mut aliases: BTreeMap<String, Vec<AliasedIndex>> = BTreeMap::new();
    for (index, entry) in entries {
        for (name, alias) in entry.aliases {
            let indices = aliases.entry(name).or_default();
            let at = if alias.is_write_index { 0 } else { indices.len() };
            let index_routing = alias.index_routing;
            indices.insert(at, AliasedIndex { index: index.clone(), index_routing });
        }
    }
    Ok(aliases)
}

/// Percent-encodes one path segment. Commas and stars stay, so that lists and patterns work.
pub fn encode_segment(segment: &str) -> String {
    let mut path = String::with_capacity(segment.len());
    for byte in segment.bytes() {
        match byte {
            b'a'..=b'z'
            | b'A'..=b'Z'
            | b'0'..=b'9'
            | b'-'
            | b'_'
            | b'.'
            | b'~'
            | b','
            | b'*'
            | b'+' => {
                path.push(char::from(byte));
            }
            _ => path.push_str(&format!("%{byte:02X}")),
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backing_indices_name_their_data_stream() {
        for index in [".ds-logs-web-2026.11.28-000001", ".ds-logs-web-000002"] {
            assert_eq!(data_stream_of(index), Some("logs-web"));
        }
        assert_eq!(data_stream_of(".ds-a-000001"), Some("a"));
        for index in ["logs-web-000001", ".ds-logs-web", ".ds-a", ".kibana_1"] {
            assert_eq!(data_stream_of(index), None);
        }
    }

    #[test]
    fn identities_name_uuid_and_pipelines() {
        let body = br#"{"a":{"settings":{"index":{"uuid":"U","number_of_shards":"3",
            "default_pipeline":"p","final_pipeline":"_none"}}},
            "b":{"settings":{"index":{"uuid":"V","number_of_shards":"1"}}}}"#;
        let read = parse_identities(body).unwrap();
        assert_eq!(read["a"].shards, 3);
        assert!(read["a"].rewrites_documents() && !read["b"].rewrites_documents());
        assert_eq!(read["b"].uuid, "V");
    }

    #[test]
    fn the_write_index_of_an_alias_comes_first() {
        let body = br#"{"a-1":{"aliases":{"a":{"index_routing":"r"}}},"a-2":{"aliases":{"a":{"is_write_index":true}}},"b":{}}"#;
        let read = parse_aliases(body).unwrap();
        let names: Vec<_> = read["a"].iter().map(|a| a.index.as_str()).collect();
        assert_eq!(names, ["a-2", "a-1"]);
        assert_eq!(read["a"][1].index_routing.as_deref(), Some("r"));
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(encode_segment("logs-*,a b/ü"), "logs-*,a%20b%2F%C3%BC");
    }
}
