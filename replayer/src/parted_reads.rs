//! Captured reads of indices whose types are indices of their own on the target: they go to those.
//!
//! What names an index by itself is rewritten, in the path and in the bodies of `_mget` and `_msearch`; a read that can't be
//! mapped (patterns, aliases, an id of no type) stays as it is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use bytes::Bytes;
use serde_json::{Map, Value, json};

use crate::indices::Part;

/// The parts of each index that has some.
pub(crate) type Parts = BTreeMap<String, Arc<[Part]>>;

/// What may be asked of several indices together, but for `_mget`, whose documents say their own.
const OF_SEVERAL: [&str; 9] = [
    "_search",
    "_count",
    "_msearch",
    "_mget",
    "_refresh",
    "_validate",
    "_field_caps",
    "_search_shards",
    "_rank_eval",
];

/// The indices that a read names.
pub(crate) fn named(path: &str, body: &[u8]) -> BTreeSet<String> {
    let read = Read::of(path);
    let mut names: BTreeSet<String> = listed(read.index.unwrap_or_default());
    for line in lines(&read, body) {
        match read.endpoint {
            "_mget" => {
                let docs = line.get("docs").and_then(Value::as_array).into_iter().flatten();
                names.extend(docs.filter_map(|doc| Some(doc.get("_index")?.as_str()?.to_owned())));
            }
            _ => names.extend(texts(line.get("index"))),
        }
    }
    names
}

/// The same read of the target's indices; `None`: nothing of it is of an index with parts.
pub(crate) fn route(path: &str, body: &Bytes, parts: &Parts) -> Option<(String, Bytes)> {
    if parts.is_empty() {
        return None;
    }
    let read = Read::of(path);
    let types: Vec<String> = read.types.map(listed).unwrap_or_default().into_iter().collect();
    let made_body = body_of(&read, &types, body, parts);
    let made_path = read.index.and_then(|index| {
        // Each document of the body says its own.
        if read.endpoint == "_mget" && made_body.is_some() {
            return None;
        }
        let expression = expression(index, &types, parts)?;
        // One document has one place.
        if (read.is_document || read.endpoint == "_mget") && expression.contains(',') {
            return None;
        }
        Some(path.replacen(index, &expression, 1))
    });
    match (made_path, made_body) {
        (None, None) => None,
        (path_of, body_of) => Some((
            path_of.unwrap_or_else(|| path.to_owned()),
            body_of.unwrap_or_else(|| body.clone()),
        )),
    }
}

/// What a path says.
#[derive(Debug, Default)]
struct Read<'a> {
    index: Option<&'a str>,
    types: Option<&'a str>,
    endpoint: &'a str,
    is_document: bool,
}

impl<'a> Read<'a> {
    fn of(path: &'a str) -> Self {
        let bare = path.split_once('?').map_or(path, |(bare, _)| bare);
        let segments: Vec<&str> = bare.trim_matches('/').split('/').collect();
        let is_name = |text: &str| !text.is_empty() && !text.starts_with('_');
        match segments[..] {
            [endpoint] if endpoint.starts_with('_') => Self { endpoint, ..Self::default() },
            [index, endpoint, ..] if is_name(index) && OF_SEVERAL.contains(&endpoint) => {
                Self { index: Some(index), endpoint, ..Self::default() }
            }
            [index, types, endpoint, ..]
                if is_name(index) && is_name(types) && OF_SEVERAL.contains(&endpoint) =>
            {
                Self { index: Some(index), types: Some(types), endpoint, ..Self::default() }
            }
            [index, types, id, ..] if [index, types, id].into_iter().all(is_name) => Self {
                index: Some(index),
                types: Some(types),
                is_document: true,
                ..Self::default()
            },
            _ => Self::default(),
        }
    }
}

