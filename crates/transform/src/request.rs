//! A captured request for another version: its parameters and, of searches and bulks, its body.
//!
//! The path is [`request_path`]'s and [`moved`]'s, the media type [`media_type`]'s. What no rule names passes untouched, and a body is
//! parsed only when it holds a name that a rule looks for.
//!
//! [`request_path`]: crate::request_path
//! [`media_type`]: crate::media_type

mod bulk;
mod moved;
mod parameters;
mod search;

use serde_json::Value;

pub use moved::{Moved, moved};

use crate::{Change, Version, catalogue::RuleLine};

/// A request's query string and body for the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reshaped {
    /// Path and query.
    pub path: String,
    /// `None`: it stays what it is, byte for byte.
    pub body: Option<Vec<u8>>,
    pub changes: Vec<Change>,
}

/// What a request does, as far as the rules tell it apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Endpoint {
    Search,
    /// Lines: a header, a search.
    MultiSearch,
    Scroll,
    Count,
    Bulk,
    /// `_mget`
    Documents,
    /// One document, by its id.
    Document,
    Other,
}

/// Which source a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum From {
    Any,
    /// Elasticsearch before this one; nothing where the source isn't known.
    Before(u32),
}

impl From {
    fn holds(self, source: Option<Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Before(major) => source.is_some_and(|source| source.elasticsearch_before(major)),
        }
    }

    fn text(self) -> String {
        match self {
            Self::Any => "all".into(),
            Self::Before(major) => format!("Elasticsearch before {major}"),
        }
    }
}

/// Rewrites a request of `source` for any target that there is. `path` is a request target with its query.
pub fn request(source: Option<Version>, method: &str, path: &str, body: &[u8]) -> Reshaped {
    let (bare, query) = path.split_once('?').map_or((path, ""), |(path, query)| (path, query));
    let endpoint = Endpoint::of(method, bare);
    let mut changes = Vec::new();
    let query = parameters::transform(endpoint, query, source, &mut changes);
    let path = match query.is_empty() {
        true => bare.to_owned(),
        false => format!("{bare}?{query}"),
    };
    let body = match endpoint {
        Endpoint::Bulk if bulk::may_apply(body) => bulk::transform(body, &mut changes),
        _ if search::may_apply(endpoint, source, body) => {
            reshaped(endpoint, source, body, &mut changes)
        }
        _ => None,
    };
    Reshaped { path, body, changes }
}

/// `None`: nothing changes, or it is no JSON (the target says so itself).
fn reshaped(
    endpoint: Endpoint,
    source: Option<Version>,
    body: &[u8],
    changes: &mut Vec<Change>,
) -> Option<Vec<u8>> {
    let before = changes.len();
    let lines: Vec<Value> =
        serde_json::Deserializer::from_slice(body).into_iter().collect::<Result<_, _>>().ok()?;
    let mut made = Vec::with_capacity(body.len() + 64);
    let is_sequence = endpoint == Endpoint::MultiSearch;
    for (at, mut line) in lines.into_iter().enumerate() {
        match endpoint {
            Endpoint::MultiSearch if at % 2 == 0 => search::header(&mut line, changes),
            Endpoint::Documents => search::documents(&mut line, source, changes),
            _ => search::transform(&mut line, source, changes),
        }
        made.extend_from_slice(line.to_string().as_bytes());
        if is_sequence {
            made.push(b'\n');
        }
    }
    (changes.len() > before).then_some(made)
}

impl Endpoint {
    fn of(method: &str, path: &str) -> Self {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match segments[..] {
            // It ends one.
            [.., "_search", "scroll"] | [.., "_search", "scroll", _] if method == "DELETE" => {
                Self::Other
            }
            [.., "_search", "scroll"] | [.., "_search", "scroll", _] => Self::Scroll,
            [.., "_search"] | ["_async_search"] | [_, "_async_search"] => Self::Search,
            [.., "_msearch"] => Self::MultiSearch,
            [.., "_bulk"] => Self::Bulk,
            [.., "_count"] => Self::Count,
            [.., "_mget"] => Self::Documents,
            [_, "_doc" | "_source", _] | [_, _, _, "_source"] => Self::Document,
            [index, kind, id] if [index, kind, id].iter().all(|name| !name.starts_with('_')) => {
                Self::Document
            }
            _ => Self::Other,
        }
    }
}

pub(crate) fn catalogue() -> Vec<RuleLine> {
    [parameters::catalogue(), moved::catalogue(), search::catalogue(), bulk::catalogue()].concat()
}

#[cfg(test)]
mod tests;
