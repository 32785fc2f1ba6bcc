//! The content of a body, decoded from chunks and bounded.

use bytes::{Bytes, BytesMut};

/// The content of a body, without the chunked coding; a content coding (gzip) is still there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BodyBytes {
    /// The content in order, up to the limit. Large parts are slices of what was read.
    pub parts: Vec<Bytes>,
    /// Bytes of content that were sent, kept or not.
    pub len: u64,
    /// Content beyond the limit was counted and not kept.
    pub truncated: bool,
}

impl BodyBytes {
    /// The content in one piece; copies unless it has at most one part.
    pub fn to_bytes(&self) -> Bytes {
        match self.parts.as_slice() {
            [] => Bytes::new(),
            [only] => only.clone(),
            parts => parts.concat().into(),
        }
    }
}

/// Smaller pieces are copied together: a body of one-byte chunks must not cost a handle for each,
/// nor a small piece keep a large read alive.
const COPY_BELOW: usize = 1024;

/// A body in progress.
#[derive(Clone, Debug, Default)]
pub(super) struct BodyBuilder {
    body: BodyBytes,
    small: BytesMut,
    kept: usize,
}

impl BodyBuilder {
    /// Adds `piece`, up to `limit` bytes in all.
    pub(super) fn push(&mut self, piece: Bytes, limit: usize) {
        self.body.len = self.body.len.saturating_add(piece.len() as u64);
        let room = limit.saturating_sub(self.kept);
        if piece.len() > room {
            self.body.truncated = true;
        }
        let take = piece.len().min(room);
        if take == 0 {
            return;
        }
        self.kept += take;
        if take < COPY_BELOW {
            self.small.extend_from_slice(piece.get(..take).unwrap_or_default());
        } else {
            self.flush();
            self.body.parts.push(piece.slice(..take));
        }
    }

    /// Bytes of content so far.
    pub(super) fn len(&self) -> u64 {
        self.body.len
    }

    /// The body so far; begins a new one.
    pub(super) fn take(&mut self) -> BodyBytes {
        self.flush();
        self.kept = 0;
        std::mem::take(&mut self.body)
    }

    fn flush(&mut self) {
        if !self.small.is_empty() {
            self.body.parts.push(self.small.split().freeze());
        }
    }
}
