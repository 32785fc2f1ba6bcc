//! LZ4 blocks as Lucene writes them: they don't say how long they are, so decoding ends when the output is
//! full, and tells what it took. (The LZ4 block format; Lucene's `LZ4.decompress`.)
//!
//! ```text
//! sequence: token (4 bits literals · 4 bits match − 4) · [255…] · literals · u16 distance, little-endian · [255…]
//! ```
//! The last sequence has literals only. An empty block is one byte, 0.
//!
//! Nearly all sequences are plain: they are copied in steps of a known size, which are longer than what is
//! copied. Whatever isn't plain, errors among it, is left to the careful way.

use std::ops::Range;

use crate::{LuceneError, input::Input};

/// How far a copy may write behind its end: copies are made in steps of this many bytes.
pub(super) const SLACK: usize = STEP;
const STEP: usize = 32;
const LEAST_MATCH: usize = 4;

/// Decodes one block into `out[at..at + length]`. `dictionary` of `out` is what came before: for a block without
/// a dictionary of its own that is `at..at`.
///
/// `out` must be [`SLACK`] bytes longer than `at + length`; what lies behind is overwritten.
pub(super) fn decode(
    input: &mut Input<'_>,
    out: &mut [u8],
    at: usize,
    length: usize,
    dictionary: Range<usize>,
) -> Result<(), LuceneError> {
    let end = at + length;
    let out = &mut out[..end + SLACK];
    debug_assert!(dictionary.end <= at);
    let block = Block { at, end, dictionary };
    let mut to = at;
    loop {
        let bytes = input.left();
        let mut taken = 0;
        while let Some(next) = bytes.get(taken..)
            && let Some((read, made)) = block.plain(next, out, to)
        {
            (taken, to) = (taken + read, made);
        }
        input.take(taken)?;
        match block.careful(input, out, to)? {
            Some(made) => to = made,
            None => return Ok(()),
        }
    }
}

/// Where a block's output lies.
struct Block {
    at: usize,
    end: usize,
    dictionary: Range<usize>,
}

impl Block {
    /// Decodes a sequence that has no length of more than one byte behind its token, whose match begins a step or
    /// more back and doesn't go over the dictionary's end, and that isn't among the last of the input.
    /// How many bytes it has, and up to where the output is made. `None`: it isn't such a sequence, and of the
    /// output only what lies behind `to` has changed.
    #[inline(always)]
    fn plain(&self, input: &[u8], out: &mut [u8], to: usize) -> Option<(usize, usize)> {
        const ENDS: Option<(usize, usize)> = None;
        let next = input.first_chunk::<{ 2 + STEP }>()?;
        let token = usize::from(next[0]);
        let mut literals = token >> 4;
        let read;
        let tail: &[u8; 3];
        if literals < 15 {
            if literals >= self.end - to {
                return ENDS; // the last sequence has no match
            }
            // Less than a step, and most literals are so few.
            let few: &[u8; 16] = next[1..].first_chunk()?;
            *out.get_mut(to..)?.first_chunk_mut()? = *few;
            read = 1 + literals;
            tail = next[read..].first_chunk()?;
        } else {
            literals += usize::from(next[1]);
            if next[1] == 255 || literals >= self.end - to {
                return ENDS;
            }
            let mut done = 0;
            loop {
                *step(out, to + done)? = *input.get(2 + done..)?.first_chunk()?;
                done += STEP;
                if done >= literals {
                    break;
                }
            }
            read = 2 + literals;
            tail = input.get(read..)?.first_chunk()?;
        }
        let to = to + literals;
        let distance = usize::from(u16::from_le_bytes([tail[0], tail[1]]));
        let (from, room) = self.source(to, distance)?;
        // One step is enough for most, and needs not wait for the size.
        *step(out, to)? = *out.get(from..)?.first_chunk()?;
        let size = (token & 0x0F) + LEAST_MATCH;
        if size < 15 + LEAST_MATCH {
            return (size <= room).then_some((read + 2, to + size));
        }
        let size = size + usize::from(tail[2]);
        if tail[2] == 255 || size > room {
            return ENDS;
        }
        let mut done = STEP;
        while done < size {
            *step(out, to + done)? = *out.get(from + done..)?.first_chunk()?;
            done += STEP;
        }
        Some((read + 3, to + size))
    }

