//! What is read of the source's answers to writes.

use std::borrow::Cow;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::text::Text;

/// The answer to one write, or one item of a bulk's: only what decides what it means. Every field
/// may be missing, since `filter_path` leaves out what the client doesn't want.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct WriteAnswer<'a> {
    #[serde(borrow, rename = "_index")]
    pub(crate) index: Option<Text<'a>>,
    #[serde(borrow, rename = "_type")]
    pub(crate) doc_type: Option<Text<'a>>,
    #[serde(borrow, rename = "_id")]
    pub(crate) id: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) result: Option<Text<'a>>,
    #[serde(rename = "_version")]
    pub(crate) version: Option<i64>,
    #[serde(rename = "_seq_no")]
    pub(crate) seq_no: Option<i64>,
    #[serde(rename = "_primary_term")]
    pub(crate) primary_term: Option<i64>,
    /// Of an item of a bulk.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<IgnoredAny>,
}

impl WriteAnswer<'_> {
    pub(crate) fn result(&self) -> &str {
        self.result.as_ref().map_or("", Text::as_str)
    }

    pub(crate) fn index(&self) -> Option<&str> {
        self.index.as_ref().map(Text::as_str)
    }

    pub(crate) fn id(&self) -> Option<&str> {
        self.id.as_ref().map(Text::as_str)
    }
}

/// The answer to a bulk. `items` is missing when `filter_path` leaves it out.
#[derive(Debug, Deserialize)]
pub(crate) struct BulkAnswer<'a> {
    #[serde(borrow)]
    pub(crate) items: Option<Vec<BulkItemAnswer<'a>>>,
}

/// One item: an object with the action's name as its only key.
#[derive(Debug, Deserialize)]
pub(crate) struct BulkItemAnswer<'a> {
    #[serde(borrow)]
    pub(crate) index: Option<WriteAnswer<'a>>,
    #[serde(borrow)]
    pub(crate) create: Option<WriteAnswer<'a>>,
    #[serde(borrow)]
    pub(crate) update: Option<WriteAnswer<'a>>,
    #[serde(borrow)]
    pub(crate) delete: Option<WriteAnswer<'a>>,
}

/// The answer to `_update_by_query`, `_delete_by_query` and `_reindex`; and to a resize, which has a task at most.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ByQueryAnswer {
    pub(crate) error: Option<IgnoredAny>,
    /// `node:number`, where the client doesn't wait for the end.
    pub(crate) task: Option<String>,
    pub(crate) created: Option<u64>,
    pub(crate) updated: Option<u64>,
    pub(crate) deleted: Option<u64>,
}

/// The answer to a request that makes an index or rolls over.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct ControlAnswer<'a> {
    #[serde(borrow)]
    pub(crate) index: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) old_index: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) new_index: Option<Text<'a>>,
    pub(crate) rolled_over: Option<bool>,
}

/// Reads a JSON body; `None` when it isn't one or is of another shape.
pub(crate) fn read<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Option<T> {
    serde_json::from_slice(body).ok()
}

/// An owned copy of a text.
pub(crate) fn owned(text: Option<&Text<'_>>) -> Option<String> {
    text.map(|Text(text)| Cow::clone(text).into_owned())
}
