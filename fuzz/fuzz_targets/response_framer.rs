//! Responses: however a stream is cut, the events and the messages are the same. The methods that the
//! responses answer follow from the stream.
#![no_main]

mod cuts;

use bytes::Bytes;
use codec::http1::{
    Assembled, Eof, Event, Finished, Framing, Method, Reason, ResponseAssembler, ResponseFramer,
    ResponseMessage,
};
use libfuzzer_sys::fuzz_target;

const HEAD_LIMIT: usize = 512;

#[derive(Debug, PartialEq)]
enum Seen {
    Head { at: usize, status: u16, framing: Framing },
    End { at: usize },
    Opaque(Reason),
}

/// The method that the response number `n` answers.
fn method(seed: u64, n: usize) -> Method {
    match (seed >> (2 * (n % 32))) & 3 {
        0 => Method::Head,
        1 if seed.is_multiple_of(16) => Method::Connect,
        _ => Method::Post,
    }
}

fn events<'a>(parts: impl Iterator<Item = &'a [u8]>, seed: u64) -> (Vec<Seen>, Eof) {
    let mut framer = ResponseFramer::new(HEAD_LIMIT);
    let (mut seen, mut at, mut answered) = (Vec::new(), 0, 0);
    for mut part in parts {
        loop {
            let (consumed, event) = framer.advance(part, method(seed, answered));
            part = &part[consumed..];
            at += consumed;
            match event {
                Some(Event::Head(head)) => {
                    let (status, framing) = (head.status, head.framing);
                    seen.push(Seen::Head { at, status, framing });
                }
                Some(Event::End) => {
                    answered += 1;
                    seen.push(Seen::End { at });
                }
                Some(Event::Opaque(reason)) => seen.push(Seen::Opaque(reason)),
                None => break,
            }
        }
        assert!(part.is_empty(), "bytes left without an event");
    }
    (seen, framer.finish())
}

type Messages = (Vec<Assembled<ResponseMessage>>, Finished<ResponseMessage>);

/// The messages, with bodies in one part: their parts depend on the cut.
fn messages<'a>(parts: impl Iterator<Item = &'a [u8]>, seed: u64) -> Messages {
    let mut assembler = ResponseAssembler::new(HEAD_LIMIT, 1024);
    let mut answered = 0;
    let mut seen = Vec::new();
    for part in parts {
        let mut input = Bytes::copy_from_slice(part);
        while let Some(mut item) = assembler.next(&mut input, method(seed, answered)) {
            if let Assembled::Message(message) = &mut item {
                answered += usize::from(!message.interim);
                message.body.parts = vec![message.body.to_bytes()];
            }
            seen.push(item);
        }
        assert!(input.is_empty());
    }
    let mut finished = assembler.finish();
    if let Finished::Message(message) = &mut finished {
        message.body.parts = vec![message.body.to_bytes()];
    }
    (seen, finished)
}

fuzz_target!(|data: &[u8]| {
    let seed = cuts::hash(data);
    let whole = events([data].into_iter(), seed);
    assert_eq!(whole, events(cuts::parts(data).into_iter(), seed));
    assert_eq!(whole, events(data.chunks(1), seed));
    let whole = messages([data].into_iter(), seed);
    assert_eq!(whole, messages(cuts::parts(data).into_iter(), seed));
});
