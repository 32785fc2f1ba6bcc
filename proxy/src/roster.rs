//! The connections that are open, and what the heartbeat has to know of each.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use codec::record::Nanos;
use parking_lot::Mutex;

/// What a connection tells the heartbeat. Times are 0 when there is nothing to tell.
#[derive(Debug, Default)]
pub(crate) struct Seat {
    connection: String,
    /// When the oldest bytes were read that are not handed to the journal yet, by why they aren't.
    kept_back: [AtomicU64; 3],
    /// When the oldest write without an answer began.
    open_write: AtomicU64,
    pub(crate) records: AtomicU64,
}

/// Why bytes that were read are not handed to the journal yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KeptBack {
    /// A request's head, the fields behind its body, or a value in it that is hashed, are not complete.
    Request,
    /// The same of an answer.
    Answer,
    /// The journal's queue is full.
    Backlog,
}

/// All seats. Touched when a connection begins and ends, and once a heartbeat.
#[derive(Debug, Default)]
pub(crate) struct Roster {
    seats: Mutex<HashMap<u64, Arc<Seat>>>,
    begun: AtomicU64,
    /// Connections that have ended and had a record, and their records.
    recorded: AtomicU64,
    records: AtomicU64,
}

/// What the roster adds up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Census {
    pub kept_back: Option<Nanos>,
    pub open_write: Option<Nanos>,
    pub connections: u64,
    pub records: u64,
    pub open: usize,
}

/// A connection's place in the roster; leaves it when dropped.
pub(crate) struct Place {
    roster: Arc<Roster>,
    key: u64,
    pub(crate) seat: Arc<Seat>,
}

impl Roster {
    /// A place for a new connection of `node`, with an id that no other connection has.
    pub(crate) fn enter(self: &Arc<Roster>, node: &str) -> Place {
        let key = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        let seat = Arc::new(Seat {
            connection: format!("{node}-{key:x}"),
            kept_back: Default::default(),
            open_write: AtomicU64::new(0),
            records: AtomicU64::new(0),
        });
        self.seats.lock().insert(key, seat.clone());
        Place { roster: self.clone(), key, seat }
    }

    pub(crate) fn census(&self) -> Census {
        let seats = self.seats.lock();
        let mut census = Census {
            connections: self.recorded.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            open: seats.len(),
            ..Census::default()
        };
        for seat in seats.values() {
            let records = seat.records.load(Ordering::Relaxed);
            census.connections += u64::from(records > 0);
            census.records += records;
            for kept_back in &seat.kept_back {
                census.kept_back = older(census.kept_back, kept_back.load(Ordering::Acquire));
            }
            census.open_write = older(census.open_write, seat.open_write.load(Ordering::Acquire));
        }
        census
    }
}

fn older(least: Option<Nanos>, time: Nanos) -> Option<Nanos> {
    if time == 0 {
        return least;
    }
    Some(least.map_or(time, |least| least.min(time)))
}

impl Seat {
    pub(crate) fn connection(&self) -> &str {
        &self.connection
    }

    /// Bytes that were read at `at` are not in the journal's hands yet.
    pub(crate) fn keep_back(&self, why: KeptBack, at: Nanos) {
        let since = &self.kept_back[why as usize];
        let _ = since.compare_exchange(0, at, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Nothing is kept back for that reason any more.
    pub(crate) fn release(&self, why: KeptBack) {
        self.kept_back[why as usize].store(0, Ordering::Release);
    }

    /// Since when a write is open; 0 when none is.
    pub(crate) fn open_write(&self, since: Nanos) {
        self.open_write.store(since, Ordering::Release);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(seat) = self.roster.seats.lock().remove(&self.key) {
            let records = seat.records.load(Ordering::Relaxed);
            self.roster.recorded.fetch_add(u64::from(records > 0), Ordering::Relaxed);
            self.roster.records.fetch_add(records, Ordering::Relaxed);
        }
    }
}
