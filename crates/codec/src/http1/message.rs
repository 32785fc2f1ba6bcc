//! Whole messages, owned.

use bytes::Bytes;

use super::body_bytes::BodyBytes;
use super::head::{Framing, Method, RequestHead, ResponseHead, Version};
use super::headers::Headers;

/// A request as it was captured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestMessage {
    pub method: Method,
    pub method_bytes: Bytes,
    pub target: Bytes,
    pub version: Version,
    pub framing: Framing,
    pub headers: Headers,
    pub body: BodyBytes,
    pub trailers: Headers,
    /// Bytes of the head in the stream.
    pub head_len: usize,
    /// The server may answer 101; see [`RequestHead::upgrade`].
    pub upgrade: bool,
    /// See [`RequestHead::expect_continue`].
    pub expect_continue: bool,
    /// Its last byte was seen.
    pub complete: bool,
}

impl RequestMessage {
    pub(super) fn begin(head: &RequestHead<'_>) -> Self {
        let bytes = Bytes::copy_from_slice(head.bytes);
        let method = head.method_bytes.len();
        let target = head.target.len();
        Self {
            method: head.method,
            // The scanner saw `METHOD SP target SP`, so both lie within the head.
            method_bytes: bytes.slice(..method),
            target: bytes.slice(method + 1..method + 1 + target),
            version: head.version,
            framing: head.framing,
            headers: Headers::of(&bytes.slice(head.first_line_len..)),
            body: BodyBytes::default(),
            trailers: Headers::default(),
            head_len: head.len,
            upgrade: head.upgrade,
            expect_continue: head.expect_continue,
            complete: false,
        }
    }
}

/// A response as it was captured. An interim one (1xx) is a message of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseMessage {
    pub status: u16,
    pub reason: Bytes,
    pub version: Version,
    pub framing: Framing,
    pub headers: Headers,
    pub body: BodyBytes,
    pub trailers: Headers,
    /// Bytes of the head in the stream.
    pub head_len: usize,
    /// A 1xx other than 101: it doesn't answer the request.
    pub interim: bool,
    /// Its last byte was seen, or it ran until the connection's end and that was seen.
    pub complete: bool,
}

impl ResponseMessage {
    pub(super) fn begin(head: &ResponseHead<'_>) -> Self {
        let bytes = Bytes::copy_from_slice(head.bytes);
        Self {
            status: head.status,
            reason: Bytes::copy_from_slice(head.reason),
            version: head.version,
            framing: head.framing,
            headers: Headers::of(&bytes.slice(head.first_line_len..)),
            body: BodyBytes::default(),
            trailers: Headers::default(),
            head_len: head.len,
            interim: head.interim,
            complete: false,
        }
    }
}
