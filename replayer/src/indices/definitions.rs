//! Creating and changing indices of the target.

use std::collections::BTreeMap;

use cluster::{ClusterError, IndexDefinition, Method, Repeat, Reply, Request, encode_segment};
use converge::Selection;
use serde_json::{Map, Value, json};
use transform::Origin;

use super::{IndexError, Indices};

impl Indices {
    /// Creates an index for a captured request to create it: from the source's definition where the source
    /// still has it, else from the request's own body.
    pub(crate) async fn create_captured(
        &self,
        index: &str,
        body: &Map<String, Value>,
        answered: u64,
    ) -> Result<(), IndexError> {
        self.forget(index);
        if let Some(source) = &self.source
            && let Some(original) = source.cluster.index_definitions(index).await?.remove(index)
        {
            if self.has_types() {
                return self.ready(index, answered).await.map(drop);
            }
            let uuid = original.uuid().unwrap_or_default().to_owned();
            let found = self.target.index_definitions(index).await?.remove(index);
            let created = super::creation(&original);
            return match found {
                None => self.create_from(index, &original, &uuid).await,
                Some(found) => self.adopt(index, &original, &uuid, created, &found).await,
            };
        }
        if self.create_parts(index, body, answered).await? {
            return Ok(());
        }
        self.create(index, body, &Origin::of_journal(answered), "request").await
    }

    pub(super) async fn create_from(
        &self,
        index: &str,
        original: &IndexDefinition,
        uuid: &str,
    ) -> Result<(), IndexError> {
        let settings = self.with_routing_shards(index, original).await?;
        let (definition, origin) = (whole(original, &settings), origin_of(uuid));
        match self.create(index, &definition, &origin, "source").await {
            Err(refused) if Self::writes_elsewhere(&refused) => {
                self.hand_over_writing(index, &original.aliases).await?;
                self.create(index, &definition, &origin, "source").await
            }
            created => created,
        }
    }

    /// The settings with the number of routing shards, which `GET /index` leaves out. The target has to hash ids
    /// and routings as the source does: where two routings of an id lead to two shards there are two documents,
    /// where they lead to one there is one.
    pub(super) async fn with_routing_shards(
        &self,
        index: &str,
        original: &IndexDefinition,
    ) -> Result<Map<String, Value>, ClusterError> {
        let mut settings = original.settings.clone();
        let state = match &self.source {
            Some(source) => match source.cluster.index_state(index).await {
                // Who may read indices may not be allowed to read the cluster's state.
                Err(error) if error.status() == Some(403) => None,
                state => state?,
            },
            None => None,
        };
        let said = state.and_then(|state| state.routing_shards).map(u64::from);
        if let Some(shards) = said.or_else(|| transform::routing_shards_of(&original.settings))
            && let Value::Object(index) = settings.entry("index").or_insert_with(|| json!({}))
        {
            index.insert("number_of_routing_shards".into(), shards.to_string().into());
        }
        Ok(settings)
    }

    pub(super) async fn create(
        &self,
        index: &str,
        definition: &Map<String, Value>,
        origin: &Origin,
        from: &str,
    ) -> Result<(), IndexError> {
        let made = transform::index_body(definition, Some(origin));
        for change in &made.changes {
            tracing::debug!(index, path = change.path, why = change.why, "changed for the target");
        }
        self.create_made(index, &made.body, from).await
    }

    pub(super) async fn create_made(
        &self,
        index: &str,
        body: &Value,
        from: &str,
    ) -> Result<(), IndexError> {
        let reply = self.target.create_index(index, body).await?;
        let exists = || reply.excerpt().contains("resource_already_exists_exception");
        if reply.is_success() {
            tracing::info!(index, from, "index created on the target");
            self.metrics.indices.with_label_values(&[from]).inc();
        } else if !exists() {
            return Err(IndexError::Create {
                index: index.to_owned(),
                status: reply.status,
                body: reply.excerpt(),
            });
        }
        Ok(())
    }

    /// Says in the target's index which index of the source it is the image of.
    pub(super) async fn mark(&self, index: &str, uuid: &str) -> Result<(), IndexError> {
        let origin = origin_of(uuid);
        let meta = Map::from_iter([("_meta".to_owned(), json!({"godwit": origin.to_json()}))]);
        self.put_mapping(index, &meta).await.map(drop)
    }

