//! What the versions differ in, as far as a maker of documents sees it.

use anyhow::Context;
use serde_json::{Value, json};

use crate::server::Server;

#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    opensearch: bool,
    major: u32,
    minor: u32,
}

impl Dialect {
    pub(super) fn of(server: &Server) -> anyhow::Result<Self> {
        let mut numbers = server.version().split('.').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        let read = || format!("{} has version {}", server.name(), server.version());
        Ok(Self {
            opensearch: server.name().starts_with("opensearch"),
            major: next().with_context(read)?,
            minor: next().with_context(read)?,
        })
    }

    /// Is it an Elasticsearch before this version?
    pub(super) fn before(self, major: u32, minor: u32) -> bool {
        !self.opensearch && (self.major, self.minor) < (major, minor)
    }

    /// Documents have a type of their own.
    pub(super) fn has_types(self) -> bool {
        self.before(7, 0)
    }

    /// An index may have several types, and one be the parent of another.
    pub(super) fn has_parents(self) -> bool {
        self.before(6, 0)
    }

    /// The `join` field, a module of its own that is not published for Elasticsearch 8.
    pub(super) fn has_join(self) -> bool {
        self.opensearch || (6..8).contains(&self.major)
    }

    pub(super) fn has_sequence_numbers(self) -> bool {
        !self.before(6, 7)
    }

    /// `codec: best_compression`.
    pub(super) fn has_best_compression(self) -> bool {
        !self.before(2, 0)
    }

    /// Indices whose segments are sorted.
    pub(super) fn has_index_sorting(self) -> bool {
        !self.before(6, 0)
    }

    /// What to say about soft deletes to get the kind that is not the default.
    pub(super) fn unusual_soft_deletes(self) -> Option<bool> {
        match self.major {
            6 if !self.opensearch => Some(true),
            7 => Some(false),
            1 if self.opensearch => Some(false),
            _ => None,
        }
    }

    pub(super) fn text(self) -> Value {
        json!({"type": if self.before(5, 0) { "string" } else { "text" }})
    }

    pub(super) fn keyword(self) -> Value {
        if self.before(5, 0) {
            return json!({"type": "string", "index": "not_analyzed"});
        }
        json!({"type": "keyword"})
    }

    /// The `mappings` of an index: the one type's, or those of the types.
    pub(super) fn mappings(self, mapping: Value) -> Value {
        if self.has_types() { json!({"doc": mapping}) } else { mapping }
    }

    /// Merges an index's segments into one.
    pub(super) fn force_merge(self) -> &'static str {
        if self.before(2, 1) { "_optimize" } else { "_forcemerge" }
    }
}
