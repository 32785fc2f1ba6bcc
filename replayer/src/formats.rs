//! Bodies in SMILE, CBOR and YAML are JSON to everything that comes after: what an exchange means, what goes to the
//! target, rules and tuples.

use bytes::Bytes;
use codec::{
    content::{Content, to_json},
    source::Limits,
};
use converge::Exchange;

const JSON: Bytes = Bytes::from_static(b"application/json");

/// The exchange as it would have been in JSON: its bodies, of `limit` bytes at most, and what its headers say of them
/// and ask for. What isn't what its `Content-Type` says stays as it is, and is not understood.
pub(crate) fn in_json(mut exchange: Exchange, limit: usize) -> Exchange {
    let limits = Limits { output: limit, ..Limits::default() };
    if let Some(body) = read(&mut exchange.headers, &exchange.body, &limits) {
        exchange.body = body;
    }
    if let Some(answer) = &mut exchange.answer
        && let Some(body) = read(&mut answer.headers, &answer.body, &limits)
    {
        answer.body = body;
    }
    // The target's answer is laid beside the source's, and ids are learned from both.
    if let Some(accept) = named(&mut exchange.headers, b"accept")
        && Content::named_by(accept).is_some()
    {
        *accept = JSON;
    }
    exchange
}

fn read(headers: &mut [(Bytes, Bytes)], body: &Bytes, limits: &Limits) -> Option<Bytes> {
    let kind = named(headers, b"content-type")?;
    let json = to_json(Content::named_by(kind)?, body, limits).ok()?;
    *kind = JSON;
    Some(json)
}

fn named<'h>(headers: &'h mut [(Bytes, Bytes)], name: &[u8]) -> Option<&'h mut Bytes> {
    headers.iter_mut().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use converge::{Answer, BodyState, Method};

    use super::*;

    fn exchange(kind: &'static str, body: &'static [u8]) -> Exchange {
        let headers = vec![
            (Bytes::from_static(b"Content-Type"), Bytes::from_static(kind.as_bytes())),
            (Bytes::from_static(b"Accept"), Bytes::from_static(kind.as_bytes())),
        ];
        Exchange {
            method: Method::Put,
            target: Bytes::from_static(b"/i/_doc/1"),
            headers: headers.clone(),
            body: Bytes::from_static(body),
            body_state: BodyState::Whole,
            answer: Some(Answer { status: 201, headers, body: Bytes::from_static(body) }),
        }
    }

    #[test]
    fn both_sides_are_read() {
        let made = in_json(exchange("application/cbor", b"\xA1\x61n\x05"), 100);
        assert_eq!(made.body, r#"{"n":5}"#);
        assert!(made.headers.iter().all(|(_, value)| value == "application/json"));
        let answer = made.answer.unwrap();
        assert_eq!((answer.body, &answer.headers[0].1), (r#"{"n":5}"#.into(), &JSON));
    }

    #[test]
    fn what_is_something_else_stays() {
        for (kind, body) in [
            ("application/cbor", &b"{\"n\":5}"[..]),
            ("application/smile", b":)\n\x01\xFA\x80"),
            ("application/cbor", b"\xA1\x61n\x78\x40aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        ] {
            let made = in_json(exchange(kind, body), 50);
            assert_eq!((&made.body[..], &made.headers[0].1[..]), (body, kind.as_bytes()));
            assert_eq!(made.answer.unwrap().headers[0].1, kind);
        }
        let json = in_json(exchange("application/json", b"{\"n\":5}"), 50);
        assert_eq!(json.body, r#"{"n":5}"#);
    }
}
