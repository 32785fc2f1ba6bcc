//! The target's indices whose names aren't those of the source's.

use std::{collections::BTreeMap, sync::Arc};

use cluster::{ClusterError, Method, Request};
use converge::Scope;
use serde_json::{Map, Value};
use transform::Origin;

use super::{Indices, Part};

/// Looks at the source, a few seconds apart, after which the definition of an index that is only read is read again.
const LOOKS: u64 = 12;

/// What is known of an index that nothing was written to.
#[derive(Debug)]
pub(super) struct OnlyRead {
    /// As of which look at the source.
    look: u64,
    parts: Option<Arc<[Part]>>,
}

impl Indices {
    /// Those of each index of the source, by its name.
    pub(super) async fn renamed(&self) -> Result<BTreeMap<String, Vec<String>>, ClusterError> {
        if self.typed.is_none() {
            return Ok(BTreeMap::new());
        }
        let path = "/_all/_mapping?filter_path=*.mappings._meta.godwit&expand_wildcards=all";
        let reply = self.target.call(Request::new(Method::GET, path)).await?;
        Ok(parse(&reply.body))
    }

    /// The parts of an index for a read of it, which makes none: as they are known, else as the source's definition has
    /// them.
    pub(crate) async fn parts_to_read(
        &self,
        index: &str,
    ) -> Result<Option<Arc<[Part]>>, ClusterError> {
        let ready = self.ready.lock().get(index).and_then(|cell| cell.get().cloned());
        if let Some(known) = ready.filter(|known| known.on_target) {
            return Ok(known.parts);
        }
        let Some(source) = self.source.as_ref().filter(|source| source.uuid(index).is_some())
        else {
            return Ok(None);
        };
        let look = source.looks();
        if let Some(known) = self.read.lock().get(index)
            && look < known.look + LOOKS
        {
            return Ok(known.parts.clone());
        }
        let original = source.cluster.index_definitions(index).await?.remove(index);
        let parts = original.and_then(|original| self.parts_of(index, &original));
        self.read.lock().insert(index.to_owned(), OnlyRead { look, parts: parts.clone() });
        Ok(parts)
    }

    /// Whether an index in `scope` is known to have parts, in this run or in one before.
    pub(crate) async fn has_parts_in(&self, scope: &Scope) -> Result<bool, ClusterError> {
        let is_here = |name: &str| self.chosen.has(name) && scope.contains(name);
        let is_known = {
            let ready = self.ready.lock();
            let mut parted = ready
                .iter()
                .filter(|(_, cell)| cell.get().is_some_and(|known| known.parts.is_some()));
            parted.any(|(name, _)| is_here(name))
        };
        Ok(is_known || self.renamed().await?.keys().any(|name| is_here(name)))
    }
}

/// What isn't marked is none of ours, whatever it is.
fn parse(body: &[u8]) -> BTreeMap<String, Vec<String>> {
    let answer: Map<String, Value> = serde_json::from_slice(body).unwrap_or_default();
    let mut renamed: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, definition) in &answer {
        let mappings = definition.get("mappings").and_then(Value::as_object);
        if let Some(of) = mappings.and_then(Origin::source_index_of)
            && of != name
        {
            renamed.entry(of.to_owned()).or_default().push(name.clone());
        }
    }
    renamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_say_whose_an_index_is() {
        let body =
            br#"{"i-a":{"mappings":{"_meta":{"godwit":{"source_uuid":"U","source_index":"i"}}}},
            "i-b":{"mappings":{"_meta":{"godwit":{"source_uuid":"U","source_index":"i"}}}},
            "j":{"mappings":{"_meta":{"godwit":{"source_uuid":"V"}}}}, "k":{"mappings":{}}}"#;
        let names = vec!["i-a".to_owned(), "i-b".to_owned()];
        assert_eq!(parse(body), [("i".to_owned(), names)].into());
        assert_eq!(parse(b"<html>"), BTreeMap::new());
    }
}
