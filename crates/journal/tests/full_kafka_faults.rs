//! What else becomes of a real broker under load: its topic is deleted, it takes bytes and never answers, its disk is full.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;
mod disk;
mod load;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use disk::SmallDisk;
use journal::*;
use load::Load;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use tempfile::TempDir;
use testbed::{Kafka, Testbed};

async fn delete(kafka: &Kafka, topic: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.addr().to_string());
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    admin.delete_topics(&[topic], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_deleted_is_made_again_and_has_all_that_follows() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("deleted").parse().unwrap();
    let load = Load::begin(load::open(&url, &load::with_spill(folder.path())).await, 300);
    load.goes_on(50).await;
    delete(&kafka, "deleted").await;
    load.spills(true).await;
    let spilling = load.rounds();
    load.goes_on(50).await;
    load.spills(false).await;
    load.goes_on(20).await;
    // With the partitions that it had, although brokers make topics with four.
    assert_eq!(kafka.leaders("deleted").await.unwrap().len(), 6);
    let (expected, slowest) = load.end().await;
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");

    // Who deletes a topic loses what is in it: up to the round that went on when it was noticed. From then on all is there.
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (_, id, number) in conformance::read_all(&url, "check", StartFrom::Beginning).await {
        let (_, last) = found.entry(id.clone()).or_insert((number, number));
        assert!(number <= *last + 1, "{id}: {number} after {last}");
        *last = number.max(*last);
    }
    println!("{found:?}");
    assert!(found.values().all(|(first, _)| *first <= spilling + 2), "after {spilling}: {found:?}");
    let last: BTreeMap<String, u64> = found.into_iter().map(|(id, (_, last))| (id, last)).collect();
    assert_eq!(last, expected);
}

/// Takes connections and bytes, and never answers. Ends when it is dropped.
struct Mute(tokio::task::JoinHandle<()>);

impl Mute {
    async fn in_place_of(kafka: &Kafka) -> Mute {
        let listener = tokio::net::TcpListener::bind(kafka.addr()).await.unwrap();
        Mute(tokio::spawn(async move {
            let mut held = tokio::task::JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                held.spawn(async move {
                    let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
                });
            }
        }))
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        self.0.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_takes_bytes_and_never_answers_is_left_alone() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("mute").parse().unwrap();
    let settings = load::with_spill(folder.path());
    let load = Load::begin(load::open(&url, &settings).await, 300);
    load.goes_on(20).await;
    kafka.kill().await.unwrap();
    let mute = Mute::in_place_of(&kafka).await;
    load.spills(true).await;
    load.goes_on(100).await;
    let (first, slowest) = load.end().await;
    assert!(slowest < Duration::from_secs(10), "{slowest:?}");

    // A start in front of it waits for a moment where there is a spill, and says what is wrong where there is none.
    let began = Instant::now();
    let again = load::open(&url, &settings).await;
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let alone = AppendSettings { spill: None, ..settings.clone() };
    let (address, opening) = (url.clone(), Instant::now());
    let refused = tokio::task::spawn_blocking(move || Appender::open(&address, &alone));
    let refused = refused.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("no broker answered within"), "{refused}");
    assert!(opening.elapsed() < Duration::from_secs(30), "{:?}", opening.elapsed());
    let lane = again.lane("later");
    let record = conformance::record("later", 1, 100);
    again.append(&lane, 1, record, Urgency::Held).unwrap();
    tokio::time::timeout(conformance::PATIENCE, lane.durable().reached(1)).await.unwrap().unwrap();

    drop(mute);
    let until = Instant::now() + conformance::PATIENCE;
    while tokio::net::TcpStream::connect(kafka.addr()).await.is_ok() {
        assert!(Instant::now() < until, "the port is still taken");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    kafka.start().await.unwrap();
    while again.spill().unwrap().spilling {
        assert!(Instant::now() < until, "{:?}", again.spill());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut expected = first;
    expected.insert("later".into(), 1);
    assert_eq!(conformance::last_numbers(&url).await, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_whose_disk_is_full_is_waited_for() {
    let kafka = Testbed::kafka().await.unwrap();
    kafka.stop().await.unwrap();
    let disk = SmallDisk::over(&kafka.folder().join("data"), "1g");
    kafka.start().await.unwrap();
    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("full").parse().unwrap();
    let load = Load::begin(load::open(&url, &load::with_spill(folder.path())).await, 300);
    load.goes_on(50).await;
    disk.shrink_to_fit(64);
    load.spills(true).await;
    load.goes_on(50).await;

    // A broker that can't write ends itself; one that hasn't yet is ended as an operator would do.
    disk.resize("1g");
    kafka.stop().await.unwrap();
    kafka.start().await.unwrap();
    load.spills(false).await;
    load.goes_on(20).await;
    let (expected, slowest) = load.end().await;
    assert!(slowest < Duration::from_secs(20), "{slowest:?}");
    assert_eq!(conformance::last_numbers(&url).await, expected);
}
