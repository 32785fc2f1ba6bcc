//! The capture proxy: passes every byte between clients and the source cluster, and tees it into a
//! journal.
//!
//! An accepted connection gets one connection to the source ([`serve`]), and two pumps that run in
//! one task: [`requests`] and [`responses`], which know of each other what [`connection`] holds. Each read becomes one or more records
//! ([`tape`]); of a request that may change something no byte goes on before its record is durable.
//! Bytes are framed to know where requests begin and end, and not changed, but for what an operator asks to add
//! ([`last_answer`]).

#![forbid(unsafe_code)]

mod accept;
mod addresses;
pub mod audit;
mod bodies;
mod break_off;
mod certificates;
mod command;
mod connection;
mod flags;
mod heartbeat;
mod keep_alive;
mod last_answer;
mod left_out;
mod metrics;
mod opaque_search;
mod pass;
mod recording;
mod refusal;
mod requests;
mod responses;
#[cfg(test)]
mod rig;
mod roster;
mod serve;
mod server;
mod set_header;
mod settings;
mod source;
mod switch;
mod systemd;
mod tape;
mod threads;
mod tls;
mod unfinished;
mod upgrade;
mod watched;

pub use accept::{Entry, ProxyProtocol};
pub use addresses::Trusted;
pub use command::command;
pub use flags::Flags;
pub use server::{CaptureProxy, RunError, run};
pub use set_header::{SetHeader, SetHeaderError};
pub use settings::{Durability, Hold, Settings, SettingsError, WhenFull};
pub use tls::{ClientAuth, ListenerTls, SourceTls};
pub use watched::FileError;
