//! The known ways to make two servers disagree about where a message ends, each with the reason for
//! which the connection turns opaque. The cases are classes of public request smuggling corpora.

use super::super::DEFAULT_HEAD_LIMIT;
use super::*;
use Reason::*;

/// Whole head blocks of a request, after `POST / HTTP/1.1\r\nHost: a\r\n`.
const FIELDS: &[(&str, Reason)] = &[
    // two lengths
    ("Content-Length: 6\r\nTransfer-Encoding: chunked", LengthAndEncoding), // CL.TE
    ("Transfer-Encoding: chunked\r\nContent-Length: 6", LengthAndEncoding), // TE.CL
    ("Content-Length: 0\r\nTransfer-Encoding: chunked", LengthAndEncoding),
    ("Content-Length: 5\r\nContent-Length: 6", RepeatedContentLength),
    ("Content-Length: 5\r\nContent-Length: 5", RepeatedContentLength),
    ("Content-Length: 5\r\ncontent-length: 0", RepeatedContentLength),
    // lengths that are read differently
    ("Content-Length: 5, 5", BadContentLength),
    ("Content-Length: 5,6", BadContentLength),
    ("Content-Length: +5", BadContentLength),
    ("Content-Length: -5", BadContentLength),
    ("Content-Length: 5 5", BadContentLength),
    ("Content-Length: 5 ", BadContentLength),
    ("Content-Length:\t5", BadContentLength),
    ("Content-Length: 0x5", BadContentLength),
    ("Content-Length: 5_0", BadContentLength),
    ("Content-Length: 5e0", BadContentLength),
    ("Content-Length: 5.0", BadContentLength),
    ("Content-Length: \"5\"", BadContentLength),
    ("Content-Length:", BadContentLength),
    ("Content-Length:  ", BadContentLength),
    ("Content-Length: 9223372036854775808", BadContentLength),
    ("Content-Length: 18446744073709551621", BadContentLength),
    ("Content-Length: 00000000000000000005", BadContentLength),
    ("Content-Length: \u{662}", BadContentLength),
    // encodings, TE.TE
    ("Transfer-Encoding: xchunked", UnknownTransferEncoding),
    ("Transfer-Encoding: chunkedx", UnknownTransferEncoding),
    ("Transfer-Encoding: chunk", UnknownTransferEncoding),
    ("Transfer-Encoding: identity", UnknownTransferEncoding),
    ("Transfer-Encoding: gzip, chunked", UnknownTransferEncoding),
    ("Transfer-Encoding: chunked, identity", UnknownTransferEncoding),
    ("Transfer-Encoding: chunked, chunked", UnknownTransferEncoding),
    ("Transfer-Encoding: chunked,", UnknownTransferEncoding),
    ("Transfer-Encoding: ,chunked", UnknownTransferEncoding),
    ("Transfer-Encoding: chunked;q=1", UnknownTransferEncoding),
    ("Transfer-Encoding: \"chunked\"", UnknownTransferEncoding),
    ("Transfer-Encoding: 'chunked'", UnknownTransferEncoding),
    ("Transfer-Encoding:\tchunked", UnknownTransferEncoding),
    ("Transfer-Encoding: chunked\t", UnknownTransferEncoding),
    ("Transfer-Encoding: chunked ", UnknownTransferEncoding),
    ("Transfer-Encoding:", UnknownTransferEncoding),
    ("Transfer-Encoding: \u{a0}chunked", UnknownTransferEncoding),
    ("Transfer-Encoding: chun\u{212a}ed", UnknownTransferEncoding), // the Kelvin sign
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", RepeatedTransferEncoding),
    ("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked", UnknownTransferEncoding),
    ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", RepeatedTransferEncoding),
    ("Transfer-Encoding: \x0bchunked", ControlByte),
    ("Transfer-Encoding: chunked\x0c", ControlByte),
    ("Transfer-Encoding: chunked\0", ControlByte),
    ("Transfer-Encoding: \x7fchunked", ControlByte),
    ("Content-Length: 5\0", ControlByte),
    ("Transfer-Encoding\0: chunked", ControlByte),
    ("\x1fTransfer-Encoding: chunked", ControlByte),
    // expectations that Netty's server answers with 417, after which the body is a request
    ("Expect: x\r\nContent-Length: 5", UnknownExpectation),
    ("Content-Length: 5\r\nexpect:", UnknownExpectation),
    ("Expect: 100-continue, x\r\nContent-Length: 5", UnknownExpectation),
    ("Expect: 100-continue\r\nExpect: 100-continue", UnknownExpectation),
    ("Expect: 100-continue\r\nExpect: x", UnknownExpectation),
    ("Expect: 100-continue;q=1", UnknownExpectation),
    // names
    ("Transfer-Encoding : chunked", SpaceBeforeColon),
    ("Transfer-Encoding\t: chunked", SpaceBeforeColon),
    ("Content-Length : 5", SpaceBeforeColon),
    ("Transfer_Encoding: chunked", LengthLookalike),
    ("Content_Length: 5", LengthLookalike),
    ("Transfer-Encoding", BadFieldName),
    ("Transfer\\Encoding: chunked", BadFieldName),
    ("\u{ff34}ransfer-Encoding: chunked", BadFieldName),
    ("(Transfer-Encoding): chunked", BadFieldName),
    ("[a]: b", BadFieldName),
    ("@: b", BadFieldName),
    (": b", EmptyFieldName),
    // lines
    (" Transfer-Encoding: chunked", ObsFold),
    ("\tTransfer-Encoding: chunked", ObsFold),
    ("A: b\r\n Transfer-Encoding: chunked", ObsFold),
    ("Transfer-Encoding:\r\n chunked", ObsFold),
    ("Content-Length:\r\n\t5", ObsFold),
    ("A: b\nTransfer-Encoding: chunked", BareLf),
    ("A: b\n\nGET / HTTP/1.1", BareLf),
    ("A\n: b", BareLf),
    ("\nA: b", BareLf),
    ("A: b\rTransfer-Encoding: chunked", BareCr),
    ("A: b\r\r\nTransfer-Encoding: chunked", BareCr),
    ("A: \rb", BareCr),
    ("\rA: b", BareCr),
];

