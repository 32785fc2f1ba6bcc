//! Reading a topic: every partition, in order of each.

mod begin;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use tokio::task::JoinHandle;

use self::begin::{Begun, Places, Refusal, StreamConsumer, at, begin, begin_at};
use super::access::{Access, told};
use super::moves::Move;
use crate::read::{self, entry};
use crate::{BadRecord, Ends, Entry, ReadError, StartFrom, Taken};

const PATIENCE: Duration = Duration::from_secs(15);
/// A reader that hasn't been heard of for so long is gone, and its partitions move.
const SESSION: Duration = Duration::from_secs(10);
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The reading end of a Kafka journal, for one group.
pub(crate) struct KafkaReader {
    consumer: Arc<StreamConsumer>,
    url: String,
    topic: String,
    positions: BTreeMap<i32, u64>,
    /// What was to be read and is deleted; told first.
    deleted: Vec<Entry>,
    /// Partitions of the topic.
    count: usize,
    /// Partitions that came, while it is found out where they begin.
    gaining: Option<(Vec<i32>, Finding)>,
    flows: bool,
}

/// Finds out where partitions begin.
type Finding = JoinHandle<Result<Places, ReadError>>;

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
        Self::begun(brokers, topic, group, Some(start), properties).await
    }

    /// One of several readers of a group.
    pub(crate) async fn open_shared(
        brokers: &str,
        topic: &str,
        group: &str,
        properties: &[(String, String)],
    ) -> Result<KafkaReader, ReadError> {
        Self::begun(brokers, topic, group, None, properties).await
    }

    /// `start`: `None` for one that shares.
    async fn begun(
        brokers: &str,
        topic: &str,
        group: &str,
        start: Option<StartFrom>,
        properties: &[(String, String)],
    ) -> Result<KafkaReader, ReadError> {
        let url = format!("kafka://{brokers}/{topic}");
        let ours = [
            ("client.id", "godwit-reader".to_owned()),
            ("group.id", group.to_owned()),
            ("enable.auto.commit", "false".into()),
            ("auto.offset.reset", "earliest".into()),
            ("fetch.wait.max.ms", "50".into()),
            ("queued.max.messages.kbytes", "65536".into()),
            ("session.timeout.ms", SESSION.as_millis().to_string()),
            ("heartbeat.interval.ms", (SESSION / 5).as_millis().to_string()),
            ("log_level", "3".into()),
        ];
        let (brokers, properties) = (brokers.to_owned(), properties.to_vec());
        // Secrets are read, a token is fetched, and it is found out whether brokers take them.
        let reached = blocking(url.clone(), move || {
            let access = Access::new(&brokers, &properties);
            Ok(access.and_then(|access| {
                access.probe()?.metadata(PATIENCE)?;
                Ok(access)
            }))
        });
        let access = reached.await?.map_err(|reason| ReadError { url: url.clone(), reason })?;
        let mut config = access.config(&ours);
        // What moves is assigned bit by bit; no other way would do.
        config.set("partition.assignment.strategy", "cooperative-sticky");
        let until = tokio::time::Instant::now() + PATIENCE;
        loop {
            let (access, config, topic) = (access.clone(), config.clone(), topic.to_owned());
            let begun = move || Ok(begin(&access, &config, topic, start));
            let begun = blocking(url.clone(), begun).await?;
            match begun {
                Ok(Begun { consumer, topic, positions, deleted, count }) => {
                    let (consumer, gaining) = (Arc::new(consumer), None);
                    return Ok(KafkaReader {
                        consumer,
                        url,
                        topic,
                        positions,
                        deleted,
                        count,
                        gaining,
                        flows: true,
                    });
                }
                Err(Refusal::NoTopic(topic)) => {
                    let reason =
                        format!("there is no topic {topic}; has capture-proxy been started?");
                    return Err(ReadError { url, reason });
                }
                Err(Refusal::Token(reason)) => return Err(ReadError { url, reason }),
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

    pub(crate) fn count(&self) -> usize {
        self.count
    }

    pub(crate) fn has_reached(&self, ends: &Ends) -> bool {
        let mine = |partition: &i32| self.positions.contains_key(partition);
        self.gaining.is_none()
            && ends.0.iter().filter(|(p, _)| mine(p)).all(|(p, end)| self.position(*p) >= *end)
    }

    pub(crate) async fn next(&mut self) -> Result<Entry, ReadError> {
        loop {
            if let Taken::Entry(entry) = self.take().await? {
                return Ok(entry);
            }
        }
    }

    pub(crate) async fn take(&mut self) -> Result<Taken, ReadError> {
        loop {
            if let Some((_, places)) = &mut self.gaining {
                let joined = places.await;
                let partitions = self.gaining.take().map(|(partitions, _)| partitions);
                let found = joined.unwrap_or_else(|error| {
                    let (url, reason) = (self.url.clone(), error.to_string());
                    Err(ReadError { url, reason })
                });
                let partitions = partitions.unwrap_or_default();
                let (positions, deleted) = match found {
                    Ok(places) => places,
                    Err(error) => {
                        // The group's broker is away, or another is becoming it.
                        tracing::warn!(%error, "can't find where partitions begin; asking again");
                        self.begin_to_gain(partitions);
                        continue;
                    }
                };
                if let Err(error) = self.assign(&positions) {
                    // The group has gone on without us; it gives us partitions again.
                    tracing::warn!(%error, ?partitions, "these partitions came and went");
                    continue;
                }
                self.positions.extend(positions);
                self.deleted.extend(deleted);
                return Ok(Taken::Gained(partitions));
            }
            if let Some(entry) = self.deleted.pop() {
                return Ok(Taken::Entry(entry));
            }
            match self.consumer.context().next() {
                Some(Move::Gained(partitions)) => self.begin_to_gain(partitions),
                Some(Move::Lost(partitions)) => {
                    self.positions.retain(|partition, _| !partitions.contains(partition));
                    self.deleted.retain(|entry| !partitions.contains(&entry.partition));
                    return Ok(Taken::Lost(partitions));
                }
                None => {
                    if let Some(entry) = self.receive().await? {
                        return Ok(Taken::Entry(entry));
                    }
                }
            }
        }
    }

    /// Partitions came: finds out where each begins.
    fn begin_to_gain(&mut self, partitions: Vec<i32>) {
        let (consumer, topic) = (Arc::clone(&self.consumer), self.topic.clone());
        let (url, wanted) = (self.url.clone(), partitions.clone());
        let places = tokio::spawn(blocking(url.clone(), move || {
            begin_at(&consumer, &topic, &wanted, StartFrom::Group)
                .map_err(|error| failed(&url, &error))
        }));
        self.gaining = Some((partitions, places));
    }

    /// Begins to read partitions that came.
    fn assign(&self, positions: &BTreeMap<i32, u64>) -> Result<(), KafkaError> {
        let list = at(&self.topic, positions)?;
        self.consumer.incremental_assign(&list)?;
        // One that was here before comes as it went: paused, if it was.
        self.set_flow(&list, self.flows);
        Ok(())
    }

    pub(crate) fn flow(&mut self, flows: bool) -> Result<(), ReadError> {
        if self.flows != flows {
            let all = self.consumer.assignment().map_err(|error| self.failed(&error))?;
            self.set_flow(&all, flows);
            self.flows = flows;
        }
        Ok(())
    }

    fn set_flow(&self, list: &TopicPartitionList, flows: bool) {
        let set = if flows { self.consumer.resume(list) } else { self.consumer.pause(list) };
        if let Err(error) = set {
            // One of them has just gone; what comes is set when it comes.
            tracing::debug!(%error, url = self.url, flows, "a partition can't be paused or resumed");
        }
    }

    /// The next entry; `None` when partitions came or went instead.
    async fn receive(&mut self) -> Result<Option<Entry>, ReadError> {
        let message = loop {
            let received = tokio::select! {
                biased;
                () = self.consumer.context().came.notified() => return Ok(None),
                received = self.consumer.recv() => received,
            };
            match received {
                // Of a partition that is gone: another reads it. One that comes is known before anything of it is read.
                Ok(message) if !self.positions.contains_key(&message.partition()) => {
                    return Ok(None);
                }
                Ok(message) => break message,
                // librdkafka looks for its brokers by itself; there is nothing to do but wait.
                Err(error) if is_passing(&error) || self.is_about_a_token(&error) => {
                    tracing::warn!(%error, url = self.url, "no broker can be read from; waiting");
                }
                Err(error) => {
                    let refusal = self.consumer.context().voice.refusal();
                    let failed = self.failed(&error);
                    return Err(match refusal {
                        Some(why) => {
                            ReadError { reason: format!("{}: {why}", failed.reason), ..failed }
                        }
                        None => failed,
                    });
                }
            }
        };
        let (partition, offset) = (message.partition(), message.offset().max(0) as u64);
        self.positions.insert(partition, offset + 1);
        let Some(value) = message.payload() else {
            let reason = "a record without a value".into();
            let bad = BadRecord { partition, offset, length: 0, reason };
            return Ok(Some(read::unread(bad, offset + 1)));
        };
        // The consumer's buffer is its own: this is the one copy on the way in.
        let key = Bytes::copy_from_slice(message.key().unwrap_or_default());
        let value = Bytes::copy_from_slice(value);
        let milliseconds = message.timestamp().to_millis();
        let stored_at = milliseconds.and_then(|at| u64::try_from(at).ok()?.checked_mul(1_000_000));
        Ok(Some(Entry { stored_at, ..entry(partition, offset, offset + 1, key, value) }))
    }

    /// It is renewed by itself.
    fn is_about_a_token(&self, error: &KafkaError) -> bool {
        let is_refused = error.rdkafka_error_code() == Some(RDKafkaErrorCode::Authentication);
        is_refused && self.consumer.context().voice.has_tokens()
    }

    pub(crate) async fn ends(&self) -> Result<Ends, ReadError> {
        let (consumer, topic) = (self.consumer.clone(), self.topic.clone());
        let (url, partitions) = (self.url.clone(), 0..self.count as i32);
        blocking(url.clone(), move || {
            let end = |partition: i32| {
                let marks = consumer.fetch_watermarks(&topic, partition, PATIENCE);
                let (_, high) = marks.map_err(|error| failed(&url, &error))?;
                Ok((partition, high.max(0) as u64))
            };
            Ok(Ends(partitions.map(end).collect::<Result<_, ReadError>>()?))
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

impl Drop for KafkaReader {
    fn drop(&mut self) {
        let mut owed = self.consumer.context().close();
        owed.extend(self.gaining.take().into_iter().flat_map(|(partitions, _)| partitions));
        if owed.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::new();
        for partition in owed {
            list.add_partition(&self.topic, partition);
        }
        if let Err(error) = self.consumer.incremental_assign(&list) {
            tracing::debug!(%error, url = self.url, "partitions that came too late went by themselves");
        }
    }
}

fn failed(url: &str, error: &KafkaError) -> ReadError {
    ReadError { url: url.to_owned(), reason: told(error) }
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

/// Runs a call that waits for a broker away from the tasks.
async fn blocking<T: Send + 'static>(
    url: String,
    call: impl FnOnce() -> Result<T, ReadError> + Send + 'static,
) -> Result<T, ReadError> {
    let joined = tokio::task::spawn_blocking(call).await;
    joined.unwrap_or_else(|error| Err(ReadError { url, reason: error.to_string() }))
}
