//! What is recorded: a share of the connections, for a time, unless it is switched off.
//!
//! Share and time are for load tests. A connection that isn't recorded is served as one that is. When the time
//! is over, recorded connections are closed after the exchange that they are in, so that their clients come back unrecorded.
//! Switched off, connections stay as they are, and each request that begins is passed on unrecorded, with its answer.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use codec::record::Nanos;
use tokio::sync::watch;

/// Which connections and requests are recorded.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Of all connections; 1: each.
    share: f64,
    ended: AtomicBool,
    /// Connections that are recorded are to end.
    over: watch::Sender<bool>,
    /// All are.
    draining: watch::Sender<bool>,
    /// Since when nothing is recorded; 0 while it is.
    off: AtomicU64,
}

impl Recording {
    pub(crate) fn of(share: f64) -> Recording {
        Recording {
            share,
            ended: AtomicBool::new(false),
            over: watch::Sender::new(false),
            draining: watch::Sender::new(false),
            off: AtomicU64::new(0),
        }
    }

    /// Whether a new connection is recorded.
    pub(crate) fn takes_one(&self) -> bool {
        !self.ended.load(Ordering::Acquire)
            && (self.share >= 1.0 || rand::random::<f64>() < self.share)
    }

    /// Turns true, once, when a connection is to be closed as soon as it can: one that is recorded, or one that isn't.
    pub(crate) fn over(&self, recorded: bool) -> watch::Receiver<bool> {
        let mut over = if recorded { &self.over } else { &self.draining }.subscribe();
        if *over.borrow() {
            over.mark_changed();
        }
        over
    }

    /// Nothing more is recorded.
    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        self.over.send_replace(true);
    }

    /// The proxy drains. What it has accepted, and what it accepts yet, is recorded to its end.
    pub(crate) fn close_connections(&self) {
        self.over.send_replace(true);
        self.draining.send_replace(true);
    }

    /// Since when it is switched off, if it is.
    pub(crate) fn off(&self) -> Option<Nanos> {
        Some(self.off.load(Ordering::Relaxed)).filter(|since| *since > 0)
    }

    /// Requests that begin from now on are not recorded.
    pub(crate) fn switch_off(&self, since: Nanos) {
        self.off.store(since, Ordering::Relaxed);
    }

    /// They are again.
    pub(crate) fn switch_on(&self) {
        self.off.store(0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_connections_is_taken_until_the_end() {
        let count = |share| {
            let recording = Recording::of(share);
            (0..10_000).filter(|_| recording.takes_one()).count()
        };
        assert_eq!((count(1.0), count(0.0)), (10_000, 0));
        // Twelve standard deviations to each side.
        assert!((1900..3100).contains(&count(0.25)), "{}", count(0.25));
        let recording = Recording::of(1.0);
        let mut over = recording.over(true);
        assert!(!over.has_changed().unwrap());
        recording.end();
        assert!(!recording.takes_one() && over.has_changed().unwrap() && *over.borrow_and_update());
        assert!(!recording.over(false).has_changed().unwrap());
    }

    #[test]
    fn a_connection_that_comes_while_the_proxy_drains_is_recorded_and_ends() {
        let recording = Recording::of(1.0);
        recording.close_connections();
        assert!(recording.takes_one());
        assert!(
            [true, false].iter().all(|recorded| recording.over(*recorded).has_changed().unwrap())
        );
    }
}
