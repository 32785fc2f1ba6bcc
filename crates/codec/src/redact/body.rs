//! Secret fields of a JSON body that comes in pieces.
//!
//! A scanner, not a parser: it follows strings, keys and brackets, and goes on through what is no JSON. A field is known by the
//! end of its path: `email` is any field of that name, `user.email` one within `user`, whether as an object in an object or as one
//! name with a dot. A secret object or array is secret in all its values. A body of documents in lines is several values.

use std::ops::Range;

use memchr::{memchr, memchr2};
use smallvec::SmallVec;

use super::cover::{self, Cover, Kind};
use super::{Redaction, Secret, Secrets};
use crate::content::Content;
use crate::http1::fields;

/// Longest value that is hashed; of a longer one nothing is told.
const LONGEST_VALUE: usize = 64 << 10;
/// Longest key that is compared, and longest path; a longer path is secret.
const LONGEST_KEY: usize = 1 << 10;
const LONGEST_PATH: usize = 8 << 10;
/// Deeper than any document that a cluster takes.
const DEEPEST: usize = 1 << 10;

/// Searches one body, piece by piece.
#[derive(Debug, Clone)]
pub struct BodySearch {
    /// Nothing can be told from anything in it: all of it is secret.
    is_unreadable: bool,
    begun: Begun,
    state: State,
    stack: SmallVec<[Frame; 8]>,
    /// Keys from the outermost to the last that was read, with dots between.
    path: Vec<u8>,
    key: Vec<u8>,
    /// The value that comes next is secret, by its key.
    is_next: bool,
    open: Open,
}

/// An object or an array that has begun.
#[derive(Debug, Clone, Copy)]
struct Frame {
    is_object: bool,
    is_secret: bool,
    /// Length of the path to it.
    path: usize,
}

/// What a body has begun with, as far as it says that it is no JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Begun {
    Nothing,
    Dash,
    Over,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Value,
    Key,
    /// Inside the quotes of a key.
    Quoted {
        escaped: bool,
    },
    /// In a key without quotes, which old versions take.
    Bare,
    Colon,
    Text {
        escaped: bool,
        secret: bool,
    },
    Scalar {
        secret: bool,
    },
    After,
}

/// A secret value that has begun.
#[derive(Debug, Clone, Default)]
struct Open {
    /// Where its bytes are; chunks of the transfer coding may lie between them.
    ranges: SmallVec<[Range<usize>; 2]>,
    value: Vec<u8>,
    /// It is longer than what is hashed, or has been waited for long enough.
    is_long: bool,
}

impl Redaction {
    /// What searches the body behind this head, if bodies are searched.
    pub fn body(&self, head: &[u8]) -> Option<BodySearch> {
        if !self.has_fields() {
            return None;
        }
        let lines = head.iter().position(|&byte| byte == b'\n').map_or(head.len(), |end| end + 1);
        let is_unreadable = fields(head.get(lines..).unwrap_or_default()).any(|(name, value)| {
            let is = |wanted: &[u8]| name.eq_ignore_ascii_case(wanted);
            let plain = value.trim_ascii().eq_ignore_ascii_case(b"identity");
            (is(b"content-encoding") && !plain)
                || (is(b"content-type") && Content::named_by(value).is_some())
        });
        Some(BodySearch::new(is_unreadable))
    }
}

impl BodySearch {
    fn new(is_unreadable: bool) -> BodySearch {
        BodySearch {
            is_unreadable,
            begun: Begun::Nothing,
            state: State::Value,
            stack: SmallVec::new(),
            path: Vec::new(),
            key: Vec::new(),
            is_next: false,
            open: Open::default(),
        }
    }

    /// Looks through the next bytes of content, which are at `at`; adds what is secret to `found`.
    pub fn next(&mut self, redaction: &Redaction, content: &[u8], at: usize, found: &mut Secrets) {
        let mut readable = self.readable(content);
        let mut position = 0;
        while let Some(rest) = content.get(position..readable).filter(|rest| !rest.is_empty()) {
            if rest.first() == Some(&b'/') && self.is_between() {
                // A comment: servers pass over it, wherever it is.
                readable = position;
                break;
            }
            position += self.step(redaction, rest, at + position, found);
        }
        if readable < content.len() {
            self.is_unreadable = true;
            self.end(found);
            found.push(Secret { range: at + readable..at + content.len(), cover: Cover::Stars });
        }
    }

    /// Whether the next byte is of no value and of no key in quotes. A number or a word before it has to end first.
    fn is_between(&self) -> bool {
        !matches!(self.state, State::Text { .. } | State::Quoted { .. } | State::Scalar { .. })
    }

