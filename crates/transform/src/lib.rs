//! What has to change on the way from one version to another: rules, as data where data is enough.
//!
//! [`request`] turns a captured request into one that the target takes; [`index_body`] turns the definition
//! of an index (or the captured request that created it) into one that the target can create.
//!
//! Invariants: no I/O; nothing is dropped without a [`Change`] that says what and why; what no rule names
//! passes untouched.
#![forbid(unsafe_code)]

mod definition;
mod mapping;
mod rewrite;
mod rules;

pub use definition::{Origin, Transformed, index_body, mapping_body, settings_body, template_body};
pub use rewrite::{Rewritten, media_type, request_path};

/// One thing that a rule changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Where, as a dotted path (`settings.index.uuid`).
    pub path: String,
    pub why: &'static str,
    /// True when it must be put back at the cut-over (pipelines, lifecycle policies).
    pub deferred: bool,
}
