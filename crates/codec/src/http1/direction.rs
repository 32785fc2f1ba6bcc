//! What the framers of both directions share: heads and trailers that arrive in pieces, bodies, and
//! being opaque.

use std::ops::Range;

use super::body::{BodyScanner, BodyStep};
use super::fields::fields;
use super::head::{BoundaryField, boundary_field};
use super::reason::Reason;
use super::scan::{HeadScanner, Scan};

/// Something in the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<H> {
    /// A head is complete at the last byte consumed.
    Head(H),
    /// The message ends at the last byte consumed.
    End,
    /// The rest of the stream has no boundaries, from the message in progress on. Told once; the
    /// whole input is consumed, and so is every later one.
    Opaque(Reason),
}

/// What the end of the stream means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eof {
    /// Between two messages.
    Idle,
    /// It ended the response in progress, as announced.
    End,
    /// In the middle of a message.
    Truncated,
    /// The stream was opaque.
    Opaque(Reason),
}

/// What both directions share.
#[derive(Clone, Debug)]
pub(super) struct Direction {
    pub(super) state: State,
    pub(super) scanner: HeadScanner,
    /// The head or trailer section so far, when it didn't arrive in one piece.
    pub(super) partial: Vec<u8>,
    /// `partial` has been handed out, and goes with the next call.
    pub(super) spent: bool,
    limit: usize,
}

#[derive(Clone, Debug)]
pub(super) enum State {
    Head,
    Body(BodyScanner),
    Trailers,
    Opaque { reason: Reason, told: bool },
}

pub(super) enum Section {
    More,
    Done(usize),
    Bad(Reason),
}

/// A head or trailer section that ends after `consumed` bytes of `input`.
pub(super) fn section_bytes<'a>(partial: &'a [u8], input: &'a [u8], consumed: usize) -> &'a [u8] {
    if partial.is_empty() { input.get(..consumed).unwrap_or_default() } else { partial }
}

impl Direction {
    pub(super) fn new(scanner: HeadScanner, limit: usize) -> Self {
        Self { state: State::Head, scanner, partial: Vec::new(), spent: false, limit }
    }

    pub(super) fn release(&mut self) {
        if self.spent {
            self.spent = false;
            self.partial = Vec::new();
        }
    }

    pub(super) fn next_message(&mut self, scanner: HeadScanner) {
        self.scanner = scanner;
        self.state = State::Head;
    }

    /// Scans a head or trailer section, and keeps what of it is not complete.
    pub(super) fn section(&mut self, input: &[u8]) -> Section {
        let room = self.limit.saturating_sub(self.scanner.seen());
        let window = input.get(..room).unwrap_or(input);
        match self.scanner.scan(window) {
            Scan::Done(consumed) => {
                if !self.partial.is_empty() {
                    self.partial.extend_from_slice(window.get(..consumed).unwrap_or_default());
                }
                Section::Done(consumed)
            }
            Scan::More if window.len() < input.len() => Section::Bad(Reason::HeadTooLarge),
            Scan::More => {
                self.partial.extend_from_slice(window);
                Section::More
            }
            Scan::Bad(reason) => Section::Bad(reason),
        }
    }

    pub(super) fn advance_body<H>(
        &mut self,
        input: &[u8],
        data: &mut impl FnMut(Range<usize>),
    ) -> (usize, Option<Event<H>>) {
        let mut at = 0;
        if let State::Body(body) = &mut self.state {
            match body.scan(input, data) {
                BodyStep::More => return (input.len(), None),
                BodyStep::End(consumed) => return (consumed, Some(Event::End)),
                BodyStep::Bad(reason) => return self.opaque(reason, input),
                BodyStep::Trailers(consumed) => {
                    self.state = State::Trailers;
                    self.scanner = HeadScanner::trailers();
                    at = consumed;
                }
            }
        }
        if let State::Opaque { reason, told } = &mut self.state {
            let event = (!*told).then_some(Event::Opaque(*reason));
            *told = true;
            return (input.len(), event);
        }
        let rest = input.get(at..).unwrap_or_default();
        match self.section(rest) {
            Section::More => (input.len(), None),
            Section::Bad(reason) => self.opaque(reason, input),
            Section::Done(consumed) => match self.end_trailers(rest, consumed) {
                Ok(()) => (at + consumed, Some(Event::End)),
                Err(reason) => self.opaque(reason, input),
            },
        }
    }

    /// Keeps the section, if it has any field, for [`Direction::trailers`].
    fn end_trailers(&mut self, rest: &[u8], consumed: usize) -> Result<(), Reason> {
        if self.partial.is_empty() && consumed > 2 {
            self.partial.extend_from_slice(rest.get(..consumed).unwrap_or_default());
        }
        self.spent = true;
        let forbidden =
            fields(&self.partial).any(|(name, _)| boundary_field(name) != BoundaryField::Neither);
        if forbidden { Err(Reason::ForbiddenTrailer) } else { Ok(()) }
    }

    pub(super) fn trailers(&self) -> &[u8] {
        if self.spent && matches!(self.state, State::Head) { &self.partial } else { &[] }
    }

    /// Bytes so far of a trailer section that isn't complete; 0 while no field of one has begun.
    pub(super) fn open_trailers(&self) -> usize {
        let has_field = self.partial.first().is_some_and(|first| *first != b'\r');
        if has_field && matches!(self.state, State::Trailers) { self.partial.len() } else { 0 }
    }

    pub(super) fn opaque<H>(&mut self, reason: Reason, input: &[u8]) -> (usize, Option<Event<H>>) {
        self.make_opaque(reason);
        (input.len(), Some(Event::Opaque(reason)))
    }

    pub(super) fn make_opaque(&mut self, reason: Reason) {
        self.state = State::Opaque { reason, told: true };
        self.partial = Vec::new();
    }

    pub(super) fn opaque_reason(&self) -> Option<Reason> {
        match self.state {
            State::Opaque { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// An unsupported version is the HTTP/2 preface if that is what the stream began with.
    pub(super) fn preface_or(&self, reason: Reason, input: &[u8]) -> Reason {
        let mut start = self.partial.iter().chain(input);
        let preface = reason == Reason::UnsupportedVersion
            && b"PRI * HTTP/2".iter().all(|byte| start.next() == Some(byte));
        if preface { Reason::Http2Preface } else { reason }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Head) && self.scanner.is_idle()
    }

    pub(super) fn finish(&self) -> Eof {
        match &self.state {
            State::Head if self.is_idle() => Eof::Idle,
            State::Body(BodyScanner::UntilClose | BodyScanner::Length(0)) => Eof::End,
            State::Opaque { reason, .. } => Eof::Opaque(*reason),
            State::Head | State::Body(_) | State::Trailers => Eof::Truncated,
        }
    }
}
