//! The beginning of a head, of the fields behind a body, or of a secret value, whose end has not come.
//!
//! Fields may hold half a secret, so they are recorded only when all of them are there to be searched; a value that is hashed,
//! when all of it is there to be hashed.

use buffer::{counted, join};
use bytes::Bytes;
use codec::record::{Direction, Nanos};
use codec::redact::{Redaction, Secret, Secrets, shifted};
use journal::Urgency;
use tokio::time::Instant;

use crate::pass::SMALL;
use crate::roster::KeptBack;
use crate::tape::Tape;

/// Reads that are parts of one head or value, in order, short ones joined; at most the head limit together.
pub(crate) struct Unfinished {
    direction: Direction,
    pieces: Vec<Piece>,
    /// Bytes of all pieces.
    length: usize,
    /// When the first of them came.
    since: Option<Instant>,
}

struct Piece {
    bytes: Bytes,
    at: Nanos,
    /// What searches it has a copy of its own.
    copy: buffer::Charge,
}

impl Unfinished {
    pub(crate) fn new(direction: Direction) -> Unfinished {
        Unfinished { direction, pieces: Vec::new(), length: 0, since: None }
    }

    fn why(&self) -> KeptBack {
        match self.direction {
            Direction::Read => KeptBack::Request,
            Direction::Write => KeptBack::Answer,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// Bytes of all pieces.
    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Since when something has been kept back.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }

    /// Keeps what was read at `at` back.
    pub(crate) fn keep_back(&mut self, bytes: Bytes, at: Nanos, tape: &Tape) {
        tape.seat().keep_back(self.why(), at);
        self.length += bytes.len();
        self.since.get_or_insert_with(Instant::now);
        let budget = tape.budget();
        // What trickles in a byte at a time would cost many times the byte: as a piece, as a record, on its way.
        let last = self.pieces.last_mut();
        if let Some(last) = last.filter(|last| last.bytes.len() + bytes.len() <= SMALL) {
            last.bytes = counted(join(&last.bytes, &bytes, &[]), budget);
            last.copy = budget.charge(last.bytes.len());
            return;
        }
        let bytes = if bytes.len() <= SMALL { tape.light(&bytes) } else { bytes };
        self.pieces.push(Piece { copy: budget.charge(bytes.len()), bytes, at });
    }

    /// All pieces, and `more` behind them.
    pub(crate) fn with(&self, more: &[u8]) -> Vec<u8> {
        let pieces = self.pieces.iter().map(|piece| &piece.bytes[..]);
        pieces.chain([more]).collect::<Vec<_>>().concat()
    }

    /// Secrets in fields that will never be complete.
    pub(crate) fn secrets(&self, redaction: &Redaction) -> Secrets {
        redaction.in_head(&self.with(&[]))
    }

    /// Records the pieces, each with the time of its first byte, less its secrets (counted from the beginning of the
    /// first), and gives each out with its record's number.
    pub(crate) fn record(
        &mut self,
        tape: &Tape,
        secrets: &[Secret],
        urgency: Urgency,
        mut out: impl FnMut(Bytes, u64),
    ) {
        if self.pieces.is_empty() {
            return;
        }
        (self.length, self.since) = (0, None);
        let mut start = 0;
        for Piece { bytes, at, .. } in self.pieces.drain(..) {
            let covered = shifted(secrets, start);
            start += bytes.len();
            let number = tape.copy(&bytes, &covered, self.direction, at, None, urgency);
            out(bytes, number);
        }
        tape.seat().release(self.why());
    }

    /// Gives the pieces out and records nothing.
    pub(crate) fn pass(&mut self, tape: &Tape, out: impl FnMut(Bytes)) {
        (self.length, self.since) = (0, None);
        self.pieces.drain(..).map(|piece| piece.bytes).for_each(out);
        tape.seat().release(self.why());
    }
}
