//! The target's indices: each is the image of one index of the source, known by its UUID.
//!
//! Before the first write to an index it is made sure of: created from the source's definition (without a
//! source: from the captured request, or from what little is known), or found and its mapping brought up to the
//! source's. It carries `_meta.godwit`, so that an index that was deleted and created again on the source is not
//! taken for the one before it.

mod around;
mod definitions;
mod parts;
mod reconcile;
mod renamed;
mod streams;
mod types;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use cluster::{Cluster, ClusterError, IndexDefinition, data_stream_of};
use converge::Selection;
use parking_lot::Mutex;
use tokio::sync::OnceCell;
use transform::Origin;

use self::{renamed::OnlyRead, types::Typed};
use crate::{chosen::Chosen, metrics::Metrics, source::Source};

pub(crate) use self::types::{Part, Place};

#[derive(Debug)]
pub(crate) struct Indices {
    target: Cluster,
    source: Option<Arc<Source>>,
    metrics: Metrics,
    /// Nanoseconds by which the source's clock and the proxy's may differ.
    clock_skew: u64,
    ready: Mutex<HashMap<String, Arc<OnceCell<Ready>>>>,
    deleted: Mutex<Deleted>,
    /// Indices whose image was replaced by an empty one: what it had is to be read from the source again.
    replaced: Mutex<HashSet<String>>,
    /// A source before Elasticsearch 7: an index may have several types.
    typed: Option<Typed>,
    /// Indices, by UUID and names on the target, that nothing else on the target stands for.
    settled: Mutex<HashMap<String, (String, Vec<String>)>>,
    /// Indices that were only read.
    read: Mutex<HashMap<String, OnlyRead>>,
    /// Indices that this run has found on the source.
    seen: Mutex<HashMap<String, u64>>,
    chosen: Chosen,
}

/// What is known of an index that was made sure of.
#[derive(Clone, Debug, Default)]
struct Ready {
    /// The source's UUID; `None`: there is no source, or no such index on it (any more).
    uuid: Option<String>,
    on_target: bool,
    /// The UUID of the target's index.
    image: String,
    /// When the source's index was created, nanoseconds since 1970.
    created: u64,
    /// Which look at the source this is based on.
    look: u64,
    /// When the source was asked for it, nanoseconds since 1970.
    asked: u64,
    /// Its types, where there may be several.
    types: Vec<String>,
    /// Where its documents go when that isn't one index of its name.
    parts: Option<Arc<[Part]>>,
    /// The data stream that it is of: its documents go into the target's stream of that name.
    stream: Option<Arc<str>>,
}

/// What was deleted, and when the source had answered that.
#[derive(Debug, Default)]
struct Deleted {
    exact: HashMap<String, u64>,
    patterns: Vec<(Selection, u64)>,
}

/// Whether a write to an index makes sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Prepared {
    Ready,
    /// It is of a data stream, which takes nothing as the journal has it: its documents are read from the source.
    InStream,
    /// The source has deleted the index since: whatever was written is gone.
    Superseded,
    /// The index on the source is a younger one of the same name: only the source knows what is in it.
    Younger,
    /// It isn't replayed.
    NotChosen,
}

/// Why an index can't be made sure of.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IndexError {
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("index `{index}` cannot be created on the target: {status}: {body}")]
    Create { index: String, status: u16, body: String },
    #[error(
        "the target's index `{index}` refuses the mapping of the source's: {reason}; delete it on the target, and it is \
         made anew"
    )]
    Mapping { index: String, reason: String },
    #[error(
        "index `{index}` has several types that can't be put on the target so: {why}; say what becomes of them (`--types split` or \
         `union`, or a configuration of TypeMappingSanitizationTransformerProvider), or leave it out of the replay (`--index`)"
    )]
    Types { index: String, why: String },
    #[error(
        "a type of index `{index}` goes to `{name}`, which is another index of the source's: say where else (a configuration of \
         TypeMappingSanitizationTransformerProvider)"
    )]
    Taken { index: String, name: String },
    #[error(
        "the target has no data stream `{stream}`, which index `{index}` is of, and can't make it: {status}: {body}; migrate its \
         index template first"
    )]
    DataStream { index: String, stream: String, status: u16, body: String },
}

