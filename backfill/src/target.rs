//! The target's indices: made from the snapshot's own definitions, and never of another index than theirs.
//!
//! An index is its UUID, not its name. What is made carries `_meta.godwit.source_uuid`; an index of the same name
//! that carries another one is not written: its documents count as superseded.

use std::collections::BTreeMap;

use cluster::{Cluster, ClusterError};
use serde_json::{Map, Value, json};
use snapshot::Index;
use transform::Origin;

use crate::{
    settings::{Types, Versioning},
    sourceless,
};

/// Everything that a run writes to, by the source's index.
#[derive(Debug)]
pub(crate) struct Targets {
    plans: BTreeMap<String, IndexPlan>,
}

/// Where the documents of one index go.
#[derive(Debug)]
pub(crate) struct IndexPlan {
    pub(crate) source: Index,
    destinations: Vec<Destination>,
    superseded: bool,
}

/// An index of the target.
#[derive(Debug)]
pub(crate) struct Destination {
    pub(crate) name: String,
    /// The types whose documents go there; none: all.
    types: Vec<String>,
    body: Value,
}

/// What can't be moved, before anything is written.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error(
        "the target refuses index {index} with {status}: {body}; make it by hand or with the metadata step, \
         and run again"
    )]
    Refused { index: String, status: u16, body: String },
    #[error("these indices can't be moved:\n{}\nleave them out with --index, or see docs/backfill.md", list(.0))]
    Unsupported(Vec<(String, String)>),
    #[error("index {0} isn't part of this run's plan; was the run begun with other settings?")]
    Unplanned(String),
}

