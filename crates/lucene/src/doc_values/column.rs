//! The numbers of one field, read forward through a window.

use std::ops::Range;

use crate::{
    LuceneError, NumericEntry, Present,
    doc_values::packed::{self, WIDTHS},
    input::Input,
};

/// Numbers decoded at a time, at least.
const WINDOW: u64 = 1 << 16;
/// A block of its own width: a byte, a minimum and a length, and at most this many bytes.
const LARGEST_BLOCK: u64 = (8 << 14) + 13;

/// The numbers of a field, document by document, in rising order.
///
/// It takes bytes of the `.dvd` as it needs them: call [`Column::wants`] for the documents that come next, and
/// hand over what it asks for with [`Column::supply`] until it asks for nothing.
#[derive(Clone, Debug)]
pub struct Column {
    file: String,
    entry: NumericEntry,
    present: Present,
    /// Values number `first`… of those that are there.
    first: u64,
    window: Vec<i64>,
    /// Where the next block begins, from the beginning of the values.
    next_block: u64,
    /// How many values are before `document`.
    at: (u32, u64),
    /// The length of what was asked for last: a shorter answer would put all that follows out of place.
    asked: u64,
}

impl Column {
    /// `file` is the `.dvd`'s name, `present` of the same entry.
    pub fn new(file: String, entry: NumericEntry, present: Present) -> Result<Self, LuceneError> {
        let nowhere = Input::at_offset(&file, &[], entry.offset, entry.order);
        let is_width = |bits| bits == 0 || WIDTHS.contains(&bits);
        if entry.block_shift.is_none() {
            if !is_width(entry.bits) {
                return Err(nowhere.corrupt(format!("values of {} bits", entry.bits)));
            }
            if packed::bytes(entry.values, entry.bits) > entry.length {
                return Err(nowhere.corrupt("the values are shorter than their number"));
            }
        } else if entry.block_shift.is_some_and(|shift| shift > 14) {
            return Err(nowhere.corrupt("blocks of values are larger than any known"));
        }
        Ok(Self {
            file,
            entry,
            present,
            first: 0,
            window: Vec::new(),
            next_block: 0,
            at: (0, 0),

            asked: 0,
        })
    }

    /// How many values come before that of `document`.
    fn ordinal(&mut self, document: u32) -> u64 {
        match &self.present {
            Present::None => 0,
            Present::All => document.into(),
            Present::Some(bits) => {
                let (from, before) = self.at;
                let (from, before) = if document < from { (0, 0) } else { (from, before) };
                self.at = (document, before + u64::from(bits.count_in(from..document)));
                self.at.1
            }
        }
    }

    /// Which bytes of the `.dvd` to [`Column::supply`] before the numbers of these documents can be had;
    /// `None`: they can.
    pub fn wants(&mut self, documents: Range<u32>) -> Option<Range<u64>> {
        let range = self.next_range(documents)?;
        self.asked = range.end - range.start;
        Some(range)
    }

    fn next_range(&mut self, documents: Range<u32>) -> Option<Range<u64>> {
        let (from, to) = (self.ordinal(documents.start), self.ordinal(documents.end));
        let to = to.min(self.entry.values);
        if from < self.first {
            // Backwards: begin again.
            (self.first, self.next_block) = (0, 0);
            self.window.clear();
        }
        let decoded = self.first + self.window.len() as u64;
        // From the last value on there is nothing: what comes has no number.
        if from >= to || to <= decoded || (self.entry.bits == 0 && self.entry.block_shift.is_none())
        {
            return None;
        }
        let keep = decoded.saturating_sub(from).min(self.window.len() as u64);
        self.window.drain(..self.window.len() - keep as usize);
        self.first = decoded - keep;
        let start = self.entry.offset;
        if self.entry.block_shift.is_some() {
            let left = self.entry.length.saturating_sub(self.next_block);
            let at = start.saturating_add(self.next_block);
            // One block whatever its width, and what a window of them takes otherwise.
            let width = (self.entry.length / self.entry.values.max(1) + 1).min(8);
            return Some(at..at.saturating_add(left.min(LARGEST_BLOCK + WINDOW * width)));
        }
        // 64 integers end on a byte, whatever their width; what comes before `from` isn't needed.
        let begin = if keep == 0 { from / 64 * 64 } else { decoded };
        if keep == 0 {
            self.first = begin;
        }
        let end = to.max(begin + WINDOW).div_ceil(64) * 64;
        let bytes = |at: u64| packed::bytes(at.min(self.entry.values), self.entry.bits);
        let range = start.saturating_add(bytes(begin))..start.saturating_add(bytes(end));
        Some(range)
    }

