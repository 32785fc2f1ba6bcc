//! Mirrored bulks: of one that the target took in part, only what it had no room for is sent again.

use bytes::{Bytes, BytesMut};
use cluster::{BulkReply, Reply, Request};
use codec::reads::{Class, endpoint_class};
use converge::Exchange;
use memchr::memchr;
use serde::de::IgnoredAny;

/// What of a bulk that was sent for `exchange` is to be sent again; `None`: nothing, or it was no bulk.
pub(crate) fn left(exchange: &Exchange, sent: &Request, reply: &Reply) -> Option<Bytes> {
    let is_bulk = endpoint_class(b"POST", sent.path.as_bytes()) == Class::Bulk;
    if !is_bulk || !reply.is_success() {
        return None;
    }
    let source = exchange.answer.as_ref().map(|answer| &answer.body[..]);
    refused(&sent.body, &reply.body, source)
}

/// The items that the target had no room for, as a body. `source`: its answer; what it hadn't room for either
/// isn't sent again.
fn refused(body: &Bytes, answer: &[u8], source: Option<&[u8]>) -> Option<Bytes> {
    if BulkReply::all_succeeded(answer).is_some() {
        return None;
    }
    let items = BulkReply::parse(answer).ok()?.items;
    let on_source = source
        .and_then(|answer| BulkReply::parse(answer).ok())
        .unwrap_or(BulkReply { items: Vec::new() });
    let wanted = |at: usize| {
        let there = items.get(at).is_some_and(|item| item.is_transient());
        there && !on_source.items.get(at).is_some_and(|item| item.is_transient())
    };
    let lines = items_of(body)?;
    if lines.len() != items.len() {
        return None;
    }
    let mut kept = BytesMut::new();
    for (_, lines) in lines.iter().enumerate().filter(|(at, _)| wanted(*at)) {
        kept.extend_from_slice(lines);
        if !lines.ends_with(b"\n") {
            kept.extend_from_slice(b"\n");
        }
    }
    (!kept.is_empty()).then(|| kept.freeze())
}

/// The lines of each item.
fn items_of(body: &[u8]) -> Option<Vec<&[u8]>> {
    let mut items = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let action = line(rest);
        if action.trim_ascii().is_empty() {
            rest = rest.get(action.len()..)?;
            continue;
        }
        let action_of: std::collections::BTreeMap<&str, IgnoredAny> =
            serde_json::from_slice(action).ok()?;
        let mut length = action.len();
        if !action_of.contains_key("delete") {
            length += line(rest.get(length..)?).len();
        }
        items.push(rest.get(..length)?);
        rest = rest.get(length..)?;
    }
    Some(items)
}

/// The first line, with its end.
fn line(text: &[u8]) -> &[u8] {
    let end = memchr(b'\n', text).map_or(text.len(), |at| at + 1);
    text.get(..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] =
        b"{\"index\":{\"_id\":\"1\"}}\n{\"n\":1}\n\n{\"delete\":{\"_id\":\"2\"}}\n{\"create\":{\"_id\":\"3\"}}\n{\"n\":3}";

    fn answer(statuses: [u16; 3]) -> Vec<u8> {
        let items = statuses.map(|status| match status {
            200..300 => format!(r#"{{"index":{{"status":{status}}}}}"#),
            _ => format!(r#"{{"index":{{"status":{status},"error":{{"type":"x"}}}}}}"#),
        });
        let errors = statuses.iter().any(|status| *status > 299);
        format!(r#"{{"took":1,"errors":{errors},"items":[{}]}}"#, items.join(",")).into_bytes()
    }

    #[test]
    fn only_what_was_refused_for_now_is_left() {
        let body = Bytes::from_static(BODY);
        let left = |target, source: Option<[u16; 3]>| {
            super::refused(&body, &answer(target), source.map(answer).as_deref())
        };
        assert_eq!(left([201, 200, 201], None), None);
        assert_eq!(left([201, 404, 409], None), None);
        let two = left([429, 200, 503], None).unwrap();
        assert_eq!(
            &two[..],
            b"{\"index\":{\"_id\":\"1\"}}\n{\"n\":1}\n{\"create\":{\"_id\":\"3\"}}\n{\"n\":3}\n"
        );
        assert_eq!(
            left([429, 429, 429], Some([429, 200, 429])).unwrap(),
            "{\"delete\":{\"_id\":\"2\"}}\n"
        );
        assert_eq!(super::refused(&body, b"<html>", None), None);
        assert_eq!(super::refused(&Bytes::from_static(b"{}\n"), &answer([429; 3]), None), None);
    }
}
