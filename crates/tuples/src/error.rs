//! What can go wrong with tuple files.

use std::{io, path::PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum TupleError {
    #[error("tuple file {path}: {source}; check that the disk has room and is writable")]
    Write { path: PathBuf, source: io::Error },
    #[error("tuple file {path}: {source}")]
    Read { path: PathBuf, source: io::Error },
    #[error("tuple file {path}, line {line}: not JSON: {reason}")]
    Line { path: PathBuf, line: u64, reason: String },
}
