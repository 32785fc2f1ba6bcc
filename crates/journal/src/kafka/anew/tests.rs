//! On librdkafka's imitation of a broker, which says what a real one says that has lost its end.

use std::collections::BTreeMap;

use bytes::Bytes;
use rdkafka::bindings::rd_kafka_resp_err_t as Code;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::types::RDKafkaApiKey;

use super::super::{KafkaAppender, KafkaReader};
use super::*;
use crate::{AppendError, Lane, StartFrom, Urgency};

type Cluster = MockCluster<'static, DefaultProducerContext>;

const PATIENCE: Duration = Duration::from_secs(60);
const TOPIC: &str = "t";
const PARTITIONS: i32 = 3;

fn begin() -> (Cluster, Arc<KafkaAppender>) {
    begin_with(&[])
}

/// The broker says these things to those that want to be known as producers.
fn begin_with(to_producers: &[Code]) -> (Cluster, Arc<KafkaAppender>) {
    let cluster = MockCluster::new(1).unwrap();
    cluster.create_topic(TOPIC, PARTITIONS, 1).unwrap();
    cluster.request_errors(RDKafkaApiKey::InitProducerId, to_producers);
    let brokers = cluster.bootstrap_servers();
    let access = Access::new(&brokers, &[]).unwrap();
    let limits = Limits::unasked(&access, None);
    let settings = AppendSettings::default();
    let appender =
        KafkaAppender::begin((&brokers, TOPIC), access, &settings, (PARTITIONS, limits)).unwrap();
    (cluster, appender)
}

fn lanes() -> Vec<Lane> {
    (0..12).map(|id| Lane::new(id % PARTITIONS, format!("client-{id}").as_bytes(), false)).collect()
}

fn append(appender: &KafkaAppender, lane: &Lane, number: u64) -> Result<(), AppendError> {
    // Of every kind: such as librdkafka copies, and such as it doesn't.
    let mut record = number.to_be_bytes().to_vec();
    record.resize(if number % 50 == 7 { 5000 } else { 20 }, 0);
    appender.append(lane, number, Bytes::from(record), Urgency::Held)
}

async fn reached(lane: &Lane, number: u64) {
    tokio::time::timeout(PATIENCE, lane.durable().reached(number)).await.unwrap().unwrap();
}

/// The broker refuses the next request to write, as one does that has lost what it had acknowledged.
fn break_next(cluster: &Cluster) {
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER],
    );
}

/// What is in the topic of each connection, as it lies there.
async fn found(cluster: &Cluster) -> BTreeMap<String, Vec<u64>> {
    let brokers = cluster.bootstrap_servers();
    let reader = KafkaReader::open(&brokers, TOPIC, "check", StartFrom::Beginning, &[]);
    let mut reader = reader.await.unwrap();
    let ends = reader.ends().await.unwrap();
    let mut found: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    while !reader.has_reached(&ends) {
        let entry = tokio::time::timeout(PATIENCE, reader.next()).await.unwrap().unwrap();
        let number = u64::from_be_bytes(entry.value[..8].try_into().unwrap());
        found.entry(String::from_utf8(entry.key.to_vec()).unwrap()).or_default().push(number);
    }
    found
}

