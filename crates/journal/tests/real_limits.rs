//! What a topic takes is known before the first record: its largest batch, its partitions, its replicas.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod conformance;

use conformance::PATIENCE;
use journal::*;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::ClientConfig;
use testbed::{Kafka, Testbed};

fn admin(kafka: &Kafka) -> AdminClient<DefaultClientContext> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", kafka.addr().to_string());
    config.create().unwrap()
}

async fn make(kafka: &Kafka, name: &str, settings: &[(&str, &str)]) -> JournalUrl {
    let mut topic = NewTopic::new(name, 2, TopicReplication::Fixed(1));
    for (name, value) in settings {
        topic = topic.set(name, value);
    }
    let options = AdminOptions::new();
    admin(kafka).create_topics([&topic], &options).await.unwrap().remove(0).unwrap();
    kafka.journal(name).parse().unwrap()
}

async fn open(url: &JournalUrl, settings: AppendSettings) -> Result<Appender, AppendError> {
    let url = url.clone();
    tokio::task::spawn_blocking(move || Appender::open(&url, &settings)).await.unwrap()
}

#[tokio::test]
async fn a_topic_says_what_it_takes_before_the_first_record() {
    let kafka = Testbed::kafka().await.unwrap();

    // Small batches: the longest record gets there, a longer one is refused by name, many share batches that fit.
    let url = make(&kafka, "small", &[("max.message.bytes", "20000")]).await;
    let appender = open(&url, AppendSettings::default()).await.unwrap();
    assert_eq!((appender.partitions(), appender.largest_record()), (2, 20_000 - 1024));
    let (id, most) = ("a connection's id of usual length: 2f1c0a9be3d4", appender.largest_record());
    let lane = appender.lane(id);
    let around = conformance::record(id, 1, 0).len();
    let mut number = 0;
    for length in [most - around - 8].into_iter().chain((0..200).map(|at| at * 37)) {
        number += 1;
        let record = conformance::record(id, number, length);
        assert!(record.len() <= most, "{} of {most}", record.len());
        appender.append_with_room(&lane, number, record, Urgency::Follows).await.unwrap();
    }
    tokio::time::timeout(PATIENCE, lane.durable().reached(number)).await.unwrap().unwrap();
    let long = conformance::record(id, number + 1, most);
    let refused = appender.append(&lane, number + 1, long, Urgency::Held).unwrap_err();
    assert!(matches!(refused, AppendError::TooLarge { most: 18_976, .. }), "{refused}");

    // Large ones: librdkafka's own limit goes with it.
    let url = make(&kafka, "large", &[("max.message.bytes", "4000000")]).await;
    let appender = open(&url, AppendSettings::default()).await.unwrap();
    let lane = appender.lane("c");
    let record = conformance::record("c", 1, 3_900_000);
    appender.append(&lane, 1, record, Urgency::Held).unwrap();
    tokio::time::timeout(PATIENCE, lane.durable().reached(1)).await.unwrap().unwrap();
    let found = conformance::read_all(&url, "g", StartFrom::Beginning).await;
    assert_eq!(found.len(), 1);

    // None at all.
    let url = make(&kafka, "tiny", &[("max.message.bytes", "2000")]).await;
    let refused = open(&url, AppendSettings::default()).await.unwrap_err().to_string();
    assert!(refused.contains("set its max.message.bytes"), "{refused}");
    let url = make(&kafka, "lonely", &[("min.insync.replicas", "2")]).await;
    let refused = open(&url, AppendSettings::default()).await.unwrap_err().to_string();
    assert!(refused.contains("min.insync.replicas=2"), "{refused}");
    // One that isn't there is made as asked.
    let asked = AppendSettings { partitions: 7, ..AppendSettings::default() };
    let made = open(&kafka.journal("made").parse().unwrap(), asked).await.unwrap();
    assert_eq!(made.partitions(), 7);
}

#[tokio::test]
async fn a_limit_that_changes_is_met_with_the_next_start() {
    let kafka = Testbed::kafka().await.unwrap();
    let url = make(&kafka, "changed", &[]).await;
    let before = open(&url, AppendSettings::default()).await.unwrap().largest_record();
    let resource = ResourceSpecifier::Topic("changed");
    let change = AlterConfig::new(resource).set("max.message.bytes", "30000");
    admin(&kafka).alter_configs([&change], &AdminOptions::new()).await.unwrap().remove(0).unwrap();
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        let after = open(&url, AppendSettings::default()).await.unwrap().largest_record();
        if after == 30_000 - 1024 {
            break;
        }
        assert!(std::time::Instant::now() < until, "{before}, then {after}");
    }
}
