//! LZ4 blocks as Lucene writes them: they don't say how long they are, so decoding ends when the output is
//! full, and tells what it took. (The LZ4 block format; Lucene's `LZ4.decompress`.)
//!
//! ```text
//! sequence: token (4 bits literals · 4 bits match − 4) · [255…] · literals · u16 distance, little-endian · [255…]
//! ```
//! The last sequence has literals only. An empty block is one byte, 0.

use crate::{LuceneError, input::Input};

/// How far a copy may write behind its end: copies are made in steps of this many bytes.
pub(super) const SLACK: usize = 32;
const STEP: usize = 16;
const LEAST_MATCH: usize = 4;

/// Decodes one block into `out[at..at + length]`. `history..history + dictionary` of `out` is what came
/// before: for a block without a dictionary of its own that is `at..at`.
///
/// `out` must be [`SLACK`] bytes longer than `at + length`; what lies behind is overwritten.
pub(super) fn decode(
    input: &mut Input<'_>,
    out: &mut [u8],
    at: usize,
    length: usize,
    dictionary: std::ops::Range<usize>,
) -> Result<(), LuceneError> {
    let end = at + length;
    debug_assert!(out.len() >= end + SLACK && dictionary.end <= at);
    let mut to = at;
    loop {
        let token = input.byte()?;
        let literals = extended(input, usize::from(token >> 4))?;
        if literals > end - to {
            return Err(input.corrupt("more literals than the block has room for"));
        }
        copy_literals(input, out, to, literals)?;
        to += literals;
        if to == end {
            return Ok(());
        }
        let distance = usize::from(u16::from_le_bytes([input.byte()?, input.byte()?]));
        let size = extended(input, usize::from(token & 0x0F))? + LEAST_MATCH;
        let produced = to - at;
        if size > end - to || distance == 0 || distance > produced + dictionary.len() {
            return Err(input.corrupt("a match lies outside the block"));
        }
        if distance <= produced {
            copy_match(out, to, distance, size);
            to += size;
        } else {
            // It begins in the dictionary, and may run on into the block.
            let back = distance - produced;
            let from = dictionary.end - back;
            let first = size.min(back);
            out.copy_within(from..from + first, to);
            to += first;
            if first < size {
                copy_match(out, to, to - at, size - first);
                to += size - first;
            }
        }
    }
}

/// A length of 15 goes on in the bytes that follow, up to the first that isn't 255.
#[inline]
fn extended(input: &mut Input<'_>, mut length: usize) -> Result<usize, LuceneError> {
    if length < 15 {
        return Ok(length);
    }
    loop {
        let byte = input.byte()?;
        length += usize::from(byte);
        if byte != 255 {
            return Ok(length);
        }
    }
}

#[inline]
fn copy_literals(
    input: &mut Input<'_>,
    out: &mut [u8],
    to: usize,
    length: usize,
) -> Result<(), LuceneError> {
    // Short runs are the rule: one step of a known size instead of a call.
    if length <= STEP
        && let Some(from) = input.peek::<STEP>()
        && let Some(to) = out.get_mut(to..to + STEP)
    {
        to.copy_from_slice(from);
        input.take(length)?;
        return Ok(());
    }
    out[to..to + length].copy_from_slice(input.take(length)?);
    Ok(())
}

#[inline]
fn copy_match(out: &mut [u8], to: usize, distance: usize, length: usize) {
    let from = to - distance;
    if distance >= STEP {
        let mut done = 0;
        while done < length {
            let mut step = [0; STEP];
            step.copy_from_slice(&out[from + done..from + done + STEP]);
            out[to + done..to + done + STEP].copy_from_slice(&step);
            done += STEP;
        }
        return;
    }
    if distance == 1 {
        let byte = out[from];
        out[to..to + length].fill(byte);
        return;
    }
    // The match repeats what it writes: what is there doubles with each copy.
    let mut done = 0;
    while done < length {
        let step = (distance + done).min(length - done);
        out.copy_within(from..from + step, to + done);
        done += step;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn block(bytes: &[u8], length: usize) -> Result<(Vec<u8>, usize), LuceneError> {
        let mut out = vec![0; length + SLACK];
        let mut input = Input::new("f", bytes);
        decode(&mut input, &mut out, 0, length, 0..0)?;
        out.truncate(length);
        Ok((out, input.at()))
    }

    #[test]
    fn matches_may_overlap_what_they_write() {
        // "ab", then 8 bytes from 2 back, then "c".
        let bytes = [0x24, b'a', b'b', 2, 0, 0x10, b'c', 0xEE];
        assert_eq!(block(&bytes, 11), Ok((b"abababababc".to_vec(), 7)));
        assert_eq!(block(&[0], 0), Ok((vec![], 1)));
        assert!(block(&[0x14, b'a', 2, 0, 0x10, b'c'], 10).is_err());
        assert!(block(&[0x14, b'a', 0, 0, 0x10, b'c'], 10).is_err());
    }

    #[test]
    fn a_match_runs_from_the_dictionary_into_the_block() {
        let mut out = vec![0; 5 + 3 + 8 + SLACK];
        out[..5].copy_from_slice(b"hello");
        // Three bytes in between, then a block: "x", then 6 bytes from 3 back: "lo" of the dictionary, "xlox".
        let bytes = [0x12, b'x', 3, 0, 0x10, b'!'];
        decode(&mut Input::new("f", &bytes), &mut out, 8, 8, 0..5).unwrap();
        assert_eq!(&out[8..16], b"xloxlox!");
    }

    /// A compressor that finds matches the slow way.
    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let (mut at, mut literals) = (0, 0);
        let lengths = |out: &mut Vec<u8>, mut n: usize| {
            if n >= 15 {
                n -= 15;
                while n >= 255 {
                    out.push(255);
                    n -= 255;
                }
                out.push(n as u8);
            }
        };
        while at < bytes.len() {
            let best = (0..at)
                .map(|from| {
                    let same = bytes[from..].iter().zip(&bytes[at..]).take_while(|(a, b)| a == b);
                    (same.count(), from)
                })
                .max()
                .filter(|(same, _)| *same >= LEAST_MATCH && at + same < bytes.len());
            let Some((same, from)) = best else {
                at += 1;
                continue;
            };
            let run = at - literals;
            out.push((run.min(15) << 4 | (same - LEAST_MATCH).min(15)) as u8);
            lengths(&mut out, run);
            out.extend(&bytes[literals..at]);
            out.extend(((at - from) as u16).to_le_bytes());
            lengths(&mut out, same - LEAST_MATCH);
            at += same;
            literals = at;
        }
        let run = bytes.len() - literals;
        out.push((run.min(15) << 4) as u8);
        lengths(&mut out, run);
        out.extend(&bytes[literals..]);
        out
    }

    proptest! {
        #[test]
        fn what_was_compressed_comes_back(bytes in proptest::collection::vec(0..4u8, 0..700)) {
            let compressed = compress(&bytes);
            prop_assert_eq!(block(&compressed, bytes.len()), Ok((bytes, compressed.len())));
        }

        #[test]
        fn no_bytes_end_it(bytes in proptest::collection::vec(any::<u8>(), 0..80), length in 0..400usize) {
            let _ = block(&bytes, length);
        }
    }
}
