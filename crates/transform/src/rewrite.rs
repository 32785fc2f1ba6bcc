//! Requests: media types and paths.

use std::borrow::Cow;

/// Turns a vendored media type, as clients of Elasticsearch 8 send it, into the plain one: OpenSearch answers
/// 406 to the vendored. Other values pass.
///
/// `application/vnd.elasticsearch+json; compatible-with=8` → `application/json`.
pub fn media_type(value: &str) -> Cow<'_, str> {
    if !value.contains("vnd.elasticsearch+") {
        return Cow::Borrowed(value);
    }
    let one = |part: &str| {
        let part = part.trim();
        let Some((front, rest)) = part.split_once("vnd.elasticsearch+") else {
            return part.to_owned();
        };
        let mut pieces = rest.split(';').map(str::trim);
        let plain = pieces.next().unwrap_or_default();
        let parameters = pieces.filter(|p| !p.starts_with("compatible-with"));
        let mut text = format!("{front}{plain}");
        for parameter in parameters {
            text.push_str("; ");
            text.push_str(parameter);
        }
        text
    };
    Cow::Owned(value.split(',').map(one).collect::<Vec<_>>().join(", "))
}

/// A path that the target takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rewritten {
    pub path: String,
    /// The type that stood in the path.
    pub doc_type: String,
}

/// Endpoints that may follow `/index/type/`.
const AFTER_TYPE: &[&str] = &[
    "_search",
    "_msearch",
    "_count",
    "_bulk",
    "_mget",
    "_mapping",
    "_update_by_query",
    "_delete_by_query",
];

/// Takes the type out of a typed path (`/i/doc/1`, `/i/doc/1/_update`, `/i/doc/_search`); `None` when there is
/// none in it. `path` is a request target with its query, percent-encoded.
pub fn request_path(method: &str, path: &str) -> Option<Rewritten> {
    let (bare, query) = path.split_once('?').map_or((path, None), |(p, q)| (p, Some(q)));
    let segments: Vec<&str> = bare.trim_matches('/').split('/').collect();
    let is_name = |s: &str| !s.is_empty() && !s.starts_with('_');
    let (doc_type, typeless) = match segments[..] {
        [index, doc_type, last]
            if is_name(index) && is_name(doc_type) && AFTER_TYPE.contains(&last) =>
        {
            (doc_type, format!("/{index}/{last}"))
        }
        [index, doc_type, id] if is_name(index) && is_name(doc_type) && !id.starts_with('_') => {
            (doc_type, format!("/{index}/_doc/{id}"))
        }
        [
            index,
            doc_type,
            id,
            last @ ("_update" | "_source" | "_create" | "_explain" | "_termvectors"),
        ] if is_name(index) && (is_name(doc_type) || doc_type == "_doc") => {
            (doc_type, format!("/{index}/{last}/{id}"))
        }
        [index, doc_type] if method == "POST" && is_name(index) && is_name(doc_type) => {
            (doc_type, format!("/{index}/_doc"))
        }
        _ => return None,
    };
    let path = match query {
        Some(query) => format!("{typeless}?{query}"),
        None => typeless,
    };
    Some(Rewritten { path, doc_type: doc_type.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vendored_media_types_become_plain() {
        let check = |from, to| assert_eq!(media_type(from), to, "{from}");
        check("application/json", "application/json");
        check("application/vnd.elasticsearch+json; compatible-with=8", "application/json");
        check("application/vnd.elasticsearch+x-ndjson;compatible-with=8", "application/x-ndjson");
        check(
            "application/vnd.elasticsearch+json;compatible-with=8, text/plain",
            "application/json, text/plain",
        );
        check(
            "application/vnd.elasticsearch+json; charset=utf-8",
            "application/json; charset=utf-8",
        );
    }

    #[test]
    fn types_are_taken_out_of_paths() {
        let check = |method, from, to: Option<&str>| {
            assert_eq!(request_path(method, from).map(|r| r.path).as_deref(), to, "{from}");
        };
        check("PUT", "/i/_doc/1", None);
        check("PUT", "/i/doc/1?routing=a", Some("/i/_doc/1?routing=a"));
        check("POST", "/i/doc", Some("/i/_doc"));
        check("GET", "/i/doc", None);
        check("POST", "/i/doc/1/_update", Some("/i/_update/1"));
        check("POST", "/i/_doc/1/_update", Some("/i/_update/1"));
        check("POST", "/i/doc/_search", Some("/i/_search"));
        check("POST", "/i/_search", None);
        check("POST", "/_bulk", None);
        check("GET", "/_cat/indices/x", None);
        check("POST", "/i/_update/1", None);
    }
}
