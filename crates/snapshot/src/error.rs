//! What can go wrong, in bytes ([`FormatError`]) and in a repository ([`SnapshotError`]).

use std::fmt;

/// Bytes that are not what they must be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    #[error("{what} is none that is known; the bytes begin with {}", hex(start))]
    Unknown { what: &'static str, start: Vec<u8> },
    #[error("the bytes end before the end of {what}, or that is damaged")]
    Truncated { what: &'static str },
    #[error(
        "the checksum is {computed:08x} where the footer says {stored:08x}: the bytes are damaged"
    )]
    Checksum { stored: u64, computed: u64 },
    #[error("the blob is a `{found}` where a `{expected}` must be")]
    Codec { expected: String, found: String },
    #[error("version {found} of the `{codec}` envelope is not known (1 is)")]
    Version { codec: String, found: u32 },
    #[error("{format} does not decode: {reason}")]
    Packed { format: &'static str, reason: String },
    #[error(
        "longer than {limit} bytes when expanded; raise the limit of expanded metadata if it is sound"
    )]
    TooLong { limit: usize },
    #[error("{syntax} does not parse: {reason}")]
    Syntax { syntax: &'static str, reason: String },
    /// `path` is the way to the value, as in `files[3].length`.
    #[error("`{path}`: {problem}")]
    Shape { path: String, problem: String },
}

impl FormatError {
    pub(crate) fn unknown(what: &'static str, bytes: &[u8]) -> Self {
        Self::Unknown { what, start: bytes[..bytes.len().min(8)].to_vec() }
    }

    pub(crate) fn truncated(what: &'static str) -> Self {
        Self::Truncated { what }
    }

    pub(crate) fn packed(format: &'static str, reason: &str) -> Self {
        Self::Packed { format, reason: reason.to_owned() }
    }
}

fn hex(bytes: &[u8]) -> String {
    match bytes {
        [] => "nothing".to_owned(),
        _ => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" "),
    }
}

/// What of a repository was being read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Place {
    pub repository: String,
    pub snapshot: Option<String>,
    pub index: Option<String>,
    pub shard: Option<u32>,
    /// The physical name of a shard's file.
    pub file: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "repository {}", self.repository)?;
        if let Some(snapshot) = &self.snapshot {
            write!(f, ", snapshot `{snapshot}`")?;
        }
        if let Some(index) = &self.index {
            write!(f, ", index `{index}`")?;
        }
        if let Some(shard) = self.shard {
            write!(f, ", shard {shard}")?;
        }
        if let Some(file) = &self.file {
            write!(f, ", file `{file}`")?;
        }
        Ok(())
    }
}

/// A snapshot that can't be read, where, and what may help.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    #[error("{0}")]
    Settings(String),
    #[error(
        "{place}: blob `{blob}` is missing; the repository is incomplete, or the url is not its root"
    )]
    Missing { place: Box<Place>, blob: String },
    #[error(
        "{place}: no access to blob `{blob}`: {reason}; check the credentials and their rights"
    )]
    Denied { place: Box<Place>, blob: String, reason: String },
    #[error("{place}: blob `{blob}` could not be read in {attempts} attempts: {reason}")]
    Unreadable { place: Box<Place>, blob: String, attempts: u32, reason: String },
    #[error("{place}: blob `{blob}` has {found} bytes where the file list says {expected}")]
    Length { place: Box<Place>, blob: String, expected: u64, found: u64 },
    #[error("{place}: blob `{blob}` is longer than {limit} bytes; raise that limit if it is sound")]
    TooLong { place: Box<Place>, blob: String, limit: u64 },
    #[error("{place}: blob `{blob}`: {source}")]
    Malformed {
        place: Box<Place>,
        blob: String,
        #[source]
        source: FormatError,
    },
    #[error("{place}: {problem}")]
    Damaged { place: Box<Place>, problem: String },
    #[error("{place}: the range {start}..{end} is not in a file of {length} bytes")]
    Range { place: Box<Place>, start: u64, end: u64, length: u64 },
    #[error(
        "{place}: there is no snapshot repository here: neither `index.latest` nor `index-N` nor `index`{hint}"
    )]
    NoRepository { place: Box<Place>, hint: String },
    #[error(
        "repository {repository}: no snapshot `{name}`; there are: {}; one that still runs is listed when it ends",
        listed(known)
    )]
    NoSnapshot { repository: String, name: String, known: Vec<String> },
    #[error("{place}: the snapshot does not hold this index")]
    NoIndex { place: Box<Place> },
    #[error("{place}: the index has only {shards} shards")]
    NoShard { place: Box<Place>, shards: u32 },
    #[error("{place}: the snapshot does not hold this shard, because it failed: {reason}")]
    ShardFailed { place: Box<Place>, reason: String },
    #[error("{place}: not supported: {reason}")]
    Unsupported { place: Box<Place>, reason: &'static str },
}

impl SnapshotError {
    /// True when the blob isn't there at all.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Missing { .. })
    }

    /// True also when the store refused: S3 says so of a blob that is missing to those who may not list.
    pub(crate) fn may_be_missing(&self) -> bool {
        matches!(self, Self::Missing { .. } | Self::Denied { .. })
    }

    /// True when the store did not answer well and may later; false when the repository itself is at fault.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreadable { .. })
    }
}

fn listed(names: &[String]) -> String {
    const SHOWN: usize = 20;
    match names {
        [] => "none".to_owned(),
        _ if names.len() <= SHOWN => names.join(", "),
        _ => format!("{}, and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}
