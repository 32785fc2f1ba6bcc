//! Snapshot repositories of Elasticsearch 1.7 to 9 and OpenSearch 1 to 3, read without a cluster.
//!
//! What it gives: which snapshots, indices and shards there are, the cluster's and the indices' metadata in one
//! form for every version, the files of each shard, and their bytes, whole, in ranges or as a stream that reads
//! ahead; from a directory, S3, Google Cloud Storage or Azure.
//! What it is not: a reader of Lucene's files (that is `lucene`), a writer of anything, a decider. A snapshot that
//! is partial or still runs opens like any other; its [`Info`] says so.
//!
//! ```text
//! Repository ─ snapshot(name) ─▶ Snapshot ─ index(name) ─▶ Index ─ shard(n) ─▶ Shard ─▶ read, read_range, stream
//!     └ snapshots()                  └ global()               └ metadata           └ files()
//! ```
//!
//! | | Elasticsearch 1 | 2 | 5 to 7.8 | 7.9 and newer, OpenSearch |
//! |---|---|---|---|---|
//! | root list | `index` | `index` | `index.latest`, `index-N` | the same |
//! | a snapshot | `snapshot-<name>` | `snap-<name>.dat` | `snap-<uuid>.dat` | the same |
//! | the cluster | `metadata-<name>` | `meta-<name>.dat` | `meta-<uuid>.dat` | the same |
//! | an index, in `indices/<id>/` | `snapshot-<name>` | `meta-<name>.dat` | `meta-<uuid>.dat` | `meta-<blob id>.dat` |
//! | a shard's files, in `…/<shard>/` | `snapshot-<name>` | `snap-<name>.dat` | `snap-<uuid>.dat` | the same |
//! | wrapping | none | envelope | envelope | envelope |
//! | content | JSON, maybe LZF | SMILE, maybe DEFLATE | the same | the same, or zstd |
//!
//! Invariants: no bytes from outside make it panic or allocate beyond [`Limits`] (times a small constant); bytes
//! that come back have exactly the length that the file list says, or there is an error: a short answer is asked
//! for again and never passed on; a stream holds at most `ahead + 1` blocks; every error names the repository,
//! and as far as they are known the snapshot, index, shard, file and blob.
//!
//! Not supported, and refused with the reason: shallow snapshots of OpenSearch's remote store, searchable
//! snapshots.
#![forbid(unsafe_code)]

mod blobs;
mod blocks;
mod compression;
mod document;
mod envelope;
mod error;
mod files;
mod global;
mod index;
mod index_metadata;
mod info;
mod location;
mod mappings;
mod repository;
mod root;
mod settings;
mod shape;
mod shard;
mod snapshot;
mod store;
mod text;
mod version;

pub use blobs::Traffic;
pub use blocks::Blocks;
pub use document::Wrapping;
pub use error::{FormatError, Place, SnapshotError};
pub use files::{Content, File, ShardFiles};
pub use global::GlobalMetadata;
pub use index::Index;
pub use index_metadata::IndexMetadata;
pub use info::{Info, ShardFailure, State};
pub use location::Location;
pub use mappings::Mapping;
pub use repository::Repository;
pub use root::{Listed, ListedIndex, Root, ShardPaths};
pub use settings::{Limits, Reading, Retry, Settings};
pub use shard::Shard;
pub use snapshot::Snapshot;
pub use text::Stored;
pub use version::{Flavour, Version};

/// The parsers of outside bytes that have no type of their own, for fuzz targets: plain functions that return for
/// any input. The others are [`Root::parse`], [`Info::parse`], [`GlobalMetadata::parse`], [`IndexMetadata::parse`]
/// and [`ShardFiles::parse`].
pub mod fuzzing {
    pub use crate::{
        compression::expand,
        document::parse as document,
        envelope::{body, footer_checksum},
        index::parse_table,
        root::parse_latest,
    };
}
