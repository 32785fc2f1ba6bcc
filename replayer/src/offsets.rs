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
}

/// The claims of all exchanges, by partition.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets(Arc<Mutex<BTreeMap<i32, Partition>>>);

#[derive(Debug, Default)]
struct Partition {
    ledger: OffsetLedger,
    committed: Option<u64>,
}

/// Records that one exchange needs. Must be given back with [`Offsets::release`]; dropping it keeps them.
#[derive(Debug, Default)]
pub(crate) struct Claims(Vec<Place>);

impl Offsets {
    /// Adds a record to what `claims` needs; the same record twice counts once.
    pub(crate) fn claim(&self, claims: &mut Claims, place: Place) {
        // Records come in order, so a repeat is almost always the last one.
        if claims.0.iter().rev().any(|held| *held == place) {
            return;
        }
        self.0.lock().entry(place.partition).or_default().ledger.begin(place.offset, place.next);
        claims.0.push(place);
    }

    /// The exchange is finished.
    pub(crate) fn release(&self, claims: Claims) {
        let mut partitions = self.0.lock();
        for place in claims.0 {
            if let Some(partition) = partitions.get_mut(&place.partition) {
                partition.ledger.finish(place.offset);
            }
        }
    }

    /// Partitions whose committable offset has grown since it was last asked for.
    pub(crate) fn take_committable(&self) -> Vec<(i32, u64)> {
        let mut grown = Vec::new();
        for (&number, partition) in self.0.lock().iter_mut() {
            let offset = partition.ledger.committable();
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
    #[cfg(test)]
    pub(crate) fn places(&self) -> &[Place] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        Place { partition: 0, offset, next: offset + 10 }
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
