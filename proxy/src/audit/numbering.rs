//! The records of each connection in the order of their numbers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use codec::record::Record;

use super::disorder::{Disorder, disorder};

/// Records that are read on before a missing one counts as lost.
const WINDOW: usize = 10_000;

/// Connections that are remembered after their end, so that records that come again are known.
const REMEMBERED: usize = 4_000_000;

/// All connections that have not ended.
#[derive(Debug, Default)]
pub struct Numbering {
    connections: HashMap<String, Connection>,
    /// By a hash of their names, those that have.
    ended: HashSet<u64>,
    hasher: RandomState,
}

#[derive(Debug, Default)]
struct Connection {
    /// The number of the last record given out.
    last: u64,
    early: BTreeMap<u64, Record>,
    /// Since a record came before its turn: what came, as it came.
    arrived: Vec<u64>,
}

/// What comes of a record.
#[derive(Debug)]
pub enum Next {
    /// The first record that is seen of a connection, whatever its number.
    Begins {
        connection: String,
        node: String,
    },
    Record(Box<Record>),
    /// Records that aren't there, from the first number to the last.
    Gap {
        connection: String,
        node: String,
        first: u64,
        last: u64,
    },
    /// It was here before.
    Twice {
        connection: String,
        number: u64,
    },
    /// All of them were there, in another order.
    Disorder {
        connection: String,
        disorder: Disorder,
    },
}

impl Numbering {
    /// Takes a record; `next` is told what has its turn, and what is noticed.
    pub fn take(&mut self, record: Record, mut next: impl FnMut(Next)) {
        let hash = self.hasher.hash_one(&record.connection);
        let twice = |record: Record| {
            let Record { connection, number, .. } = record;
            Next::Twice { connection, number }
        };
        if self.ended.contains(&hash) {
            return next(twice(record));
        }
        let place = self.connections.entry(record.connection.clone()).or_default();
        if place.last == 0 && place.early.is_empty() {
            let (connection, node) = (record.connection.clone(), record.node.clone());
            next(Next::Begins { connection, node });
        }
        if record.number <= place.last || place.early.contains_key(&record.number) {
            return next(twice(record));
        }
        if record.number > place.last.saturating_add(1) || !place.arrived.is_empty() {
            place.arrived.push(record.number);
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
    pub fn finish(mut self, mut next: impl FnMut(Next)) -> Vec<String> {
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
            if self.early.is_empty() {
                let arrived = std::mem::take(&mut self.arrived);
                if let Some(disorder) = disorder(&arrived) {
                    let connection = record.connection.clone();
                    next(Next::Disorder { connection, disorder });
                }
            }
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
            let (connection, node) = (record.connection.clone(), record.node.clone());
            next(Next::Gap { connection, node, first: self.last + 1, last: number - 1 });
            self.last = number - 1;
        }
    }
}
