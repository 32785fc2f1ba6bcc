//! The records of each connection in the order of their numbers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use codec::record::Record;

/// Records that are read on before a missing one counts as lost.
const WINDOW: usize = 10_000;

/// Connections that are remembered after their end, so that records that come again are known.
const REMEMBERED: usize = 4_000_000;

/// All connections that have not ended.
#[derive(Debug, Default)]
pub(super) struct Numbering {
    connections: HashMap<String, Connection>,
    /// By a hash of their names, those that have.
    ended: HashSet<u64>,
    hasher: RandomState,
    pub(super) repeats: u64,
}

#[derive(Debug, Default)]
struct Connection {
    /// The number of the last record given out.
    last: u64,
    early: BTreeMap<u64, Record>,
}

/// What comes of a record.
#[derive(Debug)]
pub(super) enum Next {
    Record(Box<Record>),
    /// Records that aren't there, from the first number to the last.
    Gap {
        connection: String,
        first: u64,
        last: u64,
    },
}

impl Numbering {
    /// Takes a record; `next` is told what has its turn.
    pub(super) fn take(&mut self, record: Record, mut next: impl FnMut(Next)) {
        let hash = self.hasher.hash_one(&record.connection);
        if self.ended.contains(&hash) {
            self.repeats += 1;
            return;
        }
        let place = self.connections.entry(record.connection.clone()).or_default();
        if record.number <= place.last || place.early.contains_key(&record.number) {
            self.repeats += 1;
            return;
        }
        place.early.insert(record.number, record);
        if place.early.len() > WINDOW {
            place.give_up(&mut next);
        }
        let ended = place.hand_out(&mut next);
        if let Some(connection) = ended {
            self.connections.remove(&connection);
            if self.ended.len() < REMEMBERED {
                self.ended.insert(hash);
            }
        }
    }

    /// No more records come; the names of the connections that have not ended.
    pub(super) fn finish(mut self, mut next: impl FnMut(Next)) -> Vec<String> {
        let mut open = Vec::new();
        for (name, place) in &mut self.connections {
            let mut ended = place.hand_out(&mut next).is_some();
            while !place.early.is_empty() {
                place.give_up(&mut next);
                ended |= place.hand_out(&mut next).is_some();
            }
            if !ended {
                open.push(name.clone());
            }
        }
        open.sort();
        open
    }
}

impl Connection {
    /// Gives out what has its turn; the connection's name when its last record was among it.
    fn hand_out(&mut self, next: &mut impl FnMut(Next)) -> Option<String> {
        while let Some(record) = self.early.remove(&self.last.saturating_add(1)) {
            self.last = record.number;
            let ended = record.last.then(|| record.connection.clone());
            next(Next::Record(Box::new(record)));
            if ended.is_some() {
                return ended;
            }
        }
        None
    }

    fn give_up(&mut self, next: &mut impl FnMut(Next)) {
        let Some((&number, record)) = self.early.first_key_value() else { return };
        if number > self.last.saturating_add(1) {
            let (connection, first) = (record.connection.clone(), self.last + 1);
            next(Next::Gap { connection, first, last: number - 1 });
            self.last = number - 1;
        }
    }
}
