//! Reading a topic: every partition, in order of each.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{CommitMode, Consumer, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::read::{self, entry};
use crate::{BadRecord, Ends, Entry, ReadError, StartFrom};

const PATIENCE: Duration = Duration::from_secs(15);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The reading end of a Kafka journal, for one group.
pub(crate) struct KafkaReader {
    consumer: std::sync::Arc<StreamConsumer>,
    url: String,
    topic: String,
    positions: BTreeMap<i32, u64>,
    /// What was to be read and is deleted; told first.
    deleted: Vec<Entry>,
}

impl std::fmt::Debug for KafkaReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let KafkaReader { url, positions, .. } = self;
        f.debug_struct("KafkaReader").field("url", url).field("positions", positions).finish()
    }
}

impl KafkaReader {
    pub(crate) async fn open(
        brokers: &str,
        topic: &str,
        group: &str,
        start: StartFrom,
        properties: &[(String, String)],
    ) -> Result<KafkaReader, ReadError> {
        let url = format!("kafka://{brokers}/{topic}");
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", brokers)
            .set("client.id", "godwit-reader")
            .set("group.id", group)
            .set("enable.auto.commit", "false")
            .set("auto.offset.reset", "earliest")
            .set("fetch.wait.max.ms", "50")
            .set("queued.max.messages.kbytes", "65536")
            .set("log_level", "3");
        for (name, value) in properties {
            config.set(name, value);
        }
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (config, topic) = (config.clone(), topic.to_owned());
            let begun = blocking(url.clone(), move || Ok(begin(&config, topic, start))).await?;
            match begun {
                Ok(Begun { consumer, topic, positions, deleted }) => {
                    let consumer = std::sync::Arc::new(consumer);
                    return Ok(KafkaReader { consumer, url, topic, positions, deleted });
                }
                Err(Refusal::NoTopic(topic)) => {
                    let reason =
                        format!("there is no topic {topic}; has capture-proxy been started?");
                    return Err(ReadError { url, reason });
                }
                Err(Refusal::Kafka(error)) if is_settling(&error) => {
                    if tokio::time::Instant::now() > until {
                        return Err(failed(&url, &error));
                    }
                    // Nothing tells when the group's broker is ready but asking it again.
                    tokio::time::sleep(ASK_AGAIN).await;
                }
                Err(Refusal::Kafka(error)) => return Err(failed(&url, &error)),
            }
        }
    }

    pub(crate) fn partitions(&self) -> Vec<i32> {
        self.positions.keys().copied().collect()
    }

    /// Behind what [`KafkaReader::next`] has given out of the partition.
    pub(crate) fn position(&self, partition: i32) -> u64 {
        let untold = self.deleted.iter().find(|entry| entry.partition == partition);
        untold.map_or_else(
            || self.positions.get(&partition).copied().unwrap_or(0),
            |entry| entry.offset,
        )
    }

    pub(crate) async fn next(&mut self) -> Result<Entry, ReadError> {
        if let Some(entry) = self.deleted.pop() {
            return Ok(entry);
        }
        let message = loop {
            match self.consumer.recv().await {
                Ok(message) => break message,
                // librdkafka looks for its brokers by itself; there is nothing to do but wait.
                Err(error) if is_passing(&error) => {
                    tracing::warn!(%error, url = self.url, "no broker can be read from; waiting");
                }
                Err(error) => return Err(self.failed(&error)),
            }
        };
        let (partition, offset) = (message.partition(), message.offset().max(0) as u64);
        self.positions.insert(partition, offset + 1);
        let Some(value) = message.payload() else {
            let reason = "a record without a value".into();
            let bad = BadRecord { partition, offset, length: 0, reason };
            return Ok(Entry { partition, offset, next: offset + 1, record: Err(bad) });
        };
        // The consumer's buffer is its own: this is the one copy on the way in.
        Ok(entry(partition, offset, offset + 1, &Bytes::copy_from_slice(value)))
    }

    pub(crate) async fn ends(&self) -> Result<Ends, ReadError> {
        let (consumer, topic) = (self.consumer.clone(), self.topic.clone());
        let (url, partitions) = (self.url.clone(), self.partitions());
        blocking(url.clone(), move || {
            let end = |partition: &i32| {
                let marks = consumer.fetch_watermarks(&topic, *partition, PATIENCE);
                let (_, high) = marks.map_err(|error| failed(&url, &error))?;
                Ok((*partition, high.max(0) as u64))
            };
            Ok(Ends(partitions.iter().map(end).collect::<Result<_, ReadError>>()?))
        })
        .await
    }

    pub(crate) async fn commit(&mut self, partition: i32, offset: u64) -> Result<(), ReadError> {
        let mut list = TopicPartitionList::new();
        let added =
            list.add_partition_offset(&self.topic, partition, Offset::Offset(offset as i64));
        added.map_err(|error| self.failed(&error))?;
        let (consumer, url) = (self.consumer.clone(), self.url.clone());
        blocking(url.clone(), move || {
            consumer.commit(&list, CommitMode::Sync).map_err(|error| failed(&url, &error))
        })
        .await
    }

    fn failed(&self, error: &KafkaError) -> ReadError {
        failed(&self.url, error)
    }
}

