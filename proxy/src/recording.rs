//! What is recorded: a share of the connections, for a time.
//!
//! For load tests. A connection that isn't recorded is passed on, and nobody looks at its bytes. When the time is over,
//! recorded connections are closed after the exchange that they are in, so that their clients come back unrecorded.

use tokio::sync::watch;

/// Which connections are recorded.
#[derive(Debug)]
pub(crate) struct Recording {
    /// Of all connections; 1: each.
    share: f64,
    over: watch::Sender<bool>,
}

impl Recording {
    pub(crate) fn of(share: f64) -> Recording {
        Recording { share, over: watch::Sender::new(false) }
    }

    /// Whether a new connection is recorded.
    pub(crate) fn takes_one(&self) -> bool {
        !*self.over.borrow() && (self.share >= 1.0 || rand::random::<f64>() < self.share)
    }

    /// Turns true, once, when connections are to be closed as soon as they can.
    pub(crate) fn over(&self) -> watch::Receiver<bool> {
        self.over.subscribe()
    }

    /// Nothing more is recorded.
    pub(crate) fn end(&self) {
        self.over.send_replace(true);
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
        let mut over = recording.over();
        assert!(!over.has_changed().unwrap());
        recording.end();
        assert!(!recording.takes_one() && over.has_changed().unwrap() && *over.borrow_and_update());
    }
}
