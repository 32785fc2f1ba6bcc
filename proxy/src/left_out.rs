//! Which requests are passed on and not recorded, nor their answers.
//!
//! Decided when a head is complete, by patterns that the operator gave. What has no heads (an upgraded or otherwise opaque
//! connection) is always recorded.

use codec::http1::{RequestHead, fields};
use regex::bytes::Regex;

/// Patterns of what is left out; one that matches is enough. Each has to match all of what it is compared with.
#[derive(Debug, Clone, Default)]
pub struct LeftOut {
    /// Name and value of a field; of several of one name any may match.
    headers: Vec<(String, Regex)>,
    method: Option<Regex>,
    /// The target as it was sent, with its query.
    target: Option<Regex>,
    /// Method, a space, target.
    request: Option<Regex>,
}

/// The patterns as they are given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patterns<'a> {
    pub headers: &'a [(String, String)],
    pub method: Option<&'a str>,
    pub target: Option<&'a str>,
    pub request: Option<&'a str>,
}

impl LeftOut {
    /// The pattern that is none comes back with what is wrong with it.
    pub(crate) fn of(patterns: Patterns<'_>) -> Result<LeftOut, (String, regex::Error)> {
        let maybe = |pattern: Option<&str>| pattern.map(whole).transpose();
        let header = |(name, pattern): &(String, String)| Ok((name.clone(), whole(pattern)?));
        Ok(LeftOut {
            headers: patterns.headers.iter().map(header).collect::<Result<_, _>>()?,
            method: maybe(patterns.method)?,
            target: maybe(patterns.target)?,
            request: maybe(patterns.request)?,
        })
    }

    /// Whether this request, and its answer, are not recorded.
    pub(crate) fn has(&self, head: &RequestHead<'_>) -> bool {
        let LeftOut { headers, method, target, request } = self;
        let matches = |pattern: &Option<Regex>, text: &[u8]| {
            pattern.as_ref().is_some_and(|pattern| pattern.is_match(text))
        };
        if matches(method, head.method_bytes) || matches(target, head.target) {
            return true;
        }
        if request.is_some() && matches(request, &[head.method_bytes, head.target].join(&b' ')) {
            return true;
        }
        let lines = head.bytes.get(head.first_line_len..).unwrap_or_default();
        !headers.is_empty()
            && fields(lines).any(|(name, value)| {
                let named =
                    |(wanted, _): &&(String, Regex)| wanted.as_bytes().eq_ignore_ascii_case(name);
                headers
                    .iter()
                    .filter(named)
                    .any(|(_, pattern)| pattern.is_match(value.trim_ascii()))
            })
    }
}

fn whole(pattern: &str) -> Result<Regex, (String, regex::Error)> {
    Regex::new(&format!("^(?s:{pattern})$")).map_err(|error| (pattern.to_owned(), error))
}

#[cfg(test)]
mod tests {
    use codec::http1::{Event, RequestFramer};

    use super::*;

    const NONE: Patterns<'_> = Patterns { headers: &[], method: None, target: None, request: None };

    fn has(patterns: Patterns<'_>, request: &str) -> bool {
        let mut framer = RequestFramer::new(1 << 20);
        let (_, event) = framer.advance(request.as_bytes());
        let Some(Event::Head(head)) = event else { panic!("no head") };
        LeftOut::of(patterns).unwrap().has(&head)
    }

    #[test]
    fn a_pattern_has_to_match_all_of_what_it_is_compared_with() {
        let request = "GET /_cat/health?v HTTP/1.1\r\nhost: a\r\nX-Probe:  yes \r\n\r\n";
        assert!(!has(NONE, request));
        for (target, expected) in [("/_cat/.*", true), ("/_cat", false), ("_cat/health.v", false)] {
            assert_eq!(
                has(Patterns { target: Some(target), ..NONE }, request),
                expected,
                "{target}"
            );
        }
        assert!(has(Patterns { method: Some("GET|HEAD"), ..NONE }, request));
        assert!(!has(Patterns { method: Some("GE"), ..NONE }, request));
        assert!(has(Patterns { request: Some("GET /_cat/.*"), ..NONE }, request));
        assert!(!has(Patterns { request: Some("HEAD .*"), ..NONE }, request));
        let header = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        for (headers, expected) in [
            (header("x-probe", "yes"), true),
            (header("x-probe", "y"), false),
            (header("x-other", ".*"), false),
        ] {
            assert_eq!(has(Patterns { headers: &headers, ..NONE }, request), expected);
        }
    }

    #[test]
    fn what_is_no_pattern_is_said() {
        let error = LeftOut::of(Patterns { method: Some("("), ..NONE }).unwrap_err();
        assert_eq!(error.0, "(");
    }
}
