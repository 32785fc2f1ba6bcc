//! From a command line to an exit code.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::path::Path;

use clap::Parser as _;
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, start_logs};

use crate::cli::{Cli, Command, Config};
use crate::console::Console;
use crate::problem::Problem;
use crate::{programs, steps};

/// Runs a command to its end; `arguments` begin with the program's name.
pub fn command(arguments: Vec<OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    match cli.command {
        Command::Exec { kept: Some(place), arguments } => {
            programs::kept(&place, || exec(arguments))
        }
        Command::Exec { kept: None, arguments } => exec(arguments),
        Command::Config(Config::Init { force }) => {
            say(steps::config::init(&cli.migration, force, cli.output))
        }
        _ => {
            start_logs(LogFormat::of_stderr(), &cli.log_level);
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
            match runtime {
                Ok(runtime) => say(runtime.block_on(step(cli))),
                Err(error) => {
                    eprintln!("godwit: cannot start threads: {error}");
                    Exit::TryAgain
                }
            }
        }
    }
}

/// One of the programs, in this process.
fn exec(arguments: Vec<OsString>) -> Exit {
    let name = arguments.first().map(|name| name.to_string_lossy().into_owned());
    match name.as_deref() {
        Some("capture-proxy") => capture_proxy::command(arguments),
        Some("traffic-replayer") => traffic_replayer::command(arguments),
        Some("backfill") => backfill::command(arguments),
        Some("metadata") => metadata::command(arguments),
        name => {
            let name = name.unwrap_or_default();
            eprintln!(
                "godwit exec: there is no program `{name}`; there are capture-proxy, \
                 traffic-replayer, backfill and metadata"
            );
            Exit::Usage
        }
    }
}

fn say(outcome: Result<Exit, Problem>) -> Exit {
    outcome.unwrap_or_else(|problem| {
        eprintln!("godwit: {problem}");
        problem.exit
    })
}

async fn step(cli: Cli) -> Result<Exit, Problem> {
    let shutdown = Shutdown::new();
    if let Err(error) = on_signals(&shutdown) {
        tracing::warn!(%error, "cannot listen to signals");
    }
    let file = match &cli.command {
        Command::Run { file: Some(file), .. } => file.as_path(),
        _ => cli.migration.as_path(),
    };
    let environment = std::env::vars().collect();
    let console = Console::open(Path::new(file), environment, cli.output, shutdown.clone())?;
    let stopped = || {
        Problem::new(
            Exit::TryAgain,
            "stopped",
            "it was asked to (Ctrl-C or SIGTERM); programs that run long go on",
            "repeat the command: it goes on where it was left; `godwit status` says where",
        )
    };
    let work = Box::pin(steps::perform(console, cli.command));
    tokio::select! {
        ended = work => ended,
        () = shutdown.draining() => Err(stopped()),
    }
}

/// Whether a person is there to be asked.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks on the terminal; no, where nobody is there.
pub(crate) fn confirmed(question: &str) -> bool {
    if !is_interactive() {
        return false;
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}
