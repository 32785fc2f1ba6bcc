//! The way of requests: read, frame, record, hold, send on.

mod parcel;

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::Poll;

use buffer::{ReadSize, Slab};
use codec::http1::{Event, Reason, RequestFramer, RequestHead};
use codec::reads::{endpoint_class, only_reads};
use codec::record::{Direction, EndOfMessage, Nanos};
use codec::redact::{Secrets, behind, shifted};
use journal::Urgency;
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::time::{Sleep, sleep_until};

use crate::bodies::Bodies;
use crate::connection::{Connection, Outstanding};
use crate::metrics::Passage;
use crate::opaque_search::OpaqueSearch;
use crate::pass::{LEAST_READ, Memory, Passing, SMALL, read, send_both};
use crate::refusal::Refusal;
use crate::set_header::Edits;
use crate::unfinished::Unfinished;
use crate::{Durability, WhenFull};
use parcel::Parcel;

/// How the way of requests ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The client sends no more.
    Closed,
    /// Draining, and nothing is in progress.
    Drained,
    /// A write can't be journaled, or a head doesn't come; nothing more of this connection is sent on.
    Refused(Refusal),
    /// The client's connection broke.
    Failed(io::Error),
    /// The source takes no more. It may have said why.
    SourceFailed(io::Error),
}

/// What kind of request the bytes at hand belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its head is not complete.
    Unknown,
    Read,
    Write,
    /// Passed on, as asked for, and not recorded.
    LeftOut,
    /// Nobody knows where requests begin and end any more.
    Opaque,
}

/// The request direction of a connection.
struct RequestSide {
    framer: RequestFramer,
    kind: Kind,
    first_line: u32,
    head: u32,
    /// Not recorded, and so not sent on.
    unfinished: Unfinished,
    bodies: Bodies,
    search: OpaqueSearch,
    /// Of the read at hand.
    edits: Edits,
}

/// A stretch of one read that becomes one record.
struct Stretch {
    to: usize,
    end: Option<EndOfMessage>,
    kind: Kind,
}

/// Forwards requests until the client is done, or the journal is.
pub(crate) async fn forward(
    connection: &Connection<'_>,
    client: &mut (impl AsyncRead + Unpin),
    source: &mut (impl AsyncWrite + Unpin),
) -> Ended {
    let settings = connection.settings;
    let mut size = ReadSize::between(LEAST_READ, settings.read_size);
    let mut window: VecDeque<Parcel> = VecDeque::new();
    let mut waiting = 0;
    // How the client left. One that broke has sent what it has sent, as one that closed: without an end of its TLS,
    // most do.
    let mut left: Option<Ended> = None;
    let memory = Memory::Waits(connection.budget, &connection.metrics.memory.waits);
    // Runs while something is kept back: it pins memory that others may wait for.
    let mut late: Option<Pin<Box<Sleep>>> = None;
    let mut side = RequestSide::new(settings.head_limit);
    let mut passage = connection.metrics.flows.requests.passage();
    // Made once: making it anew for each read would register and forget a waiter each time. And
    // asked once, as long as the proxy does not drain.
    let drained = connection.drained();
    tokio::pin!(drained);
    let mut asked = false;
    let mut drained = poll_fn(|context| {
        if asked && !connection.is_draining() {
            return Poll::Pending;
        }
        asked = true;
        drained.as_mut().poll(context)
    });
    loop {
        if let Some(ended) =
            release(connection, source, &mut window, &mut waiting, &mut passage).await
        {
            return ended;
        }
        if window.is_empty()
            && let Some(ended) = left
        {
            if connection.opaque().is_some() {
                // Nobody knows whether an answer is due, but the source does once it sees the end.
                let _ = source.shutdown().await;
            }
            return ended;
        }
        if connection.tape.has_backlog() {
            connection.tape.drained(settings.journal_patience).await;
        }
        let after = window.front().map_or(0, |parcel| parcel.after);
        let may_read = left.is_none() && waiting < settings.window && !connection.is_last();
        tokio::select! {
            biased;
            _ = connection.tape.lane().durable().reached(after), if after > 0 => {}
            slab = read(client, &mut size, memory), if may_read => match slab {
                Ok(Some(slab)) => {
                    passage.read(slab.len());
                    if connection.is_last() {
                        continue;
                    }
                    side.take(slab, connection, |parcel| {
                        waiting += parcel.len();
                        window.push_back(parcel);
                    });
                    let since = side.unfinished.since();
                    let at = since.and_then(|since| since.checked_add(settings.head_timeout));
                    if late.as_ref().map(|late| late.deadline()) != at {
                        late = at.map(|at| Box::pin(sleep_until(at)));
                    }
                }
                ended => {
                    left = Some(ended.map_or_else(Ended::Failed, |_| Ended::Closed));
                    side.give_up(connection);
                }
            },
            () = &mut drained, if window.is_empty() && left.is_none() => return Ended::Drained,
            Some(()) = ended_sleep(&mut late), if window.is_empty() => {
                late = None;
                if side.is_in_head() {
                    side.give_up(connection);
                    return Ended::Refused(Refusal::Head);
                }
                side.let_go(connection, |parcel| {
                    waiting += parcel.len();
                    window.push_back(parcel);
                });
            }
        }
    }
}

