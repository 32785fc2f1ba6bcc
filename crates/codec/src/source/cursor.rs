//! A place in bytes that are not trusted: every step is checked, every error knows where it was.

use super::{Format, Problem, SourceError};

pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    format: Format,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(format: Format, bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at, format }
    }

    pub(super) fn fail(&self, problem: Problem) -> SourceError {
        SourceError { format: Some(self.format), offset: self.at, problem }
    }

    pub(super) fn unexpected(&self, found: u8, wanted: &'static str) -> SourceError {
        self.fail(Problem::Unexpected { found, wanted })
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn byte(&mut self) -> Result<u8, SourceError> {
        let byte = self.peek().ok_or_else(|| self.fail(Problem::Truncated))?;
        self.at += 1;
        Ok(byte)
    }

    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], SourceError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let taken = rest.get(..length).ok_or_else(|| self.fail(Problem::Truncated))?;
        self.at += length;
        Ok(taken)
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], SourceError> {
        let taken = self.take(N)?;
        Ok(taken.try_into().expect("as many as were asked for"))
    }

    /// Up to `end`, which is passed over.
    pub(super) fn take_until(&mut self, end: u8) -> Result<&'a [u8], SourceError> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = memchr::memchr(end, rest).ok_or_else(|| self.fail(Problem::Truncated))?;
        self.at += length + 1;
        Ok(&rest[..length])
    }

    pub(super) fn text(&self, bytes: &'a [u8]) -> Result<&'a str, SourceError> {
        std::str::from_utf8(bytes).map_err(|_| self.fail(Problem::Text { encoding: "UTF-8" }))
    }
}
