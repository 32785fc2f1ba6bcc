//! The syntax of a head, byte by byte, across any number of inputs.
//!
//! The scanner only finds where the head ends and refuses bytes that some server may read otherwise;
//! what the head says is [`super::head`]'s. It stops at the first bad byte rather than at the end of
//! its line, because a server answers (or hangs up) there too.

use super::byte_class::{skip_target, skip_text, skip_token};
use super::reason::Reason;

/// What the next byte belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    RequestStart,
    /// After the CR of an empty line before the request line.
    EmptyLine,
    Method,
    /// A target has at least one byte.
    TargetStart,
    Target,
    /// Bytes of the version already seen.
    RequestVersion(usize),
    StatusVersion(usize),
    /// Digits of the status already seen.
    Status(u8),
    AfterStatus,
    ReasonPhrase,
    /// After the CR of the first line.
    FirstLineEnd,
    FieldStart,
    Name,
    Value,
    /// After the CR of a field line.
    ValueEnd,
    /// After the CR of the empty line that ends the head.
    HeadEnd,
}

const VERSION: &[u8; 7] = b"HTTP/1.";

/// One head, or one trailer section, in progress.
#[derive(Clone, Debug)]
pub(super) struct HeadScanner {
    at: At,
    /// Bytes scanned before the current input, an empty line in front included.
    seen: usize,
    empty_line: bool,
    /// Length of the first line with its CRLF, once it is complete.
    first_line: usize,
}

/// What one input brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    More,
    /// The section ends after this many bytes of the input.
    Done(usize),
    Bad(Reason),
}

impl HeadScanner {
    pub(super) fn request() -> Self {
        Self::at(At::RequestStart)
    }

    pub(super) fn response() -> Self {
        Self::at(At::StatusVersion(0))
    }

    /// Field lines up to the empty one, without a first line.
    pub(super) fn trailers() -> Self {
        Self::at(At::FieldStart)
    }

    fn at(at: At) -> Self {
        Self { at, seen: 0, empty_line: false, first_line: 0 }
    }

    pub(super) fn seen(&self) -> usize {
        self.seen
    }

    /// Bytes of an empty line in front of the request line: 0 or 2.
    pub(super) fn leading(&self) -> usize {
        if self.empty_line { 2 } else { 0 }
    }

    /// Length of the first line with its CRLF; 0 while it isn't complete.
    pub(super) fn first_line(&self) -> usize {
        self.first_line
    }

    /// Whether nothing but (part of) an empty line has been seen.
    pub(super) fn is_idle(&self) -> bool {
        matches!(self.at, At::RequestStart | At::EmptyLine | At::StatusVersion(0))
    }

    pub(super) fn scan(&mut self, input: &[u8]) -> Scan {
        let mut i = 0;
        while let Some(&byte) = input.get(i) {
            let step = self.step(byte, input, i);
            match step {
                Ok(next) if next == i => continue, // a change of state alone
                Ok(next) if self.at == At::HeadEnd && byte == b'\n' => {
                    self.seen += next;
                    return Scan::Done(next);
                }
                Ok(next) => i = next,
                Err(reason) => return Scan::Bad(reason),
            }
        }
        self.seen += i;
        Scan::More
    }

