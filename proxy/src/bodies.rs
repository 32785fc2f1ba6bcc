//! What is searched for secrets in the bodies of one direction, and behind them, one after the other.

use std::ops::Range;

use codec::redact::{BodySearch, Redaction, Secrets, behind};

use crate::unfinished::Unfinished;

/// The search of the body in progress; none where bodies aren't searched, or between two of them. Places are counted from the
/// beginning of what is unfinished.
#[derive(Default)]
pub(crate) struct Bodies(Option<BodySearch>);

impl Bodies {
    /// A body begins behind this head, if `is_searched`.
    pub(crate) fn begin(&mut self, redaction: &Redaction, head: &[u8], is_searched: bool) {
        self.0 = redaction.body(head).filter(|_| is_searched);
    }

    /// `part` of `data`, which lies at `place`, is content.
    pub(crate) fn next(
        &mut self,
        redaction: &Redaction,
        (data, part): (&[u8], Range<usize>),
        place: usize,
        found: &mut Secrets,
    ) {
        if let Some(body) = &mut self.0 {
            body.next(redaction, &data[part.clone()], place + part.start, found);
        }
    }

    /// The value in progress is not waited for any more.
    pub(crate) fn let_go(&mut self, found: &mut Secrets) {
        if let Some(body) = &mut self.0 {
            body.let_go(found);
        }
    }

    /// The body has ended, or nobody knows any more where it does.
    pub(crate) fn end(&mut self, found: &mut Secrets) {
        if let Some(mut body) = self.0.take() {
            body.end(found);
        }
    }

    /// A body has ended at `place`, with these fields behind it.
    pub(crate) fn end_with(
        &mut self,
        redaction: &Redaction,
        trailers: &[u8],
        place: usize,
        found: &mut Secrets,
    ) {
        self.end(found);
        if !trailers.is_empty() {
            let from = place.saturating_sub(trailers.len());
            found.extend(behind(redaction.in_fields(trailers), from));
        }
    }

    /// How much of a read of `length` bytes, with `before` unfinished ones in front of it, may be recorded: not the value in
    /// progress, if it has to be hashed as a whole, nor the last `trailers` bytes, fields that have no end yet.
    pub(crate) fn reach(&self, before: usize, length: usize, trailers: usize) -> usize {
        let value = self.0.as_ref().and_then(BodySearch::begins_at);
        let value = value.map_or(length, |value| value.saturating_sub(before));
        value.min(length.saturating_sub(trailers))
    }

    /// What was in front of `place` is recorded: what is unfinished begins there.
    pub(crate) fn recorded_to(&mut self, place: usize) {
        if let Some(body) = &mut self.0 {
            body.count_from(place);
        }
    }

    /// The secrets of what will never be finished: a head, fields behind a body, or the value in progress.
    pub(crate) fn give_up(&mut self, redaction: &Redaction, unfinished: &Unfinished) -> Secrets {
        let mut secrets = unfinished.secrets(redaction);
        self.end(&mut secrets);
        secrets
    }
}
