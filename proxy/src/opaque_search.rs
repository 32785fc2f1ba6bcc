//! Secrets in what has no framing.

use codec::http1::SecretSearch;

use crate::partial_head::PartialHead;
use crate::tape::Secrets;

/// Searches one direction of an opaque connection, read by read.
#[derive(Default)]
pub(crate) struct OpaqueSearch(SecretSearch);

impl OpaqueSearch {
    /// The secrets in `data` from `start` on, where its last message ended, and in the partial head
    /// that it goes on. Counted from the beginning of that head, `before` bytes in front of `data`.
    pub(crate) fn find(
        &mut self,
        partial: &PartialHead,
        before: usize,
        data: &[u8],
        start: usize,
    ) -> Secrets {
        if start == 0 && !partial.is_empty() {
            return self.0.next(&partial.with(data));
        }
        let found = self.0.next(&data[start..]);
        let from = before + start;
        found.into_iter().map(|range| from + range.start..from + range.end).collect()
    }
}
