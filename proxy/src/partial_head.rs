//! The beginning of a head whose end has not come.
//!
//! It may hold half a secret, so it is recorded only when all of the head is there to be searched.

use bytes::Bytes;
use codec::http1::secret_ranges;
use codec::record::{Direction, Nanos};
use journal::Urgency;

use crate::pass::SMALL;
use crate::roster::KeptBack;
use crate::tape::{Secrets, Tape, shifted};

/// Reads that are parts of one head, in order; at most the head limit together.
pub(crate) struct PartialHead {
    direction: Direction,
    pieces: Vec<(Bytes, Nanos)>,
}

impl PartialHead {
    pub(crate) fn new(direction: Direction) -> PartialHead {
        PartialHead { direction, pieces: Vec::new() }
    }

    fn why(&self) -> KeptBack {
        match self.direction {
            Direction::Read => KeptBack::RequestHead,
            Direction::Write => KeptBack::AnswerHead,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|(piece, _)| piece.len()).sum()
    }

    /// Keeps what was read at `at` back.
    pub(crate) fn keep_back(&mut self, piece: Bytes, at: Nanos, tape: &Tape) {
        tape.seat().keep_back(self.why(), at);
        self.pieces.push((light(piece), at));
    }

    /// All pieces, and `more` behind them.
    pub(crate) fn with(&self, more: &[u8]) -> Vec<u8> {
        let pieces = self.pieces.iter().map(|(piece, _)| &piece[..]);
        pieces.chain([more]).collect::<Vec<_>>().concat()
    }

    /// Secrets in a head that will never be complete.
    pub(crate) fn secrets(&self) -> Secrets {
        secret_ranges(&self.with(&[]))
    }

    /// Records the pieces, each as it was read, less its secrets (counted from the beginning of the
    /// head), and gives each out with its record's number.
    pub(crate) fn record(
        &mut self,
        tape: &Tape,
        secrets: &Secrets,
        urgency: Urgency,
        mut out: impl FnMut(Bytes, u64),
    ) {
        if self.pieces.is_empty() {
            return;
        }
        let mut start = 0;
        for (piece, at) in self.pieces.drain(..) {
            let blanks = shifted(secrets, start);
            start += piece.len();
            let number = tape.copy(&piece, &blanks, self.direction, at, None, urgency);
            out(piece, number);
        }
        tape.seat().release(self.why());
    }
}

/// A small piece is copied: it would keep the whole slab that it was read to, and a head that trickles
/// in has many.
fn light(piece: Bytes) -> Bytes {
    if piece.len() <= SMALL { Bytes::copy_from_slice(&piece) } else { piece }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_piece_does_not_keep_its_slab() {
        let slab = Bytes::from(vec![b'a'; 8 << 10]);
        let piece = light(slab.slice(..300));
        assert_eq!(piece, slab[..300]);
        drop(piece);
        let small = light(slab.slice(..300));
        assert!(slab.is_unique() && small.len() == 300);
        let large = light(slab.slice(..SMALL + 1));
        assert!(!slab.is_unique() && large.len() == SMALL + 1);
    }
}
