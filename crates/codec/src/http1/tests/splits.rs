//! Any cut of any stream gives the same events.

use proptest::prelude::*;

use super::super::DEFAULT_HEAD_LIMIT;
use super::*;

/// One request or response in many shapes, most of them well-formed.
fn head_lines() -> impl Strategy<Value = String> {
    let field = prop_oneof![
        8 => "[A-Za-z-]{1,12}: [ -~]{0,20}",
        1 => Just("Content-Length: 3".to_string()),
        1 => Just("Transfer-Encoding: chunked".to_string()),
        1 => Just("Connection: close".to_string()),
        1 => "[ -~\t\n\r\0]{1,12}",
    ];
    prop::collection::vec(field, 0..5).prop_map(|fields| fields.join("\r\n") + "\r\n\r\n")
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let chunk = prop::collection::vec(any::<u8>(), 1..40).prop_map(|data| {
        let size = format!("{:x};e=\"x\"\r\n", data.len());
        [size.as_bytes(), &data, b"\r\n"].concat()
    });
    let last =
        prop_oneof![Just(b"0\r\n\r\n".to_vec()), Just(b"00;x\r\nA: b\r\nC: d\r\n\r\n".to_vec()),];
    prop_oneof![
        Just(Vec::new()),
        Just(b"abc".to_vec()),
        (prop::collection::vec(chunk, 0..4), last).prop_map(|(chunks, last)| [
            chunks.concat(),
            last
        ]
        .concat()),
        prop::collection::vec(any::<u8>(), 0..30),
    ]
}

fn request_stream() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => Just("POST /a HTTP/1.1\r\n".to_string()),
        1 => Just("\r\nGET /b?c=%2F HTTP/1.0\r\n".to_string()),
        1 => "[ -~\r\n]{0,20}",
    ];
    stream_of(line)
}

fn response_stream() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        4 => Just("HTTP/1.1 200 OK\r\n".to_string()),
        1 => "HTTP/1\\.[01] [0-9]{3} [ -~]{0,9}\r\n",
        1 => "[ -~\r\n]{0,20}",
    ];
    stream_of(line)
}

fn stream_of(line: impl Strategy<Value = String>) -> impl Strategy<Value = Vec<u8>> {
    let message = (line, head_lines(), body())
        .prop_map(|(line, fields, body)| [line.as_bytes(), fields.as_bytes(), &body].concat());
    prop::collection::vec(message, 0..4).prop_map(|messages| messages.concat())
}

/// Whether the events are those of one input, at the same places.
fn same(whole: (Vec<Seen>, Eof), split: (Vec<Seen>, Eof)) -> Result<(), TestCaseError> {
    prop_assert_eq!(whole, split);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn of_requests(
        stream in request_stream(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        limit in prop_oneof![Just(DEFAULT_HEAD_LIMIT), 1..120usize],
    ) {
        let whole = requests(&[&stream], limit);
        same(whole.clone(), requests(&cut(&stream, &cuts), limit))?;
        same(whole, requests(&stream.chunks(1).collect::<Vec<_>>(), limit))?;
    }

    #[test]
    fn of_responses(
        stream in response_stream(),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
        methods in prop::collection::vec(
            prop_oneof![Just(Method::Get), Just(Method::Head), Just(Method::Connect)], 0..4),
        limit in prop_oneof![Just(DEFAULT_HEAD_LIMIT), 1..120usize],
    ) {
        let whole = responses(&[&stream], &methods, limit);
        same(whole.clone(), responses(&cut(&stream, &cuts), &methods, limit))?;
        same(whole, responses(&stream.chunks(1).collect::<Vec<_>>(), &methods, limit))?;
    }

    #[test]
    fn of_anything(
        stream in prop::collection::vec(any::<u8>(), 0..200),
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        same(requests(&[&stream], 64), requests(&cut(&stream, &cuts), 64))?;
        same(responses(&[&stream], &[], 64), responses(&cut(&stream, &cuts), &[], 64))?;
        let _ = super::super::secret_ranges(&stream);
    }
}
