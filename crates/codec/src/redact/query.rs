//! Parameters of a request's target.

use std::ops::Range;

use memchr::memchr;

/// The ranges of `head` that hold values of these parameters of its target. `head` may be any bytes.
pub(super) fn values(head: &[u8], names: &[Box<[u8]>]) -> Vec<Range<usize>> {
    if names.is_empty() {
        return Vec::new();
    }
    let line = head.get(..memchr(b'\n', head).unwrap_or(head.len())).unwrap_or_default();
    let Some(mark) = memchr(b'?', line) else { return Vec::new() };
    let query = line.get(mark + 1..).unwrap_or_default();
    let end = query.iter().position(|byte| byte.is_ascii_whitespace()).unwrap_or(query.len());
    let mut at = mark + 1;
    let mut found = Vec::new();
    for pair in query.get(..end).unwrap_or_default().split(|&byte| matches!(byte, b'&' | b';')) {
        let equals = memchr(b'=', pair).unwrap_or(pair.len());
        let name = decoded(pair.get(..equals).unwrap_or_default());
        if equals + 1 < pair.len() && names.iter().any(|wanted| **wanted == name[..]) {
            found.push(at + equals + 1..at + pair.len());
        }
        at += pair.len() + 1;
    }
    found
}

/// A name without its percent signs.
fn decoded(name: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        let digits = after.first_chunk::<2>().filter(|_| byte == b'%');
        let hex = |digit: u8| char::from(digit).to_digit(16);
        match digits.and_then(|[high, low]| Some(hex(*high)? * 16 + hex(*low)?)) {
            Some(code) => {
                plain.push(code as u8); // two digits: below 256
                rest = after.get(2..).unwrap_or_default();
            }
            None => plain.push(if byte == b'+' { b' ' } else { byte }),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(head: &str) -> Vec<&str> {
        let names: Vec<Box<[u8]>> = [&b"token"[..], b"q"].map(Into::into).to_vec();
        let ranges = values(head.as_bytes(), &names);
        ranges.into_iter().map(|range| &head[range]).collect()
    }

    #[test]
    fn values_of_named_parameters_are_found_and_nothing_else() {
        assert_eq!(
            found("GET /i/_search?q=name:x&size=1&token=a=b HTTP/1.1\r\n"),
            ["name:x", "a=b"]
        );
        assert_eq!(found("GET /i?to%6ben=abc&tokens=x&Token=y HTTP/1.1\r\nx: ?q=1\r\n"), ["abc"]);
        assert_eq!(found("GET /token=a HTTP/1.1\r\nhost: a?q=b\r\n\r\n"), Vec::<&str>::new());
        assert_eq!(found("GET /i?q=&token HTTP/1.1"), Vec::<&str>::new());
        assert_eq!(found("GET /i?q=unfinish"), ["unfinish"]);
        assert_eq!(found("GET /i?%6=1&q%=2&q=%zz"), ["%zz"]);
    }
}
