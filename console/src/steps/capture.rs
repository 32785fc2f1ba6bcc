//! `godwit capture`.

use std::fmt;
use std::time::Duration;

use capture_proxy::audit::Auditor;
use jiff::Timestamp;
use journal::StartFrom;
use serde::Serialize;
use settings::Exit;

use crate::admin;
use crate::capture::{self, mark};
use crate::console::Console;
use crate::output::{Checks, Outcome, Said};
use crate::problem::{Problem, Side};
use crate::programs::Standing;
use crate::source_numbers;

/// How long open exchanges may take, and a little.
const GRACE: Duration = Duration::from_secs(60);

/// Starts the proxy.
///
/// # Errors
/// When it is too early, or the proxy doesn't start.
pub async fn start(console: &Console) -> Result<Exit, Problem> {
    console.clusters().await?;
    let migration = &console.migration;
    if migration.capture.listen.is_none() {
        let why = format!("`capture.url` says that one runs at {}", migration.capture.url);
        let next = "start it there, then `godwit capture verify`; or set `capture.listen`";
        return Err(Problem::config("this console has no proxy to start", why, next));
    }
    let file = migration.capture_file(&console.folder)?;
    let proxy = console.proxy();
    let file = file.display().to_string();
    let started = proxy.start(&["capture-proxy", "--config", &file]).await?;
    if let Some(admin) = migration.capture.admin {
        proxy.ready(admin).await?;
    }
    console.change(|state| {
        state.capture_started.get_or_insert_with(Timestamp::now);
    })?;
    let message = match started {
        true => format!("the proxy captures; point clients at {}", migration.capture.url),
        false => format!("the proxy runs already; clients go to {}", migration.capture.url),
    };
    console.output.show(&Said::new("capture start", message, Some("`godwit capture verify`")));
    Ok(Exit::Done)
}

/// Ends the proxy.
///
/// # Errors
/// When it doesn't end.
pub async fn stop(console: &Console) -> Result<Exit, Problem> {
    let stopped = console.proxy().stop(GRACE).await?;
    let message = match stopped {
        true => "the proxy has ended; clients that still go to it are refused",
        false => "no proxy of this console runs",
    };
    console.output.show(&Said::new("capture stop", message, None));
    Ok(Exit::Done)
}

/// What the proxy says of itself.
#[derive(Debug, Clone, Serialize)]
pub struct Capturing {
    /// `None`: of a proxy that runs elsewhere, and tells nothing.
    pub running: Option<bool>,
    pub url: String,
    pub requests: u64,
    pub records: u64,
    pub open_connections: u64,
    /// Records that did not get into the journal.
    pub dropped: u64,
    /// Bytes that went to the source without being captured.
    pub uncaptured: u64,
    /// Connections that weren't captured because the proxy was told so.
    pub unrecorded: u64,
    /// Records lie on the proxy's host, and are not in Kafka yet.
    pub spilling: bool,
}

impl fmt::Display for Capturing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let running = match self.running {
            Some(true) => "runs",
            Some(false) => "does NOT run",
            None => "runs elsewhere, and says nothing (set capture.admin)",
        };
        write!(
            f,
            "capture   {running} at {}: {} requests, {} records, {} open connections, {} dropped, {} bytes uncaptured",
            self.url,
            self.requests,
            self.records,
            self.open_connections,
            self.dropped,
            self.uncaptured
        )?;
        if self.unrecorded > 0 {
            write!(f, ", {} connections not captured (capture-only, for)", self.unrecorded)?;
        }
        if self.spilling {
            write!(f, "; Kafka is slow or gone, and records go to the spill")?;
        }
        Ok(())
    }
}

