//! Capture records: complete protobuf `TrafficStream` messages, the public capture format.
//!
//! One record holds what one socket read gave, with everything variable in front of and behind the
//! bytes, so that a record can be built around them (see the `buffer` crate):
//!
//! ```text
//! 0A connectionId | 2A nodeId | [30 priorRequestsReceived] | [38 lastObservationWasUnterminatedRead]
//! 12 observation { 0A ts | 22 read | 42 write { 0A data … } }                 <- prefix ends here
//! ······ data, as read from the socket ······
//! [12 observation { 0A ts | 7A endOfMessageIndicator { 08 first line | 10 head } }]   <- suffix
//! 18 number | 20 numberOfThisLastChunk        (32 bits, wraps)
//! A0 06 format version | A8 06 number         (ours: fields 100 and 101, the number as 64 bits)
//! ```
//!
//! Field 102 holds a [`Heartbeat`]; a record that has it has no observations. Field 103, of a connection's first record, is
//! the client's address. Readers skip fields that they don't know, so theirs and ours read each other's records.

mod decode;
mod encode;
mod wire;

#[cfg(test)]
mod tests;

pub use decode::{RecordError, decode};
pub use encode::{Envelope, Framing, Tail, close, connect, connect_from, exception, heartbeat};

use bytes::Bytes;

/// The version written in field 100. A reader takes records of this version and of none.
pub const FORMAT: u64 = 1;

/// Nanoseconds since 1970-01-01 UTC.
pub type Nanos = u64;

/// Which way bytes went, seen from the client: `Read` are requests, `Write` are answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Read,
    Write,
}

/// The end of a request inside a record, with what the framer knew of its head (bytes).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndOfMessage {
    pub at: Nanos,
    pub first_line: u32,
    pub head: u32,
}

/// One decoded record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    pub connection: String,
    pub node: String,
    /// Starts at 1 and grows by one with each record of the connection, both directions together.
    pub number: u64,
    /// Whether this is the connection's last record.
    pub last: bool,
    /// Requests of this connection that had ended before this record.
    pub prior_requests: u32,
    /// Whether the record before this one ended inside a request.
    pub unterminated_read: bool,
    /// Field 100: 0 when the writer was not ours.
    pub format: u64,
    pub observations: Vec<Observation>,
    pub heartbeat: Option<Heartbeat>,
    /// Field 103, as in 192.0.2.7:51234; empty on all but a connection's first record.
    pub client: String,
}

/// Something that happened on a connection, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    pub at: Nanos,
    pub kind: Kind,
}

/// What happened. The names follow the public format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Bind,
    Connect,
    Read(Bytes),
    ReadSegment(Bytes),
    Released,
    Write(Bytes),
    WriteSegment(Bytes),
    Disconnect,
    Close,
    Exception(String),
    SegmentEnd,
    EndOfMessage {
        first_line: i32,
        head: i32,
    },
    Dropped,
    /// An observation of a later format: its field number.
    Unknown(u32),
}

/// What a proxy says of itself each second, in every partition.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Heartbeat {
    /// The proxy's clock.
    pub clock: Nanos,
    /// Everything captured before this time is in the journal (spill included); `clock` when all is.
    pub oldest_unjournaled: Nanos,
    /// When the oldest write that is not answered yet began; 0 when none is open.
    pub oldest_open_write: Nanos,
    /// Connections made since the proxy started.
    pub connections: u64,
    /// Records made since the proxy started, heartbeats not counted.
    pub records: u64,
    /// Capture was switched; only in the heartbeat that was written for that.
    pub switched: Option<Switched>,
}

/// That capture was switched off, or on again. What clients did between these times is in no journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Switched {
    pub off: Nanos,
    /// 0 when it was switched off, and nobody knows for how long.
    pub on: Nanos,
}
