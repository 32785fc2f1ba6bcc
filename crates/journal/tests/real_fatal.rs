//! A real broker that comes back without the end of what it had acknowledged: the producer can't go on, and another does.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use conformance::PATIENCE;
use journal::*;
use tempfile::TempDir;
use testbed::{Kafka, Testbed};

const PARTITIONS: i32 = 3;

/// The one segment of each partition of a topic.
fn segments(kafka: &Kafka, topic: &str) -> Vec<PathBuf> {
    let data = kafka.folder().join("data");
    let segment =
        |partition| data.join(format!("{topic}-{partition}")).join("00000000000000000000.log");
    (0..PARTITIONS).map(segment).collect()
}

async fn append(appender: &Appender, lanes: &BTreeMap<String, Lane>, number: u64) {
    for (id, lane) in lanes {
        let record = conformance::record(id, number, 300);
        appender.append_with_room(lane, number, record, Urgency::Held).await.unwrap();
    }
}

async fn reached(lanes: &BTreeMap<String, Lane>, number: u64) {
    for lane in lanes.values() {
        tokio::time::timeout(PATIENCE, lane.durable().reached(number)).await.unwrap().unwrap();
    }
}

async fn a_broker_that_lost_its_end(kafka: &Kafka, topic: &str, spill: Option<SpillSettings>) {
    let url: JournalUrl = kafka.journal(topic).parse().unwrap();
    let settings = AppendSettings { spill, partitions: PARTITIONS, ..AppendSettings::default() };
    let opening = {
        let url = url.clone();
        tokio::task::spawn_blocking(move || Appender::open(&url, &settings).unwrap())
    };
    let appender = opening.await.unwrap();
    let ids = (0..12).map(|number| format!("client-{number}"));
    let lanes: BTreeMap<String, Lane> = ids.map(|id| (id.clone(), appender.lane(&id))).collect();
    for number in 1..=30 {
        append(&appender, &lanes, number).await;
        reached(&lanes, number).await;
    }
    let kept: Vec<(PathBuf, u64)> = segments(kafka, topic)
        .into_iter()
        .map(|path| (path.clone(), fs::metadata(path).unwrap().len()))
        .collect();
    for number in 31..=50 {
        append(&appender, &lanes, number).await;
        reached(&lanes, number).await;
    }
    kafka.kill().await.unwrap();
    for (path, length) in kept {
        assert!(length > 1000 && fs::metadata(&path).unwrap().len() > length, "{path:?}");
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length).unwrap();
    }
    // With records on their way, and more that come while it is told.
    for number in 51..=70 {
        append(&appender, &lanes, number).await;
    }
    kafka.start().await.unwrap();
    for number in 71..=200 {
        append(&appender, &lanes, number).await;
    }
    reached(&lanes, 200).await;
    let broken = appender.broken_producers();
    let state = appender.spill();
    assert!(broken >= 1, "{broken}; {state:?}");
    let closing = tokio::task::spawn_blocking(move || appender.close(PATIENCE));
    assert_eq!(closing.await.unwrap(), 0);

    // What it had acknowledged and lost is a gap that only it has made; all else is there, in order.
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (_, id, number) in conformance::read_all(&url, "check", StartFrom::Beginning).await {
        let numbers = found.entry(id).or_default();
        // Whatever comes again, readers drop.
        if numbers.last().is_none_or(|last| number > *last) {
            numbers.push(number);
        }
    }
    let expected: Vec<u64> = (1..=30).chain(51..=200).collect();
    assert_eq!(found.len(), lanes.len());
    for (id, numbers) in found {
        assert_eq!(numbers, expected, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_lost_what_it_had_acknowledged_is_written_to_again() {
    let kafka = Testbed::kafka().await.unwrap();
    a_broker_that_lost_its_end(&kafka, "alone", None).await;
    let folder = TempDir::new().unwrap();
    let (folder, limit_bytes) = (folder.path().to_owned(), 1 << 30);
    // However slow it is: only its refusal leads to the spill.
    let spill = SpillSettings { folder, limit_bytes, after: Duration::from_secs(600) };
    a_broker_that_lost_its_end(&kafka, "spilling", Some(spill)).await;
}
