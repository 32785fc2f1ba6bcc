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

/// More documents than any writer puts into a chunk (4,096).
const MOST_DOCUMENTS: usize = 1 << 16;

/// Room that is used again for every chunk.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) first: u32,
    fields: Vec<u32>,
    lengths: Vec<u32>,
    /// The documents' bytes, then [`SLACK`] and what is left of larger chunks.
    bytes: Vec<u8>,
}

/// What is asked of a chunk.
pub(super) struct Expected {
    pub(super) first: u32,
    /// Documents of the whole segment.
    pub(super) documents: u32,
    /// Most bytes of a chunk.
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
        }
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
        if total > expected.limit as u64 {
            return Err(input.too_large("a chunk", total, expected.limit as u64));
        }
        let total = total as usize;
        let unit = match format.chunk_size {
            Some(size) if format.sliced_by_size && total >= size.saturating_mul(2) => size,
            Some(size) if format.token_shift > 0 && token & 1 == 1 => size,
            _ => total,
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
                return Ok(());
            }
        }
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

    /// Each document: its number in the segment, how many stored fields it has, their bytes.
    pub fn documents(&self) -> impl Iterator<Item = (u32, u32, &'a [u8])> + use<'a> {
        let mut rest = self.bytes;
        let first = self.first;
        self.fields.iter().zip(self.lengths).enumerate().map(move |(at, (fields, length))| {
            // The lengths add up to the bytes.
            let (document, tail) = rest.split_at((*length as usize).min(rest.len()));
            rest = tail;
            (first + at as u32, *fields, document)
        })
    }
}
