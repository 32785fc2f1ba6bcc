//! The end of an index's backfill beside a replay: deletes that the target may have forgotten.
//!
//! An older write of a deleted document is kept out only as long as the target remembers the delete. So the replayer
//! notes its deletes on the target (`crates/deletes`), and when all documents of the snapshot have been written they
//! are sent again, with their versions: harmless where nothing came back. What the replayer couldn't prove, the
//! source is asked once more. Only then is the run complete.

use std::collections::BTreeSet;

use bytes::Bytes;
use cluster::{Cluster, ClusterError, DocumentId};
use deletes::{Delete, Deletes};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use crate::{settings::Versioning, target::Targets};

/// Notes, and documents of a walk, that are dealt with together.
const PAGE: usize = 500;

/// What a sweep came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sweep {
    /// Noted deletes that were sent again.
    pub deletes: u64,
    /// Documents that the source hasn't any more, deleted with the version that they had on the target.
    pub gone: u64,
    /// Notes by which the source would have to be asked, and no source was given.
    pub unresolved: u64,
}

/// What ends a sweep; it may be begun again.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("document {id} of {index} can't be deleted on the target: {reason}")]
    Refused { index: String, id: String, reason: String },
}

/// Sends the deletes again that were noted for a run's indices.
///
/// # Errors
/// When a cluster is waited for in vain, or the target refuses a delete.
pub(crate) async fn sweep(
    target: &Cluster,
    source: Option<&Cluster>,
    targets: &Targets,
    versioning: Versioning,
) -> Result<Sweep, SweepError> {
    let mut swept = Sweep::default();
    if versioning == Versioning::None {
        return Ok(swept);
    }
    let Some(notes) = Deletes::of(target.clone()).await? else { return Ok(swept) };
    for plan in targets.iter().filter(|plan| !plan.is_superseded() && !plan.is_stream()) {
        for index in plan.indices() {
            let found = target.index_definitions(index).await?.remove(index);
            let Some(image) = found.as_ref().and_then(|found| found.uuid()) else { continue };
            // The source's name is the target's too, but for types that became indices of their own: those sources
            // have no versions, and no replay beside.
            let name = &plan.source.metadata.name;
            Index { target, source, index, name, swept: &mut swept }.sweep(&notes, image).await?;
        }
    }
    tracing::info!(
        deletes = swept.deletes,
        gone = swept.gone,
        unresolved = swept.unresolved,
        "deletes noted by a replay were sent again"
    );
    Ok(swept)
}

/// One index that is being swept.
struct Index<'s> {
    target: &'s Cluster,
    source: Option<&'s Cluster>,
    index: &'s str,
    /// What the source calls it.
    name: &'s str,
    swept: &'s mut Sweep,
}

impl Index<'_> {
    async fn sweep(&mut self, notes: &Deletes, image: &str) -> Result<(), SweepError> {
        let mut walk = false;
        let mut noted = notes.noted(image, PAGE).await?;
        loop {
            let page = noted.next_page().await?;
            if page.is_empty() {
                break;
            }
            let (mut deletes, mut gone) = (Vec::new(), BTreeSet::new());
            for note in page {
                match note.delete {
                    Delete::Version { id, routing, version } => {
                        deletes.push((DocumentId { id, routing, doc_type: None }, version));
                    }
                    Delete::Gone { id } => drop(gone.insert(id)),
                    Delete::Walk => walk = true,
                }
            }
            self.delete(&deletes).await?;
            self.swept.deletes += deletes.len() as u64;
            self.ask(&gone).await?;
        }
        if walk { self.walk().await } else { Ok(()) }
    }

    /// Deletes those of these ids that the source hasn't.
    async fn ask(&mut self, ids: &BTreeSet<String>) -> Result<(), SweepError> {
        if ids.is_empty() {
            return Ok(());
        }
        let Some(source) = self.source else {
            self.swept.unresolved += ids.len() as u64;
            return Ok(());
        };
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        // The target first: what is made on the source after that mustn't lend its version to the delete.
        let there = self.target.find_ids(self.index, &ids).await?;
        let live = source.find_ids(self.name, &ids).await?;
        let gone = cluster::not_among(there, &live);
        self.swept.gone += gone.len() as u64;
        self.delete(&gone).await
    }

    /// Deletes whatever the target has and the source hasn't.
    async fn walk(&mut self) -> Result<(), SweepError> {
        let Some(source) = self.source else {
            self.swept.unresolved += 1;
            return Ok(());
        };
        let mut scan = self.target.scan_numbers(self.index, PAGE).await?;
        loop {
            let page = scan.next_page().await?;
            if page.is_empty() {
                return Ok(());
            }
            let gone = source.lacking(self.name, page).await?;
            self.swept.gone += gone.len() as u64;
            self.delete(&gone).await?;
        }
    }

    /// Deletes documents up to a version each; what is newer stays.
    async fn delete(&self, documents: &[(DocumentId, i64)]) -> Result<(), SweepError> {
        let path = format!("/{}/_bulk", cluster::encode_segment(self.index));
        let patience = self.target.patience();
        let until = Instant::now() + patience.give_up_after;
        let mut left: Vec<&(DocumentId, i64)> = documents.iter().collect();
        let mut attempt = 0;
        while !left.is_empty() {
            let (_, reply) = self.target.bulk(&path, lines(&left), patience).await?;
            if reply.items.len() != left.len() {
                let reason = format!("{} items answered of {}", reply.items.len(), left.len());
                return Err(self.refused(&left[0].0.id, reason));
            }
            let mut again = Vec::new();
            for (document, item) in left.into_iter().zip(reply.items) {
                match item.status {
                    // 404: it isn't there, and now the target remembers that. 409: it has something newer.
                    200..300 | 404 | 409 => {}
                    _ if item.is_transient() && Instant::now() < until => again.push(document),
                    status => {
                        let kind = item.error.unwrap_or_default();
                        let reason = item.reason.unwrap_or_default();
                        let reason = format!("{status} {kind}: {reason}");
                        return Err(self.refused(&document.0.id, reason));
                    }
                }
            }
            left = again;
            if !left.is_empty() {
                tokio::time::sleep(patience.wait(attempt)).await;
                attempt += 1;
            }
        }
        Ok(())
    }

    fn refused(&self, id: &str, reason: String) -> SweepError {
        SweepError::Refused { index: self.index.to_owned(), id: id.to_owned(), reason }
    }
}

fn lines(documents: &[&(DocumentId, i64)]) -> Bytes {
    let mut lines = Vec::new();
    for (document, version) in documents {
        let mut action = json!({
            "_id": document.id, "version": version, "version_type": "external_gte",
        });
        if let Some(routing) = &document.routing {
            action["routing"] = json!(routing);
        }
        lines.extend_from_slice(json!({"delete": action}).to_string().as_bytes());
        lines.push(b'\n');
    }
    lines.into()
}
