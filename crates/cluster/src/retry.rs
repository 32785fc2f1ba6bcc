//! Exponential back-off with a bound in time.

use std::time::Duration;

use tokio::time::Instant;

/// How long and how patiently to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// Give up when this much time has passed since the first attempt.
    pub give_up_after: Duration,
}

impl Retry {
    pub const fn for_at_most(give_up_after: Duration) -> Self {
        Self {
            first_wait: Duration::from_millis(50),
            longest_wait: Duration::from_secs(5),
            give_up_after,
        }
    }

    /// The wait before attempt `attempt + 1` (the first attempt is 0): doubled each time up to the longest.
    pub fn wait(&self, attempt: u32) -> Duration {
        let factor = 1u32.checked_shl(attempt).unwrap_or(u32::MAX);
        self.first_wait.saturating_mul(factor).min(self.longest_wait)
    }

    /// Begins to count the time that is left.
    pub(crate) fn begin(self) -> Attempts {
        Attempts { retry: self, start: Instant::now(), count: 0 }
    }
}

/// The attempts at one thing.
#[derive(Debug)]
pub(crate) struct Attempts {
    retry: Retry,
    start: Instant,
    /// How many have failed.
    pub(crate) count: u32,
}

impl Attempts {
    /// Waits before the next attempt; `false`, at once, when that would be longer than patience lasts.
    pub(crate) async fn again(&mut self) -> bool {
        let wait = self.retry.wait(self.count);
        if self.start.elapsed() + wait > self.retry.give_up_after {
            return false;
        }
        tokio::time::sleep(wait).await;
        self.count += 1;
        true
    }
}

/// Whether a request may be sent twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// A repeat changes nothing more than the first did: reads, versioned writes.
    Safe,
    /// Only repeated when the first surely did not run: no connection, or 429.
    OnlyIfRefused,
}

/// The statuses that mean "not now": overload, a gateway without a backend, a node that is starting.
pub(crate) fn is_transient(status: u16) -> bool {
    matches!(status, 429 | 502 | 503 | 504)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let retry = Retry::for_at_most(Duration::from_secs(60));
        assert_eq!(retry.wait(0), Duration::from_millis(50));
        assert_eq!(retry.wait(3), Duration::from_millis(400));
        assert_eq!(retry.wait(90), Duration::from_secs(5));
    }
}
