//! What only the cluster's state says of an index.

use std::collections::BTreeMap;

use reqwest::Method;
use serde::Deserialize;

use crate::{Cluster, ClusterError, Request, index::encode_segment};

/// An index as the cluster's state has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexState {
    pub open: bool,
    /// Into how many parts ids and routings are hashed before parts become shards. `None`: Elasticsearch before 7
    /// doesn't say.
    pub routing_shards: Option<u32>,
}

impl Cluster {
    /// The state of one concrete index; `None` when it isn't there.
    pub async fn index_state(&self, index: &str) -> Result<Option<IndexState>, ClusterError> {
        let path = format!(
            "/_cluster/state/metadata/{}?filter_path=metadata.indices.*.state,\
             metadata.indices.*.routing_num_shards",
            encode_segment(index)
        );
        let Some(reply) = self.find(Request::new(Method::GET, path.clone())).await? else {
            return Ok(None);
        };
        parse(&reply.body, index).map_err(|error| self.answer_error(&path, error))
    }
}

fn parse(body: &[u8], index: &str) -> Result<Option<IndexState>, serde_json::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Answer {
        metadata: Metadata,
    }
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct Metadata {
        indices: BTreeMap<String, Entry>,
    }
    #[derive(Deserialize)]
    struct Entry {
        state: Option<String>,
        routing_num_shards: Option<u32>,
    }
    let mut answer: Answer = serde_json::from_slice(body)?;
    Ok(answer.metadata.indices.remove(index).map(|entry| IndexState {
        open: entry.state.as_deref() != Some("close"),
        routing_shards: entry.routing_num_shards,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_old_and_new() {
        let new = br#"{"metadata":{"indices":{"i":{"routing_num_shards":768,"state":"open"}}}}"#;
        let state = parse(new, "i").unwrap();
        assert_eq!(state, Some(IndexState { open: true, routing_shards: Some(768) }));
        let old = br#"{"metadata":{"indices":{"i":{"state":"close"}}}}"#;
        let state = parse(old, "i").unwrap();
        assert_eq!(state, Some(IndexState { open: false, routing_shards: None }));
        assert_eq!(parse(b"{}", "i").unwrap(), None);
    }
}
