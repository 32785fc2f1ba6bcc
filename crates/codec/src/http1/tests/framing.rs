//! What well-formed messages mean.

use super::super::{DEFAULT_HEAD_LIMIT, RequestHead, ResponseHead, Version};
use super::*;

fn request_head<T>(input: &str, check: impl FnOnce(RequestHead<'_>) -> T) -> T {
    let mut framer = RequestFramer::default();
    match framer.advance(input.as_bytes()) {
        (_, Some(Event::Head(head))) => check(head),
        other => unreachable!("{other:?}"),
    }
}

fn response_head<T>(input: &str, to: Method, check: impl FnOnce(ResponseHead<'_>) -> T) -> T {
    let mut framer = ResponseFramer::default();
    match framer.advance(input.as_bytes(), to) {
        (_, Some(Event::Head(head))) => check(head),
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn a_request_head_tells_everything() {
    let input = "\r\nPOST /logs/_doc?refresh HTTP/1.1\r\nHost: a\r\nEXPECT: 100-Continue\r\n\
                 Content-Length: 12\r\n\r\n{\"a\":1}";
    request_head(input, |head| {
        assert_eq!(head.method, Method::Post);
        assert_eq!(head.method_bytes, b"POST");
        assert_eq!(head.target, b"/logs/_doc?refresh");
        assert_eq!(head.version, Version::Http11);
        assert_eq!(head.framing, Framing::Length(12));
        assert_eq!(head.first_line_len, 34);
        assert_eq!(head.len, head.bytes.len() + 2);
        assert!(head.expect_continue && head.keep_alive && !head.upgrade);
        assert!(head.bytes.starts_with(b"POST"));
    });
}

#[test]
fn connection_fields() {
    let keep_alive = |lines: &str| request_head(lines, |head| head.keep_alive);
    assert!(keep_alive("GET / HTTP/1.1\r\n\r\n"));
    assert!(!keep_alive("GET / HTTP/1.1\r\nConnection: Close\r\n\r\n"));
    assert!(!keep_alive("GET / HTTP/1.1\r\nConnection: te, close\r\n\r\n"));
    assert!(!keep_alive("GET / HTTP/1.0\r\n\r\n"));
    assert!(keep_alive("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"));
    let upgrade = "GET / HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\r\n";
    assert!(request_head(upgrade, |head| head.upgrade));
    // A server may take the field alone for a wish to upgrade.
    assert!(request_head("GET / HTTP/1.1\r\nUpgrade: websocket\r\n\r\n", |head| head.upgrade));
}

#[test]
fn request_framing() {
    let framing = |lines: &str| request_head(lines, |head| head.framing);
    assert_eq!(framing("GET / HTTP/1.1\r\n\r\n"), Framing::None);
    assert_eq!(framing("GET / HTTP/1.1\r\ncontent-length:0\r\n\r\n"), Framing::Length(0));
    assert_eq!(framing("PUT / HTTP/1.1\r\ncontent-length:   007\r\n\r\n"), Framing::Length(7));
    let largest = format!("PUT / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", i64::MAX);
    assert_eq!(framing(&largest), Framing::Length(i64::MAX as u64));
    let chunked = "PUT / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n";
    assert_eq!(framing(chunked), Framing::Chunked);
}

#[test]
fn response_framing() {
    let framing = |lines: &str, to| response_head(lines, to, |head| head.framing);
    let length = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
    assert_eq!(framing(length, Method::Get), Framing::Length(5));
    assert_eq!(framing(length, Method::Head), Framing::None);
    let chunked = "HTTP/1.1 404 \r\ntransfer-encoding: chunked\r\n\r\n";
    assert_eq!(framing(chunked, Method::Get), Framing::Chunked);
    assert_eq!(framing(chunked, Method::Head), Framing::None);
    assert_eq!(framing("HTTP/1.1 200\r\n\r\n", Method::Get), Framing::UntilClose);
    assert_eq!(framing("HTTP/1.1 204 No Content\r\n\r\n", Method::Put), Framing::None);
    let not_modified = "HTTP/1.1 304 Not Modified\r\nContent-Length: 900\r\n\r\n";
    assert_eq!(framing(not_modified, Method::Get), Framing::None);
    let go_on = "HTTP/1.1 100 Continue\r\ncontent-length: 0\r\n\r\n";
    assert!(response_head(go_on, Method::Post, |head| head.interim && !head.upgrade));
    response_head("HTTP/1.0 503 Not now, sorry\r\n\r\n", Method::Get, |head| {
        assert_eq!((head.status, head.version), (503, Version::Http10));
        assert_eq!(head.reason, b"Not now, sorry");
        assert!(!head.keep_alive && !head.interim && !head.upgrade);
    });
}

#[test]
fn pipelined_requests_end_where_they_end() {
    let first = b"GET /a HTTP/1.1\r\n\r\n".as_slice();
    let second = b"POST /b HTTP/1.1\r\nContent-Length: 3\r\n\r\n".as_slice();
    let third = b"\r\nPUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".as_slice();
    let chunks = b"3;a=\"b\"\r\nxyz\r\n0A\r\n0123456789\r\n0\r\nX-Sum: 1\r\n\r\n".as_slice();
    let stream = [first, second, b"abc", third, chunks].concat();
    let (seen, eof) = requests(&[&stream], DEFAULT_HEAD_LIMIT);
    let head = |at, head: &[u8], framing| Seen::Head { at, head: head.to_vec(), framing };
    let a = first.len();
    let b = a + second.len();
    let c = b + 3 + third.len();
    let expected = [
        head(a, first, Framing::None),
        Seen::End { at: a },
        head(b, second, Framing::Length(3)),
        Seen::End { at: b + 3 },
        head(c, &third[2..], Framing::Chunked),
        Seen::End { at: c + chunks.len() },
    ];
    assert_eq!(seen, expected);
    assert_eq!(eof, Eof::Idle);
}

#[test]
fn responses_follow_their_requests() {
    let stream = "HTTP/1.1 100 Continue\r\n\r\n\
                  HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}\
                  HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\
                  HTTP/1.1 200 OK\r\n\r\nuntil the end";
    let methods = [Method::Put, Method::Head, Method::Get];
    let (seen, eof) = responses(&[stream.as_bytes()], &methods, DEFAULT_HEAD_LIMIT);
    let framings: Vec<_> = seen
        .iter()
        .map(|seen| match seen {
            Seen::Head { framing, .. } => Some(*framing),
            _ => None,
        })
        .collect();
    let expected = [
        Some(Framing::None), // the interim response has no end
        Some(Framing::Length(2)),
        None,
        Some(Framing::None),
        None,
        Some(Framing::UntilClose),
    ];
    assert_eq!(framings, expected);
    assert_eq!(eof, Eof::End);
}

#[test]
fn after_a_101_nothing_has_boundaries() {
    let stream = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
    let (seen, eof) = responses(&[stream], &[Method::Get], DEFAULT_HEAD_LIMIT);
    assert!(matches!(seen[0], Seen::Head { at: 50, .. }), "{seen:?}");
    assert_eq!(seen[1..], [Seen::Opaque(Reason::Upgraded)]);
    assert_eq!(eof, Eof::Opaque(Reason::Upgraded));

    let mut framer = RequestFramer::default();
    framer.make_opaque(Reason::Upgraded);
    assert_eq!(framer.advance(b"GET / HTTP/1.1\r\n\r\n"), (18, None));
    assert_eq!(framer.opaque(), Some(Reason::Upgraded));
}

/// A 101 that names nothing, which none should, is taken for the one whose secrets can't be found.
#[test]
fn what_follows_a_101_is_http2_unless_it_names_something_else() {
    for (head, expected) in [
        ("HTTP/1.1 101 S\r\nConnection: Upgrade\r\nUPGRADE: h2c\r\n\r\n", true),
        ("HTTP/1.1 101 S\r\nupgrade: H2C, x\r\n\r\n", true),
        ("HTTP/1.1 101 S\r\nupgrade: websocket\r\n\r\n", false),
        ("HTTP/1.1 101 S\r\n\r\n", true),
        ("HTTP/1.1 200 S\r\nupgrade: h2c\r\n\r\n", false),
        ("HTTP/1.1 426 S\r\nupgrade: h2c\r\n\r\n", false),
    ] {
        let mut framer = ResponseFramer::default();
        let (_, event) = framer.advance(head.as_bytes(), Method::Get);
        let Some(Event::Head(parsed)) = event else { panic!("{head}") };
        assert_eq!(parsed.begins_http2(), expected, "{head}");
    }
}

#[test]
fn how_much_of_a_trailer_section_has_come_is_known_until_it_ends() {
    let body = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n";
    let trailers = b"a: b\r\nc: d\r\n\r\n";
    for cut in 0..trailers.len() {
        let mut framer = RequestFramer::default();
        let first = [&body[..], &trailers[..cut]].concat();
        let (head, _) = framer.advance(&first);
        assert_eq!(framer.open_trailers(), 0);
        assert_eq!(framer.advance(&first[head..]), (first.len() - head, None));
        assert_eq!(framer.open_trailers(), cut);
        assert_eq!(framer.advance(&trailers[cut..]), (trailers.len() - cut, Some(Event::End)));
        assert_eq!((framer.trailers(), framer.open_trailers()), (&trailers[..], 0));
    }
    // An empty one holds nothing back.
    let mut framer = RequestFramer::default();
    let first = [&body[..], b"\r"].concat();
    let (head, _) = framer.advance(&first);
    assert_eq!(framer.advance(&first[head..]), (first.len() - head, None));
    assert_eq!(framer.open_trailers(), 0);
}

#[test]
fn the_request_line_is_there_before_the_head_is() {
    let mut framer = RequestFramer::default();
    assert_eq!(framer.request_line(), None);
    assert_eq!(framer.advance(b"\r\nDELETE /inde"), (14, None));
    assert_eq!(framer.request_line(), None);
    assert_eq!(framer.advance(b"x?a=b HTTP/1.1\r\nHo"), (18, None));
    assert_eq!(framer.request_line(), Some((&b"DELETE"[..], &b"/index?a=b"[..])));
    let (consumed, event) = framer.advance(b"st: a\r\n\r\nGET");
    assert!(matches!(event, Some(Event::Head(head)) if head.target == b"/index?a=b"));
    assert_eq!(consumed, 9);
    assert_eq!(framer.request_line(), None);
    assert_eq!(framer.advance(b"GET"), (0, Some(Event::End)));
}

#[test]
fn the_end_of_a_stream() {
    let eof = |stream: &str| requests(&[stream.as_bytes()], DEFAULT_HEAD_LIMIT).1;
    assert_eq!(eof(""), Eof::Idle);
    assert_eq!(eof("GET / HTTP/1.1\r\n\r\n\r\n"), Eof::Idle);
    assert_eq!(eof("G"), Eof::Truncated);
    assert_eq!(eof("GET / HTTP/1.1\r\n"), Eof::Truncated);
    assert_eq!(eof("PUT / HTTP/1.1\r\nContent-Length: 2\r\n\r\n1"), Eof::Truncated);
    assert_eq!(eof("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"), Eof::Truncated);
    assert_eq!(eof("\n"), Eof::Opaque(Reason::BareLf));
}

#[test]
fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
    let head = b"GET / HTTP/1.1\r\nA: b\r\n\r\n".as_slice();
    for parts in [vec![head], head.chunks(1).collect(), head.chunks(7).collect()] {
        let (seen, _) = requests(&parts, head.len());
        assert!(matches!(seen[..], [Seen::Head { .. }, Seen::End { .. }]), "{seen:?}");
        let (seen, _) = requests(&parts, head.len() - 1);
        assert_eq!(seen, [Seen::Opaque(Reason::HeadTooLarge)]);
    }
    let trailers = format!(
        "PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: {}\r\n\r\n",
        "x".repeat(100)
    );
    let (seen, _) = requests(&[trailers.as_bytes()], 100);
    assert_eq!(seen.last(), Some(&Seen::Opaque(Reason::HeadTooLarge)));
}