/// Asks the proxy.
///
/// # Errors
/// When the files of its process can't be read.
pub(crate) async fn capturing(console: &Console) -> Result<Capturing, Problem> {
    let at = &console.migration.capture;
    let metrics = match at.admin {
        Some(admin) => admin::metrics(admin).await,
        None => None,
    };
    let running = match (&metrics, at.listen) {
        (Some(_), _) => Some(true),
        (None, Some(_)) => Some(matches!(console.proxy().standing()?, Standing::Running(_))),
        (None, None) => at.admin.map(|_| false),
    };
    let metrics = metrics.unwrap_or_default();
    let count = |what: &str| metrics.count(&format!("godwit_capture_proxy_{what}"));
    Ok(Capturing {
        running,
        url: at.url.clone(),
        requests: count("requests_total"),
        records: count("records_total"),
        open_connections: count("open_connections"),
        dropped: count("dropped_records_total"),
        uncaptured: count("uncaptured_bytes_total"),
        unrecorded: count("unrecorded_connections_total"),
        spilling: count("spilling") > 0,
    })
}

/// `godwit capture status`.
///
/// # Errors
/// As [`capturing`].
pub async fn status(console: &Console) -> Result<Exit, Problem> {
    let capturing = capturing(console).await?;
    console.output.show(&capturing);
    if capturing.running == Some(false) {
        eprintln!("next: `godwit capture start`; its log is {}", console.proxy().log().display());
    }
    Ok(console.exit(capturing.running != Some(false)))
}

/// `godwit capture verify`: a marked request, and an audit.
///
/// # Errors
/// When the way through the proxy into the journal is broken.
pub async fn verify(console: &Console) -> Result<Exit, Problem> {
    let clusters = console.clusters().await?;
    let migration = &console.migration;
    let before = capturing(console).await?;
    let mark = mark::set(migration, "verify").await?;
    let mut checks = Checks::default();
    let found =
        format!("{} came through {} into {}", mark.id, migration.capture.url, migration.journal);
    checks.add("marked request", Outcome::Ok, found);
    let after = capturing(console).await?;
    if after.running == Some(true) && migration.capture.admin.is_some() {
        let requests = after.requests.saturating_sub(before.requests);
        let records = after.records.saturating_sub(before.records);
        // A request and its answer are two reads of a socket at least.
        let outcome = if records >= requests && requests > 0 { Outcome::Ok } else { Outcome::No };
        let message = format!("{records} records for {requests} requests meanwhile");
        checks.add("rate", outcome, message);
        for (name, count) in [("dropped", after.dropped), ("uncaptured", after.uncaptured)] {
            let outcome = if count == 0 { Outcome::Ok } else { Outcome::No };
            checks.add(name, outcome, count.to_string());
        }
    }
    let mut auditor = Auditor::default();
    capture::each(migration, StartFrom::Beginning, &console.shutdown, |entry| auditor.take(entry))
        .await?;
    let audit = auditor.finish();
    let outcome = if audit.whole { Outcome::Ok } else { Outcome::No };
    let message = match audit.findings.first() {
        Some(first) if !audit.whole => format!("{first}; `godwit journal audit` says all"),
        _ => {
            format!("{} records of {} connections, none missing", audit.records, audit.connections)
        }
    };
    checks.add("audit", outcome, message);
    let passed = checks.checks.iter().all(|check| check.outcome != Outcome::No);
    let next = match passed {
        true => "point every client at the proxy, then `godwit snapshot create`",
        false => "see to what says NO, then `godwit capture verify`",
    };
    let checks = checks.conclude(Some(next.into()));
    console.output.show(&checks);
    if checks.passed {
        let numbers = match console.state()?.baseline {
            Some(known) => known,
            None => source_numbers::read(&clusters.source)
                .await
                .map_err(|error| Problem::cluster(Side::Source, &error))?,
        };
        console.change(|state| {
            state.capture_started.get_or_insert_with(Timestamp::now);
            state.capture_verified = Some(Timestamp::now());
            state.baseline.get_or_insert(numbers);
        })?;
    }
    Ok(console.exit(checks.passed))
}
