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

use libdeflater::DecompressionError;

use super::{format::Compression, lz4};
use crate::{LuceneError, input::Input};

/// Decompresses units; keeps the decompressors' state between them.
pub(super) struct Decompressor {
    compression: Compression,
    inflate: libdeflater::Decompressor,
    /// A dictionary and a deflated block.
    stream: Vec<u8>,
    zstd: Option<zstd::bulk::Decompressor<'static>>,
}

impl Decompressor {
    pub(super) fn new(compression: Compression) -> Self {
        Self {
            compression,
            inflate: libdeflater::Decompressor::new(),
            stream: Vec::new(),
            zstd: None,
        }
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
            Compression::DeflateDictionary => self.deflated_blocks(input, out, unit),
            Compression::ZstdDictionary => {
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
        let frame = frame(input)?;
        if frame.is_empty() && into.is_empty() {
            return Ok(());
        }
        let (before, rest) = out.split_at_mut(into.start);
        let into = &mut rest[..into.len()];
        let dictionary = dictionary.map(|range| &before[range]);
        match self.compression {
            Compression::Deflate | Compression::DeflateDictionary => {
                inflate(&mut self.inflate, frame, into)
            }
            _ => self.zstd(frame, into, dictionary),
        }
        .map_err(|what| input.corrupt(what))
    }

    /// DEFLATE takes no dictionary here: it is put in front of each block's stream as a block that is stored as it
    /// is, and comes out right before the block, over what will be there. So the last block is the first.
    fn deflated_blocks(
        &mut self,
        input: &mut Input<'_>,
        out: &mut [u8],
        unit: Range<usize>,
    ) -> Result<(), LuceneError> {
        const WINDOW: usize = 1 << 15; // nothing refers farther back
        let (dictionary, length) = dictionary(input, &unit)?;
        self.framed(input, out, dictionary.clone(), None)?;
        let mut frames = Vec::new();
        for block in blocks(dictionary.end..unit.end, length) {
            frames.push((block, frame(input)?));
        }
        // u8 0: stored, and not the last block · u16 length · u16 its complement · bytes
        let known = dictionary.start.max(dictionary.end.saturating_sub(WINDOW))..dictionary.end;
        let length = known.len() as u16;
        self.stream.clear();
        self.stream.push(0);
        self.stream.extend_from_slice(&length.to_le_bytes());
        self.stream.extend_from_slice(&(!length).to_le_bytes());
        self.stream.extend_from_slice(&out[known.clone()]);
        let begins = self.stream.len();
        for (block, frame) in frames.into_iter().rev() {
            self.stream.truncate(begins);
            self.stream.extend_from_slice(frame);
            let into = &mut out[block.start - known.len()..block.end];
            inflate(&mut self.inflate, &self.stream, into).map_err(|what| input.corrupt(what))?;
        }
        Ok(())
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

/// Inflates a whole stream, which must fill `into`.
fn inflate(
    inflate: &mut libdeflater::Decompressor,
    stream: &[u8],
    into: &mut [u8],
) -> Result<(), String> {
    match inflate.deflate_decompress(stream, into) {
        Ok(made) if made == into.len() => Ok(()),
        Ok(made) => Err(format!("it inflates to {made} bytes instead of {}", into.len())),
        Err(DecompressionError::InsufficientSpace) => {
            Err(format!("it inflates to more than {} bytes", into.len()))
        }
        Err(DecompressionError::BadData) => Err("it can't be inflated".into()),
    }
}

/// vInt compressed length · bytes
fn frame<'a>(input: &mut Input<'a>) -> Result<&'a [u8], LuceneError> {
    let length = input.length()?;
    input.take(length)
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

#[cfg(test)]
mod tests {
    use flate2::{Compress, FlushCompress};

    use super::*;

    /// vInt compressed · bytes, as if they stood behind `dictionary`.
    fn deflated(bytes: &[u8], dictionary: &[u8], out: &mut Vec<u8>) {
        let mut compress = Compress::new(flate2::Compression::best(), false);
        if !dictionary.is_empty() {
            compress.set_dictionary(dictionary).unwrap();
        }
        let mut frame = Vec::with_capacity(bytes.len() + 100);
        compress.compress_vec(bytes, &mut frame, FlushCompress::Finish).unwrap();
        vint(frame.len(), out);
        out.extend(frame);
    }

    fn vint(mut value: usize, out: &mut Vec<u8>) {
        while value >= 0x80 {
            out.push(value as u8 | 0x80);
            value >>= 7;
        }
        out.push(value as u8);
    }

    /// Text of which much comes again, but not in the same order.
    fn text(length: usize) -> Vec<u8> {
        let words = (0..).map(|at: usize| format!("{} ", at * at % 977 * at % 61));
        words.flat_map(String::into_bytes).take(length).collect()
    }

    #[test]
    fn deflated_blocks_stand_behind_the_dictionary() {
        // Blocks shorter and longer than it, one longer than what can be referred to, and none at all.
        for (total, dictionary, block) in
            [(3000, 300, 100), (3000, 100, 700), (90_000, 40_000, 9000), (500, 0, 200), (40, 40, 9)]
        {
            let text = text(total);
            let mut bytes = Vec::new();
            vint(dictionary, &mut bytes);
            vint(block, &mut bytes);
            let (begin, rest) = text.split_at(dictionary);
            deflated(begin, &[], &mut bytes);
            for block in rest.chunks(block) {
                deflated(block, begin, &mut bytes);
            }
            let mut input = Input::new("f", &bytes);
            let mut out = vec![0; 7 + total + lz4::SLACK];
            let mut decompressor = Decompressor::new(Compression::DeflateDictionary);
            decompressor.unit(&mut input, &mut out, 7..7 + total).unwrap();
            assert!(out[7..7 + total] == text, "{total} {dictionary} {block}");
            assert_eq!(input.rest(), 0);

            let mut longer = vec![0; 8 + total + lz4::SLACK];
            let mut input = Input::new("f", &bytes);
            assert!(decompressor.unit(&mut input, &mut longer, 7..8 + total).is_err());
        }
    }
}
