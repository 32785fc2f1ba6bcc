//! Where reading begins: the consumer, its partitions, and the place in each.

use std::collections::BTreeMap;

use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::PATIENCE;
use crate::kafka::access::Access;
use crate::kafka::moves::Moves;
use crate::kafka::produce;
use crate::{Entry, StartFrom, read};

pub(super) type StreamConsumer = rdkafka::consumer::StreamConsumer<Moves>;

/// Where partitions begin, and what should have come before.
pub(super) type Places = (BTreeMap<i32, u64>, Vec<Entry>);

/// Why reading can't begin.
pub(super) enum Refusal {
    Kafka(KafkaError),
    Token(String),
    NoTopic(String),
}

impl From<KafkaError> for Refusal {
    fn from(error: KafkaError) -> Refusal {
        Refusal::Kafka(error)
    }
}

/// A consumer that reads.
pub(super) struct Begun {
    pub(super) consumer: StreamConsumer,
    pub(super) topic: String,
    pub(super) positions: BTreeMap<i32, u64>,
    pub(super) deleted: Vec<Entry>,
    pub(super) count: usize,
}

/// Assigns every partition of the topic, each at where it has to begin; or asks for a share of them.
pub(super) fn begin(
    access: &Access,
    config: &ClientConfig,
    topic: String,
    start: Option<StartFrom>,
) -> Result<Begun, Refusal> {
    let consumer: StreamConsumer = config.create_with_context(Moves::new(access.voice()))?;
    produce::show(consumer.client(), access.tokens()).map_err(Refusal::Token)?;
    let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let count = found.map_or(0, |found| found.partitions().len());
    if count == 0 {
        return Err(Refusal::NoTopic(topic));
    }
    let Some(start) = start else {
        consumer.subscribe(&[&topic])?;
        let (positions, deleted) = Places::default();
        return Ok(Begun { consumer, topic, positions, deleted, count });
    };
    let all: Vec<i32> = (0..count as i32).collect();
    let (positions, deleted) = begin_at(&consumer, &topic, &all, start)?;
    consumer.assign(&at(&topic, &positions)?)?;
    Ok(Begun { consumer, topic, positions, deleted, count })
}

pub(super) fn at(
    topic: &str,
    positions: &BTreeMap<i32, u64>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for (partition, offset) in positions {
        list.add_partition_offset(topic, *partition, Offset::Offset(*offset as i64))?;
    }
    Ok(list)
}

/// Where each of these partitions has to begin.
pub(super) fn begin_at(
    consumer: &StreamConsumer,
    topic: &str,
    partitions: &[i32],
    start: StartFrom,
) -> Result<Places, KafkaError> {
    let mut wanted = TopicPartitionList::new();
    for partition in partitions {
        wanted.add_partition(topic, *partition);
    }
    let chosen = match start {
        StartFrom::Group => consumer.committed_offsets(wanted, PATIENCE)?,
        StartFrom::Beginning => wanted,
        StartFrom::Offset(offset) => {
            wanted.set_all_offsets(Offset::Offset(offset as i64))?;
            wanted
        }
        StartFrom::Time(at) => {
            let milliseconds = Offset::Offset((at / 1_000_000) as i64);
            wanted.set_all_offsets(milliseconds)?;
            consumer.offsets_for_times(wanted, PATIENCE)?
        }
    };
    let (mut positions, mut deleted) = Places::default();
    for element in chosen.elements() {
        let partition = element.partition();
        let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE)?;
        let offset = match element.offset() {
            Offset::Offset(offset) => {
                if (0..low).contains(&offset) {
                    deleted.push(read::deleted(partition, offset as u64, low as u64, 0));
                }
                offset.clamp(low, high)
            }
            Offset::End => high,
            _ => low,
        };
        positions.insert(partition, offset as u64);
    }
    Ok((positions, deleted))
}
