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
//! - One scheduler ([`pacer`]) for all connections; nothing goes out before its moment.
//! - Everything that waits is bounded by `--lookahead-bytes`.
#![forbid(unsafe_code)]

mod admin;
mod ahead;
mod also;
mod captured;
mod chosen;
mod circuit;
mod command;
mod connections;
mod context;
mod controls;
mod doubt;
mod exchange;
mod export;
mod facts;
mod formats;
mod group;
mod ids;
mod indices;
mod latency;
mod lateness;
mod ledger;
mod losses;
mod lowwater;
mod message;
mod metrics;
mod mirrored;
mod noted;
mod numbering;
mod offsets;
mod operations;
mod pacer;
mod parted_reads;
mod recorder;
mod replay;
mod rules;
mod run;
mod schedule;
mod sender;
mod settings;
mod source;
mod stream;
mod summary;
mod transform_try;

pub use also::Also;
pub use captured::exchange_of;
pub use chosen::Chosen;
pub use command::command;
pub use context::RunError;
pub use export::{ExportError, ExportFlags, Exported, export};
pub use latency::{LatencyOf, Percentiles};
pub use losses::forget_lost;
pub use recorder::RecordError;
pub use rules::{HeaderChanges, Host};
pub use run::run;
pub use settings::{
    BadSettings, Flags, Mutations, Output, Pace, Settings, TransformFlags, TransformSettings,
    TupleCompression, TupleFlags, TupleLayout, TupleSettings, Types,
};
pub use summary::Summary;
pub use transform::{TypeMapping, TypeNames};
pub use transform_try::{
    Outcome, Side, Totals, Tried, TryError, TryFlags, TrySettings, transform_try,
};
