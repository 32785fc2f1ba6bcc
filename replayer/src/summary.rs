//! What a run did, as its last words.

use std::{collections::BTreeMap, fmt};

use serde::Serialize;

use crate::{
    latency::{LatencyOf, Measurements, Percentiles},
    lateness::{CAUSES, Cause},
    metrics::{Metrics, by_label},
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
    /// Requests without an answer whose proxy is still there: they were dealt with as doubt, and the next run reads
    /// them again.
    pub awaited: u64,
    pub controls: u64,
    pub reads: u64,
    /// By class of endpoint.
    pub not_sent: BTreeMap<String, u64>,
    /// What this journal has lost for good, by this run and earlier ones: what `--forget-lost` forgets.
    pub lost: u64,
    pub gaps: u64,
    /// Requests that were replayed before an earlier one of their connection; never any.
    pub order_violations: u64,
    pub duplicates: u64,
    pub bad_records: u64,
    pub retries: u64,
    /// Indices created on the target, by where their definition came from.
    pub indices: BTreeMap<String, u64>,
    /// Seconds that requests went out late, all together, by what they waited for.
    pub late_seconds: BTreeMap<String, f64>,
    pub schedule_error_ms: Percentiles,
    pub latency_ms: LatencyOf,
    /// By class of endpoint.
    pub latency_ms_by_class: BTreeMap<String, LatencyOf>,
    /// Answers of the target, by whether the status is the source's: `same`, `other`, `unknown`.
    pub answers: BTreeMap<String, u64>,
    /// How often fewer requests at once were allowed, by reason.
    pub slowed: BTreeMap<String, u64>,
    /// The first unresolved doubts, failures and losses, in words.
    pub open: Vec<String>,
    /// The journal's end, as it was at the start, was reached.
    pub reached_end: bool,
}

impl Summary {
    pub(crate) fn of(metrics: &Metrics, measured: Measurements, open: Vec<String>) -> Self {
        let Measurements { error, all, classes } = measured;
        Self {
            requests: metrics.requests.get(),
            operations: with_all(by_label(&metrics.operations), &["journal", "id", "sweep"]),
            nothing: by_label(&metrics.nothing),
            doubt: by_label(&metrics.doubt),
            doubt_left: u64::try_from(metrics.doubt_left.get()).unwrap_or(0),
            failed: by_label(&metrics.failed).values().sum(),
            awaited: metrics.awaited.get(),
            controls: by_label(&metrics.controls).values().sum(),
            reads: metrics.reads.get(),
            not_sent: by_label(&metrics.not_sent),
            lost: 0,
            gaps: metrics.gaps.get(),
            order_violations: metrics.disorder.get(),
            duplicates: metrics.duplicates.get(),
            bad_records: metrics.bad_records.get(),
            retries: metrics.retries.get(),
            indices: by_label(&metrics.indices),
            late_seconds: late(metrics),
            schedule_error_ms: error,
            latency_ms: all,
            latency_ms_by_class: classes,
            answers: by_label(&metrics.answers),
            slowed: by_label(&metrics.slowed),
            open,
            reached_end: false,
        }
    }

    /// Nothing failed and nothing is left open: the target has what the source has.
    pub fn is_converged(&self) -> bool {
        let none_lost = self.lost == 0 && self.bad_records == 0 && self.gaps == 0;
        self.failed == 0 && self.doubt_left == 0 && none_lost
    }
}

fn late(metrics: &Metrics) -> BTreeMap<String, f64> {
    let of = |cause: Cause| {
        let seconds = metrics.late.with_label_values(&[cause.as_str()]).get();
        (seconds > 0.0).then(|| (cause.as_str().to_owned(), seconds))
    };
    CAUSES.into_iter().filter_map(of).collect()
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
        writeln!(f, "awaited           {}", self.awaited)?;
        writeln!(f, "controls, reads   {}, {}", self.controls, self.reads)?;
        writeln!(f, "not sent          {}", list(&self.not_sent))?;
        writeln!(f, "indices created   {}", list(&self.indices))?;
        writeln!(f, "lost              {}", self.lost)?;
        writeln!(f, "gaps, duplicates  {}, {}", self.gaps, self.duplicates)?;
        if self.order_violations > 0 {
            writeln!(f, "out of order      {} requests: a bug", self.order_violations)?;
        }
        writeln!(f, "schedule error    {} ms", percentiles(&self.schedule_error_ms))?;
        writeln!(f, "latency, source   {} ms", percentiles(&self.latency_ms.source))?;
        writeln!(f, "latency, target   {} ms", percentiles(&self.latency_ms.target))?;
        write!(f, "  from its sending {} ms", percentiles(&self.latency_ms.target_from_sent))?;
        for (class, of) in &self.latency_ms_by_class {
            write!(f, "\n  {class:<7} source   {} ms", percentiles(&of.source))?;
            write!(f, "\n          target   {} ms", percentiles(&of.target))?;
        }
        write!(f, "\nstatus            {}", list(&self.answers))?;
        write!(f, "\nslowed down       {}", list(&self.slowed))?;
        for (cause, seconds) in &self.late_seconds {
            write!(f, "\nlate by {cause:<9} {seconds:.1} s")?;
        }
        for line in &self.open {
            write!(f, "\nopen: {line}")?;
        }
        Ok(())
    }
}
