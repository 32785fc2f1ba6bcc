//! Creating and changing indices of the target.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{ClusterError, IndexDefinition, Method, Repeat, Reply, Request, encode_segment};
use converge::{Scope, Selection};
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
            let uuid = original.uuid().unwrap_or_default().to_owned();
            let found = self.target.index_definitions(index).await?.remove(index);
            let created = super::creation(&original);
            return match found {
                None => self.create_from(index, &original, &uuid).await,
                Some(found) => self.adopt(index, &original, &uuid, created, &found).await,
            };
        }
        self.create(index, body, &Origin::of_journal(answered), "request").await
    }

    pub(super) async fn create_from(
        &self,
        index: &str,
        original: &IndexDefinition,
        uuid: &str,
    ) -> Result<(), IndexError> {
        let origin = Origin { source_uuid: uuid.to_owned(), epoch: 0, versioning: "sequence" };
        let definition: Map<String, Value> = [
            ("settings", &original.settings),
            ("mappings", &original.mappings),
            ("aliases", &original.aliases),
        ]
        .into_iter()
        .map(|(key, value)| (key.to_owned(), Value::Object(value.clone())))
        .collect();
        self.create(index, &definition, &origin, "source").await
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
        let reply = self.target.create_index(index, &made.body).await?;
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
        let origin = Origin { source_uuid: uuid.to_owned(), epoch: 0, versioning: "sequence" };
        let meta = Map::from_iter([("_meta".to_owned(), json!({"godwit": origin.to_json()}))]);
        self.put_mapping(index, &meta).await
    }

    /// Brings the target's mapping up to the source's. `false`: there is no source to ask, or no such
    /// index on it.
    pub(crate) async fn follow_mapping(&self, index: &str) -> Result<bool, IndexError> {
        let Some(source) = &self.source else { return Ok(false) };
        let Some(original) = source.cluster.index_definitions(index).await?.remove(index) else {
            return Ok(false);
        };
        self.bring_up_mapping(index, &original).await.map(|()| true)
    }

    pub(super) async fn bring_up_mapping(
        &self,
        index: &str,
        original: &IndexDefinition,
    ) -> Result<(), IndexError> {
        let (mapping, _) = transform::mapping_body(&original.mappings);
        if mapping.is_empty() {
            return Ok(());
        }
        self.put_mapping(index, &mapping).await
    }

    async fn put_mapping(
        &self,
        index: &str,
        mapping: &Map<String, Value>,
    ) -> Result<(), IndexError> {
        let reply = self.target.put_mapping(index, mapping).await?;
        if !reply.is_success() {
            // A field that the target already has with another type: documents may still fit.
            let (status, reason) = (reply.status, reply.excerpt());
            tracing::warn!(index, status, reason, "the target refuses the source's mapping");
        }
        Ok(())
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
        let mut found = BTreeMap::new();
        for part in named.names() {
            let pattern = part.contains('*');
            for (name, definition) in self.target.index_definitions(part).await? {
                // Behind an alias stands another name: the source can't have meant that.
                if !named.contains(&name) {
                    continue;
                }
                let is_image = Origin::source_uuid_of(&definition.mappings).is_some();
                let uuid = definition.uuid().unwrap_or_default().to_owned();
                if is_image && !name.starts_with('.') || !pattern {
                    found.insert(name, uuid);
                }
            }
        }
        Ok(found)
    }

    /// Makes the target's indices in `scope` what the source's are: those that are missing are created, those
    /// that are gone are deleted, mappings and aliases follow. For control requests whose result is not known.
    /// `anew`: those that the source has are made anew, since nobody knows whose documents the target's hold.
    /// Returns the names of those that the source has.
    pub(crate) async fn reconcile(
        &self,
        scope: &Scope,
        anew: bool,
    ) -> Result<BTreeSet<String>, IndexError> {
        let Some(source) = &self.source else { return Ok(BTreeSet::new()) };
        source.look().await.map_err(IndexError::from)?;
        let named = Selection::of_scope(scope);
        let mut originals = BTreeSet::new();
        for name in named.names() {
            originals.extend(source.concrete(name).await?);
        }
        let images = self.deletable(&named).await?;
        for gone in images.keys().filter(|name| !originals.contains(*name)) {
            let definition = self.target.index_definitions(gone).await?.remove(gone);
            let is_image = definition
                .is_some_and(|definition| Origin::source_uuid_of(&definition.mappings).is_some());
            if is_image {
                tracing::info!(index = gone, "deleted on the source: deleting it on the target");
                self.delete(gone).await?;
                self.forget(gone);
            }
        }
        for index in &originals {
            if anew {
                self.delete(index).await?;
            }
            self.forget(index);
            self.prepare(index, u64::MAX).await?;
            self.follow_aliases(index).await?;
        }
        Ok(originals)
    }

    async fn follow_aliases(&self, index: &str) -> Result<(), IndexError> {
        let Some(source) = &self.source else { return Ok(()) };
        let original = source.cluster.index_definitions(index).await?.remove(index);
        let image = self.target.index_definitions(index).await?.remove(index);
        let (Some(original), Some(image)) = (original, image) else { return Ok(()) };
        let gone = image.aliases.keys().filter(|alias| !original.aliases.contains_key(*alias));
        let mut actions: Vec<Value> =
            gone.map(|alias| json!({"remove": {"index": index, "alias": alias}})).collect();
        for (alias, options) in
            original.aliases.iter().filter(|(a, o)| image.aliases.get(*a) != Some(o))
        {
            let mut add = options.as_object().cloned().unwrap_or_default();
            add.insert("index".into(), index.into());
            add.insert("alias".into(), alias.as_str().into());
            actions.push(json!({"add": add}));
        }
        if actions.is_empty() {
            return Ok(());
        }
        let body = json!({"actions": actions}).to_string();
        self.target.call(Request::json(Method::POST, "/_aliases", body)).await?;
        Ok(())
    }
}
