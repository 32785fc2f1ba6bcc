//! What can go wrong between us and a cluster.

/// An error with the cluster's url and the path asked for, and whether a repeat may help.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    #[error("{0}")]
    Settings(String),
    #[error(
        "cannot connect to {url}: {reason}; check that the cluster runs and that the url is right"
    )]
    Connect { url: String, reason: String },
    #[error("no TLS connection to {url}: {reason}; {advice}")]
    Tls { url: String, reason: String, advice: &'static str },
    #[error(
        "no AWS keys to sign requests to {url} with: {reason}; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY or AWS_PROFILE, or run where there is a role"
    )]
    Keys { url: String, reason: String },
    #[error("the request to {path} of {url} can't be signed: {reason}")]
    Signature { url: String, path: String, reason: String },
    #[error("no whole answer from {url} to {method} {path}: {reason}")]
    NoAnswer { url: String, method: String, path: String, reason: String },
    #[error("{url} answered {method} {path} with {status}: {body}")]
    Status { url: String, method: String, path: String, status: u16, body: String },
    #[error("the answer of {url} to {path} is not understood: {reason}")]
    Answer { url: String, path: String, reason: String },
    #[error("{url} could not answer {path} in time: {reason}; check the cluster's health")]
    Unavailable { url: String, path: String, reason: String },
    #[error(
        "the answer of {url} to {path} is longer than {limit} bytes; ask for less or raise the limit"
    )]
    TooLong { url: String, path: String, limit: usize },
}

impl ClusterError {
    /// True when the request cannot have reached the cluster, so that sending it again is always safe.
    pub fn never_arrived(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Tls { .. } | Self::Keys { .. } | Self::Signature { .. }
        )
    }

    /// True when waiting may help: nothing answered, or the answer was "not now".
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Connect { .. }
            | Self::Tls { .. }
            | Self::Keys { .. }
            | Self::NoAnswer { .. }
            | Self::Unavailable { .. } => true,
            Self::Status { status, .. } => crate::retry::is_transient(*status),
            Self::Settings(_)
            | Self::Signature { .. }
            | Self::Answer { .. }
            | Self::TooLong { .. } => false,
        }
    }

    /// The status, if the cluster answered with one.
    pub fn status(&self) -> Option<u16> {
        match self {
            Self::Status { status, .. } => Some(*status),
            _ => None,
        }
    }
}
