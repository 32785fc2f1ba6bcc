//! Latencies, in a histogram of fixed size.

use hdrhistogram::Histogram;
use serde::Serialize;

/// Longest latency that is told apart, in milliseconds.
const LONGEST: u64 = 3_600_000;

/// Milliseconds, counted.
#[derive(Debug)]
pub struct Latencies(Histogram<u64>);

/// What of the latencies is below what, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Percentiles {
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub max: u64,
}

impl Default for Latencies {
    fn default() -> Latencies {
        let histogram = Histogram::new_with_bounds(1, LONGEST, 3);
        Latencies(histogram.expect("invariant: these bounds are right"))
    }
}

impl Latencies {
    pub fn add(&mut self, millis: u64) {
        self.0.saturating_record(millis.min(LONGEST));
    }

    pub fn percentiles(&self) -> Percentiles {
        let at = |quantile| self.0.value_at_quantile(quantile);
        Percentiles { p50: at(0.5), p90: at(0.9), p99: at(0.99), max: self.0.max() }
    }
}
