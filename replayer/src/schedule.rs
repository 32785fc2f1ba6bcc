//! When a request goes out, and how late it really did.

use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::settings::Pace;

/// Maps the source's times to ours: `start + (t − t0) / speedup`.
#[derive(Debug)]
pub(crate) struct Schedule {
    pace: Pace,
    origin: Mutex<Option<Origin>>,
    measured: Mutex<Measured>,
}

/// The first request: when it was sent to the source, when it goes to the target.
#[derive(Clone, Copy, Debug)]
struct Origin {
    source: u64,
    here: Instant,
    /// Requests scheduled since, for a fixed rate.
    count: u64,
}

#[derive(Debug)]
struct Measured {
    error: Histogram<u64>,
    latency: Histogram<u64>,
    source: Histogram<u64>,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

impl Schedule {
    pub(crate) fn new(pace: Pace) -> Self {
        let measured = Measured { error: histogram(), latency: histogram(), source: histogram() };
        Self { pace, origin: Mutex::new(None), measured: Mutex::new(measured) }
    }

    /// When a request goes out that the source received at `at` (nanoseconds).
    pub(crate) fn intended(&self, at: u64) -> Instant {
        let now = Instant::now();
        let mut origin = self.origin.lock();
        let origin = origin.get_or_insert(Origin { source: at, here: now, count: 0 });
        let count = origin.count;
        origin.count = count.saturating_add(1);
        match self.pace {
            Pace::Free => now,
            Pace::Rate(rate) => origin.here + Duration::from_secs_f64(count as f64 / rate),
            Pace::Speedup(factor) => {
                let since = Duration::from_nanos(at.saturating_sub(origin.source));
                origin.here + since.div_f64(factor)
            }
        }
    }

    /// A request went out at `sent` and was answered now. Latency counts from the intended moment, so that a
    /// stalled target can't hide behind requests that were never sent in time.
    pub(crate) fn measure(&self, intended: Instant, sent: Instant, source: Option<Duration>) {
        let mut measured = self.measured.lock();
        measured.error.saturating_record(micros(sent.saturating_duration_since(intended)));
        measured.latency.saturating_record(micros(intended.elapsed()));
        if let Some(source) = source {
            measured.source.saturating_record(micros(source));
        }
    }

    /// Schedule error, latency of the target, latency of the source.
    pub(crate) fn percentiles(&self) -> [Percentiles; 3] {
        let measured = self.measured.lock();
        [&measured.error, &measured.latency, &measured.source].map(percentiles)
    }
}

fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let millis = |micros: u64| micros as f64 / 1000.0;
    Percentiles {
        count: histogram.len(),
        p50: millis(histogram.value_at_quantile(0.5)),
        p99: millis(histogram.value_at_quantile(0.99)),
        max: millis(histogram.max()),
    }
}

/// One microsecond to an hour, three digits.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 3_600_000_000, 3).expect("invariant: the bounds are valid")
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_is_compressed_by_the_speedup() {
        let schedule = Schedule::new(Pace::Speedup(4.0));
        let start = Instant::now();
        assert_eq!(schedule.intended(1_000_000_000), start);
        assert_eq!(schedule.intended(3_000_000_000), start + Duration::from_millis(500));
        // What began before the first goes at once.
        assert_eq!(schedule.intended(500), start);
        let schedule = Schedule::new(Pace::Rate(10.0));
        schedule.intended(7);
        assert_eq!(schedule.intended(0), start + Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn latency_counts_from_the_intended_moment() {
        let schedule = Schedule::new(Pace::Free);
        let intended = Instant::now();
        tokio::time::advance(Duration::from_secs(2)).await;
        let sent = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        schedule.measure(intended, sent, Some(Duration::from_millis(5)));
        let [error, latency, source] = schedule.percentiles();
        assert!((error.p50 - 2000.0).abs() < 5.0 && (latency.p50 - 3000.0).abs() < 5.0);
        assert!((source.p99 - 5.0).abs() < 0.1);
    }
}
