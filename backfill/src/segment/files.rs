//! Where the files of a segment are: each by itself, or in the segment's compound file.

use std::ops::Range;

use bytes::Bytes;
use lucene::{Compound, LuceneError, SegmentCommit, SegmentInfo};

use super::numbers::Data;
use crate::shard::{ReadError, Shard};

/// The files of one segment.
pub(super) struct Files<'s> {
    shard: &'s Shard,
    segment: &'s SegmentCommit,
    info: SegmentInfo,
    compound: Option<(Compound, &'s snapshot::File)>,
    /// The compound file itself, when it is small: one request instead of one for each file in it.
    small: Option<Bytes>,
}

/// A file, or a part of a compound file.
pub(super) struct File<'s> {
    name: String,
    file: &'s snapshot::File,
    range: Range<u64>,
    in_compound: bool,
}

impl File<'_> {
    pub(super) fn length(&self) -> u64 {
        self.range.end - self.range.start
    }
}

impl<'s> Files<'s> {
    pub(super) async fn open(
        shard: &'s Shard,
        segment: &'s SegmentCommit,
    ) -> Result<Self, ReadError> {
        let name = segment.file(".si");
        let bytes = shard.whole(shard.file(segment, &name)?).await?;
        let info = shard.lucene(SegmentInfo::parse(&name, &bytes, segment))?;
        let mut files = Self { shard, segment, info, compound: None, small: None };
        if info.compound {
            let whole = shard.file(segment, &segment.file(".cfs"))?;
            let name = segment.file(".cfe");
            let entries = shard.whole(shard.file(segment, &name)?).await?;
            let entries = shard.lucene(Compound::parse(&name, &entries, segment, whole.length))?;
            files.compound = Some((entries, whole));
            if whole.length <= shard.limits().whole_file {
                files.small = Some(shard.whole(whole).await?);
            }
        }
        Ok(files)
    }

    pub(super) fn info(&self) -> &SegmentInfo {
        &self.info
    }

    /// A loose file, or one in the compound file.
    pub(super) fn find(&self, name: &str) -> Result<File<'s>, ReadError> {
        if let Some(file) = self.shard.stored().files().get(name) {
            let range = 0..file.length;
            return Ok(File { name: name.to_owned(), file, range, in_compound: false });
        }
        let suffix = name.strip_prefix(&self.segment.name);
        if let (Some((entries, file)), Some(suffix)) = (&self.compound, suffix)
            && let Some(range) = entries.range(suffix)
        {
            return Ok(File { name: name.to_owned(), file, range, in_compound: true });
        }
        Err(self.shard.lucene_error(LuceneError::Missing {
            segment: self.segment.name.clone(),
            file: name.to_owned(),
        }))
    }

    /// A whole file, whose checksum was right.
    pub(super) async fn whole(&self, name: &str) -> Result<Bytes, ReadError> {
        let file = self.find(name)?;
        if !file.in_compound {
            return self.shard.whole(file.file).await;
        }
        let limit = self.shard.limits().metadata as u64;
        if file.length() > limit {
            return Err(self.shard.lucene_error(LuceneError::TooLarge {
                file: name.to_owned(),
                at: 0,
                what: "the file",
                size: file.length(),
                limit,
            }));
        }
        let bytes = self.range(&file, 0..file.length()).await?;
        // A legacy file has no footer, and its reader knows.
        if !self.info.is_legacy() {
            self.shard.lucene(lucene::check_file(name, &bytes))?;
        }
        Ok(bytes)
    }

    /// Some bytes of a file.
    pub(super) async fn range(
        &self,
        file: &File<'_>,
        range: Range<u64>,
    ) -> Result<Bytes, ReadError> {
        let (start, end) = (file.range.start + range.start, file.range.start + range.end);
        if range.start > range.end || end > file.range.end {
            return Err(self.shard.lucene_error(LuceneError::Truncated {
                file: file.name.clone(),
                at: file.length(),
                wanted: range.end.saturating_sub(file.length()),
            }));
        }
        if file.in_compound
            && let Some(small) = &self.small
        {
            return Ok(small.slice(start as usize..end as usize));
        }
        Ok(self.shard.stored().read_range(file.file, start..end).await?)
    }

    /// A file's bytes from `offset` to its end, block by block. What is small is whole and its checksum right
    /// before the first of them.
    pub(super) async fn stream(&self, file: &File<'_>, offset: u64) -> Result<Blocks, ReadError> {
        if file.length() <= self.shard.limits().whole_file {
            let whole = self.whole(&file.name).await?;
            let rest = whole.slice((offset as usize).min(whole.len())..);
            return Ok(Blocks::Here(Some(rest)));
        }
        let range = (file.range.start + offset).min(file.range.end)..file.range.end;
        let blocks = self.shard.stored().stream_range(file.file, range)?;
        Ok(Blocks::Streamed(Box::new(blocks)))
    }
}

/// A file's bytes, in order.
pub(super) enum Blocks {
    Here(Option<Bytes>),
    Streamed(Box<snapshot::Blocks>),
}

impl Blocks {
    pub(super) async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        match self {
            Self::Here(bytes) => Ok(bytes.take()),
            Self::Streamed(blocks) => Ok(blocks.next().await.transpose()?),
        }
    }
}

impl Files<'_> {
    /// A file of which parts are read: whole and checked when it is small.
    pub(super) async fn data(&self, name: &str) -> Result<Data, ReadError> {
        let file = self.find(name)?;
        if file.length() <= self.shard.limits().whole_file {
            return Ok(Data::Whole(self.whole(name).await?));
        }
        Ok(Data::Part(file.file.clone(), file.range))
    }
}
