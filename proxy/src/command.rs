//! The command line: settings, logs, `run`, drain.

use std::ffi::OsString;

use crate::{Flags, RunError, Settings, run};
use clap::Parser;
use settings::Exit;
use telemetry::{LogFormat, Shutdown, on_signals, start_logs};

/// Runs the program as its command line says, to its end; `arguments` begin with the program's name.
///
/// Settings → logs → `run` → drain. Messages go to stderr, results to stdout.
pub fn command(arguments: impl IntoIterator<Item = OsString>) -> Exit {
    let flags = match Flags::try_parse_from(arguments) {
        Ok(flags) => flags,
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
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("capture-proxy: the runtime did not start: {error}");
            return Exit::Bug;
        }
    };
    let outcome = runtime.block_on(async {
        let shutdown = Shutdown::new();
        on_signals(&shutdown).map_err(RunError::Signals)?;
        run(settings, shutdown).await
    });
    match outcome {
        Ok(()) => Exit::Done,
        Err(error) => {
            tracing::error!(%error, "capture-proxy stopped");
            error.exit()
        }
    }
}
