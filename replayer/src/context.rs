//! What everything that is sent shares.

use std::sync::Arc;

use cluster::ClusterError;
use converge::{Doubt, DoubtKind, Scope};
use deletes::Deletes;
use telemetry::Shutdown;
use tuples::TupleError;

use crate::{
    ahead::Ahead,
    ids::SourceIds,
    indices::{IndexError, Indices},
    latency::Latencies,
    lateness::Lateness,
    ledger::Ledger,
    losses::Losses,
    message::Between,
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
    pub(crate) between: Between,
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

impl Context {
    /// Whether a read or a control request names only indices that aren't replayed. What the source never had as an alias is
    /// an index, perhaps one that is gone.
    pub(crate) fn leaves_out(&self, scope: &Scope) -> bool {
        let Scope::Indices(names) = scope else { return false };
        let is_alias = |name: &str| {
            let behind = self.source.as_ref().and_then(|source| source.behind(name));
            behind.is_some_and(|indices| !indices.is_empty())
        };
        let out = |name: &String| {
            !self.settings.indices.has(name) && !name.contains('*') && !is_alias(name)
        };
        !names.is_empty() && names.iter().all(out)
    }

    /// Whether a doubt is certainly about nothing that is replayed: a name that may be an alias is looked up on the source.
    pub(crate) fn leaves_out_doubt(&self, doubt: &Doubt) -> bool {
        let out = |name: &str| {
            !self.settings.indices.has(name)
                && self.source.as_ref().is_some_and(|source| source.uuid(name).is_some())
        };
        match &doubt.kind {
            DoubtKind::ById(address) | DoubtKind::ByIdAnywhere(address) => out(&address.index),
            DoubtKind::Sweep { index }
            | DoubtKind::Walk { index }
            | DoubtKind::WalkAfter { index, .. } => out(index),
            DoubtKind::Definition { scope: Scope::Indices(names), .. } => {
                !names.is_empty() && names.iter().all(|name| out(name))
            }
            DoubtKind::Definition { scope: Scope::All, .. } | DoubtKind::Named { .. } => false,
        }
    }
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
