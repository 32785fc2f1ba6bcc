//! From a history on a server of one version to a target of another, document by document.

use std::collections::BTreeMap;
use std::path::Path;

use backfill::{Output, ReadSettings, RunSettings, RunSummary, read, run};
use cluster::Cluster;
use serde_json::Value;
use snapshot::Location;
use telemetry::Shutdown;
use testbed::{ExpectedDocument, History, Server};

pub(crate) const TARGETS: [&str; 3] = ["1", "2", "3"];

/// A history of another seed each time; `GODWIT_SEED` repeats one.
pub(crate) async fn history(source: &Server) -> History {
    let seed = std::env::var("GODWIT_SEED").map_or_else(|_| rand::random(), |s| s.parse().unwrap());
    History::make(source, seed).await.unwrap()
}

fn settings(history: &History, indices: &[&str]) -> ReadSettings {
    let location = Location::parse(history.repository().to_str().unwrap()).unwrap();
    let mut settings = ReadSettings::new(location, history.snapshot());
    settings.indices = indices.iter().map(|name| (*name).to_owned()).collect();
    settings
}

type Key = (String, Option<String>, String);

/// `backfill read` gives exactly what the server showed.
pub(crate) async fn check_read(name: &str, history: &History) {
    let mut lines = Vec::new();
    let summary = read(&settings(history, &[]), &mut lines, &Shutdown::new()).await.unwrap();
    assert!(summary.is_complete(), "{name}, seed {}: {summary}", history.seed);
    let mut found: BTreeMap<Key, Value> = BTreeMap::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let document: Value = serde_json::from_slice(line).unwrap();
        let text = |key: &str| document[key].as_str().map(str::to_owned);
        let key = (text("_index").unwrap(), text("_type"), text("_id").unwrap());
        assert!(found.insert(key.clone(), document).is_none(), "{name}: {key:?} comes twice");
    }
    for expected in &history.expected {
        let key = (expected.index.clone(), expected.doc_type.clone(), expected.id.clone());
        let document = found.remove(&key);
        let document =
            document.unwrap_or_else(|| panic!("{name}, seed {}: no {key:?}", history.seed));
        let number = |key: &str| document.get(key).map(|number| number.as_u64().unwrap());
        assert_eq!(document["_source"], expected.source, "{name}: {key:?}");
        assert_eq!(number("_seq_no"), expected.seq_no, "{name}: {key:?}");
        assert_eq!(number("_primary_term"), expected.primary_term, "{name}: {key:?}");
        if let Some(version) = number("_version") {
            assert_eq!(version, expected.version, "{name}: {key:?}");
        }
        // Elasticsearch 5 keeps a parent's id where it isn't read; `run` refuses such an index.
        if !(name == "es-5.6" && expected.parent.is_some()) {
            let routing = document.get("_routing").map(|routing| routing.as_str().unwrap());
            assert_eq!(routing, routing_of(expected), "{name}: {key:?}");
        }
    }
    assert!(found.is_empty(), "{name}: documents that nobody expected: {:?}", found.keys());
}

fn routing_of(expected: &ExpectedDocument) -> Option<&str> {
    expected.routing.as_deref().or(expected.parent.as_deref())
}

