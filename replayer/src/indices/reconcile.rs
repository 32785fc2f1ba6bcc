//! Making the target's indices what the source's are, where the journal doesn't prove what became of them.

use std::collections::{BTreeMap, BTreeSet};

use cluster::{IndexDefinition, Method, Repeat, Request, data_stream_of, encode_segment};
use converge::{Scope, Selection};
use serde_json::{Map, Value, json};
use transform::Origin;

use super::{IndexError, Indices};

impl Indices {
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
        // The indices of a data stream are the target's own matter.
        originals.retain(|name| self.chosen.has(name) && data_stream_of(name).is_none());
        let images = self.images_named(&named).await?;
        for (gone, image) in images.iter().filter(|(_, image)| !originals.contains(&image.of)) {
            let definition = self.target.index_definitions(gone).await?.remove(gone);
            let is_image = definition
                .is_some_and(|definition| Origin::source_uuid_of(&definition.mappings).is_some());
            if is_image {
                tracing::info!(index = gone, "deleted on the source: deleting it on the target");
                self.delete(gone).await?;
                self.forget(&image.of);
            }
        }
        for index in &originals {
            if anew {
                let renamed = images.iter().filter(|(_, image)| image.of == *index);
                for name in renamed.map(|(name, _)| name).filter(|name| *name != index) {
                    self.delete(name).await?;
                }
                self.delete(index).await?;
            }
            self.forget(index);
            self.prepare(index, u64::MAX).await?;
            if let Some(original) = source.cluster.index_definitions(index).await?.remove(index)
                && let Some(reason) = self.bring_up_mapping(index, &original).await?
            {
                return Err(IndexError::Mapping { index: index.clone(), reason });
            }
            self.follow(index).await?;
        }
        Ok(originals)
    }

    /// Aliases, settings, open or closed.
    async fn follow(&self, index: &str) -> Result<(), IndexError> {
        let Some(source) = &self.source else { return Ok(()) };
        let original = source.cluster.index_definitions(index).await?.remove(index);
        let Some(original) = original else { return Ok(()) };
        let wanted = source.cluster.index_state(index).await;
        for name in self.names(index) {
            let Some(image) = self.target.index_definitions(&name).await?.remove(&name) else {
                continue;
            };
            self.follow_aliases(&name, &original, &image).await?;
            self.follow_settings(&name, &original, &image).await?;
            if let Ok(Some(wanted)) = &wanted {
                self.follow_state(&name, wanted.open).await?;
            }
        }
        Ok(())
    }

    async fn follow_state(&self, index: &str, open: bool) -> Result<(), IndexError> {
        if let Ok(Some(found)) = self.target.index_state(index).await
            && open != found.open
        {
            let verb = if open { "_open" } else { "_close" };
            let path = format!("/{}/{verb}", encode_segment(index));
            self.target.call(Request::new(Method::POST, path)).await?;
        }
        Ok(())
    }

    /// Settings that can be changed at any time. A setting that can't be is the index's from its creation.
    async fn follow_settings(
        &self,
        index: &str,
        original: &IndexDefinition,
        image: &IndexDefinition,
    ) -> Result<(), IndexError> {
        let Some(wanted) = transform::settings_body(&original.settings).0 else { return Ok(()) };
        let wanted = flat(&wanted);
        let found = flat(&image.settings);
        let path = format!("/{}/_settings", encode_segment(index));
        let differs = wanted.iter().filter(|(key, value)| found.get(*key) != Some(value));
        let gone = found.keys().filter(|key| !wanted.contains_key(*key) && is_dynamic(key));
        let changes: Vec<(String, Value)> = differs
            .map(|(key, value)| (key.clone(), Value::String(value.clone())))
            .chain(gone.map(|key| (key.clone(), Value::Null)))
            .collect();
        for (key, value) in changes {
            // One at a time: the target refuses a request with a single setting that it can't change.
            let body = json!({&key: value}).to_string();
            let request = Request::json(Method::PUT, path.clone(), body);
            let reply =
                self.target.send_retrying(request, Repeat::Safe, self.target.patience()).await?;
            if !reply.is_success() {
                let reason = reply.excerpt();
                tracing::debug!(index, key, reason, "the target keeps its own setting");
            }
        }
        Ok(())
    }

    /// Brings mappings up to the source's at the end of a run; gives what can't be, in words. Which type a field gets
    /// by itself depends on which document comes first, and documents don't come in the source's order.
    pub(crate) async fn settle_mappings(&self) -> Result<Vec<String>, IndexError> {
        let Some(source) = &self.source else { return Ok(Vec::new()) };
        let mut wrong = Vec::new();
        for index in self.written() {
            let Some(original) = source.cluster.index_definitions(&index).await?.remove(&index)
            else {
                continue;
            };
            let refused = self.bring_up_mapping(&index, &original).await?;
            for (name, wanted) in self.mappings(&index, &original) {
                let Some(image) = self.target.index_definitions(&name).await?.remove(&name) else {
                    continue;
                };
                let (found, _) = transform::mapping_body(&image.mappings);
                let mut paths = Vec::new();
                differing("", &wanted, &found, &mut paths);
                if let Some(path) = paths.first() {
                    let why = refused.clone();
                    let why = why.unwrap_or_else(|| "it has another type".to_owned());
                    wrong.push(format!(
                        "mapping of {name}: {path} and {} more differ from the source's ({why}); delete the target's \
                         index, and replay from the beginning",
                        paths.len() - 1
                    ));
                }
            }
        }
        Ok(wrong)
    }

    async fn follow_aliases(
        &self,
        index: &str,
        original: &IndexDefinition,
        image: &IndexDefinition,
    ) -> Result<(), IndexError> {
        let gone = image.aliases.keys().filter(|alias| !original.aliases.contains_key(*alias));
        let mut actions: Vec<Value> =
            gone.map(|alias| json!({"remove": {"index": index, "alias": alias}})).collect();
        for (alias, options) in
            original.aliases.iter().filter(|(a, o)| image.aliases.get(*a) != Some(o))
        {
            actions.push(added(index, alias, options));
        }
        self.change_aliases(actions).await
    }

    pub(super) async fn change_aliases(&self, actions: Vec<Value>) -> Result<(), IndexError> {
        if actions.is_empty() {
            return Ok(());
        }
        let body = json!({"actions": actions}).to_string();
        self.target.call(Request::json(Method::POST, "/_aliases", body)).await?;
        Ok(())
    }
}

