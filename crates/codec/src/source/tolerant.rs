//! JSON as the servers of the past took it → strict JSON, for a source that the target refused.
//!
//! What a version let in beyond JSON, by the features it switches on in its parser: comments, all of
//! them; names without quotes, up to 2.x always and 5.x by a setting; a name twice in an object, up
//! to 5.x. None reads single quotes or `#` comments. Numbers keep their digits.

mod changes;
mod names;

use std::borrow::Cow;

pub use changes::{Change, Changes};
use memchr::{memchr2, memmem};
use names::Members;

use super::{Format, Limits, Problem, SourceError, json};

/// Strict JSON on one line, and what had to change for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    pub json: Vec<u8>,
    pub changes: Changes,
}

/// Reads `source` as tolerantly as any server did and writes strict JSON on one line, without
/// whitespace. Of a name that comes twice the last value stays. For what the target answered with
/// 400: this parses, and is a hundred times slower than [`line`](super::line).
pub fn normalise(source: &[u8], limits: &Limits) -> Result<Normalised, SourceError> {
    let json = match super::known_format(source)? {
        Format::Json => Cow::Borrowed(super::without_mark(source)),
        _ => super::line(source, limits)?.json,
    };
    let mut reader = Reader {
        json: &json,
        at: 0,
        limits,
        out: Vec::with_capacity(json.len()),
        open: Vec::new(),
        cuts: Vec::new(),
        changes: Changes::default(),
    };
    if source.starts_with(super::MARK) {
        reader.changes.add(Change::Mark);
    }
    reader.document()?;
    let Reader { out, cuts, changes, .. } = reader;
    Ok(Normalised { json: names::without(out, cuts), changes })
}

struct Reader<'a> {
    json: &'a [u8],
    at: usize,
    limits: &'a Limits,
    out: Vec<u8>,
    open: Vec<Frame>,
    /// Members in `out` that a later one of the same name replaces, each with its comma.
    cuts: Vec<std::ops::Range<usize>>,
    changes: Changes,
}

struct Frame {
    /// None in an array.
    members: Option<Members>,
    empty: bool,
}

impl<'a> Reader<'a> {
    fn fail(&self, problem: Problem) -> SourceError {
        SourceError { format: Some(Format::Json), offset: self.at, problem }
    }

    fn unexpected(&self, wanted: &'static str) -> SourceError {
        self.fail(match self.peek() {
            Some(found) => Problem::Unexpected { found, wanted },
            None => Problem::Truncated,
        })
    }

    fn rest(&self) -> &'a [u8] {
        self.json.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<u8> {
        self.json.get(self.at).copied()
    }

    fn document(&mut self) -> Result<(), SourceError> {
        self.space()?;
        if self.peek() != Some(b'{') {
            return Err(self.fail(Problem::NotAnObject));
        }
        self.value()?;
        while let Some(frame) = self.open.last() {
            let close = if frame.members.is_some() { b'}' } else { b']' };
            self.step(close)?;
            if self.out.len() > self.limits.output {
                return Err(self.fail(Problem::TooLong { limit: self.limits.output }));
            }
        }
        // Servers stop reading at the end of the object.
        if self.space().is_err() || self.peek().is_some() {
            self.changes.add(Change::Trailing);
        }
        Ok(())
    }

    /// The next element or member of what is open, or its end.
    fn step(&mut self, close: u8) -> Result<(), SourceError> {
        self.space()?;
        if self.peek() == Some(close) {
            self.open.pop();
            self.copy(1);
            return Ok(());
        }
        let Some(frame) = self.open.last_mut() else { return Ok(()) };
        let first = std::mem::replace(&mut frame.empty, false);
        if !first {
            if self.peek() != Some(b',') {
                return Err(self.unexpected("a comma or the end of what is open"));
            }
            self.copy(1);
            self.space()?;
        }
        if close == b'}' {
            self.name()?;
            self.space()?;
            if self.peek() != Some(b':') {
                return Err(self.unexpected("a colon"));
            }
            self.copy(1);
            self.space()?;
        }
        self.value()
    }

    fn name(&mut self) -> Result<(), SourceError> {
        let start = self.out.len();
        if self.peek() == Some(b'"') {
            self.string()?;
        } else {
            let rest = self.rest();
            let name = rest.iter().position(|byte| !names::is_unquoted(*byte));
            let name = &rest[..name.unwrap_or(rest.len())];
            if name.is_empty() {
                return Err(self.unexpected("a name"));
            }
            self.changes.add(Change::UnquotedName);
            self.out.push(b'"');
            self.text(name)?;
            self.out.push(b'"');
        }
        let name = names::decoded(&self.out[start + 1..self.out.len() - 1]);
        let members = self.open.last_mut().and_then(|frame| frame.members.as_mut());
        if let Some(replaced) = members.and_then(|members| members.begin(name, start)) {
            self.cuts.push(replaced);
            self.changes.add(Change::DuplicateName);
        }
        Ok(())
    }

