//! Endpoints that the target has elsewhere: points in time and searches that go on by themselves, which Elasticsearch
//! and OpenSearch made each in its own way.

use serde_json::{Value, json};

use crate::{Change, Target, catalogue::RuleLine};

/// A request in the target's form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Path and query.
    pub path: String,
    /// `None`: it stays what it is, byte for byte.
    pub body: Option<Vec<u8>>,
    /// What is lost, or has another name.
    pub changes: Vec<Change>,
}

const PIT: &str = "_pit";
const OPENSEARCH_PIT: &str = "_search/point_in_time";
/// The first OpenSearch that has points in time.
const PIT_SINCE: (u32, u32) = (2, 4);
const ASYNC: &str = "_async_search";
const OPENSEARCH_ASYNC: &str = "_plugins/_asynchronous_search";
/// The first OpenSearch.
const ANY: (u32, u32) = (1, 0);

/// (endpoint, parameter, what OpenSearch calls it, why)
type Rule = (&'static str, &'static str, Option<&'static str>, &'static str);

const PARAMETERS: &[Rule] = &[
    (
        PIT,
        "allow_partial_search_results",
        Some("allow_partial_pit_creation"),
        "OpenSearch's name for it",
    ),
    (PIT, "max_concurrent_shard_requests", None, "OpenSearch opens a point in time without it"),
    (ASYNC, "ccs_minimize_roundtrips", None, "OpenSearch never does it in such a search"),
    (ASYNC, "return_intermediate_results", None, "OpenSearch always gives what it has"),
];

const TIEBREAKER: &str =
    "Elasticsearch sorts what is equal by _shard_doc, unasked, and answers with its value too";
const FILTER: &str = "OpenSearch takes no index_filter: the point in time is of all that are named";

/// A captured request with the path, parameters and body that `target` has for it; `None`: it has the same. `path` is
/// a request target with its query, percent-encoded. No OpenSearch has what is moved here under the name that
/// Elasticsearch has for it, so what the source is doesn't matter.
pub fn moved(target: Target, method: &str, path: &str, original: &[u8]) -> Option<Moved> {
    let (bare, query) = path.split_once('?').unwrap_or((path, ""));
    let segments: Vec<&str> = bare.trim_matches('/').split('/').collect();
    let (has_pit, has_async) = (target.at_least(PIT_SINCE), target.at_least(ANY));
    let (endpoint, path, body) = match (method, segments.as_slice()) {
        ("POST", [PIT]) if has_pit => (PIT, format!("/_all/{OPENSEARCH_PIT}"), Some(Vec::new())),
        ("POST", [index, PIT]) if has_pit => {
            (PIT, format!("/{index}/{OPENSEARCH_PIT}"), Some(Vec::new()))
        }
        ("DELETE", [PIT]) if has_pit => (PIT, format!("/{OPENSEARCH_PIT}"), closing(original)),
        ("POST", [ASYNC]) if has_async => (ASYNC, format!("/{OPENSEARCH_ASYNC}"), None),
        ("POST", [index, ASYNC]) if has_async => {
            (ASYNC, format!("/{index}/{OPENSEARCH_ASYNC}"), None)
        }
        ("GET" | "POST", ["_search"]) if has_pit => {
            let body = without_tiebreaker(original)?;
            let changes =
                vec![Change { path: "search_after".into(), why: TIEBREAKER, deferred: false }];
            return Some(Moved { path: path.to_owned(), body: Some(body), changes });
        }
        ("GET" | "DELETE", [ASYNC, id]) if has_async => {
            (ASYNC, format!("/{OPENSEARCH_ASYNC}/{id}"), None)
        }
        _ => return None,
    };
    let mut changes = Vec::new();
    let mut changed = |path: String, why| changes.push(Change { path, why, deferred: false });
    if endpoint == PIT && method == "POST" && !original.is_empty() {
        changed("index_filter".into(), FILTER);
    }
    let parameter = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let rule = PARAMETERS.iter().find(|(of, rule, ..)| *of == endpoint && *rule == name);
        match rule {
            Some((_, _, to, why)) => {
                changed(format!("?{name}"), why);
                to.map(|to| format!("{to}={value}"))
            }
            None => Some(pair.to_owned()),
        }
    };
    let query: Vec<_> =
        query.split('&').filter(|pair| !pair.is_empty()).filter_map(parameter).collect();
    let path = match query.is_empty() {
        true => path,
        false => format!("{path}?{}", query.join("&")),
    };
    Some(Moved { path, body, changes })
}

