//! The records of one connection in order, each once.
//!
//! A proxy that fails over to its spill may write records twice, and an older copy late. A reader takes
//! `last + 1`, drops what isn't above `last`, and keeps what came early until the missing one arrives or is
//! given up.

use std::collections::BTreeMap;

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

impl<T> Default for Numbering<T> {
    fn default() -> Self {
        Self { last: None, early: BTreeMap::new() }
    }
}

impl<T> Numbering<T> {
    /// Takes a record. The first that is seen of a connection may have any number.
    pub(crate) fn take(&mut self, number: u64, record: T) -> Arrival<T> {
        match self.last {
            Some(last) if number <= last => Arrival::Duplicate,
            Some(last) if number > last.saturating_add(1) => {
                let first = self.early.is_empty();
                match self.early.insert(number, record) {
                    Some(_) => Arrival::Duplicate,
                    None => Arrival::Early { first },
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

    /// Gives up the missing records: the numbers lost, first to last. The next ones come from
    /// [`Numbering::next`].
    pub(crate) fn give_up(&mut self) -> Option<(u64, u64)> {
        let (&first, _) = self.early.first_key_value()?;
        let lost = (self.last.map_or(1, |l| l.saturating_add(1)), first.saturating_sub(1));
        self.last = Some(first.saturating_sub(1));
        Some(lost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_come_once_and_in_order() {
        let mut numbering = Numbering::default();
        assert_eq!(numbering.take(5, 'e'), Arrival::Next('e'));
        assert_eq!(numbering.take(5, 'e'), Arrival::Duplicate);
        assert_eq!(numbering.take(7, 'g'), Arrival::Early { first: true });
        assert_eq!(numbering.take(8, 'h'), Arrival::Early { first: false });
        assert_eq!(numbering.take(8, 'h'), Arrival::Duplicate);
        assert_eq!(numbering.next(), None);
        assert_eq!(numbering.take(6, 'f'), Arrival::Next('f'));
        assert_eq!((numbering.next(), numbering.next()), (Some('g'), Some('h')));
        assert_eq!(numbering.next(), None);
        assert_eq!(numbering.take(2, 'b'), Arrival::Duplicate);
    }

    #[test]
    fn what_is_given_up_is_named() {
        let mut numbering = Numbering::default();
        numbering.take(1, 'a');
        numbering.take(4, 'd');
        assert_eq!(numbering.give_up(), Some((2, 3)));
        assert_eq!(numbering.next(), Some('d'));
        assert_eq!(numbering.take(3, 'c'), Arrival::Duplicate);
        assert_eq!(numbering.give_up(), None);
    }
}
