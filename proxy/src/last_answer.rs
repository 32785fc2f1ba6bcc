//! The last answer of a connection that is to end says so.
//!
//! A connection that is closed between two exchanges may be closed on a request that is on its way, and its client can't know
//! whether that was executed. So, while the proxy drains, `connection: close` goes into the head of an answer. It is the only
//! thing that is ever added to one; the journal has the answer as the source gave it. Where it can't be added (see [`place`])
//! the connection is closed without.

use codec::http1::{Framing, ResponseHead, Version, fields};

pub(crate) const CLOSE: &[u8] = b"connection: close\r\n";

/// Where it goes into a read that has `end` bytes up to the end of this head: behind the status line. `None` where the head
/// began in an earlier read, which has been sent on, where it says something about the connection itself, and where
/// nothing is needed.
pub(crate) fn place(head: &ResponseHead<'_>, end: usize) -> Option<usize> {
    let start = end.checked_sub(head.len)?;
    let stays = head.version == Version::Http11
        && head.keep_alive
        && !head.interim
        && !head.upgrade
        && head.framing != Framing::UntilClose;
    (stays && !names_connection(head)).then_some(start + head.first_line_len)
}

fn names_connection(head: &ResponseHead<'_>) -> bool {
    let lines = head.bytes.get(head.first_line_len..).unwrap_or_default();
    fields(lines).any(|(name, _)| name.eq_ignore_ascii_case(b"connection"))
}

#[cfg(test)]
mod tests {
    use codec::http1::{Event, Method, ResponseFramer};

    use super::*;

    fn check(answer: &str, expect: Option<&str>) {
        let mut framer = ResponseFramer::new(1 << 16);
        let (end, event) = framer.advance(answer.as_bytes(), Method::Get);
        let Some(Event::Head(head)) = event else { panic!("a head") };
        let with = place(&head, end).map(|at| {
            let (front, rest) = answer.split_at(at);
            [front, std::str::from_utf8(CLOSE).unwrap(), rest].concat()
        });
        assert_eq!(with.as_deref(), expect);
        assert_eq!(place(&head, end - 1), None, "its beginning is gone");
    }

    #[test]
    fn it_is_added_where_a_client_would_think_that_the_connection_stays() {
        check(
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            Some("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"),
        );
        check("HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-length: 0\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\ncOnnection: keep-alive\r\ncontent-length: 0\r\n\r\n", None);
        check("HTTP/1.0 200 OK\r\ncontent-length: 0\r\n\r\n", None);
        check("HTTP/1.1 200 OK\r\n\r\nuntil the end", None);
        check("HTTP/1.1 100 Continue\r\n\r\n", None);
    }
}