impl Indices {
    pub(crate) fn new(
        target: Cluster,
        source: Option<Arc<Source>>,
        metrics: Metrics,
        clock_skew: u64,
        deletions: Vec<(Selection, u64)>,
    ) -> Self {
        let indices = Self {
            target,
            source,
            metrics,
            clock_skew,
            ready: Mutex::default(),
            deleted: Mutex::default(),
            replaced: Mutex::default(),
            typed: None,
            settled: Mutex::default(),
            read: Mutex::default(),
            seen: Mutex::default(),
            chosen: Chosen::default(),
        };
        for (named, answered) in deletions {
            indices.remember_deletion(named, answered);
        }
        indices
    }

    /// Of no other index anything is written.
    pub(crate) fn only(self, chosen: Chosen) -> Self {
        Self { chosen, ..self }
    }

    /// Makes sure that `index` can be written to with what the source answered at `answered`.
    pub(crate) async fn prepare(&self, index: &str, answered: u64) -> Result<Prepared, IndexError> {
        if !self.chosen.has(index) {
            return Ok(Prepared::NotChosen);
        }
        if self.deleted.lock().after(index) >= answered {
            return Ok(Prepared::Superseded);
        }
        let mut ready = self.ready(index, answered).await?;
        if !ready.on_target && ready.asked <= answered.saturating_add(self.clock_skew) {
            // It wasn't there before this was answered; it may have been made since.
            self.forget(index);
            ready = self.ready(index, answered).await?;
        }
        if !ready.on_target {
            return Ok(Prepared::Superseded);
        }
        if answered.saturating_add(self.clock_skew) < ready.created {
            return Ok(Prepared::Younger);
        }
        if ready.stream.is_some() {
            return Ok(Prepared::InStream);
        }
        Ok(Prepared::Ready)
    }

    async fn ready(&self, index: &str, answered: u64) -> Result<Ready, IndexError> {
        let cell = self.cell(index);
        cell.get_or_try_init(|| self.make_sure(index, answered)).await.cloned()
    }

    /// Whether the image of this index was replaced by an empty one; says so once.
    pub(crate) fn take_replaced(&self, index: &str) -> bool {
        self.replaced.lock().remove(index)
    }

    /// What an image had that was replaced hasn't been read yet.
    pub(crate) fn replaced_again(&self, index: String) {
        self.replaced.lock().insert(index);
    }

    /// The UUID that the target's index had when it was made sure of.
    pub(crate) fn known_image(&self, index: &str) -> Option<String> {
        let ready = self.ready.lock();
        ready.get(index)?.get().map(|known| known.image.clone()).filter(|image| !image.is_empty())
    }

    /// The UUID of the target's index, as it is now; of a data stream its name.
    pub(crate) async fn image(&self, index: &str) -> Result<Option<String>, ClusterError> {
        if let Some(stream) = self.stream(index) {
            return Ok(Some(stream.to_string()));
        }
        let found = self.target.index_definitions(index).await?.remove(index);
        Ok(found.and_then(|found| found.uuid().map(str::to_owned)))
    }

    /// The target's indices that this run made sure of.
    fn written(&self) -> Vec<String> {
        let ready = self.ready.lock();
        let there = ready.iter().filter(|(_, cell)| {
            cell.get().is_some_and(|known| known.on_target && known.stream.is_none())
        });
        there.map(|(name, _)| name.clone()).collect()
    }

    /// The next write to `index` makes sure of it again.
    pub(crate) fn forget(&self, index: &str) {
        self.ready.lock().remove(index);
    }

    /// The source had deleted what `named` stands for when it answered at `answered`.
    pub(crate) fn remember_deletion(&self, named: Selection, answered: u64) {
        self.ready.lock().retain(|name, _| !named.contains(name));
        self.seen.lock().retain(|name, _| !named.contains(name));
        let mut deleted = self.deleted.lock();
        match named.single() {
            Some(name) => {
                let at = deleted.exact.entry(name.to_owned()).or_default();
                *at = answered.max(*at);
            }
            None => deleted.patterns.push((named, answered)),
        }
    }

    fn cell(&self, index: &str) -> Arc<OnceCell<Ready>> {
        let mut ready = self.ready.lock();
        if let Some(cell) = ready.get(index) {
            let outdated = cell.get().is_some_and(|known| self.is_outdated(index, known));
            if !outdated {
                return Arc::clone(cell);
            }
        }
        let cell = Arc::new(OnceCell::new());
        ready.insert(index.to_owned(), Arc::clone(&cell));
        cell
    }

    /// Whether the source has been seen with another index of this name since.
    fn is_outdated(&self, index: &str, known: &Ready) -> bool {
        let Some(source) = &self.source else { return false };
        source.looks() > known.look && !source.has_uuid(index, known.uuid.as_deref())
    }

