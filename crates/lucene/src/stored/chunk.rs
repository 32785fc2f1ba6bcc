//! One chunk: a run of documents that were compressed together.
//!
//! ```text
//! vInt first document · vInt token (documents << shift | dirty << 1 | sliced) · counts · lengths · units
//! ```
//! A chunk whose documents have no field at all is real: children of nested documents are such.

use super::{
    compression::Decompressor,
    format::{Compression, Format},
    ints,
    lz4::SLACK,
};
use crate::{LuceneError, input::Input};

/// How much is kept at least of a document that is too long: its id is there, which is stored first.
const BEGINNING: usize = 2048;

/// More documents than any writer puts into a chunk (4,096).
const MOST_DOCUMENTS: usize = 1 << 16;

/// Room that is used again for every chunk.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) first: u32,
    fields: Vec<u32>,
    /// Of what is kept of each.
    lengths: Vec<u32>,
    /// The documents' bytes, then [`SLACK`] and what is left of larger chunks.
    bytes: Vec<u8>,
    /// The whole length of the last document, when it is too long to be kept.
    too_long: Option<u32>,
    /// What of it is still to be passed by, and in which units.
    left: u64,
    unit: usize,
}

/// What is asked of a chunk.
pub(super) struct Expected {
    pub(super) first: u32,
    /// Documents of the whole segment.
    pub(super) documents: u32,
    /// Most bytes of a chunk that are kept.
    pub(super) limit: usize,
}

impl Decoded {
    pub(super) fn documents(&self) -> u32 {
        self.fields.len() as u32
    }

    pub(super) fn chunk(&self) -> Chunk<'_> {
        let total = self.lengths.iter().map(|length| *length as usize).sum();
        Chunk {
            first: self.first,
            fields: &self.fields,
            lengths: &self.lengths,
            bytes: self.bytes.get(..total).unwrap_or_default(),
            too_long: self.too_long,
        }
    }

    /// Is there more of a document that is too long? Then [`Decoded::pass`] comes next.
    pub(super) fn is_passing(&self) -> bool {
        self.left > 0
    }

    /// Reads the chunk that begins here.
    pub(super) fn read(
        &mut self,
        input: &mut Input<'_>,
        format: &Format,
        decompressor: &mut Decompressor,
        expected: &Expected,
    ) -> Result<(), LuceneError> {
        let first = input.vint()?;
        if first != expected.first {
            let due = expected.first;
            return Err(input.corrupt(format!("a chunk begins with document {first}, not {due}")));
        }
        let token = input.vint()?;
        let documents = (token >> format.token_shift) as usize;
        // A place that was kept elsewhere may name a document behind the last.
        let left = expected.documents.saturating_sub(expected.first) as usize;
        if documents == 0 || documents > left.min(MOST_DOCUMENTS) {
            return Err(input.corrupt(format!("{documents} documents in a chunk, {left} are left")));
        }
        self.first = first;
        ints::read(input, format.integers, documents, &mut self.fields)?;
        ints::read(input, format.integers, documents, &mut self.lengths)?;
        let total: u64 = self.lengths.iter().map(|length| u64::from(*length)).sum();
        let total = usize::try_from(total).unwrap_or(usize::MAX);
        let unit = match format.chunk_size {
            Some(size) if format.sliced_by_size && total >= size.saturating_mul(2) => size,
            Some(size) if format.token_shift > 0 && token & 1 == 1 => size,
            _ => total,
        };
        self.too_long = None;
        let whole = total;
        let total = match whole > expected.limit {
            true => self.cut(input, whole, unit, expected.limit)?,
            false => whole,
        };
        self.make_room(input, total, format.compression)?;
        let data = input.clone();
        let mut begin = 0;
        loop {
            let end = total.min(begin + unit);
            decompressor
                .unit(input, &mut self.bytes, begin..end)
                .map_err(|error| bounded(error, &data, total, unit))?;
            begin = end;
            if begin == total {
                // Not before: what is read once more, with more bytes, begins here again.
                (self.left, self.unit) = ((whole - total) as u64, unit);
                return Ok(());
            }
        }
    }

    /// A chunk is closed by the document that fills it, so one that is too long has a last document that is. Keeps
    /// what is before that and its beginning; gives how many bytes these are.
    fn cut(
        &mut self,
        input: &Input<'_>,
        total: usize,
        unit: usize,
        limit: usize,
    ) -> Result<usize, LuceneError> {
        let too_large = || input.too_large("a chunk", total as u64, limit as u64);
        let last = self.lengths.last_mut().ok_or_else(too_large)?;
        let before = total.saturating_sub(*last as usize);
        let kept = before.saturating_add(BEGINNING).div_ceil(unit.max(1)).saturating_mul(unit);
        // What isn't cut into units can't be passed by in parts.
        if kept.saturating_add(unit) > limit || kept >= total {
            return Err(too_large());
        }
        self.too_long = Some(*last);
        *last = (kept - before) as u32;
        Ok(kept)
    }

    /// Passes by the next unit of a document that is too long.
    pub(super) fn pass(
        &mut self,
        input: &mut Input<'_>,
        format: &Format,
        decompressor: &mut Decompressor,
    ) -> Result<(), LuceneError> {
        let length = self.unit.min(usize::try_from(self.left).unwrap_or(usize::MAX));
        let kept: usize = self.lengths.iter().map(|length| *length as usize).sum();
        self.make_room(input, kept + length, format.compression)?;
        let data = input.clone();
        decompressor
            .unit(input, &mut self.bytes, kept..kept + length)
            .map_err(|error| bounded(error, &data, length, length))?;
        self.left -= length as u64;
        Ok(())
    }

    /// Grows by what the input can hold: a length that the bytes at hand can't make up is damage, or calls for
    /// more bytes first, and is no reason to allocate.
    fn make_room(
        &mut self,
        input: &Input<'_>,
        total: usize,
        compression: Compression,
    ) -> Result<(), LuceneError> {
        if self.bytes.len() >= total + SLACK {
            return Ok(());
        }
        let least = total / compression.at_most();
        if least > input.rest() {
            return Err(input.truncated(least));
        }
        self.bytes.resize(total + SLACK, 0);
        Ok(())
    }
}

