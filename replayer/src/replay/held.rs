//! What may not be committed yet although it is done: deletes, and doubts that may have found something gone.
//!
//! A run that begins again reads what wasn't committed. An older write of a document, whose record is kept by another
//! doubt of the same request or by a failure, would bring the document back, if the delete's record, in another
//! partition, were not read with it: by then the target has forgotten the delete. So the claims of what deleted are
//! given back only when nothing older is left open.

use std::collections::BTreeMap;

use converge::order::ExchangeKey;

use crate::recorder::Receipt;

/// When an exchange began, and its key.
pub(crate) type Begun = (u64, ExchangeKey);

#[derive(Debug, Default)]
pub(super) struct Held {
    /// Exchanges with doubts or failures that are open, and how many of them.
    open: BTreeMap<Begun, usize>,
    /// By the time of the answer.
    receipts: BTreeMap<u64, Vec<Receipt>>,
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

    /// A delete, or what may have been one, answered at this time, is done.
    pub(super) fn done(&mut self, answered: u64, receipt: Receipt) {
        self.receipts.entry(answered).or_default().push(receipt);
    }

    /// When the oldest exchange began that has something open.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.open.first_key_value().map(|((began, _), _)| *began)
    }

    /// Settles what nothing older keeps, here or `elsewhere`.
    pub(super) fn settle(&mut self, skew: u64, elsewhere: u64) {
        let before = self.oldest().unwrap_or(u64::MAX).min(elsewhere);
        while let Some(first) = self.receipts.first_entry() {
            if first.key().saturating_add(skew) >= before && before != u64::MAX {
                return;
            }
            first.remove().iter().for_each(Receipt::settle);
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
}
