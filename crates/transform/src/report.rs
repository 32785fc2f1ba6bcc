//! What rules say of what they did.

use serde_json::Value;

use crate::{Flavour, Target, Version};

/// One thing that a rule changed.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Change {
    /// Where, as a dotted path (`settings.index.uuid`).
    pub path: String,
    pub why: &'static str,
    /// True when it must be put back at the cut-over (pipelines, lifecycle policies, blocks).
    pub deferred: bool,
}

/// What the target can't be given, in whatever form: the body leaves it out, and documents may be refused
/// for it. Whether to go on is for a person to say.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Refusal {
    pub path: String,
    pub why: String,
}

/// An item for the target, with what was changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Made {
    /// What the target's `PUT` takes; null when nothing of it is left.
    pub body: Value,
    pub changes: Vec<Change>,
    pub refused: Vec<Refusal>,
}

/// What rules look at, and where they write what they did.
pub(crate) struct Rules {
    /// What created the index; `None`: not known, so only rules that hold for every source apply.
    pub(crate) created: Option<Version>,
    pub(crate) target: Target,
    pub(crate) changes: Vec<Change>,
    pub(crate) refused: Vec<Refusal>,
    /// A field became a `knn_vector`: the index has to say that it holds some.
    pub(crate) vectors: bool,
}

impl Rules {
    pub(crate) fn new(created: Option<Version>, target: Target) -> Self {
        Self { created, target, changes: Vec::new(), refused: Vec::new(), vectors: false }
    }

    pub(crate) fn made(self, body: Value) -> Made {
        Made { body, changes: self.changes, refused: self.refused }
    }

    pub(crate) fn changed(&mut self, path: impl Into<String>, why: &'static str) {
        self.changes.push(Change { path: path.into(), why, deferred: false });
    }

    pub(crate) fn refuse(&mut self, path: impl Into<String>, why: impl Into<String>) {
        self.refused.push(Refusal { path: path.into(), why: why.into() });
    }

    pub(crate) fn created_before(&self, major: u32) -> bool {
        self.created.is_some_and(|created| created.elasticsearch_before(major))
    }

    pub(crate) fn created_by(&self, flavour: Flavour) -> bool {
        self.created.is_some_and(|created| created.flavour == flavour)
    }
}
