//! What may lie around a document: raw DEFLATE, zstd, LZF. Every one is bounded.
//!
//! ```text
//! 44 46 4C 00 | raw DEFLATE                       Elasticsearch 2 and newer (the normal case from 8 on), OpenSearch
//! 5A 53 54 44 00 | zstd frame                     OpenSearch, `compression_type: zstd`
//! 5A 56 | 00 | u16 length | bytes                 ┐ LZF chunks, Elasticsearch 1, repeated to the end
//! 5A 56 | 01 | u16 packed | u16 length | LZF data ┘
//! ```

use std::{borrow::Cow, io::Read};

use crate::FormatError;

const DEFLATE: &[u8] = b"DFL\0";
const ZSTD: &[u8] = b"ZSTD\0";
const ZSTD_FRAME: &[u8] = &[0x28, 0xB5, 0x2F, 0xFD];
const LZF: &[u8] = b"ZV";
/// 2^27 bytes: the largest window that zstd's own tools accept without being told to.
const ZSTD_WINDOW_LOG: u32 = 27;

/// The bytes without their compression, if they have one. More than `limit` bytes are an error.
pub fn expand(bytes: &[u8], limit: usize) -> Result<Cow<'_, [u8]>, FormatError> {
    if let Some(packed) = bytes.strip_prefix(DEFLATE) {
        return inflate(packed, limit).map(Cow::Owned);
    }
    if let Some(packed) = bytes.strip_prefix(ZSTD) {
        return unzstd(packed, limit).map(Cow::Owned);
    }
    if bytes.starts_with(ZSTD_FRAME) {
        return unzstd(bytes, limit).map(Cow::Owned);
    }
    if bytes.starts_with(LZF) {
        return unlzf(bytes, limit).map(Cow::Owned);
    }
    if bytes.len() > limit {
        return Err(FormatError::TooLong { limit });
    }
    Ok(Cow::Borrowed(bytes))
}

fn inflate(packed: &[u8], limit: usize) -> Result<Vec<u8>, FormatError> {
    let mut decoder = flate2::bufread::DeflateDecoder::new(packed);
    let bytes = read_bounded(&mut decoder, "DEFLATE", limit)?;
    match decoder.total_in() == packed.len() as u64 {
        true => Ok(bytes),
        false => Err(FormatError::packed("DEFLATE", "bytes follow the end of the stream")),
    }
}

fn unzstd(packed: &[u8], limit: usize) -> Result<Vec<u8>, FormatError> {
    let mut decoder = zstd::stream::read::Decoder::with_buffer(packed)
        .map_err(|error| FormatError::packed("zstd", &error.to_string()))?;
    decoder
        .window_log_max(ZSTD_WINDOW_LOG)
        .map_err(|error| FormatError::packed("zstd", &error.to_string()))?;
    read_bounded(decoder, "zstd", limit)
}

fn read_bounded(
    decoder: impl Read,
    format: &'static str,
    limit: usize,
) -> Result<Vec<u8>, FormatError> {
    let mut bytes = Vec::new();
    decoder
        .take(limit as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| FormatError::packed(format, &error.to_string()))?;
    if bytes.len() > limit {
        return Err(FormatError::TooLong { limit });
    }
    Ok(bytes)
}

