//! Which journal offsets are still needed.
//!
//! An exchange claims every record it was rebuilt from; a claim is given back when the exchange is finished
//! and its tuple is durable. What may be committed is the lowest offset that is still claimed. A claim that
//! is never given back (unresolved doubt, a kill) keeps its record: the next run reads it again.

use std::{collections::BTreeMap, sync::Arc};

use journal::OffsetLedger;
use parking_lot::Mutex;

/// A record of the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) partition: i32,
    pub(crate) offset: u64,
    pub(crate) next: u64,
    /// How often the partition had been lost to another replayer.
    pub(crate) epoch: u32,
}

/// The claims of all exchanges, by partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets(Arc<Mutex<BTreeMap<i32, Partition>>>);

#[derive(Debug, Default)]
struct Partition {
    ledger: OffsetLedger,
    committed: Option<u64>,
    epoch: u32,
}

/// Records that one exchange needs. Must be given back with [`Offsets::release`]; dropping it keeps them.
#[derive(Debug, Default)]
pub(crate) struct Claims(Vec<Place>);

/// The lowest record of each partition that some exchanges need together.
#[derive(Debug, Default)]
pub(crate) struct Lowest(BTreeMap<i32, (Offsets, Place)>);

impl Lowest {
    /// They need this one too.
    pub(crate) fn hold(&mut self, offsets: &Offsets, place: Place) {
        let is_lower = |held: &Place| held.epoch != place.epoch || place.offset < held.offset;
        if self.0.get(&place.partition).is_none_or(|(_, held)| is_lower(held)) {
            offsets.hold(place);
            if let Some((of, held)) = self.0.insert(place.partition, (offsets.clone(), place)) {
                of.let_go(held);
            }
        }
    }

    /// None of them needs any.
    pub(crate) fn let_go(&mut self) {
        for (offsets, held) in std::mem::take(&mut self.0).into_values() {
            offsets.let_go(held);
        }
    }
}

impl Offsets {
    /// Adds a record to what `claims` needs; the same record twice counts once.
    pub(crate) fn claim(&self, claims: &mut Claims, place: Place) {
        // Records come in order, so a repeat is almost always the last one.
        if claims.0.iter().rev().any(|held| *held == place) {
            return;
        }
        self.hold(place);
        claims.0.push(place);
    }

    /// Someone needs a record who keeps no claims.
    pub(crate) fn hold(&self, place: Place) {
        let mut partitions = self.0.lock();
        let partition = partitions.entry(place.partition).or_default();
        if partition.epoch == place.epoch {
            partition.ledger.begin(place.offset, place.next);
        }
    }

    /// Takes back one [`Offsets::hold`].
    pub(crate) fn let_go(&self, place: Place) {
        if let Some(partition) = self.0.lock().get_mut(&place.partition)
            && partition.epoch == place.epoch
        {
            partition.ledger.finish(place.offset);
        }
    }

    /// A record that was read just now.
    pub(crate) fn place(&self, partition: i32, offset: u64, next: u64) -> Place {
        let epoch = self.0.lock().get(&partition).map_or(0, |partition| partition.epoch);
        Place { partition, offset, next, epoch }
    }

    /// Another replayer reads the partition: what is claimed of it means nothing any more.
    pub(crate) fn forget(&self, partition: i32) {
        let mut partitions = self.0.lock();
        let partition = partitions.entry(partition).or_default();
        *partition = Partition { epoch: partition.epoch + 1, ..Partition::default() };
    }

    /// Whether the partition hasn't been lost since the record was read.
    pub(crate) fn is_current(&self, place: Place) -> bool {
        let partitions = self.0.lock();
        partitions.get(&place.partition).map_or(0, |partition| partition.epoch) == place.epoch
    }

    /// An offset could not be committed: it is to be tried again.
    pub(crate) fn refused(&self, partition: i32) {
        if let Some(partition) = self.0.lock().get_mut(&partition) {
            partition.committed = None;
        }
    }

    /// The exchange is finished.
    pub(crate) fn release(&self, claims: Claims) {
        for place in claims.0 {
            self.let_go(place);
        }
    }

    /// Partitions whose committable offset has grown since it was last asked for.
    pub(crate) fn take_committable(&self) -> Vec<(i32, u64)> {
        let mut grown = Vec::new();
        for (&number, partition) in self.0.lock().iter_mut() {
            let offset = partition.ledger.committable();
            // Nothing has been read of it.
            if offset == 0 && partition.ledger.open() == 0 {
                continue;
            }
            if partition.committed.is_none_or(|before| before < offset) {
                partition.committed = Some(offset);
                grown.push((number, offset));
            }
        }
        grown
    }
}

impl Claims {
    /// The first record claimed.
    pub(crate) fn first(&self) -> Option<Place> {
        self.0.first().copied()
    }

    /// All records claimed.
    pub(crate) fn places(&self) -> &[Place] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        Place { partition: 0, offset, next: offset + 10, epoch: 0 }
    }

    #[test]
    fn an_exchange_holds_its_records_and_no_more() {
        let offsets = Offsets::default();
        let (mut first, mut second) = (Claims::default(), Claims::default());
        for at in [0, 10, 10] {
            offsets.claim(&mut first, place(at));
        }
        offsets.claim(&mut second, place(10));
        offsets.claim(&mut second, place(20));
        assert_eq!(first.places().len(), 2);
        assert_eq!(offsets.take_committable(), [(0, 0)]);
        offsets.release(second);
        assert_eq!(offsets.take_committable(), []);
        offsets.release(first);
        assert_eq!(offsets.take_committable(), [(0, 30)]);
    }

    #[test]
    fn what_was_claimed_before_a_partition_went_means_nothing_when_it_is_back() {
        let offsets = Offsets::default();
        let mut before = Claims::default();
        offsets.claim(&mut before, place(10));
        offsets.forget(0);
        assert_eq!(offsets.take_committable(), []);
        let again = offsets.place(0, 10, 20);
        assert!(offsets.is_current(again) && !offsets.is_current(place(10)));
        let mut after = Claims::default();
        offsets.claim(&mut after, again);
        offsets.release(before);
        assert_eq!(offsets.take_committable(), [(0, 10)]);
        offsets.release(after);
        assert_eq!(offsets.take_committable(), [(0, 20)]);
        offsets.refused(0);
        assert_eq!(offsets.take_committable(), [(0, 20)]);
    }

    #[test]
    fn what_is_dropped_is_kept() {
        let offsets = Offsets::default();
        let mut claims = Claims::default();
        offsets.claim(&mut claims, place(0));
        drop(claims);
        let mut later = Claims::default();
        offsets.claim(&mut later, place(10));
        offsets.release(later);
        assert_eq!(offsets.take_committable(), [(0, 0)]);
    }
}
