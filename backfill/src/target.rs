//! The target's indices: made from the snapshot's own definitions, and never of another index than theirs.
//!
//! An index is its UUID, not its name. What is made carries `_meta.godwit.source_uuid`; an index of the same name
//! that carries another one is not written: its documents count as superseded.

use std::collections::BTreeMap;

use cluster::{Cluster, ClusterError, Method, Request, encode_segment};
use serde_json::{Map, Value, json};
use snapshot::{Index, IndexMetadata};
use transform::{ManyTypes, Origin, Target, TargetIndex};

use crate::{
    settings::{Types, Versioning},
    sourceless,
    waiting::{is_block, may_pass},
};

/// Nanoseconds by which the clocks of the source and of a proxy may differ.
const CLOCK_SKEW: u64 = 50_000_000;

/// Everything that a run writes to, by the source's index.
#[derive(Debug)]
pub(crate) struct Targets {
    plans: BTreeMap<String, IndexPlan>,
}

/// Where the documents of one index go.
#[derive(Debug)]
pub(crate) struct IndexPlan {
    pub(crate) source: Index,
    /// The data stream that it is a backing index of: its documents go there.
    stream: Option<String>,
    destinations: Vec<TargetIndex>,
    superseded: bool,
}

/// How indices are made on the target.
pub(crate) struct How {
    pub(crate) target: Target,
    pub(crate) types: Types,
    pub(crate) versioning: Versioning,
    pub(crate) recovery_source: bool,
    /// Go on without the parts of definitions that the target can't have.
    pub(crate) accept_refused: bool,
    /// Data streams, by backing index.
    pub(crate) streams: BTreeMap<String, String>,
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
    #[error(
        "the target has no data stream {stream}, which index {index} belongs to; make it with the metadata step \
         or by hand (PUT /_data_stream/{stream}), and run again"
    )]
    NoStream { index: String, stream: String },
    #[error("index {0} isn't part of this run's plan; was the run begun with other settings?")]
    Unplanned(String),
}

fn list(indices: &[(String, String)]) -> String {
    let line = |(index, why): &(String, String)| format!("  {index}: {why}");
    indices.iter().map(line).collect::<Vec<_>>().join("\n")
}

impl TargetError {
    /// The target didn't answer, or can't do it now; else what was asked of it can't be done.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Cluster(_)) || self.may_pass()
    }

    /// Waiting may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Cluster(error) => may_pass(error),
            Self::Refused { status, body, .. } => {
                matches!(status, 429 | 502 | 503 | 504) || is_block(body)
            }
            _ => false,
        }
    }
}

