//! `demo`: a whole migration with `godwit`, while clients write and read; then both clusters are compared document by
//! document. `./demo` builds and runs it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use load::stages::{DemoSettings, JournalKind, demo};

/// Runs a whole migration on real servers, while clients write and read, and proves that nothing is lost.
#[derive(Debug, Parser)]
#[command(name = "demo", version)]
struct Flags {
    /// Where the capture is kept between proxy and replayer.
    #[arg(long, value_enum, default_value = "file")]
    journal: JournalKind,
    /// Load so many documents; all of the data set when not given.
    #[arg(long, value_name = "N")]
    documents: Option<usize>,
    /// What the clients write during the migration, documents a second
    #[arg(long, value_name = "N", default_value_t = 300, value_parser = clap::value_parser!(u32).range(1..))]
    writes: u32,
    /// Leave the folder with the journal, the tuples and the logs.
    #[arg(long)]
    keep: bool,
    /// Where the report goes.
    #[arg(long, value_name = "FILE", default_value = "demo-report.html")]
    report: PathBuf,
}

fn main() -> ExitCode {
    let flags = match Flags::try_parse() {
        Ok(flags) => flags,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 64 } else { 0 });
        }
    };
    let Flags { journal, documents, writes, keep, report } = flags;
    let report = std::path::absolute(&report).unwrap_or(report);
    let settings = DemoSettings { journal, documents, writes: writes.into(), keep, report };
    let outcome = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(Box::pin(demo(&settings))));
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::from(69)
        }
    }
}
