//! The compressed documents of a chunk: one unit, or several when the chunk is sliced.
//!
//! ```text
//! LZ4            sequences until the output is full
//! LZ4-dict       vInt dictionary · vInt block · vInt compressed dictionary · vInt compressed block … · bytes
//! DEFLATE        vInt compressed · bytes
//! DEFLATE-dict   vInt dictionary · vInt block · { vInt compressed · bytes } for the dictionary and each block
//! zstd           vInt compressed · bytes; nothing at all for an empty unit
//! zstd-dict      as DEFLATE-dict
//! zstd blocks    vInt block · { vInt compressed · bytes } for each block
//! ```
//! The dictionary is also the beginning of the output; each block is compressed as if it stood right behind it.

use std::ops::Range;

use flate2::{Decompress, FlushDecompress, Status};

use super::{format::Compression, lz4};
use crate::{LuceneError, input::Input};

/// Decompresses units; keeps the decompressors' state between them.
pub(super) struct Decompressor {
    compression: Compression,
    inflate: Decompress,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    pub(super) fn new(compression: Compression) -> Self {
        Self { compression, inflate: Decompress::new(false), zstd: None }
    }

    /// Decompresses one unit into `out[unit]`. `out` is [`lz4::SLACK`] bytes longer than that needs.
    pub(super) fn unit(
        &mut self,
        input: &mut Input<'_>,
        out: &mut [u8],
        unit: Range<usize>,
    ) -> Result<(), LuceneError> {
        match self.compression {
            Compression::Lz4 => {
                lz4::decode(input, out, unit.start, unit.len(), unit.start..unit.start)
            }
            Compression::Lz4Dictionary => lz4_blocks(input, out, unit),
            Compression::Deflate => self.framed(input, out, unit, None),
            Compression::Zstd if unit.is_empty() => Ok(()),
            Compression::Zstd => self.framed(input, out, unit, None),
            Compression::DeflateDictionary | Compression::ZstdDictionary => {
                let (dictionary, block) = dictionary(input, &unit)?;
                self.framed(input, out, dictionary.clone(), None)?;
                for block in blocks(dictionary.end..unit.end, block) {
                    self.framed(input, out, block, Some(dictionary.clone()))?;
                }
                Ok(())
            }
            Compression::ZstdBlocks => {
                let block = block_length(input, &unit)?;
                for block in blocks(unit, block) {
                    self.framed(input, out, block, None)?;
                }
                Ok(())
            }
        }
    }

    /// vInt compressed length · bytes
    fn framed(
        &mut self,
        input: &mut Input<'_>,
        out: &mut [u8],
        into: Range<usize>,
        dictionary: Option<Range<usize>>,
    ) -> Result<(), LuceneError> {
        let length = input.length()?;
        let frame = input.take(length)?;
        if frame.is_empty() && into.is_empty() {
            return Ok(());
        }
        let (before, rest) = out.split_at_mut(into.start);
        let into = &mut rest[..into.len()];
        let dictionary = dictionary.map(|range| &before[range]);
        match self.compression {
            Compression::Deflate | Compression::DeflateDictionary => {
                self.inflate(frame, into, dictionary)
            }
            _ => self.zstd(frame, into, dictionary),
        }
        .map_err(|what| input.corrupt(what))
    }

    fn inflate(
        &mut self,
        frame: &[u8],
        into: &mut [u8],
        dictionary: Option<&[u8]>,
    ) -> Result<(), String> {
        self.inflate.reset(false);
        if let Some(dictionary) = dictionary.filter(|dictionary| !dictionary.is_empty()) {
            self.inflate.set_dictionary(dictionary).map_err(|error| error.to_string())?;
        }
        let status = self
            .inflate
            .decompress(frame, into, FlushDecompress::Finish)
            .map_err(|error| format!("it can't be inflated: {error}"))?;
        let (read, made) = (self.inflate.total_in(), self.inflate.total_out());
        if made != into.len() as u64 || read > frame.len() as u64 {
            return Err(format!("it inflates to {made} bytes instead of {}", into.len()));
        }
        // A stream whose end marker is missing gives the right length too.
        match status {
            Status::StreamEnd => Ok(()),
            _ => Err("the deflated data doesn't end where it should".into()),
        }
    }

    fn zstd(
        &mut self,
        frame: &[u8],
        into: &mut [u8],
        dictionary: Option<&[u8]>,
    ) -> Result<(), String> {
        let zstd = match &mut self.zstd {
            Some(zstd) => zstd,
            none => none.insert(zstd::bulk::Decompressor::new().map_err(|e| e.to_string())?),
        };
        zstd.set_dictionary(dictionary.unwrap_or_default()).map_err(|error| error.to_string())?;
        let made = zstd
            .decompress_to_buffer(frame, into)
            .map_err(|error| format!("it can't be decompressed: {error}"))?;
        if made != into.len() {
            return Err(format!("it decompresses to {made} bytes instead of {}", into.len()));
        }
        Ok(())
    }
}

fn lz4_blocks(
    input: &mut Input<'_>,
    out: &mut [u8],
    unit: Range<usize>,
) -> Result<(), LuceneError> {
    let (dictionary, block) = dictionary(input, &unit)?;
    let blocks = blocks(dictionary.end..unit.end, block);
    // The lengths come first: what they add up to must be there before anything is decoded.
    let mut lengths = input.clone();
    let mut total = input.length()?;
    for _ in blocks.clone() {
        total = total.saturating_add(input.length()?);
    }
    let mut data = input.clone();
    input.take(total)?;
    let none = dictionary.start..dictionary.start;
    for (into, dictionary) in std::iter::once((dictionary.clone(), none))
        .chain(blocks.map(|block| (block, dictionary.clone())))
    {
        let (length, began) = (lengths.length()?, data.at());
        lz4::decode(&mut data, out, into.start, into.len(), dictionary)?;
        if data.at() - began != length {
            return Err(data.corrupt("a block is longer or shorter than it says"));
        }
    }
    Ok(())
}

/// vInt dictionary length · vInt block length
fn dictionary(
    input: &mut Input<'_>,
    unit: &Range<usize>,
) -> Result<(Range<usize>, usize), LuceneError> {
    let length = input.length()?;
    if length > unit.len() {
        return Err(input.corrupt("the dictionary is longer than what it begins"));
    }
    let dictionary = unit.start..unit.start + length;
    let block = block_length(input, &(dictionary.end..unit.end))?;
    Ok((dictionary, block))
}

fn block_length(input: &mut Input<'_>, rest: &Range<usize>) -> Result<usize, LuceneError> {
    let length = input.length()?;
    if length == 0 && !rest.is_empty() {
        return Err(input.corrupt("blocks have length 0"));
    }
    Ok(length)
}

/// A range in pieces of `length`, the last one shorter.
fn blocks(range: Range<usize>, length: usize) -> impl Iterator<Item = Range<usize>> + Clone {
    let end = range.end;
    range.step_by(length.max(1)).map(move |start| start..end.min(start + length))
}
