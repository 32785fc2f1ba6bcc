//! A `.fdt` read from beginning to end, or from a place where it was left.

use bytes::{Buf as _, Bytes};
use crc32fast::Hasher;

use super::{
    chunk::{Chunk, Decoded, Expected},
    compression::Decompressor,
    format::Format,
};
use crate::{
    LuceneError,
    header::{self, FOOTER},
    input::{Input, Order},
};

/// Where in a `.fdt` a chunk begins, and what is needed to go on from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The chunk's first document.
    pub document: u32,
    /// Where it begins in the file.
    pub offset: u64,
    /// The CRC-32 of everything before it.
    pub checksum: u32,
}

impl Place {
    /// The beginning of the file.
    pub const BEGIN: Self = Self { document: 0, offset: 0, checksum: 0 };
}

/// What [`StoredFields::advance`] came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Advance {
    /// More bytes of the file are needed.
    Wants,
    /// [`StoredFields::chunk`] has the next documents.
    Chunk,
    /// All documents were read, and the file's checksum is right.
    End,
}

/// The stored fields of a segment, chunk by chunk.
///
/// Bytes are handed over in the file's order with [`StoredFields::supply`], in blocks of any size. Only a chunk
/// that lies across two blocks is copied.
pub struct StoredFields {
    file: String,
    format: Format,
    documents: u32,
    /// Most bytes of a chunk, decompressed.
    limit: usize,
    /// The next chunk.
    place: Place,
    /// The file's length.
    length: u64,
    hasher: Hasher,
    /// The beginning of what lies across blocks.
    carry: Vec<u8>,
    /// Bytes at the carry's beginning that were read.
    used: usize,
    /// How long the carry must be before it is worth another try.
    retry_at: usize,
    block: Bytes,
    /// How many bytes at the block's beginning are also at the end of the carry.
    shared: usize,
    decompressor: Decompressor,
    decoded: Decoded,
}

impl StoredFields {
    /// `length` is the file's; bytes are expected from `place.offset` on. Of a chunk that decompresses to more than
    /// `limit` bytes the last document is passed by, see [`Chunk::too_long`]; where that can't be done, it is an error.
    pub fn new(
        file: impl Into<String>,
        format: Format,
        documents: u32,
        length: u64,
        place: Place,
        limit: usize,
    ) -> Self {
        Self {
            file: file.into(),
            documents,
            limit,
            place,
            length,
            hasher: Hasher::new_with_initial_len(place.checksum, place.offset),
            carry: Vec::new(),
            used: 0,
            retry_at: 0,
            block: Bytes::new(),
            shared: 0,
            decompressor: Decompressor::new(format.compression),
            decoded: Decoded::default(),
            format,
        }
    }

    pub fn format(&self) -> &Format {
        &self.format
    }

    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where the chunk after the current one begins.
    pub fn place(&self) -> Place {
        self.place
    }

    /// The next bytes of the file.
    pub fn supply(&mut self, block: Bytes) {
        debug_assert!(self.shared == self.block.len(), "the block before is used up");
        self.block = block;
        self.shared = 0;
    }