/// The action that gives an index an alias, or the one that it has other options.
pub(super) fn added(index: &str, alias: &str, options: &Value) -> Value {
    let mut add = options.as_object().cloned().unwrap_or_default();
    add.insert("index".into(), index.into());
    add.insert("alias".into(), alias.into());
    json!({"add": add})
}

/// The paths of fields whose type is another one, or that the target lacks.
fn differing(
    path: &str,
    wanted: &Map<String, Value>,
    found: &Map<String, Value>,
    out: &mut Vec<String>,
) {
    for (key, value) in wanted {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match (value, found.get(key)) {
            (Value::Object(value), Some(Value::Object(found))) => {
                differing(&path, value, found, out)
            }
            (Value::Object(value), None) if !value.is_empty() => out.push(path),
            (Value::String(kind), found) if key == "type" => {
                let found = found.and_then(Value::as_str);
                // Objects don't have to say that they are.
                if found != Some(kind) && !(kind == "object" && found.is_none()) {
                    out.push(path);
                }
            }
            _ => {}
        }
    }
}

/// Settings with their whole names; values as text, as clusters print them.
fn flat(settings: &Map<String, Value>) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let named = |key: String| match key.starts_with("index.") {
        true => key,
        false => format!("index.{key}"),
    };
    let flat = transform::flat_settings(settings);
    flat.into_iter().map(|(key, value)| (named(key), text(value))).collect()
}

/// Settings of a target's index that go away when the source hasn't got them; the others are its own.
fn is_dynamic(key: &str) -> bool {
    const OF_CLIENTS: [&str; 8] = [
        "index.blocks.",
        "index.refresh_interval",
        "index.max_",
        "index.mapping.total_fields",
        "index.search.slowlog",
        "index.indexing.slowlog",
        "index.gc_deletes",
        "index.translog.",
    ];
    OF_CLIENTS.iter().any(|known| key.starts_with(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_another_type_are_found() {
        let wanted = json!({"properties": {
            "a": {"type": "float"}, "b": {"properties": {"c": {"type": "text"}}}, "d": {"type": "long"},
        }});
        let found = json!({"properties": {
            "a": {"type": "long"}, "b": {"properties": {"c": {"type": "text", "norms": false}}},
        }});
        let mut paths = Vec::new();
        let object = |value: &Value| value.as_object().cloned().unwrap();
        differing("", &object(&wanted), &object(&found), &mut paths);
        assert_eq!(paths, ["properties.a.type", "properties.d"]);
        paths.clear();
        differing("", &object(&wanted), &object(&wanted), &mut paths);
        assert!(paths.is_empty());
    }

    #[test]
    fn settings_of_all_forms_are_the_same() {
        let nested = json!({"index": {"refresh_interval": "1s", "number_of_replicas": 1}});
        let named = json!({"index.refresh_interval": "1s", "number_of_replicas": "1"});
        let flat = |value: &Value| flat(value.as_object().unwrap());
        assert_eq!(flat(&nested), flat(&named));
        assert!(is_dynamic("index.blocks.write") && !is_dynamic("index.uuid"));
    }
}
