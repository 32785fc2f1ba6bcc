//! The spill's disk runs full while Kafka is away: what doesn't fit is refused, and all that was said to be durable is in the topic when
//! both are mended.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;
mod disk;

use std::path::Path;
use std::time::{Duration, Instant};

use conformance::PATIENCE;
use disk::SmallDisk;
use journal::*;
use tempfile::TempDir;
use testbed::Testbed;

async fn open(url: &JournalUrl, folder: &Path) -> Result<Appender, AppendError> {
    let spill = SpillSettings {
        folder: folder.to_owned(),
        limit_bytes: 1 << 30,
        after: Duration::from_millis(200),
    };
    let settings = AppendSettings { spill: Some(spill), ..AppendSettings::default() };
    let url = url.clone();
    tokio::task::spawn_blocking(move || Appender::open(&url, &settings)).await.unwrap()
}

async fn close(appender: Appender) -> usize {
    let closing = move || appender.close(Duration::from_secs(5));
    tokio::task::spawn_blocking(closing).await.unwrap()
}

/// Whether the first record of a lane becomes durable.
async fn takes(appender: &Appender, id: &str) -> bool {
    let lane = appender.lane(id);
    let record = conformance::record(id, 1, 100_000);
    let appended = appender.append_with_room(&lane, 1, record, Urgency::Held).await;
    let reached = tokio::time::timeout(PATIENCE, lane.durable().reached(1));
    appended.is_ok() && reached.await.unwrap().is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_disk_refuses_is_known_and_nothing_else_is_lost() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = TempDir::new().unwrap();
    let disk = SmallDisk::over(folder.path(), "6m");
    let url: JournalUrl = kafka.journal("full-disk").parse().unwrap();
    let appender = open(&url, disk.path()).await.unwrap();
    let lane = appender.lane("client");
    kafka.kill().await.unwrap();
    let mut durable = 0;
    for number in 1.. {
        assert!(number < 1000, "6 MiB hold less than 100 MB");
        let record = conformance::record("client", number, 100_000);
        if appender.append_with_room(&lane, number, record, Urgency::Held).await.is_err() {
            break;
        }
        let reached = tokio::time::timeout(PATIENCE, lane.durable().reached(number));
        match reached.await.unwrap() {
            Ok(()) => durable = number,
            Err(lost) => {
                assert_eq!(lost.durable, durable, "{lost}");
                break;
            }
        }
    }
    assert!(durable > 10, "{durable}");
    // What doesn't fit is refused, whoever's it is; when somebody has made room, it is taken again.
    assert!(!takes(&appender, "too-large").await);
    disk.resize("64m");
    assert!(takes(&appender, "later").await);
    kafka.start().await.unwrap();
    let until = Instant::now() + PATIENCE;
    while appender.spill().unwrap().spilling {
        assert!(Instant::now() < until, "{:?}", appender.spill());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(close(appender).await, 2, "those that were refused");
    let there = conformance::read_all(&url, "check", StartFrom::Beginning).await;
    let mut numbers: Vec<u64> =
        there.iter().filter(|(_, id, _)| id == "client").map(|(_, _, number)| *number).collect();
    numbers.dedup();
    assert!(numbers.len() as u64 >= durable, "{} of {durable}", numbers.len());
    assert!(there.iter().any(|(_, id, _)| id == "later"));
    assert!(numbers.iter().zip(1..).all(|(number, expected)| *number == expected), "{numbers:?}");
}
