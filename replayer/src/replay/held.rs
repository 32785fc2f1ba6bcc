//! What may not be committed yet although it is done: deletes, and doubts that may have found something gone.
//!
//! A run that begins again reads what wasn't committed. An older write of a document, whose record is kept by another
//! doubt of the same request or by a failure, would bring the document back, if the delete's record, in another
//! partition, were not read with it: by then the target has forgotten the delete. So the claims of what deleted are
//! given back only when nothing older is left open.

use std::collections::BTreeMap;

use converge::order::ExchangeKey;

use crate::recorder::Receipt;

/// Receipts that are held one by one, at most. What comes on top is kept for the next run.
const MOST: usize = 200_000;

/// When an exchange began, and its key.
pub(crate) type Begun = (u64, ExchangeKey);

#[derive(Debug, Default)]
pub(super) struct Held {
    /// Exchanges with doubts or failures that are open, and how many of them.
    open: BTreeMap<Begun, usize>,
    /// When the oldest exchange began that failed, or that stays in doubt: in this run nothing changes that.
    failed: Option<u64>,
    /// By the time of the answer.
    receipts: BTreeMap<u64, Vec<Receipt>>,
    /// How many.
    count: usize,
}

impl Held {
    /// So many doubts and failures of an exchange are open.
    pub(super) fn open(&mut self, exchange: Begun, count: usize) {
        if count > 0 {
            *self.open.entry(exchange).or_default() += count;
        }
    }

    /// One of them isn't any more.
    pub(super) fn closed(&mut self, exchange: Begun) {
        if let Some(count) = self.open.get_mut(&exchange) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.open.remove(&exchange);
            }
        }
    }

    /// One of them, or something else of it, stays open until the end of the run.
    pub(super) fn failed(&mut self, exchange: Begun) {
        let (began, _) = exchange;
        self.failed = Some(self.failed.map_or(began, |failed| failed.min(began)));
    }

    /// A delete, or what may have been one, answered at this time, is done.
    pub(super) fn done(&mut self, answered: u64, receipt: Receipt) {
        self.receipts.entry(answered).or_default().push(receipt);
        self.count += 1;
    }

    /// When the oldest exchange began that has something open.
    pub(super) fn oldest(&self) -> Option<u64> {
        let open = self.open.first_key_value().map(|((began, _), _)| *began);
        open.into_iter().chain(self.failed).min()
    }

    /// Settles what nothing older keeps, here or `elsewhere`.
    pub(super) fn settle(&mut self, skew: u64, elsewhere: u64) {
        let before = self.oldest().unwrap_or(u64::MAX).min(elsewhere);
        while let Some(first) = self.receipts.first_entry() {
            if first.key().saturating_add(skew) >= before && before != u64::MAX {
                break;
            }
            let settled = first.remove();
            self.count -= settled.len();
            settled.iter().for_each(Receipt::settle);
        }
        self.keep(skew);
    }

    /// Holds no more what is not settled in this run, nor more than may be held.
    fn keep(&mut self, skew: u64) {
        let failed = self.failed.unwrap_or(u64::MAX);
        while let Some(last) = self.receipts.last_entry() {
            let is_behind = failed != u64::MAX && last.key().saturating_add(skew) >= failed;
            if !is_behind && self.count <= MOST {
                return;
            }
            let kept = last.remove();
            self.count -= kept.len();
            kept.iter().for_each(Receipt::keep);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::offsets::{Claims, Offsets, Place};

    #[test]
    fn a_delete_keeps_its_record_while_an_older_exchange_is_open() {
        let offsets = Offsets::default();
        let mut claims = Claims::default();
        offsets.claim(&mut claims, Place { partition: 1, offset: 7, next: 8, epoch: 0 });
        let mut held = Held::default();
        // In another partition: a bulk with two doubts, that began before the delete was answered.
        held.open((40, ExchangeKey(1)), 2);
        held.done(50, Receipt::new(offsets.clone(), claims, 1));
        held.settle(0, u64::MAX);
        assert!(offsets.take_committable().iter().all(|(_, offset)| *offset < 8));
        held.closed((40, ExchangeKey(1)));
        held.settle(0, u64::MAX);
        assert!(offsets.take_committable().iter().all(|(_, offset)| *offset < 8));
        held.closed((40, ExchangeKey(1)));
        held.open((60, ExchangeKey(2)), 1);
        held.settle(0, u64::MAX);
        assert!(offsets.take_committable().contains(&(1, 8)));
    }

    #[test]
    fn behind_a_failure_records_are_kept_and_receipts_are_not() {
        let offsets = Offsets::default();
        let mut held = Held::default();
        let delete = |partition, offset| {
            let mut claims = Claims::default();
            offsets.claim(&mut claims, Place { partition, offset, next: offset + 1, epoch: 0 });
            Receipt::new(offsets.clone(), claims, 1)
        };
        held.failed((40, ExchangeKey(1)));
        held.done(30, delete(0, 3));
        for answered in 50..60 {
            held.done(answered, delete(0, answered));
        }
        held.settle(0, u64::MAX);
        assert_eq!((held.count, held.receipts.len(), held.oldest()), (0, 0, Some(40)));
        assert_eq!(offsets.take_committable(), [(0, 50)]);
        // Another partition isn't held up, until something behind the failure is done in it.
        delete(1, 7).settle();
        assert_eq!(offsets.take_committable(), [(1, 8)]);
    }

    #[test]
    fn no_more_is_held_than_may_be() {
        let offsets = Offsets::default();
        let mut held = Held::default();
        held.open((40, ExchangeKey(1)), 1);
        let settled = Receipt::new(offsets.clone(), Claims::default(), 1);
        for answered in 0..=MOST as u64 {
            held.done(100 + answered, settled.clone());
        }
        held.settle(0, u64::MAX);
        assert_eq!(held.count, MOST);
    }
}
