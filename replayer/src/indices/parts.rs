//! The parts of an index of types, made on the target, and what stood for it there before.

use cluster::{ClusterError, IndexDefinition};
use serde_json::{Map, Value};
use transform::{Origin, TargetIndex, Types};

use super::{
    IndexError, Indices, Ready,
    types::{fields, part_of},
};

impl Indices {
    /// Makes sure of the parts of an index. `None`: it has none.
    pub(super) async fn make_parts(
        &self,
        index: &str,
        original: &IndexDefinition,
        known: Ready,
    ) -> Result<Option<Ready>, IndexError> {
        if self.typed.is_none() {
            return Ok(None);
        }
        let uuid = known.uuid.clone().unwrap_or_default();
        let Some(targets) = self.targets(index, original, &original.settings, &uuid) else {
            self.note_stale(index, &uuid, &[index.to_owned()]).await?;
            return Ok(None);
        };
        if let Some(error) = refusal(index, &targets) {
            return Err(error);
        }
        let settings = self.with_routing_shards(index, original).await?;
        let whole = self.targets(index, original, &settings, &uuid).unwrap_or_default();
        let types = self.types(original);
        let mut parts = Vec::with_capacity(whole.len());
        for target in &whole {
            self.make_part(index, target, &uuid).await?;
            let found = self.target.index_definitions(&target.name).await?.remove(&target.name);
            let image = found.and_then(|found| found.uuid().map(str::to_owned));
            parts.push(part_of(target, &types, image.unwrap_or_default()));
        }
        let names: Vec<String> = whole.into_iter().map(|target| target.name).collect();
        self.note_stale(index, &uuid, &names).await?;
        Ok(Some(Ready { on_target: true, types, parts: Some(parts.into()), ..known }))
    }

    async fn make_part(
        &self,
        index: &str,
        part: &TargetIndex,
        uuid: &str,
    ) -> Result<(), IndexError> {
        let name = part.name.as_str();
        let taken = || IndexError::Taken { index: index.to_owned(), name: name.to_owned() };
        let source = self.source.as_ref();
        if name != index && source.is_some_and(|source| source.uuid(name).is_some()) {
            return Err(taken());
        }
        let Some(found) = self.target.index_definitions(name).await?.remove(name) else {
            return self.create_made(name, &part.body, "source").await;
        };
        let owner = Origin::source_index_of(&found.mappings).unwrap_or(name);
        match Origin::source_uuid_of(&found.mappings) {
            Some(mark) if mark == uuid && owner == index => {}
            Some(mark) if mark != uuid && owner == index => {
                tracing::warn!(
                    index,
                    name,
                    "the source has another index of this name now: replacing the target's"
                );
                self.delete(name).await?;
                self.create_made(name, &part.body, "source").await?;
                self.replaced.lock().insert(index.to_owned());
                return Ok(());
            }
            Some(mark) if mark != uuid => return Err(taken()),
            // Made by another program, or by a person.
            _ => {
                let mapping = part.body.get("mappings");
                let meta = mapping.and_then(|mapping| mapping.get("_meta")).cloned();
                let meta = Map::from_iter([("_meta".to_owned(), meta.unwrap_or_default())]);
                self.put_mapping(name, &meta).await?;
            }
        }
        self.put_mapping(name, &fields(part)).await.map(drop)
    }

    /// Creates the parts of an index for a captured request to create it; `false`: it has none.
    pub(super) async fn create_parts(
        &self,
        index: &str,
        body: &Map<String, Value>,
        answered: u64,
    ) -> Result<bool, IndexError> {
        let part =
            |key: &str| body.get(key).and_then(Value::as_object).cloned().unwrap_or_default();
        let asked = IndexDefinition {
            aliases: part("aliases"),
            mappings: part("mappings"),
            settings: part("settings"),
            data_stream: None,
        };
        let uuid = Origin::of_journal(answered).source_uuid;
        let Some(targets) = self.targets(index, &asked, &asked.settings, &uuid) else {
            return Ok(false);
        };
        for target in &targets {
            self.create_made(&target.name, &target.body, "request").await?;
        }
        Ok(true)
    }

    /// Whether the target still has indices that stood for this one before: then all of it is read from the source, and
    /// what is stale is deleted after that, so that a crash in between is noticed.
    async fn note_stale(
        &self,
        index: &str,
        uuid: &str,
        names: &[String],
    ) -> Result<(), ClusterError> {
        let now = (uuid.to_owned(), names.to_vec());
        if self.settled.lock().get(index) == Some(&now) {
            return Ok(());
        }
        let stale = self.images_of(index).await?;
        match stale.iter().any(|name| !names.contains(name)) {
            true => drop(self.replaced.lock().insert(index.to_owned())),
            false => drop(self.settled.lock().insert(index.to_owned(), now)),
        }
        Ok(())
    }

    /// Deletes the target's indices that stood for this one before: all of it has been read from the source.
    pub(crate) async fn drop_stale(&self, index: &str) -> Result<(), ClusterError> {
        let ready = self.ready.lock().get(index).and_then(|cell| cell.get().cloned());
        let is_there = ready.is_some_and(|ready| ready.on_target && ready.stream.is_none());
        if self.typed.is_none() || !is_there {
            return Ok(());
        }
        let names = self.names(index);
        for stale in self.images_of(index).await?.iter().filter(|name| !names.contains(name)) {
            tracing::info!(index, stale, "its types are elsewhere now: deleting it on the target");
            self.delete(stale).await?;
        }
        Ok(())
    }

    async fn images_of(&self, index: &str) -> Result<Vec<String>, ClusterError> {
        let mut images: Vec<String> = self.renamed().await?.remove(index).unwrap_or_default();
        let found = self.target.index_definitions(index).await?.remove(index);
        let is_ours = |found: &IndexDefinition| {
            Origin::source_uuid_of(&found.mappings).is_some()
                && Origin::source_index_of(&found.mappings).is_none_or(|of| of == index)
        };
        images.extend(found.filter(is_ours).map(|_| index.to_owned()));
        Ok(images)
    }
}

/// Why the types of an index can't be told apart on the target, or can't be united.
fn refusal(index: &str, targets: &[TargetIndex]) -> Option<IndexError> {
    let why = targets.iter().find_map(|target| {
        let united = matches!(&target.types, Types::Only(types) if types.len() > 1)
            || target.types == Types::All;
        target.refused.iter().find(|refusal| united || refusal.path == "name")
    })?;
    Some(IndexError::Types { index: index.to_owned(), why: format!("{}: {}", why.path, why.why) })
}
