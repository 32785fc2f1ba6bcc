//! What goes through in one direction: bytes in and out, which are equal at rest, and the time that they take in between.

use codec::record::Nanos;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
};

use crate::tape::now;

/// Seconds. What the proxy adds is below a millisecond, unless the journal is waited for.
const BUCKETS: [f64; 16] = [
    0.000_02, 0.000_05, 0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1,
    0.25, 1.0, 5.0, 30.0,
];

/// One direction of all connections.
pub(crate) struct Flow {
    read: IntCounter,
    sent: IntCounter,
    unsent: IntCounter,
    /// From the last byte of a request, or of an answer, to when it goes on; held ones apart.
    added: [Histogram; 2],
}

/// Both directions.
pub(crate) struct Flows {
    pub requests: Flow,
    pub answers: Flow,
}

/// One direction of one connection: what was read and isn't sent on when it ends, never was.
pub(crate) struct Passage<'a> {
    flow: &'a Flow,
    inside: u64,
}

impl Flows {
    pub(super) fn new(
        registry: &Registry,
        name: impl Fn(&str, &str) -> Opts,
    ) -> prometheus::Result<Flows> {
        let counter = |what, help| {
            let counter = IntCounterVec::new(name(what, help), &["direction"])?;
            registry.register(Box::new(counter.clone()))?;
            Ok::<_, prometheus::Error>(counter)
        };
        let read = counter("bytes_total", "bytes read")?;
        let sent = counter("sent_bytes_total", "bytes that were read and sent on")?;
        let unsent = counter("unsent_bytes_total", "bytes that were read and had nowhere to go")?;
        let help = "from the last byte of a request or an answer to when it is sent on";
        let added = HistogramOpts::new("godwit_capture_proxy_added_latency_seconds", help);
        let added = HistogramVec::new(added.buckets(BUCKETS.to_vec()), &["direction", "held"])?;
        registry.register(Box::new(added.clone()))?;
        let flow = |direction: &str| Flow {
            read: read.with_label_values(&[direction]),
            sent: sent.with_label_values(&[direction]),
            unsent: unsent.with_label_values(&[direction]),
            added: ["false", "true"].map(|held| added.with_label_values(&[direction, held])),
        };
        Ok(Flows { requests: flow("request"), answers: flow("response") })
    }
}

impl Flow {
    pub(crate) fn passage(&self) -> Passage<'_> {
        Passage { flow: self, inside: 0 }
    }

    /// A message whose last byte was read at `since` goes on.
    pub(crate) fn goes_on(&self, since: Nanos, held: bool) {
        let nanos = now().saturating_sub(since);
        self.added[usize::from(held)].observe(nanos as f64 / 1e9);
    }
}

impl Passage<'_> {
    pub(crate) fn read(&mut self, length: usize) {
        self.flow.read.inc_by(length as u64);
        self.inside += length as u64;
    }

    pub(crate) fn sent(&mut self, length: usize) {
        self.flow.sent.inc_by(length as u64);
        self.inside = self.inside.saturating_sub(length as u64);
    }
}

impl Drop for Passage<'_> {
    fn drop(&mut self) {
        self.flow.unsent.inc_by(self.inside);
    }
}
