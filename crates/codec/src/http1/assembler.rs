//! From captured bytes to whole messages.

use bytes::{Buf, Bytes};

use super::body_bytes::BodyBuilder;
use super::direction::{Eof, Event};
use super::framer::{RequestFramer, ResponseFramer};
use super::head::Method;
use super::headers::Headers;
use super::message::{RequestMessage, ResponseMessage};
use super::reason::Reason;

/// What an assembler found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assembled<M> {
    Message(M),
    /// The rest of the stream has no boundaries. Told once. `finish` gives the message that was in
    /// progress.
    Opaque(Reason),
}

/// What the end of a stream left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finished<M> {
    /// No message was in progress.
    Nothing,
    /// The last message; its `complete` tells whether the end of the stream completed it.
    Message(M),
    /// A head that never became complete, so that no server can have acted on it.
    PartialHead,
}

/// Builds requests from the bytes of one direction of a connection.
#[derive(Clone, Debug)]
pub struct RequestAssembler {
    framer: RequestFramer,
    current: Option<RequestMessage>,
    body: BodyBuilder,
    body_limit: usize,
}

/// Builds responses.
#[derive(Clone, Debug)]
pub struct ResponseAssembler {
    framer: ResponseFramer,
    current: Option<ResponseMessage>,
    body: BodyBuilder,
    body_limit: usize,
}

impl RequestAssembler {
    /// Keeps heads up to `head_limit` bytes (a longer one makes the stream opaque) and bodies up to
    /// `body_limit` (a longer one is truncated).
    pub fn new(head_limit: usize, body_limit: usize) -> Self {
        let framer = RequestFramer::new(head_limit);
        Self { framer, current: None, body: BodyBuilder::default(), body_limit }
    }

    /// Takes bytes from the front of `input` up to the end of the next request. `None` when all of
    /// `input` was taken; call until then.
    pub fn next(&mut self, input: &mut Bytes) -> Option<Assembled<RequestMessage>> {
        loop {
            let Self { framer, body, .. } = self;
            let limit = self.body_limit;
            let mut keep = |range| body.push(input.slice(range), limit);
            let (consumed, event) = framer.advance_into(input, &mut keep);
            match event {
                None => {
                    input.advance(consumed);
                    return None;
                }
                Some(Event::Head(head)) => {
                    self.current = Some(RequestMessage::begin(&head));
                    input.advance(consumed);
                }
                Some(Event::End) => {
                    input.advance(consumed);
                    let trailers = Headers::of(&Bytes::copy_from_slice(self.framer.trailers()));
                    if let Some(mut request) = self.take() {
                        request.trailers = trailers;
                        request.complete = true;
                        return Some(Assembled::Message(request));
                    }
                }
                Some(Event::Opaque(reason)) => {
                    input.advance(consumed);
                    return Some(Assembled::Opaque(reason));
                }
            }
        }
    }

    /// What is left when no more bytes come.
    pub fn finish(&mut self) -> Finished<RequestMessage> {
        let eof = self.framer.finish();
        finished(self.take(), eof)
    }

    /// Makes the stream opaque, as when the source has answered 101.
    pub fn make_opaque(&mut self, reason: Reason) {
        self.framer.make_opaque(reason);
    }

    /// Whether no request is in progress.
    pub fn is_idle(&self) -> bool {
        self.framer.is_idle()
    }

    fn take(&mut self) -> Option<RequestMessage> {
        let mut request = self.current.take()?;
        request.body = self.body.take();
        Some(request)
    }
}

impl ResponseAssembler {
    /// As [`RequestAssembler::new`].
    pub fn new(head_limit: usize, body_limit: usize) -> Self {
        let framer = ResponseFramer::new(head_limit);
        Self { framer, current: None, body: BodyBuilder::default(), body_limit }
    }

    /// As [`RequestAssembler::next`]; `request` is the method of the oldest request without a final
    /// response, see [`ResponseFramer::advance`]. Ask for it again after each message that isn't
    /// interim.
    pub fn next(
        &mut self,
        input: &mut Bytes,
        request: Method,
    ) -> Option<Assembled<ResponseMessage>> {
        loop {
            let Self { framer, body, .. } = self;
            let limit = self.body_limit;
            let mut keep = |range| body.push(input.slice(range), limit);
            let (consumed, event) = framer.advance_into(input, request, &mut keep);
            match event {
                None => {
                    input.advance(consumed);
                    return None;
                }
                Some(Event::Head(head)) => {
                    let mut response = ResponseMessage::begin(&head);
                    // Neither an interim response nor a 101 has an end of its own.
                    response.complete = head.interim || head.upgrade;
                    input.advance(consumed);
                    if response.complete {
                        return Some(Assembled::Message(response));
                    }
                    self.current = Some(response);
                }
                Some(Event::End) => {
                    input.advance(consumed);
                    let trailers = Headers::of(&Bytes::copy_from_slice(self.framer.trailers()));
                    if let Some(mut response) = self.take() {
                        response.trailers = trailers;
                        response.complete = true;
                        return Some(Assembled::Message(response));
                    }
                }
                Some(Event::Opaque(reason)) => {
                    input.advance(consumed);
                    return Some(Assembled::Opaque(reason));
                }
            }
        }
    }

    /// What is left when no more bytes come; a response that runs until then is complete.
    pub fn finish(&mut self) -> Finished<ResponseMessage> {
        let eof = self.framer.finish();
        let mut response = self.take();
        if let (Some(response), Eof::End) = (&mut response, eof) {
            response.complete = true;
        }
        finished(response, eof)
    }

    /// Bytes of the body in progress that have come so far.
    pub fn body_len(&self) -> u64 {
        self.body.len()
    }

    /// Makes the stream opaque, as when the requests are.
    pub fn make_opaque(&mut self, reason: Reason) {
        self.framer.make_opaque(reason);
    }

    /// Whether no response is in progress.
    pub fn is_idle(&self) -> bool {
        self.framer.is_idle()
    }

    fn take(&mut self) -> Option<ResponseMessage> {
        let mut response = self.current.take()?;
        response.body = self.body.take();
        Some(response)
    }
}

fn finished<M>(message: Option<M>, eof: Eof) -> Finished<M> {
    match (message, eof) {
        (Some(message), _) => Finished::Message(message),
        (None, Eof::Truncated) => Finished::PartialHead,
        (None, Eof::Idle | Eof::End | Eof::Opaque(_)) => Finished::Nothing,
    }
}
