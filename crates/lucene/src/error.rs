//! What can be wrong with a segment's bytes.

use thiserror::Error;

/// Every error names the file; the caller knows index and shard.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum LuceneError {
    #[error("{file} ends at byte {at}, where {wanted} more bytes were due: it is truncated")]
    Truncated { file: String, at: u64, wanted: u64 },
    #[error("{file} at byte {at}: {what}")]
    Corrupt { file: String, at: u64, what: String },
    #[error("{file} is written by codec `{codec}`, which this version of Godwit doesn't read")]
    Codec { file: String, codec: String },
    #[error(
        "{file} is written by version {version} of codec `{codec}`; this version of Godwit reads {least} to {most}"
    )]
    Version { file: String, codec: String, version: u32, least: u32, most: u32 },
    #[error("{file} has checksum {computed:08x} where its footer says {stored:08x}: it is damaged")]
    Checksum { file: String, stored: u64, computed: u32 },
    #[error("{file} at byte {at}: {what} takes {size} bytes, more than the {limit} allowed")]
    TooLarge { file: String, at: u64, what: &'static str, size: u64, limit: u64 },
    #[error("segment {segment}: {what} says {said}, but {found} are there")]
    Count { segment: String, what: &'static str, said: u64, found: u64 },
    #[error("segment {segment} has no file {file}")]
    Missing { segment: String, file: String },
}

impl LuceneError {
    /// More bytes of the same file may cure it.
    pub(crate) fn is_truncated(&self) -> bool {
        matches!(self, Self::Truncated { .. })
    }
}