/// Asks for more bytes only as long as there is a way to compress so badly; a length that goes beyond is damage,
/// and waiting for what it says would hold the file.
fn bounded(error: LuceneError, data: &Input<'_>, total: usize, unit: usize) -> LuceneError {
    let LuceneError::Truncated { wanted, .. } = error else { return error };
    let units = total / unit.max(1) + 1;
    let most = (2 * total as u64).saturating_add(4096).saturating_add(64 * units as u64);
    if (data.rest() as u64).saturating_add(wanted) <= most {
        return error;
    }
    data.corrupt(format!("{total} bytes of documents can't be so long when they are compressed"))
}

/// The documents of a chunk, decompressed.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    first: u32,
    fields: &'a [u32],
    lengths: &'a [u32],
    bytes: &'a [u8],
    too_long: Option<u32>,
}

/// A document that is longer than is allowed.
#[derive(Clone, Copy, Debug)]
pub struct TooLong<'a> {
    /// In the segment.
    pub number: u32,
    /// How many stored fields it has.
    pub fields: u32,
    /// Of its stored fields.
    pub bytes: u32,
    /// What is kept of them.
    pub beginning: &'a [u8],
}

impl<'a> Chunk<'a> {
    /// Its first document's number in the segment.
    pub fn first(&self) -> u32 {
        self.first
    }

    pub fn len(&self) -> u32 {
        self.fields.len() as u32
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The last document, when it is too long to be kept; it is none of [`Chunk::documents`] then.
    pub fn too_long(&self) -> Option<TooLong<'a>> {
        let (bytes, last) = (self.too_long?, *self.lengths.last()? as usize);
        let (number, fields) = (self.first + self.len() - 1, *self.fields.last()?);
        let beginning = self.bytes.get(self.bytes.len().checked_sub(last)?..)?;
        Some(TooLong { number, fields, bytes, beginning })
    }

    /// Each document: its number in the segment, how many stored fields it has, their bytes.
    pub fn documents(&self) -> impl Iterator<Item = (u32, u32, &'a [u8])> + use<'a> {
        let mut rest = self.bytes;
        let first = self.first;
        let whole = self.fields.len() - usize::from(self.too_long.is_some());
        self.fields.iter().zip(self.lengths).take(whole).enumerate().map(
            move |(at, (fields, length))| {
                // The lengths add up to the bytes.
                let (document, tail) = rest.split_at((*length as usize).min(rest.len()));
                rest = tail;
                (first + at as u32, *fields, document)
            },
        )
    }
}
