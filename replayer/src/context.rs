//! What everything that is sent shares.

use std::sync::Arc;

use cluster::ClusterError;
use deletes::Deletes;
use telemetry::Shutdown;
use transform::Version;
use tuples::TupleError;

use crate::{
    ahead::Ahead,
    ids::SourceIds,
    indices::{IndexError, Indices},
    latency::Latencies,
    lateness::Lateness,
    ledger::Ledger,
    losses::Losses,
    metrics::Metrics,
    offsets::Offsets,
    recorder::{RecordError, Recorder},
    rules::Transforms,
    schedule::Schedule,
    sender::Sender,
    settings::Settings,
    source::Source,
};

#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) metrics: Metrics,
    pub(crate) schedule: Arc<Schedule>,
    pub(crate) latencies: Latencies,
    pub(crate) lateness: Lateness,
    pub(crate) offsets: Offsets,
    pub(crate) sender: Sender,
    pub(crate) source: Option<Arc<Source>>,
    /// What captured requests were written for, where that is known.
    pub(crate) source_version: Option<Version>,
    pub(crate) indices: Indices,
    pub(crate) ledger: Ledger,
    pub(crate) losses: Losses,
    /// Where deletes are noted; `None`: they aren't.
    pub(crate) deletes: Option<Deletes>,
    pub(crate) ids: SourceIds,
    pub(crate) ahead: Ahead,
    pub(crate) recorder: Recorder,
    pub(crate) transforms: Transforms,
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
    Tuples(#[from] RecordError),
    #[error(transparent)]
    TupleStore(#[from] snapshot::SnapshotError),
    #[error("the writer of tuples ended; this is a bug, please report it")]
    NoRecorder,
    #[error(transparent)]
    Admin(#[from] telemetry::AdminError),
    #[error(transparent)]
    Rules(#[from] ::rules::NoWorker),
    #[error(
        "the records of one connection lie in several partitions of this topic: one replayer alone has to read it; end \
         the others of this group, or leave --share out"
    )]
    Scattered,
    #[error(
        "nothing can go on and {waiting} requests wait: {first}; this is a bug, please report it"
    )]
    Stuck { waiting: usize, first: String },
}

impl From<TupleError> for RunError {
    fn from(error: TupleError) -> Self {
        Self::Tuples(error.into())
    }
}

impl From<IndexError> for RunError {
    fn from(error: IndexError) -> Self {
        match error {
            IndexError::Cluster(error) => Self::Cluster(error),
            other => Self::Cluster(ClusterError::Settings(other.to_string())),
        }
    }
}
