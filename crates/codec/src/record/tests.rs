//! Ours against prost's reading of the public field numbers, and against bytes from outside.

use bytes::Bytes;
use proptest::prelude::*;
use prost::Message;

use super::*;

#[derive(Clone, PartialEq, Message)]
struct TrafficStream {
    #[prost(string, tag = "1")]
    connection_id: String,
    #[prost(message, repeated, tag = "2")]
    sub_stream: Vec<TrafficObservation>,
    #[prost(int32, optional, tag = "3")]
    number: Option<i32>,
    #[prost(int32, optional, tag = "4")]
    last: Option<i32>,
    #[prost(string, tag = "5")]
    node_id: String,
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
    #[prost(message, tag = "8")]
    write: Option<Data>,
    #[prost(message, tag = "15")]
    end: Option<End>,
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
struct End {
    #[prost(int32, optional, tag = "1")]
    first_line: Option<i32>,
    #[prost(int32, optional, tag = "2")]
    head: Option<i32>,
}

fn record(prefix: &[u8], data: &[u8], suffix: &[u8]) -> Bytes {
    Bytes::from([prefix, data, suffix].concat())
}

#[test]
fn the_first_record_of_a_connection_may_say_whose_it_is() {
    let envelope = Envelope::new("c", "n");
    let read = |bytes: &[u8]| decode(&Bytes::copy_from_slice(bytes)).unwrap();
    let record = read(&connect_from(&envelope, 7, "[2001:db8::1]:51234", 1));
    assert_eq!((record.client.as_str(), record.number), ("[2001:db8::1]:51234", 1));
    assert_eq!(record.observations, [Observation { at: 7, kind: Kind::Connect }]);
    assert_eq!(read(&connect(&envelope, 7, 1)).client, "");
}

#[test]
fn another_reader_of_the_public_format_sees_what_was_written() {
    let envelope = Envelope::new("0123456789abcdef-1f", "0123456789abcdef");
    let at = 1_700_000_000_000_000_007;
    let data = b"PUT /i/_doc/1 HTTP/1.1\r\ncontent-length: 2\r\n\r\n{}";
    let prefix = envelope.prefix(3, true, Direction::Read, at, data.len());
    let end = EndOfMessage { at, first_line: 24, head: 45 };
    let suffix = Envelope::suffix(Some(end), 1 << 33, false);
    let stream = TrafficStream::decode(record(&prefix, data, &suffix)).unwrap();
    assert_eq!(stream.connection_id, "0123456789abcdef-1f");
    assert_eq!(stream.node_id, "0123456789abcdef");
    assert_eq!((stream.prior, stream.unterminated), (Some(3), Some(true)));
    assert_eq!((stream.number, stream.last), (Some(0), None));
    let [read, end] = &stream.sub_stream[..] else { panic!("two observations") };
    assert_eq!(read.ts, Some(Timestamp { seconds: 1_700_000_000, nanos: 7 }));
    assert_eq!(&read.read.as_ref().unwrap().data[..], data);
    assert_eq!(end.end, Some(End { first_line: Some(24), head: Some(45) }));
}

#[test]
fn their_records_are_read_too() {
    let stream = TrafficStream {
        connection_id: "c".into(),
        node_id: "n".into(),
        sub_stream: vec![TrafficObservation {
            ts: Some(Timestamp { seconds: 5, nanos: 0 }),
            write: Some(Data { data: Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n") }),
            ..Default::default()
        }],
        last: Some(9),
        ..Default::default()
    };
    let record = decode(&Bytes::from(stream.encode_to_vec())).unwrap();
    assert_eq!((record.number, record.last, record.format), (9, true, 0));
    let kind = Kind::Write(Bytes::from_static(b"HTTP/1.1 200 OK\r\n\r\n"));
    assert_eq!(record.observations, [Observation { at: 5_000_000_000, kind }]);
}

#[test]
fn a_later_version_is_refused_by_name() {
    let mut bytes = connect(&Envelope::new("c", "n"), 1, 1).to_vec();
    bytes.extend([0xA0, 0x06, 0x02]);
    assert_eq!(decode(&Bytes::from(bytes)), Err(RecordError::Version { found: 2 }));
}

#[test]
fn a_heartbeat_comes_back() {
    let mut beat = Heartbeat {
        clock: 2_000_000_001,
        oldest_unjournaled: 1_000_000_000,
        oldest_open_write: 0,
        connections: 12,
        records: 1 << 40,
        switched: None,
    };
    let switched = |off, on| Some(Switched { off, on });
    for said in [None, switched(1_000_000_007, 0), switched(u64::MAX / 2, u64::MAX)] {
        beat.switched = said;
        beat.oldest_open_write = said.map_or(0, |_| u64::MAX);
        let record = decode(&Bytes::copy_from_slice(&heartbeat("node", &beat))).unwrap();
        assert_eq!(record.heartbeat, Some(beat.clone()));
        assert!(record.observations.is_empty());
    }
}

#[test]
fn a_prefix_fits_the_room_in_front_of_a_slab() {
    let id = "x".repeat(36);
    let prefix =
        Envelope::new(&id, &id).prefix(u64::MAX, true, Direction::Write, u64::MAX, 1 << 30);
    assert!(prefix.len() <= 192, "{}", prefix.len());
    let end = EndOfMessage { at: u64::MAX, first_line: u32::MAX, head: u32::MAX };
    let suffix = Envelope::suffix(Some(end), u64::MAX, true);
    assert!(suffix.len() <= 64, "{}", suffix.len());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        connection in "[a-z0-9-]{1,40}",
        data in prop::collection::vec(any::<u8>(), 0..5000),
        (at, number, prior) in (0u64..1 << 62, 1u64.., 0u64..1000),
        (cut, last, ended) in any::<(bool, bool, bool)>(),
    ) {
        let envelope = Envelope::new(&connection, "node");
        let prefix = envelope.prefix(prior, cut, Direction::Read, at, data.len());
        let end = ended.then_some(EndOfMessage { at, first_line: 7, head: 9 });
        let suffix = Envelope::suffix(end, number, last);
        let found = decode(&record(&prefix, &data, &suffix)).unwrap();
        prop_assert_eq!(found.connection, connection);
        prop_assert_eq!((found.number, found.last), (number, last));
        prop_assert_eq!(u64::from(found.prior_requests), prior);
        prop_assert_eq!(found.unterminated_read, cut);
        let mut expected = vec![Observation { at, kind: Kind::Read(Bytes::from(data)) }];
        if ended {
            expected.push(Observation { at, kind: Kind::EndOfMessage { first_line: 7, head: 9 } });
        }
        prop_assert_eq!(found.observations, expected);
    }

    #[test]
    fn bytes_from_outside_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode(&Bytes::from(bytes));
    }
}
