//! What may not be committed yet although it is done: deletes, and doubts that may have found something gone.
//!
//! A run that begins again reads what wasn't committed. An older write of a document, whose record is kept by another
//! doubt of the same request or by a failure, would bring the document back, if the delete's record, in another
//! partition, were not read with it: by then the target has forgotten the delete. So the claims of what deleted are
//! given back only when nothing older is left open.

use std::collections::BTreeMap;

use converge::order::ExchangeKey;

use crate::{
    doubt::Waiting,
    offsets::{Lowest, Place},
    recorder::Receipt,
};

/// Receipts that are held one by one, at most. Of what comes on top the lowest record of each partition is.
const MOST: usize = 200_000;

/// The partition of what has no record.
const NOWHERE: i32 = -1;

/// When an exchange began, and its key.
pub(crate) type Begun = (u64, ExchangeKey);

#[derive(Debug, Default)]
pub(super) struct Held {
    /// Exchanges with doubts or failures that are open, and how many of them.
    open: BTreeMap<Begun, usize>,
    /// By partition: when the oldest exchange began that failed, or that stays in doubt. As long as this replayer has the
    /// partition nothing changes that.
    failed: BTreeMap<i32, u64>,
    /// By the time of the answer.
    receipts: BTreeMap<u64, Vec<Receipt>>,
    /// How many.
    count: usize,
    /// What isn't held one by one, and the latest answer of it.
    rest: (Lowest, u64),
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

    /// Whether a doubt is still this replayer's; otherwise whoever has its partition now finds it anew.
    pub(super) fn stays(&mut self, waiting: &Waiting) -> bool {
        let stays = waiting.receipt.is_current();
        if !stays {
            self.closed(waiting.of);
        }
        stays
    }

    /// Something of an exchange stays open, whose first record this is.
    pub(super) fn failed(&mut self, (began, _): Begun, place: Option<Place>) {
        let partition = place.map_or(NOWHERE, |place| place.partition);
        let oldest = self.failed.entry(partition).or_insert(began);
        *oldest = began.min(*oldest);
    }

    /// Another replayer has the partition, and finds its failures anew.
    pub(super) fn lose(&mut self, partition: i32) {
        self.failed.remove(&partition);
    }

    /// A delete, or what may have been one, answered at this time, is done.
    pub(super) fn done(&mut self, answered: u64, receipt: Receipt) {
        self.receipts.entry(answered).or_default().push(receipt);
        self.count += 1;
    }

    /// When the oldest exchange began that has something open.
    pub(super) fn oldest(&self) -> Option<u64> {
        let open = self.open.first_key_value().map(|((began, _), _)| *began);
        open.into_iter().chain(self.failed.values().copied()).min()
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
        let (rest, latest) = &mut self.rest;
        if latest.saturating_add(skew) < before || before == u64::MAX {
            rest.let_go();
            *latest = 0;
        }
        self.join(skew);
    }

    /// Holds together what is behind a failure, which may be all that comes, and what is more than may be held one by one.
    fn join(&mut self, skew: u64) {
        let failed = self.failed.values().min().copied().unwrap_or(u64::MAX);
        while let Some(last) = self.receipts.last_entry() {
            let is_behind = failed != u64::MAX && last.key().saturating_add(skew) >= failed;
            if !is_behind && self.count <= MOST {
                return;
            }
            let (rest, latest) = &mut self.rest;
            *latest = (*last.key()).max(*latest);
            let joined = last.remove();
            self.count -= joined.len();
            joined.iter().for_each(|receipt| receipt.join(rest));
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
        let failed = Place { partition: 3, offset: 0, next: 1, epoch: 0 };
        held.failed((40, ExchangeKey(1)), Some(failed));
        held.done(30, delete(0, 3));
        for answered in (50..60).rev() {
            held.done(answered, delete(0, answered));
        }
        held.settle(0, u64::MAX);
        assert_eq!((held.count, held.receipts.len(), held.oldest()), (0, 0, Some(40)));
        assert_eq!(offsets.take_committable(), [(0, 50)]);
        held.done(60, delete(1, 7));
        held.settle(0, u64::MAX);
        assert_eq!(offsets.take_committable(), [(1, 7)]);
        // Whoever has the partition of the failure now takes care of it.
        held.lose(3);
        held.settle(0, 60);
        assert_eq!(offsets.take_committable(), []);
        held.settle(0, u64::MAX);
        assert_eq!(offsets.take_committable(), [(0, 60), (1, 8)]);
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
