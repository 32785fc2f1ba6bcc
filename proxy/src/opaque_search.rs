//! Secrets in what has no framing.
//!
//! It is searched as text; but not HTTP/2, whose fields are compressed: of that, nothing is told.

use codec::http1::SecretSearch;
use codec::redact::{Cover, Redaction, Secret, Secrets};

use crate::unfinished::Unfinished;

/// What a client begins with that speaks HTTP/2, from its first byte on or from an upgrade on (RFC 9113 3.4): these bytes, and a
/// frame of settings, whose length, of three bytes, may be any.
const PREFACE: &[u8; 28] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n...\x04";
const ANY: std::ops::Range<usize> = 24..27;

/// Searches one direction of an opaque connection, read by read.
pub(crate) struct OpaqueSearch {
    text: SecretSearch,
    /// Bytes of the preface that have come; `None` once something else has, or all of it.
    preface: Option<usize>,
    is_http2: bool,
}

impl Default for OpaqueSearch {
    fn default() -> OpaqueSearch {
        OpaqueSearch { text: SecretSearch::default(), preface: Some(0), is_http2: false }
    }
}

impl OpaqueSearch {
    /// All that is to come is HTTP/2.
    pub(crate) fn expect_http2(&mut self) {
        self.is_http2 = true;
    }

    /// Whether it is.
    pub(crate) fn is_http2(&self) -> bool {
        self.is_http2
    }

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
        let all;
        let bytes = match goes_on {
            true => {
                all = unfinished.with(data);
                &all[..]
            }
            false => &data[start..],
        };
        let stars = |range| Secret { range, cover: Cover::Stars };
        let preface = self.preface_in(bytes);
        if self.is_http2 || redaction.covers_unframed() {
            return Secrets::from_iter([stars(from + preface..before + data.len())]);
        }
        let found = self.text.next(bytes, redaction.headers());
        found.into_iter().map(|range| stars(from + range.start..from + range.end)).collect()
    }

    /// How many of the next bytes are the preface's, which says what the rest is and nothing else.
    fn preface_in(&mut self, bytes: &[u8]) -> usize {
        let Some(seen) = self.preface else { return 0 };
        let expected = PREFACE.iter().enumerate().skip(seen).zip(bytes);
        let same =
            expected.take_while(|((at, one), other)| one == other || ANY.contains(at)).count();
        let seen = seen + same;
        self.is_http2 |= seen == PREFACE.len();
        self.preface = (same == bytes.len() && seen < PREFACE.len()).then_some(seen);
        same
    }
}
