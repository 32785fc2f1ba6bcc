//! Patience with what is asked of the target and the coordinator besides documents.

use cluster::{ClusterError, Retry};
use tokio::time::Instant;

use crate::{context::RunError, settings::RunSettings};

/// Waiting for a target or a coordinator that is away as long as for one that takes no documents. A write by which a
/// unit is claimed must be answered within a part of the lease, and other calls have a shorter patience of their own.
pub(crate) struct Waiting {
    patience: Retry,
    until: Instant,
    attempt: u32,
}

impl Waiting {
    pub(crate) fn new(settings: &RunSettings) -> Self {
        let patience = Retry::for_at_most(settings.send.retry_for);
        let until = Instant::now() + patience.give_up_after;
        Self { patience, until, attempt: 0 }
    }

    /// Waits before what failed is asked again; gives back an error that waiting doesn't help.
    pub(crate) async fn again(&mut self, error: impl Into<RunError>) -> Result<(), RunError> {
        let (error, wait) = (error.into(), self.patience.wait(self.attempt));
        if !error.is_transient() || Instant::now() + wait > self.until {
            return Err(error);
        }
        tracing::warn!(%error, "waiting for the target or its coordinator");
        tokio::time::sleep(wait).await;
        self.attempt += 1;
        Ok(())
    }
}

/// Does waiting help? A cluster that isn't there comes back, and one whose disks are full gets room.
pub(crate) fn may_pass(error: &ClusterError) -> bool {
    match error {
        ClusterError::Status { body, .. } => error.is_transient() || is_block(body),
        other => other.is_transient(),
    }
}

/// A cluster's answer that says that an index or the cluster takes no writes now.
pub(crate) fn is_block(body: &str) -> bool {
    // `cluster_block_exception`; OpenSearch has `index_create_block_exception` too.
    body.contains("_block_exception")
}