    /// The documents of the current chunk.
    pub fn chunk(&self) -> Chunk<'_> {
        self.decoded.chunk()
    }

    /// Goes on to the next chunk.
    pub fn advance(&mut self) -> Result<Advance, LuceneError> {
        if self.place.offset < self.format.header {
            let header = (self.format.header - self.place.offset) as usize;
            if !self.gather(header) {
                return Ok(Advance::Wants);
            }
            self.consume(header);
        }
        if self.place.document == self.documents {
            return self.finish();
        }
        loop {
            if self.bytes().is_empty() {
                return self.wants();
            }
            let (file, offset) = (&self.file, self.place.offset);
            let bytes = match self.carry.get(self.used..) {
                Some([]) | None => &self.block[..],
                Some(carried) => carried,
            };
            let mut input = Input::at_offset(file, bytes, offset, Order::Little);
            let expected = Expected {
                first: self.place.document,
                documents: self.documents,
                limit: self.limit,
            };
            let (format, decompressor) = (&self.format, &mut self.decompressor);
            let read = match self.decoded.is_passing() {
                true => self.decoded.pass(&mut input, format, decompressor),
                false => self.decoded.read(&mut input, format, decompressor, &expected),
            };
            let (taken, had) = (input.at(), bytes.len());
            match read {
                Ok(()) => {
                    self.consume(taken);
                    if self.decoded.is_passing() {
                        continue;
                    }
                    self.place.document += self.decoded.documents();
                    return Ok(Advance::Chunk);
                }
                Err(error) if !error.is_truncated() => return Err(error),
                Err(error) => {
                    let missing = match &error {
                        LuceneError::Truncated { wanted, .. } => *wanted as usize,
                        _ => 1,
                    };
                    let at_end = self.place.offset + (had as u64) >= self.length;
                    if at_end {
                        return Err(error);
                    }
                    // A try costs as much as was there, so each is made with half as much again.
                    self.retry_at = had.saturating_add(missing.max(had / 2).max(4096));
                }
            }
            if !self.gather(self.retry_at) && !self.has_all() {
                return self.wants();
            }
        }
    }

    /// What lies in a row from the next chunk on.
    fn bytes(&self) -> &[u8] {
        if self.carried() == 0 { &self.block } else { &self.carry[self.used..] }
    }

    /// How much of the carry is still to be read.
    fn carried(&self) -> usize {
        self.carry.len() - self.used
    }

    /// Copies from the block to the carry until there are `wanted` bytes in a row; `false`: there aren't.
    fn gather(&mut self, wanted: usize) -> bool {
        if self.bytes().len() >= wanted {
            return true;
        }
        let more = (wanted - self.carried()).min(self.block.len() - self.shared);
        self.carry.extend_from_slice(&self.block[self.shared..self.shared + more]);
        self.shared += more;
        self.carried() >= wanted
    }

    /// The rest of the file is here.
    fn has_all(&self) -> bool {
        let here = self.carried() + self.block.len() - self.shared;
        self.place.offset + here as u64 >= self.length
    }

    fn wants(&self) -> Result<Advance, LuceneError> {
        if !self.has_all() {
            return Ok(Advance::Wants);
        }
        let nothing = Input::at_offset(&self.file, &[], self.length, Order::Little);
        Err(nothing.truncated(1))
    }

    /// Counts the next bytes as read.
    fn consume(&mut self, taken: usize) {
        if self.carried() == 0 {
            self.hasher.update(&self.block.split_to(taken));
        } else {
            self.hasher.update(&self.carry[self.used..self.used + taken]);
            // What was gathered too much is still in the block.
            let before_block = self.carried() - self.shared;
            if taken >= before_block {
                self.block.advance(taken - before_block);
                self.carry.clear();
                (self.used, self.shared) = (0, 0);
            } else {
                self.used += taken;
                // Moving all that is left for every chunk would take the square of it.
                if self.used > self.carry.len() / 2 {
                    self.carry.drain(..self.used);
                    self.used = 0;
                }
            }
        }
        self.place.offset += taken as u64;
        self.place.checksum = self.hasher.clone().finalize();
        self.retry_at = 0;
    }

    /// [vLong chunks · vLong dirty chunks] · footer
    fn finish(&mut self) -> Result<Advance, LuceneError> {
        let left = self.length.saturating_sub(self.place.offset);
        let most = 20 + FOOTER as u64;
        if left > most {
            let at = self.place.offset;
            let input = Input::at_offset(&self.file, &[], at, Order::Little);
            return Err(input.corrupt(format!("{left} bytes are left behind the last document")));
        }
        if !self.gather(left as usize) {
            return self.wants();
        }
        let rest = self.bytes().get(..left as usize).unwrap_or_default();
        let mut input = Input::at_offset(&self.file, rest, self.place.offset, Order::Little);
        if self.format.has_counts {
            input.vlong()?;
            input.vlong()?;
        }
        if !self.format.has_footer {
            input.end()?;
            return Ok(Advance::End);
        }
        let (counts, footer) = rest.split_at(input.at());
        if footer.len() != FOOTER {
            return Err(input.corrupt("the footer is missing"));
        }
        let mut hasher = self.hasher.clone();
        hasher.update(counts);
        let at = self.place.offset + counts.len() as u64;
        header::check_footer(&self.file, at, footer, hasher)?;
        Ok(Advance::End)
    }
}
