//! What a client's stream is to who reads it byte by byte, and what a journal has of each connection.

use std::collections::BTreeMap;

use codec::http1::{Event, RequestFramer};
use codec::reads::only_reads;
use codec::record::Kind;

use super::Captured;

/// A stream of requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed {
    /// Requests with an end.
    pub requests: usize,
    pub opaque: bool,
    /// One of them may change the protocol, and there are bytes behind it.
    pub may_switch: bool,
    /// Bytes at its beginning that may be sent on before anything is durable: reads, and no more.
    pub unheld: usize,
}

impl Framed {
    pub fn of(stream: &[u8]) -> Framed {
        let mut framer = RequestFramer::default();
        let mut framed = Framed { requests: 0, opaque: false, may_switch: false, unheld: 0 };
        let (mut only_read, mut in_read, mut upgrade) = (true, false, false);
        for (at, byte) in stream.iter().enumerate() {
            let mut rest = std::slice::from_ref(byte);
            loop {
                let (taken, event) = framer.advance(rest);
                rest = &rest[taken..];
                match event {
                    Some(Event::Head(head)) => {
                        framed.may_switch |= upgrade;
                        let reads = only_reads(head.method_bytes, head.target);
                        only_read &= reads && !head.expect_continue && !upgrade;
                        (in_read, upgrade) = (only_read, upgrade || head.upgrade);
                    }
                    Some(Event::End) => {
                        framed.requests += 1;
                        if in_read {
                            framed.unheld = at + 1;
                        }
                        in_read = false;
                    }
                    Some(Event::Opaque(_)) => {
                        framed.may_switch |= upgrade;
                        framed.opaque = true;
                        return framed;
                    }
                    None => break,
                }
            }
            if in_read {
                framed.unheld = at + 1;
            }
        }
        framed
    }
}

/// What a journal has of a connection.
#[derive(Debug, Clone, Default)]
pub struct OnRecord {
    pub requests: Vec<u8>,
    pub answers: Vec<u8>,
    /// Requests whose end was seen.
    pub ends: usize,
    pub opaque: bool,
}

pub fn by_connection(captured: &Captured) -> BTreeMap<String, OnRecord> {
    let mut found: BTreeMap<String, OnRecord> = BTreeMap::new();
    for record in &captured.records {
        let on_record = found.entry(record.connection.clone()).or_default();
        for observation in &record.observations {
            match &observation.kind {
                Kind::Read(data) => on_record.requests.extend_from_slice(data),
                Kind::Write(data) => on_record.answers.extend_from_slice(data),
                Kind::EndOfMessage { .. } => on_record.ends += 1,
                Kind::Exception(message) => on_record.opaque |= message.starts_with("opaque"),
                _ => {}
            }
        }
    }
    found
}
