//! Header fields that the source gets with every request, instead of the client's of that name.
//!
//! The journal has what the client sent. Where nobody knows where requests begin (a connection that has turned opaque) nothing is
//! set.

use std::str::FromStr;

use bytes::BytesMut;
use smallvec::SmallVec;
use thiserror::Error;

/// A field to set, as in `NAME=VALUE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetHeader {
    name: String,
    line: Vec<u8>,
}

/// What is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SetHeaderError {
    #[error("use NAME=VALUE")]
    NoValue,
    #[error("`{0}` is no name of a header field")]
    Name(String),
    #[error("its value has a line's end, or another control character")]
    Value,
    #[error(
        "`{0}` says where requests begin and end, or what becomes of the connection, and stays the client's"
    )]
    Framing(String),
}

const FRAMING: [&str; 10] = [
    "connection",
    "content-length",
    "expect",
    "http2-settings",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

impl FromStr for SetHeader {
    type Err = SetHeaderError;

    fn from_str(text: &str) -> Result<SetHeader, SetHeaderError> {
        let (name, value) = text.split_once('=').ok_or(SetHeaderError::NoValue)?;
        let is_token =
            |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if name.is_empty() || !name.bytes().all(is_token) {
            return Err(SetHeaderError::Name(name.into()));
        }
        if value.chars().any(|letter| letter.is_control() && letter != '\t') {
            return Err(SetHeaderError::Value);
        }
        if FRAMING.iter().any(|framing| name.eq_ignore_ascii_case(framing)) {
            return Err(SetHeaderError::Framing(name.into()));
        }
        let line = format!("{name}: {}\r\n", value.trim()).into_bytes();
        Ok(SetHeader { name: name.into(), line })
    }
}

/// What is to change in some bytes, in order.
#[derive(Debug, Default)]
pub(crate) struct Edits(SmallVec<[Edit; 2]>);

#[derive(Debug)]
struct Edit {
    from: usize,
    to: usize,
    insert: Vec<u8>,
}

impl Edits {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those of a request's head, which begins at `start` and whose first line is so long.
    pub(crate) fn add(&mut self, set: &[SetHeader], head: &[u8], start: usize, first_line: usize) {
        let mut insert = Vec::new();
        for header in set {
            insert.extend_from_slice(&header.line);
        }
        let mut at = start + first_line;
        self.0.push(Edit { from: at, to: at, insert });
        let mut replaced = false;
        for line in head[first_line.min(head.len())..].split_inclusive(|byte| *byte == b'\n') {
            let continues = line.starts_with(b" ") || line.starts_with(b"\t");
            replaced = if continues { replaced } else { is_set(set, line) };
            if replaced {
                self.0.push(Edit { from: at, to: at + line.len(), insert: Vec::new() });
            }
            at += line.len();
        }
    }

    /// The first `length` bytes are done with: what is left is counted from there.
    pub(crate) fn advance(&mut self, length: usize) {
        self.0.retain(|edit| edit.to > length || edit.from >= length);
        for edit in &mut self.0 {
            (edit.from, edit.to) = (edit.from.saturating_sub(length), edit.to - length);
        }
    }

    /// Where in the `length` bytes from `at` on the last change ends; `None`: there is none.
    pub(crate) fn reach(&self, at: usize, length: usize) -> Option<usize> {
        let here = self.0.iter().filter(|edit| edit.is_in(at, length));
        // What is inserted stands in front of a byte, which is taken along.
        here.map(|edit| edit.to.max(edit.from + 1).min(at + length) - at).max()
    }

    /// The bytes from `at` on, changed.
    pub(crate) fn apply(&self, at: usize, bytes: &[u8]) -> BytesMut {
        let mut out = BytesMut::with_capacity(bytes.len() + 256);
        let mut done = 0;
        for edit in self.0.iter().filter(|edit| edit.is_in(at, bytes.len())) {
            let from = edit.from.saturating_sub(at).clamp(done, bytes.len());
            out.extend_from_slice(&bytes[done..from]);
            if edit.from >= at {
                out.extend_from_slice(&edit.insert);
            }
            done = edit.to.saturating_sub(at).clamp(from, bytes.len());
        }
        out.extend_from_slice(&bytes[done..]);
        out
    }
}

impl Edit {
    /// Whether it has to do with these bytes. What is inserted between two pieces is in the later one.
    fn is_in(&self, at: usize, length: usize) -> bool {
        self.from < at + length && (self.to > at || self.from == at)
    }
}

fn is_set(set: &[SetHeader], line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    set.iter().any(|header| line[..colon].eq_ignore_ascii_case(header.name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_says_where_requests_end_is_not_set() {
        for good in ["Authorization=Basic YTpi", "host=es", "x-found-cluster=", "A=b=c"] {
            assert!(good.parse::<SetHeader>().is_ok(), "{good}");
        }
        for wrong in [
            "authorization",
            "=x",
            "a b=c",
            "a:b=c",
            "a=b\r\nc: d",
            "Content-Length=3",
            "transfer-encoding=chunked",
            "CONNECTION=close",
        ] {
            assert!(wrong.parse::<SetHeader>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn fields_are_replaced_however_the_head_is_cut() {
        let set = ["Host=es", "x-a=1"].map(|text| text.parse::<SetHeader>().unwrap());
        let head =
            "GET / HTTP/1.1\r\nhost: proxy\r\nhosts: b\r\nX-A: 2\r\nX-a: 3\r\naccept: */*\r\n\r\n";
        let expect = "GET / HTTP/1.1\r\nHost: es\r\nx-a: 1\r\nhosts: b\r\naccept: */*\r\n\r\n";
        let before = "0\r\n\r\n";
        let stream = [before, head, "behind"].concat();
        let mut edits = Edits::default();
        edits.add(&set, head.as_bytes(), before.len(), 16);
        for cut in 0..=stream.len() {
            let (one, other) = stream.as_bytes().split_at(cut);
            let mut sent = Vec::new();
            for (at, piece) in [(0, one), (cut, other)] {
                match edits.reach(at, piece.len()) {
                    None => sent.extend_from_slice(piece),
                    Some(reach) => {
                        sent.extend(edits.apply(at, &piece[..reach]));
                        sent.extend_from_slice(&piece[reach..]);
                    }
                }
            }
            let expect = [before, expect, "behind"].concat();
            assert_eq!(String::from_utf8(sent).unwrap(), expect, "cut at {cut}");
        }
        // The first line went on before the rest.
        edits.advance(before.len() + 10);
        let rest = &stream.as_bytes()[before.len() + 10..];
        let rest = String::from_utf8(edits.apply(0, rest).to_vec()).unwrap();
        assert_eq!(rest, [&expect[10..], "behind"].concat());
        edits.advance(rest.len());
        assert!(edits.is_empty());
    }
}
