//! The command line: settings, logs, signals, the command, its exit code.

use std::{ffi::OsString, fmt::Display, io::Write as _};

use crate::{Cli, Command, MetadataError, Output, Report, Settings, evaluate, html, migrate};
use clap::Parser as _;
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
    let (flags, writes) = match &cli.command {
        Command::Evaluate(flags) => (flags, false),
        Command::Migrate(flags) => (flags, true),
    };
    match Settings::load(flags, environment) {
        Ok(settings) => carry_out(settings, writes),
        Err(error) => fail(&error, Exit::Config),
    }
}

fn fail(error: &dyn Display, exit: Exit) -> Exit {
    eprintln!("metadata: {error}");
    exit
}

fn carry_out(settings: Settings, writes: bool) -> Exit {
    start_logs(LogFormat::of_stderr(), &settings.log_level);
    let output = settings.output;
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start threads: {error}"), Exit::TryAgain),
    };
    let ended = runtime.block_on(async {
        let shutdown = Shutdown::new();
        if let Err(error) = on_signals(&shutdown) {
            tracing::warn!(%error, "cannot listen to signals");
        }
        let stopping = shutdown.clone();
        let work = async {
            if writes { migrate(&settings, &shutdown).await } else { evaluate(&settings).await }
        };
        tokio::select! {
            ended = work => Some(ended),
            () = stopping.stopping() => None,
        }
    });
    match ended {
        None => fail(&"stopped at once; a repeat completes what was begun", Exit::TryAgain),
        Some(Ok(report)) => {
            print(&report, output);
            exit_of(&report)
        }
        Some(Err(error)) => fail(&error, of_error(&error)),
    }
}

fn print(report: &Report, output: Output) {
    // Whoever reads may have seen enough; the exit code says the rest.
    let mut out = std::io::stdout().lock();
    let _ = match output {
        Output::Table => writeln!(out, "{report}"),
        Output::Json => {
            writeln!(out, "{}", serde_json::to_string_pretty(report).unwrap_or_default())
        }
        Output::Html => writeln!(out, "{}", html(report)),
    };
}

fn exit_of(report: &Report) -> Exit {
    match (report.stopped, report.complete) {
        (true, _) => Exit::TryAgain,
        (false, true) => Exit::Done,
        (false, false) => Exit::No,
    }
}

fn of_error(error: &MetadataError) -> Exit {
    match error {
        error if error.is_configuration() => Exit::Config,
        error if error.is_unavailable() => Exit::Unavailable,
        _ => Exit::Data,
    }
}
