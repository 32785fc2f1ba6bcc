//! Messages that are written and then cut anyhow come back.

use bytes::Bytes;
use proptest::prelude::*;

use super::super::{
    Assembled, DEFAULT_HEAD_LIMIT, Finished, Headers, RequestAssembler, RequestMessage,
    ResponseAssembler, ResponseMessage,
};
use super::*;

/// A message as a generator made it.
#[derive(Clone, Debug)]
struct Made {
    first_line: String,
    fields: Vec<(String, String)>,
    body: Vec<u8>,
    /// Without chunks the length is announced.
    chunks: Option<Chunks>,
}

#[derive(Clone, Debug)]
struct Chunks {
    sizes: Vec<usize>,
    extension: String,
    trailers: Vec<(String, String)>,
}

impl Made {
    /// The message in bytes; a bodyless one (`bare`) announces nothing.
    fn write(&self, bare: bool, out: &mut Vec<u8>) {
        let mut head = self.first_line.clone() + "\r\n";
        for (name, value) in &self.fields {
            head += &format!("{name}:{value}\r\n");
        }
        match &self.chunks {
            _ if bare => head += "\r\n",
            None => head += &format!("Content-Length: {}\r\n\r\n", self.body.len()),
            Some(_) => head += "transfer-encoding: CHUNKED\r\n\r\n",
        }
        out.extend(head.as_bytes());
        let Some(Chunks { sizes, extension, trailers }) = &self.chunks else {
            return out.extend(&self.body);
        };
        let mut rest = self.body.as_slice();
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = sizes.next().map_or(rest.len(), |size| (*size).clamp(1, rest.len()));
            out.extend(format!("{size:X}{extension}\r\n").as_bytes());
            out.extend(&rest[..size]);
            out.extend(b"\r\n");
            rest = &rest[size..];
        }
        out.extend(format!("0{extension}\r\n").as_bytes());
        for (name, value) in trailers {
            out.extend(format!("{name}:{value}\r\n").as_bytes());
        }
        out.extend(b"\r\n");
    }

    fn fields_are(&self, headers: &Headers) -> bool {
        same_fields(&self.fields, headers.iter().take(self.fields.len()))
    }

    fn trailers_are(&self, trailers: &Headers) -> bool {
        let expected = self.chunks.as_ref().map_or(&[][..], |chunks| &chunks.trailers);
        expected.len() == trailers.len() && same_fields(expected, trailers.iter())
    }
}

fn same_fields<'a>(
    expected: &[(String, String)],
    fields: impl Iterator<Item = &'a (Bytes, Bytes)>,
) -> bool {
    expected.iter().zip(fields).all(|((name, value), (seen, was))| {
        seen == name.as_bytes() && was == value.trim_matches([' ', '\t']).as_bytes()
    })
}

/// Fields that say nothing about boundaries.
fn made_fields() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("X-[A-Za-z0-9_!-]{1,10}", "[ \t]?[ -~\u{e9}]{0,30}"), 0..6)
}

fn made(first_line: impl Strategy<Value = String>) -> impl Strategy<Value = Made> {
    let chunks = (
        prop::collection::vec(1..3000usize, 1..6),
        prop_oneof![Just(String::new()), Just(";a=\"b c\"".to_string())],
        made_fields(),
    )
        .prop_map(|(sizes, extension, trailers)| Chunks { sizes, extension, trailers });
    let body = prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..60),
        1 => prop::collection::vec(any::<u8>(), 1000..5000),
    ];
    (first_line, made_fields(), body, prop::option::of(chunks))
        .prop_map(|(first_line, fields, body, chunks)| Made { first_line, fields, body, chunks })
}

fn made_request() -> impl Strategy<Value = Made> {
    made("(POST|PUT|DELETE|GET|X!y) /[!-~]{0,30} HTTP/1[.]1")
}

