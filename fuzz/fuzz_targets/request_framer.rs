//! Requests: however a stream is cut, the events and the messages are the same; and another parser
//! agrees on every head that is let through.
#![no_main]

mod cuts;

use bytes::Bytes;
use codec::http1::{
    Assembled, Eof, Event, Finished, Framing, Reason, RequestAssembler, RequestFramer,
    RequestMessage, fields, secret_ranges,
};
use codec::reads::{endpoint_class, only_reads};
use libfuzzer_sys::fuzz_target;

const HEAD_LIMIT: usize = 512;

#[derive(Debug, PartialEq)]
enum Seen {
    Head { at: usize, head: Vec<u8>, framing: Framing },
    End { at: usize },
    Opaque(Reason),
}

fn events<'a>(parts: impl Iterator<Item = &'a [u8]>) -> (Vec<Seen>, Eof) {
    let mut framer = RequestFramer::new(HEAD_LIMIT);
    let (mut seen, mut at) = (Vec::new(), 0);
    for mut part in parts {
        loop {
            let (consumed, event) = framer.advance(part);
            part = &part[consumed..];
            at += consumed;
            match event {
                Some(Event::Head(head)) => {
                    let (head, framing) = (head.bytes.to_vec(), head.framing);
                    seen.push(Seen::Head { at, head, framing });
                }
                Some(Event::End) => seen.push(Seen::End { at }),
                Some(Event::Opaque(reason)) => seen.push(Seen::Opaque(reason)),
                None => break,
            }
        }
        assert!(part.is_empty(), "bytes left without an event");
    }
    (seen, framer.finish())
}

type Messages = (Vec<Assembled<RequestMessage>>, Finished<RequestMessage>);

fn messages<'a>(parts: impl Iterator<Item = &'a [u8]>) -> Messages {
    let mut assembler = RequestAssembler::new(HEAD_LIMIT, 1024);
    let mut seen = Vec::new();
    for part in parts {
        let mut input = Bytes::copy_from_slice(part);
        while let Some(item) = assembler.next(&mut input) {
            seen.push(item);
        }
        assert!(input.is_empty());
    }
    (seen, assembler.finish())
}

/// Another parser sees the same head, unless it refuses what the framer lets through.
fn check_head(head: &[u8]) {
    let mut headers = [httparse::EMPTY_HEADER; 256];
    let mut request = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(len)) = request.parse(head) else { return };
    assert_eq!(len, head.len());
    let line = head.iter().position(|byte| *byte == b'\n').unwrap() + 1;
    let ours: Vec<_> =
        fields(&head[line..]).map(|(name, value)| (name, value.trim_ascii())).collect();
    let theirs: Vec<_> = request
        .headers
        .iter()
        .map(|header| (header.name.as_bytes(), header.value.trim_ascii()))
        .collect();
    assert_eq!(ours, theirs);
}

fuzz_target!(|data: &[u8]| {
    let whole = events([data].into_iter());
    assert_eq!(whole, events(cuts::parts(data).into_iter()));
    assert_eq!(whole, events(data.chunks(1)));
    for seen in &whole.0 {
        if let Seen::Head { head, .. } = seen {
            check_head(head);
        }
    }
    let (seen, finished) = messages([data].into_iter());
    for item in &seen {
        if let Assembled::Message(message) = item {
            let _ = only_reads(&message.method_bytes, &message.target);
            let _ = endpoint_class(&message.method_bytes, &message.target);
        }
    }
    // Parts of bodies depend on the cut; their content doesn't.
    let joined = |(mut seen, mut finished): Messages| {
        for item in &mut seen {
            if let Assembled::Message(message) = item {
                message.body.parts = vec![message.body.to_bytes()];
            }
        }
        if let Finished::Message(message) = &mut finished {
            message.body.parts = vec![message.body.to_bytes()];
        }
        (seen, finished)
    };
    assert_eq!(joined((seen, finished)), joined(messages(cuts::parts(data).into_iter())));
    let mut last = 0;
    for range in secret_ranges(data) {
        assert!(last <= range.start && range.start < range.end && range.end <= data.len());
        last = range.end;
    }
    let _ = only_reads(b"POST", data);
});
