//! The proxy's heartbeat: each second, in every partition, what is not in the journal yet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use buffer::Budget;
use bytes::Bytes;
use codec::record::{self, Heartbeat, Nanos, Switched};
use journal::{AppendError, Appender, Lane, Stall, Urgency};

use crate::metrics::Metrics;
use crate::roster::{Census, Roster};
use crate::tape::now;

const EVERY: Duration = Duration::from_secs(1);
/// A record is stamped a moment before it is handed over; the heartbeat speaks of no later time.
const MOMENT: Nanos = 20_000_000;

/// Beats until dropped.
pub(crate) async fn beat(
    journal: Appender,
    node: Arc<str>,
    roster: Arc<Roster>,
    metrics: Arc<Metrics>,
    budget: Arc<Budget>,
) {
    let lanes = lanes(&journal, &node);
    let mut every = tokio::time::interval(EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut lost, mut broken) = (0, 0);
    let mut stall = Stall::new(&journal.progress(), Instant::now());
    for number in 1.. {
        every.tick().await;
        let lost_by_now = journal.lost();
        metrics.dropped.with_label_values(&["failed"]).inc_by((lost_by_now - lost) as u64);
        lost = lost_by_now;
        let broken_by_now = journal.broken_producers();
        metrics.broken_producers.inc_by(broken_by_now - broken);
        broken = broken_by_now;
        let progress = journal.progress();
        metrics.waiting.set(journal.waiting_bytes() as i64);
        let records: u64 = progress.iter().map(|(taken, done)| taken.saturating_sub(*done)).sum();
        metrics.waiting_records.set(i64::try_from(records).unwrap_or(i64::MAX));
        metrics.oldest_waiting.set(stall.age(&progress, Instant::now()).as_secs_f64());
        metrics.memory.show(&budget);
        if let Some(spill) = journal.spill() {
            metrics.spill.show(spill);
        }
        let census = roster.census();
        metrics.open.set(census.open as i64);
        let record = record_of(&node, &census, None);
        for lane in &lanes {
            match journal.append(lane, number, record.clone(), Urgency::Follows) {
                // The next one says all that this one would have.
                Ok(()) | Err(AppendError::Full(_)) => {}
                Err(error) => tracing::warn!(%error, "a heartbeat was not journaled"),
            }
        }
    }
}

/// Shows what memory is in use where no journal has a heartbeat, until dropped.
pub(crate) async fn show_memory(metrics: Arc<Metrics>, budget: Arc<Budget>) {
    let mut every = tokio::time::interval(EVERY);
    loop {
        every.tick().await;
        metrics.memory.show(&budget);
    }
}

/// The last heartbeat, in every partition, when no connection is left: with it the journal tells whether it is whole. Waits
/// for room.
pub(crate) async fn last_beat(journal: &Appender, node: &str, roster: &Roster) {
    let record = record_of(node, &roster.census(), None);
    for lane in lanes(journal, node) {
        let appended = journal.append_with_room(&lane, 1, record.clone(), Urgency::Follows);
        if let Err(error) = appended.await {
            return tracing::warn!(%error, "the last heartbeat was not journaled");
        }
    }
}

fn lanes(journal: &Appender, node: &str) -> Vec<Lane> {
    (0..journal.partitions()).map(|partition| heartbeat_lane(journal, partition, node)).collect()
}

/// The way of a node's heartbeats into a partition.
pub(crate) fn heartbeat_lane(journal: &Appender, partition: i32, node: &str) -> Lane {
    journal.lane_in(partition, &format!("godwit.heartbeat.{node}"))
}

/// A heartbeat of this moment; with times, it says that capture was switched.
pub(crate) fn record_of(node: &str, census: &Census, switched: Option<Switched>) -> Bytes {
    let clock = now();
    let settled = clock.saturating_sub(MOMENT);
    let beat = Heartbeat {
        clock,
        oldest_unjournaled: census.kept_back.map_or(settled, |oldest| oldest.min(settled)),
        oldest_open_write: census.open_write.unwrap_or(0),
        connections: census.connections,
        records: census.records,
        switched,
    };
    Bytes::copy_from_slice(&record::heartbeat(node, &beat))
}
