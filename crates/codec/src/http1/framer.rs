//! The framers of both directions.

use std::ops::Range;

use super::body::BodyScanner;
use super::direction::{Direction, Eof, Event, Section, State, section_bytes};
use super::head::{Method, RequestHead, ResponseHead, request_line};
use super::reason::Reason;
use super::scan::HeadScanner;

/// Longest head, and longest trailer section, unless told otherwise: 1 MiB.
pub const DEFAULT_HEAD_LIMIT: usize = 1 << 20;

/// Finds the boundaries of requests.
///
/// An empty line in front of a request line (RFC 9112 2.2) is let through once per request and
/// counts as part of its head; two make the connection opaque.
#[derive(Clone, Debug)]
pub struct RequestFramer {
    direction: Direction,
}

/// Finds the boundaries of responses.
#[derive(Clone, Debug)]
pub struct ResponseFramer {
    direction: Direction,
}

impl RequestFramer {
    /// `head_limit` bounds a head, and a trailer section, in bytes.
    pub fn new(head_limit: usize) -> Self {
        Self { direction: Direction::new(HeadScanner::request(), head_limit) }
    }

    /// Consumes `input` up to and including the next event. Without an event the whole input has been
    /// consumed and more is needed: call until then, also with an empty rest.
    pub fn advance<'a>(&'a mut self, input: &'a [u8]) -> (usize, Option<Event<RequestHead<'a>>>) {
        self.advance_into(input, &mut |_| {})
    }

    /// As [`advance`](Self::advance); also tells `data` which ranges of `input` are body content.
    pub fn advance_into<'a>(
        &'a mut self,
        input: &'a [u8],
        data: &mut impl FnMut(Range<usize>),
    ) -> (usize, Option<Event<RequestHead<'a>>>) {
        let direction = &mut self.direction;
        direction.release();
        if !matches!(direction.state, State::Head) {
            let (consumed, step) = direction.advance_body(input, data);
            if matches!(step, Some(Event::End)) {
                direction.next_message(HeadScanner::request());
            }
            return (consumed, step);
        }
        let consumed = match direction.section(input) {
            Section::More => return (input.len(), None),
            Section::Done(consumed) => consumed,
            Section::Bad(reason) => {
                let reason = direction.preface_or(reason, input);
                return direction.opaque(reason, input);
            }
        };
        let (leading, first_line) = (direction.scanner.leading(), direction.scanner.first_line());
        let Direction { partial, state, spent, .. } = direction;
        let bytes = section_bytes(partial, input, consumed).get(leading..).unwrap_or_default();
        *spent = true;
        match RequestHead::parse(bytes, leading, first_line) {
            Ok(head) => {
                *state = State::Body(BodyScanner::new(head.framing));
                (consumed, Some(Event::Head(head)))
            }
            Err(reason) => {
                *state = State::Opaque { reason, told: true };
                (input.len(), Some(Event::Opaque(reason)))
            }
        }
    }

    /// Method and target of the request whose head is still incomplete, once its first line isn't.
    pub fn request_line(&self) -> Option<(&[u8], &[u8])> {
        if !matches!(self.direction.state, State::Head) {
            return None;
        }
        let scanner = &self.direction.scanner;
        request_line(self.direction.partial.get(scanner.leading()..)?, scanner.first_line())
    }

    /// Makes the stream opaque, as when the server has answered 101. No event tells of it.
    pub fn make_opaque(&mut self, reason: Reason) {
        self.direction.make_opaque(reason);
    }

    pub fn opaque(&self) -> Option<Reason> {
        self.direction.opaque_reason()
    }

    /// Whether the stream stands between two messages (an empty line may have come).
    pub fn is_idle(&self) -> bool {
        self.direction.is_idle()
    }

    /// What it means that no more bytes come. The framer is of no further use.
    pub fn finish(&mut self) -> Eof {
        self.direction.finish()
    }

    /// The trailer section that ended the message, up to the last byte consumed, until the next call of `advance`.
    pub fn trailers(&self) -> &[u8] {
        self.direction.trailers()
    }

    /// Bytes of a trailer section that has begun and isn't complete: the last ones consumed.
    pub fn open_trailers(&self) -> usize {
        self.direction.open_trailers()
    }
}

impl ResponseFramer {
    /// `head_limit` bounds a head, and a trailer section, in bytes.
    pub fn new(head_limit: usize) -> Self {
        Self { direction: Direction::new(HeadScanner::response(), head_limit) }
    }

    /// As [`RequestFramer::advance`]. `request` is the method of the oldest request whose response is
    /// not complete ([`Method::Other`] when there is none: a server that gives up on a connection
    /// may answer what nobody asked). It matters when a head completes.
    pub fn advance<'a>(
        &'a mut self,
        input: &'a [u8],
        request: Method,
    ) -> (usize, Option<Event<ResponseHead<'a>>>) {
        self.advance_into(input, request, &mut |_| {})
    }

    pub fn advance_into<'a>(
        &'a mut self,
        input: &'a [u8],
        request: Method,
        data: &mut impl FnMut(Range<usize>),
    ) -> (usize, Option<Event<ResponseHead<'a>>>) {
        let direction = &mut self.direction;
        direction.release();
        if !matches!(direction.state, State::Head) {
            let (consumed, step) = direction.advance_body(input, data);
            if matches!(step, Some(Event::End)) {
                direction.next_message(HeadScanner::response());
            }
            return (consumed, step);
        }
        let consumed = match direction.section(input) {
            Section::More => return (input.len(), None),
            Section::Done(consumed) => consumed,
            Section::Bad(reason) => return direction.opaque(reason, input),
        };
        let first_line = direction.scanner.first_line();
        let Direction { partial, state, spent, scanner, .. } = direction;
        let bytes = section_bytes(partial, input, consumed);
        *spent = true;
        match ResponseHead::parse(bytes, first_line, request) {
            Ok(head) => {
                *scanner = HeadScanner::response();
                *state = if head.upgrade {
                    State::Opaque { reason: Reason::Upgraded, told: false }
                } else if head.interim {
                    State::Head
                } else {
                    State::Body(BodyScanner::new(head.framing))
                };
                (consumed, Some(Event::Head(head)))
            }
            Err(reason) => {
                *state = State::Opaque { reason, told: true };
                (input.len(), Some(Event::Opaque(reason)))
            }
        }
    }

    /// Makes the stream opaque, as when the other direction is. No event tells of it.
    pub fn make_opaque(&mut self, reason: Reason) {
        self.direction.make_opaque(reason);
    }

    pub fn opaque(&self) -> Option<Reason> {
        self.direction.opaque_reason()
    }

    /// Whether the stream stands between two messages (an empty line may have come).
    pub fn is_idle(&self) -> bool {
        self.direction.is_idle()
    }

    /// What it means that no more bytes come: [`Eof::End`] completes a response that runs until then.
    pub fn finish(&mut self) -> Eof {
        self.direction.finish()
    }

    /// The trailer section that ended the message, up to the last byte consumed, until the next call of `advance`.
    pub fn trailers(&self) -> &[u8] {
        self.direction.trailers()
    }

    /// Bytes of a trailer section that has begun and isn't complete: the last ones consumed.
    pub fn open_trailers(&self) -> usize {
        self.direction.open_trailers()
    }
}

impl Default for RequestFramer {
    fn default() -> Self {
        Self::new(DEFAULT_HEAD_LIMIT)
    }
}

impl Default for ResponseFramer {
    fn default() -> Self {
        Self::new(DEFAULT_HEAD_LIMIT)
    }
}
