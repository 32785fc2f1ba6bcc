//! A real broker that is paused, killed, away at the start: nothing that was said to be durable is missing from the topic
//! when it is back, and nobody waits for that.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::{Duration, Instant};

use conformance::{PATIENCE, last_numbers as numbers};
use journal::*;
use rdkafka::admin::{AdminClient, AdminOptions, AlterConfig, ResourceSpecifier};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use tempfile::TempDir;
use testbed::{Kafka, Testbed};

fn settings(folder: &Path) -> AppendSettings {
    let spill = SpillSettings {
        folder: folder.to_owned(),
        limit_bytes: 1 << 30,
        after: Duration::from_millis(500),
    };
    AppendSettings { spill: Some(spill), partitions: 3, ..AppendSettings::default() }
}

async fn open(url: &JournalUrl, settings: &AppendSettings) -> Result<Appender, AppendError> {
    let (url, settings) = (url.clone(), settings.clone());
    tokio::task::spawn_blocking(move || Appender::open(&url, &settings)).await.unwrap()
}

async fn close(appender: Appender, patience: Duration) -> usize {
    tokio::task::spawn_blocking(move || appender.close(patience)).await.unwrap()
}

/// Waits for room, if that is all that is missing.
async fn try_append(
    appender: &Appender,
    lane: &Lane,
    (id, number, length): (&str, u64, usize),
    urgency: Urgency,
) -> Result<(), AppendError> {
    let record = conformance::record(id, number, length);
    appender.append_with_room(lane, number, record, urgency).await
}

async fn append(appender: &Appender, lane: &Lane, id: &str, number: u64, urgency: Urgency) {
    try_append(appender, lane, (id, number, 200), urgency).await.unwrap();
}

async fn reached(lane: &Lane, number: u64) {
    tokio::time::timeout(PATIENCE, lane.durable().reached(number)).await.unwrap().unwrap();
}

/// Clients of librdkafka that live in this process.
fn clients() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let name = |thread: fs::DirEntry| fs::read_to_string(thread.path().join("comm")).ok();
    threads
        .filter_map(|thread| name(thread.unwrap()))
        .filter(|name| name.trim() == "rdk:main")
        .count()
}