/// `backfill run` brings the target to the same documents, and says truthfully what became of each.
pub(crate) async fn check_run(name: &str, history: &History, target: &Server) {
    let cluster = Cluster::connect(cluster::Settings::new(target.url())).await.unwrap();
    clear(&cluster).await;
    let failed = tempfile::tempdir().unwrap();
    let run_name = format!("r{}", rand::random::<u32>());
    let all = backfill(history, &["*"], target, &run_name, failed.path()).await;
    let (summary, refused) = match all {
        Ok(summary) => (summary, None),
        Err(error) => {
            assert_eq!(name, "es-5.6", "{error}");
            assert!(error.contains("family") && error.contains("_parent"), "{error}");
            let rest = ["*", "-family"];
            let rest = backfill(history, &rest, target, &run_name, failed.path()).await;
            (rest.unwrap_or_else(|error| panic!("{name}: {error}")), Some("family"))
        }
    };
    let expected: Vec<&ExpectedDocument> = history
        .expected
        .iter()
        .filter(|document| refused.is_none_or(|refused| refused != document.index))
        .collect();
    let accounts = &summary.status.accounts;
    let kept = failures(failed.path());
    assert_eq!(accounts.read, expected.len() as u64, "{name}: {accounts:?}");
    assert!(accounts.is_balanced(), "{name}: {accounts:?}");
    assert_eq!(accounts.failures(), kept.len() as u64, "{name}: {accounts:?} {kept:#?}");
    assert_eq!(summary.is_complete(), kept.is_empty(), "{name}: {}", summary.status);
    assert!(kept.is_empty(), "{name} to {}: {kept:#?}", target.version());

    let mut of_index: BTreeMap<String, Vec<&ExpectedDocument>> = BTreeMap::new();
    for document in expected {
        of_index.entry(target_index(history, document)).or_default().push(document);
    }
    for (index, expected) in of_index {
        check_index(name, &cluster, &index, &expected).await;
    }
}

/// One index a type, where an index has several.
fn target_index(history: &History, document: &ExpectedDocument) -> String {
    let types = history.expected.iter().filter(|other| other.index == document.index);
    let mut types: Vec<_> = types.filter_map(|other| other.doc_type.as_deref()).collect();
    types.sort_unstable();
    types.dedup();
    match (&document.doc_type, types.len()) {
        (Some(doc_type), 2..) => format!("{}-{doc_type}", document.index),
        _ => document.index.clone(),
    }
}

async fn check_index(name: &str, cluster: &Cluster, index: &str, expected: &[&ExpectedDocument]) {
    let mut found = BTreeMap::new();
    let mut scan = cluster.scan(index, 1000).await.unwrap();
    loop {
        let page = scan.next_page().await.unwrap();
        if page.is_empty() {
            break;
        }
        for document in page {
            assert!(found.insert(document.id.clone(), document).is_none());
        }
    }
    for expected in expected {
        let Some(document) = found.remove(&expected.id) else {
            panic!("{name}: {index} has no {:?}", expected.id);
        };
        let source: Value = serde_json::from_slice(&document.source).unwrap();
        assert_eq!(source, expected.source, "{name}: {index} {:?}", expected.id);
        let routing = document.routing.as_deref();
        assert_eq!(routing, routing_of(expected), "{name}: {index} {:?}", expected.id);
        let version = match (expected.primary_term, expected.seq_no) {
            (Some(term), Some(seq_no)) => (term << 40) + seq_no + 1,
            _ => 0,
        };
        assert_eq!(document.version as u64, version, "{name}: {index} {:?}", expected.id);
    }
    assert!(found.is_empty(), "{name}: {index} has more: {:?}", found.keys());
}

async fn backfill(
    history: &History,
    indices: &[&str],
    target: &Server,
    run_name: &str,
    failed: &Path,
) -> Result<RunSummary, String> {
    let mut settings = RunSettings::new(
        settings(history, indices),
        target.url(),
        failed.to_str().unwrap().to_owned(),
    );
    settings.run = run_name.parse().unwrap();
    settings.output = Output::Json;
    run(settings, Shutdown::new()).await.map_err(|error| error.to_string())
}

/// The lines of the stream of failed documents.
fn failures(folder: &Path) -> Vec<String> {
    let mut lines = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = std::fs::read_to_string(path).unwrap();
                lines.extend(text.lines().map(|line| line.chars().take(600).collect::<String>()));
            }
        }
    }
    lines
}

/// Takes everything from a target that several sources are moved to.
async fn clear(cluster: &Cluster) {
    for name in cluster.index_identities().await.unwrap().into_keys() {
        let path = format!("/{}", cluster::encode_segment(&name));
        cluster.call(cluster::Request::new(cluster::Method::DELETE, path)).await.unwrap();
    }
}