    /// Where a match begins, and how long it may be, to be copied in steps. Without a branch for the dictionary:
    /// which side of its end a match is on can't be foreseen.
    #[inline(always)]
    fn source(&self, to: usize, distance: usize) -> Option<(usize, usize)> {
        let produced = to - self.at;
        let in_dictionary = distance > produced;
        let back = distance + if in_dictionary { self.at - self.dictionary.end } else { 0 };
        let room = if in_dictionary { distance - produced } else { usize::MAX };
        let is_plain = (distance <= produced + self.dictionary.len()) & (back >= STEP);
        is_plain.then(|| (to - back, room.min(self.end - to)))
    }

    /// Decodes a sequence, whatever it is; `None`: it was the last.
    fn careful(
        &self,
        input: &mut Input<'_>,
        out: &mut [u8],
        mut to: usize,
    ) -> Result<Option<usize>, LuceneError> {
        let &Self { at, end, ref dictionary } = self;
        let token = input.byte()?;
        let literals = extended(input, usize::from(token >> 4))?;
        if literals > end - to {
            return Err(input.corrupt("more literals than the block has room for"));
        }
        out[to..to + literals].copy_from_slice(input.take(literals)?);
        to += literals;
        if to == end {
            return Ok(None);
        }
        let distance = usize::from(u16::from_le_bytes([input.byte()?, input.byte()?]));
        let size = extended(input, usize::from(token & 0x0F))? + LEAST_MATCH;
        let produced = to - at;
        if size > end - to || distance == 0 || distance > produced + dictionary.len() {
            return Err(input.corrupt("a match lies outside the block"));
        }
        if distance <= produced {
            copy_match(out, to, distance, size);
            return Ok(Some(to + size));
        }
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
        Ok(Some(to))
    }
}

#[inline(always)]
fn step(out: &mut [u8], at: usize) -> Option<&mut [u8; STEP]> {
    out.get_mut(at..)?.first_chunk_mut()
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

/// A match in what the block has made; it may repeat what it writes.
fn copy_match(out: &mut [u8], to: usize, distance: usize, length: usize) {
    let from = to - distance;
    // What is there doubles with each copy.
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

    fn lengths(out: &mut Vec<u8>, length: usize) {
        let Some(mut rest) = length.checked_sub(15) else { return };
        while rest >= 255 {
            out.push(255);
            rest -= 255;
        }
        out.push(rest as u8);
    }

    /// A compressor that finds matches the slow way.
    fn compress(bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        let (mut at, mut literals) = (0, 0);
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
        fn sequences_of_every_kind_give_what_they_say(
            dictionary in proptest::collection::vec(any::<u8>(), 0..200),
            gap in 0..100usize,
            sequences in proptest::collection::vec(
                (prop_oneof![0..20usize, 0..600usize], any::<usize>(), prop_oneof![4..40usize, 4..700usize]),
                0..30,
            ),
            last in 1..80usize,
        ) {
            let mut history = dictionary.clone();
            let mut bytes = Vec::new();
            let mut literal = 0u8;
            let mut literals = |count: usize, token: usize, bytes: &mut Vec<u8>, history: &mut Vec<u8>| {
                bytes.push((count.min(15) << 4 | token.min(15)) as u8);
                lengths(bytes, count);
                for _ in 0..count {
                    literal = literal.wrapping_mul(5).wrapping_add(113);
                    bytes.push(literal);
                    history.push(literal);
                }
            };
            for (count, distance, size) in sequences {
                // A match needs something before it.
                let count = count.max(usize::from(history.is_empty()));
                literals(count, size - LEAST_MATCH, &mut bytes, &mut history);
                // Many are short, and none reaches behind the dictionary.
                let distance = distance % if distance & 1 == 0 { 50 } else { 1000 } + 1;
                let distance = distance.min(history.len());
                bytes.extend((distance as u16).to_le_bytes());
                lengths(&mut bytes, size - LEAST_MATCH);
                for _ in 0..size {
                    history.push(history[history.len() - distance]);
                }
            }
            literals(last, 0, &mut bytes, &mut history);
            let expected = &history[dictionary.len()..];
            let at = dictionary.len() + gap;
            let mut out = [&dictionary[..], &vec![0xAA; gap + expected.len() + SLACK]].concat();
            let mut input = Input::new("f", &bytes);
            decode(&mut input, &mut out, at, expected.len(), 0..dictionary.len()).unwrap();
            prop_assert_eq!(&out[at..at + expected.len()], expected);
            prop_assert_eq!(input.rest(), 0);
        }

        #[test]
        fn no_bytes_end_it(bytes in proptest::collection::vec(any::<u8>(), 0..80), length in 0..400usize) {
            let _ = block(&bytes, length);
        }
    }
}
