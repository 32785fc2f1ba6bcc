//! The pace as something to wait at: no more requests at once than it allows.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::pace::{Answer, Limits, Pace};

/// One a target.
#[derive(Debug)]
pub(super) struct Gate {
    pace: Mutex<Pace>,
    freed: Notify,
    start: Instant,
}

impl Gate {
    pub(super) fn new(limits: Limits) -> Self {
        Self { pace: Mutex::new(Pace::new(limits)), freed: Notify::new(), start: Instant::now() }
    }

    /// Waits for a free place among the connections.
    pub(super) async fn enter(&self) -> Place<'_> {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            // Registered before looking, so that a place freed in between isn't missed.
            freed.as_mut().enable();
            if self.pace.lock().begin() {
                return Place { gate: self, began: Instant::now(), answer: Answer::Neutral };
            }
            freed.await;
        }
    }

    pub(super) fn batch_bytes(&self) -> usize {
        self.pace.lock().batch_bytes()
    }

    pub(super) fn connections(&self) -> u32 {
        self.pace.lock().connections()
    }
}

/// A place among the connections; given back when it is dropped, a cancelled request's too.
#[derive(Debug)]
pub(super) struct Place<'a> {
    gate: &'a Gate,
    began: Instant,
    answer: Answer,
}

impl Place<'_> {
    pub(super) fn took(&self) -> Duration {
        self.began.elapsed()
    }

    pub(super) fn leave(mut self, answer: Answer) {
        self.answer = answer;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.gate.pace.lock().end(self.gate.start.elapsed(), self.answer);
        // All of them: one answer may free several places.
        self.gate.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn a_cancelled_request_gives_its_place_back() {
        let gate = Gate::new(Limits { most_connections: 1, ..Limits::default() });
        let place = gate.enter().await;
        assert!(gate.enter().now_or_never().is_none());
        let waiting = gate.enter();
        tokio::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(place);
        waiting.await.leave(Answer::Neutral);
        assert!(gate.enter().now_or_never().is_some());
    }
}