/// Whole streams.
const STREAMS: &[(&str, Reason)] = &[
    ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", EncodingInHttp10),
    ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Http2Preface),
    ("GET * HTTP/2.0\r\n\r\n", UnsupportedVersion),
    ("GET / HTTP/1.2\r\n\r\n", UnsupportedVersion),
    ("GET / HTTP/0.9\r\n\r\n", UnsupportedVersion),
    ("GET / http/1.1\r\n\r\n", MalformedRequestLine),
    ("GET / HTTP/1.1 \r\n\r\n", MalformedRequestLine),
    ("GET / HTTP/1.11\r\n\r\n", MalformedRequestLine),
    ("GET / HTTP/1\r\n\r\n", MalformedRequestLine),
    ("GET / HTTP/+1.1\r\n\r\n", MalformedRequestLine),
    ("GET / \r\n\r\n", MalformedRequestLine),
    ("GET /\r\n\r\n", MalformedRequestLine),
    ("GET\r\n\r\n", MalformedRequestLine),
    ("GET  / HTTP/1.1\r\n\r\n", MalformedRequestLine),
    ("GET /  HTTP/1.1\r\n\r\n", MalformedRequestLine),
    ("GET /a b HTTP/1.1\r\n\r\n", MalformedRequestLine),
    ("GET\t/ HTTP/1.1\r\n\r\n", MalformedRequestLine),
    ("GET /\tHTTP/1.1\r\n\r\n", MalformedRequestLine),
    (" GET / HTTP/1.1\r\n\r\n", MalformedRequestLine),
    ("G(T / HTTP/1.1\r\n\r\n", MalformedRequestLine),
    ("GET / HTTP/1.1\n\r\n", BareLf),
    ("GET /\n", BareLf),
    ("GET / HTTP/1.1\r\r\n", BareCr),
    ("GET /\0 HTTP/1.1\r\n\r\n", ControlByte),
    ("\0GET / HTTP/1.1\r\n\r\n", ControlByte),
    ("\x16\x03\x01\x02\0\x01\0", ControlByte), // a TLS client on a plaintext port
    ("\nGET / HTTP/1.1\r\n\r\n", BareLf),
    ("\rGET / HTTP/1.1\r\n\r\n", BareCr),
    ("\r\n\r\nGET / HTTP/1.1\r\n\r\n", EmptyLines),
    ("GET / HTTP/1.1\r\n X: y\r\n\r\n", ObsFold),
    ("CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", Connect),
];

