//! What else becomes of a real broker under load: its topic is deleted, its disk is full, it takes bytes and never answers.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;
mod load;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use journal::*;
use load::Load;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use tempfile::TempDir;
use testbed::{Kafka, Testbed};

const INSIDE: &str = "GODWIT_TEST_SMALL_BROKER";

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

    // Who deletes a topic loses what is in it. From some number on all is there.
    let mut found: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    for (_, id, number) in conformance::read_all(&url, "check", StartFrom::Beginning).await {
        let (_, last) = found.entry(id.clone()).or_insert((number, number));
        assert!(number <= *last + 1, "{id}: {number} after {last}");
        *last = number.max(*last);
    }
    println!("{found:?}");
    assert!(found.values().all(|(first, _)| *first <= spilling + 1), "after {spilling}: {found:?}");
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

/// Re-runs itself where it may mount: as root, in a namespace of its own.
#[test]
fn a_broker_whose_disk_is_full_loses_nothing_acknowledged() {
    if std::env::var(INSIDE).is_ok() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(full_disk());
    }
    let test = std::env::current_exe().unwrap();
    let name = "a_broker_whose_disk_is_full_loses_nothing_acknowledged";
    let status = Command::new("unshare")
        .args(["--mount", "--propagation", "private"])
        .arg(test)
        .args(["--exact", name, "--nocapture"])
        .env(INSIDE, "1")
        .status()
        .expect("unshare (util-linux) runs");
    assert!(status.success(), "{status} (mounting needs root)");
}

fn run(program: &str, args: &[&str]) {
    let status = Command::new(program).args(args).status().unwrap();
    assert!(status.success(), "{program} {args:?}: {status}");
}

/// Fills the disk that `file` is on, up to so many bytes.
fn fill(file: &Path, left: u64) {
    let folder = file.parent().unwrap().display().to_string();
    let free = Command::new("df").args(["--output=avail", "--block-size=1", &folder]).output();
    let free = String::from_utf8(free.unwrap().stdout).unwrap();
    let free: u64 = free.lines().nth(1).unwrap().trim().parse().unwrap();
    fs::write(file, vec![0; free.saturating_sub(left) as usize]).unwrap();
}

async fn full_disk() {
    let kafka = Testbed::kafka().await.unwrap();
    kafka.stop().await.unwrap();
    let data = kafka.folder().join("data");
    let (data, saved) =
        (data.display().to_string(), kafka.folder().join("saved").display().to_string());
    run("cp", &["-a", &data, &saved]);
    run("mount", &["-t", "tmpfs", "-o", "size=128m,mode=755,uid=65534,gid=65534", "none", &data]);
    run("cp", &["-a", &format!("{saved}/."), &data]);
    kafka.start().await.unwrap();

    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("full").parse().unwrap();
    let load = Load::begin(load::open(&url, &load::with_spill(folder.path())).await, 20_000);
    load.goes_on(5).await;
    let ballast = Path::new(&data).join("ballast");
    fill(&ballast, 4 << 20);
    load.spills(true).await;
    load.goes_on(20).await;
    fs::remove_file(&ballast).unwrap();
    // Kafka ends by itself when its only disk fails.
    kafka.kill().await.unwrap();
    kafka.start().await.unwrap();
    load.spills(false).await;
    load.goes_on(5).await;
    let (expected, _) = load.end().await;
    assert_eq!(conformance::last_numbers(&url).await, expected);
    kafka.kill().await.unwrap();
    run("umount", &[&data]);
}
