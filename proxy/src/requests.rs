//! The way of requests: read, frame, record, hold, send on.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;

use buffer::{ReadSize, Slab};
use bytes::Bytes;
use codec::http1::{Event, Reason, RequestFramer, RequestHead, secret_ranges};
use codec::reads::{endpoint_class, only_reads};
use codec::record::{Direction, EndOfMessage, Nanos};
use journal::Urgency;
use smallvec::SmallVec;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::connection::{Connection, Outstanding};
use crate::pass::{LEAST_READ, read, send};
use crate::refusal::Refusal;
use crate::tape::{now, shifted};
use crate::{Durability, WhenFull};

/// How the way of requests ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The client sends no more.
    Closed,
    /// Draining, and nothing is in progress.
    Drained,
    /// A write can't be journaled; nothing more of this connection is sent on.
    Refused(Refusal),
    Failed(io::Error),
}

/// Bytes on their way to the source, in order.
struct Parcel {
    data: Bytes,
    /// The record that has to be durable first; 0 when none has.
    after: u64,
}

/// What kind of request the bytes at hand belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Its head is not complete.
    Unknown,
    Read,
    Write,
    /// Nobody knows where requests begin and end any more.
    Opaque,
}

/// The request direction of a connection.
struct RequestSide {
    framer: RequestFramer,
    kind: Kind,
    first_line: u32,
    head: u32,
    /// The beginning of a head whose end has not come: not recorded (it may hold half a secret) and
    /// so not sent on. At most the head limit.
    partial: Vec<(Bytes, Nanos)>,
}

/// A stretch of one read that becomes one record.
struct Stretch {
    to: usize,
    end: Option<EndOfMessage>,
    kind: Kind,
}

type Secrets = SmallVec<[Range<usize>; 4]>;

/// Forwards requests until the client is done, or the journal is.
pub(crate) async fn forward(
    connection: &Connection<'_>,
    client: &mut (impl AsyncRead + Unpin),
    source: &mut (impl AsyncWrite + Unpin),
) -> Ended {
    let settings = connection.settings;
    let mut size = ReadSize::between(LEAST_READ, settings.read_size);
    let mut window: VecDeque<Parcel> = VecDeque::new();
    let (mut waiting, mut closed) = (0, false);
    let mut side = RequestSide::new(settings.head_limit);
    // Made once: making it anew for each read would register and forget a waiter each time.
    let drained = connection.drained();
    tokio::pin!(drained);
    loop {
        if let Some(ended) = release(connection, source, &mut window, &mut waiting).await {
            return ended;
        }
        if window.is_empty() && closed {
            return Ended::Closed;
        }
        if connection.tape.has_backlog() {
            connection.tape.drained(settings.journal_patience).await;
        }
        let after = window.front().map_or(0, |parcel| parcel.after);
        let may_read = !closed && waiting < settings.window;
        tokio::select! {
            biased;
            _ = connection.tape.lane().durable().reached(after), if after > 0 => {}
            slab = read(client, &mut size), if may_read => match slab {
                Ok(Some(slab)) => {
                    connection.metrics.request_bytes.inc_by(slab.len() as u64);
                    side.take(slab, connection, |parcel| {
                        waiting += parcel.data.len();
                        window.push_back(parcel);
                    });
                }
                Ok(None) => {
                    closed = true;
                    side.give_up(connection);
                }
                Err(error) => {
                    side.give_up(connection);
                    return Ended::Failed(error);
                }
            },
            () = &mut drained, if window.is_empty() && !closed => return Ended::Drained,
        }
    }
}

