//! Partitions and lost packets: no client notices anything but the time that it takes, and the journal is whole.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

mod stage;

use std::time::Duration;

use stage::network::{Behind, lossy};

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_from_kafka() {
    lossy("a_partition_from_kafka", 100, Behind::Kafka, Duration::from_secs(20)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_from_the_source() {
    lossy("a_partition_from_the_source", 100, Behind::Source, Duration::from_secs(10)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn five_percent_of_all_packets_lost() {
    lossy("five_percent_of_all_packets_lost", 5, Behind::All, Duration::from_secs(20)).await;
}