    /// Brings the target's mapping up to the source's. `false`: there is no source to ask, or no such
    /// index on it.
    pub(crate) async fn follow_mapping(&self, index: &str) -> Result<bool, IndexError> {
        let Some(source) = &self.source else { return Ok(false) };
        let Some(original) = source.cluster.index_definitions(index).await?.remove(index) else {
            return Ok(false);
        };
        self.bring_up_mapping(index, &original).await.map(|_| true)
    }

    /// Adds the source's fields. `Some`: the target refuses that, and why.
    pub(super) async fn bring_up_mapping(
        &self,
        index: &str,
        original: &IndexDefinition,
    ) -> Result<Option<String>, IndexError> {
        let mut refused = None;
        for (name, mapping) in self.mappings(index, original) {
            if !mapping.is_empty() {
                refused = self.put_mapping(&name, &mapping).await?.or(refused);
            }
        }
        Ok(refused)
    }

    pub(super) async fn put_mapping(
        &self,
        index: &str,
        mapping: &Map<String, Value>,
    ) -> Result<Option<String>, IndexError> {
        let reply = self.target.put_mapping(index, mapping).await?;
        if reply.is_success() {
            return Ok(None);
        }
        // A field that the target already has with another type: documents may still fit.
        let (status, reason) = (reply.status, reply.excerpt());
        tracing::warn!(index, status, reason, "the target refuses the source's mapping");
        Ok(Some(format!("{status} {reason}")))
    }

    pub(super) async fn delete(&self, index: &str) -> Result<Reply, ClusterError> {
        let request = Request::new(Method::DELETE, format!("/{}", encode_segment(index)));
        self.target.send_retrying(request, Repeat::Safe, self.target.patience()).await
    }

    /// The target's indices that a captured deletion is about, with their UUIDs: those it names, and of
    /// those that a pattern finds only the ones that are images of the source's.
    pub(crate) async fn deletable(
        &self,
        named: &Selection,
    ) -> Result<BTreeMap<String, String>, ClusterError> {
        let images = self.images_named(named).await?;
        Ok(images.into_iter().map(|(name, image)| (name, image.uuid)).collect())
    }

    /// As [`Indices::deletable`], with whose images they are.
    pub(super) async fn images_named(
        &self,
        named: &Selection,
    ) -> Result<BTreeMap<String, Image>, ClusterError> {
        let mut found = BTreeMap::new();
        for part in named.names() {
            let pattern = part.contains('*');
            for (name, definition) in self.target.index_definitions(part).await? {
                let of = Origin::source_index_of(&definition.mappings).unwrap_or(&name).to_owned();
                // Behind an alias stands another name: the source can't have meant that.
                if !named.contains(&of) || !self.chosen.has(&of) {
                    continue;
                }
                let is_image = Origin::source_uuid_of(&definition.mappings).is_some();
                let uuid = definition.uuid().unwrap_or_default().to_owned();
                if is_image && !name.starts_with('.') || !pattern {
                    found.insert(name, Image { uuid, of });
                }
            }
        }
        for (of, names) in self.renamed().await? {
            if !named.contains(&of) || !self.chosen.has(&of) {
                continue;
            }
            for name in names {
                if let Some(definition) = self.target.index_definitions(&name).await?.remove(&name)
                {
                    let uuid = definition.uuid().unwrap_or_default().to_owned();
                    found.insert(name, Image { uuid, of: of.clone() });
                }
            }
        }
        Ok(found)
    }
}

/// An index of the target that stands for one of the source's.
#[derive(Debug)]
pub(super) struct Image {
    uuid: String,
    /// The source's name of it.
    pub(super) of: String,
}

/// What an index is made from: the source's definition, with these settings.
pub(super) fn whole(
    original: &IndexDefinition,
    settings: &Map<String, Value>,
) -> Map<String, Value> {
    let parts =
        [("settings", settings), ("mappings", &original.mappings), ("aliases", &original.aliases)];
    let part =
        |(key, value): (&str, &Map<String, Value>)| (key.to_owned(), Value::Object(value.clone()));
    parts.into_iter().map(part).collect()
}

/// The mark of an image of the source's index of this UUID.
pub(super) fn origin_of(uuid: &str) -> Origin {
    Origin { source_uuid: uuid.to_owned(), epoch: 0, versioning: "sequence" }
}
