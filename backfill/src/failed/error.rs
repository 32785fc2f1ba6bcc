//! What can go wrong with the stream of failed documents.

/// Writing and reading failed documents. A write that fails must stop the run: the documents would be
/// forgotten otherwise.
#[derive(Debug, thiserror::Error)]
pub enum FailedError {
    #[error(
        "failed documents at `{url}`: {reason}; give a directory, file:///…, s3://bucket/…, gs://bucket/… or \
         az://container/…"
    )]
    Url { url: String, reason: String },
    #[error("failed documents: cannot {what} {part}: {source}")]
    Store { what: &'static str, part: String, source: object_store::Error },
    #[error(
        "failed documents: line {line} of {part} is not understood: {reason}; the part is left as it is, \
         restore it or move it away"
    )]
    Line { part: String, line: usize, reason: String },
    #[error(
        "failed documents: {part} has {bytes} bytes, more than the {limit} that are read at once"
    )]
    TooLarge { part: String, bytes: u64, limit: u64 },
    #[error("failed documents: {name} doesn't look like a part; move it out of the way")]
    Name { name: String },
}

impl FailedError {
    /// A part that was listed isn't there any more.
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Store { source: object_store::Error::NotFound { .. }, .. })
    }
}