/// Until the spill is empty and Kafka takes records again.
async fn drained(appender: &Appender) {
    let until = Instant::now() + PATIENCE;
    while appender.spill().unwrap().spilling {
        assert!(Instant::now() < until, "{:?}", appender.spill());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_durable_is_in_the_topic_when_the_broker_is_back() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("outages").parse().unwrap();
    let appender = open(&url, &settings(folder.path())).await.unwrap();
    let ids: Vec<String> = (0..20).map(|number| format!("client-{number}")).collect();
    let lanes: Vec<Lane> = ids.iter().map(|id| appender.lane(id)).collect();
    assert!(!appender.spill().unwrap().spilling);

    let mut number = 0;
    let mut slowest = Duration::ZERO;
    let mut round = async |held: bool| {
        number += 1;
        let urgency = if held { Urgency::Held } else { Urgency::Follows };
        let began = Instant::now();
        for (lane, id) in lanes.iter().zip(&ids) {
            append(&appender, lane, id, number, urgency).await;
        }
        if held {
            for lane in &lanes {
                reached(lane, number).await;
            }
        }
        slowest = slowest.max(began.elapsed());
        number
    };
    for _ in 0..20 {
        round(true).await;
    }
    for pass in 0..3 {
        // Away, with records on their way.
        round(false).await;
        match pass {
            0 => kafka.pause(),
            _ => kafka.kill().await.unwrap(),
        }
        round(false).await;
        for step in 0..100 {
            round(step % 3 == 0).await;
        }
        assert!(appender.spill().unwrap().spilling);
        match pass {
            0 => kafka.resume(),
            _ => kafka.start().await.unwrap(),
        }
        // Back, while more comes.
        let back = Instant::now();
        while appender.spill().unwrap().spilling {
            round(true).await;
        }
        let clients = clients();
        println!(
            "pass {pass}: {clients} clients, drained {:?} after; {:?}",
            back.elapsed(),
            appender.spill()
        );
        round(true).await;
    }
    let last = round(true).await;
    println!("{last} rounds, the slowest of {slowest:?}; {:?}", appender.spill());
    let state = appender.spill().unwrap();
    assert_eq!((state.refused, state.unreadable), (0, 0), "{state:?}");
    assert!(state.slow >= 3, "{state:?}");
    assert!(state.drained >= state.spilled && state.bytes < 1000, "{state:?}");
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    assert_eq!(close(appender, PATIENCE).await, 0);
    let found = numbers(&url).await;
    assert_eq!(found, ids.into_iter().map(|id| (id, last)).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spill_outlives_its_proxy() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("outlived").parse().unwrap();
    let settings = settings(folder.path());
    let appender = open(&url, &settings).await.unwrap();
    let most = appender.largest_record();
    let lane = appender.lane("first");
    append(&appender, &lane, "first", 1, Urgency::Held).await;
    reached(&lane, 1).await;
    kafka.kill().await.unwrap();
    for number in 2..=100 {
        append(&appender, &lane, "first", number, Urgency::Follows).await;
    }
    // It is closed while Kafka is away: nothing is lost, and it isn't waited for.
    let began = Instant::now();
    assert_eq!(close(appender, Duration::from_secs(3)).await, 0);
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    reached(&lane, 100).await;

    // A proxy without that spill has no journal; with it, it has.
    let error = open(&url, &AppendSettings { spill: None, ..settings.clone() }).await.unwrap_err();
    assert!(matches!(error, AppendError::Failed { .. }), "{error}");
    let appender = open(&url, &settings).await.unwrap();
    // It knows the topic from before, and makes no record that Kafka would refuse.
    assert_eq!((appender.partitions(), appender.largest_record()), (3, most));
    let lane = appender.lane("second");
    append(&appender, &lane, "second", 1, Urgency::Held).await;
    reached(&lane, 1).await;
    kafka.start().await.unwrap();
    drained(&appender).await;
    append(&appender, &lane, "second", 2, Urgency::Held).await;
    reached(&lane, 2).await;
    assert_eq!(close(appender, PATIENCE).await, 0);
    let found = numbers(&url).await;
    assert_eq!(found, [("first".to_owned(), 100), ("second".to_owned(), 2)].into());
}

/// Sets the largest batch that a topic takes.
async fn limit(kafka: &Kafka, topic: &str, bytes: &str) {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.addr().to_string());
    let admin: AdminClient<DefaultClientContext> = config.create().unwrap();
    let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set("max.message.bytes", bytes);
    admin.alter_configs([&change], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_kafka_refuses_waits_until_that_is_put_right() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("refused").parse().unwrap();
    let mut settings = settings(folder.path());
    // However slow it is: only a refusal leads to the spill.
    settings.spill.as_mut().unwrap().after = Duration::from_secs(600);
    let appender = open(&url, &settings).await.unwrap();
    let lane = appender.lane("c");
    append(&appender, &lane, "c", 1, Urgency::Held).await;
    reached(&lane, 1).await;
    limit(&kafka, "refused", "1500").await;
    // Until the broker has heard of it, it takes them.
    let mut number = 1;
    while appender.spill().unwrap().refused == 0 {
        number += 1;
        try_append(&appender, &lane, ("c", number, 5000), Urgency::Held).await.unwrap();
        reached(&lane, number).await;
    }
    for _ in 0..5 {
        number += 1;
        append(&appender, &lane, "c", number, Urgency::Held).await;
        reached(&lane, number).await;
    }
    let state = appender.spill().unwrap();
    assert!(state.spilling && state.drained < state.spilled, "{state:?}");
    limit(&kafka, "refused", "1000000").await;
    drained(&appender).await;
    assert_eq!(close(appender, PATIENCE).await, 0);
    assert_eq!(numbers(&url).await, [("c".to_owned(), number)].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_spill_costs_what_is_damaged() {
    let kafka = Testbed::kafka().await.unwrap();
    let folder = TempDir::new().unwrap();
    let url: JournalUrl = kafka.journal("damaged").parse().unwrap();
    let mut settings = settings(folder.path());
    settings.spill.as_mut().unwrap().limit_bytes = 40_000;
    let appender = open(&url, &settings).await.unwrap();
    let ids = ["damaged", "whole"];
    let lanes = ids.map(|id| appender.lane(id));
    kafka.kill().await.unwrap();
    let mut taken = 0;
    let refused = 'full: loop {
        for (id, lane) in ids.iter().zip(&lanes) {
            match try_append(&appender, lane, (id, taken + 1, 200), Urgency::Held).await {
                Ok(()) => reached(lane, taken + 1).await,
                Err(error) => break 'full error,
            }
        }
        taken += 1;
    };
    // Bounded, and it says so.
    assert!(matches!(refused, AppendError::SpillFull { limit: 40_000 }), "{refused}");
    assert!(taken > 50, "{taken}");
    assert_eq!(close(appender, Duration::ZERO).await, 0);

    // One bit of one record, and an end that was never written whole.
    let mut segments: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    segments.retain(|path| path.extension().is_some_and(|ending| ending == "seg"));
    let path = segments.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let bytes = fs::read(path).unwrap();
    let id = bytes.windows(7).position(|window| window == b"damaged").unwrap();
    let file = fs::OpenOptions::new().write(true).open(path).unwrap();
    file.write_all_at(&[bytes[id + 60] ^ 4], id as u64 + 60).unwrap();
    file.write_all_at(&bytes[24..100], bytes.len() as u64).unwrap();

    kafka.start().await.unwrap();
    let appender = open(&url, &settings).await.unwrap();
    drained(&appender).await;
    let state = appender.spill().unwrap();
    assert_eq!(state.unreadable, 1, "{state:?}");
    assert_eq!(close(appender, PATIENCE).await, 0);
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for (_, id, number) in conformance::read_all(&url, "check", StartFrom::Beginning).await {
        found.entry(id).or_default().push(number);
    }
    assert_eq!(found["whole"], (1..=*found["whole"].last().unwrap()).collect::<Vec<_>>());
    assert!(found["whole"].len() as u64 >= taken, "{found:?}");
    assert_eq!(found["damaged"].len() + 1, found["damaged"].last().copied().unwrap() as usize);
}
