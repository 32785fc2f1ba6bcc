//! Where one document lives.

use std::sync::Arc;

/// Where one document lives. Two documents with the same index and id but another routing may live
/// on two shards, so routing is part of the address.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    /// The index. Concrete (as the answer names it) in an operation; in a doubt possibly an alias
    /// or a data stream, as the request named it.
    pub index: Arc<str>,
    /// The mapping type of an Elasticsearch before 8, when the request or the answer names one that
    /// isn't `_doc`.
    pub doc_type: Option<Arc<str>>,
    /// `_id`, percent-decoded.
    pub id: String,
    /// The routing of the request (of old, its `parent`) or of the alias it went through.
    pub routing: Option<String>,
}
