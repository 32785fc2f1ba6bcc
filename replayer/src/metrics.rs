//! What is counted, for `/metrics` and for the summary at once.

use std::collections::BTreeMap;

use prometheus::{
    CounterVec, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge,
    Opts, Registry, core::Collector,
};

use crate::chosen::NOT_CHOSEN;

/// The counters of one run.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    pub(crate) registry: Registry,
    /// Captured exchanges that were dealt with.
    pub(crate) requests: IntCounter,
    /// Operations on the target, by what proved them: `journal`, `id`, `sweep`, `walk`.
    pub(crate) operations: IntCounterVec,
    /// Requests and bulk items that meant nothing, by reason.
    pub(crate) nothing: IntCounterVec,
    /// Doubts, by reason.
    pub(crate) doubt: IntCounterVec,
    pub(crate) doubt_left: IntGauge,
    pub(crate) doubt_put_off: IntCounter,
    /// What the target refused for good, by what it was.
    pub(crate) failed: IntCounterVec,
    pub(crate) controls: IntCounterVec,
    pub(crate) reads: IntCounter,
    /// Requests that are never sent, by class of endpoint.
    pub(crate) not_sent: IntCounterVec,
    pub(crate) retries: IntCounter,
    pub(crate) resent_deletes: IntCounter,
    /// Kept on the target for a backfill that runs beside.
    pub(crate) noted_deletes: IntCounter,
    pub(crate) awaited: IntCounter,
    pub(crate) duplicates: IntCounter,
    pub(crate) gaps: IntCounter,
    pub(crate) disorder: IntCounter,
    /// Records of the journal that can't be read.
    pub(crate) bad_records: IntCounter,
    pub(crate) opaque: IntCounterVec,
    /// Indices created on the target, by where their definition came from.
    pub(crate) indices: IntCounterVec,
    pub(crate) held_bytes: IntGauge,
    /// How old `replayed_until` is, in seconds; 0 when nothing is left to do.
    pub(crate) lag: Gauge,
    /// Seconds since 1970: all that was captured before has been dealt with.
    pub(crate) replayed_until: Gauge,
    /// Requests to the target at once, at most.
    pub(crate) allowed: IntGauge,
    /// How often there were allowed fewer, by reason.
    pub(crate) slowed: IntCounterVec,
    /// Answers of the target, by whether the status is the source's: `same`, `other`, `unknown`.
    pub(crate) answers: IntCounterVec,
    /// Seconds, by side (`source`, `target`, `target_from_sent`) and class of endpoint.
    pub(crate) latency: HistogramVec,
    /// By which the schedule isn't kept.
    pub(crate) schedule_lag: Gauge,
    /// Seconds from the moment that requests should have gone out to that when they did.
    pub(crate) schedule_error: Histogram,
    /// Seconds that requests went out late, by what they waited for.
    pub(crate) late: CounterVec,
    /// Seconds that requests waited for others that they have to follow: `order`, `journal`, `replayers`.
    pub(crate) waited: CounterVec,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let made = Made(Registry::new());
        Self {
            requests: made.counter("requests_total", "captured exchanges dealt with"),
            operations: made.counters("operations_total", "operations on the target", "proof"),
            nothing: made.counters(
                "nothing_total",
                "requests and items that meant nothing",
                "reason",
            ),
            doubt: made.counters("doubt_total", "what the journal did not prove", "reason"),
            doubt_left: made.gauge("doubt_left", "doubts not resolved"),
            doubt_put_off: made
                .counter("doubt_put_off_total", "times that a doubt had to be asked again later"),
            failed: made.counters("failed_total", "what the target refused for good", "reason"),
            controls: made.counters("controls_total", "control requests", "result"),
            reads: made.counter("reads_total", "reads sent"),
            not_sent: made.counters("not_sent_total", "requests never sent", "class"),
            resent_deletes: made
                .counter("resent_deletes_total", "deletes sent again, lest the target forget"),
            noted_deletes: made
                .counter("noted_deletes_total", "deletes kept for the backfill beside"),
            retries: made.counter("retries_total", "requests sent again"),
            awaited: made.counter(
                "awaited_requests_total",
                "requests without an answer that the next run reads again",
            ),
            duplicates: made.counter("duplicate_records_total", "records that came again"),
            gaps: made.counter("gaps_total", "places where records are missing"),
            disorder: made.counter(
                "order_violations_total",
                "requests replayed before an earlier one of their connection",
            ),
            bad_records: made.counter("bad_records_total", "records that can't be read"),
            opaque: made.counters(
                "opaque_connections_total",
                "connections without boundaries",
                "reason",
            ),
            indices: made.counters("indices_created_total", "indices created", "definition"),
            held_bytes: made.gauge("held_bytes", "captured bytes held"),
            lag: made.float("lag_seconds", "age of what is to be dealt with next"),
            replayed_until: made.float(
                "replayed_until_seconds",
                "unix time before which all that was captured has been dealt with",
            ),
            schedule_lag: made
                .float("schedule_lag_seconds", "how far behind its schedule the replay is"),
            schedule_error: made
                .histogram("schedule_error_seconds", "from the intended to the actual moment"),
            waited: made.floats(
                "order_wait_seconds_total",
                "seconds that requests waited for others that they have to follow",
                "for",
            ),
            late: made.floats("late_seconds_total", "seconds that requests went out late", "cause"),
            allowed: made
                .gauge("target_requests_allowed", "requests to the target at once, at most"),
            slowed: made.counters(
                "slowed_total",
                "times that fewer requests were allowed",
                "reason",
            ),
            answers: made.counters(
                "answers_total",
                "answers by whether both sides agree",
                "status",
            ),
            latency: made.latencies("latency_seconds", "from request to answer"),
            registry: made.0,
        }
    }

    /// So many writes were of documents whose types nothing is configured for.
    pub(crate) fn type_left_out(&self, writes: u64) {
        if writes > 0 {
            self.nothing.with_label_values(&["type left out"]).inc_by(writes);
        }
    }

    /// So many writes were of indices that aren't replayed.
    pub(crate) fn left_out(&self, writes: u64) {
        // Who replays all indices isn't told of none.
        if writes > 0 {
            self.nothing.with_label_values(&[NOT_CHOSEN]).inc_by(writes);
        }
    }

    /// One more under a label.
    pub(crate) fn count(counters: &IntCounterVec, label: &str) {
        counters.with_label_values(&[label]).inc();
    }
}

