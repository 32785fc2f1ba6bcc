//! What becomes of the source's indices without a request through the proxy: a lifecycle policy rolls over and deletes, and so do people.

use cluster::{Method, Request, encode_segment};
use converge::Scope;
use serde_json::Value;

use super::{IndexError, Indices, reconcile::added};

impl Indices {
    /// This run has found the index on the source, after so many looks at it.
    pub(super) fn saw(&self, index: &str, look: u64) {
        self.seen.lock().insert(index.to_owned(), look);
    }

    /// Indices that this run has found on the source, and that weren't there when it was last looked at: each once.
    pub(crate) fn gone(&self) -> Vec<String> {
        let Some(source) = &self.source else { return Vec::new() };
        let looks = source.looks();
        let mut seen = self.seen.lock();
        let gone = |(index, look): &(&String, &u64)| looks > **look && source.uuid(index).is_none();
        let gone: Vec<String> = seen.iter().filter(gone).map(|(index, _)| index.clone()).collect();
        seen.retain(|index, _| !gone.contains(index));
        gone
    }

    /// Deletes the image of an index that the source hasn't any more. Nothing else writes to it meanwhile.
    ///
    /// # Errors
    /// The outer one as everywhere; the inner one: what a person has to do, in words.
    pub(crate) async fn follow_deletion(
        &self,
        index: &str,
    ) -> Result<Result<(), String>, IndexError> {
        let Some(source) = &self.source else { return Ok(Ok(())) };
        source.look().await?;
        let behind = source.concrete(index).await?;
        if behind.iter().any(|behind| behind == index) {
            // It was made again, and what is written to it says so.
            return Ok(Ok(()));
        }
        if !behind.is_empty() {
            let behind = behind.join(", ");
            return Ok(Err(format!(
                "the source has made it an alias of {behind}, without the proxy: migrate that, and delete the index on the target"
            )));
        }
        self.reconcile(&Scope::of_index(index), false).await.map(|_| Ok(()))
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
                let mut options = options.clone();
                options["is_write_index"] = false.into();
                actions.push(added(other, alias, &options));
            }
            self.change_aliases(actions).await?;
        }
        Ok(())
    }

    /// Whether the target refused to make an index because it has another one that an alias writes to.
    pub(super) fn writes_elsewhere(refused: &IndexError) -> bool {
        matches!(refused, IndexError::Create { body, .. } if body.contains("more than one write index"))
    }
}
