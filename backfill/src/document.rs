//! What a segment stores of a document → what Elasticsearch would have answered for it.

use lucene::{IdError, LuceneError, Stored, decode_id, split_uid};
use thiserror::Error;

/// A live document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Document<'a> {
    /// In its segment.
    pub number: u32,
    pub id: &'a str,
    /// The type that is stored with it: before Elasticsearch 6. Later ones are in the mapping.
    pub doc_type: Option<&'a str>,
    /// The one given, or the parent's id (Elasticsearch 1 and 2).
    pub routing: Option<&'a str>,
    pub version: Option<i64>,
    /// (`_seq_no`, `_primary_term`); none before Elasticsearch 6.
    pub sequence: Option<(i64, i64)>,
    /// As the client sent it: JSON of any shape, SMILE, CBOR, YAML.
    pub source: &'a [u8],
}

/// One number of a segment.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Entry<'a> {
    Document(Document<'a>),
    Deleted,
    /// A child of a nested field: part of its parent's source.
    Nested,
    /// A live document that can't be read; its id where that is known.
    Unreadable {
        number: u32,
        id: Option<&'a str>,
        why: Unreadable,
    },
}

/// Why a live document can't be read.
#[derive(Clone, Debug, Error, PartialEq)]
pub(crate) enum Unreadable {
    #[error(transparent)]
    Id(#[from] IdError),
    #[error(transparent)]
    Fields(#[from] LuceneError),
    #[error("the stored routing isn't UTF-8")]
    Routing,
    #[error("it has no stored `_source`")]
    NoSource,
    #[error("its stored fields take {bytes} bytes, more than is allowed; raise --document-limit")]
    TooLong { bytes: u32 },
}

impl Unreadable {
    /// What such failures are counted as.
    pub(crate) fn class(&self) -> &'static str {
        match self {
            Self::NoSource => "no_source",
            Self::Id(_) | Self::Fields(_) | Self::Routing | Self::TooLong { .. } => "unreadable",
        }
    }
}

/// The numbers beside the stored fields.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) version: Option<i64>,
    pub(crate) seq_no: Option<i64>,
    pub(crate) primary_term: Option<i64>,
}

/// `None`: it has none, as the children of nested fields.
fn type_and_id<'a>(
    stored: Stored<'a>,
    id: &'a mut String,
) -> Result<Option<(Option<&'a str>, &'a str)>, IdError> {
    match (stored.id, stored.uid) {
        (Some(stored), _) => {
            decode_id(stored, id)?;
            Ok(Some((None, id.as_str())))
        }
        (None, Some(uid)) => {
            let (doc_type, id) = split_uid(uid)?;
            Ok(Some((Some(doc_type), id)))
        }
        (None, None) => Ok(None),
    }
}

/// A document that is longer than is allowed, and of which only the first fields are there.
pub(crate) fn too_long<'a>(
    number: u32,
    bytes: u32,
    stored: Stored<'a>,
    id: &'a mut String,
) -> Entry<'a> {
    let id = type_and_id(stored, id).ok().flatten().map(|(_, id)| id);
    Entry::Unreadable { number, id, why: Unreadable::TooLong { bytes } }
}

/// Makes sense of stored fields. `id` is room for an id that has to be decoded; `numbers` are asked for only of
/// a document that has them.
pub(crate) fn entry<'a>(
    number: u32,
    stored: Stored<'a>,
    numbers: impl FnOnce() -> Numbers,
    id: &'a mut String,
) -> Entry<'a> {
    let unreadable = |id, why| Entry::Unreadable { number, id, why };
    let (doc_type, id) = match type_and_id(stored, id) {
        Ok(Some(found)) => found,
        Ok(None) => return Entry::Nested,
        Err(error) => return unreadable(None, error.into()),
    };
    let Some(source) = stored.source.or(stored.recovery_source) else {
        return unreadable(Some(id), Unreadable::NoSource);
    };
    let routing = match (stored.routing, stored.parent) {
        (Some(routing), _) => match std::str::from_utf8(routing) {
            Ok(routing) => Some(routing),
            Err(_) => return unreadable(Some(id), Unreadable::Routing),
        },
        (None, Some(parent)) => match split_uid(parent) {
            Ok((_, parent)) => Some(parent),
            Err(error) => return unreadable(Some(id), error.into()),
        },
        (None, None) => None,
    };
    let numbers = numbers();
    Entry::Document(Document {
        number,
        id,
        doc_type,
        routing,
        version: numbers.version,
        sequence: numbers.seq_no.zip(numbers.primary_term),
        source,
    })
}
