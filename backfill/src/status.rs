//! `backfill status`: how far a run is, by shard, and when it may be done.

use std::{collections::BTreeMap, fmt, time::Duration};

use cluster::Cluster;
use comfy_table::{Table, presets};
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressStyle};
use serde::{Serialize, Serializer};
use tokio::time::Instant;

use crate::{
    context::RunError,
    coordinator::{Coordinator, RunStatus, ShardStatus},
    settings::StatusSettings,
    sweep::Sweep,
};

/// Between two looks.
const LOOK: Duration = Duration::from_secs(2);
/// The rate is that of this long.
const WINDOW: usize = 30;

/// A status for people, and as JSON with what follows from its counts.
#[derive(Debug, Serialize)]
pub struct Report<'s> {
    complete: bool,
    finished: bool,
    #[serde(flatten)]
    status: &'s RunStatus,
}

impl<'s> Report<'s> {
    pub fn of(status: &'s RunStatus) -> Self {
        Self { complete: status.is_complete(), finished: status.is_finished(), status }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)
    }
}

/// As [`Report`] has it.
pub(crate) fn serialize<S: Serializer>(status: &RunStatus, to: S) -> Result<S::Ok, S::Error> {
    Report::of(status).serialize(to)
}

/// Reads the status of a run once.
///
/// # Errors
/// When the coordinator can't be reached, or there is no such run.
pub async fn status(settings: &StatusSettings) -> Result<RunStatus, RunError> {
    Ok(coordinator(settings).await?.status().await?)
}

/// Shows a progress bar on stderr until the run is over, then gives its status.
///
/// # Errors
/// As [`status`].
pub async fn watch(settings: &StatusSettings) -> Result<RunStatus, RunError> {
    let coordinator = coordinator(settings).await?;
    let bar = ProgressBar::no_length().with_style(
        ProgressStyle::with_template("{bar:40} {percent}% {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar()),
    );
    let mut looks = Looks::default();
    loop {
        let status = coordinator.status().await?;
        bar.set_length(status.plan.documents);
        bar.set_position(status.accounts.passed());
        bar.set_message(looks.describe(&status, Instant::now()));
        if status.is_finished() {
            bar.finish_and_clear();
            return Ok(status);
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn coordinator(settings: &StatusSettings) -> Result<Coordinator, RunError> {
    let cluster = Cluster::connect(settings.coordinator.clone()).await?;
    let here = crate::coordinator::Settings::here();
    Ok(Coordinator::new(cluster, settings.run.clone(), here)?)
}

/// What was seen lately: a rate of the whole run would be wrong after a pause.
#[derive(Default)]
struct Looks {
    seen: Vec<(Instant, u64, u64)>,
}

impl Looks {
    fn describe(&mut self, status: &RunStatus, now: Instant) -> String {
        let (passed, bytes) = (status.accounts.passed(), status.accounts.bytes);
        self.seen.push((now, passed, bytes));
        if self.seen.len() > WINDOW {
            self.seen.remove(0);
        }
        let failed = status.accounts.failures();
        let failed = if failed > 0 { format!(", {failed} FAILED") } else { String::new() };
        let Some((since, passed_then, bytes_then)) = self.seen.first().copied() else {
            return failed;
        };
        let seconds = now.duration_since(since).as_secs_f64();
        let rate = (passed.saturating_sub(passed_then)) as f64 / seconds.max(0.001);
        let byte_rate = (bytes.saturating_sub(bytes_then)) as f64 / seconds.max(0.001);
        let left = status.plan.documents.saturating_sub(passed);
        // Nothing is said of when it ends while nothing moves.
        let eta = match rate > 0.0 && seconds > 1.0 {
            true => format!("{} to go", left_in_words(left as f64 / rate)),
            false => "no progress seen yet".to_owned(),
        };
        let (documents, bytes) = (HumanCount(rate as u64), HumanBytes(byte_rate as u64));
        let workers = status.workers.len();
        format!("{documents} documents/s, {bytes}/s, {eta}, {workers} workers{failed}")
    }
}

fn left_in_words(seconds: f64) -> String {
    let seconds = seconds as u64;
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}

/// A table of shards, and what it comes to.
impl fmt::Display for RunStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table(self, f)
    }
}

fn table(status: &RunStatus, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "index",
        "shard",
        "state",
        "read",
        "written",
        "superseded",
        "failed",
        "skipped",
        "of",
    ]);
    for shard in &status.shards {
        let accounts = &shard.accounts;
        let skipped: u64 = accounts.skipped.values().sum();
        table.add_row([
            shard.index.clone(),
            shard.shard.to_string(),
            state(shard).to_owned(),
            accounts.read.to_string(),
            accounts.written.to_string(),
            accounts.superseded.to_string(),
            accounts.failures().to_string(),
            skipped.to_string(),
            shard.documents.to_string(),
        ]);
    }
    writeln!(f, "{table}")?;
    for shard in &status.shards {
        for (unit, why) in &shard.refused {
            writeln!(f, "not read: unit {unit}: {why}")?;
        }
    }
    let accounts = &status.accounts;
    if accounts.failures() > 0 {
        writeln!(f, "failed: {}", classes(&accounts.failed))?;
    }
    if !accounts.repaired.is_empty() {
        let changes = classes(&accounts.repaired);
        writeln!(f, "sources made strict JSON, since the target refused them: {changes}")?;
    }
    for worker in &status.workers {
        let (holder, units) = (&worker.holder, worker.units.len());
        writeln!(f, "worker {holder}: {units} units, said to be renewed {}", worker.renewed)?;
    }
    if let Some(sweep) = status.sweep.filter(|sweep| *sweep != Sweep::default()) {
        let Sweep { deletes, gone, unresolved } = sweep;
        writeln!(
            f,
            "deletes of a replay beside: sent again {deletes}, gone from the source {gone}"
        )?;
        if unresolved > 0 {
            writeln!(f, "{unresolved} only the source can tell: run again with --source")?;
        }
    }
    let state = match (status.is_complete(), status.is_finished()) {
        (true, _) => "complete",
        (false, true) => "NOT complete",
        (false, false) => "running",
    };
    write!(
        f,
        "{state}: read={} written={} superseded={} failed={}",
        accounts.read,
        accounts.written,
        accounts.superseded,
        accounts.failures()
    )
}

fn state(shard: &ShardStatus) -> &'static str {
    let units = &shard.units;
    match (shard.is_complete(), units.waiting + units.leased, units.leased) {
        (true, ..) => "complete",
        (false, 0, _) if shard.is_written() => "not swept",
        (false, 0, _) => "NOT COMPLETE",
        (false, _, 0) => "waiting",
        (false, _, _) => "running",
    }
}

fn classes(failed: &BTreeMap<String, u64>) -> String {
    failed.iter().map(|(class, count)| format!("{class} {count}")).collect::<Vec<_>>().join(", ")
}
