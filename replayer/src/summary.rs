//! What a run did, as its last words.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    connections::Gap,
    metrics::{Metrics, by_label},
    schedule::{Percentiles, Schedule},
};

/// The result of a run. As JSON it is a stable interface.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    /// Captured exchanges that were dealt with.
    pub requests: u64,
    /// By what proved them: `journal`, `id`, `sweep`, `walk`.
    pub operations: BTreeMap<String, u64>,
    pub nothing: BTreeMap<String, u64>,
    /// All doubts, by reason.
    pub doubt: BTreeMap<String, u64>,
    /// Doubts that are not resolved.
    pub doubt_left: u64,
    /// What the target refused for good.
    pub failed: u64,
    pub controls: u64,
    pub reads: u64,
    /// By class of endpoint.
    pub not_sent: BTreeMap<String, u64>,
    pub gaps: u64,
    pub duplicates: u64,
    pub bad_records: u64,
    pub retries: u64,
    /// Indices created on the target, by where their definition came from.
    pub indices: BTreeMap<String, u64>,
    pub schedule_error_ms: Percentiles,
    pub latency_ms: Latency,
    /// The first unresolved doubts, failures, gaps and opaque connections, in words.
    pub open: Vec<String>,
    /// The journal's end, as it was at the start, was reached.
    pub reached_end: bool,
}

/// Latency on both sides, from the intended moment on the target's.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    pub source: Percentiles,
    pub target: Percentiles,
}

impl Summary {
    pub(crate) fn of(
        metrics: &Metrics,
        schedule: &Schedule,
        gaps: &[Gap],
        open: Vec<String>,
    ) -> Self {
        let [schedule_error_ms, target, source] = schedule.percentiles();
        Self {
            requests: metrics.requests.get(),
            operations: with_all(by_label(&metrics.operations), &["journal", "id", "sweep"]),
            nothing: by_label(&metrics.nothing),
            doubt: by_label(&metrics.doubt),
            doubt_left: u64::try_from(metrics.doubt_left.get()).unwrap_or(0),
            failed: by_label(&metrics.failed).values().sum(),
            controls: by_label(&metrics.controls).values().sum(),
            reads: metrics.reads.get(),
            not_sent: by_label(&metrics.not_sent),
            gaps: gaps.len() as u64,
            duplicates: metrics.duplicates.get(),
            bad_records: metrics.bad_records.get(),
            retries: metrics.retries.get(),
            indices: by_label(&metrics.indices),
            schedule_error_ms,
            latency_ms: Latency { source, target },
            open,
            reached_end: false,
        }
    }

    /// Nothing failed and nothing is left open: the target has what the source has.
    pub fn is_converged(&self) -> bool {
        self.failed == 0 && self.doubt_left == 0 && self.bad_records == 0 && self.gaps == 0
    }
}

fn with_all(mut map: BTreeMap<String, u64>, keys: &[&str]) -> BTreeMap<String, u64> {
    for key in keys {
        map.entry((*key).to_owned()).or_insert(0);
    }
    map
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |map: &BTreeMap<String, u64>| {
            let parts: Vec<_> = map.iter().map(|(name, count)| format!("{name} {count}")).collect();
            if parts.is_empty() { "none".to_owned() } else { parts.join(", ") }
        };
        let percentiles =
            |p: &Percentiles| format!("p50 {:.1}, p99 {:.1}, max {:.1}", p.p50, p.p99, p.max);
        writeln!(f, "requests          {}", self.requests)?;
        writeln!(f, "operations        {}", list(&self.operations))?;
        writeln!(f, "nothing           {}", list(&self.nothing))?;
        writeln!(f, "doubt             {}", list(&self.doubt))?;
        writeln!(f, "doubt left        {}", self.doubt_left)?;
        writeln!(f, "failed            {}", self.failed)?;
        writeln!(f, "controls, reads   {}, {}", self.controls, self.reads)?;
        writeln!(f, "not sent          {}", list(&self.not_sent))?;
        writeln!(f, "indices created   {}", list(&self.indices))?;
        writeln!(f, "gaps, duplicates  {}, {}", self.gaps, self.duplicates)?;
        writeln!(f, "schedule error    {} ms", percentiles(&self.schedule_error_ms))?;
        writeln!(f, "latency, source   {} ms", percentiles(&self.latency_ms.source))?;
        write!(f, "latency, target   {} ms", percentiles(&self.latency_ms.target))?;
        for line in &self.open {
            write!(f, "\nopen: {line}")?;
        }
        Ok(())
    }
}
