//! How late requests went out, and how long both clusters took.

use std::{collections::BTreeMap, time::Duration};

use codec::reads::Class;
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::metrics::Metrics;

/// What is measured of one class of endpoints.
const SIDES: [&str; 3] = ["source", "target", "target_from_sent"];

/// Histograms of one run.
#[derive(Debug)]
pub(crate) struct Latencies {
    measured: Mutex<Measured>,
    /// The same for `/metrics`.
    error: prometheus::Histogram,
    /// By class and side.
    metrics: [[prometheus::Histogram; SIDES.len()]; Class::ALL.len()],
}

#[derive(Debug)]
struct Measured {
    error: Histogram<u64>,
    classes: [[Histogram<u64>; SIDES.len()]; Class::ALL.len()],
}

/// Until an exchange was done with, all attempts together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Latency {
    pub(crate) from_intended: Duration,
    pub(crate) from_sent: Duration,
}

/// Percentiles in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Percentiles {
    pub count: u64,
    pub p50: f64,
    pub p99: f64,
    pub max: f64,
}

/// Latency on both sides; on the target's from the intended moment, and from the actual one.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub struct LatencyOf {
    pub source: Percentiles,
    pub target: Percentiles,
    pub target_from_sent: Percentiles,
}

/// What was measured.
#[derive(Clone, Debug)]
pub(crate) struct Measurements {
    pub(crate) error: Percentiles,
    pub(crate) all: LatencyOf,
    /// Of those classes that there were.
    pub(crate) classes: BTreeMap<String, LatencyOf>,
}

impl Latencies {
    pub(crate) fn new(metrics: &Metrics) -> Self {
        let classes = std::array::from_fn(|_| std::array::from_fn(|_| histogram()));
        let of = |class: Class| {
            SIDES.map(|side| metrics.latency.with_label_values(&[side, class.as_str()]))
        };
        let measured = Mutex::new(Measured { error: histogram(), classes });
        Self { measured, error: metrics.schedule_error.clone(), metrics: Class::ALL.map(of) }
    }

    /// A request went out at `sent` and was answered now. Latency counts from the intended moment too, so that a
    /// stalled target can't hide behind requests that were never sent in time.
    pub(crate) fn measure(
        &self,
        class: Class,
        intended: Instant,
        sent: Instant,
        source: Option<Duration>,
    ) -> Latency {
        let now = Instant::now();
        let latency = Latency {
            from_intended: now.saturating_duration_since(intended),
            from_sent: now.saturating_duration_since(sent),
        };
        let took = [source, Some(latency.from_intended), Some(latency.from_sent)];
        let error = sent.saturating_duration_since(intended);
        self.error.observe(error.as_secs_f64());
        let mut measured = self.measured.lock();
        measured.error.saturating_record(micros(error));
        let sides = measured.classes[class as usize].iter_mut().zip(&self.metrics[class as usize]);
        for ((histogram, metric), took) in sides.zip(took) {
            if let Some(took) = took {
                histogram.saturating_record(micros(took));
                metric.observe(took.as_secs_f64());
            }
        }
        latency
    }

    pub(crate) fn percentiles(&self) -> Measurements {
        let measured = self.measured.lock();
        let of = |[source, target, from_sent]: &[Histogram<u64>; SIDES.len()]| LatencyOf {
            source: percentiles(source),
            target: percentiles(target),
            target_from_sent: percentiles(from_sent),
        };
        let mut all = std::array::from_fn(|_| histogram());
        for class in &measured.classes {
            for (sum, one) in all.iter_mut().zip(class) {
                sum.add(one).expect("invariant: all have the same bounds");
            }
        }
        let named = Class::ALL.into_iter().map(|class| class.as_str().to_owned());
        let classes = named.zip(measured.classes.iter().map(of));
        Measurements {
            error: percentiles(&measured.error),
            all: of(&all),
            classes: classes.filter(|(_, latency)| latency.target.count > 0).collect(),
        }
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
    async fn latency_counts_from_the_intended_moment() {
        let latencies = Latencies::new(&Metrics::new());
        let intended = Instant::now();
        tokio::time::advance(Duration::from_secs(2)).await;
        let sent = Instant::now();
        tokio::time::advance(Duration::from_secs(1)).await;
        latencies.measure(Class::Search, intended, sent, Some(Duration::from_millis(5)));
        latencies.measure(Class::Bulk, intended, sent, None);
        let measured = latencies.percentiles();
        let near = |found: f64, expected: f64| (found - expected).abs() < expected / 500.0;
        let LatencyOf { source, target, target_from_sent } = measured.all;
        assert!(near(measured.error.p50, 2000.0) && near(target.p50, 3000.0));
        assert!(near(target_from_sent.p50, 1000.0) && near(source.p99, 5.0));
        assert_eq!((target.count, source.count), (2, 1));
        assert_eq!(measured.classes.keys().collect::<Vec<_>>(), ["bulk", "search"]);
    }
}
