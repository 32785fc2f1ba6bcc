//! The commands, a file for each group.

pub mod backfill;
pub mod capture;
pub mod compare;
pub mod config;
pub mod cutover;
pub mod journal;
pub mod metadata;
pub mod replay;
pub mod reset;
pub mod run;
pub mod setup;
pub mod snapshot;
pub mod status;
pub mod verify;

use settings::Exit;

use crate::cli::{self, Command};
use crate::console::Console;
use crate::problem::Problem;

/// Does what a command says.
///
/// # Errors
/// What stopped it.
pub async fn perform(mut console: Console, command: Command) -> Result<Exit, Problem> {
    if changes(&command) {
        console.lock()?;
    }
    // What is wrong with the state is said before anything else.
    console.state()?;
    let console = &console;
    match command {
        // Both are done without a migration.
        Command::Exec { .. } | Command::Config(cli::Config::Init { .. }) => Ok(Exit::Bug),
        Command::Config(cli::Config::Check) => config::check(console),
        Command::Setup(cli::Setup::Check { accept_target_data }) => {
            setup::check(console, accept_target_data).await
        }
        Command::Capture(cli::Capture::Start) => capture::start(console).await,
        Command::Capture(cli::Capture::Status) => capture::status(console).await,
        Command::Capture(cli::Capture::Stop) => capture::stop(console).await,
        Command::Capture(cli::Capture::Verify) => capture::verify(console).await,
        Command::Snapshot(cli::Snapshot::Create) => snapshot::create(console).await,
        Command::Snapshot(cli::Snapshot::Status) => snapshot::status(console).await,
        Command::Snapshot(cli::Snapshot::List) => snapshot::list(console).await,
        Command::Snapshot(cli::Snapshot::Delete { name }) => snapshot::delete(console, &name).await,
        Command::Metadata(cli::Metadata::Evaluate) => metadata::evaluate(console).await,
        Command::Metadata(cli::Metadata::Migrate { deferred }) => {
            metadata::migrate(console, deferred).await
        }
        Command::Backfill(cli::Backfill::Start) => backfill::start(console).await,
        Command::Backfill(cli::Backfill::Status) => backfill::status(console).await,
        Command::Backfill(cli::Backfill::Stop) => backfill::stop(console).await,
        Command::Backfill(cli::Backfill::Retry) => backfill::retry(console).await,
        Command::Replay(cli::Replay::Start) => replay::start(console).await,
        Command::Replay(cli::Replay::Status) => replay::status(console).await,
        Command::Replay(cli::Replay::Stop) => replay::stop(console).await,
        Command::Journal(cli::Journal::Describe) => journal::audit(console, false).await,
        Command::Journal(cli::Journal::Audit) => journal::audit(console, true).await,
        Command::Journal(cli::Journal::Tail { number, follow }) => {
            journal::tail(console, number, follow).await
        }
        Command::Journal(cli::Journal::Export { file }) => journal::export(console, file).await,
        Command::Journal(cli::Journal::Import { file }) => journal::import(console, file).await,
        Command::Compare(cli::Compare::Report { html }) => compare::report(console, html),
        Command::Verify { repair } => verify::verify(console, repair).await,
        Command::Status => status::status(console).await,
        Command::Cutover(cli::Cutover::Check { no_verify }) => {
            cutover::check(console, no_verify).await
        }
        Command::Reset { what, yes } => reset::reset(console, what, yes).await,
        Command::Run { accept_target_data, .. } => run::run(console, accept_target_data).await,
    }
}

/// Whether a command changes a cluster, the journal or the state.
fn changes(command: &Command) -> bool {
    match command {
        Command::Setup(_)
        | Command::Verify { .. }
        | Command::Reset { .. }
        | Command::Run { .. } => true,
        Command::Cutover(_) => true,
        Command::Capture(capture) => !matches!(capture, cli::Capture::Status),
        Command::Snapshot(snapshot) => {
            matches!(snapshot, cli::Snapshot::Create | cli::Snapshot::Delete { .. })
        }
        Command::Metadata(metadata) => matches!(metadata, cli::Metadata::Migrate { .. }),
        Command::Backfill(backfill) => !matches!(backfill, cli::Backfill::Status),
        Command::Replay(replay) => !matches!(replay, cli::Replay::Status),
        Command::Journal(journal) => matches!(journal, cli::Journal::Import { .. }),
        Command::Config(_) | Command::Exec { .. } | Command::Compare(_) | Command::Status => false,
    }
}