    /// Takes the bytes that [`Column::wants`] asked for.
    pub fn supply(&mut self, bytes: &[u8]) -> Result<(), LuceneError> {
        let asked = std::mem::take(&mut self.asked);
        if asked == 0 || bytes.len() as u64 != asked {
            let nowhere = Input::at_offset(&self.file, &[], self.entry.offset, self.entry.order);
            return Err(nowhere.truncated(asked as usize));
        }
        if self.entry.block_shift.is_some() {
            return self.supply_blocks(bytes);
        }
        let bits = self.entry.bits;
        let decoded = self.first + self.window.len() as u64;
        let count = (bytes.len() as u64 * 8 / u64::from(bits.max(1)))
            .min(self.entry.values.saturating_sub(decoded));
        if count == 0 {
            let nowhere = Input::at_offset(&self.file, bytes, self.entry.offset, self.entry.order);
            return Err(nowhere.truncated(1));
        }
        for at in 0..count as usize {
            let packed = packed::get(bytes, at, bits, self.entry.order).unwrap_or_default();
            let value = self.value(packed, self.entry.minimum)?;
            self.window.push(value);
        }
        Ok(())
    }

    /// As many whole blocks as there are: u8 bits · i64 minimum · [i32 length · integers]
    fn supply_blocks(&mut self, bytes: &[u8]) -> Result<(), LuceneError> {
        let base = self.entry.offset + self.next_block;
        let file = self.file.clone();
        let mut input = Input::at_offset(&file, bytes, base, self.entry.order);
        let size = 1u64 << self.entry.block_shift.unwrap_or_default();
        let mut taken = 0;
        loop {
            let decoded = self.first + self.window.len() as u64;
            let count = size.min(self.entry.values.saturating_sub(decoded));
            // Blocks of width 0 take a few bytes for any number of values: those at hand could be too many.
            let is_enough = taken > 0 && self.window.len() as u64 >= WINDOW;
            if count == 0 || input.rest() == 0 || is_enough {
                break;
            }
            let (bits, minimum, packed) = match block(&mut input, count) {
                Ok(block) => block,
                // It goes on behind this window.
                Err(error) if error.is_truncated() && taken > 0 => break,
                Err(error) => return Err(error),
            };
            for at in 0..count as usize {
                let packed = match bits {
                    0 => 0,
                    bits => packed::get(packed, at, bits, self.entry.order).unwrap_or_default(),
                };
                let value = self.value(packed, minimum)?;
                self.window.push(value);
            }
            taken = input.at();
        }
        self.next_block += taken as u64;
        Ok(())
    }

    fn value(&self, packed: u64, minimum: i64) -> Result<i64, LuceneError> {
        if self.entry.table.is_empty() {
            return Ok(self.entry.divisor.wrapping_mul(packed as i64).wrapping_add(minimum));
        }
        let value = usize::try_from(packed).ok().and_then(|at| self.entry.table.get(at));
        value.copied().ok_or_else(|| {
            let nowhere = Input::at_offset(&self.file, &[], self.entry.offset, self.entry.order);
            nowhere.corrupt(format!("value {packed} isn't in the table"))
        })
    }

    /// The number of a document; `None`: it has none, or [`Column::wants`] was not asked for it.
    pub fn get(&mut self, document: u32) -> Option<i64> {
        match &self.present {
            Present::None => return None,
            Present::Some(bits) if !bits.get(document) => return None,
            _ => {}
        }
        if self.entry.bits == 0 && self.entry.block_shift.is_none() {
            return Some(self.entry.minimum);
        }
        let ordinal = self.ordinal(document).checked_sub(self.first)?;
        self.window.get(usize::try_from(ordinal).ok()?).copied()
    }
}

fn block<'a>(input: &mut Input<'a>, count: u64) -> Result<(u8, i64, &'a [u8]), LuceneError> {
    let bits = input.byte()?;
    let minimum = input.i64()?;
    if bits == 0 {
        return Ok((0, minimum, &[]));
    }
    let length = input.i32()?;
    if !WIDTHS.contains(&bits) || i64::from(length) < packed::bytes(count, bits) as i64 {
        return Err(input.corrupt(format!("a block of {length} bytes for values of {bits} bits")));
    }
    Ok((bits, minimum, input.take(length as usize)?))
}

#[cfg(test)]
mod tests;
