//! `backfill run --rules` into a real server: what is on it, and that the accounts are true.
#![allow(clippy::unwrap_used, clippy::panic)] // a test fails by panicking

use std::{collections::BTreeMap, path::Path, process::Command, sync::Arc};

use backfill::{ReadSettings, RunSettings, read, run};
use cluster::{Cluster, Method, Request};
use rules::{Handed, Rules};
use serde_json::{Value, json};
use snapshot::Location;
use telemetry::Shutdown;
use testbed::Testbed;

fn unpack(name: &str, into: &Path) {
    let archive = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/repositories");
    let archive = format!("{archive}/{name}.tar.gz");
    let status = Command::new("tar").arg("xzf").arg(&archive).arg("-C").arg(into).status().unwrap();
    assert!(status.success(), "{archive}");
}

async fn plain(settings: &ReadSettings) -> Vec<Value> {
    let mut lines = Vec::new();
    read(settings, &mut lines, &Shutdown::new()).await.unwrap();
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

/// Index, id, routing → source.
type Documents = BTreeMap<(String, String, Option<String>), Value>;

async fn on_the_target(cluster: &Cluster) -> Documents {
    let mut documents = Documents::new();
    for index in ["logs", "unicode"] {
        cluster.call(Request::new(Method::POST, format!("/{index}/_refresh"))).await.unwrap();
        let path = format!("/{index}/_search?size=1000");
        let reply = cluster.call(Request::new(Method::GET, path)).await.unwrap();
        let answer: Value = serde_json::from_slice(&reply.body).unwrap();
        for hit in answer["hits"]["hits"].as_array().unwrap() {
            let text = |name: &str| hit[name].as_str().map(str::to_owned);
            let key = (index.to_owned(), text("_id").unwrap(), text("_routing"));
            assert!(documents.insert(key, hit["_source"].clone()).is_none());
        }
    }
    documents
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_goes_through_rules() {
    let target = Testbed::opensearch("2").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    unpack("opensearch-2", folder.path());
    let location = folder.path().join("repo");
    let location = Location::parse(location.to_str().unwrap()).unwrap();
    let mut source = ReadSettings::new(location, "snap1");
    let plain = plain(&source).await;

    let rules = json!([
        {"when": "operation._index == 'logs'", "jq": ".document.hostname = .document.host | del(.document.host)"},
        {"js": "(bindings) => (m) => m.document.status === bindings.status ? null : m", "bindings": {"status": 404}},
        {"js": "() => (m) => {
            switch (m.operation._id) {
                case 'id-1': m.operation._index = 'unicode'; m.operation._id = 'moved'; m.operation.routing = 'r'; break;
                case 'id-4': m.operation._index = 'absent'; break;
                case 'id-5': throw new Error('not this one');
            }
            return m;
        }"},
    ]);
    let parse = |rules: &Value| {
        let rules = Rules::parse(&rules.to_string(), Handed::List, &mut |name| Err(name.into()));
        Some(Arc::new(rules.unwrap()))
    };
    source.rules = parse(&rules);
    let failed = tempfile::tempdir().unwrap();
    let mut settings = RunSettings::new(source, target.url(), failed.path().to_str().unwrap());
    settings.workers = 2;
    let summary = run(settings.clone(), Shutdown::new()).await.unwrap();

    let mut expected = Documents::new();
    let mut dropped = 0;
    for document in &plain {
        let text = |name: &str| document.get(name).and_then(Value::as_str).map(str::to_owned);
        let mut source = document["_source"].clone();
        let mut key = (text("_index").unwrap(), text("_id").unwrap(), text("_routing"));
        if source.get("status") == Some(&json!(404)) {
            dropped += 1;
            continue;
        }
        match key.1.as_str() {
            "id-1" => key = ("unicode".into(), "moved".into(), Some("r".into())),
            "id-4" | "id-5" => continue,
            _ => {}
        }
        if document["_index"] == "logs" {
            let fields = source.as_object_mut().unwrap();
            let host = fields.remove("host").unwrap();
            fields.insert("hostname".into(), host);
        }
        expected.insert(key, source);
    }
    let cluster = Cluster::connect(cluster::Settings::new(target.url())).await.unwrap();
    let found = on_the_target(&cluster).await;
    for (key, source) in &expected {
        assert_eq!(found.get(key), Some(source), "{key:?}");
    }
    assert_eq!(found.len(), expected.len());

    let accounts = &summary.status.accounts;
    assert!(dropped > 50 && accounts.is_balanced(), "{accounts:?}");
    assert_eq!(accounts.skipped["rule"], dropped);
    assert_eq!((accounts.written, accounts.failed["rule"]), (expected.len() as u64, 2));
    assert_eq!(accounts.read + dropped, plain.len() as u64);
    assert!(!summary.is_complete() && summary.status.is_finished(), "{}", summary.status);
    let mut kept = String::new();
    for part in std::fs::read_dir(failed.path().join("default")).unwrap() {
        kept.push_str(&std::fs::read_to_string(part.unwrap().path()).unwrap());
    }
    assert_eq!(kept.matches(r#""class":"rule""#).count(), 2, "{kept}");
    for why in ["rule 3 (js): the script threw Error: not this one", "moves it to absent"] {
        assert!(kept.contains(why), "{why}: {kept}");
    }

    // Workers of one run have the same rules.
    settings.read.rules = parse(&json!([{"jq": "."}]));
    let refused = run(settings, Shutdown::new()).await.unwrap_err().to_string();
    assert!(refused.contains("rules"), "{refused}");
}
