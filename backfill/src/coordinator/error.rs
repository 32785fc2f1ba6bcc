//! What can go wrong between workers.

use std::{fmt, time::Duration};

use cluster::ClusterError;

use crate::{accounts::AccountsError, waiting::may_pass};

/// Something that must be the same for all workers of a run, and isn't.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    pub setting: String,
    pub here: String,
    pub in_the_run: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, here, in_the_run } = self;
        write!(f, "{setting} is {here} here, {in_the_run} in the run")
    }
}

#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("a lease of {0:?} won't do; take half a second to a day")]
    LeaseLength(Duration),
    #[error("there is no run in {index}; `backfill run` begins one")]
    NoRun { index: String },
    #[error(
        "the run in {index} isn't planned yet: a worker is at it, or died at it; start another"
    )]
    NotPlanned { index: String },
    #[error("{index} holds no run of this program; delete it, or take another name with --run")]
    NotARun { index: String },
    #[error(
        "run `{run}` was begun differently: {}; give the same, or take another name with --run",
        list(differences)
    )]
    DifferentRun { run: String, differences: Vec<Difference> },
    #[error("two units of the plan are called `{id}`; report this with the snapshot's listing")]
    DuplicateUnit { id: String },
    #[error("unit `{id}` can't be written to {index}: {reason}")]
    UnitNotWritten { index: String, id: String, reason: String },
    #[error(
        "document `{id}` of {index} is not understood: {reason}; was the index changed by hand?"
    )]
    Damaged { index: String, id: String, reason: String },
    #[error(
        "{index} has {found} units of {planned}; were documents deleted? Begin a run of another name"
    )]
    UnitsMissing { index: String, found: u64, planned: u64 },
}

impl CoordinatorError {
    /// True when waiting may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Cluster(error) => may_pass(error),
            Self::NotPlanned { .. } => true,
            _ => false,
        }
    }
}

fn list(differences: &[Difference]) -> String {
    differences.iter().map(Difference::to_string).collect::<Vec<_>>().join("; ")
}

/// Why a lease is over although nobody ended it. The work under it must stop at once.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    #[error("unit `{unit}` was taken over by {by}")]
    TakenOver { unit: String, by: String },
    #[error("the lease of unit `{unit}` couldn't be renewed in time: {reason}")]
    NotRenewed { unit: String, reason: String },
    #[error("the document of unit `{unit}` is gone: was the run's index deleted?")]
    Gone { unit: String },
    #[error("the coordinator refused a write of unit `{unit}`: {reason}")]
    Refused { unit: String, reason: String },
}

#[derive(Debug, thiserror::Error)]
pub enum LeaseError {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error("unit `{unit}`: {error}; this is a bug")]
    Accounts { unit: String, error: AccountsError },
    #[error("unit `{unit}`: a checkpoint went backwards; this is a bug")]
    Backwards { unit: String },
    /// The unit is `refused`, with this as its error.
    #[error("unit `{unit}` counts {documents} documents and {passed} were passed; it was refused")]
    Unread { unit: String, documents: u64, passed: u64 },
}
