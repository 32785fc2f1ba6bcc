//! `godwit backfill`.

use std::time::Duration;

use backfill::coordinator::{self, Coordinator, CoordinatorError, RunStatus};
use backfill::{Report, RetryFlags, RetrySettings, RunError, StatusFlags, StatusSettings};
use jiff::Timestamp;
use serde::Serialize;
use settings::Exit;

use crate::console::Console;
use crate::output::Said;
use crate::problem::{Problem, Side};
use crate::programs::Standing;

/// Units are given back within a batch.
const GRACE: Duration = Duration::from_secs(120);

/// Starts it, or says that it is done.
///
/// # Errors
/// When it is too early, or it doesn't start.
pub async fn start(console: &Console) -> Result<Exit, Problem> {
    console.clusters().await?;
    let state = console.state()?;
    if state.metadata_migrated.is_none() {
        let why = "indices are made first, from all that the source knows of them";
        return Err(Problem::early("it is too early", why, "`godwit metadata migrate`"));
    }
    if state.backfill_complete.is_some() {
        let next = "`godwit replay start`";
        console.output.show(&Said::new("backfill start", "done already", Some(next)));
        return Ok(Exit::Done);
    }
    let file = console.migration.backfill_file(&console.folder, &console.environment)?;
    let file = file.display().to_string();
    console.change(|state| {
        state.backfill_started.get_or_insert_with(Timestamp::now);
    })?;
    let started = console.backfill().start(&["backfill", "run", "--config", &file]).await?;
    let message = match started {
        true => "the backfill runs, and ends by itself",
        false => "the backfill runs already",
    };
    let next = "`godwit replay start`; `godwit backfill status` says how far it is";
    console.output.show(&Said::new("backfill start", message, Some(next)));
    Ok(Exit::Done)
}

/// Ends it; starting it again goes on from there.
///
/// # Errors
/// When it doesn't end.
pub async fn stop(console: &Console) -> Result<Exit, Problem> {
    let message = match console.backfill().stop(GRACE).await? {
        true => "the backfill has given back its work",
        false => "no backfill of this console runs",
    };
    console.output.show(&Said::new(
        "backfill stop",
        message,
        Some("`godwit backfill start` goes on"),
    ));
    Ok(Exit::Done)
}

/// How a run stands, for the state and for other steps.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Standings {
    pub started: bool,
    pub running: bool,
    /// Every document of every shard is on the target.
    pub complete: bool,
    /// Nothing is left to do, well or not.
    pub finished: bool,
    pub documents: u64,
    pub passed: u64,
    pub failed: u64,
    /// Units that could not be read.
    pub refused: u64,
    /// Deletes beside the backfill that have to be swept again.
    pub swept: bool,
}

fn status_settings(console: &Console) -> Result<StatusSettings, Problem> {
    let file = console.migration.backfill_file(&console.folder, &console.environment)?;
    let flags = StatusFlags { config: Some(file), ..StatusFlags::default() };
    StatusSettings::load(&flags, console.environment.clone())
        .map_err(|error| Problem::section("backfill", &error))
}

fn problem(error: &RunError) -> Problem {
    match error {
        RunError::Cluster(error) => Problem::cluster(Side::Target, error),
        error => {
            let next = "see that the target runs, then repeat";
            Problem::new(Exit::Unavailable, "the backfill's run can't be read", error, next)
        }
    }
}

/// Reads how the run stands; one that isn't planned yet has nothing.
///
/// # Errors
/// When the target doesn't answer.
pub(crate) async fn standings(console: &Console) -> Result<Standings, Problem> {
    let mut standings = Standings {
        started: console.state()?.backfill_started.is_some(),
        running: matches!(console.backfill().standing()?, Standing::Running(_)),
        ..Standings::default()
    };
    if !standings.started {
        return Ok(standings);
    }
    let settings = status_settings(console)?;
    let status = match look(&settings).await {
        Ok(Some(status)) => status,
        Ok(None) => return Ok(standings),
        Err(error) => return Err(problem(&error)),
    };
    standings.complete = status.is_complete();
    standings.finished = status.is_finished();
    standings.documents = status.plan.documents;
    standings.passed = status.accounts.passed();
    standings.failed = status.accounts.failures();
    standings.refused = status.units.refused;
    standings.swept = status.is_swept();
    Ok(standings)
}

/// One look; `None`: there is no run of this name yet.
async fn look(settings: &StatusSettings) -> Result<Option<RunStatus>, RunError> {
    let cluster = cluster::Cluster::connect(settings.coordinator.clone()).await?;
    let here = coordinator::Settings::here();
    let coordinator = Coordinator::new(cluster, settings.run.clone(), here)?;
    match coordinator.status().await {
        Ok(status) => Ok(Some(status)),
        Err(CoordinatorError::NoRun { .. } | CoordinatorError::NotPlanned { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// `godwit backfill status`.
///
/// # Errors
/// When the target doesn't answer.
pub async fn status(console: &Console) -> Result<Exit, Problem> {
    console.clusters().await?;
    let settings = status_settings(console)?;
    let status = look(&settings).await.map_err(|error| problem(&error))?;
    let Some(status) = status else {
        let message = match console.state()?.backfill_started {
            Some(_) => "the backfill has not planned its work yet",
            None => "no backfill has been started",
        };
        console.output.show(&Said::new(
            "backfill status",
            message,
            Some("`godwit backfill start`"),
        ));
        return Ok(Exit::No);
    };
    console.output.show(&Report::of(&status, None));
    let program = console.backfill();
    let running = matches!(program.standing()?, Standing::Running(_));
    let complete = status.is_complete();
    let next = match (complete, running, status.accounts.failures() + status.units.refused) {
        (true, ..) => "`godwit replay status`".to_owned(),
        (false, true, _) => "wait; `godwit backfill status`".to_owned(),
        (false, false, 0) => {
            format!("`godwit backfill start` goes on; its log is {}", program.log().display())
        }
        (false, false, _) => "`godwit backfill retry`, then `godwit backfill start`".to_owned(),
    };
    eprintln!("next: {next}");
    let is_bad = status.accounts.failures() > 0 || status.units.refused > 0;
    Ok(console.exit(!is_bad && (complete || running)))
}

/// `godwit backfill retry`: in this process, because it is short.
///
/// # Errors
/// When it is too early, or the target doesn't answer.
pub async fn retry(console: &Console) -> Result<Exit, Problem> {
    console.clusters().await?;
    if console.state()?.backfill_started.is_none() {
        let why = "nothing has been backfilled, so nothing failed";
        return Err(Problem::early("it is too early", why, "`godwit backfill start`"));
    }
    if matches!(console.backfill().standing()?, Standing::Running(_)) {
        let why = "a worker that has just found nothing to do would not look again";
        return Err(Problem::early(
            "the backfill still runs",
            why,
            "wait for it: `godwit backfill status`",
        ));
    }
    let file = console.migration.backfill_file(&console.folder, &console.environment)?;
    let flags = RetryFlags { config: Some(file), reread: true, ..RetryFlags::default() };
    let settings = RetrySettings::load(&flags, console.environment.clone())
        .map_err(|error| Problem::section("backfill", &error))?;
    let summary = backfill::retry(&settings, &console.shutdown).await.map_err(|error| {
        let next = "see that the target runs and that the failed documents are where they were, then repeat";
        Problem::new(Exit::Unavailable, "the failed documents can't be sent", error, next)
    })?;
    console.output.show(&summary);
    eprintln!("next: `godwit backfill start`: it sweeps deletes, and reads what couldn't be read");
    Ok(console.exit(summary.is_complete()))
}
