//! What all workers of a process share.

use std::sync::Arc;

use cluster::{Cluster, ClusterError};
use telemetry::Shutdown;
use thiserror::Error;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::{
    coordinator::{Coordinator, CoordinatorError, LeaseError},
    failed::{FailedError, FailedStore},
    progress::Progress,
    read::SelectionError,
    rewrite::RewriteError,
    send::{SendError, Sender},
    settings::RunSettings,
    shard::{ReadError, Shard},
    sweep::SweepError,
    target::{TargetError, Targets},
    waiting::may_pass,
};

/// What a run needs, whichever worker is at it.
pub(crate) struct Context {
    pub(crate) settings: RunSettings,
    pub(crate) coordinator: Coordinator,
    pub(crate) targets: Targets,
    pub(crate) target: Cluster,
    /// What a replay beside couldn't prove is asked of it.
    pub(crate) source: Option<Cluster>,
    pub(crate) sender: Sender,
    pub(crate) failed: FailedStore,
    pub(crate) progress: Progress,
    pub(crate) shutdown: Shutdown,
    /// Permits of [`UNIT`] bytes each for batches that are under way.
    pub(crate) memory: Arc<Semaphore>,
    pub(crate) permits: u32,
    /// A unit of this process has ended: there may be another, or none any more.
    pub(crate) ended: Notify,
}

/// Bytes of a permit.
pub(crate) const UNIT: usize = 4096;

/// Why a run ended before its end. Running it again goes on where it was.
#[derive(Debug, Error)]
pub enum RunError {
    #[error(transparent)]
    Snapshot(#[from] snapshot::SnapshotError),
    #[error(transparent)]
    Selection(#[from] SelectionError),
    #[error(
        "snapshot {name} is {state}: {what}; --partial backfills the shards that it has, and never says complete"
    )]
    NotWhole { name: String, state: String, what: String },
    #[error(
        "no index of snapshot {snapshot} is left to backfill; system indices are taken only when --index names them"
    )]
    Nothing { snapshot: String },
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Coordinator(#[from] CoordinatorError),
    #[error(transparent)]
    Sweep(#[from] SweepError),
    #[error(transparent)]
    Send(#[from] SendError),
    #[error("a failed document can't be kept: {0}")]
    Failed(#[from] FailedError),
    #[error(transparent)]
    Lease(#[from] LeaseError),
    #[error(transparent)]
    Admin(#[from] telemetry::AdminError),
    #[error(transparent)]
    Rules(#[from] RewriteError),
    #[error("asked to stop; run again to go on from here")]
    Stopped,
    #[error("a task ended by itself: {0}; this is a bug")]
    Task(String),
}

impl RunError {
    /// The target or the coordinator isn't there, and waiting may help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Cluster(error) | Self::Sweep(SweepError::Cluster(error)) => may_pass(error),
            Self::Target(error) => error.may_pass(),
            Self::Coordinator(error) => error.is_transient(),
            _ => false,
        }
    }
}

impl Context {
    /// Room for so many bytes under way, if there is any now. A batch that is larger than all the room there is
    /// goes alone.
    pub(crate) fn memory_now(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.memory).try_acquire_many_owned(self.permits_of(bytes)).ok()
    }

    /// Waits for that room. Whoever holds some must not wait: others may be waiting for it.
    pub(crate) async fn memory(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.memory).acquire_many_owned(self.permits_of(bytes)).await.ok()
    }

    fn permits_of(&self, bytes: usize) -> u32 {
        u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.permits)
    }

    /// Opens a shard of the snapshot.
    pub(crate) async fn shard(&self, index: &str, number: u32) -> Result<Shard, RunError> {
        let plan = self.targets.of(index)?;
        Ok(Shard::open(&plan.source, number, self.settings.read.limits).await?)
    }
}
