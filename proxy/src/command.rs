//! The command line: settings, logs, `run`, drain.

use std::ffi::OsString;

use crate::audit::{AuditFlags, audit};
use crate::upgrade::{Inherited, Program};
use crate::{CaptureProxy, Flags, RunError, Settings};
use clap::{Parser, Subcommand};
use journal::KafkaProperties;
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, refuse_huge_pages, start_logs};
use tokio::signal::unix::{SignalKind, signal};

#[derive(Parser)]
#[command(name = "capture-proxy", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand)]
enum Command {
    /// Read a journal, and name every record that is missing, doubled or out of its place
    Audit(AuditFlags),
}

/// Runs the program as its command line says, to its end; `arguments` begin with the program's name.
///
/// Settings → logs → `run` → drain. Messages go to stderr, results to stdout.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let small_pages = refuse_huge_pages();
    let flags = match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Some(Command::Audit(flags)), .. }) => return show_audit(&flags),
        Ok(Cli { flags, .. }) => flags,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let settings = match Settings::load(flags, std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("capture-proxy: {error}");
            return Exit::Config;
        }
    };
    start_logs(LogFormat::of_stderr(), &settings.log_level);
    if let Err(error) = small_pages {
        tracing::warn!(%error, "huge pages could not be turned off: some MiB more may be in use");
    }
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::new();
        on_signals(&shutdown).map_err(RunError::Signals)?;
        let upgrades = signal(SignalKind::quit()).map_err(RunError::Signals)?;
        let program = Program::running().map_err(RunError::Upgrade)?;
        let inherited = Inherited::take().map_err(RunError::Upgrade)?;
        let proxy = CaptureProxy::start_with(settings, inherited).await?;
        proxy.run_upgradable(shutdown, &program, upgrades).await
    });
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!(%error, "capture-proxy stopped");
            error.exit()
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime, Exit> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        eprintln!("capture-proxy: the runtime did not start: {error}");
        Exit::Bug
    })
}

/// Exit code 1: something is missing.
fn show_audit(flags: &AuditFlags) -> Exit {
    start_logs(LogFormat::of_stderr(), "warn");
    let url = match flags.journal.parse() {
        Ok(url) => url,
        Err(error) => {
            eprintln!("capture-proxy: `journal` is `{}`: {error}", flags.journal);
            return Exit::Config;
        }
    };
    let properties = match KafkaProperties::parse(&flags.kafka_properties) {
        Ok(properties) => properties,
        Err(error) => {
            eprintln!("capture-proxy: {error}");
            return Exit::Config;
        }
    };
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(exit) => return exit,
    };
    let audit = match runtime.block_on(audit(&url, &properties)) {
        Ok(audit) => audit,
        Err(error) => {
            eprintln!("capture-proxy: {error}");
            return Exit::Unavailable;
        }
    };
    match flags.json {
        true => println!("{}", serde_json::to_string(&audit).unwrap_or_default()),
        false => println!("{audit}"),
    }
    if audit.whole { Exit::Done } else { Exit::No }
}
