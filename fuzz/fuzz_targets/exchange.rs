//! Exchanges: any request with any answer has a meaning; what is written of it is the request's own
//! documents, one to a line.
//!
//! An input is `METHOD target LF status body NUL answer`, the status three bytes.
#![no_main]

use bytes::Bytes;
use converge::{
    Answer, BodyState, Change, Exchange, Facts, Meaning, Method, Rendering, Shape, interpret,
    outcomes, render,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fn exchange(data: &[u8]) -> Option<Exchange> {
    let (line, rest) = data.split_at_checked(data.iter().position(|byte| *byte == b'\n')?)?;
    let (method, target) = line.split_at_checked(line.iter().position(|byte| *byte == b' ')?)?;
    let (status, rest) = rest[1..].split_at_checked(3)?;
    let (body, answer) = match rest.iter().position(|byte| *byte == 0) {
        Some(end) => (&rest[..end], Some(&rest[end + 1..])),
        None => (rest, None),
    };
    let status = std::str::from_utf8(status).ok()?.parse().ok()?;
    Some(Exchange {
        method: Method::parse(method),
        target: Bytes::copy_from_slice(&target[1..]),
        headers: vec![(Bytes::from_static(b"content-type"), Bytes::from_static(b"application/json"))],
        body: Bytes::copy_from_slice(body),
        body_state: if target.len() % 7 == 0 { BodyState::Cut } else { BodyState::Whole },
        answer: answer.map(|body| Answer {
            status,
            headers: Vec::new(),
            body: Bytes::copy_from_slice(body),
        }),
    })
}

fuzz_target!(|data: &[u8]| {
    let Some(exchange) = exchange(data) else { return };
    for elasticsearch_major in [None, Some(8)] {
        let facts = Facts { elasticsearch_major, ..Facts::default() };
        let Meaning::Write(write) = interpret(&exchange, &facts) else { continue };
        let answer = exchange.answer.as_ref().map_or(&[][..], |answer| &answer.body);
        let request = exchange.body.as_ptr_range();
        let mut documents = Vec::new();
        for (_, operation) in write.operations() {
            if let Change::Index { source, .. } = &operation.change {
                let lies = source.as_ptr_range();
                let answered = answer.as_ptr_range();
                let inside = |outer: std::ops::Range<*const u8>| {
                    outer.start <= lies.start && lies.end <= outer.end
                };
                assert!(source.is_empty() || inside(request.clone()) || inside(answered));
            }
            documents.push(matches!(operation.change, Change::Index { .. }));
        }
        let Some(rendered) = render(&write, Rendering::default()) else {
            assert!(documents.is_empty());
            continue;
        };
        assert_eq!(rendered.places.len(), documents.len());
        let status = exchange.answer.as_ref().map_or(200, |answer| answer.status);
        if let Ok(found) = outcomes(rendered.shape, status, answer, documents.len()) {
            assert_eq!(found.len(), documents.len());
        }
        if rendered.shape != Shape::Bulk {
            continue;
        }
        let body = rendered.body.concat();
        let mut lines = body.split(|byte| *byte == b'\n');
        for has_source in documents {
            let action: Value = serde_json::from_slice(lines.next().unwrap()).unwrap();
            let verb = if has_source { "index" } else { "delete" };
            assert!(action[verb].is_object(), "{action}");
            if has_source {
                lines.next().unwrap();
            }
        }
        // What follows the last newline: nothing.
        assert!(lines.next().is_some_and(<[u8]>::is_empty) && lines.next().is_none());
    }
});
