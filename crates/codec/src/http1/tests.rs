mod framing;
mod messages;
mod secrets;
mod smuggling;
mod splits;

use super::{Eof, Event, Framing, Method, Reason, RequestFramer, ResponseFramer, secret_ranges};

/// An event with the place in the stream it stands at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    Head { at: usize, head: Vec<u8>, framing: Framing },
    End { at: usize },
    Opaque(Reason),
}

/// The events of `parts`, one after the other, and what the end of the stream means. Checks what
/// `advance` promises about what it consumed.
pub(super) fn requests(parts: &[&[u8]], limit: usize) -> (Vec<Seen>, Eof) {
    let mut framer = RequestFramer::new(limit);
    let mut seen = Vec::new();
    let mut at = 0;
    for part in parts {
        let mut rest = *part;
        loop {
            let (consumed, event) = framer.advance(rest);
            let (total, left) = (at + consumed, rest.len() - consumed);
            match event {
                Some(Event::Head(head)) => {
                    assert!(head.bytes.ends_with(b"\r\n\r\n"));
                    assert!(head.may_hold_secrets || secret_ranges(head.bytes).is_empty());
                    assert!(head.len >= head.bytes.len() && head.len <= total);
                    assert!(head.bytes[..head.first_line_len].ends_with(b"\r\n"));
                    let (head, framing) = (head.bytes.to_vec(), head.framing);
                    seen.push(Seen::Head { at: total, head, framing });
                }
                Some(Event::End) => seen.push(Seen::End { at: total }),
                Some(Event::Opaque(reason)) => {
                    assert_eq!(left, 0);
                    seen.push(Seen::Opaque(reason));
                }
                None => {
                    assert_eq!(left, 0, "no event, and bytes left");
                    at = total;
                    break;
                }
            }
            at = total;
            rest = &rest[consumed..];
        }
    }
    (seen, framer.finish())
}

/// As [`requests`], for responses to `methods`, one after the other.
pub(super) fn responses(parts: &[&[u8]], methods: &[Method], limit: usize) -> (Vec<Seen>, Eof) {
    let mut framer = ResponseFramer::new(limit);
    let mut methods = methods.iter().copied();
    let mut method = methods.next().unwrap_or(Method::Other);
    let mut seen = Vec::new();
    let mut at = 0;
    for part in parts {
        let mut rest = *part;
        loop {
            let (consumed, event) = framer.advance(rest, method);
            let (total, left) = (at + consumed, rest.len() - consumed);
            match event {
                Some(Event::Head(head)) => {
                    assert!(head.bytes.ends_with(b"\r\n\r\n"));
                    assert!(head.may_hold_secrets || secret_ranges(head.bytes).is_empty());
                    assert_eq!(head.len, head.bytes.len());
                    assert!((100..1000).contains(&head.status));
                    let (head, framing) = (head.bytes.to_vec(), head.framing);
                    seen.push(Seen::Head { at: total, head, framing });
                }
                Some(Event::End) => {
                    method = methods.next().unwrap_or(Method::Other);
                    seen.push(Seen::End { at: total });
                }
                Some(Event::Opaque(reason)) => {
                    assert_eq!(left, 0);
                    seen.push(Seen::Opaque(reason));
                }
                None => {
                    assert_eq!(left, 0, "no event, and bytes left");
                    at = total;
                    break;
                }
            }
            at = total;
            rest = &rest[consumed..];
        }
    }
    (seen, framer.finish())
}

/// `stream` cut at `cuts`, in any order and perhaps beyond its end.
pub(super) fn cut<'a>(stream: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (stream.len() + 1)).collect();
    cuts.extend([0, stream.len()]);
    cuts.sort_unstable();
    cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]).collect()
}
