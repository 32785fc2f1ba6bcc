//! Why a connection's bytes have no boundaries that can be trusted.

use std::fmt;

/// Why a framer gave up. Each is one class of message that servers are known to read differently, or
/// a protocol that isn't HTTP/1.x. [`Reason::as_str`] is a label for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The server answered 101; what follows is another protocol.
    Upgraded,
    /// The server answered 101, and what follows is HTTP/2. A framer says [`Reason::Upgraded`]: who looks at the fields can
    /// tell, see [`ResponseHead::begins_http2`](super::ResponseHead::begins_http2).
    Http2Upgrade,
    /// A `CONNECT` request.
    Connect,
    /// A client that speaks HTTP/2 without asking (`PRI * HTTP/2.0`).
    Http2Preface,
    /// A final answer came to a request with `Expect: 100-continue` before its body was complete.
    /// Some servers (Netty's, after a 413 or 417) take what follows for a new request, some
    /// for the body. A framer doesn't see the other direction: who uses both says so.
    UnmetExpectation,
    /// An `Expect` other than exactly one `100-continue`. Netty's server answers 417 and takes the
    /// body for the next request; others ignore the field, and the body is a body.
    UnknownExpectation,
    /// The other direction of the connection is opaque, so this one is too.
    OtherDirection,
    /// A head, or the trailers of a chunked body, longer than the limit.
    HeadTooLarge,
    /// A NUL or another control byte in a head or a chunk extension.
    ControlByte,
    /// A line that ends in LF alone.
    BareLf,
    /// A CR that no LF follows.
    BareCr,
    /// More than one empty line before a request line.
    EmptyLines,
    /// Not exactly `METHOD SP target SP HTTP/1.x CRLF`.
    MalformedRequestLine,
    /// Not exactly `HTTP/1.x SP 3DIGIT [SP reason] CRLF`.
    MalformedStatusLine,
    /// A version other than `HTTP/1.0` and `HTTP/1.1`.
    UnsupportedVersion,
    /// A field line that begins with white space: a folded line.
    ObsFold,
    /// White space between a field's name and its colon.
    SpaceBeforeColon,
    /// A field line that begins with its colon.
    EmptyFieldName,
    /// A field name with a byte that is not a token character, or a line without a colon.
    BadFieldName,
    /// Both `Content-Length` and `Transfer-Encoding`.
    LengthAndEncoding,
    /// More than one `Content-Length`, alike or not.
    RepeatedContentLength,
    /// A `Content-Length` that is not only digits, or larger than a signed 64-bit number.
    BadContentLength,
    /// More than one `Transfer-Encoding`.
    RepeatedTransferEncoding,
    /// A `Transfer-Encoding` other than exactly `chunked`.
    UnknownTransferEncoding,
    /// A `Transfer-Encoding` in an HTTP/1.0 message.
    EncodingInHttp10,
    /// `Content_Length` or `Transfer_Encoding`, which some servers take for the real ones.
    LengthLookalike,
    /// A response that can't have a body (1xx, 204) announces one.
    BodyNotAllowed,
    /// A chunk size that is not 1 to 16 hexadecimal digits followed by `;` or CRLF.
    BadChunkSize,
    /// Chunk data that no CRLF follows.
    BadChunkEnd,
    /// `Content-Length` or `Transfer-Encoding` among the trailers.
    ForbiddenTrailer,
}

impl Reason {
    /// The reason as a label: lower case, underscores, from a fixed set.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upgraded => "upgraded",
            Self::Http2Upgrade => "http2_upgrade",
            Self::Connect => "connect",
            Self::Http2Preface => "http2_preface",
            Self::UnmetExpectation => "unmet_expectation",
            Self::UnknownExpectation => "unknown_expectation",
            Self::OtherDirection => "other_direction",
            Self::HeadTooLarge => "head_too_large",
            Self::ControlByte => "control_byte",
            Self::BareLf => "bare_lf",
            Self::BareCr => "bare_cr",
            Self::EmptyLines => "empty_lines",
            Self::MalformedRequestLine => "malformed_request_line",
            Self::MalformedStatusLine => "malformed_status_line",
            Self::UnsupportedVersion => "unsupported_version",
            Self::ObsFold => "obs_fold",
            Self::SpaceBeforeColon => "space_before_colon",
            Self::EmptyFieldName => "empty_field_name",
            Self::BadFieldName => "bad_field_name",
            Self::LengthAndEncoding => "length_and_encoding",
            Self::RepeatedContentLength => "repeated_content_length",
            Self::BadContentLength => "bad_content_length",
            Self::RepeatedTransferEncoding => "repeated_transfer_encoding",
            Self::UnknownTransferEncoding => "unknown_transfer_encoding",
            Self::EncodingInHttp10 => "encoding_in_http10",
            Self::LengthLookalike => "length_lookalike",
            Self::BodyNotAllowed => "body_not_allowed",
            Self::BadChunkSize => "bad_chunk_size",
            Self::BadChunkEnd => "bad_chunk_end",
            Self::ForbiddenTrailer => "forbidden_trailer",
        }
    }

    /// The reason for `byte` where something else was expected: a line end or a control byte names
    /// itself, anything else is `otherwise`.
    pub(super) fn of(byte: u8, otherwise: Self) -> Self {
        match byte {
            b'\n' => Self::BareLf,
            b'\t' => otherwise,
            0..0x20 | 0x7f if byte != b'\r' => Self::ControlByte,
            _ => otherwise,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
