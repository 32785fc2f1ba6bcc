//! What differs between two documents, two JSON values, the answers of two clusters, two sets of documents.
//!
//! Invariants: no I/O; the same inputs give the same differences in the same order; objects are compared
//! without regard to the order of their keys, arrays with it; numbers by value where both are integers and by
//! their 64-bit float otherwise (`1.0` and `1` are equal, as they are to the cluster).
#![forbid(unsafe_code)]

pub mod fingerprint;
pub mod traffic;

use serde::Serialize;
use serde_json::{Number, Value};

/// One place at which two values differ.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Dotted path, array positions in brackets: `hits[3]._source.name`; empty at the root.
    pub path: String,
    /// `None`: there is nothing at this path on this side.
    pub left: Option<Value>,
    pub right: Option<Value>,
}

/// One side's document.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    pub routing: Option<&'a str>,
    /// The raw `_source`.
    pub source: &'a [u8],
}

/// What differs between two documents of the same id: routing and `_source`. At most `limit` places.
pub fn documents(left: Document<'_>, right: Document<'_>, limit: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    if left.routing != right.routing {
        let side = |routing: Option<&str>| routing.map(|r| Value::String(r.to_owned()));
        let (left, right) = (side(left.routing), side(right.routing));
        found.push(Difference { path: "_routing".into(), left, right });
    }
    // Almost always the bytes are the same, and then nothing needs to be parsed.
    if left.source == right.source {
        return found;
    }
    let parse = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    match (parse(left.source), parse(right.source)) {
        (Some(left), Some(right)) => walk("_source", Some(&left), Some(&right), limit, &mut found),
        (left, right) => found.push(Difference { path: "_source".into(), left, right }),
    }
    found.truncate(limit);
    found
}

/// Where two JSON values differ; at most `limit` places.
pub fn values(left: &Value, right: &Value, limit: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    walk("", Some(left), Some(right), limit, &mut found);
    found
}

fn walk(
    path: &str,
    left: Option<&Value>,
    right: Option<&Value>,
    limit: usize,
    found: &mut Vec<Difference>,
) {
    if found.len() >= limit {
        return;
    }
    match (left, right) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            for (key, value) in a {
                walk(&member(path, key), Some(value), b.get(key), limit, found);
            }
            for (key, value) in b.iter().filter(|(key, _)| !a.contains_key(*key)) {
                walk(&member(path, key), None, Some(value), limit, found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for at in 0..a.len().max(b.len()) {
                walk(&format!("{path}[{at}]"), a.get(at), b.get(at), limit, found);
            }
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) if same_number(a, b) => {}
        (a, b) if a == b => {}
        (a, b) => {
            found.push(Difference { path: path.to_owned(), left: a.cloned(), right: b.cloned() });
        }
    }
}

fn member(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn same_number(a: &Number, b: &Number) -> bool {
    if let (Some(a), Some(b)) = (a.as_i128(), b.as_i128()) {
        return a == b;
    }
    a.as_f64() == b.as_f64()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(left: &Value, right: &Value) -> Vec<String> {
        values(left, right, 100).into_iter().map(|d| d.path).collect()
    }

    #[test]
    fn differences_are_named_by_path() {
        assert!(paths(&json!({"a": 1, "b": [1.0]}), &json!({"b": [1], "a": 1})).is_empty());
        assert_eq!(
            paths(&json!({"a": {"b": [1, 2]}, "c": null}), &json!({"a": {"b": [1, 3, 4]}, "d": 0})),
            ["a.b[1]", "a.b[2]", "c", "d"]
        );
        assert_eq!(paths(&json!("1"), &json!(1)), [""]);
        assert_eq!(
            paths(&json!(9_007_199_254_740_993_i64), &json!(9_007_199_254_740_992_i64)),
            [""]
        );
        assert_eq!(values(&json!([1, 2, 3]), &json!([4, 5, 6]), 2).len(), 2);
    }

    #[test]
    fn documents_are_compared_with_their_routing() {
        let document =
            |routing, source: &'static str| Document { routing, source: source.as_bytes() };
        let same =
            documents(document(None, r#"{"a":1,"b":2}"#), document(None, r#"{"b": 2, "a": 1}"#), 9);
        assert!(same.is_empty());
        let differ = documents(document(Some("r"), r#"{"a":1}"#), document(None, r#"{"a":2}"#), 9);
        let paths: Vec<_> = differ.into_iter().map(|d| d.path).collect();
        assert_eq!(paths, ["_routing", "_source.a"]);
        assert_eq!(documents(document(None, "{"), document(None, "{}"), 9).len(), 1);
    }
}
