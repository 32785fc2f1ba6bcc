//! Writing records: the prefix and suffix that stand around bytes, and the records without bytes.

use smallvec::SmallVec;

use super::wire::{Fields, varint_len};
use super::{Direction, EndOfMessage, FORMAT, Heartbeat, Nanos, Switched};

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
    #[inline]
    pub fn prefix(
        &self,
        prior_requests: u64,
        unterminated_read: bool,
        direction: Direction,
        at: Nanos,
        length: usize,
    ) -> Framing {
        // 8 of the envelope, 11 and 19 of the observation and its time, 11 twice: 60.
        let mut fields = Fields::<64>::new();
        put_state(&mut fields, prior_requests, unterminated_read);
        let stamp = timestamp(at);
        let data = 1 + varint_len(length as u64) + length;
        let observation = field_len(stamp.bytes().len()) + 1 + varint_len(data as u64) + data;
        fields.length(2, observation);
        fields.field(1, stamp.bytes());
        fields.length(
            match direction {
                Direction::Read => 4,
                Direction::Write => 8,
            },
            data,
        );
        fields.length(1, length);
        let mut out = Framing::from_slice(&self.ids);
        out.extend_from_slice(fields.bytes());
        out
    }

    /// What stands behind the bytes: the end of a request, if it is here, and the number.
    #[inline]
    pub fn suffix(end: Option<EndOfMessage>, number: u64, last: bool) -> Tail {
        // 2 and 18 of the observation and its time, 14 of its lengths, 20 of the numbers: 54.
        let mut fields = Fields::<64>::new();
        if let Some(end) = end {
            let stamp = timestamp(end.at);
            let mut lengths = Fields::<12>::new();
            lengths.number(1, u64::from(end.first_line));
            lengths.number(2, u64::from(end.head));
            let (stamp, lengths) = (stamp.bytes(), lengths.bytes());
            fields.length(2, field_len(stamp.len()) + field_len(lengths.len()));
            fields.field(1, stamp);
            fields.field(15, lengths);
        }
        put_numbers(&mut fields, number, last);
        Tail::from_slice(fields.bytes())
    }

    /// A record that holds one observation without bytes: `field` of the observation, `body` of it.
    fn bare(&self, prior: u64, cut: bool, at: Nanos, field: u32, body: &[u8]) -> Framing {
        let mut fields = Fields::<8>::new();
        put_state(&mut fields, prior, cut);
        let mut observation = SmallVec::<[u8; 64]>::new();
        put_bytes(&mut observation, 1, timestamp(at).bytes());
        put_bytes(&mut observation, field, body);
        let mut out = Framing::from_slice(&self.ids);
        out.extend_from_slice(fields.bytes());
        put_bytes(&mut out, 2, &observation);
        out
    }
}

/// The first record of a connection: a client connected at `at`.
pub fn connect(envelope: &Envelope, at: Nanos, number: u64) -> Framing {
    let mut out = envelope.bare(0, false, at, 3, &[]);
    out.extend_from_slice(&Envelope::suffix(None, number, false));
    out
}

/// The same, with the client's address as text (field 103): the socket's, or the one that a trusted balancer names.
pub fn connect_from(envelope: &Envelope, at: Nanos, from: &str, number: u64) -> Framing {
    let mut out = connect(envelope, at, number);
    put_bytes(&mut out, 103, from.as_bytes());
    out
}

/// The last record of a connection. `cut` says that it ended inside a request.
pub fn close(envelope: &Envelope, prior: u64, cut: bool, at: Nanos, number: u64) -> Framing {
    let mut out = envelope.bare(prior, cut, at, 11, &[]);
    out.extend_from_slice(&Envelope::suffix(None, number, true));
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
    out.extend_from_slice(&Envelope::suffix(None, number, false));
    out
}

/// A proxy's heartbeat: a record without observations that other readers skip.
pub fn heartbeat(node: &str, beat: &Heartbeat) -> Framing {
    let mut body = Fields::<144>::new();
    body.field(1, timestamp(beat.clock).bytes());
    body.field(2, timestamp(beat.oldest_unjournaled).bytes());
    if beat.oldest_open_write > 0 {
        body.field(3, timestamp(beat.oldest_open_write).bytes());
    }
    body.number(4, beat.connections);
    body.number(5, beat.records);
    if let Some(Switched { off, on }) = beat.switched {
        let mut times = Fields::<40>::new();
        times.field(1, timestamp(off).bytes());
        if on > 0 {
            times.field(2, timestamp(on).bytes());
        }
        body.field(6, times.bytes());
    }
    let mut numbers = Fields::<8>::new();
    numbers.number(4, 1);
    numbers.number(100, FORMAT);
    let mut out = Framing::new();
    put_bytes(&mut out, 1, b"godwit.heartbeat");
    put_bytes(&mut out, 5, node.as_bytes());
    out.extend_from_slice(numbers.bytes());
    put_bytes(&mut out, 102, body.bytes());
    out
}

/// Fields 6 and 7.
fn put_state<const ROOM: usize>(
    fields: &mut Fields<ROOM>,
    prior_requests: u64,
    unterminated_read: bool,
) {
    if prior_requests > 0 {
        fields.number(6, prior_requests & 0x7FFF_FFFF);
    }
    if unterminated_read {
        fields.number(7, 1);
    }
}

/// Field 3, or 4 on a connection's last record; then ours, 100 and 101.
fn put_numbers<const ROOM: usize>(fields: &mut Fields<ROOM>, number: u64, last: bool) {
    fields.number(if last { 4 } else { 3 }, number & 0x7FFF_FFFF);
    fields.number(100, FORMAT);
    fields.number(101, number);
}

/// A field whose value may be long.
fn put_bytes<const N: usize>(out: &mut SmallVec<[u8; N]>, field: u32, value: &[u8]) {
    let mut front = Fields::<20>::new();
    front.length(field, value.len());
    out.extend_from_slice(front.bytes());
    out.extend_from_slice(value);
}

/// Length of a field with a number below 16 and `length` bytes.
fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

/// `google.protobuf.Timestamp`; nanos are left out when 0, as the public writer does.
fn timestamp(at: Nanos) -> Fields<18> {
    let mut out = Fields::new();
    out.number(1, at / 1_000_000_000);
    let nanos = at % 1_000_000_000;
    if nanos > 0 {
        out.number(2, nanos);
    }
    out
}
