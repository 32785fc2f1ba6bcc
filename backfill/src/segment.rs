//! A segment of a snapshot, read from its first document to its last, or from where it was left.
//!
//! Stored fields come as one stream of their file; what is small is fetched whole and checked; numbers come in
//! windows. Nothing is kept on disk, and what is held doesn't grow with the segment but for a bit a document.

mod files;
mod numbers;

use crate::{
    document::{self, Entry, Unreadable},
    shard::{ReadError, Shard},
    work::Position,
};
use lucene::{
    Advance, Bits, FieldRoles, Fields, Format, LuceneError, Place, Stored, StoredFields,
    parse_live, remove_soft_deletes,
};

use files::{Blocks, Files};
use numbers::{DocValues, NumberColumns};

/// A segment that is being read.
pub(crate) struct Segment {
    ordinal: u32,
    /// `None`: all are.
    live: Option<Bits>,
    roles: FieldRoles,
    stored: StoredFields,
    blocks: Blocks,
    numbers: NumberColumns,
    /// Where the current chunk begins.
    chunk: Place,
    /// The first document that is wanted of the current chunk.
    wanted: u32,
    id: String,
}

impl Segment {
    /// Opens segment number `ordinal` of the shard's commit, at `from` or at its beginning.
    pub(crate) async fn open(
        shard: &Shard,
        ordinal: u32,
        from: Option<Position>,
    ) -> Result<Self, ReadError> {
        let commit = shard.segment(ordinal)?;
        let files = Files::open(shard, commit).await?;
        let info = files.info();
        let fields = {
            let name = commit.fields_file();
            let bytes = files.whole(&name).await?;
            shard.lucene(Fields::parse(&name, &bytes, commit))?
        };
        let name = commit.file(".fdt");
        let fdt = files.data(&name).await?;
        // Before anything is allocated by the number of documents.
        shard.lucene(info.check_length(commit, fdt.length()))?;
        let mut values = DocValues::of(shard, &files, commit, &fields);
        let live = live(&mut values).await?;
        let numbers = NumberColumns::open(&mut values).await?;

        let begin =
            fdt.range(shard, &name, 0..fdt.length().min(Format::HEADER_AT_MOST as u64)).await?;
        let meta = match shard.lucene(Format::wants_meta(&name, &begin))? {
            true => Some(files.whole(&commit.file(".fdm")).await?),
            false => None,
        };
        let meta_name = commit.file(".fdm");
        let meta = meta.as_deref().map(|bytes| (meta_name.as_str(), bytes));
        let format = shard.lucene(Format::parse(&name, &begin, meta, commit))?;
        let place = from.map_or(Place::BEGIN, |from| Place {
            document: from.chunk,
            offset: from.offset,
            checksum: from.checksum,
        });
        let limit = shard.limits().chunk;
        let stored = StoredFields::new(&name, format, info.documents, fdt.length(), place, limit);
        Ok(Self {
            ordinal,
            live,
            roles: FieldRoles::of(&fields),
            stored,
            blocks: fdt.blocks(shard, place.offset)?,
            numbers,
            chunk: place,
            wanted: from.map_or(0, |from| from.document),
            id: String::new(),
        })
    }

    /// Reads the next chunk; `false`: there is none, and the file's checksum was right.
    pub(crate) async fn advance(&mut self, shard: &Shard) -> Result<bool, ReadError> {
        self.chunk = self.stored.place();
        loop {
            match shard.lucene(self.stored.advance())? {
                Advance::Chunk => break,
                Advance::End => return Ok(false),
                Advance::Wants => match self.blocks.next().await? {
                    Some(block) => self.stored.supply(block),
                    None => return Err(shard.ended_early(self.stored.file())),
                },
            }
        }
        let chunk = self.stored.chunk();
        let (first, end) = (chunk.first(), chunk.first() + chunk.len());
        self.numbers.prepare(shard, first..end).await?;
        Ok(true)
    }

    /// Hands out what the current chunk has, one entry after the other, from the first that is wanted, each
    /// with the position behind it.
    pub(crate) fn each(&mut self, mut take: impl FnMut(Position, Entry<'_>)) {
        let (file, format, chunk) = (self.stored.file(), self.stored.format(), self.stored.chunk());
        let is_deleted = |number| self.live.as_ref().is_some_and(|live: &Bits| !live.get(number));
        let after = |number| Position {
            segment: self.ordinal,
            document: number + 1,
            chunk: self.chunk.document,
            offset: self.chunk.offset,
            checksum: self.chunk.checksum,
        };
        for (number, fields, bytes) in chunk.documents() {
            if number < self.wanted {
                continue;
            }
            let after = after(number);
            if is_deleted(number) {
                take(after, Entry::Deleted);
                continue;
            }
            let entry = match Stored::parse(file, format, &self.roles, fields, bytes) {
                Ok(stored) => {
                    let numbers = || self.numbers.of(number);
                    document::entry(number, stored, numbers, &mut self.id)
                }
                Err(error) => {
                    Entry::Unreadable { number, id: None, why: Unreadable::Fields(error) }
                }
            };
            take(after, entry);
        }
        let Some(long) = chunk.too_long().filter(|long| long.number >= self.wanted) else { return };
        let entry = match is_deleted(long.number) {
            true => Entry::Deleted,
            false => {
                let stored = Stored::of_beginning(format, &self.roles, long.fields, long.beginning);
                document::too_long(long.number, long.bytes, stored, &mut self.id)
            }
        };
        take(after(long.number), entry);
    }
}

/// Which documents are neither deleted nor softly deleted; `None`: all.
async fn live(values: &mut DocValues<'_>) -> Result<Option<Bits>, ReadError> {
    let (shard, files, commit) = (values.shard, values.files, values.segment);
    let info = files.info();
    let missing = |file: &str| {
        let (segment, file) = (commit.name.clone(), file.to_owned());
        shard.lucene_error(LuceneError::Missing { segment, file })
    };
    let mut live = match commit.live_file(info.is_legacy()) {
        None if commit.deleted > 0 => return Err(missing("of deletions")),
        None => None,
        Some(name) => {
            let bytes = files.whole(&name).await?;
            Some(shard.lucene(parse_live(&name, &bytes, commit, info.documents))?)
        }
    };
    if commit.soft_deleted == 0 {
        return Ok(live);
    }
    let field = values.fields.soft_deletes().ok_or_else(|| missing("of soft deletes"))?;
    let column = values.numeric(field).await?.ok_or_else(|| missing("of soft deletes"))?;
    let alive = live.get_or_insert_with(|| Bits::ones(info.documents));
    shard.lucene(remove_soft_deletes(alive, &column.present, commit))?;
    Ok(live)
}
