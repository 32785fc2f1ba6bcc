//! What the proxy counts. Nothing is dropped without a counter with a reason.

mod flow;
mod tls;

pub(crate) use flow::{Flows, Passage};
pub(crate) use tls::TlsMetrics;

use buffer::Budget;
use codec::reads::Class;
use journal::SpillState;
use parking_lot::Mutex;
use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

/// The proxy's metrics, all named `godwit_capture_proxy_…`.
pub(crate) struct Metrics {
    pub connections: IntCounter,
    pub open: IntGauge,
    /// 1 once clients are told that the proxy ends.
    pub draining: IntGauge,
    pub requests: Requests,
    pub flows: Flows,
    /// Connections that were closed before they were served.
    pub not_served: IntCounterVec,
    pub tls: TlsMetrics,
    pub records: IntCounter,
    pub copied: Copied,
    pub dropped: IntCounterVec,
    pub opaque: IntCounterVec,
    pub refused: IntCounterVec,
    pub uncaptured: IntCounter,
    /// Connections that aren't recorded, as asked for.
    pub unrecorded: IntCounter,
    pub left_out: LeftOut,
    pub source_failures: IntCounterVec,
    pub waiting: IntGauge,
    pub waiting_records: IntGauge,
    /// Seconds that the oldest of them has waited.
    pub oldest_waiting: Gauge,
    /// Kafka's producers that could not go on; each was followed by another.
    pub broken_producers: IntCounter,
    pub memory: MemoryUse,
    pub spill: Spill,
}

/// Requests that were passed on and not recorded: reads, and writes.
pub(crate) struct LeftOut {
    /// As the patterns say.
    pub pattern: [IntCounter; 2],
    /// Capture was switched off.
    pub off: [IntCounter; 2],
}

/// The memory that connections hold together.
pub(crate) struct MemoryUse {
    used: IntGauge,
    limit: IntGauge,
    pub waits: IntCounter,
}

impl MemoryUse {
    pub(crate) fn show(&self, budget: &Budget) {
        self.used.set(i64::try_from(budget.used()).unwrap_or(i64::MAX));
        self.limit.set(i64::try_from(budget.limit()).unwrap_or(i64::MAX));
    }
}

/// The spill, as it was a moment ago.
pub(crate) struct Spill {
    active: IntGauge,
    bytes: IntGauge,
    limit: IntGauge,
    records: IntCounterVec,
    switches: IntCounterVec,
    seen: Mutex<SpillState>,
}

impl Spill {
    pub(crate) fn show(&self, now: SpillState) {
        self.active.set(i64::from(now.spilling));
        self.bytes.set(i64::try_from(now.bytes).unwrap_or(i64::MAX));
        self.limit.set(i64::try_from(now.limit_bytes).unwrap_or(i64::MAX));
        let before = std::mem::replace(&mut *self.seen.lock(), now);
        let add = |counters: &IntCounterVec, label: &str, now: u64, before: u64| {
            counters.with_label_values(&[label]).inc_by(now.saturating_sub(before));
        };
        add(&self.records, "in", now.spilled, before.spilled);
        add(&self.records, "out", now.drained, before.drained);
        add(&self.records, "unreadable", now.unreadable, before.unreadable);
        add(&self.switches, "slow", now.slow, before.slow);
        add(&self.switches, "full", now.full, before.full);
        add(&self.switches, "refused", now.refused, before.refused);
    }
}

/// Requests by endpoint class and whether they were held; looked up once, counted often.
pub(crate) struct Requests([[IntCounter; 2]; Class::ALL.len()]);

impl Requests {
    fn of(counters: &IntCounterVec) -> Requests {
        let one = |class: Class, held| counters.with_label_values(&[class.as_str(), held]);
        Requests(Class::ALL.map(|class| [one(class, "false"), one(class, "true")]))
    }

    pub(crate) fn count(&self, class: Class, held: bool) {
        let place = Class::ALL.iter().position(|known| *known == class);
        if let Some(counters) = place.and_then(|place| self.0.get(place)) {
            counters[usize::from(held)].inc();
        }
    }
}

/// Records that copied their bytes, by reason.
pub(crate) struct Copied {
    /// The ids did not fit in front.
    pub ids: IntCounter,
    /// The read was smaller than the slab that it would have kept.
    pub small: IntCounter,
    /// A read held parts of several requests, or of a head.
    pub split: IntCounter,
    pub redacted: IntCounter,
}

