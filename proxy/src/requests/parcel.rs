//! Parts of what was read, on their way to the source.

use std::sync::Arc;

use buffer::{Budget, counted};
use bytes::Bytes;
use codec::record::{EndOfMessage, Nanos};
use journal::Urgency;

use crate::pass::Passing;
use crate::set_header::Edits;

/// Bytes on their way to the source, in order.
pub(super) struct Parcel {
    /// What stands in front of `data` and was covered where it was read; mostly empty.
    pub(super) front: Bytes,
    pub(super) data: Passing,
    /// The record that has to be durable first; 0 when none has.
    pub(super) after: u64,
    /// When the request that ends in it was read; 0 when none does.
    pub(super) ended: Nanos,
    /// Whether a request ends in it.
    pub(super) closes: bool,
    /// How many bytes that were read it stands for.
    pub(super) length: usize,
}

impl Parcel {
    pub(super) fn new(data: Passing, number: u64, urgency: Urgency) -> Parcel {
        let after = if urgency == Urgency::Held { number } else { 0 };
        let length = data.bytes().len();
        Parcel { front: Bytes::new(), data, after, ended: 0, closes: false, length }
    }

    /// With the end of a request, if it has one.
    pub(super) fn ending(self, end: Option<EndOfMessage>) -> Parcel {
        Parcel { ended: end.map_or(0, |end| end.at), closes: end.is_some(), ..self }
    }

    pub(super) fn behind(self, front: Bytes) -> Parcel {
        Parcel { length: self.length + front.len(), front, ..self }
    }

    pub(super) fn len(&self) -> usize {
        self.length
    }

    /// With the fields that the source gets instead; it begins at `at`.
    pub(super) fn edited(self, edits: &Edits, at: usize, budget: &Arc<Budget>) -> Parcel {
        let Some(reach) = edits.reach(at, self.length) else { return self };
        let Parcel { front, data, .. } = self;
        let (data, taken) = (data.into_bytes(), reach.saturating_sub(front.len()));
        let begins = [&front[..], &data[..taken]].concat();
        let front = counted(edits.apply(at, &begins), budget);
        Parcel { front, data: Passing::Shared(data.slice(taken..)), ..self }
    }
}
