//! `protoc --decode TrafficStream`, given the public field numbers, reads our records.
#![allow(clippy::unwrap_used)] // a test fails by panicking

use std::io::Write;
use std::process::{Command, Stdio};

use codec::record::{Direction, EndOfMessage, Envelope, close, connect, exception};

fn decode(record: &[u8]) -> String {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut protoc = Command::new("protoc")
        .args(["--decode", "TrafficStream", "-I", folder, "TrafficStream.proto"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("protoc runs (Debian: protobuf-compiler)");
    protoc.stdin.take().unwrap().write_all(record).unwrap();
    let output = protoc.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn protoc_reads_what_a_proxy_writes() {
    let envelope = Envelope::new("c-1", "node");
    let data = b"DELETE /i HTTP/1.1\r\n\r\n";
    let prefix = envelope.prefix(2, false, Direction::Read, 1_000_000_002, data.len());
    let end = EndOfMessage { at: 1_000_000_003, first_line: 20, head: 22 };
    let suffix = Envelope::suffix(Some(end), 7, false);
    let text = decode(&[&prefix[..], data, &suffix].concat());
    let words: Vec<&str> = text.split_whitespace().collect();
    let expected = r#"connectionId: "c-1" subStream { ts { seconds: 1 nanos: 2 } read { data:
        "DELETE /i HTTP/1.1\r\n\r\n" } } subStream { ts { seconds: 1 nanos: 3 }
        endOfMessageIndicator { firstLineByteLength: 20 headersByteLength: 22 } } number: 7
        nodeId: "node" priorRequestsReceived: 2 100: 1 101: 7"#;
    assert_eq!(words, expected.split_whitespace().collect::<Vec<_>>());
    for (record, word) in [
        (connect(&envelope, 1, 1), "connect {"),
        (exception(&envelope, 0, true, 1, "source: refused", 2), "connectionException {"),
        (close(&envelope, 0, false, 1, 3), "numberOfThisLastChunk: 3"),
    ] {
        let text = decode(&record);
        assert!(text.contains(word), "{text}");
    }
}
