//! Waiting for a target that takes nothing at the moment.

use std::time::Duration;

use parking_lot::Mutex;
use rand::Rng;
use tokio::time::Instant;

use super::{Obstacle, SendSettings};

/// How long one batch has been without any progress, and how long to wait next.
#[derive(Debug)]
pub(super) struct Patience {
    settings: SendSettings,
    since: Option<Instant>,
    waits: u32,
}

impl Patience {
    pub(super) fn new(settings: SendSettings) -> Self {
        Self { settings, since: None, waits: 0 }
    }

    /// Some document was dealt with.
    pub(super) fn progress(&mut self) {
        self.since = None;
        self.waits /= 2;
    }

    /// A quarter of the time without progress that there is has passed.
    pub(super) fn is_quarter_over(&self) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= self.settings.retry_for / 4)
    }

    /// Waits before the next attempt; `Err` with the time that has passed when patience is at its end.
    pub(super) async fn wait(&mut self) -> Result<(), Duration> {
        let waited = self.since.get_or_insert_with(Instant::now).elapsed();
        let left = self.settings.retry_for.saturating_sub(waited);
        if left.is_zero() {
            return Err(waited);
        }
        let doubled = 1u32.checked_shl(self.waits).unwrap_or(u32::MAX);
        let wait = self.settings.first_wait.saturating_mul(doubled);
        let wait = wait.min(self.settings.longest_wait);
        self.waits = self.waits.saturating_add(1);
        // Not all at the same moment.
        let jitter = rand::rng().random_range(0.5..1.0);
        // The last attempt comes when patience ends, not before.
        tokio::time::sleep(wait.mul_f64(jitter).min(left)).await;
        Ok(())
    }
}

/// Warns of what is waited for once a minute, whoever waits.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    last: Mutex<Option<Instant>>,
}

const BETWEEN: Duration = Duration::from_secs(60);

impl Warnings {
    pub(super) fn warn(&self, url: &str, index: &str, obstacle: &Obstacle) {
        let now = Instant::now();
        let mut last = self.last.lock();
        if last.is_none_or(|last| now.duration_since(last) >= BETWEEN) {
            *last = Some(now);
            tracing::warn!(url, index, %obstacle, "waiting for the target");
        } else {
            tracing::debug!(url, index, %obstacle, "waiting for the target");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn patience_lasts_as_long_as_it_says() {
        let settings =
            SendSettings { retry_for: Duration::from_secs(60), ..SendSettings::default() };
        let mut patience = Patience::new(settings);
        let began = Instant::now();
        let waited = loop {
            if let Err(waited) = patience.wait().await {
                break waited;
            }
        };
        assert_eq!(waited, began.elapsed());
        assert!(patience.is_quarter_over());
        assert!(waited >= Duration::from_secs(60) && waited < Duration::from_secs(61));
        assert!(patience.waits > 8 && patience.waits < 40, "{}", patience.waits);
        patience.progress();
        assert!(patience.wait().await.is_ok() && !patience.is_quarter_over());
    }
}