/// Resolves at the end of the sleep, if there is one.
async fn ended_sleep(sleep: &mut Option<Pin<Box<Sleep>>>) -> Option<()> {
    sleep.as_mut()?.await;
    Some(())
}

/// Sends on what is at the front of the window and durable.
async fn release(
    connection: &Connection<'_>,
    source: &mut (impl AsyncWrite + Unpin),
    window: &mut VecDeque<Parcel>,
    waiting: &mut usize,
    passage: &mut Passage<'_>,
) -> Option<Ended> {
    let durable = connection.tape.lane().durable();
    while let Some(parcel) = window.front() {
        match durable.look(parcel.after) {
            Some(Ok(())) => {}
            None => return None,
            Some(Err(_)) if connection.settings.when_full == WhenFull::Reject => {
                let midway = connection.is_midway();
                let refusal = if midway { Refusal::Midway } else { Refusal::Journal };
                return Some(Ended::Refused(refusal));
            }
            Some(Err(_)) => connection.metrics.uncaptured.inc_by(parcel.len() as u64),
        }
        *waiting -= parcel.len();
        if parcel.ended > 0 {
            connection.metrics.flows.requests.goes_on(parcel.ended, parcel.after > 0);
        }
        if let Err(error) = send_both(source, &parcel.front, parcel.data.bytes()).await {
            return Some(Ended::SourceFailed(error));
        }
        passage.sent(parcel.len());
        connection.sent_on(parcel.closes);
        if let Some(parcel) = window.pop_front() {
            parcel.data.passed();
        }
    }
    None
}

impl RequestSide {
    fn new(head_limit: usize) -> RequestSide {
        RequestSide {
            framer: RequestFramer::new(head_limit),
            kind: Kind::Unknown,
            first_line: 0,
            head: 0,
            unfinished: Unfinished::new(Direction::Read),
            bodies: Bodies::default(),
            search: OpaqueSearch::default(),
            edits: Edits::default(),
        }
    }

    /// Whether a head, or fields behind a body, have begun and are not complete.
    fn is_in_head(&self) -> bool {
        let in_fields = self.kind == Kind::Unknown || self.framer.open_trailers() > 0;
        in_fields && !self.unfinished.is_empty()
    }

