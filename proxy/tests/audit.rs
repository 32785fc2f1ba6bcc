//! The audit of real captures: what was done to one record of a journal is named exactly, and nothing else is.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::process::Command;
use std::time::Duration;

use bytes::Bytes;
use capture_proxy::audit::{Audit, audit};
use journal::{AppendSettings, Appender, JournalUrl, Reader, StartFrom, Urgency};
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng};
use stage::{Stage, read_exact};
use tempfile::TempDir;
use testbed::ScriptedSource;
use tokio::io::AsyncWriteExt;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
const JOURNALS: u64 = 1000;

/// A record as it lies in the journal; of a heartbeat there is no connection.
#[derive(Debug, Clone)]
struct Stored {
    key: String,
    value: Bytes,
    connection: Option<String>,
    number: u64,
    last: bool,
}

/// What a proxy wrote for some clients that were there at the same time.
async fn captured() -> Vec<Stored> {
    let stage = Stage::new(ScriptedSource::answering(OK).await.unwrap()).await;
    let mut clients = Vec::new();
    for _ in 0..8 {
        clients.push(stage.client().await);
    }
    for round in 0..5 {
        for (place, client) in clients.iter_mut().enumerate().skip(round) {
            let body = "x".repeat(place * 37);
            let head = format!(
                "PUT /i/_doc/{place} HTTP/1.1\r\nhost: a\r\ncontent-length: {}",
                body.len()
            );
            client.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).await.unwrap();
            assert_eq!(read_exact(client, OK.len()).await, OK);
        }
    }
    drop(clients);
    let folder = stage.finish().await.folder.unwrap();
    read(&folder).await
}

fn url(folder: &TempDir) -> JournalUrl {
    JournalUrl::File(folder.path().join("j"))
}

async fn read(folder: &TempDir) -> Vec<Stored> {
    let mut reader = Reader::open(&url(folder), "test", StartFrom::Beginning, &[]).await.unwrap();
    let ends = reader.ends().await.unwrap();
    let mut records = Vec::new();
    while !reader.has_reached(&ends) {
        let entry = reader.next().await.unwrap();
        let record = entry.record.unwrap();
        let is_beat = record.heartbeat.is_some();
        records.push(Stored {
            key: String::from_utf8(entry.key.to_vec()).unwrap(),
            value: entry.value,
            number: record.number,
            last: record.last,
            connection: (!is_beat).then_some(record.connection),
        });
    }
    records
}

async fn audited(records: &[Stored]) -> (Audit, TempDir) {
    let folder = TempDir::new().unwrap();
    let appender = Appender::open(&url(&folder), &AppendSettings::default()).unwrap();
    for (number, record) in (1..).zip(records) {
        let lane = appender.lane(&record.key);
        appender.append(&lane, number, record.value.clone(), Urgency::Follows).unwrap();
    }
    assert_eq!(appender.close(Duration::ZERO), 0);
    (audit(&url(&folder), &[]).await.unwrap(), folder)
}

/// Does something to one record, or to two; says what the audit has to find, and to note.
fn touch(records: &mut Vec<Stored>, rng: &mut SmallRng) -> (Option<String>, Option<String>) {
    let places: Vec<usize> =
        (0..records.len()).filter(|place| records[*place].connection.is_some()).collect();
    let place = *places.choose(rng).unwrap();
    let touched = records[place].clone();
    let (connection, number) = (touched.connection.clone().unwrap(), touched.number);
    // Places of the same connection, in their order.
    let own: Vec<usize> =
        places.into_iter().filter(|at| records[*at].connection == touched.connection).collect();
    let other = *own.iter().filter(|at| **at != place).collect::<Vec<_>>().choose(rng).unwrap();
    let passed = records[*other].number;
    let about = |what: String| Some(format!("connection {connection}{what}"));
    let swapped = || {
        let (first, second) = (number.min(passed), number.max(passed));
        about(format!(": records {first} and {second} have changed places"))
    };
    match rng.random_range(0..4) {
        0 => {
            records.remove(place);
            let what = if touched.last {
                " lacks its last record".into()
            } else {
                format!(" lacks its record {number}")
            };
            (about(what), None)
        }
        1 => {
            records.insert(rng.random_range(place + 1..=records.len()), touched);
            (None, about(format!(": record {number} comes again in partition 0 at offset ")))
        }
        2 => {
            records.swap(place, *other);
            (None, swapped())
        }
        _ => {
            // Behind the other, or before it.
            let moved = records.remove(place);
            records.insert(*other, moved);
            let note = match number.abs_diff(passed) {
                1 => swapped(),
                _ if number < passed => about(format!(": record {number} comes behind {passed}")),
                _ => about(format!(": record {number} comes before {passed}")),
            };
            (None, note)
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_record_that_was_touched_is_named_and_no_other() {
    let records = captured().await;
    let (whole, folder) = audited(&records).await;
    assert!(whole.whole && whole.findings.is_empty() && whole.notes.is_empty(), "{whole}");
    assert_eq!((whole.connections, whole.open), (8, 0), "{whole}");
    let program = |folder: &TempDir| {
        let journal = url(folder).to_string();
        let output = Command::new(env!("CARGO_BIN_EXE_capture-proxy"))
            .args(["audit", "--journal", &journal, "--json"])
            .output()
            .unwrap();
        let said: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (output.status.code(), said["whole"].as_bool())
    };
    assert_eq!(program(&folder), (Some(0), Some(true)));

    let first: u64 = rand::random::<u32>().into();
    println!("seeds {first} to {}", first + JOURNALS - 1);
    for seed in first..first + JOURNALS {
        let mut touched = records.clone();
        let (finding, note) = touch(&mut touched, &mut SmallRng::seed_from_u64(seed));
        let (audit, folder) = audited(&touched).await;
        let is = |said: &[String], expected: &Option<String>| match (said, expected) {
            ([], None) => true,
            ([said], Some(expected)) => said.starts_with(expected.as_str()),
            _ => false,
        };
        let exact = is(&audit.findings, &finding) && is(&audit.notes, &note);
        assert!(exact, "seed {seed}: {finding:?} {note:?}\n{audit}");
        assert_eq!(audit.whole, finding.is_none(), "seed {seed}: {audit}");
        if seed == first {
            let code = i32::from(finding.is_some());
            assert_eq!(program(&folder), (Some(code), Some(finding.is_none())));
        }
    }
}
