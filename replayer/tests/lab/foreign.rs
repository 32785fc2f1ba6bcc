//! A journal of ours as the reference implementation would have captured the same: a `TrafficStream` holds all that
//! happened until a request that changes something was over, long reads come in segments, and there are no heartbeats.

use std::collections::BTreeMap;

use bytes::Bytes;
use codec::record::{Kind, Observation, Record};
use prost::Message;

/// Bytes of a segment.
const SEGMENT: usize = 100;

#[derive(Clone, PartialEq, Message)]
struct TrafficStream {
    #[prost(string, tag = "1")]
    connection: String,
    #[prost(message, repeated, tag = "2")]
    sub_stream: Vec<TrafficObservation>,
    #[prost(int32, optional, tag = "3")]
    number: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    last: Option<i32>,
    #[prost(string, tag = "5")]
    node: String,
    #[prost(int32, optional, tag = "6")]
    prior: Option<i32>,
    #[prost(bool, optional, tag = "7")]
    unterminated: Option<bool>,
}

#[derive(Clone, PartialEq, Message)]
struct TrafficObservation {
    #[prost(message, tag = "1")]
    ts: Option<Timestamp>,
    #[prost(message, tag = "4")]
    read: Option<Data>,
    #[prost(message, tag = "5")]
    read_segment: Option<Segment>,
    #[prost(message, tag = "8")]
    write: Option<Data>,
    #[prost(message, tag = "11")]
    close: Option<Empty>,
    #[prost(message, tag = "14")]
    segment_end: Option<Empty>,
    #[prost(message, tag = "15")]
    end: Option<Empty>,
}

#[derive(Clone, PartialEq, Message)]
struct Timestamp {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

#[derive(Clone, PartialEq, Message)]
struct Data {
    #[prost(bytes = "bytes", tag = "1")]
    data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Segment {
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
}

#[derive(Clone, PartialEq, Message)]
struct Empty {}

/// What one `TrafficStream` became.
pub struct Foreign {
    pub connection: String,
    pub number: u64,
    pub value: Bytes,
}

/// All records of a journal, as theirs, in the order in which the last part of each was captured.
pub fn translated(records: Vec<Record>) -> Vec<Foreign> {
    let mut open: BTreeMap<String, Open> = BTreeMap::new();
    let mut found = Vec::new();
    for record in records.into_iter().filter(|record| record.heartbeat.is_none()) {
        let stream = open.entry(record.connection.clone()).or_default();
        let ended = stream.take(&record);
        if ended || record.last {
            found.push(stream.flush(&record.connection, record.last));
        }
    }
    for (connection, mut stream) in open {
        if !stream.gathered.is_empty() {
            found.push(stream.flush(&connection, false));
        }
    }
    found
}

/// A connection whose observations gather.
#[derive(Default)]
struct Open {
    gathered: Vec<TrafficObservation>,
    number: i32,
    /// Requests that had ended, when the gathering began and now.
    prior: i32,
    ended: i32,
    /// Whether the last thing captured before, and now, is a part of a request.
    was_inside: bool,
    inside: bool,
}

impl Open {
    /// Whether a request ended.
    fn take(&mut self, record: &Record) -> bool {
        let mut ended = false;
        for Observation { at, kind } in &record.observations {
            let ts = Timestamp {
                seconds: (at / 1_000_000_000) as i64,
                nanos: (at % 1_000_000_000) as i32,
            };
            let one = TrafficObservation { ts: Some(ts), ..TrafficObservation::default() };
            match kind {
                Kind::Read(data) if data.len() > SEGMENT => {
                    for at in (0..data.len()).step_by(SEGMENT) {
                        let data = data.slice(at..data.len().min(at + SEGMENT));
                        let read_segment = Some(Segment { data });
                        self.gathered.push(TrafficObservation { read_segment, ..one.clone() });
                    }
                    let segment_end = Some(Empty {});
                    self.gathered.push(TrafficObservation { segment_end, ..one });
                    self.inside = true;
                }
                Kind::Read(data) => {
                    let read = Some(Data { data: data.clone() });
                    self.gathered.push(TrafficObservation { read, ..one });
                    self.inside = true;
                }
                Kind::Write(data) => {
                    let write = Some(Data { data: data.clone() });
                    self.gathered.push(TrafficObservation { write, ..one });
                }
                Kind::EndOfMessage { .. } => {
                    self.gathered.push(TrafficObservation { end: Some(Empty {}), ..one });
                    (self.inside, ended) = (false, true);
                    self.ended += 1;
                }
                Kind::Close => {
                    self.gathered.push(TrafficObservation { close: Some(Empty {}), ..one });
                }
                _ => {}
            }
        }
        ended
    }

    fn flush(&mut self, connection: &str, last: bool) -> Foreign {
        self.number += 1;
        let stream = TrafficStream {
            connection: connection.into(),
            sub_stream: std::mem::take(&mut self.gathered),
            number: (!last).then_some(self.number),
            last: last.then_some(self.number),
            node: "theirs".into(),
            prior: Some(self.prior).filter(|prior| *prior > 0),
            unterminated: self.was_inside.then_some(true),
        };
        (self.prior, self.was_inside) = (self.ended, self.inside);
        let value = stream.encode_to_vec().into();
        Foreign { connection: connection.into(), number: self.number as u64, value }
    }
}
