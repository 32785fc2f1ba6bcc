//! Metadata: templates, pipelines, scripts, indices, aliases and data streams of a cluster or a snapshot, planned,
//! explained, made on the target, and read back.
//!
//! ```text
//! source ─ Inventory ─┐
//!                     ├─ Plan ─ (evaluate: print it)
//! target ─ Inventory ─┘    └─ apply, stage by stage ─ target's Inventory again ─ verify
//! ```
//!
//! Invariants: a live cluster and a snapshot of it give one [`Inventory`]; nothing is written by
//! [`evaluate`]; every item of the source is in the plan, whatever becomes of it; what the plan leaves out of an item
//! is in the item, with the reason; a repeat of a migration that was interrupted completes it.
#![forbid(unsafe_code)]

mod abreast;
mod apply;
mod command;
mod deferred;
mod equal;
mod error;
mod fitting;
mod inventory;
mod naming;
mod plan;
mod report;
mod rules;
mod run;
mod selection;
mod settings;
mod target;
mod verify;

pub use apply::{Outcome, Refused};
pub use command::command;
pub use equal::Difference;
pub use error::MetadataError;
pub use inventory::{Body, Inventory, Item, Kind, Packed, Side, live, stored};
pub use plan::{Change, Plan, Planned, State};
pub use report::{Line, Report, html};
pub use rules::Refusal;
pub use run::{evaluate, inventory, migrate};
pub use selection::{Pattern, Patterns, Selection};
pub use settings::{
    BadSettings, Cli, Command, Flags, Numbers, OnExisting, Output, Renames, Settings, Source, Types,
};
pub use verify::Verified;
