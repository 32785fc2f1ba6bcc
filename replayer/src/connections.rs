//! Every connection that the journal tells of.
//!
//! Records go in as they are read; exchanges come out. Each connection's records are put in order, each once;
//! what stays missing for [`Connections::window`] records is a gap, and what was open in it is over.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use codec::record::{Kind, Nanos, Record};
use converge::order::ExchangeKey;

use crate::{
    numbering::{Arrival, Missing, Numbering},
    offsets::{Offsets, Place},
    stream::{Event, Outside, Start, Stream},
};

/// Records that never came: what happened in them is not known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    pub(crate) connection: String,
    /// Numbers of the first and the last record that are missing.
    pub(crate) first: u64,
    pub(crate) last: u64,
}

/// What is counted while connections are rebuilt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    pub(crate) duplicates: u64,
    /// Bytes that exchanges have taken.
    pub(crate) bytes: u64,
}

#[derive(Debug)]
pub(crate) struct Connections {
    all: HashMap<Arc<str>, Connection>,
    /// Connections that miss a record, with the count of records read when that began.
    missing: VecDeque<(u64, Arc<str>)>,
    /// Ended ones are remembered for a while, because a late copy of a record may still come.
    ended: VecDeque<(u64, Arc<str>)>,
    records: u64,
    window: u64,
    body_limit: usize,
    /// Those that have begun and not ended.
    open: usize,
    pub(crate) seen: Seen,
}

#[derive(Debug)]
struct Connection {
    numbering: Numbering<(Record, Place)>,
    /// `None` before its first record and after its last.
    stream: Option<Box<Stream>>,
    last_heard: Nanos,
    /// The last of its records that came.
    partition: i32,
    /// The proxy that it goes through.
    node: Arc<str>,
    /// A record before this one was lost: what it belonged to can't be told.
    after_gap: bool,
    /// Its client sends requests before it has the answers to those before.
    pipelines: bool,
    /// The number of the request that was replayed last.
    replayed: Option<u64>,
}

impl Connections {
    /// `window`: records that are read on before a missing one counts as lost.
    pub(crate) fn new(window: u64, body_limit: usize) -> Self {
        Self {
            all: HashMap::new(),
            missing: VecDeque::new(),
            ended: VecDeque::new(),
            records: 0,
            window,
            body_limit,
            open: 0,
            seen: Seen::default(),
        }
    }