    /// Frames and records one read, and gives out its parts in order.
    fn take(&mut self, slab: Slab, connection: &Connection<'_>, mut out: impl FnMut(Parcel)) {
        let at = connection.tape.time();
        let before = self.unfinished.len();
        let mut secrets = Secrets::new();
        let (stretches, rest) = self.frame(slab.data(), before, at, connection, &mut secrets);
        let mut edits = std::mem::take(&mut self.edits);
        let mut at_byte = 0;
        let mut out = |parcel: Parcel| {
            if edits.is_empty() {
                return out(parcel);
            }
            let begins = at_byte;
            at_byte += parcel.len();
            out(parcel.edited(&edits, begins, connection.budget));
        };
        let tape = connection.tape;
        if self.unfinished.is_empty()
            && let [Stretch { to, end, kind }] = stretches[..]
            && to == slab.len()
        {
            if kind == Kind::LeftOut {
                let parcel = Parcel::new(Passing::Slab(slab), 0, Urgency::Follows);
                return out(Parcel { closes: end.is_some(), ..parcel });
            }
            let urgency = urgency(kind, connection);
            let direction = Direction::Read;
            if slab.len() <= SMALL {
                let number = tape.copy(slab.data(), &secrets, direction, at, end, urgency);
                return out(Parcel::new(Passing::Slab(slab), number, urgency).ending(end));
            }
            // The record is made in place, secrets covered; what is sent on begins with a copy.
            let secret = secrets.iter().map(|secret| secret.range.end).max().unwrap_or_default();
            let front = tape.light(&slab.data()[..secret]);
            let (data, number) = tape.seal(slab, &secrets, direction, at, end, urgency);
            let data = Passing::Shared(data.slice(secret..));
            return out(Parcel::new(data, number, urgency).behind(front).ending(end));
        }
        let data = slab.into_data();
        if let Some(first) = stretches.first() {
            let urgency = urgency(first.kind, connection);
            let mut pass =
                |piece, number| out(Parcel::new(Passing::Shared(piece), number, urgency));
            match first.kind {
                Kind::LeftOut => self.unfinished.pass(tape, |piece| pass(piece, 0)),
                _ => self.unfinished.record(tape, &secrets, urgency, pass),
            }
            connection.keep_half_head(false);
        }
        let mut start = 0;
        for Stretch { to, end, kind } in stretches {
            let urgency = urgency(kind, connection);
            let piece = data.slice(start..to);
            let number = match kind {
                Kind::LeftOut => 0,
                _ => {
                    let covered = shifted(&secrets, before + start);
                    tape.copy(&piece, &covered, Direction::Read, at, end, urgency)
                }
            };
            out(Parcel::new(Passing::Shared(piece), number, urgency).ending(end));
            start = to;
        }
        // Of a head whose bytes are kept back still, the changes are too.
        edits.advance(at_byte);
        self.edits = edits;
        if rest {
            connection.keep_half_head(true);
            self.unfinished.keep_back(data.slice(start..), at, tape);
        }
    }

    /// Finds the stretches of one read; `true` when what follows the last one has no end yet: a head, fields behind a body, or
    /// a value to be hashed. Secrets are counted from the beginning of what is unfinished, `before` bytes earlier.
    fn frame(
        &mut self,
        data: &[u8],
        before: usize,
        at: Nanos,
        connection: &Connection<'_>,
        secrets: &mut Secrets,
    ) -> (SmallVec<[Stretch; 4]>, bool) {
        let redaction = &connection.settings.redaction;
        let records = connection.tape.records();
        let mut stretches = SmallVec::new();
        let (mut position, mut start) = (0, 0);
        if connection.is_switching() && self.kind == Kind::Unknown {
            // Bytes behind a request that may change the protocol, before the source has said
            // whether it does: nobody can tell what they are.
            self.framer.make_opaque(switched(data));
        }
        if let Some(reason) = connection.opaque() {
            self.framer.make_opaque(reason);
        }
        while self.framer.opaque().is_none() {
            let (rest, place) = (&data[position..], before + position);
            let bodies = &mut self.bodies;
            let (step, event) = self.framer.advance_into(rest, &mut |part| {
                bodies.next(redaction, (rest, part), place, secrets);
            });
            position += step;
            match event {
                Some(Event::Head(head)) => {
                    let from = (before + position).saturating_sub(head.bytes.len());
                    if records && redaction.looks_into(head.may_hold_secrets) {
                        secrets.extend(behind(redaction.in_head(head.bytes), from));
                    }
                    let set = &connection.settings.set_headers;
                    if !set.is_empty() {
                        self.edits.add(set, head.bytes, from, head.first_line_len);
                    }
                    self.kind = kind(&head, connection);
                    self.bodies.begin(redaction, head.bytes, self.kind != Kind::LeftOut);
                    self.first_line = head.first_line_len as u32;
                    self.head = head.len as u32;
                    begin(&head, self.kind, at, connection);
                }
                Some(Event::End) => {
                    let end = EndOfMessage { at, first_line: self.first_line, head: self.head };
                    stretches.push(Stretch { to: position, end: Some(end), kind: self.kind });
                    connection.ended();
                    // Of what is left out they may have gone on in earlier reads.
                    let is_recorded = self.kind != Kind::LeftOut;
                    let trailers = if is_recorded { self.framer.trailers() } else { &[] };
                    self.bodies.end_with(redaction, trailers, before + position, secrets);
                    (start, self.kind) = (position, Kind::Unknown);
                    if connection.is_switching() && position < data.len() {
                        self.framer.make_opaque(switched(&data[position..]));
                    }
                }
                Some(Event::Opaque(_)) | None => break,
            }
        }
        if let Some(reason) = self.framer.opaque() {
            if self.kind != Kind::Opaque {
                connection.turned_opaque(reason);
            }
            self.bodies.end(secrets);
            self.kind = Kind::LeftOut;
            if records {
                self.kind = Kind::Opaque;
                // What can't be framed may still hold what looks like a secret.
                if connection.is_http2() {
                    self.search.expect_http2();
                }
                let found = self.search.find(redaction, &self.unfinished, (before, data), start);
                secrets.extend(found);
                if self.search.is_http2() {
                    connection.speaks_http2();
                }
            }
        }
        let to = match self.kind {
            Kind::Unknown => start,
            Kind::LeftOut => data.len(),
            _ => {
                let trailers = self.framer.open_trailers();
                self.bodies.reach(before, data.len(), trailers).max(start)
            }
        };
        if to > start {
            stretches.push(Stretch { to, end: None, kind: self.kind });
        }
        if !stretches.is_empty() {
            self.bodies.recorded_to(before + to);
        }
        (stretches, to < data.len())
    }

