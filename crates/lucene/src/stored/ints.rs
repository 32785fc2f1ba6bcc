//! The numbers of stored fields of a chunk's documents, and their lengths.
//!
//! ```text
//! one document       vInt
//! packed (to 8.x)    vInt bits · bits 0: vInt, for all · else ceil(n · bits / 8) bytes, most significant first
//! groups (from 9)    u8 bits (0, 8, 16, 32) · bits 0: vInt, for all · else
//!                    groups of 128 as i64 words, word j holding numbers j, j + L, j + 2L… (L words a group) from
//!                    the upper end down, then the rest as plain little-endian numbers
//! ```

use super::format::Integers;
use crate::{LuceneError, input::Input};

/// Reads `count` numbers into `out`, which is emptied first.
pub(super) fn read(
    input: &mut Input<'_>,
    integers: Integers,
    count: usize,
    out: &mut Vec<u32>,
) -> Result<(), LuceneError> {
    out.clear();
    if count == 1 {
        out.push(input.length()? as u32);
        return Ok(());
    }
    let bits = match integers {
        Integers::Packed => input.length()?,
        Integers::Groups => usize::from(input.byte()?),
    };
    match (integers, bits) {
        (_, 0) => {
            let value = input.length()? as u32;
            out.resize(count, value);
        }
        (Integers::Packed, 1..=31) => packed(input, count, bits, out)?,
        (Integers::Groups, 8 | 16 | 32) => groups(input, count, bits, out)?,
        _ => return Err(input.corrupt(format!("numbers of {bits} bits"))),
    }
    if out.iter().any(|value| *value > i32::MAX as u32) {
        return Err(input.corrupt("a number is negative"));
    }
    Ok(())
}

fn packed(
    input: &mut Input<'_>,
    count: usize,
    bits: usize,
    out: &mut Vec<u32>,
) -> Result<(), LuceneError> {
    let bytes = input.take((count * bits).div_ceil(8))?;
    let (mut held, mut holds) = (0u64, 0);
    let mut bytes = bytes.iter();
    for _ in 0..count {
        while holds < bits {
            let byte = bytes.next().copied().unwrap_or_default();
            (held, holds) = (held << 8 | u64::from(byte), holds + 8);
        }
        holds -= bits;
        out.push((held >> holds & ((1 << bits) - 1)) as u32);
    }
    Ok(())
}

fn groups(
    input: &mut Input<'_>,
    count: usize,
    bits: usize,
    out: &mut Vec<u32>,
) -> Result<(), LuceneError> {
    const GROUP: usize = 128;
    let words = GROUP * bits / 64;
    let mask = u64::MAX >> (64 - bits);
    for _ in 0..count / GROUP {
        let group = input.take(words * 8)?;
        for lane in 0..64 / bits {
            let shift = 64 - bits * (lane + 1);
            for word in group.chunks_exact(8) {
                let word = u64::from_le_bytes(word.try_into().unwrap_or_default());
                out.push((word >> shift & mask) as u32);
            }
        }
    }
    let width = bits / 8;
    for number in input.take(count % GROUP * width)?.chunks_exact(width) {
        let mut bytes = [0; 4];
        bytes[..width].copy_from_slice(number);
        out.push(u32::from_le_bytes(bytes));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(bytes: &[u8], integers: Integers, count: usize) -> Result<Vec<u32>, LuceneError> {
        let mut out = vec![9];
        read(&mut Input::new("f", bytes), integers, count, &mut out).map(|()| out)
    }

    #[test]
    fn packed_numbers_are_a_stream_of_bits() {
        assert_eq!(numbers(&[3, 0b0010_1001, 0b1000_0000], Integers::Packed, 3), Ok(vec![1, 2, 3]));
        assert_eq!(numbers(&[0, 5], Integers::Packed, 2), Ok(vec![5, 5]));
        assert_eq!(numbers(&[7], Integers::Packed, 1), Ok(vec![7]));
        assert!(numbers(&[33, 0], Integers::Packed, 2).is_err());
        assert!(numbers(&[8, 1], Integers::Packed, 2).unwrap_err().is_truncated());
    }

    #[test]
    fn groups_interleave() {
        // 128 numbers of 8 bits: word j holds j, j + 16, … from the upper byte down; then two more.
        let mut bytes = vec![8];
        for word in 0..16u64 {
            let lanes = (0..8).map(|lane| (word + lane * 16) << (56 - lane * 8));
            bytes.extend(lanes.sum::<u64>().to_le_bytes());
        }
        bytes.extend([200, 201]);
        let expected: Vec<u32> = (0..128).chain([200, 201]).collect();
        assert_eq!(numbers(&bytes, Integers::Groups, 130), Ok(expected));
        assert!(numbers(&[7, 1, 2], Integers::Groups, 2).is_err());
    }
}