    /// How many of the next bytes may be JSON. After them nothing is, whatever comes.
    fn readable(&mut self, content: &[u8]) -> usize {
        if self.is_unreadable {
            return 0;
        }
        // In JSON there is no zero byte, unless it is in UTF-16 or -32: servers find that out by them, for each line of a bulk.
        let mut readable = memchr(0, content).unwrap_or(content.len());
        for (at, byte) in content.iter().enumerate() {
            // Encodings that nobody named begin so: SMILE with a smiley, CBOR above ASCII, YAML with `---`.
            let (is_json, begun) = match (self.begun, byte) {
                (Begun::Over, _) => break,
                (Begun::Nothing, b'-') => (true, Begun::Dash),
                (Begun::Nothing, b':' | 0x80..) | (Begun::Dash, b'-') => (false, Begun::Over),
                _ => (true, Begun::Over),
            };
            self.begun = begun;
            if !is_json {
                readable = readable.min(at);
            }
        }
        readable
    }

    /// Where the value begins that is in progress and has to be looked at as a whole.
    pub fn begins_at(&self) -> Option<usize> {
        self.open.ranges.first().map(|range| range.start)
    }

    /// Places are counted from `by` on now.
    pub fn count_from(&mut self, by: usize) {
        for range in &mut self.open.ranges {
            *range = range.start.saturating_sub(by)..range.end.saturating_sub(by);
        }
    }

    /// The value in progress is not waited for: nothing is told of it, however it goes on.
    pub fn let_go(&mut self, found: &mut Secrets) {
        let is_open = self.begins_at().is_some();
        self.end(found);
        self.open.is_long = is_open;
    }

    /// No more comes: nothing is told of a value that did not end.
    pub fn end(&mut self, found: &mut Secrets) {
        let open = std::mem::take(&mut self.open);
        found.extend(open.ranges.into_iter().map(|range| Secret { range, cover: Cover::Stars }));
    }