/// Each label's count.
pub(crate) fn by_label(counters: &IntCounterVec) -> BTreeMap<String, u64> {
    let families = counters.collect();
    let metrics = families.iter().flat_map(|family| family.get_metric());
    metrics
        .filter_map(|metric| {
            let label = metric.get_label().first()?.value().to_owned();
            Some((label, metric.get_counter().get_value() as u64))
        })
        .collect()
}

/// Makes metrics; all names are ours and fixed, so that making and registering them can't fail.
struct Made(Registry);

/// Seconds.
const LATENCIES: [f64; 12] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

const INVARIANT: &str = "invariant: metric names are fixed, valid and different";

impl Made {
    fn opts(name: &str, help: &str) -> Opts {
        Opts::new(format!("godwit_replayer_{name}"), help)
    }

    fn register<C: Collector + Clone + 'static>(&self, collector: C) -> C {
        self.0.register(Box::new(collector.clone())).expect(INVARIANT);
        collector
    }

    fn counter(&self, name: &str, help: &str) -> IntCounter {
        self.register(IntCounter::with_opts(Self::opts(name, help)).expect(INVARIANT))
    }

    fn counters(&self, name: &str, help: &str, label: &str) -> IntCounterVec {
        self.register(IntCounterVec::new(Self::opts(name, help), &[label]).expect(INVARIANT))
    }

    fn gauge(&self, name: &str, help: &str) -> IntGauge {
        self.register(IntGauge::with_opts(Self::opts(name, help)).expect(INVARIANT))
    }

    fn latencies(&self, name: &str, help: &str) -> HistogramVec {
        let buckets = LATENCIES.to_vec();
        let opts = HistogramOpts { common_opts: Self::opts(name, help), buckets };
        self.register(HistogramVec::new(opts, &["side", "class"]).expect(INVARIANT))
    }

    fn histogram(&self, name: &str, help: &str) -> Histogram {
        let buckets = LATENCIES.to_vec();
        let opts = HistogramOpts { common_opts: Self::opts(name, help), buckets };
        self.register(Histogram::with_opts(opts).expect(INVARIANT))
    }

    fn floats(&self, name: &str, help: &str, label: &str) -> CounterVec {
        self.register(CounterVec::new(Self::opts(name, help), &[label]).expect(INVARIANT))
    }

    fn float(&self, name: &str, help: &str) -> Gauge {
        self.register(Gauge::with_opts(Self::opts(name, help)).expect(INVARIANT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_read_back() {
        let metrics = Metrics::new();
        Metrics::count(&metrics.nothing, "noop");
        Metrics::count(&metrics.nothing, "noop");
        Metrics::count(&metrics.nothing, "refused");
        assert_eq!(by_label(&metrics.nothing), [("noop".into(), 2), ("refused".into(), 1)].into());
    }
}
