//! Definitions that real programs set up, out of published packages (`templates/README.md`).
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};
use transform::{Made, Target, Version, Wanted};

/// The server that a package's definitions are of, by how their paths begin.
const SOURCES: [(&str, Version); 9] = [
    ("esrally-0.4.8/", elasticsearch(2, 4)),
    ("esrally-0.9.4/", elasticsearch(5, 6)),
    ("esrally-2.13.0/", elasticsearch(8, 19)),
    ("opensearch-benchmark-2.4.0/", opensearch(2, 19)),
    ("elastalert2-2.19.0/es7", elasticsearch(7, 17)),
    ("elastalert2-2.19.0/es8", elasticsearch(8, 19)),
    ("invenio-rdm-records-36.0.0/v7", elasticsearch(7, 10)),
    ("invenio-rdm-records-36.0.0/os-v1", opensearch(1, 3)),
    ("invenio-rdm-records-36.0.0/os-v2", opensearch(2, 19)),
];

const fn elasticsearch(major: u32, minor: u32) -> Version {
    Version { flavour: transform::Flavour::Elasticsearch, major, minor }
}

const fn opensearch(major: u32, minor: u32) -> Version {
    Version { flavour: transform::Flavour::OpenSearch, major, minor }
}

fn targets() -> [Target; 6] {
    [
        Target::opensearch(1, 3),
        Target::opensearch(2, 19),
        Target::opensearch(3, 8),
        Target { knn: true, zstd: true, ..Target::opensearch(3, 8) },
        Target::elasticsearch(7, 17),
        Target::elasticsearch(8, 19),
    ]
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/templates")
}

/// Each definition by its path, with what it is of.
fn corpus() -> Vec<(String, Version, Map<String, Value>)> {
    let mut found = Vec::new();
    for package in std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()) {
        if !package.is_dir() || package.ends_with("expected") {
            continue;
        }
        for file in std::fs::read_dir(package).unwrap().map(|entry| entry.unwrap().path()) {
            let path = file.strip_prefix(folder()).unwrap().to_str().unwrap().to_owned();
            let (_, source) = SOURCES.iter().find(|(prefix, _)| path.starts_with(prefix)).unwrap();
            let body: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
            found.push((path, *source, body.as_object().cloned().unwrap()));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    assert!(found.len() > 30);
    found
}

/// By what kind of definition it is.
fn made(body: &Map<String, Value>, source: Version, target: Target) -> Made {
    if body.get("template").is_some_and(Value::is_object) {
        return transform::index_template(body, source, target);
    }
    if body.contains_key("index_patterns") || body.contains_key("template") {
        return transform::legacy_template(body, source, target);
    }
    let definition = match body.contains_key("mappings") {
        true => body.clone(),
        false => Map::from_iter([("mappings".to_owned(), Value::Object(body.clone()))]),
    };
    let wanted = Wanted { target, aliases: true, ..Wanted::default() };
    let mut made = transform::live_index("i", &definition, source, wanted);
    assert_eq!(made.len(), 1);
    let index = made.remove(0);
    Made { body: index.body, changes: index.changes, refused: index.refused }
}

#[test]
fn nothing_is_refused_and_a_second_time_changes_nothing() {
    for (path, source, body) in corpus() {
        for target in targets() {
            let first = made(&body, source, target);
            assert_eq!(first.refused, [], "{path} for {target:?}");
            assert_eq!(first, made(&body, source, target), "{path}: not the same twice");
            let again = made(first.body.as_object().unwrap(), target.version, target);
            assert_eq!(again.changes, [], "{path} for {target:?}, the second time");
            assert_eq!(again.body, first.body, "{path} for {target:?}, the second time");
        }
    }
}

#[test]
fn each_becomes_what_is_expected() {
    let renew = std::env::var_os("GODWIT_RENEW").is_some();
    for (path, source, body) in corpus() {
        let Made { body, changes, refused } = made(&body, source, Target::opensearch(2, 19));
        let found = json!({"body": body, "changes": changes, "refused": refused});
        let expected = folder().join("expected").join(path.replace('/', "_"));
        if renew {
            std::fs::create_dir_all(expected.parent().unwrap()).unwrap();
            std::fs::write(&expected, format!("{found:#}\n")).unwrap();
        }
        let expected: Value = serde_json::from_slice(&std::fs::read(&expected).unwrap()).unwrap();
        assert_eq!(found, expected, "{path}");
    }
}
