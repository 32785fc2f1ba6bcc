//! Documents on their way to one `_bulk` request.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use crate::action::Action;

/// Where in a shard a document lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The segment's position in the commit.
    pub segment: u32,
    /// The document's number in the segment.
    pub document: u32,
}

/// One item's lines within the batch.
#[derive(Clone, Copy, Debug)]
pub struct ItemMark {
    begin: usize,
    source: usize,
    end: usize,
    pub place: Place,
}

/// A bulk body and where its items lie.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// The index in the request's path; `None` when each action line names its own.
    pub index: Option<String>,
    lines: Bytes,
    items: Vec<ItemMark>,
}

impl Batch {
    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Action and source lines, in bytes.
    pub fn bytes(&self) -> usize {
        self.lines.len()
    }

    pub fn items(&self) -> &[ItemMark] {
        &self.items
    }

    /// The action line of an item, without its newline.
    pub fn action(&self, position: usize) -> &[u8] {
        let mark = &self.items[position];
        &self.lines[mark.begin..mark.source - 1]
    }

    /// The source of an item, without its newline.
    pub fn source(&self, position: usize) -> &[u8] {
        let mark = &self.items[position];
        &self.lines[mark.source..mark.end - 1]
    }

    /// Bytes of a run of items: a view.
    pub(super) fn slice(&self, items: Range<usize>) -> Bytes {
        let Some(last) = items.end.checked_sub(1) else { return Bytes::new() };
        self.lines.slice(self.items[items.start].begin..self.items[last].end)
    }

    pub(super) fn item_bytes(&self, position: usize) -> usize {
        self.items[position].end - self.items[position].begin
    }
}

/// Gathers items until a batch is large enough.
#[derive(Debug, Default)]
pub struct BatchBuilder {
    index: Option<String>,
    lines: BytesMut,
    items: Vec<ItemMark>,
}

impl BatchBuilder {
    /// `index` is the one in the request's path; without it each action must name its own.
    pub fn new(index: Option<String>) -> Self {
        Self { index, ..Self::default() }
    }

    /// Adds a document; `source` is one line.
    pub fn push(&mut self, action: &Action<'_>, source: &[u8], place: Place) {
        let begin = self.lines.len();
        let source = action.append(source, &mut self.lines);
        self.items.push(ItemMark { begin, source, end: self.lines.len(), place });
    }

    /// Adds an item that was sent before, each line without its newline.
    pub(crate) fn push_lines(&mut self, action: &[u8], source: &[u8], place: Place) {
        debug_assert!(!action.contains(&b'\n') && !source.contains(&b'\n'), "two lines");
        let begin = self.lines.len();
        self.lines.reserve(action.len() + source.len() + 2);
        self.lines.put_slice(action);
        self.lines.put_u8(b'\n');
        let middle = self.lines.len();
        self.lines.put_slice(source);
        self.lines.put_u8(b'\n');
        self.items.push(ItemMark { begin, source: middle, end: self.lines.len(), place });
    }

    pub fn bytes(&self) -> usize {
        self.lines.len()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Gives out what was gathered and begins anew.
    pub fn take(&mut self) -> Batch {
        let (lines, items) = (self.lines.split().freeze(), std::mem::take(&mut self.items));
        self.lines.reserve(lines.len());
        self.items.reserve(items.len());
        Batch { index: self.index.clone(), lines, items }
    }
}