fn failed(url: &str, error: &KafkaError) -> ReadError {
    ReadError { url: url.to_owned(), reason: error.to_string() }
}

/// Why reading can't begin.
enum Refusal {
    Kafka(KafkaError),
    NoTopic(String),
}

impl From<KafkaError> for Refusal {
    fn from(error: KafkaError) -> Refusal {
        Refusal::Kafka(error)
    }
}

/// Whether it ends by itself when the brokers are back.
fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::RequestTimedOut
                | RDKafkaErrorCode::NetworkException
                | RDKafkaErrorCode::BrokerNotAvailable
                | RDKafkaErrorCode::LeaderNotAvailable
                | RDKafkaErrorCode::NotLeaderForPartition
        )
    )
}

/// Whether the cluster is just choosing who keeps a group's offsets, as after its start.
fn is_settling(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::NotCoordinator
                | RDKafkaErrorCode::CoordinatorNotAvailable
                | RDKafkaErrorCode::CoordinatorLoadInProgress
        )
    )
}

/// A consumer that reads.
struct Begun {
    consumer: StreamConsumer,
    topic: String,
    positions: BTreeMap<i32, u64>,
    deleted: Vec<Entry>,
}

/// Assigns every partition of the topic, each at where it has to begin.
fn begin(config: &ClientConfig, topic: String, start: StartFrom) -> Result<Begun, Refusal> {
    let consumer: StreamConsumer = config.create()?;
    let metadata = consumer.fetch_metadata(Some(&topic), PATIENCE)?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    let count = found.map_or(0, |found| found.partitions().len());
    if count == 0 {
        return Err(Refusal::NoTopic(topic));
    }
    let mut wanted = TopicPartitionList::new();
    for partition in 0..count as i32 {
        wanted.add_partition(&topic, partition);
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
    let mut assigned = TopicPartitionList::new();
    let (mut positions, mut deleted) = (BTreeMap::new(), Vec::new());
    for element in chosen.elements() {
        let partition = element.partition();
        let (low, high) = consumer.fetch_watermarks(&topic, partition, PATIENCE)?;
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
        assigned.add_partition_offset(&topic, partition, Offset::Offset(offset))?;
    }
    consumer.assign(&assigned)?;
    Ok(Begun { consumer, topic, positions, deleted })
}

/// Runs a call that waits for a broker away from the tasks.
async fn blocking<T: Send + 'static>(
    url: String,
    call: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let joined = tokio::task::spawn_blocking(call).await;
    joined.unwrap_or_else(|error| Err(ReadError { url, reason: error.to_string() }))
}
