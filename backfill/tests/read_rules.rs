//! `backfill read --rules`: what rules make of a snapshot's documents, seen without a target.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::{collections::BTreeMap, path::Path, process::Command};

use backfill::{ReadFlags, ReadSettings, ReadSummary, read};
use serde_json::{Value, json};
use telemetry::Shutdown;

fn unpack(name: &str, into: &Path) {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/repositories");
    let archive = format!("{archive}/{name}.tar.gz");
    let status = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(into).status().unwrap();
    assert!(status.success(), "{archive}");
}

/// Documents by their ids, with and without rules.
async fn documents(folder: &Path, rules: Option<&str>) -> (BTreeMap<String, Value>, ReadSummary) {
    let path = folder.join("rules.yaml");
    std::fs::write(&path, rules.unwrap_or_default()).unwrap();
    let flags = ReadFlags {
        repository: Some(folder.join("repo").display().to_string()),
        snapshot: Some("snap1".into()),
        index: vec!["logs".into()],
        rules: rules.map(|_| path),
        ..ReadFlags::default()
    };
    let settings = ReadSettings::load(&flags, Vec::new()).unwrap();
    let mut lines = Vec::new();
    let summary = read(&settings, &mut lines, &Shutdown::new()).await.unwrap();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let documents = lines.map(|line| {
        let document: Value = serde_json::from_slice(line).unwrap();
        (document["_id"].as_str().unwrap().to_owned(), document)
    });
    (documents.collect(), summary)
}

const RULES: &str = r#"
rules:
  - jq: .document.hostname = .document.host | del(.document.host)
    when: operation._index == 'logs' && operation.routing == null
  - js-file: drop.js
    bindings: {status: 404}
  - JsonJSTransformerProvider:
      initializationScript: |
        function main(context) {
          return (documents) => documents.map((item) => {
            const operation = item.get('operation');
            if (operation.get('routing') === 'r1') {
              operation.set('_index', context.get('index'));
              operation.set('_id', operation.get('_id') + '-' + (operation.get('_type') ?? item.get('source_metadata').get('_seq_no')));
              operation.delete('routing');
            }
            return item;
          });
        }
        (() => main)();
      bindingsObject: '{"index": "moved"}'
"#;

#[tokio::test]
async fn documents_are_renamed_moved_and_dropped() {
    for name in ["es-2.4", "opensearch-2"] {
        let folder = tempfile::tempdir().unwrap();
        unpack(name, folder.path());
        let script = "(bindings) => (m) => m.document.status === bindings.status ? null : m";
        std::fs::write(folder.path().join("drop.js"), script).unwrap();
        let (plain, _) = documents(folder.path(), None).await;
        let (found, summary) = documents(folder.path(), Some(RULES)).await;
        assert!(summary.is_complete(), "{name}: {summary}");
        assert_eq!(summary.documents + summary.dropped, plain.len() as u64);

        let mut expected = BTreeMap::new();
        let mut dropped = 0;
        for (mut id, mut document) in plain {
            if document["_source"]["status"] == 404 {
                dropped += 1;
                continue;
            }
            let routing = document.get("_routing").cloned();
            if routing.is_none() {
                let source = document["_source"].as_object_mut().unwrap();
                let host = source.remove("host").unwrap();
                source.insert("hostname".into(), host);
            }
            if routing == Some(json!("r1")) {
                let kind = document.get("_type").and_then(Value::as_str).map(str::to_owned);
                let kind = kind.unwrap_or_else(|| document["_seq_no"].to_string());
                id = format!("{id}-{kind}");
                let fields = document.as_object_mut().unwrap();
                fields.remove("_routing");
                fields.extend([("_id".into(), json!(id)), ("_index".into(), json!("moved"))]);
            }
            expected.insert(id, document);
        }
        assert!(dropped > 50 && expected.values().any(|document| document["_index"] == "moved"));
        assert_eq!(summary.dropped, dropped, "{name}");
        for (id, document) in &expected {
            assert_eq!(found.get(id), Some(document), "{name}: {id}");
        }
        assert_eq!(found.len(), expected.len(), "{name}");
    }
}

#[tokio::test]
async fn a_document_that_a_rule_fails_on_costs_itself() {
    let folder = tempfile::tempdir().unwrap();
    unpack("opensearch-2", folder.path());
    let (plain, _) = documents(folder.path(), None).await;
    let rules = r"
limits: {time: 200ms, memory: 16MiB}
rules:
  - js: |
      () => (m) => {
        switch (m.operation._id) {
          case 'id-1': for (;;) {}
          case 'id-2': throw new Error('no');
          case 'id-4': { const all = []; for (;;) all.push(new Array(1000).fill(0)); }
          case 'id-5': return undefined;
          case 'id-6': return [m, m];
          case 'id-7': m.document = 'text'; return m;
          case 'id-8': m.operation.version = 7; return m;
        }
        return m;
      }
";
    let (found, summary) = documents(folder.path(), Some(rules)).await;
    assert_eq!((summary.failed, summary.dropped), (7, 0), "{summary}");
    let mut expected = plain;
    for id in [1, 2, 4, 5, 6, 7, 8] {
        expected.remove(&format!("id-{id}")).unwrap();
    }
    assert_eq!(found, expected);
}

#[test]
fn a_mistake_is_named_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yaml");
    std::fs::write(&path, "- jq: .\n- jq: .document.a |= \n").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_backfill"))
        .args(["read", "--repository", "/nowhere", "--snapshot", "s", "--rules"])
        .arg(&path)
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{error}");
    assert!(error.contains("rules.yaml`: rule 2 (jq): "), "{error}");
}
