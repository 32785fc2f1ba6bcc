//! Writing notes, and reading those of an index.

use cluster::{BulkItem, Cluster, ClusterError, Scan};
use serde_json::json;

use crate::{INDEX, Note};

/// Notes of one request, about 200 KB.
const BATCH: usize = 1000;

/// The notes of a target.
#[derive(Clone, Debug)]
pub struct Deletes {
    target: Cluster,
}

/// The notes of one index, page by page.
#[derive(Debug)]
pub struct Noted {
    scan: Scan,
}

impl Deletes {
    /// Those of a target, if any replayer has ever kept some there.
    pub async fn of(target: Cluster) -> Result<Option<Self>, ClusterError> {
        let is_there = !target.index_definitions(INDEX).await?.is_empty();
        Ok(is_there.then_some(Self { target }))
    }

    /// Makes the index for notes unless it is there.
    pub async fn open(target: Cluster) -> Result<Self, ClusterError> {
        let mappings = json!({"dynamic": false, "properties": {"image": {"type": "keyword"}}});
        target.make_index(INDEX, &mappings).await?;
        Ok(Self { target })
    }

    /// Keeps notes; all are durable when this returns. A note that is kept twice does no harm.
    ///
    /// # Errors
    /// When the target doesn't take them for as long as its patience says, or refuses one.
    pub async fn keep(&self, notes: &[Note]) -> Result<(), ClusterError> {
        let path = format!("/{INDEX}/_bulk");
        for batch in notes.chunks(BATCH) {
            let mut lines = Vec::new();
            for note in batch {
                lines.extend_from_slice(b"{\"index\":{}}\n");
                // A note is texts and numbers.
                lines.extend(serde_json::to_vec(note).unwrap_or_default());
                lines.push(b'\n');
            }
            let is_kept = |item: &BulkItem| item.is_success();
            self.target.bulk_all(&path, lines.into(), batch.len(), is_kept).await?;
        }
        Ok(())
    }

    /// Begins to read what was kept, up to now, of the index with this UUID.
    pub async fn noted(&self, image: &str, page: usize) -> Result<Noted, ClusterError> {
        let query = json!({"term": {"image": image}});
        Ok(Noted { scan: self.target.scan_where(INDEX, &query, page).await? })
    }
}

impl Noted {
    /// The next notes; none is the end.
    ///
    /// # Errors
    /// When a note isn't understood: nothing is skipped.
    pub async fn next_page(&mut self) -> Result<Vec<Note>, ClusterError> {
        let page = self.scan.next_page().await?;
        let read = |document: cluster::Document| {
            serde_json::from_slice(&document.source).map_err(|error| ClusterError::Answer {
                url: self.scan.url().to_owned(),
                path: format!("/{INDEX}/_doc/{}", document.id),
                reason: error.to_string(),
            })
        };
        page.into_iter().map(read).collect()
    }
}
