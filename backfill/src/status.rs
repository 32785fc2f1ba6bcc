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
    /// Of a run that goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
    #[serde(flatten)]
    status: &'s RunStatus,
}

/// How fast a run goes, as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Pace {
    pub documents_per_second: f64,
    pub bytes_per_second: f64,
    /// At this pace; `None` while nothing moves.
    pub seconds_left: Option<u64>,
}

impl<'s> Report<'s> {
    pub fn of(status: &'s RunStatus, pace: Option<Pace>) -> Self {
        Self { complete: status.is_complete(), finished: status.is_finished(), pace, status }
    }
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.status.fmt(f)?;
        self.pace.map_or(Ok(()), |pace| write!(f, "\n{pace}"))
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let documents = HumanCount(self.documents_per_second as u64);
        let bytes = HumanBytes(self.bytes_per_second as u64);
        write!(f, "{documents} documents/s, {bytes}/s, ")?;
        match self.seconds_left {
            Some(seconds) => write!(f, "{} to go", left_in_words(seconds)),
            // Nothing is said of when it ends while nothing moves.
            None => write!(f, "no progress seen yet"),
        }
    }
}

/// As [`Report`] has it.
pub(crate) fn serialize<S: Serializer>(status: &RunStatus, to: S) -> Result<S::Ok, S::Error> {
    Report::of(status, None).serialize(to)
}

/// Reads the status of a run; of one that goes on twice, two seconds apart, to see how fast.
///
/// # Errors
/// When the coordinator can't be reached, or there is no such run.
pub async fn status(settings: &StatusSettings) -> Result<(RunStatus, Option<Pace>), RunError> {
    let coordinator = coordinator(settings).await?;
    let first = coordinator.status().await?;
    if first.is_finished() || first.workers.is_empty() {
        return Ok((first, None));
    }
    let mut looks = Looks::default();
    looks.look(&first, Instant::now());
    tokio::time::sleep(LOOK).await;
    let status = coordinator.status().await?;
    let pace = looks.look(&status, Instant::now());
    Ok((status, pace))
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
        let pace = looks.look(&status, Instant::now());
        bar.set_message(described(&status, pace));
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
    /// The pace since the first look that is remembered; `None` at the first.
    fn look(&mut self, status: &RunStatus, now: Instant) -> Option<Pace> {
        let (passed, bytes) = (status.accounts.passed(), status.accounts.bytes);
        self.seen.push((now, passed, bytes));
        if self.seen.len() > WINDOW {
            self.seen.remove(0);
        }
        let (since, passed_then, bytes_then) = self.seen.first().copied()?;
        let seconds = now.duration_since(since).as_secs_f64();
        if seconds < 1.0 {
            return None;
        }
        let documents_per_second = passed.saturating_sub(passed_then) as f64 / seconds;
        let left = status.plan.documents.saturating_sub(passed) as f64;
        Some(Pace {
            documents_per_second,
            bytes_per_second: bytes.saturating_sub(bytes_then) as f64 / seconds,
            seconds_left: (documents_per_second > 0.0)
                .then(|| (left / documents_per_second).ceil() as u64),
        })
    }
}

fn described(status: &RunStatus, pace: Option<Pace>) -> String {
    let pace = pace.map_or_else(String::new, |pace| format!("{pace}, "));
    let failed = match status.accounts.failures() {
        0 => String::new(),
        failed => format!(", {failed} FAILED"),
    };
    format!("{pace}{} workers{failed}", status.workers.len())
}

fn left_in_words(seconds: u64) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        accounts::Accounts,
        coordinator::{Planned, RunSettings, Units},
    };

    fn status(read: u64) -> RunStatus {
        RunStatus {
            run: "r".into(),
            settings: RunSettings::default(),
            plan: Planned { units: 1, bytes: 1, documents: 1000, digest: String::new() },
            planned: true,
            shards: Vec::new(),
            workers: Vec::new(),
            units: Units { leased: 1, ..Units::default() },
            accounts: Accounts { read, written: read, bytes: 10 * read, ..Accounts::default() },
            sweep: None,
            version: Default::default(),
        }
    }

    #[test]
    fn the_time_that_is_left_is_that_of_what_was_seen() {
        let (mut looks, begin) = (Looks::default(), Instant::now());
        let mut look =
            |seconds, read| looks.look(&status(read), begin + Duration::from_secs(seconds));
        assert_eq!(look(0, 100), None);
        let pace = look(10, 100).unwrap();
        assert_eq!((pace.documents_per_second, pace.seconds_left), (0.0, None));
        assert!(pace.to_string().ends_with("no progress seen yet"), "{pace}");
        let pace = look(20, 300).unwrap();
        assert_eq!((pace.documents_per_second, pace.bytes_per_second), (10.0, 100.0));
        assert_eq!(pace.seconds_left, Some(70));
        assert_eq!(pace.to_string(), "10 documents/s, 100 B/s, 70 s to go");
    }
}
