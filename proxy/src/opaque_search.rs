//! Secrets in what has no framing.

use codec::http1::SecretSearch;
use codec::redact::{Cover, Redaction, Secret, Secrets};

use crate::unfinished::Unfinished;

/// Searches one direction of an opaque connection, read by read.
#[derive(Default)]
pub(crate) struct OpaqueSearch(SecretSearch);

impl OpaqueSearch {
    /// The secrets in `data` from `start` on, where its last message ended, and in the unfinished one
    /// that it goes on. Counted from the beginning of that, `before` bytes in front of `data`.
    pub(crate) fn find(
        &mut self,
        redaction: &Redaction,
        unfinished: &Unfinished,
        (before, data): (usize, &[u8]),
        start: usize,
    ) -> Secrets {
        let goes_on = start == 0 && !unfinished.is_empty();
        let from = if goes_on { 0 } else { before + start };
        let stars = |range| Secret { range, cover: Cover::Stars };
        if redaction.covers_unframed() {
            return Secrets::from_iter([stars(from..before + data.len())]);
        }
        let names = redaction.headers();
        let found = match goes_on {
            true => self.0.next(&unfinished.with(data), names),
            false => self.0.next(&data[start..], names),
        };
        found.into_iter().map(|range| stars(from + range.start..from + range.end)).collect()
    }
}
