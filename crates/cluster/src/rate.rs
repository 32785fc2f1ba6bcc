//! A rate limit, so that reading from a live source stays a whisper.

use std::time::Duration;

use tokio::{sync::Mutex, time::Instant};

/// At most so many units a second, evenly; no burst beyond one second's worth.
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    /// The moment at which everything granted so far has been paid for.
    paid: Mutex<Option<Instant>>,
}

impl Rate {
    /// `None` is no limit.
    pub fn per_second(units: Option<u32>) -> Self {
        Self {
            per_second: units.map_or(f64::INFINITY, |u| f64::from(u.max(1))),
            paid: Mutex::new(None),
        }
    }

    /// Waits until `units` more are allowed.
    pub async fn take(&self, units: usize) {
        if self.per_second.is_infinite() || units == 0 {
            return;
        }
        let cost = Duration::from_secs_f64(units as f64 / self.per_second);
        let until = {
            let mut paid = self.paid.lock().await;
            let now = Instant::now();
            let from = paid.map_or(now, |p| p.max(now - Duration::from_secs(1).min(cost)));
            *paid = Some(from + cost);
            from
        };
        tokio::time::sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_is_kept() {
        let rate = Rate::per_second(Some(100));
        let start = Instant::now();
        for _ in 0..50 {
            rate.take(10).await;
        }
        let took = start.elapsed().as_secs_f64();
        assert!((4.5..5.5).contains(&took), "500 units at 100/s took {took} s");
        let free = Rate::per_second(None);
        free.take(usize::MAX).await;
    }
}