fn made_response() -> impl Strategy<Value = Made> {
    made("HTTP/1[.]1 (200|201|400|404|503)( [ -~]{0,12})?")
}

fn assemble_requests(parts: &[&[u8]], limit: usize) -> Vec<RequestMessage> {
    let mut assembler = RequestAssembler::new(DEFAULT_HEAD_LIMIT, limit);
    let mut messages = Vec::new();
    for part in parts {
        let mut input = Bytes::copy_from_slice(part);
        while let Some(item) = assembler.next(&mut input) {
            match item {
                Assembled::Message(message) => messages.push(message),
                Assembled::Opaque(reason) => unreachable!("{reason}"),
            }
        }
        assert!(input.is_empty());
    }
    assert_eq!(assembler.finish(), Finished::Nothing);
    messages
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn pipelines_of_requests_come_back(
        made in prop::collection::vec(made_request(), 0..5),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
        limit in prop_oneof![Just(usize::MAX), 0..2000usize],
    ) {
        let mut stream = Vec::new();
        made.iter().for_each(|made| made.write(false, &mut stream));
        let messages = assemble_requests(&cut(&stream, &cuts), limit);
        prop_assert_eq!(messages.len(), made.len());
        for (message, made) in messages.iter().zip(&made) {
            let line = [&message.method_bytes, &b" "[..], &message.target, b" HTTP/1.1"].concat();
            prop_assert_eq!(line, made.first_line.as_bytes());
            prop_assert!(made.fields_are(&message.headers), "{:?} {:?}", made, message);
            prop_assert!(made.trailers_are(&message.trailers), "{:?} {:?}", made, message);
            let kept = made.body.len().min(limit);
            prop_assert_eq!(message.body.to_bytes(), &made.body[..kept]);
            prop_assert_eq!(message.body.len, made.body.len() as u64);
            prop_assert_eq!(message.body.truncated, kept < made.body.len());
            prop_assert!(message.complete);
        }
    }

    #[test]
    fn pipelines_of_responses_come_back(
        made in prop::collection::vec((made_response(), any::<bool>(), any::<bool>()), 0..5),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let mut stream = Vec::new();
        for (made, to_head, interim) in &made {
            if *interim {
                stream.extend(b"HTTP/1.1 100 Continue\r\ncontent-length: 0\r\n\r\n");
            }
            let mut made = made.clone();
            if *to_head {
                made.body.clear();
                made.chunks = None;
            }
            made.write(*to_head, &mut stream);
        }
        let mut assembler = ResponseAssembler::new(DEFAULT_HEAD_LIMIT, usize::MAX);
        let mut messages: Vec<ResponseMessage> = Vec::new();
        let mut interims = 0;
        for part in cut(&stream, &cuts) {
            let mut input = Bytes::copy_from_slice(part);
            loop {
                let to_head = made.get(messages.len()).is_some_and(|(_, to_head, _)| *to_head);
                let method = if to_head { Method::Head } else { Method::Post };
                match assembler.next(&mut input, method) {
                    None => break,
                    Some(Assembled::Message(message)) if message.interim => interims += 1,
                    Some(Assembled::Message(message)) => messages.push(message),
                    Some(Assembled::Opaque(reason)) => prop_assert!(false, "{}", reason),
                }
            }
        }
        prop_assert_eq!(assembler.finish(), Finished::Nothing);
        prop_assert_eq!(messages.len(), made.len());
        prop_assert_eq!(interims, made.iter().filter(|(_, _, interim)| *interim).count());
        for (message, (made, to_head, _)) in messages.iter().zip(&made) {
            prop_assert_eq!(message.status.to_string(), &made.first_line[9..12]);
            prop_assert_eq!(&message.reason, made.first_line.get(13..).unwrap_or("").as_bytes());
            prop_assert!(made.fields_are(&message.headers));
            let body = if *to_head { &[][..] } else { &made.body };
            prop_assert_eq!(message.body.to_bytes(), body);
            prop_assert!(*to_head || made.trailers_are(&message.trailers));
        }
    }
}