    /// Takes the byte at `i` and perhaps a run after it; returns the index of the next one.
    #[inline(always)]
    fn step(&mut self, byte: u8, input: &[u8], i: usize) -> Result<usize, Reason> {
        match self.at {
            At::Name => {
                let end = skip_token(input, i);
                match input.get(end) {
                    None => return Ok(end),
                    Some(b':') => self.at = At::Value,
                    Some(b' ' | b'\t') => return Err(Reason::SpaceBeforeColon),
                    Some(&other) => return Err(Reason::of(other, Reason::BadFieldName)),
                }
                return Ok(end + 1);
            }
            At::Value | At::ReasonPhrase => {
                let end = skip_text(input, i);
                match input.get(end) {
                    None => return Ok(end),
                    Some(b'\r') if self.at == At::Value => self.at = At::ValueEnd,
                    Some(b'\r') => self.at = At::FirstLineEnd,
                    Some(&other) => return Err(Reason::of(other, Reason::ControlByte)),
                }
                return Ok(end + 1);
            }
            At::ValueEnd => {
                lf(byte)?;
                self.at = At::FieldStart;
            }
            At::FieldStart => match byte {
                _ if let Some(next) = whole_fields(input, i) => return Ok(next),
                b'\r' => self.at = At::HeadEnd,
                b' ' | b'\t' => return Err(Reason::ObsFold),
                b':' => return Err(Reason::EmptyFieldName),
                _ => {
                    self.at = At::Name;
                    return Ok(i);
                }
            },
            At::HeadEnd => lf(byte)?,
            At::RequestStart => match byte {
                b'\r' if self.empty_line => return Err(Reason::EmptyLines),
                b'\r' => self.at = At::EmptyLine,
                _ if skip_token(input, i) == i => {
                    return Err(Reason::of(byte, Reason::MalformedRequestLine));
                }
                _ => {
                    self.at = At::Method;
                    return Ok(i);
                }
            },
            At::EmptyLine => {
                lf(byte)?;
                self.empty_line = true;
                self.at = At::RequestStart;
            }
            At::Method => {
                let end = skip_token(input, i);
                match input.get(end) {
                    None => return Ok(end),
                    Some(b' ') => self.at = At::TargetStart,
                    Some(&other) => return Err(Reason::of(other, Reason::MalformedRequestLine)),
                }
                return Ok(end + 1);
            }
            At::TargetStart if skip_target(input, i) == i => {
                return Err(Reason::of(byte, Reason::MalformedRequestLine));
            }
            At::TargetStart => {
                self.at = At::Target;
                return Ok(i);
            }
            At::Target => {
                let end = skip_target(input, i);
                match input.get(end) {
                    None => return Ok(end),
                    Some(b' ') => self.at = At::RequestVersion(0),
                    Some(&other) => return Err(Reason::of(other, Reason::MalformedRequestLine)),
                }
                return Ok(end + 1);
            }
            At::RequestVersion(8) | At::AfterStatus if byte == b'\r' => self.at = At::FirstLineEnd,
            // Nearly all first lines end and begin like this; others are looked at byte by byte.
            At::RequestVersion(0) if follows(input, i, b"HTTP/1.1\r\n") => {
                self.first_line = self.seen + i + 10 - self.leading();
                self.at = At::FieldStart;
                return Ok(i + 10);
            }
            At::RequestVersion(seen) => {
                version_byte(seen, byte, Reason::MalformedRequestLine)?;
                self.at = At::RequestVersion(seen + 1);
            }
            At::StatusVersion(8) if byte == b' ' => self.at = At::Status(0),
            At::StatusVersion(0) if follows(input, i, b"HTTP/1.1 ") => {
                self.at = At::Status(0);
                return Ok(i + 9);
            }
            At::StatusVersion(seen) => {
                version_byte(seen, byte, Reason::MalformedStatusLine)?;
                self.at = At::StatusVersion(seen + 1);
            }
            At::Status(digits) => {
                // A status below 100 has no class, so nobody knows whether a body follows.
                if !byte.is_ascii_digit() || (digits == 0 && byte == b'0') {
                    return Err(Reason::of(byte, Reason::MalformedStatusLine));
                }
                self.at = if digits == 2 { At::AfterStatus } else { At::Status(digits + 1) };
            }
            At::AfterStatus => match byte {
                b' ' => self.at = At::ReasonPhrase,
                other => return Err(Reason::of(other, Reason::MalformedStatusLine)),
            },
            At::FirstLineEnd => {
                lf(byte)?;
                self.first_line = self.seen + i + 1 - self.leading();
                self.at = At::FieldStart;
            }
        }
        Ok(i + 1)
    }
}

/// The end of the well-formed field lines that lie completely in `input` from `i` on, if there is
/// one. Most heads are nothing else; what isn't is looked at byte by byte.
fn whole_fields(input: &[u8], i: usize) -> Option<usize> {
    let mut next = None;
    let mut at = i;
    loop {
        let colon = skip_token(input, at);
        if colon == at || input.get(colon) != Some(&b':') {
            return next;
        }
        let end = skip_text(input, colon + 1);
        if input.get(end..end + 2) != Some(b"\r\n") {
            return next;
        }
        at = end + 2;
        next = Some(at);
    }
}

/// Whether `input` goes on with `bytes` at `i`.
fn follows(input: &[u8], i: usize, bytes: &[u8]) -> bool {
    input.get(i..).is_some_and(|rest| rest.starts_with(bytes))
}

/// The byte after a CR.
fn lf(byte: u8) -> Result<(), Reason> {
    if byte == b'\n' { Ok(()) } else { Err(Reason::BareCr) }
}

/// The byte of `HTTP/1.0` or `HTTP/1.1` after `seen` others.
fn version_byte(seen: usize, byte: u8, malformed: Reason) -> Result<(), Reason> {
    match VERSION.get(seen) {
        Some(&expected) if expected == byte => Ok(()),
        Some(_) if seen == 5 && byte.is_ascii_digit() => Err(Reason::UnsupportedVersion),
        None if seen == 7 && matches!(byte, b'0' | b'1') => Ok(()),
        None if seen == 7 && byte.is_ascii_digit() => Err(Reason::UnsupportedVersion),
        _ => Err(Reason::of(byte, malformed)),
    }
}
