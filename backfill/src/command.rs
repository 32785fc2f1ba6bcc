//! The command line: settings, logs, signals, the command, its exit code.

use std::{ffi::OsString, fmt::Display, io::Write as _};

use crate::{
    BadSettings, Cli, Command, Output, PrintError, ReadError, ReadSettings, Report, RetryRunError,
    RetrySettings, RewriteError, RunError, RunSettings, StatusSettings, SweepError,
    failed::FailedError, read, retry, run, send::SendError, status, watch,
};
use clap::Parser as _;
use serde::Serialize;
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, start_logs};

/// Runs the program as its command line says, to its end; `arguments` begin with the program's name.
///
/// Settings → logs → `run` → drain. Messages go to stderr, results to stdout.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done };
        }
    };
    let environment: Vec<(String, String)> = std::env::vars().collect();
    let ended = match cli.command {
        Command::Read(flags) => ReadSettings::load(&flags, environment).map(print_documents),
        Command::Run(flags) => RunSettings::load(&flags, environment).map(backfill),
        Command::Status(flags) => StatusSettings::load(&flags, environment).map(show_status),
        Command::Retry(flags) => RetrySettings::load(&flags, environment).map(retry_failed),
    };
    ended.unwrap_or_else(|error: BadSettings| fail(&error, Exit::Config))
}

fn fail(error: &dyn Display, exit: Exit) -> Exit {
    eprintln!("backfill: {error}");
    exit
}

/// Runs a command on threads of its own; the first signal asks it to stop.
fn block_on<T>(
    threads: Option<usize>,
    log_level: &str,
    command: impl AsyncFnOnce(Shutdown) -> T,
) -> Result<T, Exit> {
    start_logs(LogFormat::of_stderr(), log_level);
    let runtime = match threads {
        None => tokio::runtime::Builder::new_current_thread().enable_all().build(),
        Some(threads) => {
            tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()
        }
    };
    let runtime =
        runtime.map_err(|error| fail(&format!("cannot start threads: {error}"), Exit::TryAgain))?;
    runtime.block_on(async {
        let shutdown = Shutdown::new();
        if let Err(error) = on_signals(&shutdown) {
            tracing::warn!(%error, "cannot listen to signals");
        }
        let stopping = shutdown.clone();
        tokio::select! {
            ended = command(shutdown) => Ok(ended),
            () = stopping.stopping() => Err(fail(&"stopped at once", Exit::TryAgain)),
        }
    })
}

fn print(value: &(impl Display + Serialize), output: Output) {
    // Whoever reads may have seen enough; the exit code says the rest.
    let _ = match output {
        Output::Table => writeln!(std::io::stdout(), "{value}"),
        Output::Json => {
            let json = serde_json::to_string(value).unwrap_or_default();
            writeln!(std::io::stdout(), "{json}")
        }
    };
}

/// A pipe that holds little wakes up both of its ends all the time. What isn't a pipe, or may not hold more, stays
/// as it is.
#[cfg(target_os = "linux")]
fn widen_pipe(pipe: &impl std::os::fd::AsFd) {
    const MOST: usize = 1 << 20; // that everybody may have
    let _ = rustix::pipe::fcntl_setpipe_size(pipe, MOST);
}

#[cfg(not(target_os = "linux"))]
fn widen_pipe<T>(_: &T) {}

fn print_documents(settings: ReadSettings) -> Exit {
    let level = settings.log_level.clone();
    widen_pipe(&std::io::stdout());
    let result = block_on(None, &level, async |shutdown| {
        read(&settings, &mut std::io::stdout().lock(), &shutdown).await
    });
    match result {
        Err(exit) => exit,
        Ok(Ok(summary)) => {
            eprintln!("{summary}");
            match (summary.is_complete(), summary.unread.is_empty()) {
                (true, _) => Exit::Done,
                _ if summary.stopped => Exit::TryAgain,
                (false, true) => Exit::No,
                (false, false) => Exit::Data,
            }
        }
        // Whoever reads has seen enough, as `head` does.
        Ok(Err(PrintError::Output(error))) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Exit::Done
        }
        Ok(Err(error)) => fail(
            &error,
            match &error {
                PrintError::Snapshot(error) => of_snapshot(error),
                PrintError::Output(_) => Exit::TryAgain,
                PrintError::Selection(_) => Exit::Config,
                PrintError::Rules(error) => of_rules(error),
            },
        ),
    }
}

