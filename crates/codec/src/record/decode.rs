//! Reading records. Bytes of observations are slices of the record, never copies.

use bytes::Bytes;
use thiserror::Error;

use super::wire::{Value, take_field};
use super::{FORMAT, Heartbeat, Kind, Nanos, Observation, Record, Switched};

/// Why bytes are not a record that we can read. The journal's reader adds partition and offset.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RecordError {
    #[error("not a TrafficStream: {what} at byte {at} of {length}")]
    Malformed { what: &'static str, at: usize, length: usize },
    #[error("format version {found} is newer than {FORMAT}, which this reader knows; update it")]
    Version { found: u64 },
}

/// Reads one record.
///
/// # Errors
/// [`RecordError`] when the bytes are no protobuf message, lack a connection id, or were written by
/// a later format version.
pub fn decode(bytes: &Bytes) -> Result<Record, RecordError> {
    let mut rest = bytes.clone();
    let mut record = Record {
        connection: String::new(),
        node: String::new(),
        number: 0,
        last: false,
        prior_requests: 0,
        unterminated_read: false,
        format: 0,
        observations: Vec::new(),
        heartbeat: None,
        client: String::new(),
    };
    let mut number = None;
    while !rest.is_empty() {
        let at = bytes.len() - rest.len();
        let malformed = |what| RecordError::Malformed { what, at, length: bytes.len() };
        let (field, value) = take_field(&mut rest).ok_or_else(|| malformed("a cut-off field"))?;
        match (field, value) {
            (1, Value::Bytes(id)) => record.connection = text(&id),
            (2, Value::Bytes(body)) => {
                let observation = observation(body).ok_or_else(|| malformed("an observation"))?;
                record.observations.push(observation);
            }
            (3, Value::Varint(index)) => record.number = index & 0xFFFF_FFFF,
            (4, Value::Varint(index)) => {
                record.number = index & 0xFFFF_FFFF;
                record.last = true;
            }
            (5, Value::Bytes(id)) => record.node = text(&id),
            (6, Value::Varint(count)) => record.prior_requests = count as u32,
            (7, Value::Varint(flag)) => record.unterminated_read = flag != 0,
            (100, Value::Varint(version)) => record.format = version,
            (101, Value::Varint(index)) => number = Some(index),
            (102, Value::Bytes(body)) => {
                record.heartbeat = Some(beat(body).ok_or_else(|| malformed("a heartbeat"))?);
            }
            (103, Value::Bytes(address)) => record.client = text(&address),
            (1..=7, _) => return Err(malformed("a field of another type")),
            _ => {}
        }
    }
    if record.format > FORMAT {
        return Err(RecordError::Version { found: record.format });
    }
    if record.connection.is_empty() {
        let length = bytes.len();
        return Err(RecordError::Malformed { what: "no connection id", at: length, length });
    }
    record.number = number.unwrap_or(record.number);
    Ok(record)
}

fn observation(mut body: Bytes) -> Option<Observation> {
    let (mut at, mut kind) = (0, Kind::Unknown(0));
    while !body.is_empty() {
        let (field, value) = take_field(&mut body)?;
        let inner = match value {
            Value::Bytes(inner) => inner,
            _ => continue,
        };
        kind = match field {
            1 => {
                at = timestamp(inner)?;
                continue;
            }
            2 => Kind::Bind,
            3 => Kind::Connect,
            4 => Kind::Read(data(inner, 1)?),
            5 => Kind::ReadSegment(data(inner, 2)?),
            6 => Kind::Released,
            8 => Kind::Write(data(inner, 1)?),
            9 => Kind::WriteSegment(data(inner, 2)?),
            10 => Kind::Disconnect,
            11 => Kind::Close,
            12 => Kind::Exception(text(&data(inner, 1)?)),
            14 => Kind::SegmentEnd,
            15 => end_of_message(inner)?,
            16 => Kind::Dropped,
            other => Kind::Unknown(other),
        };
    }
    Some(Observation { at, kind })
}

/// The bytes field numbered `wanted` of a message; empty when it is not there.
fn data(mut body: Bytes, wanted: u32) -> Option<Bytes> {
    let mut found = Bytes::new();
    while !body.is_empty() {
        if let (field, Value::Bytes(inner)) = take_field(&mut body)?
            && field == wanted
        {
            found = inner;
        }
    }
    Some(found)
}

fn end_of_message(mut body: Bytes) -> Option<Kind> {
    let (mut first_line, mut head) = (0, 0);
    while !body.is_empty() {
        match take_field(&mut body)? {
            (1, Value::Varint(length)) => first_line = length as i32,
            (2, Value::Varint(length)) => head = length as i32,
            _ => {}
        }
    }
    Some(Kind::EndOfMessage { first_line, head })
}

fn beat(mut body: Bytes) -> Option<Heartbeat> {
    let mut beat = Heartbeat::default();
    while !body.is_empty() {
        match take_field(&mut body)? {
            (1, Value::Bytes(stamp)) => beat.clock = timestamp(stamp)?,
            (2, Value::Bytes(stamp)) => beat.oldest_unjournaled = timestamp(stamp)?,
            (3, Value::Bytes(stamp)) => beat.oldest_open_write = timestamp(stamp)?,
            (4, Value::Varint(count)) => beat.connections = count,
            (5, Value::Varint(count)) => beat.records = count,
            (6, Value::Bytes(times)) => beat.switched = Some(switched(times)?),
            _ => {}
        }
    }
    Some(beat)
}

fn switched(mut body: Bytes) -> Option<Switched> {
    let mut times = Switched::default();
    while !body.is_empty() {
        match take_field(&mut body)? {
            (1, Value::Bytes(stamp)) => times.off = timestamp(stamp)?,
            (2, Value::Bytes(stamp)) => times.on = timestamp(stamp)?,
            _ => {}
        }
    }
    Some(times)
}

fn timestamp(mut body: Bytes) -> Option<Nanos> {
    let (mut seconds, mut nanos) = (0u64, 0u64);
    while !body.is_empty() {
        match take_field(&mut body)? {
            (1, Value::Varint(value)) => seconds = value,
            (2, Value::Varint(value)) => nanos = value.min(999_999_999),
            _ => {}
        }
    }
    Some(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
