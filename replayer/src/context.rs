//! What everything that is sent shares.

use std::sync::Arc;

use cluster::ClusterError;
use deletes::Deletes;
use telemetry::Shutdown;
use tuples::TupleError;

use crate::{
    ids::SourceIds,
    indices::{IndexError, Indices},
    ledger::Ledger,
    metrics::Metrics,
    offsets::Offsets,
    recorder::Recorder,
    schedule::Schedule,
    sender::Sender,
    settings::Settings,
    source::Source,
};

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) schedule: Schedule,
    pub(crate) offsets: Offsets,
    pub(crate) sender: Sender,
    pub(crate) source: Option<Arc<Source>>,
    pub(crate) indices: Indices,
    pub(crate) ledger: Ledger,
    /// Where deletes are noted; `None`: they aren't.
    pub(crate) deletes: Option<Deletes>,
    pub(crate) ids: SourceIds,
    pub(crate) recorder: Recorder,
    pub(crate) shutdown: Shutdown,
}

/// Why a run ended before its end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(transparent)]
    Journal(#[from] journal::ReadError),
    #[error(transparent)]
    Tuples(#[from] TupleError),
    #[error(transparent)]
    Admin(#[from] telemetry::AdminError),
    #[error(
        "nothing can go on and {waiting} requests wait: {first}; this is a bug, please report it"
    )]
    Stuck { waiting: usize, first: String },
}

impl From<IndexError> for RunError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Cluster(error) => Self::Cluster(error),
            other => Self::Cluster(ClusterError::Settings(other.to_string())),
        }
    }
}
