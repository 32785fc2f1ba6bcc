//! `godwit replay`.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use settings::Exit;

use crate::admin;
use crate::console::Console;
use crate::output::Said;
use crate::problem::Problem;
use crate::programs::Standing;

/// What is on its way is finished, or given up.
const GRACE: Duration = Duration::from_secs(120);

/// Starts it: from the mark, and from then on from where it was.
///
/// # Errors
/// When it is too early, or it doesn't start.
pub async fn start(console: &Console) -> Result<Exit, Problem> {
    let clusters = console.clusters().await?;
    let state = console.state()?;
    let Some(mark) = state.mark.clone() else {
        let why = "a replay begins at the mark that was set before the snapshot";
        return Err(Problem::early("it is too early", why, "`godwit snapshot create`"));
    };
    if state.metadata_migrated.is_none() {
        let why = "indices are made first, from all that the source knows of them";
        return Err(Problem::early("it is too early", why, "`godwit metadata migrate`"));
    }
    if !clusters.source.info().reads_sequence_numbers() && state.backfill_complete.is_none() {
        let done = super::backfill::standings(console).await?.complete;
        if !done {
            let why =
                "this source doesn't tell sequence numbers, so that the backfill has to end first";
            return Err(Problem::early("it is too early", why, "`godwit backfill status`"));
        }
        console.change(|state| state.backfill_complete = Some(Timestamp::now()))?;
    }
    let from = match state.replay_started {
        None => Some(time(mark.replay_from)?),
        Some(_) => None,
    };
    let file = console.migration.replay_file(&console.folder, from, &console.environment)?;
    let file = file.display().to_string();
    let replayer = console.replayer();
    let started = replayer.start(&["traffic-replayer", "--config", &file]).await?;
    replayer.ready(console.migration.replay_admin).await?;
    console.change(|state| {
        state.replay_started.get_or_insert_with(Timestamp::now);
    })?;
    let message = match started {
        true => "the replay runs; it goes on until it is stopped",
        false => "the replay runs already",
    };
    console.output.show(&Said::new(
        "replay start",
        message,
        Some("`godwit replay status`, then `godwit verify`"),
    ));
    Ok(Exit::Done)
}

/// A time as the replayer's settings take it.
fn time(at: u64) -> Result<String, Problem> {
    let time = Timestamp::from_nanosecond(i128::from(at));
    time.map(|time| time.to_string()).map_err(|error| {
        Problem::new(Exit::Data, "the mark's time is none", error, "`godwit reset snapshot`")
    })
}

/// Ends it; starting it again goes on from there.
///
/// # Errors
/// When it doesn't end.
pub async fn stop(console: &Console) -> Result<Exit, Problem> {
    let message = match console.replayer().stop(GRACE).await? {
        true => "the replay has ended; what was not finished is read again",
        false => "no replay of this console runs",
    };
    console.output.show(&Said::new("replay stop", message, Some("`godwit replay start` goes on")));
    Ok(Exit::Done)
}

/// How the replay stands.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Replaying {
    pub started: bool,
    pub running: bool,
    /// Everything captured before this, in seconds since 1970, is dealt with.
    pub replayed_until: f64,
    /// How long ago that was, in seconds.
    pub lag: f64,
    pub requests: u64,
    pub doubt_left: u64,
    pub failed: u64,
    pub gaps: u64,
    pub bad_records: u64,
}

impl Replaying {
    /// Nothing is left open or went wrong.
    pub fn is_clean(&self) -> bool {
        self.doubt_left == 0 && self.failed == 0 && self.gaps == 0 && self.bad_records == 0
    }
}

impl fmt::Display for Replaying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.started, self.running) {
            (false, _) => return f.write_str("replay    not started"),
            (true, false) => return f.write_str("replay    does NOT run"),
            (true, true) => {}
        }
        write!(
            f,
            "replay    {:.1} s behind, {} requests, {} doubts left, {} failed, {} gaps, {} records not readable",
            self.lag, self.requests, self.doubt_left, self.failed, self.gaps, self.bad_records
        )
    }
}

/// Asks the replayer.
///
/// # Errors
/// When the files of its process can't be read.
pub(crate) async fn replaying(console: &Console) -> Result<Replaying, Problem> {
    let started = console.state()?.replay_started.is_some();
    let is_ours = matches!(console.replayer().standing()?, Standing::Running(_));
    let metrics = match is_ours {
        true => admin::metrics(console.migration.replay_admin).await,
        false => None,
    };
    let Some(metrics) = metrics else {
        return Ok(Replaying { started, running: false, ..Replaying::default() });
    };
    let name = |what: &str| format!("godwit_replayer_{what}");
    let replayed_until = metrics.sum(&name("replayed_until_seconds")).unwrap_or(0.0);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs_f64();
    Ok(Replaying {
        started,
        running: true,
        replayed_until,
        lag: (now - replayed_until).max(0.0),
        requests: metrics.count(&name("requests_total")),
        doubt_left: metrics.count(&name("doubt_left")),
        failed: metrics.count(&name("failed_total")),
        gaps: metrics.count(&name("gaps_total")),
        bad_records: metrics.count(&name("bad_records_total")),
    })
}

/// `godwit replay status`.
///
/// # Errors
/// As [`replaying`].
pub async fn status(console: &Console) -> Result<Exit, Problem> {
    let replaying = replaying(console).await?;
    console.output.show(&replaying);
    if !replaying.running {
        eprintln!("next: `godwit replay start`; its log is {}", console.replayer().log().display());
    } else if !replaying.is_clean() {
        eprintln!("next: see {} for each of these", console.replayer().log().display());
    }
    Ok(console.exit(replaying.running && replaying.is_clean()))
}
