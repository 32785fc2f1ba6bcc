//! Writing records: the prefix and suffix that stand around bytes, and the records without bytes.

use smallvec::SmallVec;

use super::wire::{put_varint, varint_len};
use super::{Direction, EndOfMessage, FORMAT, Heartbeat, Nanos};

/// A short run of bytes on the stack; long enough for every prefix with ids of 36 bytes.
pub type Framing = SmallVec<[u8; 192]>;
/// What stands behind the bytes of a record; fits the tailroom of a slab.
pub type Tail = SmallVec<[u8; 64]>;

/// What all records of one connection begin with, encoded once.
#[derive(Debug, Clone)]
pub struct Envelope {
    ids: SmallVec<[u8; 96]>,
}

impl Envelope {
    /// Fields 1 and 5. Ids of more than 36 bytes each may not fit the headroom of a slab; the
    /// record is then copied, not refused.
    pub fn new(connection: &str, node: &str) -> Envelope {
        let mut ids = SmallVec::new();
        put_bytes(&mut ids, 1, connection.as_bytes());
        put_bytes(&mut ids, 5, node.as_bytes());
        Envelope { ids }
    }

    /// What stands in front of `length` bytes that went `direction` at `at`. `prior_requests`
    /// counts the requests that had ended before; `unterminated_read` says that the record before
    /// ended inside a request.
    pub fn prefix(
        &self,
        prior_requests: u64,
        unterminated_read: bool,
        direction: Direction,
        at: Nanos,
        length: usize,
    ) -> Framing {
        let mut out = self.head(prior_requests, unterminated_read);
        let stamp = timestamp(at);
        let data = 1 + varint_len(length as u64) + length;
        let observation = field_len(stamp.len()) + 1 + varint_len(data as u64) + data;
        out.push(0x12);
        put_varint(&mut out, observation as u64);
        put_bytes(&mut out, 1, &stamp);
        out.push(match direction {
            Direction::Read => 0x22,
            Direction::Write => 0x42,
        });
        put_varint(&mut out, data as u64);
        out.push(0x0A);
        put_varint(&mut out, length as u64);
        out
    }

    /// What stands behind the bytes: the end of a request, if it is here, and the number.
    pub fn suffix(end: Option<EndOfMessage>, number: u64, last: bool) -> Tail {
        let mut out = SmallVec::new();
        if let Some(end) = end {
            let stamp = timestamp(end.at);
            let mut lengths = SmallVec::<[u8; 16]>::new();
            put_number(&mut lengths, 1, u64::from(end.first_line));
            put_number(&mut lengths, 2, u64::from(end.head));
            out.push(0x12);
            put_varint(&mut out, (field_len(stamp.len()) + field_len(lengths.len())) as u64);
            put_bytes(&mut out, 1, &stamp);
            put_bytes(&mut out, 15, &lengths);
        }
        put_numbers(&mut out, number, last);
        out
    }

    fn head(&self, prior_requests: u64, unterminated_read: bool) -> Framing {
        let mut out = Framing::from_slice(&self.ids);
        if prior_requests > 0 {
            put_number(&mut out, 6, prior_requests & 0x7FFF_FFFF);
        }
        if unterminated_read {
            put_number(&mut out, 7, 1);
        }
        out
    }

    /// A record that holds one observation without bytes: `field` of the observation, `body` of it.
    fn bare(&self, prior: u64, cut: bool, at: Nanos, field: u32, body: &[u8]) -> Framing {
        let mut out = self.head(prior, cut);
        let stamp = timestamp(at);
        let mut observation = SmallVec::<[u8; 64]>::new();
        put_bytes(&mut observation, 1, &stamp);
        put_bytes(&mut observation, field, body);
        put_bytes(&mut out, 2, &observation);
        out
    }
}

/// The first record of a connection: a client connected at `at`.
pub fn connect(envelope: &Envelope, at: Nanos, number: u64) -> Framing {
    let mut out = envelope.bare(0, false, at, 3, &[]);
    put_numbers(&mut out, number, false);
    out
}

/// The last record of a connection. `cut` says that it ended inside a request.
pub fn close(envelope: &Envelope, prior: u64, cut: bool, at: Nanos, number: u64) -> Framing {
    let mut out = envelope.bare(prior, cut, at, 11, &[]);
    put_numbers(&mut out, number, true);
    out
}

/// Why a connection did not end as it should: the source was not reachable, its framing could not
/// be followed. `message` is cut at 200 bytes.
pub fn exception(
    envelope: &Envelope,
    prior: u64,
    cut: bool,
    at: Nanos,
    message: &str,
    number: u64,
) -> Framing {
    let message = &message.as_bytes()[..message.floor_char_boundary(200)];
    let mut body = SmallVec::<[u8; 208]>::new();
    put_bytes(&mut body, 1, message);
    let mut out = envelope.bare(prior, cut, at, 12, &body);
    put_numbers(&mut out, number, false);
    out
}

/// A proxy's heartbeat: a record without observations that other readers skip.
pub fn heartbeat(node: &str, beat: &Heartbeat) -> Framing {
    let mut body = SmallVec::<[u8; 96]>::new();
    put_bytes(&mut body, 1, &timestamp(beat.clock));
    put_bytes(&mut body, 2, &timestamp(beat.oldest_unjournaled));
    if beat.oldest_open_write > 0 {
        put_bytes(&mut body, 3, &timestamp(beat.oldest_open_write));
    }
    put_number(&mut body, 4, beat.connections);
    put_number(&mut body, 5, beat.records);
    let mut out = Framing::new();
    put_bytes(&mut out, 1, b"godwit.heartbeat");
    put_bytes(&mut out, 5, node.as_bytes());
    put_number(&mut out, 4, 1);
    put_number(&mut out, 100, FORMAT);
    put_bytes(&mut out, 102, &body);
    out
}

/// Field 3, or 4 on a connection's last record; then ours, 100 and 101.
fn put_numbers(out: &mut impl Extend<u8>, number: u64, last: bool) {
    put_number(out, if last { 4 } else { 3 }, number & 0x7FFF_FFFF);
    put_number(out, 100, FORMAT);
    put_number(out, 101, number);
}

fn put_number(out: &mut impl Extend<u8>, field: u32, value: u64) {
    put_varint(out, u64::from(field) << 3);
    put_varint(out, value);
}

fn put_bytes(out: &mut impl Extend<u8>, field: u32, value: &[u8]) {
    put_varint(out, u64::from(field) << 3 | 2);
    put_varint(out, value.len() as u64);
    out.extend(value.iter().copied());
}

/// Length of a field with a number below 16 and `length` bytes.
fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

/// `google.protobuf.Timestamp`; nanos are left out when 0, as the public writer does.
fn timestamp(at: Nanos) -> SmallVec<[u8; 16]> {
    let mut out = SmallVec::new();
    put_number(&mut out, 1, at / 1_000_000_000);
    let nanos = at % 1_000_000_000;
    if nanos > 0 {
        put_number(&mut out, 2, nanos);
    }
    out
}
