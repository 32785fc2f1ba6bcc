//! The program `traffic-replayer`: settings, logs, signals, run, summary.

use std::process::ExitCode;

use clap::Parser as _;
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, start_logs};
use traffic_replayer::{Flags, Output, RunError, Settings, Summary, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    let settings = match Settings::load(&flags, std::env::vars().collect::<Vec<_>>()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("traffic-replayer: {error}");
            return Exit::Config.into();
        }
    };
    start_logs(LogFormat::of_stderr(), &settings.log_level);
    let (output, exit_at_end) = (settings.output, settings.exit_at_end);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("traffic-replayer: cannot start threads: {error}");
            return Exit::TryAgain.into();
        }
    };
    let result = runtime.block_on(async {
        let shutdown = Shutdown::new();
        if let Err(error) = on_signals(&shutdown) {
            tracing::warn!(%error, "cannot listen to signals");
        }
        run(settings, shutdown).await
    });
    match result {
        Ok(summary) => {
            print(&summary, output);
            let done = summary.is_converged() && (summary.reached_end || !exit_at_end);
            if done { Exit::Done } else { Exit::No }.into()
        }
        Err(error) => {
            eprintln!("traffic-replayer: {error}");
            exit(&error).into()
        }
    }
}

fn print(summary: &Summary, output: Output) {
    match output {
        Output::Table => println!("{summary}"),
        Output::Json => println!("{}", serde_json::to_string(summary).unwrap_or_default()),
    }
}

fn exit(error: &RunError) -> Exit {
    match error {
        RunError::Cluster(cluster::ClusterError::Settings(_)) | RunError::Admin(_) => Exit::Config,
        RunError::Cluster(_) | RunError::Journal(_) => Exit::Unavailable,
        RunError::Tuples(_) => Exit::TryAgain,
        RunError::Stuck { .. } => Exit::Bug,
    }
}
