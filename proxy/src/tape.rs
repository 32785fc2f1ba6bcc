//! One connection's records: made, numbered, handed to the journal in order.
//!
//! Both directions share one tape. A number is given when a record is made, and records reach the
//! journal in the order of their numbers: while the journal is full they wait in the backlog, and
//! neither direction reads on until it is empty (so the backlog holds a few reads at most).

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use buffer::{Budget, Roll, Slab, counted, join};
use bytes::{Bytes, BytesMut};
use codec::record::{self, Direction, EndOfMessage, Envelope, Nanos};
use codec::redact::{Secret, cover};
use jiff::Timestamp;
use journal::{AppendError, Appender, Lane, Urgency};
use parking_lot::{Mutex, MutexGuard};

use crate::metrics::Metrics;
use crate::pass::SMALL;
use crate::roster::{KeptBack, Seat};

thread_local! {
    static ROLL: RefCell<Roll> = RefCell::default();
}

/// The recorder of a connection.
pub(crate) struct Tape {
    /// `None`: nothing of the connection is recorded.
    journal: Option<Appender>,
    lane: Lane,
    seat: Arc<Seat>,
    metrics: Arc<Metrics>,
    budget: Arc<Budget>,
    state: Mutex<State>,
}

struct State {
    envelope: Envelope,
    next: u64,
    /// Requests that have ended.
    ended: u64,
    /// Whether the last record of the request direction ended inside a request.
    cut: bool,
    /// When the client connected, and from where, as long as nothing is recorded of it.
    connected: Option<(Nanos, Option<SocketAddr>)>,
    backlog: VecDeque<(u64, Bytes, Urgency)>,
    broken: bool,
}

/// Now, as records carry it.
pub(crate) fn now() -> Nanos {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as Nanos)
}

/// A time as people read it; `None`: there is no such time.
pub(crate) fn readable(at: Nanos) -> Option<String> {
    Timestamp::from_nanosecond(i128::from(at)).ok().map(|time| time.to_string())
}

impl Tape {
    pub(crate) fn new(
        journal: Appender,
        node: &str,
        seat: Arc<Seat>,
        metrics: Arc<Metrics>,
        budget: Arc<Budget>,
    ) -> Tape {
        let lane = journal.lane(seat.connection());
        let state = Mutex::new(State::of(Envelope::new(seat.connection(), node)));
        Tape { journal: Some(journal), lane, seat, metrics, budget, state }
    }

    /// The tape of a connection that isn't recorded: whatever it is given, it keeps nothing.
    pub(crate) fn blank(metrics: Arc<Metrics>, budget: Arc<Budget>) -> Tape {
        let (lane, seat) = (Lane::default(), Arc::default());
        let state = Mutex::new(State::of(Envelope::new("", "")));
        Tape { journal: None, lane, seat, metrics, budget, state }
    }

    /// Whether the connection is recorded.
    pub(crate) fn records(&self) -> bool {
        self.journal.is_some()
    }

    /// Now, for what is recorded; 0 where nothing is: to ask costs as much as to frame.
    pub(crate) fn time(&self) -> Nanos {
        if self.records() { now() } else { 0 }
    }

    pub(crate) fn lane(&self) -> &Lane {
        &self.lane
    }

