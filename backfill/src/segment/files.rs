//! Where the files of a segment are: each by itself, or in the segment's compound file.

use std::ops::Range;

use bytes::Bytes;
use lucene::{Compound, LongFile, LuceneError, SegmentCommit, SegmentInfo};

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
struct File<'s> {
    file: &'s snapshot::File,
    range: Range<u64>,
    in_compound: bool,
}

impl File<'_> {
    fn length(&self) -> u64 {
        self.range.end - self.range.start
    }
}

impl<'s> Files<'s> {
    pub(super) async fn open(
        shard: &'s Shard,
        segment: &'s SegmentCommit,
    ) -> Result<Self, ReadError> {
        let info = shard.info(segment).await?;
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
    fn find(&self, name: &str) -> Result<File<'s>, ReadError> {
        if let Some(file) = self.shard.stored().files().get(name) {
            let range = 0..file.length;
            return Ok(File { file, range, in_compound: false });
        }
        let suffix = name.strip_prefix(&self.segment.name);
        if let (Some((entries, file)), Some(suffix)) = (&self.compound, suffix)
            && let Some(range) = entries.range(suffix)
        {
            return Ok(File { file, range, in_compound: true });
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
        let bytes = match &self.small {
            Some(small) => small.slice(file.range.start as usize..file.range.end as usize),
            None => self.shard.stored().read_range(file.file, file.range).await?,
        };
        // A legacy file has no footer, and its reader knows.
        if !self.info.is_legacy() {
            self.shard.lucene(lucene::check_file(name, &bytes))?;
        }
        Ok(bytes)
    }

    /// A file of which parts are read: one that is small is fetched whole, and its checksum is right before
    /// anything is taken from it; a longer one is to be checked, here or by who reads it from its beginning to
    /// its end.
    pub(super) async fn data(&self, name: &str) -> Result<Data, ReadError> {
        let file = self.find(name)?;
        if file.length() <= self.shard.limits().whole_file {
            return Ok(Data::Whole(self.whole(name).await?));
        }
        Ok(Data::Part(file.file.clone(), file.range))
    }

    /// Streams a file of Lucene 5 or newer once, so that its checksum is right before parts are taken from it.
    pub(super) async fn check(&self, name: &str, data: &Data) -> Result<(), ReadError> {
        let Data::Part(file, place) = data else { return Ok(()) };
        let mut passing = LongFile::new(name, data.length(), self.segment);
        let mut blocks = data.blocks(self.shard, 0)?;
        while let Some(block) = blocks.next().await? {
            passing.pass(&block);
        }
        let sum = self.shard.lucene(passing.end())?;
        let listed = file.footer_checksum().filter(|_| *place == (0..file.length));
        match listed {
            Some(listed) if listed != sum => Err(self.shard.not_as_listed(name, sum, listed)),
            _ => Ok(()),
        }
    }
}

/// A file's bytes, to be read in parts.
#[derive(Clone)]
pub(super) enum Data {
    Whole(Bytes),
    /// Between these bytes of that file.
    Part(snapshot::File, Range<u64>),
}

impl Data {
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Whole(bytes) => bytes.len() as u64,
            Self::Part(_, place) => place.end - place.start,
        }
    }

    /// Some bytes of it; `name` is for the error.
    pub(super) async fn range(
        &self,
        shard: &Shard,
        name: &str,
        range: Range<u64>,
    ) -> Result<Bytes, ReadError> {
        if range.start > range.end || range.end > self.length() {
            return Err(shard.lucene_error(LuceneError::Truncated {
                file: name.to_owned(),
                at: self.length(),
                wanted: range.end.saturating_sub(self.length()),
            }));
        }
        match self {
            Self::Whole(bytes) => Ok(bytes.slice(range.start as usize..range.end as usize)),
            Self::Part(file, place) => {
                let range = place.start + range.start..place.start + range.end;
                Ok(shard.stored().read_range(file, range).await?)
            }
        }
    }

    /// Its bytes from `offset` to its end, block by block.
    pub(super) fn blocks(&self, shard: &Shard, offset: u64) -> Result<Blocks, ReadError> {
        match self {
            Self::Whole(bytes) => {
                let rest = bytes.slice((offset as usize).min(bytes.len())..);
                Ok(Blocks::Here(Some(rest)))
            }
            Self::Part(file, place) => {
                let range = (place.start + offset).min(place.end)..place.end;
                let blocks = shard.stored().stream_range(file, range)?;
                Ok(Blocks::Streamed(Box::new(blocks)))
            }
        }
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
