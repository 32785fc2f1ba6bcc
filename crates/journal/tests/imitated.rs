//! On librdkafka's imitation of a broker, which is slow, away, or wrong when it is told to be: what a real one does once in
//! years.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use std::path::Path;
use std::time::{Duration, Instant};

use conformance::{PATIENCE, last_numbers};
use journal::*;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use tempfile::TempDir;

type Cluster = MockCluster<'static, DefaultProducerContext>;

/// A broker with a topic of three partitions.
fn cluster(topic: &str) -> (Cluster, JournalUrl) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(topic, 3, 1).unwrap();
    let url = format!("kafka://{}/{topic}", cluster.bootstrap_servers()).parse().unwrap();
    (cluster, url)
}

fn with_spill(folder: &Path) -> AppendSettings {
    let spill = SpillSettings {
        folder: folder.to_owned(),
        limit_bytes: 1 << 30,
        after: Duration::from_millis(500),
    };
    AppendSettings { spill: Some(spill), ..AppendSettings::default() }
}

async fn open(url: &JournalUrl, settings: &AppendSettings) -> Appender {
    let (url, settings) = (url.clone(), settings.clone());
    tokio::task::spawn_blocking(move || Appender::open(&url, &settings).unwrap()).await.unwrap()
}

async fn close(appender: Appender, patience: Duration) -> usize {
    tokio::task::spawn_blocking(move || appender.close(patience)).await.unwrap()
}

async fn append(appender: &Appender, lane: &Lane, id: &str, number: u64) {
    let record = conformance::record(id, number, 20);
    appender.append_with_room(lane, number, record, Urgency::Follows).await.unwrap();
}

async fn reached(lane: &Lane, number: u64) {
    tokio::time::timeout(PATIENCE, lane.durable().reached(number)).await.unwrap().unwrap();
}

async fn until(so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spill_is_drained_for_no_longer_than_closing_may_take() {
    let (kafka, url) = cluster("slow");
    let folder = TempDir::new().unwrap();
    let settings = with_spill(folder.path());
    // It has found the topic before, and is away: so nothing is asked of it that this one doesn't answer.
    std::fs::write(folder.path().join("topic"), "slow 3 1000000").unwrap();
    kafka.broker_down(1).unwrap();
    let appender = open(&url, &settings).await;
    let ids: Vec<String> = (0..30).map(|number| format!("client-{number}")).collect();
    let lanes: Vec<Lane> = ids.iter().map(|id| appender.lane(id)).collect();
    const LAST: u64 = 2000;
    for number in 1..=LAST {
        for (lane, id) in lanes.iter().zip(&ids) {
            append(&appender, lane, id, number).await;
        }
    }
    reached(&lanes[29], LAST).await;
    // Back, and it takes two fifths of a second for each request: some 18 seconds for all of it.
    kafka.broker_round_trip_time(1, Duration::from_millis(400)).unwrap();
    kafka.broker_up(1).unwrap();
    until(|| appender.spill().unwrap().drained > 0).await;
    let began = Instant::now();
    assert_eq!(close(appender.clone(), Duration::from_secs(1)).await, 0);
    let (took, state) = (began.elapsed(), appender.spill().unwrap());
    assert!(took < Duration::from_secs(5), "{took:?}");
    assert!(state.drained < state.spilled, "{state:?}");
    drop(appender);

    // Nothing of the rest is lost.
    kafka.broker_round_trip_time(1, Duration::ZERO).unwrap();
    kafka.broker_down(1).unwrap();
    let appender = open(&url, &settings).await;
    kafka.broker_up(1).unwrap();
    until(|| !appender.spill().unwrap().spilling).await;
    assert_eq!(close(appender, PATIENCE).await, 0);
    let found = last_numbers(&url).await;
    assert_eq!(found, ids.into_iter().map(|id| (id, LAST)).collect());
}

/// As a new process asks while the old one still has the spill.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_a_spill_over_finds_out_before_whether_it_can() {
    let (kafka, url) = cluster("first");
    let folder = TempDir::new().unwrap();
    let settings = with_spill(folder.path());
    std::fs::write(folder.path().join("topic"), "first 3 1000000").unwrap();
    kafka.broker_down(1).unwrap();
    let appender = open(&url, &settings).await;
    let check = async |url: &JournalUrl, settings: &AppendSettings| {
        let (url, settings) = (url.clone(), settings.clone());
        let checked = tokio::task::spawn_blocking(move || Appender::check(&url, &settings)).await;
        checked.unwrap().map_err(|error| error.to_string())
    };
    let lane = appender.lane("c");
    append(&appender, &lane, "c", 1).await;
    reached(&lane, 1).await;
    assert_eq!(check(&url, &settings).await, Ok(()));

    let other = url.to_string().replace("first", "second").parse().unwrap();
    let error = check(&other, &settings).await.unwrap_err();
    assert!(error.contains("holds records of topic first, not of second"), "{error}");
    let mut wrong = settings.clone();
    wrong.kafka_properties = KafkaProperties::parse(["no.such.property=1"]).unwrap();
    let error = check(&url, &wrong).await.unwrap_err();
    assert!(error.contains("no.such.property"), "{error}");
    let mut away = settings.clone();
    away.spill.as_mut().unwrap().folder = folder.path().join("topic/spill");
    let error = check(&url, &away).await.unwrap_err();
    assert!(error.contains("topic/spill"), "{error}");

    // None of it was in the way of who has it.
    append(&appender, &lane, "c", 2).await;
    reached(&lane, 2).await;
    assert_eq!(close(appender, Duration::ZERO).await, 0);
}
