//! `backfill read` gives exactly the documents of snapshots made by servers of eleven versions.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::{collections::BTreeMap, path::Path, process::Command};

use backfill::{ReadSettings, ReadSummary, read};
use serde_json::Value;
use snapshot::Location;
use telemetry::Shutdown;
use testbed::CLUSTERS;

type Documents = BTreeMap<(String, String), Value>;

fn unpack(name: &str, into: &Path) {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/repositories");
    let archive = format!("{archive}/{name}.tar.gz");
    let status = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(into).status().unwrap();
    assert!(status.success(), "{archive}");
}

fn by_id(lines: &[u8]) -> Documents {
    let mut documents = Documents::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let document: Value = serde_json::from_slice(line).unwrap();
        let text = |key: &str| document[key].as_str().unwrap().to_owned();
        let key = (text("_index"), text("_id"));
        assert!(documents.insert(key.clone(), document).is_none(), "{key:?} comes twice");
    }
    documents
}

async fn read_all(repository: &Path, indices: &[&str]) -> (Vec<u8>, ReadSummary) {
    let location = Location::parse(repository.to_str().unwrap()).unwrap();
    let mut settings = ReadSettings::new(location, "snap1");
    settings.indices = indices.iter().map(|name| (*name).to_owned()).collect();
    let mut lines = Vec::new();
    let summary = read(&settings, &mut lines, &Shutdown::new()).await.unwrap();
    (lines, summary)
}

#[tokio::test]
async fn every_document_of_every_version() {
    for name in CLUSTERS {
        let folder = tempfile::tempdir().unwrap();
        unpack(name, folder.path());
        let expected = by_id(&std::fs::read(folder.path().join("expected.ndjson")).unwrap());
        let (lines, summary) = read_all(&folder.path().join("repo"), &[]).await;
        assert!(summary.is_complete(), "{name}: {summary}");
        let mut found = by_id(&lines);
        for document in found.values_mut() {
            let document = document.as_object_mut().unwrap();
            assert!(document.remove("_shard").unwrap().is_u64(), "{name}");
            let has_sequence = document.remove("_seq_no").is_some();
            assert_eq!(document.remove("_primary_term").is_some(), has_sequence);
            let since_6 = !["es-1.7", "es-2.4", "es-5.6"].contains(&name);
            assert_eq!(has_sequence, since_6, "{name}: {document:?}");
            document.remove("_version");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
        for (key, document) in &expected {
            assert_eq!(found.get(key), Some(document), "{name}: {key:?}");
        }
    }
}

#[tokio::test]
async fn indices_are_chosen_and_lines_are_in_order() {
    let folder = tempfile::tempdir().unwrap();
    unpack("opensearch-3", folder.path());
    let (lines, _) = read_all(&folder.path().join("repo"), &["*", "-uni*"]).await;
    let shards: Vec<u64> = lines
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| {
            let document: Value = serde_json::from_slice(line).unwrap();
            assert_eq!(document["_index"], "logs");
            document["_shard"].as_u64().unwrap()
        })
        .collect();
    assert_eq!(shards.len(), 480);
    assert!(shards.is_sorted());
    let location = Location::parse(folder.path().join("repo").to_str().unwrap()).unwrap();
    let mut settings = ReadSettings::new(location, "snap1");
    settings.indices = vec!["absent".into()];
    let refused = read(&settings, &mut Vec::new(), &Shutdown::new()).await.unwrap_err();
    assert!(refused.to_string().contains("no such index"), "{refused}");
}