/// Chunked bodies.
const CHUNKS: &[(&str, Reason)] = &[
    ("\r\n", BadChunkSize),
    (";ext\r\n", BadChunkSize),
    ("g\r\n", BadChunkSize),
    ("0x5\r\n", BadChunkSize),
    ("+5\r\n", BadChunkSize),
    ("-1\r\n", BadChunkSize),
    (" 5\r\n", BadChunkSize),
    ("5 \r\n", BadChunkSize),
    ("5 ;a\r\n", BadChunkSize),
    ("5\t\r\n", BadChunkSize),
    ("5 a\r\n", BadChunkSize),
    ("5_0\r\n", BadChunkSize),
    ("5\0\r\n", BadChunkSize),
    ("00000000000000005\r\n", BadChunkSize), // 17 digits
    ("8000000000000000\r\n", BadChunkSize),
    ("ffffffffffffffff\r\n", BadChunkSize),
    ("10000000000000000\r\n", BadChunkSize),
    ("5\nabcde\r\n0\r\n\r\n", BareLf),
    ("5\rabcde", BareCr),
    ("5;a\nabcde", BareLf), // TERM.EXT
    ("5;a\rabcde", BareCr),
    ("5;a\0\r\n", ControlByte),
    ("5\r\nabcdef\r\n", BadChunkEnd),
    ("5\r\nabcde0\r\n\r\n", BadChunkEnd),
    ("5\r\nabcde\n", BadChunkEnd),
    ("5\r\nabcde\r0\r\n", BadChunkEnd),
    ("5\r\nabcde\r\n\r\n", BadChunkSize),
    ("0\r\nContent-Length: 5\r\n\r\n", ForbiddenTrailer),
    ("0\r\nA: b\r\ntransfer-encoding: chunked\r\n\r\n", ForbiddenTrailer),
    ("0\r\nContent_Length: 5\r\n\r\n", ForbiddenTrailer),
    ("0\r\nA : b\r\n\r\n", SpaceBeforeColon),
    ("0\r\nA: b\n\r\n", BareLf),
    ("0\r\n\n", BareLf),
    ("0\r\n A: b\r\n\r\n", ObsFold),
    ("0\r\n\rX", BareCr),
    ("0\r\nGET / HTTP/1.1\r\n\r\n", SpaceBeforeColon),
];

/// Whole response streams, to a GET.
const RESPONSES: &[(&str, Reason)] = &[
    (
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
        LengthAndEncoding,
    ),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", RepeatedContentLength),
    ("HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n", BadContentLength),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", UnknownTransferEncoding),
    ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", EncodingInHttp10),
    ("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n", BodyNotAllowed),
    ("HTTP/1.1 100 Continue\r\nContent-Length: 5\r\n\r\n", BodyNotAllowed),
    ("HTTP/1.1 099 No\r\n\r\n", MalformedStatusLine),
    ("HTTP/1.1 20 OK\r\n\r\n", MalformedStatusLine),
    ("HTTP/1.1 2000 OK\r\n\r\n", MalformedStatusLine),
    ("HTTP/1.1  200 OK\r\n\r\n", MalformedStatusLine),
    ("HTTP/1.1\t200 OK\r\n\r\n", MalformedStatusLine),
    ("HTTP/2 200\r\n\r\n", UnsupportedVersion),
    ("ICY 200 OK\r\n\r\n", MalformedStatusLine),
    ("\r\nHTTP/1.1 200 OK\r\n\r\n", MalformedStatusLine),
    ("HTTP/1.1 200 OK\n\n", BareLf),
    ("HTTP/1.1 200 \0\r\n\r\n", ControlByte),
    ("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", SpaceBeforeColon),
    ("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", ObsFold),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;a\nabcde", BareLf),
];

/// `stream` turns opaque for `reason`, however it arrives, and stays so.
fn check(stream: &str, reason: Reason, frame: impl Fn(&[&[u8]]) -> (Vec<Seen>, Eof)) {
    let after = b"GET /smuggled HTTP/1.1\r\n\r\n".as_slice();
    let one_by_one: Vec<&[u8]> = stream.as_bytes().chunks(1).chain([after]).collect();
    for parts in [vec![stream.as_bytes(), after], one_by_one] {
        let (seen, eof) = frame(&parts);
        assert_eq!(seen.last(), Some(&Seen::Opaque(reason)), "{stream:?}");
        assert_eq!(eof, Eof::Opaque(reason), "{stream:?}");
    }
}

#[test]
fn ambiguous_requests_are_opaque() {
    let frame = |parts: &[&[u8]]| requests(parts, DEFAULT_HEAD_LIMIT);
    for (fields, reason) in FIELDS {
        let stream = format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n");
        check(&stream, *reason, frame);
        assert_eq!(frame(&[stream.as_bytes()]).0.len(), 1, "{fields:?} has no head");
    }
    for (stream, reason) in STREAMS {
        check(stream, *reason, frame);
    }
    for (chunks, reason) in CHUNKS {
        let stream = format!("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
        check(&stream, *reason, frame);
    }
}

#[test]
fn ambiguous_responses_are_opaque() {
    for (stream, reason) in RESPONSES {
        check(stream, *reason, |parts| responses(parts, &[Method::Get], DEFAULT_HEAD_LIMIT));
    }
    let connected = "HTTP/1.1 200 Connected\r\n\r\n";
    check(connected, Connect, |parts| responses(parts, &[Method::Connect], DEFAULT_HEAD_LIMIT));
}
