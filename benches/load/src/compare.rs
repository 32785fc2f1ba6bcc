//! Two clusters against each other, and one against the ledger, document by document.

use std::cmp::Ordering;

use indicatif::ProgressBar;

use crate::ledger::{Ledger, Violation};
use crate::reader::{Document, Documents, indices};
use crate::writer::{CITIES, EVENTS};

/// What was compared, and what differs.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Documents of the source (or of the one cluster).
    pub documents: u64,
    pub differences: Vec<Violation>,
}

/// Reads both clusters completely. Equal means: the same indices, in each the same ids, and for each
/// id the same `_source` (as parsed JSON) and the same routing.
///
/// # Errors
/// When a cluster can't be read.
pub async fn clusters(
    source: &str,
    target: &str,
    progress: &ProgressBar,
) -> anyhow::Result<Comparison> {
    let mut found = Comparison::default();
    let (here, there) = (indices(source).await?, indices(target).await?);
    for index in &here {
        if there.contains(index) {
            index_by_index(source, target, index, progress, &mut found).await?;
        } else {
            found.differ(index, "*", "the index is missing on the target");
        }
    }
    for index in there.iter().filter(|index| !here.contains(index)) {
        found.differ(index, "*", "the index is on the target only");
    }
    Ok(found)
}

async fn index_by_index(
    source: &str,
    target: &str,
    index: &str,
    progress: &ProgressBar,
    found: &mut Comparison,
) -> anyhow::Result<()> {
    let mut here = Documents::of(source, index).await?;
    let mut there = Documents::of(target, index).await?;
    let (mut left, mut right) = tokio::try_join!(here.next(), there.next())?;
    loop {
        let order = match (&left, &right) {
            (None, None) => return Ok(()),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(left), Some(right)) => left.id.cmp(&right.id),
        };
        if let (Some(left), true) = (&left, order.is_le()) {
            progress.inc(1);
            found.documents += 1;
            match &right {
                Some(right) if order.is_eq() => found.pair(index, left, right),
                _ => found.differ(index, &left.id, "is missing on the target"),
            }
        }
        if let (Some(right), true) = (&right, order.is_gt()) {
            found.differ(index, &right.id, "is on the target only");
        }
        if order.is_le() {
            left = here.next().await?;
        }
        if order.is_ge() {
            right = there.next().await?;
        }
    }
}

impl Comparison {
    fn pair(&mut self, index: &str, left: &Document, right: &Document) {
        if left.source != right.source {
            self.differ(index, &left.id, "has another _source on the target");
        } else if left.routing != right.routing {
            self.differ(index, &left.id, "has another routing on the target");
        }
    }

    fn differ(&mut self, index: &str, id: &str, what: &'static str) {
        self.differences.push(Violation { index: index.to_owned(), id: id.to_owned(), what });
    }
}

/// Reads one cluster completely and holds it against what the clients were promised.
///
/// # Errors
/// When the cluster can't be read.
pub async fn with_ledger(
    cluster: &str,
    ledger: &Ledger,
    progress: &ProgressBar,
) -> anyhow::Result<Comparison> {
    let mut check = ledger.check();
    for index in [CITIES, EVENTS] {
        let mut documents = Documents::of(cluster, index).await?;
        while let Some(document) = documents.next().await? {
            progress.inc(1);
            check.found(index, &document.id, document.routing.as_deref(), &document.source);
        }
    }
    Ok(Comparison { documents: check.documents, differences: check.finish() })
}
