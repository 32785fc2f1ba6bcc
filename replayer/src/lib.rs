//! The replayer: reads a journal and brings a target cluster to the state of the source.
//!
//! ```text
//! journal ─ connections ─ stream ──▶ Captured ─ converge::interpret ─▶ Meaning ─ converge::order ─▶ exchange
//!           (numbering)  (framing)                                                     ├─ operations ─▶ target
//!           offsets: claimed ............................................ released     ├─ controls ──▶ target
//!                                                            recorder ◀─ tuple ────────┤
//!                                                                                      └─ doubt: source ─▶ target
//! ```
//!
//! Where to start reading: [`exchange`] is the life of an exchange; [`replay`] is the task that conducts.
//!
//! Invariants:
//! - What the journal proves is sent; what it doesn't prove is read from the source; nothing is guessed.
//! - An offset is committed when everything at or below it is finished and its tuple is durable; doubt that is
//!   not resolved, and what failed, keep their records.
//! - A control request is sent once, also after a crash.
//! - Everything that waits is bounded by `--lookahead-bytes`.
#![forbid(unsafe_code)]

mod captured;
mod connections;
mod context;
mod controls;
mod doubt;
mod exchange;
mod facts;
mod ids;
mod indices;
mod ledger;
mod lowwater;
mod message;
mod metrics;
mod noted;
mod numbering;
mod offsets;
mod operations;
mod recorder;
mod replay;
mod run;
mod schedule;
mod sender;
mod settings;
mod source;
mod stream;
mod summary;

pub use connections::Gap;
pub use context::RunError;
pub use run::run;
pub use schedule::Percentiles;
pub use settings::{BadSettings, Flags, Mutations, Output, Pace, Settings};
pub use summary::{Latency, Summary};
