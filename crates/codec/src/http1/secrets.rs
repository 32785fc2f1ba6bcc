//! Where the secrets in a head are, so that they can be blanked before anything is stored.

use std::ops::Range;

use memchr::memchr;
use smallvec::SmallVec;

use super::fields::trim;

/// The ranges of `head` that hold secret values, in order and without overlap: credentials after the
/// scheme of `Authorization`, `Proxy-Authorization` and `ES-Secondary-Authorization`; the whole
/// values of cookies, API keys and session tokens. White space around a value is left out.
///
/// `head` may be any bytes: an incomplete head, or lines that a framer refuses (LF alone, folded
/// lines, white space before the colon). Where in doubt, more is secret rather than less. Allocates
/// only beyond four secrets.
pub fn secret_ranges(head: &[u8]) -> SmallVec<[Range<usize>; 4]> {
    secret_ranges_and(head, &[])
}

/// The same, and the whole values of fields with these names, whatever their case.
pub fn secret_ranges_and(head: &[u8], names: &[Box<[u8]>]) -> SmallVec<[Range<usize>; 4]> {
    let mut ranges = SmallVec::new();
    let mut at = 0;
    let mut kept = Kept::All;
    while let Some(rest) = head.get(at..).filter(|rest| !rest.is_empty()) {
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).unwrap_or_default();
        let folded = matches!(line.first(), Some(b' ' | b'\t'));
        let from = if folded {
            if kept == Kept::Scheme {
                kept = Kept::Nothing; // the scheme, if there was one, was on the line before
            }
            Some(0)
        } else {
            let colon = name_end(line, names);
            kept = colon.map_or(Kept::All, |colon| {
                let name = trim(line.get(..colon).unwrap_or_default());
                let is_named = names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name));
                if is_named { Kept::Nothing } else { kept_of(name) }
            });
            colon.map(|colon| colon + 1)
        };
        if let Some(range) = from.and_then(|from| secret_in(line, from, kept)) {
            ranges.push(at + range.start..at + range.end);
        }
        at += end + 1;
    }
    ranges
}

/// How much of a field's value may be stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    All,
    /// The first word, when another follows it.
    Scheme,
    Nothing,
}

/// No secret field has a longer name; white space before the colon included.
const LONGEST_NAME: usize = 64;

/// Whether a field line may hold a secret: its name begins like those below.
pub(super) fn may_be_secret(line: &[u8]) -> bool {
    let Some([first, second, third]) = line.first_chunk::<3>() else { return false };
    // The bit makes capitals small, and harms nothing that a name is made of.
    matches!(
        &[first | 0x20, second | 0x20, third | 0x20],
        b"aut" | b"api" | b"coo" | b"es-" | b"pro" | b"set" | b"x-a"
    )
}

/// Where the colon is on a line that may hold a secret.
fn name_end(line: &[u8], names: &[Box<[u8]>]) -> Option<usize> {
    let longest = names.iter().map(|name| name.len() + 16).max().unwrap_or_default();
    if longest == 0 && !may_be_secret(line) {
        return None;
    }
    memchr(b':', line.get(..line.len().min(longest.max(LONGEST_NAME)))?)
}

fn kept_of(name: &[u8]) -> Kept {
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    // By length first: most fields are none of these.
    let (scheme, secret) = match name.len() {
        6 => (false, is(b"cookie") || is(b"apikey")),
        7 => (false, is(b"api-key") || is(b"cookie2") || is(b"api_key")),
        9 => (false, is(b"x-api-key") || is(b"x-api_key")),
        8 => (false, is(b"x-apikey")),
        10 => (false, is(b"set-cookie")),
        11 => (false, is(b"set-cookie2")),
        12 => (false, is(b"x-auth-token")),
        13 => (is(b"authorization"), false),
        19 => (is(b"proxy-authorization"), false),
        20 => (false, is(b"x-amz-security-token")),
        26 => (is(b"es-secondary-authorization"), false),
        _ => (false, false),
    };
    match (scheme, secret) {
        (true, _) => Kept::Scheme,
        (_, true) => Kept::Nothing,
        _ => Kept::All,
    }
}

/// The secret part of `line` from `from` on.
fn secret_in(line: &[u8], from: usize, kept: Kept) -> Option<Range<usize>> {
    if kept == Kept::All {
        return None;
    }
    let blank = |byte: u8| matches!(byte, b' ' | b'\t' | b'\r');
    let value = line.get(from..)?;
    let start = from + value.iter().position(|&byte| !blank(byte))?;
    let end = from + value.iter().rposition(|&byte| !blank(byte))? + 1;
    if kept == Kept::Nothing {
        return Some(start..end);
    }
    let words = line.get(start..end)?;
    let Some(scheme) = words.iter().position(|&byte| blank(byte)) else {
        return Some(start..end); // no scheme: all of it is the secret
    };
    let credentials = words.get(scheme..)?.iter().position(|&byte| !blank(byte))?;
    Some(start + scheme + credentials..end)
}
