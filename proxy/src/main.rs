//! `capture-proxy`: settings, logs, `run`, drain. See `capture-proxy --help`.

#![forbid(unsafe_code)]

use std::process::ExitCode;

use capture_proxy::{Flags, RunError, Settings, run};
use clap::Parser;
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, start_logs};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage.into() } else { Exit::Done.into() };
        }
    };
    let settings = match Settings::load(flags, std::env::vars()) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("capture-proxy: {error}");
            return Exit::Config.into();
        }
    };
    start_logs(LogFormat::of_stderr(), &settings.log_level);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("capture-proxy: the runtime did not start: {error}");
            return Exit::Bug.into();
        }
    };
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::new();
        on_signals(&shutdown).map_err(RunError::Signals)?;
        run(settings, shutdown).await
    });
    match outcome {
        Ok(()) => Exit::Done.into(),
        Err(error) => {
            tracing::error!(%error, "capture-proxy stopped");
            error.exit().into()
        }
    }
}
