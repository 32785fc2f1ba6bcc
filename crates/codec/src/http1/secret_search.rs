//! Secrets in a stream that has no heads to search: one read after the other.

use std::ops::Range;

use memchr::{memchr, memrchr};
use smallvec::SmallVec;

use super::secrets::secret_ranges_and;

/// How much of an unfinished field is kept: its name, its scheme, and then some.
const KEPT: usize = 128;

/// Searches the reads of an opaque stream in order. A name or a value may be cut anywhere between
/// two of them, so the beginning of the last field goes in front of the next read.
#[derive(Debug, Default)]
pub struct SecretSearch {
    begun: Vec<u8>,
}

impl SecretSearch {
    /// The ranges of `read` that hold secrets, as [`secret_ranges`](super::secret_ranges) finds them. Never less than it
    /// finds in all reads together; and the values of fields with these names.
    pub fn next(&mut self, read: &[u8], names: &[Box<[u8]>]) -> SmallVec<[Range<usize>; 4]> {
        let before = self.begun.len();
        self.begun.extend_from_slice(read);
        let found =
            secret_ranges_and(&self.begun, names).into_iter().filter(|range| range.end > before);
        let found =
            found.map(|range| range.start.saturating_sub(before)..range.end - before).collect();
        self.begun = beginning_of_last_field(&self.begun);
        found
    }
}

/// The first bytes of the last field of `text`, and the line end behind it if it was there: what
/// follows may be a folded line.
fn beginning_of_last_field(text: &[u8]) -> Vec<u8> {
    let mut end = text.len();
    let mut start;
    loop {
        start = memrchr(b'\n', &text[..end]).map_or(0, |newline| newline + 1);
        let belongs_to_the_one_before = matches!(text.get(start), None | Some(b' ' | b'\t'));
        if start == 0 || !belongs_to_the_one_before {
            break;
        }
        end = start - 1;
    }
    let field = &text[start..];
    let first_line = memchr(b'\n', field);
    let mut kept = field[..first_line.unwrap_or(field.len()).min(KEPT)].to_vec();
    if first_line.is_some() {
        kept.push(b'\n');
        if !field.ends_with(b"\n") {
            kept.push(b' ');
        }
    }
    kept
}