    fn value(&mut self) -> Result<(), SourceError> {
        let rest = self.rest();
        match rest {
            [b'{', ..] => self.push(Some(Members::default())),
            [b'[', ..] => self.push(None),
            [b'"', ..] => self.string(),
            [b'-', b'I', ..] | [b'N' | b'I', ..] => self.non_finite(),
            [b'-' | b'0'..=b'9', ..] => self.number(),
            _ => {
                let literals: [&[u8]; 3] = [b"true", b"false", b"null"];
                let found = literals.iter().find(|literal| rest.starts_with(literal));
                let length = found.ok_or_else(|| self.unexpected("a value"))?.len();
                self.copy(length);
                Ok(())
            }
        }
    }

    fn push(&mut self, members: Option<Members>) -> Result<(), SourceError> {
        if self.open.len() >= self.limits.depth {
            return Err(self.fail(Problem::TooDeep { limit: self.limits.depth }));
        }
        self.open.push(Frame { members, empty: true });
        self.copy(1);
        Ok(())
    }

    fn copy(&mut self, length: usize) {
        let rest = self.rest();
        let copied = &rest[..length.min(rest.len())];
        self.out.extend_from_slice(copied);
        self.at += copied.len();
    }

    fn number(&mut self) -> Result<(), SourceError> {
        let start = self.at;
        self.at += usize::from(self.peek() == Some(b'-'));
        let zero = self.peek() == Some(b'0');
        if self.digits()? > 1 && zero {
            return Err(self.fail(Problem::Corrupt("a number with leading zeros".to_owned())));
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            self.at += usize::from(matches!(self.peek(), Some(b'+' | b'-')));
            self.digits()?;
        }
        self.out.extend_from_slice(&self.json[start..self.at]);
        Ok(())
    }

    fn digits(&mut self) -> Result<usize, SourceError> {
        let count = self.rest().iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        if count == 0 {
            return Err(self.unexpected("a digit"));
        }
        Ok(count)
    }

    /// No version reads these as numbers, but each writes them as these texts.
    fn non_finite(&mut self) -> Result<(), SourceError> {
        let rest = self.rest();
        let names = ["NaN", "Infinity", "-Infinity"];
        let found = names.iter().find(|name| rest.starts_with(name.as_bytes()));
        let name = found.ok_or_else(|| self.unexpected("a value"))?;
        self.changes.add(Change::NonFinite);
        self.out.push(b'"');
        self.copy(name.len());
        self.out.push(b'"');
        Ok(())
    }

    fn string(&mut self) -> Result<(), SourceError> {
        self.copy(1);
        loop {
            let rest = self.rest();
            let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | ..0x20);
            let run = &rest[..rest.iter().position(ends).unwrap_or(rest.len())];
            self.text(run)?;
            match &rest[run.len()..] {
                [b'"', ..] => {
                    self.copy(1);
                    return Ok(());
                }
                [b'\\', escaped, hex @ ..] => {
                    let length = match escaped {
                        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
                        b'u' if hex.iter().take(4).filter(|c| c.is_ascii_hexdigit()).count()
                            == 4 =>
                        {
                            6
                        }
                        _ => return Err(self.unexpected("an escape of JSON")),
                    };
                    self.copy(length);
                }
                [] | [b'\\'] => return Err(self.fail(Problem::Truncated)),
                [control, ..] => {
                    self.changes.add(Change::ControlCharacter);
                    json::escape_byte(*control, &mut self.out);
                    self.at += 1;
                }
            }
        }
    }

    /// Copies text and passes over it. Servers also read halves of surrogate pairs encoded by
    /// themselves, which UTF-8 excludes and JSON can escape.
    fn text(&mut self, text: &[u8]) -> Result<(), SourceError> {
        let mut rest = text;
        while let Err(error) = std::str::from_utf8(rest) {
            self.copy(error.valid_up_to());
            let [0xED, second @ 0xA0..=0xBF, third @ 0x80..=0xBF, ..] = self.rest() else {
                return Err(self.fail(Problem::Text { encoding: "UTF-8" }));
            };
            let unit = 0xD000 | u32::from(second & 0x3F) << 6 | u32::from(third & 0x3F);
            self.out.extend_from_slice(format!("\\u{unit:04X}").as_bytes());
            self.changes.add(Change::Surrogate);
            self.at += 3;
            rest = rest.get(error.valid_up_to() + 3..).unwrap_or_default();
        }
        self.copy(rest.len());
        Ok(())
    }

    /// Passes over whitespace and comments.
    fn space(&mut self) -> Result<(), SourceError> {
        loop {
            self.at += match self.rest() {
                [b' ' | b'\t' | b'\r' | b'\n', ..] => 1,
                [b'/', b'/', comment @ ..] => {
                    self.changes.add(Change::Comment);
                    2 + memchr2(b'\n', b'\r', comment).unwrap_or(comment.len())
                }
                [b'/', b'*', comment @ ..] => {
                    self.changes.add(Change::Comment);
                    4 + memmem::find(comment, b"*/").ok_or_else(|| self.fail(Problem::Truncated))?
                }
                _ => return Ok(()),
            };
        }
    }
}