/// Sends on what is at the front of the window and durable.
async fn release(
    connection: &Connection<'_>,
    source: &mut (impl AsyncWrite + Unpin),
    window: &mut VecDeque<Parcel>,
    waiting: &mut usize,
) -> Option<Ended> {
    let durable = connection.tape.lane().durable();
    while let Some(parcel) = window.front() {
        if parcel.after > durable.durable() {
            if !connection.tape.is_broken() {
                return None;
            }
            if connection.settings.when_full == WhenFull::Reject {
                return Some(Ended::Refused(Refusal::Journal));
            }
            connection.metrics.uncaptured.inc_by(parcel.data.len() as u64);
        }
        *waiting -= parcel.data.len();
        if let Err(error) = send(source, &parcel.data).await {
            return Some(Ended::Failed(error));
        }
        window.pop_front();
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
            partial: Vec::new(),
        }
    }

    /// Frames and records one read, and gives out its parts in order.
    fn take(&mut self, slab: Slab, connection: &Connection<'_>, mut out: impl FnMut(Parcel)) {
        let at = now();
        let before = self.partial.iter().map(|(data, _)| data.len()).sum::<usize>();
        let mut secrets = Secrets::new();
        let (stretches, rest) = self.frame(slab.data(), before, at, connection, &mut secrets);
        if self.partial.is_empty()
            && secrets.is_empty()
            && let [Stretch { to, end, kind }] = stretches[..]
            && to == slab.len()
        {
            let urgency = urgency(kind, connection);
            let (data, number) = connection.tape.seal(slab, Direction::Read, at, end, urgency);
            return out(parcel(data, number, urgency));
        }
        let data = slab.into_data();
        if let Some(first) = stretches.first() {
            let urgency = urgency(first.kind, connection);
            let mut start = 0;
            for (piece, at) in self.partial.drain(..) {
                let blanks = shifted(&secrets, start);
                start += piece.len();
                let number =
                    connection.tape.copy(&piece, &blanks, Direction::Read, at, None, urgency);
                out(parcel(piece, number, urgency));
            }
            connection.tape.seat().release();
            connection.keep_half_head(false);
        }
        let mut start = 0;
        for Stretch { to, end, kind } in stretches {
            let urgency = urgency(kind, connection);
            let piece = data.slice(start..to);
            let blanks = shifted(&secrets, before + start);
            let number = connection.tape.copy(&piece, &blanks, Direction::Read, at, end, urgency);
            out(parcel(piece, number, urgency));
            start = to;
        }
        if rest {
            connection.tape.seat().keep_back(at);
            connection.keep_half_head(true);
            self.partial.push((data.slice(start..), at));
        }
    }

    /// Finds the stretches of one read; `true` when what follows the last one is a head without
    /// its end. Secrets are counted from the beginning of the partial head, `before` bytes earlier.
    fn frame(
        &mut self,
        data: &[u8],
        before: usize,
        at: Nanos,
        connection: &Connection<'_>,
        secrets: &mut Secrets,
    ) -> (SmallVec<[Stretch; 4]>, bool) {
        let mut stretches = SmallVec::new();
        let (mut position, mut start) = (0, 0);
        if connection.is_switching() && self.kind == Kind::Unknown {
            // Bytes behind a request that may change the protocol, before the source has said
            // whether it does: nobody can tell what they are.
            self.framer.make_opaque(Reason::Upgraded);
        }
        if let Some(reason) = connection.opaque() {
            self.framer.make_opaque(reason);
        }
        while self.framer.opaque().is_none() {
            let (step, event) = self.framer.advance(&data[position..]);
            position += step;
            match event {
                Some(Event::Head(head)) => {
                    let from = (before + position).saturating_sub(head.bytes.len());
                    let found = secret_ranges(head.bytes);
                    secrets.extend(found.into_iter().map(|r| from + r.start..from + r.end));
                    self.kind = kind(&head);
                    self.first_line = head.first_line_len as u32;
                    self.head = head.len as u32;
                    begin(&head, self.kind, at, connection);
                }
                Some(Event::End) => {
                    let end = EndOfMessage { at, first_line: self.first_line, head: self.head };
                    stretches.push(Stretch { to: position, end: Some(end), kind: self.kind });
                    connection.ended();
                    (start, self.kind) = (position, Kind::Unknown);
                    if connection.is_switching() && position < data.len() {
                        self.framer.make_opaque(Reason::Upgraded);
                    }
                }
                Some(Event::Opaque(_)) | None => break,
            }
        }
        if let Some(reason) = self.framer.opaque() {
            if self.kind != Kind::Opaque {
                connection.turned_opaque(reason);
            }
            self.kind = Kind::Opaque;
            // What can't be framed may still hold what looks like a secret.
            let found = secret_ranges(&data[start..]);
            secrets.extend(
                found.into_iter().map(|r| before + start + r.start..before + start + r.end),
            );
            secrets.extend(self.partial_secrets());
        }
        if start == data.len() {
            return (stretches, false);
        }
        let rest = self.kind == Kind::Unknown;
        if !rest {
            stretches.push(Stretch { to: data.len(), end: None, kind: self.kind });
        }
        (stretches, rest)
    }

    /// Secrets in a partial head that will never be complete.
    fn partial_secrets(&self) -> Secrets {
        let head: Vec<u8> =
            self.partial.iter().flat_map(|(data, _)| data.iter().copied()).collect();
        secret_ranges(&head)
    }

    /// The client is gone: what it left of a head is recorded, less its secrets, and goes nowhere.
    fn give_up(&mut self, connection: &Connection<'_>) {
        let secrets = self.partial_secrets();
        let mut start = 0;
        for (piece, at) in self.partial.drain(..) {
            let blanks = shifted(&secrets, start);
            start += piece.len();
            let tape = connection.tape;
            tape.copy(&piece, &blanks, Direction::Read, at, None, Urgency::Follows);
        }
        connection.tape.seat().release();
    }
}

/// Notes a request whose head is complete.
fn begin(head: &RequestHead<'_>, kind: Kind, at: Nanos, connection: &Connection<'_>) {
    let held = kind != Kind::Read;
    connection.begun(Outstanding {
        method: head.method,
        held,
        since: at,
        expects: head.expect_continue,
        upgrade: head.upgrade,
        ended: false,
    });
    let class = endpoint_class(head.method_bytes, head.target);
    connection.metrics.requests.count(class, held);
}

fn kind(head: &RequestHead<'_>) -> Kind {
    if only_reads(head.method_bytes, head.target) { Kind::Read } else { Kind::Write }
}

fn urgency(kind: Kind, connection: &Connection<'_>) -> Urgency {
    match (kind, connection.settings.durability) {
        (Kind::Read, _) | (_, Durability::None) => Urgency::Follows,
        _ => Urgency::Held,
    }
}

fn parcel(data: Bytes, number: u64, urgency: Urgency) -> Parcel {
    let after = if urgency == Urgency::Held { number } else { 0 };
    Parcel { data, after }
}