    async fn make_sure(&self, index: &str, answered: u64) -> Result<Ready, IndexError> {
        let found = self.target.index_definitions(index).await?.remove(index);
        let Some(source) = &self.source else {
            if let Some(stream) = data_stream_of(index) {
                return self.make_stream(index, stream, Ready::default()).await;
            }
            if found.is_none() {
                let origin = Origin::of_journal(answered);
                self.create(index, &serde_json::Map::new(), &origin, "assumed").await?;
            }
            let image = self.image(index).await?.unwrap_or_default();
            return Ok(Ready { on_target: true, image, ..Ready::default() });
        };
        let (look, asked) = (source.looks(), now());
        let Some(original) = source.cluster.index_definitions(index).await?.remove(index) else {
            return Ok(Ready { look, asked, ..Ready::default() });
        };
        let uuid = original.uuid().unwrap_or_default().to_owned();
        let created = creation(&original);
        if let Some(stream) = original.data_stream.as_deref().or_else(|| data_stream_of(index)) {
            let known = Ready { uuid: Some(uuid), created, look, asked, ..Ready::default() };
            return self.make_stream(index, stream, known).await;
        }
        self.saw(index, look);
        let known = Ready { uuid: Some(uuid.clone()), created, look, asked, ..Ready::default() };
        if let Some(parted) = self.make_parts(index, &original, known.clone()).await? {
            return Ok(parted);
        }
        match found {
            None => self.create_from(index, &original, &uuid).await?,
            Some(found) => self.adopt(index, &original, &uuid, created, &found).await?,
        }
        let image = self.image(index).await?.unwrap_or_default();
        Ok(Ready { on_target: true, image, types: self.types(&original), ..known })
    }

    /// An index of that name is on the target: ours, an older one's image, or somebody else's.
    async fn adopt(
        &self,
        index: &str,
        original: &IndexDefinition,
        uuid: &str,
        created: u64,
        found: &IndexDefinition,
    ) -> Result<(), IndexError> {
        if let Some(of) = Origin::source_index_of(&found.mappings).filter(|of| *of != index) {
            return Err(IndexError::Taken { index: of.to_owned(), name: index.to_owned() });
        }
        let mark = Origin::source_uuid_of(&found.mappings);
        let is_image = match mark {
            None => true,
            Some(mark) => match Origin::journal_time(mark) {
                // Made when there was no source to ask, for a request that was answered at this time.
                Some(at) => created <= at.saturating_add(self.clock_skew),
                None => mark == uuid,
            },
        };
        if is_image {
            if mark != Some(uuid) {
                self.mark(index, uuid).await?;
            }
            self.bring_up_mapping(index, original).await?;
            return Ok(());
        }
        tracing::warn!(
            index,
            "the source has another index of this name now: replacing the target's"
        );
        self.delete(index).await?;
        self.create_from(index, original, uuid).await?;
        // Between the source's change and our seeing it, writes to the new index went to the old image.
        self.replaced.lock().insert(index.to_owned());
        Ok(())
    }
}

impl Deleted {
    /// When the source last deleted an index of this name; 0: never.
    fn after(&self, index: &str) -> u64 {
        let exact = self.exact.get(index).copied().unwrap_or(0);
        let patterns = self.patterns.iter().filter(|(named, _)| named.contains(index));
        patterns.map(|(_, at)| *at).max().unwrap_or(0).max(exact)
    }
}

/// Nanoseconds since 1970.
pub(crate) fn now() -> u64 {
    let since = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

/// When an index was created, nanoseconds since 1970; 0 when it doesn't say.
fn creation(definition: &IndexDefinition) -> u64 {
    let date = definition.settings.get("index").and_then(|index| index.get("creation_date"));
    let millis = date.and_then(|date| date.as_str()).and_then(|text| text.parse::<u64>().ok());
    millis.unwrap_or(0).saturating_mul(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletions_reach_by_name_and_by_pattern() {
        let mut deleted = Deleted::default();
        deleted.exact.insert("a".into(), 5);
        deleted.patterns.push((Selection::of_expression("a*,b,-ac").unwrap(), 7));
        assert_eq!((deleted.after("a"), deleted.after("b"), deleted.after("c")), (7, 7, 0));
        assert_eq!(deleted.after("ac"), 0);
    }

    #[test]
    fn the_creation_date_is_in_milliseconds() {
        let settings =
            serde_json::json!({"settings": {"index": {"creation_date": "1700000000123"}}});
        let definition: IndexDefinition = serde_json::from_value(settings).unwrap();
        assert_eq!(creation(&definition), 1_700_000_000_123_000_000);
    }
}
