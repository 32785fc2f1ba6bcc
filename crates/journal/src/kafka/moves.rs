//! Partitions that come and go while several readers of a group share a topic.
//!
//! librdkafka tells of them from within a call that reads; they are queued here, and the reader gives them out in
//! front of what comes from the partitions. Assignment is cooperative: only what moves stops.

use std::collections::VecDeque;

use parking_lot::Mutex;
use rdkafka::client::ClientContext;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::topic_partition_list::TopicPartitionList;
use tokio::sync::Notify;

/// Partitions that came or went.
#[derive(Debug)]
pub(super) enum Move {
    Gained(Vec<i32>),
    Lost(Vec<i32>),
}

/// What librdkafka calls.
#[derive(Debug, Default)]
pub(super) struct Moves {
    waiting: Mutex<VecDeque<Move>>,
    pub(super) came: Notify,
}

impl Moves {
    pub(super) fn next(&self) -> Option<Move> {
        self.waiting.lock().pop_front()
    }

    fn put(&self, partitions: &TopicPartitionList, made: impl Fn(Vec<i32>) -> Move) {
        let partitions: Vec<i32> =
            partitions.elements().iter().map(|element| element.partition()).collect();
        if !partitions.is_empty() {
            self.waiting.lock().push_back(made(partitions));
            self.came.notify_one();
        }
    }
}

impl ClientContext for Moves {}

impl ConsumerContext for Moves {
    fn pre_rebalance(&self, _: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        match rebalance {
            // Told before they are read by another.
            Rebalance::Revoke(partitions) => self.put(partitions, Move::Lost),
            Rebalance::Assign(partitions) => self.put(partitions, Move::Gained),
            Rebalance::Error(error) => {
                tracing::warn!(%error, "the group can't share its partitions")
            }
        }
    }
}
