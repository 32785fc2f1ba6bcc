//! The names of an object: which bytes one without quotes has, and which come twice.

use std::collections::HashMap;
use std::ops::Range;

/// What Jackson takes for a part of a name without quotes: what a Java identifier may hold, and five
/// more. It looks no closer at what is not ASCII.
pub(super) fn is_unquoted(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'_' | b'$' | b'@' | b'#' | b'*' | b'-' | b'+' | 0x7F..)
}

/// The members of one object: where each lies in what is written, with the comma behind it.
#[derive(Default)]
pub(super) struct Members {
    ended: HashMap<Vec<u8>, Range<usize>>,
    last: Option<(Vec<u8>, usize)>,
}

impl Members {
    /// A member begins, and so the one before has ended. Returns the one of the same name.
    pub(super) fn begin(&mut self, name: Vec<u8>, start: usize) -> Option<Range<usize>> {
        if let Some((last, from)) = self.last.take() {
            self.ended.insert(last, from..start);
        }
        let replaced = self.ended.remove(&name);
        self.last = Some((name, start));
        replaced
    }
}

/// A name without its escapes, so that two spellings of one are the same.
pub(super) fn decoded(name: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        decoded.extend_from_slice(&rest[..at]);
        let (character, length) = escape(&rest[at..]);
        decoded.extend_from_slice(&character);
        rest = rest.get(at + length..).unwrap_or_default();
    }
    decoded.extend_from_slice(rest);
    decoded
}

/// The bytes that an escape stands for, and its length.
fn escape(escape: &[u8]) -> (Vec<u8>, usize) {
    let simple = |byte| (vec![byte], 2);
    match escape.get(1) {
        Some(b'b') => simple(0x08),
        Some(b'f') => simple(0x0C),
        Some(b'n') => simple(b'\n'),
        Some(b'r') => simple(b'\r'),
        Some(b't') => simple(b'\t'),
        Some(b'u') => match (unit(escape), unit(escape.get(6..).unwrap_or_default())) {
            (Some(high @ 0xD800..=0xDBFF), Some(low @ 0xDC00..=0xDFFF)) => {
                (utf8(0x10000 + ((high & 0x3FF) << 10 | low & 0x3FF)), 12)
            }
            // Half a pair alone is its own name.
            (Some(unit), _) => (utf8(unit), 6),
            (None, _) => simple(b'u'),
        },
        Some(other) => simple(*other),
        None => (Vec::new(), 1),
    }
}

fn utf8(character: u32) -> Vec<u8> {
    match char::from_u32(character) {
        Some(character) => character.to_string().into_bytes(),
        None => [&[0xFF][..], &character.to_be_bytes()].concat(),
    }
}

/// The UTF-16 unit of `\uXXXX`.
fn unit(escape: &[u8]) -> Option<u32> {
    let hex = escape.strip_prefix(b"\\u")?.get(..4)?;
    u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
}

/// `out` without the ranges `cuts`, which may lie inside each other.
pub(super) fn without(out: Vec<u8>, mut cuts: Vec<Range<usize>>) -> Vec<u8> {
    if cuts.is_empty() {
        return out;
    }
    cuts.sort_unstable_by_key(|cut| cut.start);
    let mut kept = Vec::with_capacity(out.len());
    let mut at = 0;
    for cut in cuts {
        if cut.start < at {
            continue;
        }
        kept.extend_from_slice(&out[at..cut.start]);
        at = cut.end;
    }
    kept.extend_from_slice(&out[at..]);
    kept
}
