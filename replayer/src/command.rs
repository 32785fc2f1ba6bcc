//! The command line: settings, logs, signals, run, summary.

use std::{ffi::OsString, fmt::Display, io::Write as _};

use crate::{
    ExportError, ExportFlags, Flags, Output, RunError, Settings, Summary, Tried, TryError,
    TryFlags, TrySettings, export, forget_lost, run, transform_try,
};
use clap::{Parser, Subcommand};
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, refuse_huge_pages, start_logs};

#[derive(Parser)]
#[command(name = "traffic-replayer", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    flags: Flags,
}

#[derive(Subcommand)]
enum Command {
    /// Show what transforms and rules would change in captured traffic; nothing is sent
    TransformTry(Box<TryFlags>),
    /// Write a journal as a file of `key|base64` lines in gzip, which the reference implementation reads too
    Export(ExportFlags),
}

/// Runs the program as its command line says, to its end; `arguments` begin with the program's name.
///
/// Settings → logs → `run` → drain. Messages go to stderr, results to stdout.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let small_pages = refuse_huge_pages();
    let flags = match Cli::try_parse_from(arguments) {
        Ok(Cli { command: Some(Command::TransformTry(flags)), .. }) => {
            return try_transforms(&flags);
        }
        Ok(Cli { command: Some(Command::Export(flags)), .. }) => return write_export(&flags),
        Ok(Cli { flags, .. }) => flags,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let settings = match Settings::load(&flags, std::env::vars().collect::<Vec<_>>()) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, Exit::Config),
    };
    start_logs(LogFormat::of_stderr(), &settings.log_level);
    if let Err(error) = small_pages {
        tracing::warn!(%error, "huge pages could not be turned off: requests may be some milliseconds late now and then");
    }
    let (output, exit_at_end) = (settings.output, settings.exit_at_end);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start threads: {error}"), Exit::TryAgain),
    };
    // On one of the runtime's own threads: these hand work to each other without waking one up.
    let running = runtime.spawn(async move {
        let shutdown = Shutdown::new();
        if let Err(error) = on_signals(&shutdown) {
            tracing::warn!(%error, "cannot listen to signals");
        }
        match settings.forget_lost {
            true => forget_lost(&settings).await.map(Ended::Forgot),
            false => run(settings, shutdown).await.map(|summary| Ended::Run(Box::new(summary))),
        }
    });
    let result = match runtime.block_on(running) {
        Ok(result) => result,
        Err(died) => std::panic::resume_unwind(died.into_panic()),
    };
    match result {
        Ok(Ended::Forgot(losses)) => {
            println!("forgotten: {losses} losses");
            Exit::Done
        }
        Ok(Ended::Run(summary)) => {
            print(&summary, output);
            let done = summary.is_converged() && (summary.reached_end || !exit_at_end);
            if done { Exit::Done } else { Exit::No }
        }
        Err(error) => fail(&error, exit(&error)),
    }
}

fn fail(error: &dyn Display, exit: Exit) -> Exit {
    eprintln!("traffic-replayer: {error}");
    exit
}

/// Runs what is over soon, on this thread.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| fail(&format!("cannot start threads: {error}"), Exit::TryAgain))?;
    Ok(runtime.block_on(work))
}

/// How the program ended well.
enum Ended {
    Run(Box<Summary>),
    /// So many losses.
    Forgot(u64),
}

fn try_transforms(flags: &TryFlags) -> Exit {
    let settings = match flags.load(std::env::vars().collect::<Vec<_>>()) {
        Ok(settings) => settings,
        Err(error) => return fail(&error, Exit::Config),
    };
    start_logs(LogFormat::of_stderr(), &settings.log_level);
    match block_on(show(settings)) {
        Err(exit) | Ok(Ok(exit)) => exit,
        Ok(Err(error)) => {
            let exit = match &error {
                TryError::Journal(_) => Exit::Unavailable,
                TryError::Rules(_) | TryError::Output(_) => Exit::TryAgain,
            };
            fail(&error, exit)
        }
    }
}

fn write_export(flags: &ExportFlags) -> Exit {
    start_logs(LogFormat::of_stderr(), "info");
    match block_on(export(flags)) {
        Err(exit) => exit,
        Ok(Ok(exported)) => {
            println!("{exported}");
            let is_whole = exported.unknown == 0 && exported.lost == 0;
            if is_whole { Exit::Done } else { Exit::No }
        }
        Ok(Err(error)) => {
            let exit = match &error {
                ExportError::Settings(_) => Exit::Config,
                ExportError::Journal(_) => Exit::Unavailable,
                ExportError::Write { .. } => Exit::TryAgain,
            };
            fail(&error, exit)
        }
    }
}

/// Shows each request that changes, and the totals last.
async fn show(settings: TrySettings) -> Result<Exit, TryError> {
    let (output, all) = (settings.output, settings.all);
    let mut out = std::io::stdout().lock();
    let mut write = |line: &dyn Display| writeln!(out, "{line}");
    let show = |tried: &Tried| match output {
        _ if !(all || tried.is_touched()) => Ok(()),
        Output::Table => write(tried),
        Output::Json => write(&serde_json::to_string(tried)?),
    };
    let totals = transform_try(settings, show).await?;
    match output {
        Output::Table => writeln!(out, "{totals}")?,
        Output::Json => writeln!(out, "{}", serde_json::json!({"totals": totals}))?,
    }
    let is_well = totals.failed == 0 && totals.bad_records == 0;
    Ok(if is_well { Exit::Done } else { Exit::No })
}

fn print(summary: &Summary, output: Output) {
    match output {
        Output::Table => println!("{summary}"),
        Output::Json => println!("{}", serde_json::to_string(summary).unwrap_or_default()),
    }
}

fn exit(error: &RunError) -> Exit {
    match error {
        RunError::Cluster(cluster::ClusterError::Settings(_))
        | RunError::Admin(_)
        | RunError::Scattered => Exit::Config,
        RunError::Cluster(_) | RunError::Journal(_) => Exit::Unavailable,
        RunError::Tuples(_) | RunError::Rules(_) => Exit::TryAgain,
        RunError::TupleStore(_) => Exit::Config,
        RunError::Stuck { .. } | RunError::NoRecorder => Exit::Bug,
    }
}