/// A list of names with the target's in place of those that have parts; `None`: none has.
fn expression(index: &str, types: &[String], parts: &Parts) -> Option<String> {
    let mut found = false;
    let mut names: Vec<String> = Vec::new();
    for name in index.split(',') {
        match targets(name, types, parts) {
            Some(targets) => {
                found = true;
                names.extend(targets.iter().map(|target| cluster::encode_segment(target)));
            }
            None => names.push(name.to_owned()),
        }
    }
    found.then(|| names.join(","))
}

/// The target's indices for those types of an index; none named: for all.
fn targets(index: &str, types: &[String], parts: &Parts) -> Option<Vec<String>> {
    let has = |part: &&Part| types.is_empty() || part.types.iter().any(|of| types.contains(of));
    let names: Vec<String> =
        parts.get(index)?.iter().filter(has).map(|part| part.name.to_string()).collect();
    (!names.is_empty()).then_some(names)
}

fn body_of(read: &Read<'_>, types: &[String], body: &Bytes, parts: &Parts) -> Option<Bytes> {
    let mut lines = lines(read, body);
    let mut changed = false;
    match (read.endpoint, lines.as_mut_slice()) {
        ("_mget", [Value::Object(whole)]) => {
            for doc in whole.get_mut("docs").and_then(Value::as_array_mut)?.iter_mut() {
                let Some(doc) = doc.as_object_mut() else { continue };
                changed |= place_document(doc, read.index, types, parts);
            }
        }
        ("_msearch", lines) => {
            for header in lines.iter_mut().step_by(2).filter_map(Value::as_object_mut) {
                changed |= place_search(header, read.index, types, parts);
            }
        }
        _ => return None,
    }
    if !changed {
        return None;
    }
    let end = if read.endpoint == "_msearch" { "\n" } else { "" };
    let text: String = lines.iter().map(|line| format!("{line}{end}")).collect();
    Some(text.into())
}

fn place_document(
    doc: &mut Map<String, Value>,
    index: Option<&str>,
    types: &[String],
    parts: &Parts,
) -> bool {
    let said = |name: &str| doc.get(name).and_then(Value::as_str).map(str::to_owned);
    let Some(index) = said("_index").or(index.map(str::to_owned)) else { return false };
    let types = match said("_type").or(said("type")) {
        Some(of) => vec![of],
        None => types.to_vec(),
    };
    match targets(&index, &types, parts).as_deref() {
        Some([only]) => {
            doc.insert("_index".into(), only.as_str().into());
            true
        }
        _ => false,
    }
}

fn place_search(
    header: &mut Map<String, Value>,
    index: Option<&str>,
    types: &[String],
    parts: &Parts,
) -> bool {
    let (named, of) = (texts(header.get("index")), texts(header.get("type")));
    let named: Vec<String> = match (named.is_empty(), index) {
        (true, Some(index)) => listed(index).into_iter().collect(),
        _ => named,
    };
    let types = if of.is_empty() { types.to_vec() } else { of };
    let mut found = false;
    let mut names = Vec::new();
    for name in named {
        match targets(&name, &types, parts) {
            Some(targets) => {
                found = true;
                names.extend(targets);
            }
            None => names.push(name),
        }
    }
    if found {
        header.insert("index".into(), json!(names));
    }
    found
}

/// The lines of a body that may name indices; none of one that isn't JSON.
fn lines(read: &Read<'_>, body: &[u8]) -> Vec<Value> {
    if !matches!(read.endpoint, "_mget" | "_msearch") {
        return Vec::new();
    }
    let lines = serde_json::Deserializer::from_slice(body).into_iter();
    lines.collect::<Result<_, _>>().unwrap_or_default()
}

