//! Which documents have a value in a field (Lucene's `IndexedDISI`).
//!
//! ```text
//! { u16 block (document >> 16) · u16 count − 1 · documents } … · block 0x7FFF
//!   count ≤ 4095   count × u16, the documents' low halves
//!   count = 65536  nothing: all
//!   else           [rank table of 1024 >> (power − 7) bytes] · 1024 × i64
//! ```

use std::ops::Range;

use crate::{
    Bits, LuceneError, NumericEntry,
    input::{Input, Order},
};

/// The documents that have a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Present {
    None,
    All,
    Some(Bits),
}

impl NumericEntry {
    /// Whether anything of the `.dvd` is needed: not of a number that all documents have, the same for all.
    pub fn is_in_data(&self) -> bool {
        self.present_range().is_some() || self.bits > 0 || self.block_shift.is_some()
    }

    /// The bytes of the `.dvd` that [`NumericEntry::present`] needs; `None`: none are needed.
    ///
    /// Never more than so many documents can take, whatever length the entry says: what lies behind the
    /// blocks is a table for jumping over them.
    pub fn present_range(&self) -> Option<Range<u64>> {
        // A block of one document takes 6 bytes, and in none does a document take more; the end takes 6 too.
        const BLOCKS: u64 = (1 << 15) * (4 + 1024 + 8192);
        let offset = u64::try_from(self.present.offset).ok()?;
        let length = u64::try_from(self.present.length).ok()?;
        let most = self.values.saturating_mul(6).min(BLOCKS) + 6;
        Some(offset..offset.saturating_add(length.min(most)))
    }

    /// Which of the segment's documents have a value, from the bytes of [`NumericEntry::present_range`].
    pub fn present(
        &self,
        file: &str,
        bytes: &[u8],
        documents: u32,
    ) -> Result<Present, LuceneError> {
        let present = match self.present.offset {
            -2 => Present::None,
            -1 => Present::All,
            offset => {
                let base = u64::try_from(offset).unwrap_or_default();
                let mut input = Input::at_offset(file, bytes, base, self.order);
                Present::Some(blocks(&mut input, self.present.rank_power, documents)?)
            }
        };
        let found = match &present {
            Present::None => 0,
            Present::All => documents,
            Present::Some(bits) => bits.count(),
        };
        if u64::from(found) != self.values {
            let what = format!("{found} documents have a value where {} values are", self.values);
            return Err(Input::at_offset(file, &[], 0, self.order).corrupt(what));
        }
        Ok(present)
    }
}