fn unlzf(mut packed: &[u8], limit: usize) -> Result<Vec<u8>, FormatError> {
    let cut = || FormatError::packed("LZF", "a chunk is cut short");
    let mut bytes = Vec::new();
    while !packed.is_empty() {
        let (kind, rest) = packed
            .strip_prefix(LZF)
            .and_then(<[u8]>::split_first)
            .ok_or_else(|| FormatError::packed("LZF", "no chunk where one must begin"))?;
        let (stored, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
        let stored = usize::from(u16::from_be_bytes(*stored));
        let before = bytes.len();
        let (length, rest) = match kind {
            0 => (stored, rest),
            1 => {
                let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(cut)?;
                (usize::from(u16::from_be_bytes(*length)), rest)
            }
            _ => return Err(FormatError::packed("LZF", "a chunk of an unknown type")),
        };
        if before + length > limit {
            return Err(FormatError::TooLong { limit });
        }
        let (chunk, rest) = rest.split_at_checked(stored).ok_or_else(cut)?;
        match kind {
            0 => bytes.extend_from_slice(chunk),
            _ => unlzf_chunk(chunk, &mut bytes, before + length)
                .ok_or_else(|| FormatError::packed("LZF", "a chunk does not decode"))?,
        }
        packed = rest;
    }
    Ok(bytes)
}

/// Appends one chunk's content so that `out` ends at exactly `end`; `None` when the chunk is corrupt.
///
/// A control byte below 32 is followed by that many literals and one more. Otherwise its upper three bits are a
/// length less 2 (7: the next byte is added) and its lower five, with one more byte, a distance less 1.
fn unlzf_chunk(chunk: &[u8], out: &mut Vec<u8>, end: usize) -> Option<()> {
    let start = out.len();
    let mut input = chunk;
    while let Some((&control, rest)) = input.split_first() {
        let control = usize::from(control);
        input = rest;
        if control < 32 {
            let (literals, rest) = input.split_at_checked(control + 1)?;
            out.extend_from_slice(literals);
            input = rest;
        } else {
            let mut length = (control >> 5) + 2;
            if length == 9 {
                let (&more, rest) = input.split_first()?;
                length += usize::from(more);
                input = rest;
            }
            let (&low, rest) = input.split_first()?;
            input = rest;
            let distance = ((control & 31) << 8 | usize::from(low)) + 1;
            let from = out.len().checked_sub(distance).filter(|from| *from >= start)?;
            if out.len() + length > end {
                return None;
            }
            for at in from..from + length {
                out.push(out[at]); // may overlap what it writes: a run
            }
        }
        if out.len() > end {
            return None;
        }
    }
    (out.len() == end).then_some(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn text() -> Vec<u8> {
        (0..30).flat_map(|n| format!("number {n}, again number {n}; ").into_bytes()).collect()
    }

    fn deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder =
            flate2::write::DeflateEncoder::new(DEFLATE.to_vec(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        [ZSTD, &zstd::encode_all(bytes, 3).unwrap()].concat()
    }

    /// Chunks of literals and of runs, as a compressor might choose them.
    fn lzf(bytes: &[u8]) -> Vec<u8> {
        let raw = |chunk: &[u8]| {
            let length = u16::try_from(chunk.len()).unwrap().to_be_bytes();
            [LZF, &[0], &length, chunk].concat()
        };
        let literals = |chunk: &[u8]| {
            let packed: Vec<u8> = chunk
                .chunks(32)
                .flat_map(|part| [&[u8::try_from(part.len() - 1).unwrap()], part].concat())
                .collect();
            let sizes = [packed.len(), chunk.len()].map(|size| u16::try_from(size).unwrap());
            [LZF, &[1], &sizes[0].to_be_bytes(), &sizes[1].to_be_bytes(), &packed].concat()
        };
        let (first, second) = bytes.split_at(bytes.len() / 2);
        [raw(first), literals(second)].concat()
    }

    #[test]
    fn each_format_expands_to_what_it_was_made_of() {
        let plain = text();
        assert!(matches!(expand(&plain, plain.len()), Ok(Cow::Borrowed(_))));
        for packed in [deflate(&plain), zstd(&plain), zstd(&plain).split_off(5), lzf(&plain)] {
            assert_eq!(expand(&packed, plain.len()).unwrap(), plain);
            let short = expand(&packed, plain.len() - 1);
            assert!(
                matches!(short, Err(FormatError::TooLong { limit }) if limit + 1 == plain.len())
            );
        }
        assert!(matches!(expand(&plain, 10), Err(FormatError::TooLong { limit: 10 })));
    }

    #[test]
    fn a_run_overlaps_what_it_writes_and_never_reaches_before_its_chunk() {
        // "ab", then 12 bytes from a distance of 2: length 9 + 3
        let run = [b"ZV\x01\x00\x06\x00\x0e".as_slice(), &[1, b'a', b'b', 0xE0, 3, 1]].concat();
        assert_eq!(expand(&run, 100).unwrap().as_ref(), b"ababababababab");
        let before =
            [b"ZV\x00\x00\x01a".as_slice(), b"ZV\x01\x00\x02\x00\x03", &[0x20, 0]].concat();
        assert!(matches!(expand(&before, 100), Err(FormatError::Packed { .. })));
    }

    #[test]
    fn every_truncation_and_every_flipped_bit_is_an_error_or_bounded() {
        let plain = text();
        for packed in [deflate(&plain), zstd(&plain), lzf(&plain)] {
            for length in 5..packed.len() {
                // LZF has no end mark: what is cut between two chunks is the shorter text
                if let Ok(bytes) = expand(&packed[..length], plain.len()) {
                    assert_eq!(length, 5 + plain.len() / 2, "LZF, between its chunks");
                    assert_eq!(bytes, &plain[..plain.len() / 2]);
                }
            }
            for bit in 0..packed.len() * 8 {
                let mut flipped = packed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                if let Ok(bytes) = expand(&flipped, plain.len() * 2) {
                    assert!(bytes.len() <= plain.len() * 2);
                }
            }
        }
    }

    #[test]
    fn a_bomb_ends_at_the_limit() {
        let zeros = vec![0; 4 << 20];
        for packed in [deflate(&zeros), zstd(&zeros)] {
            assert!(packed.len() < 20_000);
            assert!(matches!(expand(&packed, 1 << 20), Err(FormatError::TooLong { .. })));
        }
    }
}