fn list(indices: &[(String, String)]) -> String {
    let line = |(index, why): &(String, String)| format!("  {index}: {why}");
    indices.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl TargetError {
    /// The target didn't answer; else what was asked of it can't be done.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }
}

impl Targets {
    /// Plans where each index goes. Nothing is asked or written.
    ///
    /// # Errors
    /// [`TargetError::Unsupported`] with every index that can't be moved, and why.
    pub(crate) fn plan(
        indices: Vec<Index>,
        types: Types,
        versioning: Versioning,
        target: &cluster::Info,
        recovery_source: bool,
    ) -> Result<Self, TargetError> {
        let mut plans = BTreeMap::new();
        let mut unsupported = Vec::new();
        for source in indices {
            let name = source.metadata.name.clone();
            match plan(source, types, versioning, target, recovery_source) {
                Ok(plan) => drop(plans.insert(name, plan)),
                Err(reasons) => {
                    unsupported.extend(reasons.into_iter().map(|why| (name.clone(), why)));
                }
            }
        }
        let mut names: BTreeMap<&str, &str> = BTreeMap::new();
        for (source, plan) in &plans {
            for destination in &plan.destinations {
                if let Some(other) = names.insert(&destination.name, source) {
                    let why = format!("{} is also where {other} goes", destination.name);
                    unsupported.push((source.clone(), why));
                }
            }
        }
        match unsupported.is_empty() {
            true => Ok(Self { plans }),
            false => Err(TargetError::Unsupported(unsupported)),
        }
    }

    pub(crate) fn of(&self, index: &str) -> Result<&IndexPlan, TargetError> {
        self.plans.get(index).ok_or_else(|| TargetError::Unplanned(index.to_owned()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.plans.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &IndexPlan> {
        self.plans.values()
    }

    /// Makes sure that every destination is there. Safe to do by many workers at once.
    pub(crate) async fn prepare(&mut self, target: &Cluster) -> Result<(), TargetError> {
        for plan in self.plans.values_mut() {
            for destination in &plan.destinations {
                let uuid = &plan.source.metadata.uuid;
                if !destination.prepare(target, uuid).await? {
                    let (index, target) = (&plan.source.metadata.name, &destination.name);
                    tracing::warn!(
                        index,
                        target,
                        "the target's index is of another index: superseded"
                    );
                    plan.superseded = true;
                }
            }
        }
        Ok(())
    }
}

impl IndexPlan {
    /// The one index that all documents go to.
    pub(crate) fn only_index(&self) -> Option<&str> {
        match self.destinations.as_slice() {
            [only] if only.types.is_empty() => Some(&only.name),
            _ => None,
        }
    }

    /// Where documents of a type go.
    pub(crate) fn index_of(&self, doc_type: Option<&str>) -> Option<&str> {
        let takes = |destination: &&Destination| {
            destination.types.is_empty()
                || doc_type.is_some_and(|t| destination.types.iter().any(|own| own == t))
        };
        self.destinations.iter().find(takes).map(|destination| destination.name.as_str())
    }

    /// The target has an index of the same name that is the image of another one.
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded
    }

    /// Its destinations' names, for people.
    pub(crate) fn names(&self) -> String {
        let names: Vec<_> = self.destinations.iter().map(|d| d.name.as_str()).collect();
        names.join(",")
    }
}

impl Destination {
    /// `false`: there is one of another UUID.
    async fn prepare(&self, target: &Cluster, uuid: &str) -> Result<bool, TargetError> {
        if let Some(found) = target.index_definitions(&self.name).await?.remove(&self.name) {
            return self.adopt(target, uuid, &found.mappings).await;
        }
        let reply = target.create_index(&self.name, &self.body).await?;
        if reply.is_success() {
            tracing::info!(index = self.name, "index created on the target");
            return Ok(true);
        }
        // Another worker was faster, or we were and the answer was lost.
        if reply.excerpt().contains("resource_already_exists_exception")
            && let Some(found) = target.index_definitions(&self.name).await?.remove(&self.name)
        {
            return self.adopt(target, uuid, &found.mappings).await;
        }
        let (index, status, body) = (self.name.clone(), reply.status, reply.excerpt());
        Err(TargetError::Refused { index, status, body })
    }

    /// An index that was made before: by another worker, by the metadata step, or by hand.
    async fn adopt(
        &self,
        target: &Cluster,
        uuid: &str,
        mappings: &Map<String, Value>,
    ) -> Result<bool, TargetError> {
        match Origin::source_uuid_of(mappings) {
            Some(found) => Ok(found == uuid),
            None => {
                // Made by hand. From now on it is the image of this index.
                let mut meta = mappings.get("_meta").and_then(Value::as_object).cloned();
                let origin = self.body.pointer("/mappings/_meta/godwit").cloned();
                meta.get_or_insert_default().insert("godwit".into(), origin.unwrap_or(Value::Null));
                let body = Map::from_iter([("_meta".to_owned(), json!(meta))]);
                let reply = target.put_mapping(&self.name, &body).await?;
                if !reply.is_success() {
                    let (index, status, body) = (self.name.clone(), reply.status, reply.excerpt());
                    return Err(TargetError::Refused { index, status, body });
                }
                Ok(true)
            }
        }
    }
}

/// Where an index goes, or every reason why it can't.
fn plan(
    source: Index,
    types: Types,
    versioning: Versioning,
    target: &cluster::Info,
    recovery_source: bool,
) -> Result<IndexPlan, Vec<String>> {
    let index = &source.metadata;
    let mut reasons = sourceless::reasons(index, recovery_source);
    reasons.extend(source.unsupported().map(str::to_owned));
    if !reasons.is_empty() {
        return Err(reasons);
    }
    let origin = Origin {
        source_uuid: index.uuid.clone(),
        epoch: 0,
        versioning: match versioning {
            Versioning::Sequence => "sequence",
            Versioning::None => "none",
        },
    };
    let _ = (types, target);
    let mut definition = Map::new();
    definition.insert("settings".into(), Value::Object(index.settings.clone()));
    if let [(_, mapping)] = index.mappings.as_slice() {
        definition.insert("mappings".into(), Value::Object(mapping.clone()));
    }
    let made = transform::index_body(&definition, Some(&origin));
    let destination = Destination { name: index.name.clone(), types: Vec::new(), body: made.body };
    Ok(IndexPlan { destinations: vec![destination], superseded: false, source })
}
