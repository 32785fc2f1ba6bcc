//! What has to change on the way from one version to another: rules, as data where data is enough.
//!
//! [`media_type`] and [`request_path`] turn a captured request into one that the target takes; [`index_body`]
//! turns the definition of an index (or the captured request that created it) into one that the target can
//! create; [`target_indices`] does it for an index out of a snapshot, with types and versions.
//!
//! Invariants: no I/O; nothing is dropped without a [`Change`] or a [`Refusal`] that says what and why; what no
//! rule names passes untouched.
#![forbid(unsafe_code)]

mod analysis;
mod definition;
mod mapping;
mod report;
mod rewrite;
mod rules;
mod settings;
mod snapshot;
mod types;
mod version;

pub use definition::{Origin, Transformed, index_body, mapping_body, settings_body, template_body};
pub use report::{Change, Refusal};
pub use rewrite::{Rewritten, media_type, request_path};
pub use snapshot::{SnapshotIndex, TargetIndex, Wanted, target_indices};
pub use types::{ManyTypes, Types, target_of};
pub use version::{Flavour, Target, Version};