fn blocks(
    input: &mut Input<'_>,
    rank_power: Option<u8>,
    documents: u32,
) -> Result<Bits, LuceneError> {
    const END: u16 = 0x7FFF;
    const DENSE: usize = 4096;
    let mut bits = Bits::zeros(documents);
    let mut expected = 0u32;
    loop {
        let block = input.i16()? as u16;
        let count = usize::from(input.i16()? as u16) + 1;
        if block == END {
            break;
        }
        let first = u32::from(block) << 16;
        if u32::from(block) < expected || first >= documents {
            return Err(input.corrupt(format!("block {block} of documents is out of place")));
        }
        expected = u32::from(block) + 1;
        if count == 1 << 16 {
            // A whole block of documents: the last one can't be longer than the segment.
            if documents - first < 1 << 16 {
                return Err(input.corrupt("more documents have a value than there are"));
            }
            for word in 0..1024 {
                bits.set_word((first / 64) as usize + word, u64::MAX);
            }
        } else if count < DENSE {
            let order = input.order;
            let lows = input.take(count * 2)?;
            for low in lows.chunks_exact(2) {
                let low = [low[0], low[1]];
                let low = match order {
                    Order::Big => u16::from_be_bytes(low),
                    Order::Little => u16::from_le_bytes(low),
                };
                bits.set(first | u32::from(low));
            }
        } else {
            if let Some(power) = rank_power {
                input.skip(1024 >> (power - 7))?;
            }
            let mut set = 0;
            for at in 0..1024 {
                let word = input.i64()? as u64;
                set += word.count_ones() as usize;
                bits.set_word((first / 64) as usize + at, word);
            }
            if set != count {
                return Err(input.corrupt("a block has other documents than its count says"));
            }
        }
    }
    if !bits.is_within() {
        return Err(input.corrupt("a document has a value that isn't there"));
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::PresentEntry, *};

    fn entry(values: usize, length: usize, rank_power: Option<u8>, order: Order) -> NumericEntry {
        let length = length as i64;
        NumericEntry {
            present: PresentEntry { offset: 40, length, rank_power },
            values: values as u64,
            table: Vec::new(),
            block_shift: None,
            bits: 0,
            minimum: 0,
            divisor: 1,
            offset: 0,
            length: 0,
            order,
        }
    }

    /// Documents as a writer lists them, a table for jumping behind them.
    fn written(documents: &[u32], rank_power: Option<u8>, order: Order) -> Vec<u8> {
        let mut out = Vec::new();
        let short = |out: &mut Vec<u8>, value: u16| match order {
            Order::Big => out.extend(value.to_be_bytes()),
            Order::Little => out.extend(value.to_le_bytes()),
        };
        for block in documents.chunk_by(|a, b| a >> 16 == b >> 16) {
            short(&mut out, (block[0] >> 16) as u16);
            short(&mut out, (block.len() - 1) as u16);
            match block.len() {
                0x1_0000 => {}
                0..4096 => block.iter().for_each(|document| short(&mut out, *document as u16)),
                _ => {
                    let ranks = rank_power.map_or(0, |power| 1024 >> (power - 7));
                    out.resize(out.len() + ranks, 0x55);
                    let mut words = vec![0u64; 1024];
                    for document in block {
                        words[(document % 0x1_0000 / 64) as usize] |= 1 << (document % 64);
                    }
                    for word in words {
                        match order {
                            Order::Big => out.extend(word.to_be_bytes()),
                            Order::Little => out.extend(word.to_le_bytes()),
                        }
                    }
                }
            }
        }
        for end in [0x7FFF, 0, 0xFFFF] {
            short(&mut out, end);
        }
        out.extend([0x77; 24]);
        out
    }

    /// Every so many documents of each block of 65,536.
    fn listed(steps: &[u32]) -> Vec<u32> {
        let blocks = steps.iter().enumerate().filter(|(_, step)| **step > 0);
        blocks
            .flat_map(|(at, step)| {
                (0..0x1_0000u32).step_by(*step as usize).map(move |low| (at as u32) << 16 | low)
            })
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn blocks_of_every_kind_come_back(
            steps in proptest::collection::vec(
                prop_oneof![Just(0u32), Just(1), Just(2), Just(15), Just(16), Just(17), Just(30_000)], 1..5),
            power in proptest::option::of(7..15u8),
            is_big in any::<bool>(),
            cut in any::<prop::sample::Index>(),
        ) {
            let order = if is_big { Order::Big } else { Order::Little };
            let documents = (steps.len() as u32) << 16;
            let expected = listed(&steps);
            let bytes = written(&expected, power, order);
            let entry = entry(expected.len(), bytes.len(), power, order);
            let range = entry.present_range().unwrap();
            let needed = &bytes[..(range.end - range.start) as usize];
            prop_assert_eq!(range.start, 40);
            let Present::Some(bits) = entry.present("f", needed, documents).unwrap() else { panic!() };
            prop_assert_eq!(bits.count() as usize, expected.len());
            prop_assert!(expected.iter().all(|document| bits.get(*document)));

            // Fewer bytes, a document less, another number of values.
            let end = bytes.len() - 24 - 6;
            prop_assert!(entry.present("f", &bytes[..cut.index(end + 1)], documents).is_err());
            if expected.last() == Some(&(documents - 1)) {
                prop_assert!(entry.present("f", needed, documents - 1).is_err());
            }
            let entry = NumericEntry { values: entry.values + 1, ..entry };
            prop_assert!(entry.present("f", &bytes, documents).is_err());
        }

        #[test]
        fn no_bytes_end_it(
            bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(0xFF), any::<u8>()], 0..200),
            documents in prop_oneof![0..3u32, 60_000..70_000u32, Just(u32::MAX)],
            power in proptest::option::of(7..15u8),
        ) {
            let _ = entry(1, bytes.len(), power, Order::Big).present("f", &bytes, documents);
        }
    }

    #[test]
    fn a_length_from_outside_asks_for_no_more_than_the_documents_need() {
        let range = entry(10, usize::MAX >> 1, None, Order::Big).present_range();
        assert_eq!(range, Some(40..106));
        let range = entry(usize::MAX, usize::MAX >> 1, None, Order::Big).present_range().unwrap();
        assert!(range.end - range.start < 320 << 20);
    }
}
