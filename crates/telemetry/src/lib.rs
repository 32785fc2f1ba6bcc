//! What every program does beside its work: logs, metrics, the admin listener, signals and drain.

#![forbid(unsafe_code)]

mod admin;
mod logs;
mod shutdown;

pub use admin::{Admin, AdminError, Readiness};
pub use logs::{LogFormat, start_logs};
pub use shutdown::{Shutdown, on_signals};
