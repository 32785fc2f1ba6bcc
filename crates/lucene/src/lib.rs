//! Read-only segment readers for Lucene 4.1 to 10: bytes of segment files in, stored documents out.
//!
//! What it gives: which segments a commit has ([`Commit`]), which of their documents are alive ([`Bits`]),
//! the stored fields of all documents in order ([`StoredFields`]) and numbers from doc values ([`Column`]).
//! What it is not: an index reader. Nothing is searched; terms, points and vectors are never looked at.
//!
//! No I/O: whoever calls fetches files and ranges and hands their bytes over. A file is dispatched on by the
//! codec's name in its own header, since a shard may hold segments of two Lucenes.
//!
//! Invariants: no bytes make it panic or allocate by a length it has not checked; a codec or version that
//! isn't known is an error that names it; what a commit says of deletions must be what is found. A bit a document
//! is all that grows with a segment: [`SegmentInfo::check_length`] says first whether so many can be there.
#![forbid(unsafe_code)]

mod commit;
mod compound;
mod doc_values;
mod error;
mod fields;
mod header;
mod id;
mod input;
mod live;
mod long_file;
mod segment_info;
mod stored;

pub use commit::{Commit, SegmentCommit};
pub use compound::Compound;
pub use doc_values::{Column, DocValuesFiles, DocValuesMeta, NumericEntry, Present};
pub use error::LuceneError;
pub use fields::{Field, Fields, SOFT_DELETES};
pub use id::{IdError, decode_id, split_uid};
pub use live::{Bits, parse_live, remove_soft_deletes};
pub use long_file::LongFile;
pub use segment_info::SegmentInfo;
pub use stored::{Advance, Chunk, FieldRoles, Format, Place, Stored, StoredFields, TooLong};

/// Checks the footer of a file that is held whole: its CRC-32 over everything before it.
pub fn check_file(file: &str, bytes: &[u8]) -> Result<(), LuceneError> {
    header::checked(file, bytes).map(drop)
}
