//! Which offset of a partition may be committed: everything below it is finished.

use std::collections::BTreeMap;

/// The offsets of one partition that were begun and are not finished yet.
///
/// An offset may be begun several times (an exchange spans records, a record may hold the end of
/// one exchange and the beginning of the next); it is finished when each has been.
#[derive(Debug, Default)]
pub struct OffsetLedger {
    open: BTreeMap<u64, u32>,
    next: u64,
}

impl OffsetLedger {
    /// Someone needs the record at `offset`; the one behind it begins at `next`.
    pub fn begin(&mut self, offset: u64, next: u64) {
        *self.open.entry(offset).or_insert(0) += 1;
        self.next = self.next.max(next);
    }

    /// One who needed the record at `offset` is done with it.
    pub fn finish(&mut self, offset: u64) {
        let Some(count) = self.open.get_mut(&offset) else { return };
        *count -= 1;
        if *count == 0 {
            self.open.remove(&offset);
        }
    }

    /// Where a reader that starts anew has to begin.
    pub fn committable(&self) -> u64 {
        self.open.first_key_value().map_or(self.next, |(offset, _)| *offset)
    }

    /// Offsets begun and not finished.
    pub fn open(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_unfinished_offset_holds_the_commit() {
        let mut ledger = OffsetLedger::default();
        ledger.begin(10, 20);
        ledger.begin(20, 30);
        ledger.begin(20, 30);
        ledger.finish(20);
        assert_eq!(ledger.committable(), 10);
        ledger.finish(10);
        assert_eq!(ledger.committable(), 20);
        ledger.finish(20);
        assert_eq!(ledger.committable(), 30);
        ledger.finish(20);
        assert_eq!((ledger.committable(), ledger.open()), (30, 0));
    }
}
