//! Journals that no proxy would write, or not just now.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use codec::record::{self, Direction, Envelope, Heartbeat};
use journal::{AppendSettings, Appender, JournalUrl, Urgency};

/// The proxy of all of it.
pub const NODE: &str = "handmade";

pub fn now() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64
}

fn record(at: u64, direction: Direction, connection: &str, number: u64, bytes: &str) -> Bytes {
    let mut record = Vec::new();
    let envelope = Envelope::new(connection, NODE);
    record.extend_from_slice(&envelope.prefix(0, false, direction, at, bytes.len()));
    record.extend_from_slice(bytes.as_bytes());
    record.extend_from_slice(&Envelope::suffix(None, number, false));
    record.into()
}

/// A record of what a client sent.
pub fn asked(connection: &str, number: u64, bytes: &str) -> Bytes {
    asked_at(now(), connection, number, bytes)
}

/// The same at another time.
pub fn asked_at(at: u64, connection: &str, number: u64, bytes: &str) -> Bytes {
    record(at, Direction::Read, connection, number, bytes)
}

/// A record of what the source answered.
pub fn answered(connection: &str, number: u64, bytes: &str) -> Bytes {
    answered_at(now(), connection, number, bytes)
}

/// The same at another time.
pub fn answered_at(at: u64, connection: &str, number: u64, bytes: &str) -> Bytes {
    record(at, Direction::Write, connection, number, bytes)
}

/// The proxy says that it lives, and that all is in the journal.
pub fn heartbeat() -> Bytes {
    heartbeat_at(now())
}

/// The same at another time.
pub fn heartbeat_at(at: u64) -> Bytes {
    let beat = Heartbeat { clock: at, oldest_unjournaled: at, ..Heartbeat::default() };
    Bytes::copy_from_slice(&record::heartbeat(NODE, &beat))
}

/// Writes records: connection, number, bytes.
pub async fn append(journal: &JournalUrl, records: &[(&str, u64, Bytes)]) {
    let appender = Appender::open(journal, &AppendSettings::default()).unwrap();
    for (connection, number, record) in records {
        let lane = appender.lane(connection);
        appender.append(&lane, *number, record.clone(), Urgency::Held).unwrap();
        lane.durable().reached(*number).await.unwrap();
    }
    assert_eq!(appender.close(Duration::from_secs(10)), 0);
}
