//! The records of one connection in order, each once.
//!
//! A proxy that fails over to its spill may write records twice, and an older copy late. A reader takes
//! `last + 1`, drops what isn't above `last`, and keeps what came early until the missing one arrives or is
//! given up.

use std::collections::{BTreeMap, btree_map::Entry};

/// Puts the records of a connection in order. `T` is a record.
#[derive(Debug)]
pub(crate) struct Numbering<T> {
    /// The number of the last record given out; `None` before the first.
    last: Option<u64>,
    early: BTreeMap<u64, T>,
}

/// What became of a record.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arrival<T> {
    /// Its turn. Call [`Numbering::next`] for what waited for it.
    Next(T),
    /// Was here before.
    Duplicate,
    /// Kept: an earlier one is missing. `true` when it is the first that is missing one.
    Early { first: bool },
}

/// Records that don't come any more.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// From the first number to the last.
    Lost(u64, u64),
    /// None of the connection has been given out yet: it begins here.
    Before,
}

impl<T> Default for Numbering<T> {
    fn default() -> Self {
        Self { last: None, early: BTreeMap::new() }
    }
}

impl<T> Numbering<T> {
    /// Takes a record. The first that is seen of a connection may have any number, unless its records are
    /// `scattered`: then those before it may still come.
    pub(crate) fn take(&mut self, number: u64, record: T, scattered: bool) -> Arrival<T> {
        match self.last.or(scattered.then_some(0)) {
            Some(last) if number <= last => Arrival::Duplicate,
            Some(last) if number > last.saturating_add(1) => {
                let first = self.early.is_empty();
                match self.early.entry(number) {
                    Entry::Occupied(_) => Arrival::Duplicate,
                    Entry::Vacant(place) => {
                        place.insert(record);
                        Arrival::Early { first }
                    }
                }
            }
            _ => {
                self.last = Some(number);
                Arrival::Next(record)
            }
        }
    }

    /// A record that came early and whose turn it is now.
    pub(crate) fn next(&mut self) -> Option<T> {
        let wanted = self.last?.checked_add(1)?;
        let record = self.early.remove(&wanted)?;
        self.last = Some(wanted);
        Some(record)
    }

    /// The first record behind those that are missing.
    pub(crate) fn first_early(&self) -> Option<&T> {
        self.early.first_key_value().map(|(_, record)| record)
    }

    /// Gives up the missing records: the numbers lost, first to last. The next ones come from
    /// [`Numbering::next`]. What was missing before the first is not lost: an earlier run had it.
    pub(crate) fn give_up(&mut self) -> Option<Missing> {
        let (&first, _) = self.early.first_key_value()?;
        let last = self.last.replace(first.saturating_sub(1));
        Some(match last {
            Some(last) => Missing::Lost(last.saturating_add(1), first.saturating_sub(1)),
            None => Missing::Before,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_once_and_in_order() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.take(5, 'e', false), Arrival::Next('e'));
        assert_eq!(numbering.take(5, 'e', false), Arrival::Duplicate);
        assert_eq!(numbering.take(7, 'g', false), Arrival::Early { first: true });
        assert_eq!(numbering.take(8, 'h', false), Arrival::Early { first: false });
        assert_eq!(numbering.take(8, 'h', false), Arrival::Duplicate);
        assert_eq!(numbering.next(), None);
        assert_eq!(numbering.take(6, 'f', false), Arrival::Next('f'));
        assert_eq!((numbering.next(), numbering.next()), (Some('g'), Some('h')));
        assert_eq!(numbering.next(), None);
        assert_eq!(numbering.take(2, 'b', false), Arrival::Duplicate);
    }

    #[test]
    fn what_is_given_up_is_named() {
        let mut numbering = Numbering::default();
        numbering.take(1, 'a', false);
        numbering.take(4, 'd', false);
        assert_eq!(numbering.give_up(), Some(Missing::Lost(2, 3)));
        assert_eq!(numbering.next(), Some('d'));
        assert_eq!(numbering.take(3, 'c', false), Arrival::Duplicate);
        assert_eq!(numbering.give_up(), None);
    }

    #[test]
    fn scattered_records_wait_for_the_first() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.take(2, 'b', true), Arrival::Early { first: true });
        assert_eq!(numbering.take(1, 'a', true), Arrival::Next('a'));
        assert_eq!((numbering.next(), numbering.next()), (Some('b'), None));
        // Of what was finished before, nothing comes.
        let mut numbering = Numbering::default();
        numbering.take(7, 'g', true);
        assert_eq!((numbering.give_up(), numbering.next()), (Some(Missing::Before), Some('g')));
        assert_eq!(numbering.take(9, 'i', true), Arrival::Early { first: true });
        assert_eq!(numbering.give_up(), Some(Missing::Lost(8, 8)));
    }
}
