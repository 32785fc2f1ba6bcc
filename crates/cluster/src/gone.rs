//! Documents that one cluster has and another hasn't (any more).

use std::collections::HashSet;

use crate::{Cluster, ClusterError, Document, DocumentId};

impl Cluster {
    /// Of `there`, documents of another cluster, those that `index` of this one hasn't; each with the version that it
    /// has there.
    pub async fn lacking(
        &self,
        index: &str,
        there: Vec<Document>,
    ) -> Result<Vec<(DocumentId, i64)>, ClusterError> {
        let there: Vec<_> = there.into_iter().map(with_version).collect();
        let ids: Vec<DocumentId> = there.iter().map(|(id, _)| id.clone()).collect();
        let versions = self.versions(index, &ids).await?;
        let pairs = there.into_iter().zip(versions);
        Ok(pairs.filter(|(_, version)| version.is_none()).map(|(there, _)| there).collect())
    }
}

/// Of `there`, what [`Cluster::find_ids`] found on one cluster, those that it didn't find on another (`here`); each
/// with the version that it has there.
pub fn not_among(there: Vec<Document>, here: &[Document]) -> Vec<(DocumentId, i64)> {
    let known: HashSet<_> = here.iter().map(|d| (d.id.as_str(), d.routing.as_deref())).collect();
    let is_known = |d: &Document| known.contains(&(d.id.as_str(), d.routing.as_deref()));
    there.into_iter().filter(|d| !is_known(d)).map(with_version).collect()
}

fn with_version(document: Document) -> (DocumentId, i64) {
    (
        DocumentId { id: document.id, routing: document.routing, doc_type: document.doc_type },
        document.version,
    )
}