fn backfill(settings: RunSettings) -> Exit {
    let (level, workers) = (settings.read.log_level.clone(), settings.workers);
    let output = settings.output;
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    match block_on(Some(workers.min(cores)), &level, async |shutdown| run(settings, shutdown).await)
    {
        Err(exit) => exit,
        Ok(Ok(summary)) => {
            print(&summary, output);
            match (summary.is_complete(), summary.status.is_finished()) {
                (true, _) => Exit::Done,
                (false, true) => Exit::No,
                // Asked to end early; there is more to do.
                (false, false) => Exit::TryAgain,
            }
        }
        Ok(Err(error)) => fail(&error, of_run(&error)),
    }
}

fn show_status(settings: StatusSettings) -> Exit {
    let (level, output) = (settings.log_level.clone(), settings.output);
    let result = block_on(None, &level, async |_| match settings.watch {
        true => watch(&settings).await.map(|status| (status, None)),
        false => status(&settings).await,
    });
    match result {
        Err(exit) => exit,
        Ok(Ok((status, pace))) => {
            print(&Report::of(&status, pace), output);
            let is_bad = status.accounts.failures() > 0 || status.units.refused > 0;
            if is_bad { Exit::No } else { Exit::Done }
        }
        Ok(Err(error)) => fail(&error, of_run(&error)),
    }
}

fn retry_failed(settings: RetrySettings) -> Exit {
    let (level, output) = (settings.log_level.clone(), settings.output);
    let result = block_on(None, &level, async |shutdown| retry(&settings, &shutdown).await);
    match result {
        Err(exit) => exit,
        Ok(Ok(summary)) => {
            print(&summary, output);
            match summary.is_complete() {
                true => Exit::Done,
                false if summary.stopped => Exit::TryAgain,
                false => Exit::No,
            }
        }
        Ok(Err(error)) => fail(
            &error,
            match &error {
                RetryRunError::Send(error) => of_send(error),
                RetryRunError::Cluster(cluster::ClusterError::Settings(_)) => Exit::Config,
                RetryRunError::Cluster(_) => Exit::Unavailable,
                RetryRunError::Coordinator(error) if error.is_transient() => Exit::Unavailable,
                RetryRunError::Coordinator(_) => Exit::Config,
                RetryRunError::Failed(error) => of_failed(error),
            },
        ),
    }
}

fn of_snapshot(error: &snapshot::SnapshotError) -> Exit {
    match error {
        snapshot::SnapshotError::Settings(_) | snapshot::SnapshotError::Denied { .. } => {
            Exit::Config
        }
        error if error.is_transient() => Exit::Unavailable,
        _ => Exit::Data,
    }
}

fn of_failed(error: &FailedError) -> Exit {
    match error {
        FailedError::Url { .. } => Exit::Config,
        FailedError::Store { .. } => Exit::TryAgain,
        _ => Exit::Data,
    }
}

fn of_rules(error: &RewriteError) -> Exit {
    match error {
        RewriteError::Thread(_) => Exit::TryAgain,
        RewriteError::Hung { .. } => Exit::Config,
    }
}

fn of_send(error: &SendError) -> Exit {
    match error {
        SendError::Credentials { .. } | SendError::Unexpected { .. } => Exit::Config,
        _ => Exit::Unavailable,
    }
}

fn of_run(error: &RunError) -> Exit {
    match error {
        RunError::Snapshot(error) => of_snapshot(error),
        RunError::Selection(_) | RunError::Nothing { .. } | RunError::Admin(_) => Exit::Config,
        RunError::Read(ReadError::Snapshot(error)) => of_snapshot(error),
        RunError::NotWhole { .. } | RunError::Read(_) => Exit::Data,
        RunError::Target(error) if error.is_unavailable() => Exit::Unavailable,
        RunError::Target(_) => Exit::Data,
        RunError::Coordinator(error) if error.is_transient() => Exit::Unavailable,
        RunError::Coordinator(_) => Exit::Config,
        RunError::Cluster(cluster::ClusterError::Settings(_)) => Exit::Config,
        RunError::Cluster(_) => Exit::Unavailable,
        RunError::Sweep(SweepError::Cluster(_)) => Exit::Unavailable,
        RunError::Sweep(SweepError::Refused { .. }) => Exit::Data,
        RunError::Send(error) => of_send(error),
        RunError::Failed(error) => of_failed(error),
        RunError::Rules(error) => of_rules(error),
        RunError::Stopped => Exit::TryAgain,
        RunError::Lease(_) | RunError::Task(_) => Exit::Bug,
    }
}
