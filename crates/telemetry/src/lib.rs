//! What every program does beside its work: logs, metrics, the admin listener, signals and drain, small pages.

#![forbid(unsafe_code)]

mod admin;
mod logs;
mod pages;
mod shutdown;

pub use admin::{Admin, AdminError, Readiness};
pub use logs::{LogFormat, start_logs};
pub use pages::refuse_huge_pages;
pub use shutdown::{Shutdown, on_signals};