    /// A value that is to be hashed doesn't come to its end: what is kept of it goes on, and nothing is told of it.
    fn let_go(&mut self, connection: &Connection<'_>, mut out: impl FnMut(Parcel)) {
        let mut secrets = Secrets::new();
        self.bodies.let_go(&mut secrets);
        let urgency = urgency(self.kind, connection);
        self.unfinished.record(connection.tape, &secrets, urgency, |piece, number| {
            out(Parcel::new(Passing::Shared(piece), number, urgency));
        });
        connection.keep_half_head(false);
    }

    /// The client is gone: what it left without an end is recorded, less its secrets, and goes nowhere.
    fn give_up(&mut self, connection: &Connection<'_>) {
        let secrets = self.bodies.give_up(&connection.settings.redaction, &self.unfinished);
        let urgency = Urgency::Follows;
        self.unfinished.record(connection.tape, &secrets, urgency, |_, _| {});
    }
}

/// Why bytes are opaque that a client sends behind a request that may change the protocol.
fn switched(bytes: &[u8]) -> Reason {
    if bytes.starts_with(b"PRI * HTTP/2") { Reason::Http2Preface } else { Reason::Upgraded }
}

/// Notes a request whose head is complete.
fn begin(head: &RequestHead<'_>, kind: Kind, at: Nanos, connection: &Connection<'_>) {
    let held = !matches!(kind, Kind::Read | Kind::LeftOut);
    connection.came(head.bytes);
    connection.begun(Outstanding {
        method: head.method,
        held,
        recorded: kind != Kind::LeftOut,
        since: at,
        expects: head.expect_continue,
        upgrade: head.upgrade,
        ended: false,
    });
    let class = endpoint_class(head.method_bytes, head.target);
    connection.metrics.requests.count(class, held);
}

/// Left out, as asked for, or else held unless it only reads. What is to come after 100 is held whatever the request: if the source
/// gives another answer, it may take the body for the next request.
fn kind(head: &RequestHead<'_>, connection: &Connection<'_>) -> Kind {
    if !connection.tape.records() {
        return Kind::LeftOut;
    }
    let reads = !head.expect_continue && only_reads(head.method_bytes, head.target);
    if connection.leaves_out(head, !reads) {
        return Kind::LeftOut;
    }
    if reads { Kind::Read } else { Kind::Write }
}

fn urgency(kind: Kind, connection: &Connection<'_>) -> Urgency {
    match (kind, connection.settings.durability) {
        (Kind::Read | Kind::LeftOut, _) | (_, Durability::None) => Urgency::Follows,
        _ => Urgency::Held,
    }
}

#[cfg(test)]
mod tests;
