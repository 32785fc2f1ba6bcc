//! Why sending stopped: nothing that is about one document.

use std::time::Duration;

use cluster::ClusterError;

/// The run can't go on; the batch isn't accounted for and has to be sent again.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    #[error(
        "{url} refuses these credentials with {status}: {reason}; writing needs the index and bulk \
         permissions on the target's indices"
    )]
    Credentials { url: String, status: u16, reason: String },
    #[error(
        "the target has no index {index} and doesn't make it by itself: {reason}; make it with the \
         metadata step, or find out who deleted it"
    )]
    IndexMissing { index: String, reason: String },
    #[error(
        "nothing could be written to {index} at {url} for {}: {obstacle}; raise --target-retry-for to \
         wait longer, and run again to go on where this ended",
        settings::Span(Duration::from_secs(waited.as_secs()))
    )]
    GaveUp { url: String, index: String, waited: Duration, obstacle: Obstacle },
    #[error(
        "{url} refuses every document of {index}, also alone ({refused} tried), with {status}: {reason}; \
         that isn't about the documents: check the target's version and what stands in front of it"
    )]
    EverythingRefused { url: String, index: String, refused: u32, status: u16, reason: String },
    #[error(
        "{url} answered {path} with {status}: {body}; check that the url is that of the cluster itself"
    )]
    Unexpected { url: String, path: String, status: u16, body: String },
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("cannot compress a request: {0}")]
    Compress(#[from] std::io::Error),
}

/// What stood in the way last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    #[error("no answer: {0}")]
    Silent(String),
    #[error("the target is busy ({status} {kind}: {reason})")]
    Busy { status: u16, kind: String, reason: String },
    #[error(
        "the index takes no writes ({0}); when a disk ran full, make room and, on a version that doesn't do it \
         by itself, remove index.blocks.read_only_allow_delete"
    )]
    Blocked(String),
    #[error("the answer doesn't fit the request: {0}")]
    Answer(String),
}