impl Targets {
    /// Plans where each index goes. Nothing is asked or written.
    ///
    /// # Errors
    /// [`TargetError::Unsupported`] with every index that can't be moved, and why.
    pub(crate) fn plan(indices: Vec<Index>, how: &How) -> Result<Self, TargetError> {
        let mut plans = BTreeMap::new();
        let mut unsupported = Vec::new();
        for source in indices {
            let name = source.metadata.name.clone();
            match plan(source, how) {
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

    /// The name of an index, of whichever plan, that documents are written to.
    pub(crate) fn written(&self, name: &str) -> Option<&str> {
        let plans = self.plans.values().filter(|plan| !plan.is_superseded());
        plans.flat_map(IndexPlan::indices).find(|index| *index == name)
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
            if let Some(stream) = &plan.stream {
                let path = format!("/_data_stream/{}", encode_segment(stream));
                if target.find(Request::new(Method::GET, path)).await?.is_none() {
                    let (index, stream) = (plan.source.metadata.name.clone(), stream.clone());
                    return Err(TargetError::NoStream { index, stream });
                }
            }
            for destination in &plan.destinations {
                if !prepare(destination, target, &plan.source.metadata).await? {
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
        if let Some(stream) = &self.stream {
            return Some(stream);
        }
        match self.destinations.as_slice() {
            [only] if only.types == transform::Types::All => Some(&only.name),
            _ => None,
        }
    }

    /// Where documents of a type go.
    pub(crate) fn index_of(&self, doc_type: Option<&str>) -> Option<&str> {
        if let Some(stream) = &self.stream {
            return Some(stream);
        }
        transform::target_of(&self.destinations, doc_type).map(|index| index.name.as_str())
    }

    /// A data stream takes documents once, and no versions.
    pub(crate) fn is_stream(&self) -> bool {
        self.stream.is_some()
    }

    /// The target has an index of the same name that is the image of another one.
    pub(crate) fn is_superseded(&self) -> bool {
        self.superseded
    }

    /// The indices that its documents go to, unless they go to a data stream.
    pub(crate) fn indices(&self) -> impl Iterator<Item = &str> {
        self.destinations.iter().map(|index| index.name.as_str())
    }

    /// Its destinations' names, for people.
    pub(crate) fn names(&self) -> String {
        let names = self.stream.iter().map(String::as_str);
        let names = names.chain(self.destinations.iter().map(|index| index.name.as_str()));
        names.collect::<Vec<_>>().join(",")
    }
}

/// Makes sure that an index is there; `false`: there is one of another UUID.
async fn prepare(
    index: &TargetIndex,
    target: &Cluster,
    source: &IndexMetadata,
) -> Result<bool, TargetError> {
    if let Some(found) = target.index_definitions(&index.name).await?.remove(&index.name) {
        return adopt(index, target, source, &found.mappings).await;
    }
    let reply = target.create_index(&index.name, &index.body).await?;
    if reply.is_success() {
        tracing::info!(index = index.name, "index created on the target");
        return Ok(true);
    }
    // Another worker was faster, or we were and the answer was lost.
    if reply.excerpt().contains("resource_already_exists_exception")
        && let Some(found) = target.index_definitions(&index.name).await?.remove(&index.name)
    {
        return adopt(index, target, source, &found.mappings).await;
    }
    Err(refused(index, &reply))
}

/// An index that was made before: by another worker, by the metadata step, or by hand.
async fn adopt(
    index: &TargetIndex,
    target: &Cluster,
    source: &IndexMetadata,
    mappings: &Map<String, Value>,
) -> Result<bool, TargetError> {
    match Origin::source_uuid_of(mappings) {
        Some(mark) if mark == source.uuid => return Ok(true),
        Some(mark) if !was_there(source, mark) => return Ok(false),
        _ => {}
    }
    // Made by hand, or without a source to ask. From now on it is the image of this index.
    let mut meta = mappings.get("_meta").and_then(Value::as_object).cloned().unwrap_or_default();
    let origin = index.body.pointer("/mappings/_meta/godwit").cloned();
    meta.insert("godwit".into(), origin.unwrap_or(Value::Null));
    let body = Map::from_iter([("_meta".to_owned(), json!(meta))]);
    let reply = target.put_mapping(&index.name, &body).await?;
    if reply.is_success() { Ok(true) } else { Err(refused(index, &reply)) }
}

/// Whether `mark` is that of a replayer that has no source to ask, for a request that was answered when the source's
/// index was there, give or take what clocks differ.
fn was_there(source: &IndexMetadata, mark: &str) -> bool {
    let answered = Origin::journal_time(mark);
    answered.is_some_and(|at| created_at(source) <= at.saturating_add(CLOCK_SKEW))
}

/// When the source's index was made, nanoseconds since 1970; 0 when it doesn't say.
fn created_at(source: &IndexMetadata) -> u64 {
    let date = source.settings.get("index.creation_date").and_then(Value::as_str);
    date.and_then(|date| date.parse::<u64>().ok()).unwrap_or(0).saturating_mul(1_000_000)
}

fn refused(index: &TargetIndex, reply: &cluster::Reply) -> TargetError {
    let (index, status, body) = (index.name.clone(), reply.status, reply.excerpt());
    TargetError::Refused { index, status, body }
}

/// The target as the rules see it, with the plugins that it shows.
pub(crate) async fn target_of(cluster: &Cluster) -> Result<Target, ClusterError> {
    let info = cluster.info();
    let version = match info.flavour {
        cluster::Flavour::OpenSearch => transform::Version::opensearch(info.major, info.minor),
        cluster::Flavour::Elasticsearch => {
            transform::Version::elasticsearch(info.major, info.minor)
        }
    };
    let target = Target { version, knn: false, zstd: false };
    match cluster.plugins().await {
        Ok(plugins) => Ok(target.with_plugins(plugins.iter().map(String::as_str))),
        Err(error) if matches!(error.status(), Some(401 | 403)) => {
            tracing::warn!(%error, "the target's plugins can't be seen: taken to have none");
            Ok(target)
        }
        Err(error) => Err(error),
    }
}

/// Where an index goes, or every reason why it can't.
fn plan(source: Index, how: &How) -> Result<IndexPlan, Vec<String>> {
    let index = &source.metadata;
    let mut reasons = sourceless::reasons(index, how.recovery_source);
    reasons.extend(source.unsupported().map(str::to_owned));
    if let Some(stream) = how.streams.get(&index.name).cloned() {
        return match reasons.is_empty() {
            true => Ok(IndexPlan {
                source,
                stream: Some(stream),
                destinations: Vec::new(),
                superseded: false,
            }),
            false => Err(reasons),
        };
    }
    let Some(created) = index.created.and_then(|by| transform::Version::from_created(by.id)) else {
        reasons.push("it doesn't say which version made it (index.version.created)".into());
        return Err(reasons);
    };
    let origin = Origin {
        source_uuid: index.uuid.clone(),
        epoch: 0,
        versioning: match how.versioning {
            Versioning::Sequence => "sequence",
            Versioning::None => "none",
        },
    };
    let definition = transform::SnapshotIndex {
        name: &index.name,
        settings: &index.settings,
        mappings: &index.mappings,
        aliases: &index.aliases,
        created,
        routing_shards: index.routing_num_shards,
    };
    let wanted = transform::Wanted {
        target: how.target,
        many_types: match how.types {
            Types::Split => ManyTypes::Split,
            Types::Union => ManyTypes::Union,
        },
        // Aliases are the metadata step's: they say where clients read and write.
        aliases: false,
        origin: Some(&origin),
    };
    let destinations = transform::target_indices(definition, wanted);
    for destination in &destinations {
        let (index, target) = (&index.name, &destination.name);
        for change in &destination.changes {
            tracing::debug!(index, target, path = change.path, why = change.why, "changed");
        }
        for refusal in &destination.refused {
            let what = format!("{}: {}", refusal.path, refusal.why);
            match how.accept_refused {
                true => tracing::warn!(index, target, what, "not on the target"),
                false => reasons.push(format!("{what} (--accept-refused goes on without it)")),
            }
        }
    }
    match reasons.is_empty() {
        true => Ok(IndexPlan { source, stream: None, destinations, superseded: false }),
        false => Err(reasons),
    }
}
