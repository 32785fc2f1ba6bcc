//! A request target, percent-decoded once.

/// The path's segments and the query's parameters, percent-decoded.
///
/// A segment may hold any character, a slash too (`%2F` in an id).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Target {
    /// Without empty segments at the end (a trailing slash means nothing to Elasticsearch).
    pub segments: Vec<String>,
    /// In order; a parameter without `=` has an empty value.
    pub parameters: Vec<(String, String)>,
}

impl Target {
    /// Splits and decodes a request target, in origin form (`/index/_doc/1?refresh`) or absolute
    /// form (`http://host/…`). Bytes that aren't UTF-8 become U+FFFD.
    pub fn parse(target: &[u8]) -> Self {
        let origin = strip_authority(target);
        let (path, query) = match origin.iter().position(|byte| *byte == b'?') {
            Some(at) => (&origin[..at], &origin[at + 1..]),
            None => (origin, &b""[..]),
        };
        let path = path.strip_prefix(b"/").unwrap_or(path);
        let mut segments: Vec<String> =
            path.split(|byte| *byte == b'/').map(|segment| decode(segment, false)).collect();
        while segments.last().is_some_and(String::is_empty) {
            segments.pop();
        }
        let parameters = query
            .split(|byte| *byte == b'&' || *byte == b';')
            .filter(|pair| !pair.is_empty())
            .map(|pair| match pair.iter().position(|byte| *byte == b'=') {
                Some(at) => (decode(&pair[..at], true), decode(&pair[at + 1..], true)),
                None => (decode(pair, true), String::new()),
            })
            .collect();
        Self { segments, parameters }
    }

    /// The value of a parameter; of the last one when it is given more than once, as Elasticsearch
    /// takes it.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// `http://host:9200/path` to `/path`.
fn strip_authority(target: &[u8]) -> &[u8] {
    let Some(after) = target.strip_prefix(b"http://").or_else(|| target.strip_prefix(b"https://"))
    else {
        return target;
    };
    after.iter().position(|byte| *byte == b'/').map_or(&b""[..], |at| &after[at..])
}

/// Percent-decodes; a broken escape stays as it is. `+` is a blank only in a query: since version 7
/// Elasticsearch takes it literally in a path.
fn decode(encoded: &[u8], plus_is_blank: bool) -> String {
    let mut decoded = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match (first, after) {
            (b'%', [high, low, after @ ..]) => match (hex(*high), hex(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', rest.get(1..).unwrap_or_default()),
            },
            (b'+', after) if plus_is_blank => (b' ', after),
            (other, after) => (*other, after),
        };
        decoded.push(byte);
        rest = after;
    }
    String::from_utf8(decoded)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(target: &str, segments: &[&str], parameters: &[(&str, &str)]) {
        let parsed = Target::parse(target.as_bytes());
        let found: Vec<_> =
            parsed.parameters.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(
            (parsed.segments.as_slice(), found.as_slice()),
            (to_owned(segments).as_slice(), parameters)
        );
    }

    fn to_owned(segments: &[&str]) -> Vec<String> {
        segments.iter().map(|segment| (*segment).to_owned()).collect()
    }

    #[test]
    fn decodes_once() {
        check("/", &[], &[]);
        check("/i/_doc/a%2Fb%252F", &["i", "_doc", "a/b%2F"], &[]);
        check(
            "/i/_doc/a+b/?routing=a+b%2B&refresh",
            &["i", "_doc", "a+b"],
            &[("routing", "a b+"), ("refresh", "")],
        );
        check("/i/_doc/%zz%4", &["i", "_doc", "%zz%4"], &[]);
        check("//i", &["", "i"], &[]);
        check("http://h:9200/i/_doc/1?x=y=z", &["i", "_doc", "1"], &[("x", "y=z")]);
        check("http://h:9200", &[], &[]);
        check("/%C3%BC/_doc/%F0%9F%98%80", &["ü", "_doc", "😀"], &[]);
    }
}
