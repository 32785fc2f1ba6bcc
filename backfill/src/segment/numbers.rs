//! `_seq_no`, `_primary_term` and `_version` of a segment's documents.

use std::ops::Range;

use bytes::Bytes;
use lucene::{
    Column, DocValuesFiles, DocValuesMeta, Field, Fields, NumericEntry, Present, SegmentCommit,
};

use super::files::{Data, Files};
use crate::{
    document::Numbers,
    shard::{ReadError, Shard},
};

/// Fields of Elasticsearch 6 and newer have doc values in a format that is read; in older ones there is no
/// sequence number at all.
const READ_FROM: u32 = 7;

/// The three columns, and where the rest of them is.
#[derive(Default)]
pub(super) struct NumberColumns {
    version: Option<Reading>,
    seq_no: Option<Reading>,
    primary_term: Option<Reading>,
}

/// A column and its file.
struct Reading {
    column: Column,
    file: String,
    data: Data,
}

/// A numeric field of a segment.
pub(super) struct Numeric {
    entry: NumericEntry,
    pub(super) present: Present,
    file: String,
    data: Data,
}

/// The doc values of a segment; those that share files are fetched once.
pub(super) struct DocValues<'a> {
    pub(super) shard: &'a Shard,
    pub(super) files: &'a Files<'a>,
    pub(super) segment: &'a SegmentCommit,
    pub(super) fields: &'a Fields,
    fetched: Vec<Fetched>,
}

/// A pair of files of doc values.
struct Fetched {
    stem: String,
    meta: DocValuesMeta,
    data: Data,
    /// The checksum of `data` is right.
    is_checked: bool,
}

impl NumberColumns {
    pub(super) async fn open(values: &mut DocValues<'_>) -> Result<Self, ReadError> {
        let mut columns = Self::default();
        if values.files.info().version.0 < READ_FROM {
            return Ok(columns);
        }
        for (name, column) in [
            ("_version", &mut columns.version),
            ("_seq_no", &mut columns.seq_no),
            ("_primary_term", &mut columns.primary_term),
        ] {
            let Some(field) = values.fields.named(name) else { continue };
            let Some(numeric) = values.numeric(field).await? else { continue };
            let Numeric { entry, present, file, data } = numeric;
            let made = Column::new(file.clone(), entry, present);
            *column = Some(Reading { column: values.shard.lucene(made)?, file, data });
        }
        Ok(columns)
    }

    /// Fetches what the numbers of these documents need.
    pub(super) async fn prepare(
        &mut self,
        shard: &Shard,
        documents: Range<u32>,
    ) -> Result<(), ReadError> {
        for reading in
            [&mut self.version, &mut self.seq_no, &mut self.primary_term].into_iter().flatten()
        {
            while let Some(range) = reading.column.wants(documents.clone()) {
                let bytes = reading.data.range(shard, &reading.file, range).await?;
                shard.lucene(reading.column.supply(&bytes))?;
            }
        }
        Ok(())
    }

    /// The numbers of a document that was prepared for.
    pub(super) fn of(&mut self, document: u32) -> Numbers {
        let of = |reading: &mut Option<Reading>| reading.as_mut()?.column.get(document);
        Numbers {
            version: of(&mut self.version),
            seq_no: of(&mut self.seq_no),
            primary_term: of(&mut self.primary_term),
        }
    }
}

impl<'a> DocValues<'a> {
    pub(super) fn of(
        shard: &'a Shard,
        files: &'a Files<'a>,
        segment: &'a SegmentCommit,
        fields: &'a Fields,
    ) -> Self {
        Self { shard, files, segment, fields, fetched: Vec::new() }
    }

    /// The numeric doc values of a field; `None`: the segment has none.
    pub(super) async fn numeric(&mut self, field: &Field) -> Result<Option<Numeric>, ReadError> {
        let Some(names) = DocValuesFiles::of(self.segment, field) else { return Ok(None) };
        let (shard, files) = (self.shard, self.files);
        let known = self.fetched.iter().position(|fetched| fetched.stem == names.stem);
        let known = known.unwrap_or(self.fetched.len());
        if known == self.fetched.len() {
            let meta = format!("{}.dvm", names.stem);
            let bytes = files.whole(&meta).await?;
            let parsed = DocValuesMeta::parse(&meta, &bytes, self.segment, self.fields);
            let data = files.data(&format!("{}.dvd", names.stem)).await?;
            let (stem, meta) = (names.stem, shard.lucene(parsed)?);
            self.fetched.push(Fetched { stem, meta, data, is_checked: false });
        }
        let Fetched { stem, meta, data, is_checked } = &mut self.fetched[known];
        let Some(entry) = meta.numeric(field) else { return Ok(None) };
        let file = format!("{stem}.dvd");
        if entry.is_in_data() && !*is_checked {
            files.check(&file, data).await?;
            *is_checked = true;
        }
        let bytes = match entry.present_range() {
            Some(range) => data.range(shard, &file, range).await?,
            None => Bytes::new(),
        };
        let present = shard.lucene(entry.present(&file, &bytes, files.info().documents))?;
        Ok(Some(Numeric { entry: entry.clone(), present, file, data: data.clone() }))
    }
}
