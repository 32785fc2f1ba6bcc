//! Partitions that come and go while several readers of a group share a topic.
//!
//! librdkafka tells of them from within a call that reads; they are queued here, and the reader gives them out in
//! front of what comes from the partitions. Assignment is cooperative: only what moves stops. What goes is given back at
//! once; what comes is assigned by the reader, when it knows where it has to begin: before that nothing of it can arrive.

use std::collections::VecDeque;

use parking_lot::Mutex;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use tokio::sync::Notify;

use super::access::Voice;

/// Partitions that came or went.
#[derive(Debug)]
pub(super) enum Move {
    /// They are to be assigned.
    Gained(Vec<i32>),
    Lost(Vec<i32>),
}

/// What librdkafka calls.
#[derive(Debug)]
pub(super) struct Moves {
    pub(super) voice: Voice,
    waiting: Mutex<Waiting>,
    pub(super) came: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    moves: VecDeque<Move>,
    /// The reader is gone: nobody assigns what comes.
    is_closed: bool,
}

impl Moves {
    pub(super) fn new(voice: Voice) -> Moves {
        Moves { voice, waiting: Mutex::default(), came: Notify::new() }
    }

    pub(super) fn next(&self) -> Option<Move> {
        self.waiting.lock().moves.pop_front()
    }

    /// From now on what comes is assigned here. Gives back what wasn't yet: a consumer that owes an answer can't be closed.
    pub(super) fn close(&self) -> Vec<i32> {
        let mut waiting = self.waiting.lock();
        waiting.is_closed = true;
        let gained = waiting.moves.drain(..).filter_map(|made| match made {
            Move::Gained(partitions) => Some(partitions),
            Move::Lost(_) => None,
        });
        gained.flatten().collect()
    }

    /// Whether somebody takes it.
    fn put(&self, made: Move) -> bool {
        let mut waiting = self.waiting.lock();
        if !waiting.is_closed {
            waiting.moves.push_back(made);
            self.came.notify_one();
        }
        !waiting.is_closed
    }

    fn moved(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaErrorCode,
        list: &TopicPartitionList,
    ) -> KafkaResult<()> {
        let partitions: Vec<i32> =
            list.elements().iter().map(|element| element.partition()).collect();
        let is_empty = partitions.is_empty();
        match kind {
            RDKafkaErrorCode::AssignPartitions => {
                if is_empty || !self.put(Move::Gained(partitions)) {
                    consumer.incremental_assign(list)?;
                }
            }
            RDKafkaErrorCode::RevokePartitions => {
                // Told before they are read by another.
                if !is_empty {
                    self.put(Move::Lost(partitions));
                }
                consumer.incremental_unassign(list)?;
            }
            other => return Err(KafkaError::Rebalance(other)),
        }
        Ok(())
    }
}

impl ClientContext for Moves {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = Voice::ENABLE_REFRESH_OAUTH_TOKEN;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, line: &str) {
        self.voice.log(level, facility, line);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.voice.error(error, reason);
    }

    fn generate_oauth_token(
        &self,
        config: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.voice.generate_oauth_token(config)
    }
}

impl ConsumerContext for Moves {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        if let Err(error) = self.moved(consumer, kind.into(), list) {
            tracing::warn!(%error, "the group can't share its partitions");
        }
    }
}
