//! A shard of a snapshot: its files, and the commit that says which segments it has.

use bytes::Bytes;
use lucene::{Commit, LuceneError, SegmentCommit, SegmentInfo};
use snapshot::{File, SnapshotError};
use thiserror::Error;

/// Bounds on what is held of a shard's files.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Files up to this long are fetched whole, and their checksum is right before anything is taken from them.
    pub whole_file: u64,
    /// Longest file of names and places (fields, live documents, doc values' entries) that is read.
    pub metadata: usize,
    /// Longest chunk of documents, decompressed; a chunk is never shorter than its longest document.
    pub chunk: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { whole_file: 8 << 20, metadata: 512 << 20, chunk: 512 << 20 }
    }
}

/// Why a shard can't be read on.
#[derive(Debug, Error)]
pub enum ReadError {
    #[error("index {index}, shard {shard}: {source}")]
    Segment { index: String, shard: u32, source: LuceneError },
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    #[error("index {index}, shard {shard}: {what}")]
    Shard { index: String, shard: u32, what: String },
}

impl ReadError {
    /// The shard itself can't be read, by nobody: neither does its repository not answer, nor does it refuse us,
    /// as it does when credentials have run out.
    pub(crate) fn is_damage(&self) -> bool {
        !matches!(self, Self::Snapshot(error) if error.is_transient()
            || matches!(error, SnapshotError::Denied { .. }))
    }
}

/// A shard, with its commit read.
pub(crate) struct Shard {
    stored: snapshot::Shard,
    commit: Commit,
    index: String,
    number: u32,
    limits: Limits,
}

impl Shard {
    /// Reads the commit that the snapshot has of shard `number`.
    pub(crate) async fn open(
        index: &snapshot::Index,
        number: u32,
        limits: Limits,
    ) -> Result<Self, ReadError> {
        let mut shard = Self {
            stored: index.shard(number).await?,
            commit: Commit { segments: Vec::new(), user_data: Default::default() },
            index: index.metadata.name.clone(),
            number,
            limits,
        };
        let file = shard.stored.commit()?.clone();
        let bytes = shard.whole(&file).await?;
        shard.commit = shard.lucene(Commit::parse(&file.physical_name, &bytes))?;
        Ok(shard)
    }

    pub(crate) fn index(&self) -> &str {
        &self.index
    }

    pub(crate) fn number(&self) -> u32 {
        self.number
    }

    pub(crate) fn commit(&self) -> &Commit {
        &self.commit
    }

    pub(crate) fn stored(&self) -> &snapshot::Shard {
        &self.stored
    }

    pub(crate) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Bytes that reading a segment takes: of its stored fields, or of the compound file they are in.
    pub(crate) fn bytes_of(&self, segment: &SegmentCommit) -> u64 {
        let length =
            |extension| self.stored.files().get(&segment.file(extension)).map(|file| file.length);
        length(".fdt").or_else(|| length(".cfs")).unwrap_or_default()
    }

    pub(crate) fn segment(&self, ordinal: u32) -> Result<&SegmentCommit, ReadError> {
        self.commit
            .segments
            .get(ordinal as usize)
            .ok_or_else(|| self.error(&format!("it has no segment number {ordinal}")))
    }

    pub(crate) fn file(&self, segment: &SegmentCommit, name: &str) -> Result<&File, ReadError> {
        self.stored.files().get(name).ok_or_else(|| {
            let (segment, file) = (segment.name.clone(), name.to_owned());
            self.lucene_error(LuceneError::Missing { segment, file })
        })
    }

    /// What a segment's `.si` says of it.
    pub(crate) async fn info(&self, segment: &SegmentCommit) -> Result<SegmentInfo, ReadError> {
        let name = segment.file(".si");
        let bytes = self.whole(self.file(segment, &name)?).await?;
        self.lucene(SegmentInfo::parse(&name, &bytes, segment))
    }

    /// A whole file, whose length and checksum were right.
    pub(crate) async fn whole(&self, file: &File) -> Result<Bytes, ReadError> {
        Ok(self.stored.read(file, self.limits.metadata).await?)
    }

    pub(crate) fn lucene<T>(&self, result: Result<T, LuceneError>) -> Result<T, ReadError> {
        result.map_err(|source| self.lucene_error(source))
    }

    pub(crate) fn lucene_error(&self, source: LuceneError) -> ReadError {
        ReadError::Segment { index: self.index.clone(), shard: self.number, source }
    }

    pub(crate) fn ended_early(&self, file: &str) -> ReadError {
        self.error(&format!("{file} ended before its last document"))
    }

    pub(crate) fn not_as_listed(&self, file: &str, sum: u64, listed: u64) -> ReadError {
        self.error(&format!("{file} has checksum {sum:08x}, and {listed:08x} in the list of files"))
    }

    fn error(&self, what: &str) -> ReadError {
        let (index, shard) = (self.index.clone(), self.number);
        ReadError::Shard { index, shard, what: what.to_owned() }
    }
}