fn listed(expression: &str) -> BTreeSet<String> {
    expression.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// One text (a list with commas), or a list of them.
fn texts(value: Option<&Value>) -> Vec<String> {
    let all: Vec<&str> = match value {
        Some(Value::String(text)) => text.split(',').collect(),
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    all.into_iter().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts() -> Parts {
        let part = |name: &str, types: &[&str]| Part {
            name: Arc::from(name),
            types: types.iter().map(|name| (*name).to_owned()).collect(),
            image: String::new(),
        };
        let of_i = [part("i-a", &["a"]), part("i-b", &["b"])];
        [("i".to_owned(), Arc::from(of_i)), ("u".to_owned(), Arc::from([part("u", &["a", "b"])]))]
            .into()
    }

    #[test]
    fn paths_go_to_the_parts_of_their_types() {
        let check = |path: &str, expected: Option<&str>| {
            let made = route(path, &Bytes::new(), &parts());
            assert_eq!(made.map(|(path, _)| path).as_deref(), expected, "{path}");
        };
        check("/i/_search?q=i", Some("/i-a,i-b/_search?q=i"));
        check("/i/a/_search", Some("/i-a/a/_search"));
        check("/i/a,b/_count", Some("/i-a,i-b/a,b/_count"));
        check("/j,i/b/_search", Some("/j,i-b/b/_search"));
        check("/i/b/7?routing=1", Some("/i-b/b/7?routing=1"));
        check("/i/b/7/_source", Some("/i-b/b/7/_source"));
        check("/u/a/7", Some("/u/a/7"));
        // Nothing says where.
        for path in [
            "/i/c/7",
            "/i/c/_search",
            "/i*/_search",
            "/_search",
            "/j/_search",
            "/",
            "/i",
            "/i/_doc/7",
            "/i/_mget",
        ] {
            check(path, None);
        }
    }

    #[test]
    fn bodies_go_to_the_parts_of_their_types() {
        let check = |path: &str, body: &str, expected: Option<(&str, &str)>| {
            let made = route(path, &Bytes::from(body.to_owned()), &parts());
            let made = made.map(|(path, body)| (path, String::from_utf8(body.to_vec()).unwrap()));
            let made = made.as_ref().map(|(path, body)| (path.as_str(), body.as_str()));
            assert_eq!(made, expected, "{path} {body}");
        };
        check(
            "/_mget",
            r#"{"docs":[{"_id":"1","_index":"i","_type":"a"},{"_id":"1","_index":"i"},{"_id":"1","_index":"j"}]}"#,
            Some((
                "/_mget",
                r#"{"docs":[{"_id":"1","_index":"i-a","_type":"a"},{"_id":"1","_index":"i"},{"_id":"1","_index":"j"}]}"#,
            )),
        );
        check(
            "/i/_mget",
            r#"{"docs":[{"_id":"1","_type":"b"}]}"#,
            Some(("/i/_mget", r#"{"docs":[{"_id":"1","_index":"i-b","_type":"b"}]}"#)),
        );
        check("/i/a/_mget", r#"{"ids":["1"]}"#, Some(("/i-a/a/_mget", r#"{"ids":["1"]}"#)));
        check(
            "/_msearch",
            "{\"index\":\"i\",\"type\":\"a\"}\n{\"size\":1}\n{\"index\":[\"j\"]}\n{}\n",
            Some((
                "/_msearch",
                "{\"index\":[\"i-a\"],\"type\":\"a\"}\n{\"size\":1}\n{\"index\":[\"j\"]}\n{}\n",
            )),
        );
        check(
            "/i/b/_msearch",
            "{}\n{}\n",
            Some(("/i-b/b/_msearch", "{\"index\":[\"i-b\"]}\n{}\n")),
        );
        check("/_msearch", "no JSON", None);
        check("/_mget", r#"{"docs":[1]}"#, None);
    }

    #[test]
    fn what_a_read_names_is_what_is_looked_up() {
        let names = |path: &str, body: &str| {
            named(path, body.as_bytes()).into_iter().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names("/i,j/a/_search", "{}"), "i j");
        assert_eq!(names("/i/a/1", ""), "i");
        assert_eq!(names("/_mget", r#"{"docs":[{"_index":"k"}]}"#), "k");
        assert_eq!(names("/i/_msearch", "{\"index\":\"k,l\"}\n{}\n"), "i k l");
        assert_eq!(names("/_search/scroll", ""), "");
    }
}
