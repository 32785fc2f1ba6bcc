//! Journals that nobody should write: what can be read is replayed exactly, and what can't is named.
#![allow(clippy::unwrap_used)] // a test fails by panicking

mod lab;

use std::sync::Arc;

use bytes::Bytes;
use cluster::Method;
use journal::JournalUrl;
use lab::{
    Lab,
    faults::{Exchanged, append_raw, continued, on_target, response},
    handmade::{answered, heartbeat},
};
use serde_json::{Value, json};
use testbed::SharedKafka;

static KAFKA: SharedKafka = SharedKafka::new();

/// What is done to a record.
type Damage = fn(&[u8]) -> Vec<u8>;
/// What is done to the items of an answer.
type Change = fn(&mut Vec<Value>);

/// A lab whose journal is written by hand.
async fn lab(name: &str) -> Arc<Lab> {
    let lab = Lab::start(name).await;
    lab.stop_proxy().await;
    lab
}

fn in_one(records: impl IntoIterator<Item = Bytes>) -> Vec<(i32, Bytes)> {
    records.into_iter().map(|record| (0, record)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_named_and_the_rest_replayed() {
    let lab = lab("damaged").await;
    let mut records = Vec::new();
    let damages: [(&str, Damage); 5] = [
        ("cut", |record| record[..record.len() / 2].to_vec()),
        ("lying", |record| [record, &[0x1A, 0x7F, 1, 2]].concat()),
        ("endless", |record| [record, &[0x1A], &[0xFF; 9][..], &[0x7F]].concat()),
        // Format version 2: a later field wins.
        ("future", |record| [record, &[0xA0, 0x06, 2]].concat()),
        ("garbage", |record| record.iter().map(|byte| !byte).collect()),
    ];
    let mut expected = Vec::new();
    for (name, damage) in damages {
        // The first record of the one connection is damaged, the second of the other.
        for (which, damaged) in [("first", 0), ("second", 1)] {
            let connection = format!("{name}-{which}");
            let written = Exchanged::put(&lab, &connection, 1).await;
            let pair = written.records(&connection, 1);
            let pair = pair.into_iter().enumerate().map(|(at, record)| match at == damaged {
                true => damage(&record).into(),
                false => record,
            });
            records.extend(pair);
            expected.push(connection.clone());
            // And what comes behind it on the same connection.
            let later = format!("later-{connection}");
            records.extend(Exchanged::put(&lab, &later, 2).await.records(&connection, 3));
        }
        let whole = format!("whole-{name}");
        records.extend(Exchanged::put(&lab, &whole, 3).await.records(&whole, 1));
    }
    records.push(heartbeat());
    append_raw(&lab.journal(), &in_one(records)).await;

    let summary = lab.replay(|settings| settings.reorder_window = 4).await.unwrap();
    assert!(!summary.is_converged() && summary.reached_end, "{summary}");
    assert_eq!(summary.bad_records, 10, "{summary}");
    assert!(summary.lost >= 10, "{summary}");
    let told = summary.open.iter().filter(|line| line.contains("(bad-record)")).count();
    assert_eq!(told, 10, "{summary}");
    assert!(summary.open.iter().any(|line| line.contains("version 2")), "{summary}");
    for name in ["cut", "lying", "endless", "future", "garbage"] {
        assert_eq!(on_target(&lab, &format!("whole-{name}")).await, 3, "{name}: {summary}");
        for which in ["first", "second"] {
            let later = format!("later-{name}-{which}");
            assert_eq!(on_target(&lab, &later).await, 2, "{later}: {summary}");
        }
    }
    // Only what was damaged may differ: a request without an answer is doubt, and was read from the source.
    for line in lab.differences().await {
        assert!(expected.iter().any(|id| line.contains(id.as_str())), "{line}\n{summary}");
    }
    // Nothing of it holds a later run up, and it is told again.
    let again = lab.replay(|_| {}).await.unwrap();
    assert_eq!((again.requests, again.bad_records), (0, 0), "{again}");
    assert!(!again.is_converged() && again.lost == summary.lost, "{again}");
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_come_again_and_late_are_taken_once() {
    let lab = lab("again").await;
    let mut records = Vec::new();
    let (mut number, mut all) = (1, Vec::new());
    for step in 0..40 {
        let pair =
            Exchanged::put(&lab, &format!("{}", step % 7), step).await.records("one", number);
        number += 2;
        // Twice, and then an older pair once more.
        records.extend(pair.clone());
        records.extend(pair.clone());
        all.push(pair);
        records.extend(all[all.len() / 2].clone());
    }
    records.push(heartbeat());
    append_raw(&lab.journal(), &in_one(records)).await;
    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert_eq!((summary.operations["journal"], summary.duplicates), (40, 160), "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_in_any_order_end_equal() {
    let kafka = KAFKA.get().await.unwrap();
    kafka.create_topic("reordered", 3).await.unwrap();
    let lab = Lab::on("reordered", &kafka.journal("reordered")).await;
    lab.stop_proxy().await;
    let mut partitions: [Vec<Vec<Bytes>>; 3] = Default::default();
    for connection in 0..12_u64 {
        let name = format!("c{connection}");
        let mut records = Vec::new();
        for step in 0..6 {
            let id = format!("{}", (connection * 5 + step) % 9);
            let written = Exchanged::put(&lab, &id, connection * 100 + step).await;
            records.extend(written.records(&name, step * 2 + 1));
        }
        partitions[connection as usize % 3].push(records);
    }
    // The last partition comes first, and in each the youngest connection.
    let journal: JournalUrl = lab.journal();
    for (partition, connections) in partitions.iter().enumerate().rev() {
        let records = connections.iter().rev().flatten().cloned();
        let mut records: Vec<_> = records.map(|record| (partition as i32, record)).collect();
        records.push((partition as i32, heartbeat()));
        append_raw(&journal, &records).await;
    }
    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert!(summary.is_converged() && summary.reached_end, "{summary}");
    assert_eq!(summary.operations["journal"], 72, "{summary}");
    lab.assert_equal().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_capture_that_begins_inside_of_a_request_makes_nothing_of_it() {
    let lab = lab("inside").await;
    let index = &lab.index;
    let kept = Exchanged::put(&lab, "kept", 1).await;
    let half = Exchanged::put(&lab, "half", 2).await;
    let later = Exchanged::put(&lab, "later", 3).await;
    // The end of a body that has requests in it.
    let tail = format!(
        "\"s\":\"DELETE /{index} HTTP/1.1\r\nhost: s\r\n\r\nDELETE /{index}/_doc/kept HTTP/1.1\r\nhost: s\r\n\r\n\"}}"
    );
    let [asked, said] = kept.records("whole", 1);
    let mut records = vec![asked, said];
    records.push(continued("inside", 3, 8, &tail));
    records.push(answered("inside", 9, &half.response));
    records.extend(later.records("inside", 10));
    // One that begins with an answer to nobody knows what.
    records.push(answered("answer", 2, &half.response));
    records.push(heartbeat());
    append_raw(&lab.journal(), &in_one(records)).await;
    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert!(summary.reached_end && summary.failed == 0, "{summary}");
    assert_eq!((summary.controls, summary.operations["journal"]), (0, 2), "{summary}");
    assert_eq!(on_target(&lab, "kept").await, 1);
    assert_eq!(on_target(&lab, "later").await, 3);
    // It began before the journal does: what comes before a replay's beginning is a backfill's.
    assert_eq!(on_target(&lab, "half").await, Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bulk_whose_answer_has_other_items_is_read_from_the_source() {
    let lab = lab("items").await;
    let index = &lab.index;
    let lines = |prefix: &str| {
        let line = |id: usize| {
            let action = json!({"index": {"_index": index, "_id": format!("{prefix}-{id}")}});
            format!("{action}\n{}\n", json!({"n": id}))
        };
        (0..4).map(line).collect::<String>()
    };
    let wrong: [(&str, Change); 4] = [
        ("fewer", |items| items.truncate(2)),
        ("none", Vec::clear),
        ("more", |items| items.push(items[0].clone())),
        ("turned", |items| items.reverse()),
    ];
    let mut records = Vec::new();
    for (name, change) in wrong {
        let mut bulk = Exchanged::with(&lab, Method::POST, "/_bulk", &lines(name)).await;
        let (_, body) = bulk.response.split_once("\r\n\r\n").unwrap();
        let mut answer: Value = serde_json::from_str(body).unwrap();
        change(answer["items"].as_array_mut().unwrap());
        bulk.response = response(200, &answer.to_string());
        records.extend(bulk.records(name, 1));
    }
    records.push(heartbeat());
    append_raw(&lab.journal(), &in_one(records)).await;
    // Without a source nothing of it is guessed.
    let summary = lab.replay(|settings| settings.source = None).await.unwrap();
    assert!(!summary.is_converged() && summary.doubt_left > 0, "{summary}");
    let summary = lab.replay(|_| {}).await.unwrap();
    assert!(summary.is_converged(), "{summary}");
    lab.assert_equal().await;
}
