//! `godwit metadata`: the program's own report, from the source as it is now.

use jiff::Timestamp;
use metadata::{Line, MetadataError, Report, Settings, State};
use settings::Exit;

use crate::console::Console;
use crate::problem::Problem;

fn problem(error: &MetadataError) -> Problem {
    let exit = match error {
        error if error.is_configuration() => Exit::Config,
        error if error.is_unavailable() => Exit::Unavailable,
        _ => Exit::Data,
    };
    let next = match exit {
        Exit::Config => {
            "correct `source` and `target` in the migration's file, then `godwit setup check`"
        }
        _ => "see that both clusters run, then repeat",
    };
    Problem::new(exit, "the metadata can't be read", error, next)
}

/// What would become of everything.
///
/// # Errors
/// When a cluster can't be read.
pub(crate) async fn evaluated(settings: &Settings) -> Result<Report, Problem> {
    metadata::evaluate(settings).await.map_err(|error| problem(&error))
}

/// Why an item can't be made as it is, if it can't.
pub(crate) fn refusal(line: &Line) -> Option<String> {
    let item = &line.item;
    match &item.state {
        State::Unsupported(_) => Some(format!("{:?} {}", item.kind, item.name)),
        _ => None,
    }
}

/// `godwit metadata evaluate`.
///
/// # Errors
/// As [`evaluated`].
pub async fn evaluate(console: &Console) -> Result<Exit, Problem> {
    console.clusters().await?;
    let Console { migration, folder, environment, output, .. } = console;
    let settings = migration.metadata_settings(folder, false, environment)?;
    let report = evaluated(&settings).await?;
    output.show(&report);
    Ok(console.exit(report.complete))
}

/// `godwit metadata migrate`; with `deferred`, what was left for the cut-over.
///
/// # Errors
/// When it is too early, or a cluster can't be read.
pub async fn migrate(console: &Console, deferred: bool) -> Result<Exit, Problem> {
    console.clusters().await?;
    let state = console.state()?;
    if state.snapshot.as_ref().is_none_or(|taken| !taken.complete) {
        let why = "what is made of indices follows the snapshot, and what changes after it is in the journal";
        return Err(Problem::early("it is too early", why, "`godwit snapshot create`"));
    }
    let Console { migration, folder, environment, output, shutdown, .. } = console;
    let settings = migration.metadata_settings(folder, deferred, environment)?;
    let report = metadata::migrate(&settings, shutdown).await.map_err(|error| problem(&error))?;
    output.show(&report);
    if report.stopped {
        return Ok(Exit::TryAgain);
    }
    if report.complete && !deferred {
        console.change(|state| state.metadata_migrated = Some(Timestamp::now()))?;
    }
    if !report.complete {
        eprintln!(
            "godwit: not everything is on the target as it should be\nnext: decide on each item above (`metadata:` in \
             the migration's file has accept-refused, adapt, on-existing, rules), then `godwit metadata migrate`"
        );
    }
    Ok(console.exit(report.complete))
}