/// Each connection has all records up to `last`: in order, but for what comes again.
fn check(found: &BTreeMap<String, Vec<u64>>, last: u64) {
    assert_eq!(found.len(), lanes().len());
    for (id, numbers) in found {
        let mut most = 0;
        for number in numbers {
            assert!(*number <= most + 1, "{id}: {number} after {most}");
            most = most.max(*number);
        }
        assert_eq!(most, last, "{id}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_breaks_is_followed_by_another_and_nothing_is_lost() {
    let (cluster, appender) = begin();
    let lanes = lanes();
    // Nobody waits for the one before the next comes, so that many are on their way when it breaks.
    const ROUNDS: u64 = 900;
    for number in 1..=ROUNDS {
        if number % 300 == 100 {
            break_next(&cluster);
        }
        for lane in &lanes {
            append(&appender, lane, number).unwrap();
        }
        if number % 90 == 0 {
            for lane in &lanes {
                reached(lane, number).await;
            }
        }
    }
    for lane in &lanes {
        reached(lane, ROUNDS).await;
    }
    assert_eq!((appender.broken(), appender.lost(), appender.waiting_bytes()), (3, 0, 0));
    assert!(appender.progress().iter().all(|(taken, settled)| taken == settled));
    check(&found(&cluster).await, ROUNDS);
    let closing = tokio::task::spawn_blocking(move || appender.close(PATIENCE));
    assert_eq!(closing.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_producer_that_breaks_while_it_is_closed_loses_nothing_either() {
    let (cluster, appender) = begin();
    let lanes = lanes();
    for lane in &lanes {
        append(&appender, lane, 1).unwrap();
        reached(lane, 1).await;
    }
    cluster.broker_round_trip_time(1, Duration::from_millis(300)).unwrap();
    break_next(&cluster);
    for number in 2..=20 {
        for lane in &lanes {
            append(&appender, lane, number).unwrap();
        }
    }
    let closing = tokio::task::spawn_blocking(move || {
        let lost = appender.close(PATIENCE);
        (lost, appender.broken())
    });
    assert_eq!(closing.await.unwrap(), (0, 1));
    for lane in &lanes {
        reached(lane, 20).await;
    }
    check(&found(&cluster).await, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_producer_delivers_in_time_is_counted_and_its_waiters_are_told() {
    let (cluster, appender) = begin();
    let lanes = lanes();
    append(&appender, &lanes[0], 1).unwrap();
    reached(&lanes[0], 1).await;
    // Whatever comes, it breaks again.
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER; 1000],
    );
    for number in 2..=4 {
        append(&appender, &lanes[0], number).unwrap();
    }
    let waiting = lanes[0].clone();
    let waiting = tokio::spawn(async move { waiting.durable().reached(4).await });
    let closing = tokio::task::spawn_blocking(move || {
        let lost = appender.close(Duration::from_millis(2500));
        (lost, appender.close(PATIENCE), appender.broken())
    });
    let (lost, again, broken) = closing.await.unwrap();
    assert_eq!((lost, again), (3, 3));
    // One a second at most, whatever comes of them: the first at once, and each of both that make others begins to count
    // for itself. A busy machine makes fewer.
    assert!((1..=6).contains(&broken), "{broken}");
    tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap().unwrap_err();
}

/// How long closing at once takes while the next producer is half a second away, and how many broke.
async fn closed_between_two_producers() -> (Duration, u64) {
    let (cluster, appender) = begin();
    let lane = &lanes()[0];
    append(&appender, lane, 1).unwrap();
    reached(lane, 1).await;
    cluster.request_errors(
        RDKafkaApiKey::Produce,
        &[Code::RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER; 1000],
    );
    append(&appender, lane, 2).unwrap();
    // The first is followed at once, the second not before a second has gone, of which it has used half to break.
    let end = Instant::now() + PATIENCE;
    while appender.broken() < 2 || !appender.has_kept() {
        assert!(Instant::now() < end);
        tokio::task::yield_now().await;
    }
    // So that who waits for the third has begun to.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let closing = tokio::task::spawn_blocking(move || {
        let began = Instant::now();
        assert_eq!(appender.close(Duration::ZERO), 1);
        (began.elapsed(), appender.broken())
    });
    closing.await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_does_not_wait_for_the_next_producer_longer_than_it_may() {
    // The least of some: a busy machine may take its time now and then.
    let mut least = Duration::MAX;
    for _ in 0..5 {
        let (took, broken) = closed_between_two_producers().await;
        assert_eq!(broken, 2);
        least = least.min(took);
        if least < Duration::from_millis(150) {
            return;
        }
    }
    panic!("{least:?}");
}

/// A right that is missing is an operator's to give: nobody is to wait for that.
#[tokio::test(flavor = "multi_thread")]
async fn where_no_producer_is_let_write_records_are_refused_until_one_is() {
    // Said to the first one, and to the one that is made in its place at once.
    let (cluster, appender) =
        begin_with(&[Code::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED; 2]);
    let (mut refused, end) = (0, Instant::now() + PATIENCE);
    let lane = loop {
        assert!(Instant::now() < end);
        // What was lost of a connection stays lost: each is another one's.
        let lane = Lane::new(0, b"client", false);
        append(&appender, &lane, 1).unwrap();
        let told = tokio::time::timeout(PATIENCE, lane.durable().reached(1)).await.unwrap();
        if told.is_ok() {
            break lane;
        }
        refused += 1;
    };
    // Those that two producers had when they broke, and all that came before the third.
    assert!(refused > 2, "{refused}");
    append(&appender, &lane, 2).unwrap();
    reached(&lane, 2).await;
    assert_eq!((appender.broken(), appender.lost(), appender.waiting_bytes()), (0, refused, 0));
    assert_eq!(found(&cluster).await, [("client".to_owned(), vec![1, 2])].into());
    // Nothing is lost anew.
    let closing = tokio::task::spawn_blocking(move || appender.close(PATIENCE));
    assert_eq!(closing.await.unwrap(), refused);
}
