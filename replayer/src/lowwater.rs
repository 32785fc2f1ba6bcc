//! Up to which time everything that was captured has been read.
//!
//! The mark of a partition is what the heartbeats of the proxies say in it; a journal without heartbeats
//! (another writer's) is trusted by its records' times. The mark of the journal is its lowest partition's.

use std::collections::BTreeMap;

use codec::record::{Heartbeat, Nanos};

/// A proxy that hasn't been heard of for so long, by the clocks of the others, holds nobody up.
const PROXY_SILENCE: Nanos = 30_000_000_000;

/// By then everyone who writes to a partition has been heard of in it: a heartbeat comes each second.
const ALL_HEARD: Nanos = 3_000_000_000;

/// Without heartbeats: a partition that is so far behind the others has nothing.
const PARTITION_SILENCE: Nanos = 60_000_000_000;

/// The marks of all partitions.
#[derive(Debug)]
pub(crate) struct LowWater {
    partitions: BTreeMap<i32, Marks>,
}

#[derive(Debug, Default)]
struct Marks {
    proxies: BTreeMap<String, Proxy>,
    newest_record: Nanos,
    /// When the first record that was read of it came into the journal.
    began: Option<Nanos>,
}

#[derive(Debug)]
struct Proxy {
    /// Everything that it captured before this time is in the journal.
    journaled: Nanos,
    clock: Nanos,
}

impl LowWater {
    pub(crate) fn new(partitions: &[i32]) -> Self {
        Self { partitions: partitions.iter().map(|&p| (p, Marks::default())).collect() }
    }

    /// A partition is read from now on: nothing is known of it.
    pub(crate) fn begin(&mut self, partition: i32) {
        self.partitions.insert(partition, Marks::default());
    }

