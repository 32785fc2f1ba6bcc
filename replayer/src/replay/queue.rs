//! Doubts that wait until the source may be read, in the order of the answers.

use std::collections::BTreeMap;

use tokio::time::Instant;

use crate::doubt::Waiting;

#[derive(Debug, Default)]
pub(super) struct Queue {
    by_answer: BTreeMap<u64, Vec<Waiting>>,
    count: usize,
    /// Since when a cluster has answered no reading at all.
    pub(super) unanswered: Option<Instant>,
}

impl Queue {
    pub(super) fn put(&mut self, waiting: Waiting) {
        self.by_answer.entry(waiting.answered).or_default().push(waiting);
        self.count += 1;
    }

    /// When the first was answered.
    pub(super) fn first(&self) -> Option<u64> {
        self.by_answer.first_key_value().map(|(answered, _)| *answered)
    }

    /// Those that were answered first.
    pub(super) fn take_first(&mut self) -> Vec<Waiting> {
        let first = self.by_answer.pop_first().map(|(_, waiting)| waiting).unwrap_or_default();
        self.count -= first.len();
        first
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(&Waiting) -> bool) {
        self.by_answer.retain(|_, waiting| {
            waiting.retain(&mut stays);
            !waiting.is_empty()
        });
        self.count = self.by_answer.values().map(Vec::len).sum();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn len(&self) -> usize {
        self.count
    }
}
