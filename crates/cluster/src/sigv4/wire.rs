//! Paths and queries in the one form that client and service can't read in two ways.
//!
//! The service takes the path as it came, or decodes it first, and encodes it twice; what isn't unreserved makes
//! the difference: `/a,b` signed as `/a%2Cb` here is `/a%252Cb` there. So everything but unreserved characters is
//! sent encoded, once, which means the same to a cluster: it splits lists (`a%2Cb`) and matches patterns (`%2A`) after
//! decoding. A `+` in a query is a space, to clusters too; in a path it is a plus.

/// `target` (a path, maybe with a query) as it is sent.
pub(super) fn encoded(target: &str) -> String {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let mut out = String::with_capacity(target.len() + 16);
    let mut rest = path.as_bytes();
    while let Some((byte, was_encoded, more)) = next(rest) {
        rest = more;
        match byte {
            b'/' if !was_encoded => out.push('/'),
            // An encoded dot stays one: as such it may not be a segment that means another.
            b'.' if was_encoded => out.push_str("%2E"),
            byte => push(&mut out, byte),
        }
    }
    let Some(query) = query else { return out };
    // A semicolon parts them too, to clusters.
    let mut before = '?';
    for pair in query.split(['&', ';']).filter(|pair| !pair.is_empty()) {
        out.push(before);
        before = '&';
        match pair.split_once('=') {
            Some((name, value)) => {
                push_text(&mut out, name);
                out.push('=');
                push_text(&mut out, value);
            }
            None => push_text(&mut out, pair),
        }
    }
    out
}

/// A name or value of a query. What is no UTF-8 becomes what a cluster, and the signature, make of it.
fn push_text(out: &mut String, text: &str) {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, was_encoded, more)) = next(rest) {
        rest = more;
        bytes.push(if byte == b'+' && !was_encoded { b' ' } else { byte });
    }
    String::from_utf8_lossy(&bytes).bytes().for_each(|byte| push(out, byte));
}

/// The next byte, decoded; whether it was encoded; the rest.
fn next(bytes: &[u8]) -> Option<(u8, bool, &[u8])> {
    if let [b'%', high, low, rest @ ..] = bytes
        && let (Some(high), Some(low)) = (digit(*high), digit(*low))
    {
        return Some((high << 4 | low, true, rest));
    }
    bytes.split_first().map(|(byte, rest)| (*byte, false, rest))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn push(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            out.push(char::from(byte));
        }
        _ => {
            out.push('%');
            out.push(char::from(DIGITS[usize::from(byte >> 4)]));
            out.push(char::from(DIGITS[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_but_unreserved_characters_is_encoded_once() {
        for (target, expected) in [
            ("/", "/"),
            ("/i/_doc/a%2Fb", "/i/_doc/a%2Fb"),
            ("/i/_doc/a%2fb%41%7e", "/i/_doc/a%2FbA~"),
            ("/a,b*,-c/_search", "/a%2Cb%2A%2C-c/_search"),
            ("/ü/é%CC%81", "/%C3%BC/%C3%A9%CC%81"),
            ("/i/_doc/%FF+%zz%", "/i/_doc/%FF%2B%25zz%25"),
            ("/i/_doc/%2E%2E", "/i/_doc/%2E%2E"),
            ("/%3Clogs-%7Bnow%2Fd%7D%3E", "/%3Clogs-%7Bnow%2Fd%7D%3E"),
            ("/_search?q=a+b%2Bc:d&pretty", "/_search?q=a%20b%2Bc%3Ad&pretty"),
            ("/_search?a=1;b=2&&c==&", "/_search?a=1&b=2&c=%3D"),
            ("/_search?", "/_search"),
            ("/?filter_path=items.*.error,took", "/?filter_path=items.%2A.error%2Ctook"),
            ("/?q=%FF?", "/?q=%EF%BF%BD%3F"),
        ] {
            assert_eq!(encoded(target), expected, "{target}");
            assert_eq!(encoded(expected), expected, "again");
        }
    }
}
