//! What any journal promises, checked on the one whose url it is given.
#![allow(dead_code, unreachable_pub)] // each test file uses its part
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use codec::record::{self, Envelope};
use journal::*;

/// Long enough for a loaded machine; tests wait for things, not for this.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub fn record(connection: &str, number: u64, length: usize) -> Bytes {
    let envelope = Envelope::new(connection, "node");
    let prefix = envelope.prefix(0, false, record::Direction::Read, 7, length);
    let suffix = Envelope::suffix(None, number, false);
    buffer_join(&prefix, &vec![number as u8; length], &suffix)
}

fn buffer_join(prefix: &[u8], data: &[u8], suffix: &[u8]) -> Bytes {
    Bytes::from([prefix, data, suffix].concat())
}

pub async fn open(url: &JournalUrl) -> Appender {
    let url = url.clone();
    let opening = move || Appender::open(&url, &AppendSettings::default()).unwrap();
    tokio::task::spawn_blocking(opening).await.unwrap()
}

/// Reads to the end as it is now: (connection, number) in order, by partition.
pub async fn read_all(url: &JournalUrl, group: &str, start: StartFrom) -> Vec<(i32, String, u64)> {
    let mut reader = Reader::open(url, group, start, &[]).await.unwrap();
    let ends = reader.ends().await.unwrap();
    let mut found = Vec::new();
    while !reader.has_reached(&ends) {
        let entry = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        let record = entry.record.unwrap();
        found.push((entry.partition, record.connection, record.number));
    }
    found
}

/// The last number of each connection in a topic, read by the rule for readers: what is there twice is dropped, a jump
/// is a fault.
pub async fn last_numbers(url: &JournalUrl) -> BTreeMap<String, u64> {
    let mut last = BTreeMap::new();
    for (_, id, number) in read_all(url, "check", StartFrom::Beginning).await {
        let last = last.entry(id.clone()).or_insert(0);
        assert!(number <= *last + 1, "{id}: {number} after {last}");
        *last = number.max(*last);
    }
    last
}

/// Everything that was said to be durable is read back, each connection in one partition, in order.
pub async fn what_is_durable_is_read_in_order(url: &JournalUrl) {
    let appender = open(url).await;
    let connections: Vec<String> = (0..40).map(|number| format!("in-order-{number}")).collect();
    let lanes: Vec<Lane> = connections.iter().map(|id| appender.lane(id)).collect();
    for number in 1..=100 {
        for (lane, id) in lanes.iter().zip(&connections) {
            let urgency = if number % 3 == 0 { Urgency::Held } else { Urgency::Follows };
            let mut bytes = record(id, number, number as usize * 7);
            while let Err(error) = appender.append(lane, number, bytes.clone(), urgency) {
                let AppendError::Full(back) = error else { panic!("{error}") };
                bytes = back;
                appender.room().await;
            }
        }
    }
    for lane in &lanes {
        tokio::time::timeout(PATIENCE, lane.durable().reached(100)).await.unwrap().unwrap();
    }
    let mut by_connection: BTreeMap<String, (i32, Vec<u64>)> = BTreeMap::new();
    for (partition, id, number) in read_all(url, "order", StartFrom::Beginning).await {
        let (first, numbers) = by_connection.entry(id).or_insert((partition, vec![]));
        assert_eq!(*first, partition);
        numbers.push(number);
    }
    assert_eq!(by_connection.len(), connections.len());
    for (id, (_, numbers)) in by_connection {
        assert_eq!(numbers, (1..=100).collect::<Vec<_>>(), "{id}");
    }
    assert_eq!(appender.moved(), 0);
}

/// A group begins where it committed; another group begins at the beginning.
pub async fn a_group_goes_on_where_it_committed(url: &JournalUrl) {
    let appender = open(url).await;
    let lane = appender.lane_in(0, "groups");
    for number in 1..=10 {
        appender.append(&lane, number, record("groups", number, 10), Urgency::Held).unwrap();
    }
    lane.durable().reached(10).await.unwrap();
    let mut reader = Reader::open(url, "a", StartFrom::Group, &[]).await.unwrap();
    let mut offset = None;
    while offset.is_none() {
        let entry = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        let record = entry.record.unwrap();
        if record.connection == "groups" && record.number == 4 {
            offset = Some((entry.partition, entry.next));
        }
    }
    let (partition, offset) = offset.unwrap();
    reader.commit(partition, offset).await.unwrap();
    drop(reader);
    let numbers = |found: Vec<(i32, String, u64)>| -> Vec<u64> {
        found.into_iter().filter(|(_, id, _)| id == "groups").map(|(_, _, n)| n).collect()
    };
    assert_eq!(numbers(read_all(url, "a", StartFrom::Group).await), (5..=10).collect::<Vec<_>>());
    assert_eq!(numbers(read_all(url, "b", StartFrom::Group).await), (1..=10).collect::<Vec<_>>());
}

/// A reader that has reached the end waits, and is given what comes then.
pub async fn a_reader_at_the_end_is_given_what_comes(url: &JournalUrl) {
    let appender = open(url).await;
    let lane = appender.lane_in(0, "tail");
    appender.append(&lane, 1, record("tail", 1, 10), Urgency::Held).unwrap();
    lane.durable().reached(1).await.unwrap();
    let mut reader = Reader::open(url, "tail", StartFrom::Beginning, &[]).await.unwrap();
    let ends = reader.ends().await.unwrap();
    while !reader.has_reached(&ends) {
        reader.next().await.unwrap();
    }
    let waiting = tokio::spawn(async move { reader.next().await });
    tokio::task::yield_now().await;
    appender.append(&lane, 2, record("tail", 2, 10), Urgency::Held).unwrap();
    let entry = tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap();
    assert_eq!(entry.record.unwrap().number, 2);
}

/// A full queue gives the record back, and there is room again.
pub async fn a_full_queue_gives_the_record_back(url: &JournalUrl) {
    let small = AppendSettings { queue_bytes: 64 << 10, ..AppendSettings::default() };
    let opened = {
        let url = url.clone();
        tokio::task::spawn_blocking(move || Appender::open(&url, &small).unwrap())
    };
    let appender = opened.await.unwrap();
    let lane = appender.lane("full");
    let (mut number, mut full) = (0, 0);
    while number < 200 {
        let bytes = record("full", number + 1, 16 << 10);
        match appender.append(&lane, number + 1, bytes.clone(), Urgency::Follows) {
            Ok(()) => number += 1,
            Err(AppendError::Full(back)) => {
                assert_eq!(back, bytes);
                assert!(appender.waiting_bytes() <= 96 << 10, "{}", appender.waiting_bytes());
                full += 1;
                tokio::time::timeout(PATIENCE, appender.room()).await.unwrap();
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(full > 0);
    let closing = tokio::task::spawn_blocking(move || appender.close(PATIENCE));
    assert_eq!(closing.await.unwrap(), 0);
    let found = read_all(url, "full", StartFrom::Beginning).await;
    assert_eq!(found.iter().filter(|(_, id, _)| id == "full").count(), 200);
}
