//! The program `backfill`: settings, logs, signals, the command, its exit code.

use std::process::ExitCode;

use backfill::{BadSettings, Cli, Command, ReadSettings, RunError, read};
use clap::Parser as _;
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, start_logs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let ended = match cli.command {
        Command::Read(flags) => ReadSettings::load(&flags, environment()).map(read_to_stdout),
    };
    ended
        .unwrap_or_else(|error: BadSettings| {
            eprintln!("backfill: {error}");
            Exit::Config
        })
        .into()
}

fn environment() -> Vec<(String, String)> {
    std::env::vars().collect()
}

fn read_to_stdout(settings: ReadSettings) -> Exit {
    start_logs(LogFormat::of_stderr(), &settings.log_level);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("backfill: cannot start: {error}");
            return Exit::TryAgain;
        }
    };
    let result = runtime.block_on(async {
        let shutdown = Shutdown::new();
        if let Err(error) = on_signals(&shutdown) {
            tracing::warn!(%error, "cannot listen to signals");
        }
        read(&settings, &mut std::io::stdout().lock(), &shutdown).await
    });
    match result {
        Ok(summary) => {
            eprintln!("{summary}");
            match (summary.is_complete(), summary.unread.is_empty()) {
                (true, _) => Exit::Done,
                (false, true) => Exit::No,
                (false, false) => Exit::Data,
            }
        }
        // Whoever reads has seen enough, as `head` does.
        Err(RunError::Output(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            Exit::Done
        }
        Err(error) => {
            eprintln!("backfill: {error}");
            exit(&error)
        }
    }
}

fn exit(error: &RunError) -> Exit {
    match error {
        RunError::Snapshot(error) if error.is_transient() => Exit::Unavailable,
        RunError::Snapshot(_) => Exit::Data,
        RunError::Output(_) => Exit::TryAgain,
        RunError::Selection(_) => Exit::Config,
    }
}
