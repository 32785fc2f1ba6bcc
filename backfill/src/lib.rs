//! Backfill: every live document of a snapshot, read without a cluster and written to the target.
#![forbid(unsafe_code)]

pub mod action;
pub mod failed;
pub mod send;

pub mod accounts;
pub mod coordinator;
pub mod work;

mod command;
mod context;
mod document;
mod line;
mod plan;
mod progress;
mod read;
mod retry;
mod rewrite;
mod run;
mod segment;
mod settings;
mod shard;
mod sourceless;
mod status;
mod sweep;
mod target;
mod transfer;
mod waiting;

pub use command::command;
pub use context::RunError;
pub use read::{PrintError, ReadSummary, SelectionError, read};
pub use retry::{RetryRunError, RetrySummary, retry};
pub use rewrite::RewriteError;
pub use run::{RunSummary, run};
pub use settings::{
    BadSettings, Cli, Command, Output, ReadFlags, ReadSettings, RetryFlags, RetrySettings,
    RunFlags, RunSettings, StatusFlags, StatusSettings, Types, Versioning,
};
pub use shard::{Limits, ReadError};
pub use status::{Pace, Report, status, watch};
pub use sweep::{Sweep, SweepError};
pub use target::TargetError;
