//! Indices of several types, which Elasticsearch had before version 6.

use cluster::IndexDefinition;
use transform::{Flavour, Version, types_of};

use super::{IndexError, Indices};

/// What a document without a type's name has.
const NO_NAME: &str = "_doc";

impl Indices {
    /// The source is of this version.
    pub(crate) fn with_types(mut self, source: Option<Version>) -> Self {
        self.typed =
            source.filter(|version| version.flavour == Flavour::Elasticsearch && version.major < 7);
        self
    }

    /// The type of an index, where another may come.
    pub(super) fn one_type(
        &self,
        index: &str,
        original: &IndexDefinition,
    ) -> Result<Option<String>, IndexError> {
        let Some(version) = self.typed else { return Ok(None) };
        let mut types = types_of(&original.mappings, version);
        match types.len() {
            0 | 1 => Ok(types.pop()),
            _ => Err(IndexError::SeveralTypes { index: index.to_owned(), types }),
        }
    }

    /// Whether a document is of a type that the index wasn't known to have: it has to be looked at again.
    pub(crate) fn is_of_new_type(&self, index: &str, doc_type: Option<&str>) -> bool {
        let ready = self.ready.lock();
        let known = ready.get(index).and_then(|cell| cell.get()?.doc_type.as_deref());
        known.is_some_and(|known| known != doc_type.unwrap_or(NO_NAME))
    }
}