/// `{"id": "…"}` → `{"pit_id": ["…"]}`; what says nothing of the kind is for the target to refuse.
fn closing(body: &[u8]) -> Option<Vec<u8>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let id = body.get("id")?;
    Some(json!({"pit_id": [id]}).to_string().into_bytes())
}

/// The next page of a point in time, whose `search_after` has a value more than it has sorts: the last one is of a
/// sort that Elasticsearch adds by itself.
fn without_tiebreaker(body: &[u8]) -> Option<Vec<u8>> {
    // Parsing every search would cost too much.
    let names = |name: &[u8]| body.windows(name.len()).any(|part| part == name);
    if !names(b"\"pit\"") || !names(b"\"search_after\"") {
        return None;
    }
    let mut body: Value = serde_json::from_slice(body).ok()?;
    body.get("pit")?;
    let sorts = match body.get("sort")? {
        Value::Array(sorts) => sorts.len(),
        _ => 1,
    };
    let after = body.get_mut("search_after")?.as_array_mut()?;
    if after.len() != sorts + 1 {
        return None;
    }
    after.pop();
    Some(body.to_string().into_bytes())
}

pub(super) fn catalogue() -> Vec<RuleLine> {
    const AREA: &str = "endpoints";
    let since = format!("OpenSearch from {}.{}", PIT_SINCE.0, PIT_SINCE.1);
    let endpoint = |what: &str, to: String, versions: &str, why| {
        RuleLine::new(AREA, what, versions.to_owned(), to, why)
    };
    let endpoints = [
        endpoint(
            "POST /INDEX/_pit",
            format!("POST /INDEX/{OPENSEARCH_PIT}"),
            &since,
            "OpenSearch's own points in time",
        ),
        endpoint("POST /INDEX/_pit: index_filter", "-".into(), &since, FILTER),
        endpoint(
            "DELETE /_pit: id",
            format!("DELETE /{OPENSEARCH_PIT}: pit_id"),
            &since,
            "it closes several at once",
        ),
        endpoint(
            "_search: pit, search_after",
            "a value fewer, if it has one more than there are sorts".into(),
            &since,
            TIEBREAKER,
        ),
        endpoint(
            "/_async_search, /INDEX/_async_search, /_async_search/ID",
            format!("{OPENSEARCH_ASYNC} in its place"),
            "OpenSearch",
            "a plugin's there",
        ),
    ];
    let parameters = PARAMETERS.iter().map(|(of, name, to, why)| {
        let versions = if *of == PIT { since.clone() } else { "OpenSearch".to_owned() };
        RuleLine::new(AREA, format!("{of}?{name}"), versions, to.unwrap_or("-").to_owned(), why)
    });
    endpoints.into_iter().chain(parameters).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(target: Target, line: &str, body: &str) -> Option<(String, Option<String>)> {
        let (method, path) = line.split_once(' ').unwrap();
        let made = moved(target, method, path, body.as_bytes())?;
        let lost = path.contains("max_") || path.contains("allow_") || path.contains("ccs_");
        assert_eq!(made.changes.is_empty(), !lost && !path.contains("return_"), "{line}");
        Some((made.path, made.body.map(|body| String::from_utf8(body).unwrap())))
    }

    #[test]
    fn points_in_time_are_opened_and_closed_where_opensearch_has_them() {
        for (line, body, path, becomes) in [
            (
                "POST /i,j*/_pit?keep_alive=1m&routing=r",
                "",
                "/i,j*/_search/point_in_time?keep_alive=1m&routing=r",
                Some(""),
            ),
            (
                "POST /_pit?keep_alive=1m&max_concurrent_shard_requests=2",
                r#"{"index_filter":{"match_all":{}}}"#,
                "/_all/_search/point_in_time?keep_alive=1m",
                Some(""),
            ),
            (
                "POST /i/_pit/?allow_partial_search_results=true",
                "",
                "/i/_search/point_in_time?allow_partial_pit_creation=true",
                Some(""),
            ),
            (
                "DELETE /_pit",
                r#"{"id":"P=="}"#,
                "/_search/point_in_time",
                Some(r#"{"pit_id":["P=="]}"#),
            ),
            ("DELETE /_pit?pretty", "?", "/_search/point_in_time?pretty", None),
        ] {
            let expected = Some((path.to_owned(), becomes.map(str::to_owned)));
            assert_eq!(made(Target::opensearch(2, 4), line, body), expected, "{line}");
            for none in [Target::opensearch(2, 3), Target::elasticsearch(8, 19)] {
                assert_eq!(made(none, line, body), None, "{line}");
            }
        }
    }

    #[test]
    fn the_next_page_has_no_value_of_a_sort_that_the_target_has_not() {
        let page = |sort: &str, after: &str| {
            let body = format!(r#"{{"pit":{{"id":"P"}},"search_after":{after},"sort":{sort}}}"#);
            let moved = moved(Target::default(), "POST", "/_search?pretty", body.as_bytes());
            moved.map(|made| (made.path, String::from_utf8(made.body.unwrap()).unwrap()))
        };
        let fewer = r#"{"pit":{"id":"P"},"search_after":[7],"sort":[{"n":"asc"}]}"#;
        assert_eq!(
            page(r#"[{"n":"asc"}]"#, "[7,12]"),
            Some(("/_search?pretty".to_owned(), fewer.to_owned()))
        );
        let one = r#"{"pit":{"id":"P"},"search_after":["a"],"sort":"s"}"#;
        assert_eq!(page(r#""s""#, r#"["a",12]"#).map(|(_, body)| body), Some(one.to_owned()));
        for (sort, after) in [(r#"["n","_shard_doc"]"#, "[7,12]"), (r#"["n"]"#, "[7]"), ("[]", "7")]
        {
            assert_eq!(page(sort, after), None);
        }
    }

    #[test]
    fn searches_that_go_on_by_themselves_are_a_plugins() {
        for (line, path) in [
            (
                "POST /i/_async_search?wait_for_completion_timeout=1s&keep_on_completion=true&keep_alive=2m",
                "/i/_plugins/_asynchronous_search?wait_for_completion_timeout=1s&keep_on_completion=true&keep_alive=2m",
            ),
            (
                "POST /_async_search?ccs_minimize_roundtrips=true&size=3",
                "/_plugins/_asynchronous_search?size=3",
            ),
            (
                "GET /_async_search/A%3D%3D?return_intermediate_results=false",
                "/_plugins/_asynchronous_search/A%3D%3D",
            ),
            ("DELETE /_async_search/A", "/_plugins/_asynchronous_search/A"),
        ] {
            let expected = Some((path.to_owned(), None));
            assert_eq!(made(Target::opensearch(1, 3), line, "{}"), expected, "{line}");
            assert_eq!(made(Target::elasticsearch(7, 17), line, "{}"), None, "{line}");
        }
    }

    #[test]
    fn what_the_target_has_itself_stays() {
        for line in [
            "POST /i/_search/point_in_time?keep_alive=1m",
            "DELETE /_search/point_in_time",
            "POST /_plugins/_asynchronous_search",
            "GET /_pit/_doc/1",
            "POST /i/_doc/_pit",
            "GET /_async_search/status/A",
            "POST /i/_search",
        ] {
            assert_eq!(made(Target::default(), line, r#"{"id":"P"}"#), None, "{line}");
        }
    }
}
