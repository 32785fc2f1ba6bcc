//! The console: every step of a migration, read from one file.
//!
//! ```text
//! migration.yaml ─ Migration ─┐
//! migration.state/ ─ State ───┼─ step ─▶ what it says, on stdout; an exit code; the state, replaced
//! both clusters ─ Clusters ───┘     └─ programs that run long: processes of this host ([`programs`])
//! ```
//!
//! Where to start reading: [`steps`] has a file for each group of commands; [`state`] what is kept between them.
//!
//! Invariants: a step that changes something holds the [`lock`]; it may be repeated, and does what is left to do;
//! nothing is ever deleted on the source but what this migration made there, when it is named; a problem says what
//! happened, why, and what to type next.
#![forbid(unsafe_code)]

pub mod admin;
pub mod capture;
pub mod cli;
pub mod clusters;
pub mod console;
pub mod host;
pub mod lock;
pub mod migration;
pub mod output;
pub mod problem;
pub mod programs;
pub mod source_numbers;
pub mod state;
pub mod steps;
pub mod verify;

mod command;

pub use command::command;
