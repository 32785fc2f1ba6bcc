//! What is known about the source beside the exchange itself.

use std::collections::HashMap;

/// What is known about the source beside the exchange itself. Whoever calls [`crate::interpret`]
/// keeps it up to date from the source and from captured control requests.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The major version of an Elasticsearch source; `None` if it isn't known or isn't
    /// Elasticsearch. From 8 on a bulk is taken to be executed while it arrives.
    pub elasticsearch_major: Option<u32>,
    /// Documents that are read from the source don't say their sequence numbers (Elasticsearch before
    /// 6.7). Then no answer is taken to prove a version: what the journal proves and what is read
    /// could not be held against each other.
    pub unnumbered: bool,
    /// By the name that a request may use: concrete indices, and aliases that lead to an index with
    /// a pipeline. An index that isn't here has neither pipelines nor external versions.
    pub indices: HashMap<String, IndexFacts>,
    /// Alias → concrete index → the `index_routing` that the alias adds to a write without one.
    pub alias_routing: HashMap<String, HashMap<String, String>>,
}

/// What is known about one index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct IndexFacts {
    /// `index.default_pipeline` is set: it runs unless the request names another pipeline or
    /// `_none`.
    pub default_pipeline: bool,
    /// `index.final_pipeline` is set: it runs in spite of `pipeline=_none`.
    pub final_pipeline: bool,
    pub versioning: Versioning,
    /// 0 in a first migration; grows for the way back or a rebuilt index.
    pub epoch: u32,
}

/// Where an index's documents get their version from. Decided before its first document is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Versioning {
    /// From the shard's (primary term, sequence number).
    #[default]
    Sequence,
    /// From `_version`: the index's clients bring external versions of their own.
    Version,
}

impl Facts {
    /// What is known about an index, or about one that has nothing special.
    pub fn index(&self, name: &str) -> IndexFacts {
        self.indices.get(name).copied().unwrap_or_default()
    }

    /// Whether a bulk that was refused or cut off may have been executed in part.
    pub(crate) fn bulk_is_incremental(&self) -> bool {
        self.elasticsearch_major.is_some_and(|major| major >= 8)
    }

    /// Whether an ingest pipeline ran over a document that was sent to `named` with `pipeline` and
    /// ended in `written`.
    pub(crate) fn pipeline_ran(&self, pipeline: Option<&str>, named: &str, written: &str) -> bool {
        let known = [self.index(named), self.index(written)];
        if known.iter().any(|facts| facts.final_pipeline) {
            return true;
        }
        match pipeline {
            Some("_none") => false,
            Some(_) => true,
            None => known.iter().any(|facts| facts.default_pipeline),
        }
    }

    /// The routing that the alias `named` adds to a write into `written`.
    pub(crate) fn alias_routing(&self, named: &str, written: &str) -> Option<&str> {
        self.alias_routing.get(named)?.get(written).map(String::as_str)
    }
}