    /// A partition isn't read any more.
    pub(crate) fn end(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// A proxy's heartbeat in a partition.
    pub(crate) fn heartbeat(&mut self, partition: i32, node: &str, beat: &Heartbeat) {
        let marks = self.partitions.entry(partition).or_default();
        let (journaled, clock) = (beat.oldest_unjournaled, beat.clock);
        match marks.proxies.get_mut(node) {
            Some(proxy) => {
                proxy.journaled = proxy.journaled.max(journaled);
                proxy.clock = proxy.clock.max(clock);
            }
            None => drop(marks.proxies.insert(node.to_owned(), Proxy { journaled, clock })),
        }
    }

    /// A record with observations up to `at` that came into the journal at `stored_at`, where it tells. Returns whether
    /// it comes so late that its proxy wasn't waited for: others have been heard of in its partition long after it was
    /// captured. So comes what a proxy had in its spill while others had Kafka.
    ///
    /// Where reading has just begun nobody has been heard of, and a replayer before this one may have gone on without it:
    /// when it was stored tells.
    pub(crate) fn record(&mut self, partition: i32, at: Nanos, stored_at: Option<Nanos>) -> bool {
        let marks = self.partitions.entry(partition).or_default();
        marks.newest_record = marks.newest_record.max(at);
        let is_after = |time: Nanos| at.saturating_add(PROXY_SILENCE) < time;
        let is_stored_late = stored_at.is_some_and(|stored| {
            let began = *marks.began.get_or_insert(stored);
            stored < began.saturating_add(ALL_HEARD) && is_after(stored)
        });
        is_stored_late || marks.proxies.values().any(|proxy| is_after(proxy.clock))
    }

    /// Whether a proxy has been heard of shortly before this time.
    pub(crate) fn is_alive(&self, node: &str, at: Nanos) -> bool {
        let mut marks = self.partitions.values().filter_map(|marks| marks.proxies.get(node));
        marks.any(|proxy| proxy.clock.saturating_add(PROXY_SILENCE) >= at)
    }

    /// Whether a proxy has fallen silent in a partition that was read on: all that it put there has been read. Of one
    /// that was never heard of nothing is known.
    pub(crate) fn is_gone(&self, partition: i32, node: &str) -> bool {
        let Some(marks) = self.partitions.get(&partition) else { return false };
        let newest = marks.proxies.values().map(|proxy| proxy.clock).max().unwrap_or(0);
        let last = marks.proxies.get(node).map(|proxy| proxy.clock);
        last.is_some_and(|last| last.saturating_add(PROXY_SILENCE) < newest)
    }

    /// Everything captured before this time has been read.
    pub(crate) fn get(&self) -> Nanos {
        let proxies = self.partitions.values().flat_map(|marks| marks.proxies.values());
        let Some(newest_clock) = proxies.map(|proxy| proxy.clock).max() else {
            let newest = || self.partitions.values().map(|m| m.newest_record);
            let waited_for = newest().max().unwrap_or(0).saturating_sub(PARTITION_SILENCE);
            return newest().min().unwrap_or(0).max(waited_for);
        };
        let heard = |proxy: &&Proxy| proxy.clock.saturating_add(PROXY_SILENCE) >= newest_clock;
        let mark = |marks: &Marks| {
            marks.proxies.values().filter(heard).map(|proxy| proxy.journaled).min().unwrap_or(0)
        };
        self.partitions.values().map(mark).min().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(at: Nanos) -> Heartbeat {
        Heartbeat { clock: at, oldest_unjournaled: at, ..Heartbeat::default() }
    }

    #[test]
    fn every_partition_has_to_pass() {
        let mut marks = LowWater::new(&[0, 1]);
        marks.heartbeat(0, "a", &beat(1000));
        assert_eq!(marks.get(), 0);
        marks.heartbeat(1, "a", &beat(211));
        assert_eq!(marks.get(), 211);
        marks.heartbeat(1, "a", &beat(100));
        assert_eq!(marks.get(), 211);
    }

    #[test]
    fn a_proxy_is_gone_where_others_are_heard_long_after_it() {
        let mut marks = LowWater::new(&[0, 1]);
        marks.heartbeat(0, "a", &beat(50));
        marks.heartbeat(1, "a", &beat(50));
        marks.heartbeat(0, "b", &beat(51 + PROXY_SILENCE));
        assert!(marks.is_gone(0, "a") && !marks.is_gone(0, "b"));
        // What it put into the other partition may not have been read.
        assert!(!marks.is_gone(1, "a") && !marks.is_gone(0, "c") && !marks.is_gone(7, "a"));
    }

    #[test]
    fn what_a_proxy_brings_that_was_not_waited_for_is_late() {
        let mut marks = LowWater::new(&[0, 1]);
        assert!(!marks.record(0, 0, None));
        marks.heartbeat(0, "a", &beat(50));
        marks.heartbeat(0, "b", &beat(50 + PROXY_SILENCE));
        assert!(!marks.record(0, 50, None) && marks.get() == 0);
        marks.heartbeat(0, "b", &beat(51 + PROXY_SILENCE));
        // Of another partition nothing is known: it may not have been read so far.
        assert!(marks.record(0, 50, None) && !marks.record(1, 50, None));
        assert!(!marks.record(0, 51, None));
    }

    #[test]
    fn before_anyone_is_heard_of_it_is_told_by_when_a_record_was_stored() {
        let mut marks = LowWater::new(&[0, 1]);
        let began = 1_000 + PROXY_SILENCE;
        assert!(!marks.record(0, 1_000, Some(began)));
        // Its own proxy's heartbeats lay in its spill as it did, and say nothing of the others.
        marks.heartbeat(0, "a", &beat(900));
        assert!(marks.record(0, 999, Some(began)) && !marks.record(1, 999, None));
        // From then on the others' heartbeats would have been read.
        assert!(marks.record(0, 999, Some(began + ALL_HEARD - 1)));
        assert!(!marks.record(0, 999, Some(began + ALL_HEARD)));
        // What comes back to this replayer begins anew.
        marks.begin(0);
        assert!(marks.record(0, 999, Some(began + ALL_HEARD)));
    }

    #[test]
    fn every_proxy_counts_until_it_falls_silent() {
        let mut marks = LowWater::new(&[0]);
        marks.heartbeat(0, "a", &beat(50));
        marks.heartbeat(0, "b", &beat(1_000));
        assert_eq!(marks.get(), 50);
        assert!(
            marks.is_alive("a", 50 + PROXY_SILENCE) && !marks.is_alive("a", 51 + PROXY_SILENCE)
        );
        assert!(!marks.is_alive("c", 0));
        marks.heartbeat(0, "b", &beat(1_000 + PROXY_SILENCE));
        assert_eq!(marks.get(), 1_000 + PROXY_SILENCE);
    }

    #[test]
    fn without_heartbeats_the_records_tell() {
        let mut marks = LowWater::new(&[0, 1]);
        marks.record(0, 200, None);
        marks.record(1, 100, None);
        assert_eq!(marks.get(), 100);
        marks.record(0, 100 + PARTITION_SILENCE + 50, None);
        assert_eq!(marks.get(), 150);
    }
}
