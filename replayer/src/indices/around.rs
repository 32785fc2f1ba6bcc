//! What becomes of the source's indices without a request through the proxy: a lifecycle policy rolls over and deletes, and so do people.

use cluster::{Method, Request, encode_segment};
use converge::Scope;
use serde_json::{Value, json};

use super::{IndexError, Indices};

impl Indices {
    /// This run has found the index on the source.
    pub(super) fn saw(&self, index: &str) {
        self.seen.lock().insert(index.to_owned());
    }

    /// Deletes the images of indices that this run has found on the source, and that it has no more.
    pub(crate) async fn follow_deletions(&self) -> Result<(), IndexError> {
        let Some(source) = &self.source else { return Ok(()) };
        let seen: Vec<String> = self.seen.lock().iter().cloned().collect();
        for index in seen.into_iter().filter(|index| source.uuid(index).is_none()) {
            // Looks again first.
            self.reconcile(&Scope::of_index(&index), false).await?;
            if source.uuid(&index).is_none() {
                self.seen.lock().remove(&index);
            }
        }
        Ok(())
    }

    /// Takes the writing of aliases from all indices of the target but `index`, for which the source has it now.
    pub(super) async fn hand_over_writing(
        &self,
        index: &str,
        aliases: &serde_json::Map<String, Value>,
    ) -> Result<(), IndexError> {
        let is_written = |options: &Value| options["is_write_index"] == true;
        for (alias, _) in aliases.iter().filter(|(_, options)| is_written(options)) {
            let path = format!("/_alias/{}", encode_segment(alias));
            let Some(reply) = self.target.find(Request::new(Method::GET, path.clone())).await?
            else {
                continue;
            };
            let behind: Value = serde_json::from_slice(&reply.body)
                .map_err(|error| self.target.answer_error(&path, error))?;
            let mut actions = Vec::new();
            for (other, found) in behind.as_object().into_iter().flatten() {
                let options = &found["aliases"][alias];
                if other == index || !is_written(options) {
                    continue;
                }
                tracing::info!(
                    alias,
                    from = other,
                    to = index,
                    "the source writes to another index"
                );
                let mut add = options.as_object().cloned().unwrap_or_default();
                add.insert("index".into(), other.as_str().into());
                add.insert("alias".into(), alias.as_str().into());
                add.insert("is_write_index".into(), false.into());
                actions.push(json!({"add": add}));
            }
            if !actions.is_empty() {
                let body = json!({"actions": actions}).to_string();
                self.target.call(Request::json(Method::POST, "/_aliases", body)).await?;
            }
        }
        Ok(())
    }

    /// Whether the target refused to make an index because it has another one that an alias writes to.
    pub(super) fn writes_elsewhere(refused: &IndexError) -> bool {
        matches!(refused, IndexError::Create { body, .. } if body.contains("more than one write index"))
    }
}