    pub(crate) fn seat(&self) -> &Seat {
        &self.seat
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// The number of the last record; 0 when there is none.
    pub(crate) fn last(&self) -> u64 {
        self.state.lock().next - 1
    }

    /// A whole slab as one record around the very bytes that were read, its secrets covered.
    /// Returns those bytes and the record's number.
    pub(crate) fn seal(
        &self,
        mut slab: Slab,
        secrets: &[Secret],
        direction: Direction,
        at: Nanos,
        end: Option<EndOfMessage>,
        urgency: Urgency,
    ) -> (Bytes, u64) {
        if !self.records() {
            return (slab.into_data(), 0);
        }
        let mut state = self.begun();
        let (prefix, suffix, number) = state.around(direction, at, slab.len(), end);
        cover(slab.data_mut(), secrets);
        let sealed = slab.seal(&prefix, &suffix);
        if sealed.copied {
            self.metrics.copied.ids.inc();
        }
        self.append(&mut state, number, sealed.record, urgency);
        (sealed.data, number)
    }

    /// A part of a slab as a record of its own, which copies it, less its secrets.
    pub(crate) fn copy(
        &self,
        data: &[u8],
        secrets: &[Secret],
        direction: Direction,
        at: Nanos,
        end: Option<EndOfMessage>,
        urgency: Urgency,
    ) -> u64 {
        if !self.records() {
            return 0;
        }
        let mut state = self.begun();
        let (prefix, suffix, number) = state.around(direction, at, data.len(), end);
        let copied = &self.metrics.copied;
        let mut record = if data.len() <= SMALL {
            copied.small.inc();
            ROLL.with_borrow_mut(|roll| roll.join(&prefix, data, &suffix))
        } else {
            if secrets.is_empty() {
                copied.split.inc()
            } else {
                copied.redacted.inc()
            }
            join(&prefix, data, &suffix)
        };
        cover(&mut record[prefix.len()..prefix.len() + data.len()], secrets);
        self.append(&mut state, number, counted(record, &self.budget), urgency);
        number
    }

    /// A copy, as of a few bytes, which would keep the whole slab that they were read to.
    pub(crate) fn light(&self, few: &[u8]) -> Bytes {
        if few.is_empty() { Bytes::new() } else { counted(BytesMut::from(few), &self.budget) }
    }

    /// A client has connected from there. That is recorded with the first thing that is: a health check that sends nothing
    /// leaves nothing.
    pub(crate) fn connect(&self, at: Nanos, from: Option<SocketAddr>) {
        self.state.lock().connected = Some((at, from));
    }

    /// The connection's state, with its beginning recorded.
    fn begun(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if let Some((at, from)) = state.connected.take() {
            let number = state.take_number();
            let record = match from {
                Some(from) => record::connect_from(&state.envelope, at, &from.to_string(), number),
                None => record::connect(&state.envelope, at, number),
            };
            self.append(&mut state, number, Bytes::copy_from_slice(&record), Urgency::Follows);
        }
        state
    }

    /// Says in the journal why the connection does not go on as it should.
    pub(crate) fn exception(&self, message: &str) {
        let mut state = self.begun();
        let number = state.take_number();
        let State { envelope, ended, cut, .. } = &*state;
        let record = record::exception(envelope, *ended, *cut, now(), message, number);
        self.append(&mut state, number, Bytes::copy_from_slice(&record), Urgency::Follows);
    }

    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        if state.connected.is_some() {
            return;
        }
        let number = state.take_number();
        let State { envelope, ended, cut, .. } = &*state;
        let record = record::close(envelope, *ended, *cut, now(), number);
        self.append(&mut state, number, Bytes::copy_from_slice(&record), Urgency::Follows);
    }

    fn append(&self, state: &mut State, number: u64, record: Bytes, urgency: Urgency) {
        let Some(journal) = &self.journal else { return };
        self.metrics.records.inc();
        self.seat.records.fetch_add(1, Ordering::Relaxed);
        if state.broken {
            return self.drop_record("broken");
        }
        if self.lane.durable().is_lost() {
            // The journal took an earlier record and lost it: none after it counts, so none after
            // it is written.
            self.drop_backlog(state, "lost");
            return self.drop_record("lost");
        }
        if !state.backlog.is_empty() {
            return state.backlog.push_back((number, record, urgency));
        }
        match journal.append(&self.lane, number, record, urgency) {
            Ok(()) => {}
            Err(AppendError::Full(record)) => {
                self.seat.keep_back(KeptBack::Backlog, now());
                state.backlog.push_back((number, record, urgency));
            }
            Err(error) => self.break_off(state, &error, "journal"),
        }
    }

