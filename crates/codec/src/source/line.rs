//! JSON with newlines → the same JSON without: nothing else changes but what needs the newline.
//!
//! Outside of strings a newline goes, and so do comments (every version allows `//` and `/* */`,
//! and one that ends at a newline would swallow the rest of the line). `#` begins no comment: no
//! version enables that. Inside a string a newline is escaped.

use memchr::{memchr2, memchr3, memmem};

use super::{Format, Problem, SourceError};

pub(super) fn append(json: &[u8], out: &mut Vec<u8>) -> Result<(), SourceError> {
    out.reserve(json.len());
    let start = out.len();
    let mut at = 0;
    let mut gap = false;
    while at < json.len() {
        let rest = &json[at..];
        let outside = memchr3(b'"', b'\n', b'/', rest).unwrap_or(rest.len());
        keep(&rest[..outside], &mut gap, out);
        at += outside;
        at += match &rest[outside..] {
            [] => 0,
            [b'"', inside @ ..] => {
                keep(b"\"", &mut gap, out);
                1 + string(inside, out)
            }
            [b'\n', ..] => {
                gap = out.len() > start;
                1
            }
            [b'/', b'/', comment @ ..] => {
                gap = out.len() > start;
                2 + memchr2(b'\n', b'\r', comment).unwrap_or(comment.len())
            }
            [b'/', b'*', comment @ ..] => {
                gap = out.len() > start;
                let problem = || SourceError {
                    format: Some(Format::Json),
                    offset: at,
                    problem: Problem::Corrupt("a comment does not end".to_owned()),
                };
                4 + memmem::find(comment, b"*/").ok_or_else(problem)?
            }
            [other, ..] => {
                keep(&[*other], &mut gap, out);
                1
            }
        };
    }
    Ok(())
}

/// Appends what stays. What a newline or a comment parted stays parted.
fn keep(kept: &[u8], gap: &mut bool, out: &mut Vec<u8>) {
    let Some(first) = kept.first() else { return };
    if *gap && out.last().is_some_and(|last| is_word(*last)) && is_word(*first) {
        out.push(b' ');
    }
    *gap = false;
    out.extend_from_slice(kept);
}

fn is_word(byte: u8) -> bool {
    !matches!(byte, b'{' | b'}' | b'[' | b']' | b',' | b':' | b'"' | b' ' | b'\t' | b'\r')
}

/// Appends a string from behind its first quote; returns how many bytes it takes with its last one.
fn string(inside: &[u8], out: &mut Vec<u8>) -> usize {
    let mut at = 0;
    loop {
        let rest = &inside[at..];
        let plain = memchr3(b'"', b'\\', b'\n', rest).unwrap_or(rest.len());
        out.extend_from_slice(&rest[..plain]);
        at += plain;
        match &rest[plain..] {
            [] => return at,
            [b'"', ..] => {
                out.push(b'"');
                return at + 1;
            }
            [b'\n', ..] => {
                out.extend_from_slice(b"\\n");
                at += 1;
            }
            // A newline can't be escaped by a backslash in JSON: both characters are kept.
            [b'\\', b'\n', ..] => {
                out.extend_from_slice(b"\\\\\\n");
                at += 2;
            }
            [b'\\', escaped @ ..] => {
                let length = 1 + usize::from(!escaped.is_empty());
                out.extend_from_slice(&rest[plain..plain + length]);
                at += length;
            }
            [_, ..] => return at,
        }
    }
}