impl Metrics {
    /// Registers all of them; a registry takes one proxy.
    pub(crate) fn new(registry: &Registry) -> prometheus::Result<Metrics> {
        let name = |what: &str, help: &str| Opts::new(format!("godwit_capture_proxy_{what}"), help);
        let counter = |what, help| {
            let counter = IntCounter::with_opts(name(what, help))?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let labelled = |what, help, labels: &[&str]| {
            let counter = IntCounterVec::new(name(what, help), labels)?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let gauge = |what, help| {
            let gauge = IntGauge::with_opts(name(what, help))?;
            registry.register(Box::new(gauge.clone()))?;
            Ok::<_, prometheus::Error>(gauge)
        };
        let requests = labelled("requests_total", "requests begun", &["class", "held"])?;
        let copied =
            labelled("copied_records_total", "records that copied their bytes", &["reason"])?;
        let left_out = labelled(
            "left_out_requests_total",
            "requests passed on without a record",
            &["reason", "writes"],
        )?;
        Ok(Metrics {
            flows: Flows::new(registry, name)?,
            not_served: labelled(
                "refused_connections_total",
                "connections closed before anything of them reached the source",
                &["reason"],
            )?,
            tls: TlsMetrics::new(registry, name)?,
            connections: counter("connections_total", "connections that clients made")?,
            open: gauge("open_connections", "connections of clients that are open")?,
            draining: gauge("draining", "no connection is taken any more, open ones end")?,
            requests: Requests::of(&requests),
            records: counter("records_total", "records made")?,
            copied: Copied {
                ids: copied.with_label_values(&["ids"]),
                small: copied.with_label_values(&["small"]),
                split: copied.with_label_values(&["split"]),
                redacted: copied.with_label_values(&["redacted"]),
            },
            dropped: labelled(
                "dropped_records_total",
                "records lost for the journal",
                &["reason"],
            )?,
            opaque: labelled(
                "opaque_connections_total",
                "connections without framing",
                &["reason"],
            )?,
            refused: labelled(
                "refused_requests_total",
                "requests the proxy answered",
                &["reason"],
            )?,
            uncaptured: counter("uncaptured_bytes_total", "bytes let through without a record")?,
            unrecorded: counter(
                "unrecorded_connections_total",
                "connections passed on without a record, as --capture-only and --for say",
            )?,
            left_out: LeftOut {
                pattern: ["false", "true"].map(|w| left_out.with_label_values(&["pattern", w])),
                off: ["false", "true"].map(|w| left_out.with_label_values(&["off", w])),
            },
            source_failures: labelled(
                "source_failures_total",
                "trouble with the source",
                &["kind"],
            )?,
            waiting: gauge("journal_waiting_bytes", "bytes of records that wait for durability")?,
            waiting_records: gauge("journal_waiting_records", "records that wait for durability")?,
            oldest_waiting: {
                let help = "how long the oldest record has waited for durability";
                let gauge = Gauge::with_opts(name("journal_oldest_waiting_seconds", help))?;
                registry.register(Box::new(gauge.clone()))?;
                gauge
            },
            broken_producers: counter(
                "broken_producers_total",
                "producers that Kafka's answers left unable to go on, each followed by another",
            )?,
            memory: MemoryUse {
                used: gauge("memory_bytes", "memory that connections hold")?,
                limit: gauge("memory_limit_bytes", "what they may hold together")?,
                waits: counter(
                    "memory_waits_total",
                    "reads of clients that waited for memory to be given back",
                )?,
            },
            spill: Spill {
                active: gauge("spilling", "records go to the spill, not to Kafka")?,
                bytes: gauge("spill_bytes", "bytes of the spill on disk")?,
                limit: gauge("spill_limit_bytes", "bytes that the spill may have")?,
                records: labelled(
                    "spill_records_total",
                    "records that went into the spill, out of it into Kafka, or could not be read there",
                    &["way"],
                )?,
                switches: labelled(
                    "spill_switches_total",
                    "how often Kafka was left for the spill",
                    &["reason"],
                )?,
                seen: Mutex::default(),
            },
        })
    }
}
