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