    /// Goes on by at least one byte; returns by how many.
    fn step(&mut self, how: &Redaction, rest: &[u8], at: usize, found: &mut Secrets) -> usize {
        let byte = rest.first().copied().unwrap_or_default();
        match self.state {
            State::Value => return self.value(byte),
            State::Key => match byte {
                b'"' => {
                    self.key.clear();
                    self.state = State::Quoted { escaped: false };
                }
                b'}' => self.close(),
                b'{' | b'[' => {
                    self.state = State::Value; // no JSON
                    return 0;
                }
                b',' => {}
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    self.key.clear();
                    self.key.push(byte);
                    self.state = State::Bare;
                }
            },
            State::Quoted { escaped } => {
                let (length, ends, escaped) = text(rest, escaped);
                let room = LONGEST_KEY.saturating_sub(self.key.len());
                self.key.extend_from_slice(rest.get(..length.min(room)).unwrap_or_default());
                self.state = State::Quoted { escaped };
                if ends {
                    self.named(how);
                    self.state = State::Colon;
                }
                return length + usize::from(ends);
            }
            State::Bare => match byte {
                b':' => {
                    self.key.truncate(self.key.trim_ascii_end().len());
                    self.named(how);
                    self.state = State::Value;
                }
                b'\n' | b'}' | b',' | b'"' => {
                    self.state = State::Key;
                    return 0;
                }
                _ if self.key.len() < LONGEST_KEY => self.key.push(byte),
                _ => {}
            },
            State::Colon => match byte {
                b':' => self.state = State::Value,
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    self.state = State::Key;
                    return 0;
                }
            },
            State::Text { escaped, secret } => {
                let (length, ends, escaped) = text(rest, escaped);
                self.state = State::Text { escaped, secret };
                if secret {
                    self.take(how, Kind::Text, rest.get(..length).unwrap_or_default(), at, found);
                }
                if ends {
                    self.ended(how, Kind::Text, secret, found);
                }
                return length + usize::from(ends);
            }
            State::Scalar { secret } => {
                let ends = |byte: &u8| {
                    byte.is_ascii_whitespace()
                        || matches!(byte, b',' | b']' | b'}' | b'{' | b'[' | b'"' | b'/')
                };
                let length = rest.iter().position(ends).unwrap_or(rest.len());
                if secret {
                    self.take(how, Kind::Scalar, rest.get(..length).unwrap_or_default(), at, found);
                }
                if length < rest.len() {
                    self.ended(how, Kind::Scalar, secret, found);
                }
                return length;
            }
            State::After => match byte {
                b',' => self.state = self.within(),
                b'}' | b']' => self.close(),
                _ if byte.is_ascii_whitespace() => {}
                _ => {
                    self.state = self.within();
                    return 0;
                }
            },
        }
        1
    }

    /// The first byte of a value, or what stands where one should. Returns whether it is dealt with, as a number.
    fn value(&mut self, byte: u8) -> usize {
        let secret = self.is_next || self.stack.last().is_some_and(|frame| frame.is_secret);
        match byte {
            b'{' | b'[' => {
                if self.stack.len() >= DEEPEST {
                    self.stack.clear();
                    self.path.clear();
                }
                let is_object = byte == b'{';
                self.stack.push(Frame { is_object, is_secret: secret, path: self.path.len() });
                self.state = if is_object { State::Key } else { State::Value };
            }
            b'"' => self.state = State::Text { escaped: false, secret },
            b'}' | b']' => self.close(),
            b',' | b':' => return 1,
            _ if byte.is_ascii_whitespace() => return 1,
            _ => self.state = State::Scalar { secret },
        }
        self.is_next = false;
        usize::from(!matches!(self.state, State::Scalar { .. }))
    }

    /// A key is complete.
    fn named(&mut self, how: &Redaction) {
        if self.key.contains(&b'\\') {
            let quoted = [b"\"", &self.key[..], b"\""].concat();
            if let Ok(plain) = serde_json::from_slice::<String>(&quoted) {
                self.key = plain.into_bytes();
            }
        }
        self.path.truncate(self.stack.last().map_or(0, |frame| frame.path));
        if !self.path.is_empty() {
            self.path.push(b'.');
        }
        self.path.extend_from_slice(&self.key);
        let path = &self.path[..];
        let ends_so = |field: &[u8]| {
            path.strip_suffix(field)
                .is_some_and(|before| matches!(before.last(), None | Some(b'.')))
        };
        self.is_next = path.len() > LONGEST_PATH || how.fields.iter().any(|field| ends_so(field));
    }

    /// A bracket closes.
    fn close(&mut self) {
        if let Some(frame) = self.stack.pop() {
            self.path.truncate(frame.path);
        }
        self.is_next = false;
        self.state = if self.stack.is_empty() { State::Value } else { State::After };
        if self.stack.is_empty() {
            self.path.clear();
        }
    }

    /// What comes after a comma.
    fn within(&self) -> State {
        match self.stack.last() {
            Some(frame) if frame.is_object => State::Key,
            _ => State::Value,
        }
    }

    /// A part of a secret value.
    fn take(&mut self, how: &Redaction, kind: Kind, part: &[u8], at: usize, found: &mut Secrets) {
        if part.is_empty() {
            return;
        }
        let range = at..at + part.len();
        let open = &mut self.open;
        // Of a scalar what it is has to be known, under a key all of it.
        if open.is_long || (how.key.is_none() && kind == Kind::Text) {
            return found.push(Secret { range, cover: Cover::Stars });
        }
        if open.value.len() + part.len() > LONGEST_VALUE {
            open.is_long = true;
            let ranges = std::mem::take(&mut open.ranges).into_iter().chain([range]);
            found.extend(ranges.map(|range| Secret { range, cover: Cover::Stars }));
            open.value = Vec::new();
            return;
        }
        open.value.extend_from_slice(part);
        match open.ranges.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => open.ranges.push(range),
        }
    }

    /// A value has ended.
    fn ended(&mut self, how: &Redaction, kind: Kind, secret: bool, found: &mut Secrets) {
        self.state = if self.stack.is_empty() { State::Value } else { State::After };
        if !secret {
            return;
        }
        let Open { ranges, value, .. } = std::mem::take(&mut self.open);
        let cover = match &how.key {
            Some(key) => cover::keyed(key, &value, kind),
            None => cover::masked_scalar(&value),
        };
        let mut before = 0;
        for range in ranges {
            let length = range.len();
            found.push(Secret { range, cover: cover.from(before) });
            before += length;
        }
    }
}

/// How many of these bytes are inside the quotes; whether the closing one follows; whether the last is an escape.
fn text(bytes: &[u8], escaped: bool) -> (usize, bool, bool) {
    let mut at = usize::from(escaped);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr2(b'"', b'\\', rest)) {
        at += found;
        if bytes.get(at) == Some(&b'"') {
            return (at, true, false);
        }
        at += 2;
    }
    (bytes.len(), false, at > bytes.len())
}
