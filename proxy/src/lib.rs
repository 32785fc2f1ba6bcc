//! The capture proxy: passes every byte between clients and the source cluster, and tees it into a
//! journal.
//!
//! An accepted connection gets one connection to the source ([`serve`]), and two pumps that run in
//! one task: [`requests`] and [`responses`], which know of each other what [`connection`] holds. Each read becomes one or more records
//! ([`tape`]); of a request that may change something no byte goes on before its record is durable.
//! Bytes are framed to know where requests begin and end, never changed.

#![forbid(unsafe_code)]

pub mod audit;
mod command;
mod connection;
mod flags;
mod heartbeat;
mod left_out;
mod metrics;
mod opaque_search;
mod pass;
mod recording;
mod refusal;
mod requests;
mod responses;
mod roster;
mod serve;
mod server;
mod settings;
mod source;
mod switch;
mod tape;
mod unfinished;

pub use command::command;
pub use flags::Flags;
pub use server::{CaptureProxy, RunError, run};
pub use settings::{Durability, Hold, Settings, SettingsError, WhenFull};
