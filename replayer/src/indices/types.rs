//! Types, which indices had before Elasticsearch 7: documents of one id in two types are two documents.
//!
//! An index of one type is an index of its name on the target. One of several has *parts* there: an index for each type,
//! one that unites them, or what a person's configuration says. Each part carries the source's UUID in its mark, and
//! the name of the source's index where its own is another.

use std::{borrow::Cow, sync::Arc};

use cluster::IndexDefinition;
use converge::{Item, Operation, Write};
use serde_json::{Map, Value};
use transform::{
    Flavour, Target, TargetIndex, TypeMapping, Types, Version, Wanted, live_index, types_of,
};

use super::{
    Indices,
    definitions::{origin_of, whole},
};

/// What a document without a type's name has, from Elasticsearch 6 on.
const NO_NAME: &str = "_doc";

/// A source whose indices have types, and what becomes of them.
#[derive(Debug)]
pub(super) struct Typed {
    source: Version,
    pub(super) mapping: TypeMapping,
}

/// One of the target's indices that the documents of an index go to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) name: Arc<str>,
    pub(crate) types: Vec<String>,
    /// The UUID of the target's index.
    pub(crate) image: String,
}

/// Where a document goes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Into the index of the source's name.
    Same,
    Part(Arc<str>),
    /// Nothing is configured for its type.
    LeftOut,
    /// The index hasn't got its type: it is another one by now.
    Gone,
}

impl Indices {
    /// The source is of this version.
    pub(crate) fn with_types(mut self, source: Option<Version>, mapping: TypeMapping) -> Self {
        let has_types =
            |version: &Version| version.flavour == Flavour::Elasticsearch && version.major < 7;
        match source.filter(has_types) {
            Some(source) => self.typed = Some(Typed { source, mapping }),
            None if mapping != TypeMapping::Split => {
                tracing::warn!(
                    ?source,
                    "the source has no types: what is said of them is of no use"
                );
            }
            None => {}
        }
        self
    }

    /// Whether the source has types.
    pub(crate) fn has_types(&self) -> bool {
        self.typed.is_some()
    }

    /// The parts of an index that was made sure of; `None`: it is one index, of its own name.
    pub(crate) fn parts(&self, index: &str) -> Option<Arc<[Part]>> {
        self.typed.as_ref()?;
        self.ready.lock().get(index)?.get()?.parts.clone()
    }

    /// The target's indices that stand for an index.
    pub(crate) fn names(&self, index: &str) -> Vec<String> {
        match self.parts(index) {
            Some(parts) => parts.iter().map(|part| part.name.to_string()).collect(),
            None => vec![index.to_owned()],
        }
    }

    /// Where a document goes, of an index that was made sure of.
    pub(crate) fn place(&self, index: &str, doc_type: Option<&str>) -> Place {
        let Some(parts) = self.parts(index) else { return Place::Same };
        let name = doc_type.unwrap_or(NO_NAME);
        match parts.iter().find(|part| part.types.iter().any(|of| of == name)) {
            Some(part) => Place::Part(Arc::clone(&part.name)),
            None if self.is_known_type(index, name) => Place::LeftOut,
            None => Place::Gone,
        }
    }

    /// Whether a document is of a type that the index wasn't known to have: it has to be looked at again.
    pub(crate) fn is_of_new_type(&self, index: &str, doc_type: Option<&str>) -> bool {
        let Some(typed) = &self.typed else { return false };
        match doc_type {
            Some(name) => !self.is_known_type(index, name),
            None => typed.source.major >= 6 && !self.is_known_type(index, NO_NAME),
        }
    }

    fn is_known_type(&self, index: &str, name: &str) -> bool {
        let ready = self.ready.lock();
        let known = ready.get(index).and_then(|cell| cell.get());
        known.is_none_or(|known| !known.on_target || known.types.iter().any(|of| of == name))
    }

    /// A write as it is sent: to the parts of its indices. What has no place any more is taken out of `write` before.
    pub(crate) fn placed<'w>(&self, write: &'w Write) -> Cow<'w, Write> {
        if self.typed.is_none() {
            return Cow::Borrowed(write);
        }
        let mut placed = write.clone();
        for item in &mut placed.items {
            let Item::Operation(operation) = item else { continue };
            if let Place::Part(name) = self.place_of(operation) {
                operation.address.index = name;
            }
        }
        Cow::Owned(placed)
    }

    /// Whether an operation has a place to go to.
    pub(crate) fn has_place(&self, item: &Item) -> bool {
        let Item::Operation(operation) = item else { return true };
        matches!(self.place_of(operation), Place::Same | Place::Part(_))
    }

    pub(crate) fn place_of(&self, operation: &Operation) -> Place {
        let address = &operation.address;
        self.place(&address.index, address.doc_type.as_deref())
    }

    /// What the target needs for an index; `None`: one index of its name, with its one type or none.
    pub(super) fn targets(
        &self,
        index: &str,
        original: &IndexDefinition,
        settings: &Map<String, Value>,
        uuid: &str,
    ) -> Option<Vec<TargetIndex>> {
        let Typed { source, mapping } = self.typed.as_ref()?;
        let (definition, origin) = (whole(original, settings), origin_of(uuid));
        let wanted = Wanted {
            target: Target::default(),
            many_types: mapping.many_types(),
            aliases: true,
            origin: Some(&origin),
        };
        let targets = live_index(index, &definition, *source, wanted);
        let is_plain = match targets.as_slice() {
            [only] => only.name == index && types_of(&original.mappings, *source).len() < 2,
            _ => false,
        };
        (!is_plain).then_some(targets)
    }

    /// The types of an index that the source has.
    pub(super) fn types(&self, original: &IndexDefinition) -> Vec<String> {
        let typed = self.typed.as_ref();
        typed.map(|typed| types_of(&original.mappings, typed.source)).unwrap_or_default()
    }

    /// The parts of an index by its definition, whether the target has them or not.
    pub(super) fn parts_of(&self, index: &str, original: &IndexDefinition) -> Option<Arc<[Part]>> {
        let (targets, types) =
            (self.targets(index, original, &original.settings, "")?, self.types(original));
        Some(targets.iter().map(|target| part_of(target, &types, String::new())).collect())
    }

    /// The mappings that the target's indices of an index should have, by name.
    pub(super) fn mappings(
        &self,
        index: &str,
        original: &IndexDefinition,
    ) -> Vec<(String, Map<String, Value>)> {
        match self.targets(index, original, &original.settings, "") {
            Some(targets) => {
                targets.into_iter().map(|target| (target.name.clone(), fields(&target))).collect()
            }
            None => vec![(index.to_owned(), transform::mapping_body(&original.mappings).0)],
        }
    }
}

pub(super) fn part_of(target: &TargetIndex, types: &[String], image: String) -> Part {
    let types = match &target.types {
        Types::All => types.to_vec(),
        Types::Only(only) => only.clone(),
    };
    Part { name: Arc::from(target.name.as_str()), types, image }
}

/// A mapping without the mark.
pub(super) fn fields(part: &TargetIndex) -> Map<String, Value> {
    let mapping = part.body.get("mappings").and_then(Value::as_object);
    let mut mapping = mapping.cloned().unwrap_or_default();
    mapping.remove("_meta");
    mapping
}