    /// Gives the journal up for this connection: the record at hand and all that wait are dropped.
    fn break_off(&self, state: &mut State, error: &AppendError, reason: &str) {
        tracing::error!(%error, connection = self.seat.connection(), "a record was not journaled");
        self.lane.give_up();
        self.drop_record(reason);
        self.drop_backlog(state, reason);
    }

    fn drop_backlog(&self, state: &mut State, reason: &str) {
        state.broken = true;
        for _ in state.backlog.drain(..) {
            self.drop_record(reason);
        }
        self.seat.release(KeptBack::Backlog);
    }

    fn drop_record(&self, reason: &str) {
        self.metrics.dropped.with_label_values(&[reason]).inc();
    }

    /// Waits until the backlog has gone to the journal; after `patience` gives the journal up for
    /// this connection.
    pub(crate) async fn drained(&self, patience: Duration) {
        let Some(journal) = &self.journal else { return };
        let since = Instant::now();
        while self.push_backlog(journal, since.elapsed() > patience) {
            journal.room().await;
        }
    }

    /// Tries to empty the backlog; `true` when something is left in it.
    fn push_backlog(&self, journal: &Appender, give_up: bool) -> bool {
        let mut state = self.state.lock();
        if self.lane.durable().is_lost() {
            self.drop_backlog(&mut state, "lost");
            return false;
        }
        while let Some((number, record, urgency)) = state.backlog.pop_front() {
            match journal.append(&self.lane, number, record, urgency) {
                Ok(()) => {}
                Err(AppendError::Full(record)) if give_up => {
                    self.break_off(&mut state, &AppendError::Full(record), "full");
                    return false;
                }
                Err(AppendError::Full(record)) => {
                    state.backlog.push_front((number, record, urgency));
                    return true;
                }
                Err(error) => self.break_off(&mut state, &error, "journal"),
            }
        }
        self.seat.release(KeptBack::Backlog);
        false
    }

    /// Whether records wait because the journal is full.
    pub(crate) fn has_backlog(&self) -> bool {
        self.records() && !self.state.lock().backlog.is_empty()
    }
}

impl State {
    fn of(envelope: Envelope) -> State {
        State {
            envelope,
            next: 1,
            ended: 0,
            cut: false,
            connected: None,
            backlog: VecDeque::new(),
            broken: false,
        }
    }

    fn take_number(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        number
    }

    fn around(
        &mut self,
        direction: Direction,
        at: Nanos,
        length: usize,
        end: Option<EndOfMessage>,
    ) -> (record::Framing, record::Tail, u64) {
        let number = self.take_number();
        let prefix = self.envelope.prefix(self.ended, self.cut, direction, at, length);
        if direction == Direction::Read {
            self.cut = end.is_none();
        }
        if end.is_some() {
            self.ended += 1;
        }
        (prefix, Envelope::suffix(end, number, false), number)
    }
}

#[cfg(test)]
mod tests {
    use journal::{AppendSettings, JournalUrl};

    use super::*;
    use crate::roster::Roster;

    #[test]
    fn nothing_is_written_behind_a_record_that_was_lost() {
        let folder = tempfile::TempDir::new().unwrap();
        let url = JournalUrl::File(folder.path().join("j"));
        let journal = Appender::open(&url, &AppendSettings::default()).unwrap();
        let metrics = Arc::new(Metrics::new(&prometheus::Registry::new()).unwrap());
        let place = Arc::new(Roster::default()).enter("node");
        let budget = Budget::of(1 << 20);
        let tape = Tape::new(journal.clone(), "node", place.seat.clone(), metrics.clone(), budget);
        // As the journal does with a record that it took and could not write.
        tape.lane().give_up();
        tape.connect(now(), None);
        tape.exception("source");
        assert_eq!(journal.waiting_bytes(), 0);
        let dropped = |reason| metrics.dropped.with_label_values(&[reason]).get();
        assert_eq!((dropped("lost"), dropped("broken")), (1, 1));
    }
}
