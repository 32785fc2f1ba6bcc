//! Backfill: every live document of a snapshot, read without a cluster and written to the target.
#![forbid(unsafe_code)]

pub mod action;
pub mod failed;
pub mod send;

pub mod accounts;
pub mod coordinator;
pub mod work;

mod document;
mod line;
mod read;
mod segment;
mod settings;
mod shard;

pub use read::{ReadSummary, RunError, read};
pub use settings::{BadSettings, Cli, Command, ReadFlags, ReadSettings};
pub use shard::{Limits, ReadError};
