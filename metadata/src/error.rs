//! Why a command ends without a report.

use cluster::ClusterError;
use snapshot::SnapshotError;

/// What stops a whole run; what is wrong with one item is in the report.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    #[error("the source: {0}")]
    Source(#[source] ClusterError),
    #[error("the target: {0}")]
    Target(#[source] ClusterError),
    #[error("the source: {0}")]
    Snapshot(#[from] SnapshotError),
    #[error(
        "{url} refuses to show its {what} ({status}): {body}; give {user} the privilege {privilege}"
    )]
    Privilege {
        url: String,
        what: &'static str,
        status: u16,
        body: String,
        user: &'static str,
        privilege: &'static str,
    },
    #[error("{url}: its answer about {what} is not understood: {reason}")]
    Answer { url: String, what: &'static str, reason: String },
    #[error(
        "snapshot {snapshot} in {repository} has no global state, so it holds no templates, pipelines, scripts or \
         data streams; make it with include_global_state, or move only what it has with --kind index --kind alias"
    )]
    NoGlobalState { repository: String, snapshot: String },
    #[error("snapshot {snapshot} in {repository} says nothing of the version that made it")]
    NoVersion { repository: String, snapshot: String },
    #[error("the target is {0}; metadata writes to OpenSearch")]
    NotOpenSearch(String),
}

impl MetadataError {
    /// Waiting or trying elsewhere may help: nobody answered.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Source(error) | Self::Target(error) => error.is_transient(),
            Self::Snapshot(error) => error.is_transient(),
            _ => false,
        }
    }

    /// What the settings say is wrong: a url, a secret, a privilege, a choice.
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Source(error) | Self::Target(error) => {
                matches!(error, ClusterError::Settings(_))
                    || matches!(error.status(), Some(401 | 403))
            }
            Self::Snapshot(error) => {
                matches!(error, SnapshotError::Settings(_) | SnapshotError::Denied { .. })
            }
            Self::Privilege { .. } | Self::NotOpenSearch(_) | Self::NoGlobalState { .. } => true,
            Self::Answer { .. } | Self::NoVersion { .. } => false,
        }
    }
}
