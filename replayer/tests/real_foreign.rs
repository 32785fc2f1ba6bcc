//! Captures of the reference implementation: its topics, with both forms of keys, and exports.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::{io::Write as _, sync::Arc, time::Duration};

use cluster::Method;
use codec::record::Record;
use flate2::{Compression, write::GzEncoder};
use journal::{AppendSettings, Appender, JournalUrl, Reader, StartFrom, Urgency};
use lab::{
    Lab,
    foreign::{Foreign, translated},
};
use serde_json::json;
use testbed::SharedKafka;
use traffic_replayer::{ExportFlags, Exported, export};

static KAFKA: SharedKafka = SharedKafka::new();
const PARTITIONS: i32 = 3;

/// Four clients write; an index is made, filled, deleted and made again with another mapping.
async fn captured(name: &str) -> Arc<Lab> {
    let lab = Lab::start(name).await;
    for kind in ["keyword", "long"] {
        let index = &lab.index;
        lab.any(Method::DELETE, &format!("/{index}"), &json!(null)).await;
        let mapping = json!({"mappings": {"properties": {"n": {"type": kind}}}});
        lab.ok(Method::PUT, &format!("/{index}"), &mapping).await;
        let client = |number: u64| {
            let lab = &lab;
            async move {
                for step in 0..20 {
                    let path = format!("/{}/_doc/{}", lab.index, (number * 7 + step * 11) % 30);
                    let long = "x".repeat(step as usize * 30);
                    match (number + step) % 3 {
                        0 => drop(lab.any(Method::DELETE, &path, &json!(null)).await),
                        _ => drop(lab.ok(Method::PUT, &path, &json!({"n": step, "s": long})).await),
                    }
                }
            }
        };
        futures::future::join_all((0..4).map(client)).await;
    }
    lab.stop_proxy().await;
    lab
}

async fn records(journal: &JournalUrl) -> Vec<Record> {
    let mut reader = Reader::open(journal, "test", StartFrom::Beginning, &[]).await.unwrap();
    let ends = reader.ends().await.unwrap();
    let mut records = Vec::new();
    while !reader.has_reached(&ends) {
        records.push(reader.next().await.unwrap().record.unwrap());
    }
    records
}

/// Writes a topic with the keys and partitions that `place` says.
async fn write_topic(
    topic: &str,
    all: &[Foreign],
    place: impl Fn(&Foreign) -> (i32, String),
) -> JournalUrl {
    let kafka = KAFKA.get().await.unwrap();
    kafka.create_topic(topic, PARTITIONS).await.unwrap();
    let journal: JournalUrl = kafka.journal(topic).parse().unwrap();
    let settings = AppendSettings { partitions: PARTITIONS, ..AppendSettings::default() };
    let appender = Appender::open(&journal, &settings).unwrap();
    for (number, one) in all.iter().enumerate() {
        let (partition, key) = place(one);
        let lane = appender.lane_in(partition, &key);
        appender.append(&lane, number as u64, one.value.clone(), Urgency::Held).unwrap();
    }
    assert_eq!(appender.close(Duration::from_secs(20)), 0);
    journal
}

/// A connection's partition.
fn partition(one: &Foreign) -> i32 {
    one.connection.bytes().map(i32::from).sum::<i32>() % PARTITIONS
}

async fn replays(lab: &Lab, journal: &JournalUrl) {
    let summary = lab.replay(|settings| settings.journal = journal.clone()).await.unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert!(summary.operations["journal"] > 60, "{summary}");
    lab.assert_equal().await;
    assert_eq!(lab.differences().await, Vec::<String>::new());
    let summary = lab.replay(|settings| settings.journal = journal.clone()).await.unwrap();
    assert_eq!((summary.requests, summary.is_converged()), (0, true), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_keyed_by_connection() {
    let lab = captured("theirs").await;
    let all = translated(records(&lab.journal()).await);
    let journal = write_topic("keyed", &all, |one| (partition(one), one.connection.clone())).await;
    replays(&lab, &journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_keyed_by_connection_and_number() {
    let lab = captured("scattered").await;
    let all = translated(records(&lab.journal()).await);
    let scattered = |one: &Foreign| {
        let partition = (partition(one) + one.number as i32 * 2) % PARTITIONS;
        (partition, format!("{}.{}", one.connection, one.number))
    };
    let journal = write_topic("scattered", &all, scattered).await;
    replays(&lab, &journal).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_several_partitions() {
    let lab = captured("exported").await;
    let mut all = translated(records(&lab.journal()).await);
    // One partition after the other: what is late in time comes early in the file.
    all.sort_by_key(partition);
    let mut lines = Vec::new();
    for one in &all {
        codec::export::write(one.connection.as_bytes(), &one.value, &mut lines);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("traffic.proto.gz");
    let mut out = GzEncoder::new(std::fs::File::create(&file).unwrap(), Compression::fast());
    out.write_all(&lines).unwrap();
    out.finish().unwrap();
    replays(&lab, &format!("export://{}", file.display()).parse().unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_ours() {
    let lab = captured("ours").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ours.proto.gz");
    let journal = lab.journal().to_string();
    let flags = ExportFlags { journal, file: file.clone(), ..ExportFlags::default() };
    let exported = export(&flags).await.unwrap();
    let before = records(&lab.journal()).await;
    assert_eq!(exported, Exported { records: before.len() as u64, unknown: 0, lost: 0 });
    let journal: JournalUrl = format!("export://{}", file.display()).parse().unwrap();
    assert_eq!(records(&journal).await, before);
    replays(&lab, &journal).await;
}
