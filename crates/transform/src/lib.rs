//! What has to change on the way from one version to another: rules, as data where data is enough.
//!
//! [`media_type`], [`request_path`], [`request`] and [`moved`] turn a captured request into one that the target takes; [`index_body`]
//! turns the definition of an index (or the captured request that created it) into one that the target can
//! create; [`target_indices`] does it for an index out of a snapshot, with types and versions, and [`live_index`]
//! for one of a live cluster. What stands beside indices has a function for each kind: templates, aliases, data
//! streams, lifecycle policies, pipelines, scripts. [`catalogue`] lists every rule that is data.
//!
//! Invariants: no I/O; nothing is dropped without a [`Change`] or a [`Refusal`] that says what and why; what no
//! rule names passes untouched.
#![forbid(unsafe_code)]

mod alias;
mod analysis;
mod catalogue;
mod data_stream;
mod deferred;
mod definition;
mod lifecycle;
mod live;
mod mapping;
mod pipeline;
mod query;
mod report;
mod request;
mod rewrite;
mod rules;
mod script;
mod settings;
mod skipped;
mod snapshot;
mod templates;
mod type_names;
mod types;
mod unreachable;
mod version;
mod zones;

pub use alias::alias;
pub use catalogue::{RuleLine, catalogue};
pub use data_stream::data_stream;
pub use deferred::{Deferred, deferred};
pub use definition::{Origin, Transformed, index_body, mapping_body, settings_body, template_body};
pub use lifecycle::{ism_policy, lifecycle_policy, manage_new};
pub use live::{live_index, routing_shards_of};
pub use pipeline::pipeline;
pub use report::{Change, Made, Refusal};
pub use request::{Moved, Reshaped, moved, request};
pub use rewrite::{Rewritten, media_type, request_path};
pub use script::stored_script;
pub use settings::flat as flat_settings;
pub use skipped::{Kind, is_skipped};
pub use snapshot::{SnapshotIndex, TargetIndex, Wanted, target_indices};
pub use templates::{component_template, index_template, legacy_template, legacy_template_of};
pub use type_names::{TypeNames, TypeNamesError};
pub use types::{ManyTypes, TypeMapping, Types, target_of, types_of};
pub use unreachable::{Unreachable, unreachable};
pub use version::{Flavour, Target, Version};
pub use zones::replicas_for;