#[test]
fn what_the_end_of_a_stream_leaves() {
    let requests = |stream: &'static str| {
        let mut assembler = RequestAssembler::new(DEFAULT_HEAD_LIMIT, 100);
        let mut input = Bytes::from_static(stream.as_bytes());
        while let Some(item) = assembler.next(&mut input) {
            assert!(matches!(item, Assembled::Opaque(_)));
        }
        assembler.finish()
    };
    assert_eq!(requests(""), Finished::Nothing);
    assert_eq!(requests("PUT / HTTP/1.1\r\nContent-"), Finished::PartialHead);
    for stream in [
        "PUT /a HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc",
        "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n7",
        "PUT /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx",
    ] {
        let Finished::Message(request) = requests(stream) else { unreachable!() };
        assert!(!request.complete);
        assert_eq!((&request.target[..], &request.body.to_bytes()[..]), (&b"/a"[..], &b"abc"[..]));
    }

    let responses = |stream: &'static str| {
        let mut assembler = ResponseAssembler::new(DEFAULT_HEAD_LIMIT, 100);
        assert_eq!(assembler.next(&mut Bytes::from_static(stream.as_bytes()), Method::Get), None);
        assembler.finish()
    };
    let complete = |finished| match finished {
        Finished::Message(ResponseMessage { complete, .. }) => complete,
        other => unreachable!("{other:?}"),
    };
    assert!(complete(responses("HTTP/1.1 200 OK\r\n\r\nabc")));
    assert!(!complete(responses("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")));
    assert_eq!(responses("HTTP/1.1 2"), Finished::PartialHead);
}

#[test]
fn headers_are_found_whatever_their_case() {
    let stream = b"GET / HTTP/1.1\r\nAccept: a\r\nACCEPT:  b \r\nTE: x, Trailers\r\n\r\n";
    let headers = &assemble_requests(&[stream], 0)[0].headers;
    assert_eq!(headers.get("accept").map(|value| &value[..]), Some(&b"a"[..]));
    assert_eq!(headers.get("accep"), None);
    assert_eq!(headers.iter().map(|(_, value)| value.len()).collect::<Vec<_>>(), [1, 1, 11]);
    assert!(headers.has_token("te", "trailers") && !headers.has_token("te", "trail"));
}

#[test]
fn small_pieces_are_kept_together_and_large_ones_are_not_copied() {
    let mut stream = b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    (0..500).for_each(|_| stream.extend(b"1\r\nx\r\n"));
    stream.extend(b"1000\r\n");
    let large = stream.len();
    stream.extend([b'y'; 0x1000]);
    stream.extend(b"\r\n0\r\n\r\n");
    let stream = Bytes::from(stream);
    let mut assembler = RequestAssembler::new(DEFAULT_HEAD_LIMIT, usize::MAX);
    let Some(Assembled::Message(request)) = assembler.next(&mut stream.clone()) else {
        unreachable!()
    };
    assert_eq!(request.body.parts.len(), 2);
    assert_eq!(request.body.parts[1].as_ptr(), stream[large..].as_ptr());
}

#[test]
fn an_upgrade_answers_and_ends_the_boundaries() {
    let stream = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n\0\0";
    let mut input = Bytes::from_static(stream.as_bytes());
    let mut assembler = ResponseAssembler::new(DEFAULT_HEAD_LIMIT, 100);
    let first = assembler.next(&mut input, Method::Get);
    assert!(matches!(first, Some(Assembled::Message(m)) if m.status == 101 && m.complete));
    let second = assembler.next(&mut input, Method::Get);
    assert_eq!(second, Some(Assembled::Opaque(Reason::Upgraded)));
    assert_eq!(assembler.next(&mut input, Method::Get), None);
    assert!(input.is_empty());
}