    /// Connections that are open, as far as the journal has been read.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Takes a record that isn't a heartbeat. `scattered`: those of its connection come in any order.
    pub(crate) fn take(
        &mut self,
        record: Record,
        (place, scattered): (Place, bool),
        offsets: &Offsets,
        next_key: &mut u64,
    ) -> Vec<Event> {
        self.records += 1;
        let mut events = Vec::new();
        let mut taken = 0;
        let mut outside = Outside { offsets, next_key, events: &mut events, taken: &mut taken };
        let name: Arc<str> = match self.all.get_key_value(record.connection.as_str()) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(record.connection.as_str()),
        };
        let connection = self.all.entry(Arc::clone(&name)).or_insert_with(Connection::new);
        connection.partition = place.partition;
        let number = record.number;
        match connection.numbering.take(number, (record, place), scattered) {
            Arrival::Duplicate => self.seen.duplicates += 1,
            Arrival::Early { first } => {
                if first {
                    self.missing.push_back((self.records, name));
                }
                // The next run must read it again if this one ends before its turn.
                offsets.hold(place);
            }
            Arrival::Next((record, place)) => {
                self.feed(&name, record, place, &mut outside);
                self.feed_waiting(&name, &mut outside);
            }
        }
        self.give_up_lost(&mut outside, false);
        self.forget_ended();
        self.seen.bytes += taken;
        events
    }

    /// Nothing more comes: gives up what is missing and what is open. What `goes_on` says may still be answered, by
    /// the proxy of its connection and when that was last heard of, keeps its claims: the next run finds the answer.
    pub(crate) fn end(
        &mut self,
        offsets: &Offsets,
        next_key: &mut u64,
        goes_on: impl Fn(&str, Nanos) -> bool,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut taken = 0;
        let mut outside = Outside { offsets, next_key, events: &mut events, taken: &mut taken };
        self.give_up_lost(&mut outside, true);
        for connection in self.all.values_mut() {
            let at = connection.last_heard;
            if let Some(stream) = &mut connection.stream {
                let before = outside.events.len();
                stream.close(at, &mut outside);
                if goes_on(&connection.node, at) {
                    outside.events.iter_mut().skip(before).for_each(await_answer);
                }
            }
        }
        self.seen.bytes += taken;
        events
    }

    /// Ends exchanges of connections that haven't been heard of since `before`, or whose proxy is gone: what a proxy
    /// that was killed had open is never answered, and would hold up all doubts behind it.
    pub(crate) fn expire(
        &mut self,
        before: Nanos,
        is_gone: impl Fn(i32, &str) -> bool,
        offsets: &Offsets,
        next_key: &mut u64,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let mut taken = 0;
        let mut outside = Outside { offsets, next_key, events: &mut events, taken: &mut taken };
        let over = |c: &&mut Connection| c.last_heard < before || is_gone(c.partition, &c.node);
        for connection in self.all.values_mut().filter(over) {
            let at = connection.last_heard;
            if let Some(stream) = connection.stream.as_mut().filter(|s| !s.is_idle()) {
                stream.close(at, &mut outside);
            }
        }
        self.seen.bytes += taken;
        events
    }

    /// A request has been replayed; whether those of its connection that were are behind it.
    pub(crate) fn replayed(&mut self, connection: &str, number: u64) -> bool {
        let Some(connection) = self.all.get_mut(connection) else { return true };
        connection.replayed.replace(number).is_none_or(|before| before < number)
    }

    /// Forgets the connections of partitions that another replayer reads; gives what was open, with its weight.
    pub(crate) fn forget(&mut self, partitions: &[i32]) -> Vec<(ExchangeKey, usize)> {
        let mut open = Vec::new();
        self.all.retain(|_, connection| {
            let goes = partitions.contains(&connection.partition);
            if let Some(stream) = connection.stream.as_mut().filter(|_| goes) {
                self.open -= 1;
                open.extend(stream.forget());
            }
            !goes
        });
        // Should they come back, they are other ones.
        let all = &self.all;
        self.missing.retain(|(_, name)| all.contains_key(name));
        self.ended.retain(|(_, name)| all.contains_key(name));
        open
    }

    fn feed(&mut self, name: &Arc<str>, record: Record, place: Place, outside: &mut Outside<'_>) {
        let Some(connection) = self.all.get_mut(name) else { return };
        let prior = u64::from(record.prior_requests);
        let stream = match &mut connection.stream {
            Some(stream) => stream,
            None => {
                let after_gap = std::mem::take(&mut connection.after_gap);
                let start = match (record.unterminated_read, after_gap) {
                    (true, _) => Start::Inside,
                    (false, true) => Start::BehindGap,
                    (false, false) => Start::Between,
                };
                let mut stream = Stream::new(Arc::clone(name), prior, start, self.body_limit);
                if after_gap {
                    stream.is_behind_gap(connection.pipelines);
                }
                self.open += 1;
                connection.stream.insert(Box::new(stream))
            }
        };
        if *connection.node != record.node {
            connection.node = Arc::from(record.node.as_str());
        }
        for observation in record.observations {
            let at = observation.at;
            connection.last_heard = connection.last_heard.max(at);
            match observation.kind {
                Kind::Read(bytes) | Kind::ReadSegment(bytes) => {
                    stream.read(at, bytes, place, outside);
                }
                Kind::Write(bytes) | Kind::WriteSegment(bytes) => {
                    stream.write(at, bytes, place, outside);
                }
                Kind::EndOfMessage { .. } => stream.end_of_message(),
                Kind::Dropped => stream.dropped(outside),
                Kind::Close | Kind::Disconnect => stream.close(at, outside),
                Kind::Bind
                | Kind::Connect
                | Kind::Released
                | Kind::Exception(_)
                | Kind::SegmentEnd
                | Kind::Unknown(_) => {}
            }
        }
        if record.last {
            stream.close(connection.last_heard, outside);
            connection.stream = None;
            self.open -= 1;
            self.ended.push_back((self.records, Arc::clone(name)));
        }
    }

    fn feed_waiting(&mut self, name: &Arc<str>, outside: &mut Outside<'_>) {
        while let Some((record, place)) =
            self.all.get_mut(name).and_then(|connection| connection.numbering.next())
        {
            self.feed(name, record, place, outside);
            outside.offsets.let_go(place);
        }
    }

    /// Declares records lost that the window has passed (or all that are missing).
    fn give_up_lost(&mut self, outside: &mut Outside<'_>, all: bool) {
        while let Some((since, name)) = self.missing.pop_front() {
            if !all && self.records.saturating_sub(since) < self.window {
                self.missing.push_front((since, name));
                return;
            }
            while let Some(connection) = self.all.get_mut(&name) {
                let behind = connection.numbering.first_early().map(|(record, place)| {
                    (record.observations.first().map_or(0, |seen| seen.at), *place)
                });
                let (Some((at, place)), Some(missing)) = (behind, connection.numbering.give_up())
                else {
                    break;
                };
                connection.after_gap = missing != Missing::Before;
                if let Missing::Lost(first, last) = missing {
                    let gap = Gap { connection: name.to_string(), first, last };
                    outside.events.push(Event::Gap { gap, at, place });
                }
                if let Some(mut stream) = connection.stream.take() {
                    self.open -= 1;
                    stream.close(connection.last_heard, outside);
                    connection.pipelines |= stream.pipelines();
                }
                self.feed_waiting(&name, outside);
            }
        }
    }

    fn forget_ended(&mut self) {
        while let Some((at, name)) = self.ended.pop_front() {
            if self.records.saturating_sub(at) < self.window {
                self.ended.push_front((at, name));
                return;
            }
            self.all.remove(&name);
        }
    }
}

impl Connection {
    fn new() -> Self {
        Self {
            numbering: Numbering::default(),
            stream: None,
            last_heard: 0,
            partition: 0,
            node: Arc::from(""),
            after_gap: false,
            pipelines: false,
            replayed: None,
        }
    }
}

/// Keeps the claims of what has no answer.
fn await_answer(event: &mut Event) {
    match event {
        Event::Closed(captured) => captured.awaited = captured.response.is_none(),
        // Claims that are dropped are kept.
        Event::Cancelled { claims, .. } => drop(std::mem::take(claims)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
